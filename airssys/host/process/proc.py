"""Read ``/proc``: what processes there are, who started them and what they use.

Only the standard library is used here: the warden runs outside of this package.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ("Stat", "descendants", "newest_pid", "peak_memory", "processes", "stat")

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Stat(NamedTuple):
    """A line of ``/proc/PID/stat``, as far as it is of use."""

    pid: int
    state: str
    """One letter, such as ``R``, ``S``, ``T`` for stopped and ``Z`` for a zombie."""
    ppid: int
    user: int
    """Processor time in its own code, in milliseconds."""
    system: int
    threads: int
    started: int
    """In ticks since the system started; with the pid it tells apart all processes."""
    memory: int
    """Bytes of main memory."""


def stat(pid: int) -> Stat | None:
    """Return what a process is and uses; None where there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - quick
            line = file.read()
    except OSError:
        return None
    # Its name is in brackets, and can have any character in it.
    fields = line[line.rfind(b")") + 2 :].split()
    return Stat(
        pid,
        fields[0].decode(),
        int(fields[1]),
        int(fields[11]) * 1000 // _TICKS,
        int(fields[12]) * 1000 // _TICKS,
        int(fields[17]),
        int(fields[19]),
        int(fields[21]) * _PAGE,
    )


def processes() -> Iterator[Stat]:
    """Go through all processes that can be seen."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - names alone are wanted
        if name.isdigit():
            found = stat(int(name))
            if found is not None:
                yield found


def descendants(pid: int) -> list[Stat]:
    """Return all that a process has started, and what these have, without itself."""
    started: dict[int, list[Stat]] = {}
    for each in processes():
        started.setdefault(each.ppid, []).append(each)
    found: list[Stat] = []
    parents = [pid]
    while parents:
        below = started.pop(parents.pop(), [])
        found += below
        parents += [each.pid for each in below]
    return found


def newest_pid() -> int:
    """Return the number that was given to a process or a thread last."""
    with open("/proc/loadavg", "rb", buffering=0) as file:  # noqa: PTH123 - quick
        return int(file.read().split()[4])


def peak_memory(pid: int) -> int:
    """Return the most bytes of main memory that a process has had; 0 where it ended."""
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:  # noqa: PTH123 - quick
            text = file.read()
    except OSError:
        return 0
    _, found, rest = text.partition(b"VmHWM:")
    return int(rest.split(maxsplit=1)[0]) * 1024 if found else 0
