"""Read what a process holds, and tell whether it grows."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import trio
from attrs import fields, frozen

__all__ = (
    "Figures",
    "Growth",
    "Snapshot",
    "grown",
    "left",
    "measure",
    "settled",
    "snapshot",
)

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_MIB: Final = 2**20
_NAMED: Final = 8
"""Kinds that a report names at the most."""
_PATIENCE: Final = 12.0
"""Seconds in which threads without work have ended."""


@frozen
class Figures:
    """What a process holds at one moment, once what can be freed was freed."""

    memory: int
    """Resident bytes."""
    objects: int
    """Objects of Python that the collector knows."""
    threads: int
    descriptors: int
    mappings: int
    tasks: int
    """Tasks of the event loop; 0 outside of one."""


_SLACK: Final[dict[str, Callable[[float], float]]] = {
    "memory": lambda before: 4 * _MIB + before * 0.03,
    "objects": lambda before: 500 + before * 0.002,
    "threads": lambda _: 2,  # Pools have as many as were ever busy at once.
    "descriptors": lambda _: 0,
    "mappings": lambda before: 16 + before * 0.02,
    "tasks": lambda _: 0,
}
"""How far a figure may go up by chance."""


@frozen
class Growth:
    """A figure that went up and did not come down again."""

    figure: str
    before: float
    after: float
    what: str
    """What there is more of."""

    def __str__(self) -> str:
        if self.figure == "memory":
            change = f"{self.before / _MIB:.1f} MiB -> {self.after / _MIB:.1f} MiB"
        else:
            change = f"{self.before:_.0f} -> {self.after:_.0f}"
        return f"{self.figure} grew: {change}" + (
            f" ({self.what})" if self.what else ""
        )


Snapshot = dict[str, Counter[str]]
"""What the figures are of, by kind: to name what there is more of."""


def measure() -> Figures:
    """Free what can be freed, and read the figures."""
    for _ in range(3):
        gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    own = Path("/proc/self")
    return Figures(
        memory=int((own / "statm").read_text().split()[1]) * _PAGE,
        objects=len(gc.get_objects()),
        threads=len(list((own / "task").iterdir())),
        descriptors=len(list((own / "fd").iterdir())),
        mappings=(own / "maps").read_text().count("\n"),
        tasks=sum(_tasks().values()),
    )


def settled(reached: Figures) -> Figures:
    """Read the figures when they are down to others, or will not come down."""
    end = time.monotonic() + _PATIENCE
    while True:
        found = measure()
        if not left(reached, found, {}, {}) or time.monotonic() > end:
            return found
        time.sleep(0.5)


def snapshot() -> Snapshot:
    """Note what there is, by kind."""
    mapped = (
        " ".join(line.split()[5:]) or f"anonymous, {line.split()[1]}"
        for line in Path("/proc/self/maps").read_text().splitlines()
    )
    return {
        "memory": Counter(),
        "objects": Counter(type(each).__qualname__ for each in gc.get_objects()),
        "threads": Counter(thread.name for thread in threading.enumerate()),
        "descriptors": Counter(_descriptors()),
        "mappings": Counter(mapped),
        "tasks": _tasks(),
    }


def _descriptors() -> list[str]:
    found = []
    for each in tuple(Path("/proc/self/fd").iterdir()):
        try:
            found.append(str(each.readlink()).partition(":")[0])
        except OSError:  # The one that listed them.
            continue
    return found


def _tasks() -> Counter[str]:
    try:
        return Counter(task.get_name() for task in asyncio.all_tasks())
    except RuntimeError:
        pass
    try:
        root = trio.lowlevel.current_root_task()
    except RuntimeError:
        return Counter()
    found: Counter[str] = Counter()
    waiting: list[Any] = [root]
    while waiting:
        task = waiting.pop()
        found[task.name] += 1
        waiting += [
            child for nursery in task.child_nurseries for child in nursery.child_tasks
        ]
    return found


def grown(
    rounds: Sequence[Figures], before: Snapshot, after: Snapshot
) -> tuple[Growth, ...]:
    """Tell which figures grow from round to round.

    The first third warms up. A figure grows if even the least of the last third is
    above the most of the third between, and it is more than chance.
    """
    third = len(rounds) // 3
    if not third:
        return ()
    found = []
    for figure in (field.name for field in fields(Figures)):
        early = [getattr(each, figure) for each in rounds[third : 2 * third]]
        late = [getattr(each, figure) for each in rounds[2 * third :]]
        more = median(late) - median(early)
        if min(late) > max(early) and more > _SLACK[figure](median(early)):
            what = _more(before, after, figure)
            found.append(Growth(figure, median(early), median(late), what))
    return tuple(found)


def left(
    start: Figures, end: Figures, before: Snapshot, after: Snapshot
) -> tuple[Growth, ...]:
    """Tell which figures are above those of the start when all is closed."""
    found = []
    for figure in (field.name for field in fields(Figures)):
        first, last = getattr(start, figure), getattr(end, figure)
        if last > first + 2 * _SLACK[figure](first):
            found.append(Growth(figure, first, last, _more(before, after, figure)))
    return tuple(found)


def _more(before: Snapshot, after: Snapshot, figure: str) -> str:
    more = after.get(figure, Counter()) - before.get(figure, Counter())
    if figure == "memory" and not more:
        more = after.get("objects", Counter()) - before.get("objects", Counter())
    return ", ".join(
        f"{count:_} more {kind}" for kind, count in more.most_common(_NAMED)
    )
