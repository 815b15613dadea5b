"""Many live instances: what each takes, and what happens at the machine's ceiling.

Each number runs in a process of its own: memory that was freed would hide what the
next instances take, and the process at the ceiling is not one to go on with.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from time import perf_counter

import anyio
from attrs import asdict, frozen

from airssys.core.errors import QuotaExceeded
from airssys.core.limits import Limits
from airssys.engine.component import Engine

from . import guests
from .measure import Effort, Goal, Row

__all__ = ("rows",)

LIMITS = Limits(memory=4 * 2**20, fuel=10_000_000, timeout=5.0)
ROOT = Path(__file__).resolve().parent.parent


def rows(effort: Effort) -> Iterator[Row]:
    for instances in effort.instances:
        found = _in_process(instances)
        assert found.live == instances, found
        yield Row(what=f"{instances:_} live instances, each", ours=found.seconds)
        yield Row(
            what=f"{instances:_} live instances, memory of each",
            ours=found.bytes,
            unit="B",
            goal=Goal(limit=12 * 1024, of="ours") if instances >= 20_000 else None,
        )
    if not effort.quick:
        yield _ceiling(20_000, called=False)
        # An instance that was called keeps the stack of its fibre.
        yield _ceiling(None, called=True)


def _ceiling(goal: float | None, *, called: bool) -> Row:
    found = _in_process(0, called=called)
    assert found.refused, found
    words = ", each called once" if called else ""
    return Row(
        what=f"live at the ceiling{words} ({found.bytes / 1024:.1f} KiB each), "
        f"then {found.refused}",
        ours=found.live,
        unit="instances",
        goal=None if goal is None else Goal(limit=goal, of="ours", at_least=True),
    )


@frozen
class Found:
    """What one process found."""

    live: int
    seconds: float
    bytes: float
    refused: str


def _in_process(instances: int, *, called: bool = False) -> Found:
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(instances), *["called"] * called],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return Found(**json.loads(done.stdout))


def _resident() -> int:
    """Return the bytes of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


async def _keep(instances: int, called: bool) -> Found:  # noqa: FBT001
    """Make that many instances, or all there is room for, and call each if asked."""
    component = await Engine(cache=False).compile(guests.TINY)
    with await component.instantiate(limits=LIMITS) as instance:
        assert await instance.call("add", 3, 4) == 7
    kept = []
    refused = ""
    before, start = _resident(), perf_counter()
    try:
        for _ in range(instances) if instances else count():
            kept.append(await component.instantiate(limits=LIMITS))
            if called:
                assert await kept[-1].call("add", 3, 4) == 7
    except QuotaExceeded as error:
        refused = type(error).__name__
    took, after = perf_counter() - start, _resident()
    assert await kept[0].call("add", 3, 4) == 7
    live = sum(instance.alive for instance in kept)
    for instance in kept:
        instance.close()
    with await component.instantiate(limits=LIMITS) as instance:
        assert await instance.call("add", 3, 4) == 7  # there is room again
    return Found(live, took / live, (after - before) / live, refused)


if __name__ == "__main__":
    print(
        json.dumps(
            asdict(
                anyio.run(_keep, int(sys.argv[1]), "called" in sys.argv, backend="trio")
            )
        )
    )
