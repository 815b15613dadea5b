"""Component actors under a supervisor, beside Pykka's, which are a thread each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
import pykka

from airssys.core.limits import Limits
from airssys.core.manifests.host import HostConfig
from airssys.engine.component import Engine
from airssys.system.opening import open_system
from airssys.system.system import System

from .measure import (
    BACKENDS,
    Effort,
    Goal,
    Row,
    Timed,
    awaited,
    blocking,
    compare,
    run_on,
)

__all__ = ("rows",)

COUNTER = Path(__file__).parent.parent / "examples/quickstart/counter/counter.wat"
"""Answers "get" with the count; the host compiles this text."""
LIMITS = Limits(memory=2**20, fuel=10_000_000, timeout=5.0)
START = "start of a Pykka actor"
ASK = "ask of a Pykka actor"


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _actors, effort, backend)


class _Counter(pykka.ThreadingActor):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_receive(self, message: Any) -> Any:
        if message == "inc":
            self.count += 1
            return None
        return b"%d" % self.count


async def _actors(effort: Effort, backend: str) -> list[Row]:
    engine = Engine(cache=False)
    async with open_system(HostConfig(), engine=engine) as system:
        found = await compare(
            effort,
            f"start a supervised component actor ({backend})",
            await _starting(system),
            {START: _starting_pykka()},
            goals={START: Goal(limit=100e-6, of="ours")},
        )
        component = await engine.load(COUNTER)
        counter = await system.spawn(component, id="asked", limits=LIMITS)
        other = _Counter.start()
        await counter.send("inc")
        other.tell("inc")
        found += await compare(
            effort,
            f"ask a component actor ({backend})",
            awaited(counter.ask, "get", gives=b"1"),
            {ASK: blocking(other.ask, "get", gives=b"1")},
            goals={ASK: Goal(limit=25e-6, of="ours")},
        )
        other.stop()
    return found


async def _starting(system: System) -> Timed:
    """Start an actor, which waits for the guest's ``init``; the stop is not timed."""
    component = await system.engine.load(COUNTER)
    numbers = count()

    async def timed(loops: int) -> float:
        took = 0.0
        for _ in range(loops):
            id_ = f"counter#{next(numbers)}"
            start = perf_counter()
            ref = await system.spawn(component, id=id_, limits=LIMITS)
            took += perf_counter() - start
            assert not ref.closed
            await system.stop(id_)
        return took

    return timed


def _starting_pykka() -> Timed:
    async def timed(loops: int) -> float:
        took = 0.0
        for _ in range(loops):
            start = perf_counter()
            ref = _Counter.start()
            took += perf_counter() - start
            assert ref.is_alive()
            ref.stop()
        await anyio.lowlevel.checkpoint()
        return took

    return timed
