"""How late things are beside guests that never give way.

The loop's lateness is that of a task that asks to run each millisecond. Two cores that
are both busy are late without any guest, so the same is measured with nothing else
running, and beside two plain threads that burn a core each in C, without the
interpreter lock.
"""

from __future__ import annotations

import hashlib
import statistics
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import perf_counter

import anyio

from airssys.core.limits import Limits
from airssys.engine.component import Component, Engine

from . import guests
from .measure import BACKENDS, Effort, Goal, Row, percentile, run_on

__all__ = ("cancels", "loop")

TICK = 0.001
PART = 0.5
"""Seconds of each kind before the next has its turn."""


def cancels(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _cancels, effort, backend)


def loop(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _loop, effort, backend)


async def _cancels(effort: Effort, backend: str) -> list[Row]:
    """Cancel a spinning guest by a deadline, and a bare wait beside it."""
    component = await Engine(cache=False).compile(guests.FIB)
    late, bare = [], []
    for number in range(effort.cancels):
        wait = 0.002 + 0.0007 * (number % 11)  # not in step with the slices
        instance = await component.instantiate(limits=Limits())
        with anyio.move_on_after(wait) as scope:
            await instance.call("spin")
        late.append(anyio.current_time() - scope.deadline)
        assert scope.cancelled_caught
        assert not instance.alive
        with anyio.move_on_after(wait) as scope:
            await anyio.sleep_forever()
        bare.append(anyio.current_time() - scope.deadline)
    return [
        Row(
            what=f"cancel of a spinning guest is late, {words} ({backend})",
            ours=percentile(late, part),
            beside="a cancelled sleep",
            peer=percentile(bare, part),
            goal=Goal(limit=0.002, of="ours") if part == 0.99 else None,
            values={"ours": late, "a cancelled sleep": bare},
        )
        for words, part in (("median", 0.5), ("p99", 0.99))
    ]


async def _loop(effort: Effort, backend: str) -> list[Row]:
    component = await Engine(cache=False).compile(guests.FIB)
    kinds: dict[str, Callable[[], AbstractAsyncContextManager[None]]] = {
        "idle": _idle,
        "two plain threads": _threads,
        "two spinning guests": lambda: _guests(component),
    }
    late: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(max(1, round(effort.seconds / PART))):
        for kind, busy in kinds.items():
            async with busy():
                await anyio.sleep(0.02)
                late[kind] += await _ticks(PART)
    ours = late["two spinning guests"]
    found = []
    for words, part in (("median", 0.5), ("p99", 0.99), ("worst", 1.0)):
        found += [
            Row(
                what=f"loop late beside two spinning guests, {words} ({backend})",
                ours=percentile(ours, part),
                peer=percentile(late[kind], part),
                beside=kind,
                ratio=percentile(ours, part) / percentile(late[kind], part),
                goal=Goal(limit=0.001, of="ours")
                if part == 0.99 and kind == "idle"
                else None,
            )
            for kind in ("idle", "two plain threads")
        ]
    return found


async def _ticks(seconds: float) -> list[float]:
    """Tick for a while; return how late each tick was."""
    late = []
    end = perf_counter() + seconds
    while (now := perf_counter()) < end:
        await anyio.sleep(TICK)
        late.append(max(0.0, perf_counter() - now - TICK))
    assert statistics.fmean(late) < seconds
    return late


@asynccontextmanager
async def _idle() -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _guests(component: Component) -> AsyncIterator[None]:
    made = [await component.instantiate(limits=Limits()) for _ in range(2)]
    async with anyio.create_task_group() as nursery:
        for instance in made:
            nursery.start_soon(instance.call, "spin")
        yield
        nursery.cancel_scope.cancel()
    assert not any(instance.alive for instance in made)


@asynccontextmanager
async def _threads() -> AsyncIterator[None]:
    over = threading.Event()

    def burn() -> None:
        block = bytes(2**18)  # about 0.2 ms without the interpreter lock
        while not over.is_set():
            hashlib.sha256(block)

    threads = [threading.Thread(target=burn) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
