"""Keep one program and all that it starts: start it, watch it, end it.

A keeper is a process between the host and one program. The kernel gives it whatever
the program's descendants leave behind (``PR_SET_CHILD_SUBREAPER``), so nothing can
leave the tree below it, by ``setsid``, a double fork or otherwise; and as the parent
it reaps, it never sends a signal to a number that has become someone else's. It ends
the tree when the program ends, when the host says so and when the host is gone.

Its life is one loop over three descriptors: ``woken`` (a child has news), ``control``
(the host asks, or has gone) and, until the program runs, ``report`` (exec has closed
it, or what went wrong is in it). Between news it looks at how much the tree uses.

Only the standard library is used here: keepers run outside of this package.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fcntl import F_DUPFD_CLOEXEC, fcntl
from typing import Final, NoReturn

from . import proc
from .tree_kill import kill_tree
from .wire import LARGEST, pack, unpack

__all__ = ("RLIMITS", "Keeper", "adopt", "lower", "prctl", "wake_up")

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38

RLIMITS: Final[Mapping[str, int]] = {
    "memory": resource.RLIMIT_DATA,
    "cpu_time": resource.RLIMIT_CPU,
    "file_size": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
}
"""The kernel's limits on each process, by the names of `ProcessLimits`."""
_SOON: Final = 0.02
"""Seconds between two looks at how many processes there can be at the most."""
_WEIGH: Final = (0.05, 0.5)
"""Seconds between two sums of the memory they use: at first, and later on."""
_REST: Final = 20
"""Rest so many times as long as a look has taken: it costs a twentieth of a core."""
_STDIO: Final = 3
_SCRIPT: Final = 3
"""What a program finds open besides its streams: the script it is to run."""
_PROGRAM: Final = 4
_REPORT: Final = 5
_FREE: Final = 16
"""Descriptors above this are in nobody's way."""

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    """Set something about this process; the system's own call."""
    if _libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def adopt() -> None:
    """Become the parent of what descendants leave behind, and hide from them."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    # Nobody of the same user reads its memory or its descriptors.
    prctl(PR_SET_DUMPABLE, 0)


def wake_up() -> int:
    """Return a descriptor that can be read whenever a child has news."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    return woken


_Answer = Callable[[Sequence[str]], Sequence[str | int]]
_NAMES: Final = (*RLIMITS, "processes")


