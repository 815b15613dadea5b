"""Measure how long something keeps an event loop from its other tasks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.lowlevel
from attrs import define

__all__ = ("Turns", "busy", "held", "turns")

_TICK: Final = 0.001
_IDLE: Final = 0.2


async def held(work: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds that the loop was held at a stretch, beyond an idle one.

    The least of three tries: what else the machine does makes a try longer, never
    shorter, and what holds the loop holds it each time.
    """
    return min([await _once(work) for _ in range(3)])


async def busy(work: Callable[[], Awaitable[object]]) -> float:
    """Return the processor time that the loop's thread took between two of its turns.

    The least of three tries. Unlike `held`, this is the same on a machine with much to
    do, but leaves out what makes the loop wait.
    """
    return min([await _busy_once(work) for _ in range(3)])


@define
class Turns:
    """The turns of a task that only waits for the next one."""

    longest: float = 0.0
    """Seconds of processor time of the loop's thread between two of them."""


@asynccontextmanager
async def turns() -> AsyncIterator[Turns]:
    """Measure the turns of the loop while a block runs."""
    measured = Turns()

    async def turn() -> None:
        while True:
            began = time.thread_time()
            await anyio.lowlevel.checkpoint()
            measured.longest = max(measured.longest, time.thread_time() - began)

    async with anyio.create_task_group() as group:
        group.start_soon(turn)
        yield measured
        group.cancel_scope.cancel()


async def _busy_once(work: Callable[[], Awaitable[object]]) -> float:
    async with turns() as measured:
        await work()
    return measured.longest


async def _once(work: Callable[[], Awaitable[object]]) -> float:
    idle = await _beside(lambda: anyio.sleep(_IDLE))
    return max(0.0, await _beside(work) - idle)


async def _beside(work: Callable[[], Awaitable[object]]) -> float:
    late = 0.0

    async def tick() -> None:
        nonlocal late
        while True:
            due = time.perf_counter() + _TICK
            await anyio.sleep(_TICK)
            late = max(late, time.perf_counter() - due)

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        await anyio.sleep(5 * _TICK)
        await work()
        await anyio.sleep(5 * _TICK)
        group.cancel_scope.cancel()
    return late
