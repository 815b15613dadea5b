"""End everything below a process, and no other process.

It goes round by round, as new processes can come while it looks. What a process that
was killed leaves behind becomes a child of the subreaper at the root, where the next
round finds it; so when the root has no child any more, nothing is left.

Only the standard library is used here: keepers run outside of this package.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import Final

from . import proc

__all__ = ("kill_tree",)

_LONGEST: Final = 0.02
"""Seconds between two rounds, in the end."""


def kill_tree() -> None:
    """End everything below this process, until nothing is left."""
    pause = 0.001
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return  # whatever is left of a tree is a child of its root in the end
        for each in proc.descendants(os.getpid()):
            _end(each)  # a zombie too: some of its threads can still run
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST)


def _end(process: proc.Stat) -> None:
    """End a process, but not one that has got its number meanwhile."""
    with suppress(OSError):  # it has ended, or is another user's and must end by itself
        fd = _pidfd_open(process.pid)
        now = proc.stat(process.pid)
        same = now is not None and now.started == process.started
        if fd is None and same:
            os.kill(process.pid, signal.SIGKILL)
        elif fd is not None:
            try:
                if same:
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
            finally:
                os.close(fd)


def _pidfd_open(pid: int) -> int | None:
    """Hold on to a process; None where the system cannot do that (Linux before 5.3)."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