class Keeper:
    """One program and all that it has started."""

    def __init__(
        self, control: socket.socket, descriptors: Sequence[int], woken: int
    ) -> None:
        self.control: socket.socket = control
        self.woken: int = woken
        self.descriptors: Sequence[int] = descriptors
        self.pid: int = 0
        self.ended: bool = False
        self.exceeded: str = ""
        self.limits: dict[str, int] = {}
        self.counted: int = 0
        self.newest: int = proc.newest_pid()
        self.weighed: float = time.monotonic()
        self.weighs: float = _WEIGH[0]
        self.rested: float = 0.0
        self.report: int = -1

    # --- its life -----------------------------------------------------------------

    def run(self) -> None:
        """Start the program, and return when nothing is left of it."""
        woken = self.woken
        request = unpack(self.control.recv(LARGEST))
        if request[0] != "start":  # the host has gone, or given up
            return
        try:
            self.start(request[1:])
        except OSError as error:
            self.send("failed", error.errno or 0, "fork")
            return
        poll, control = select.poll(), self.control.fileno()
        for fd in (woken, control, self.report):
            poll.register(fd, select.POLLIN)
        while not self.ended:
            ready = dict(poll.poll(self.pause()))
            if self.report in ready:
                poll.unregister(self.report)
                self.started()
            if woken in ready:
                _empty(woken)
                self.reap()
            asked = control in ready and not self.ended
            if asked and not self.answer():
                poll.unregister(control)
            if not self.ended:
                self.watch()

    def start(self, fields: Sequence[str]) -> None:
        """Start the program, as the host says."""
        wanted = _limits_of(fields[: len(_NAMES)])
        self.limits = {name: most for name, most in wanted.items() if most}
        count = int(fields[len(_NAMES)])
        rest = list(fields[len(_NAMES) + 1 :])
        argv, variables = rest[:count], rest[count:]
        env = dict(each.split("=", 1) for each in variables if each)
        self.report, write = os.pipe()
        keeper = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            self.become(write, keeper, argv, env)
        os.close(write)
        for fd in self.descriptors:
            os.close(fd)

    def become(
        self, report: int, keeper: int, argv: list[str], env: Mapping[str, str]
    ) -> NoReturn:
        """Become the program; what goes wrong is reported, and ends this process."""
        stage = "prepare"
        try:
            signal.set_wakeup_fd(-1)
            # The host can have been started with some of them ignored.
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            # A session and group of its own, named after its pid: signals for the group
            # reach it and not the keeper, and it has no terminal.
            os.setsid()
            os.umask(0o077)
            # All descriptors go out of the way first: a dup2 to a low number must not
            # close one that is still to be used. Then 0 to 2 are the streams, 3 a
            # script, 4 the program and 5 the report, the last two closed by exec.
            report = fcntl(report, F_DUPFD_CLOEXEC, _FREE)
            cwd, program, *others = (
                fcntl(fd, F_DUPFD_CLOEXEC, _FREE) for fd in self.descriptors
            )
            os.fchdir(cwd)
            os.dup2(report, _REPORT, inheritable=False)
            os.dup2(program, _PROGRAM, inheritable=False)
            for target, fd in enumerate(others):
                os.dup2(fd, target)
            if len(others) == _STDIO:
                os.closerange(_SCRIPT, _PROGRAM)
            report = _REPORT
            os.closerange(_REPORT + 1, os.sysconf("SC_OPEN_MAX"))
            stage = "limit"
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            for name, kind in RLIMITS.items():
                if name in self.limits:
                    most = _least(self.limits[name], resource.getrlimit(kind)[1])
                    resource.setrlimit(kind, (most, most))
            # No set-uid program gains anything, nor gets out of the keeper's reach.
            prctl(PR_SET_NO_NEW_PRIVS, 1)
            # The keeper has a single thread, so this is the end of the keeper.
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            # It may have ended before that was set, and then nobody would tell.
            if os.getppid() != keeper:
                os._exit(1)
            stage = "exec"
            # By descriptor: what was checked is what runs.
            os.execve(_PROGRAM, argv, env)  # noqa: S606 - no shell is what is wanted
        except OSError as error:
            os.write(report, pack(error.errno or 0, stage))
        except BaseException as error:  # noqa: BLE001 - the fork must not go on
            os.write(report, pack(0, f"{stage}: {error}"))
        os._exit(127)

    def started(self) -> None:
        """Tell the host that the program runs, or why it does not."""
        problem = os.read(self.report, 4096)
        os.close(self.report)
        if problem:
            self.send("failed", *unpack(problem))
            self.ended = True
            os.waitpid(self.pid, 0)
        else:
            self.send("started", self.pid, time.time_ns() // 1_000_000)

    # --- news from below ----------------------------------------------------------

    def reap(self) -> None:
        """Take note of whatever has become of children and of adopted ones."""
        events = os.WEXITED | os.WSTOPPED | os.WCONTINUED
        while not self.ended:
            try:
                # The program itself stays a zombie for now: its number is the group's.
                news = os.waitid(os.P_ALL, 0, events | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if news is None:
                return
            gone = news.si_code not in {os.CLD_STOPPED, os.CLD_CONTINUED}
            if news.si_pid == self.pid and gone:
                self.end()
                return
            if news.si_pid != self.pid:
                os.waitid(os.P_PID, news.si_pid, events | os.WNOHANG)
                continue
            stopped = news.si_code == os.CLD_STOPPED
            seen = os.WSTOPPED if stopped else os.WCONTINUED
            os.waitid(os.P_PID, self.pid, seen | os.WNOHANG)
            self.send("state", "stopped" if stopped else "running")

    def end(self) -> None:
        """End all that is left of the tree, and tell the host how the program ended."""
        # Before it is reaped: until then its number, the group's, is nobody else's.
        self._signal_group(signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        self.ended = True
        kill_tree()
        self.send(
            "exit",
            os.waitstatus_to_exitcode(status),
            round((usage.ru_utime + usage.ru_stime) * 1000),
            usage.ru_maxrss * 1024,
            self.exceeded,
        )

    def pause(self) -> float | None:
        """Return for how many milliseconds nothing need be watched."""
        if "processes" in self.limits:
            return _SOON * 1000
        return self.weighs * 1000 if "memory" in self.limits else None

    def watch(self) -> None:
        """End the tree where it has more processes, or memory, than it may."""
        now = time.monotonic()
        if now < self.rested:
            return
        # To go through /proc takes long, so first what is cheap: numbers of processes
        # are given in order, so the newest one bounds how many can have come to be.
        newest = proc.newest_pid()
        most = self.limits.get("processes", 0)
        memory = self.limits.get("memory", 0)
        # No more processes can be there than were counted and came to be since.
        more = newest - self.newest
        many = most and (more < 0 or self.counted + more > most)
        if not many and not (memory and now >= self.weighed + self.weighs):
            return
        self.newest = newest
        found = proc.descendants(os.getpid())  # zombies too: they use up numbers
        self.counted, self.weighed = len(found), now
        self.weighs = min(2 * self.weighs, _WEIGH[1])
        self.rested = now + _REST * (time.monotonic() - now)
        if most and len(found) > most:
            self.exceeded = "processes"
        elif memory and sum(each.memory for each in found) > memory:
            self.exceeded = "memory"
        if self.exceeded:
            self.kill()

    def kill(self) -> None:
        """End the program; that ends the rest."""
        self._signal_group(signal.SIGKILL)
        os.kill(self.pid, signal.SIGKILL)

    # --- what the host asks -------------------------------------------------------

    def answer(self) -> bool:
        """Carry out what the host asks; where it asks no more, end it all.

        Returns:
            Whether the host can ask for more.
        """
        request = self.control.recv(LARGEST)
        if not request:
            self.kill()
            return False
        kind, number, *fields = unpack(request)
        asked: _Answer = getattr(self, f"_{kind}")
        try:
            answer = asked(fields)
        except OSError as error:
            self.send("error", number, error.errno or 0)
        else:
            self.send("reply", number, *answer)
        return True

    def _signal(self, fields: Sequence[str]) -> Sequence[str | int]:
        os.kill(self.pid, int(fields[0]))
        return ()

    def _group(self, fields: Sequence[str]) -> Sequence[str | int]:
        self._signal_group(int(fields[0]))
        return ()

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            os.kill(self.pid, number)  # it has not become a group's first yet

    def _status(self, _: Sequence[str]) -> Sequence[str | int]:
        found = proc.stat(self.pid)
        if found is None:
            raise ProcessLookupError
        return (*found[1:], proc.peak_memory(self.pid))

    def _usage(self, fields: Sequence[str]) -> Sequence[str | int]:
        tree = [each for each in proc.descendants(os.getpid()) if each.state != "Z"]
        memory = sum(each.memory for each in tree)
        return (*self._status(fields), len(tree), memory)

    def _limits(self, _: Sequence[str]) -> Sequence[str | int]:
        now = {n: resource.prlimit(self.pid, k)[0] for n, k in RLIMITS.items()}
        now = {n: 0 if v == resource.RLIM_INFINITY else v for n, v in now.items()}
        return (*now.values(), self.limits.get("processes", 0))

    def _limit(self, fields: Sequence[str]) -> Sequence[str | int]:
        wanted = {name: most for name, most in _limits_of(fields).items() if most}
        held = _limits_of(self._limits(()))
        raised = [n for n, v in wanted.items() if held[n] and v > held[n]]
        if raised:
            return ("raised", *raised)
        for each in proc.descendants(os.getpid()):
            for name in wanted.keys() & RLIMITS.keys():
                try:
                    lower(each.pid, RLIMITS[name], wanted[name])
                except ProcessLookupError:  # one of those that the program started
                    if each.pid == self.pid:
                        raise
        self.limits |= wanted
        return ("lowered",)

    def send(self, *fields: str | int) -> None:
        """Send the host a message; where the host is gone, do nothing."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.control.send(pack(*fields))


def _limits_of(fields: Sequence[str | int]) -> dict[str, int]:
    return dict(zip(_NAMES, map(int, fields), strict=True))


def lower(pid: int, kind: int, most: int) -> None:
    """Lower a limit of a process, or leave it as it is."""
    soft, hard = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (_least(most, soft), _least(most, hard)))


def _least(one: int, other: int) -> int:
    """Return the smaller limit, where -1 is none."""
    return min((each for each in (one, other) if each != -1), default=-1)


def _empty(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except BlockingIOError:
        pass
