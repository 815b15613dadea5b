"""Start keepers: the one process that the host itself starts.

    host ── warden ─┬─ keeper ── program ─┬─ ...
                    └─ keeper ── program  └─ ...

It has a single thread and next to nothing in it, so it can fork, which the host, with
its threads, must not: between fork and exec only that one thread would be there, while
locks of the others stay taken. It is asked by a socket: each request carries the
descriptors of one keeper, the keeper's own end of its socket to the host first. When
the host is gone, even by SIGKILL, the kernel closes its ends of the sockets: keepers
end their trees, and then the warden ends. Were a keeper ended by its own program, what
it kept would become the warden's, who ends it.

Only the standard library is used here: the warden runs outside of this package.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import time
from typing import Final, NoReturn

from . import proc
from .keeper import Keeper, adopt, wake_up
from .tree_kill import kill_tree
from .wire import LARGEST

__all__ = ("MOST_DESCRIPTORS", "Warden", "main")

MOST_DESCRIPTORS: Final = 8
"""Descriptors in one request."""
_PATIENCE: Final = 1.0
"""Seconds that keepers have when the host is gone."""


def main() -> NoReturn:
    """Serve the socket that is the standard input, until the other end is closed."""
    requests = socket.socket(fileno=os.dup(0))
    # What a keeper reads is the host's affair alone, and so is its end.
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    adopt()
    woken = wake_up()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Keepers share its memory until one of them writes to it, and a collection would.
    gc.freeze()
    gc.disable()
    warden = Warden(requests)
    poll = select.poll()
    for fd in (woken, requests.fileno()):
        poll.register(fd, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == woken:
                os.read(woken, 4096)
                _reap(warden.keepers)
            elif not warden.serve():
                _finish(warden.keepers, woken)
                os._exit(0)  # nothing is left that Python would have to put in order
        warden.prepare()


class Warden:
    """The keepers there are, and a spare one: a program need not wait for its fork."""

    def __init__(self, requests: socket.socket) -> None:
        self.requests: socket.socket = requests
        self.keepers: set[int] = set()
        self.spare: socket.socket | None = None

    def prepare(self) -> None:
        """Fork a keeper that waits for its program, if there is none."""
        if self.spare is not None:
            return
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = os.fork()
        except OSError:  # the host finds the socket of its keeper closed
            mine.close()
            its.close()
            return
        if not pid:
            code = 1
            try:
                self.requests.close()
                mine.close()
                _keep(its)
            finally:
                try:
                    kill_tree()
                    code = 0
                finally:
                    os._exit(code)  # what a keeper cannot end, the warden does
        its.close()
        self.keepers.add(pid)
        self.spare = mine

    def serve(self) -> bool:
        """Give a program to a keeper; tell whether the host is still there."""
        _, received, _, _ = socket.recv_fds(
            self.requests, LARGEST, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        # Twice, as a spare keeper can have been ended by someone.
        for _ in range(2 if received else 0):
            self.prepare()
            spare, self.spare = self.spare, None
            if spare is None:
                break
            with spare:
                try:
                    socket.send_fds(spare, [b"keep"], received)
                except OSError:
                    continue
            break
        for fd in received:
            os.close(fd)
        if not received and self.spare is not None:
            self.spare.close()
        return bool(received)


def _keep(given: socket.socket) -> None:
    """Be a keeper: wait for a program, and keep it."""
    adopt()
    woken = wake_up()
    with given:
        _, received, _, _ = socket.recv_fds(
            given, LARGEST, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
    if received:
        control, *descriptors = received
        Keeper(socket.socket(fileno=control), descriptors, woken).run()


def _reap(keepers: set[int]) -> bool:
    """Forget keepers that have ended, and end what they left behind.

    A keeper that was stopped, as its own program can do it, goes on at once.

    Returns:
        Whether there are children still.
    """
    left = False
    try:
        while (news := os.waitpid(-1, os.WNOHANG | os.WUNTRACED))[0]:
            pid, status = news
            if os.WIFSTOPPED(status):
                os.kill(pid, signal.SIGCONT)
            else:
                left = left or pid not in keepers or status != 0
                keepers.discard(pid)
    except ChildProcessError:
        return False
    # As a subreaper the warden has become the parent of what a dead keeper left behind:
    # every child that is not a keeper.
    if left or not keepers:
        for each in proc.processes():
            if each.ppid == os.getpid() and each.pid not in keepers:
                os.kill(each.pid, signal.SIGKILL)
    return True


def _finish(keepers: set[int], woken: int) -> None:
    """Wait until all keepers are done, and end those that take too long."""
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    late = time.monotonic() + _PATIENCE
    while _reap(keepers):
        rest = late - time.monotonic()
        if poll.poll(max(0.0, rest) * 1000 if keepers else None):
            os.read(woken, 4096)
        elif rest <= 0:
            for pid in keepers:
                os.kill(pid, signal.SIGKILL)
            keepers.clear()
