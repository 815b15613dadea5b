"""Measure how long something keeps an event loop from its other tasks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import anyio.lowlevel

__all__ = ("busy", "held")

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


async def _busy_once(work: Callable[[], Awaitable[object]]) -> float:
    most = 0.0

    async def turn() -> None:
        nonlocal most
        while True:
            began = time.thread_time()
            await anyio.lowlevel.checkpoint()
            most = max(most, time.thread_time() - began)

    async with anyio.create_task_group() as group:
        group.start_soon(turn)
        await work()
        group.cancel_scope.cancel()
    return most


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
