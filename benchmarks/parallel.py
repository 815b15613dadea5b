"""Two computing guests at once, beside one alone and beside two bare threads."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter

import anyio

from airssys.core.limits import Limits
from airssys.engine.component import Engine
from airssys.engine.instance import Instance

from . import guests
from .measure import BACKENDS, Effort, Goal, Row, alternate, run_on
from .plain import BareFibre

__all__ = ("rows",)


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _parallel, effort, backend)


def _fib(n: int) -> int:
    low, high = 0, 1
    for _ in range(n):
        low, high = high, low + high
    return low


async def _parallel(effort: Effort, backend: str) -> list[Row]:
    n = 24 if effort.quick else 33
    expected = _fib(n)
    component = await Engine(cache=False).compile(guests.FIB)
    pair = [await component.instantiate(limits=Limits()) for _ in range(2)]
    bares = [BareFibre(guests.FIB) for _ in range(2)]  # they outlive their calls
    calls = [bare.calling_lean("fib", n) for bare in bares]

    async def guest(instance: Instance) -> None:
        assert await instance.call("fib", n) == expected

    async def guests_at_once(count: int, loops: int) -> float:
        start = perf_counter()
        for _ in range(loops):
            async with anyio.create_task_group() as nursery:
                for instance in pair[:count]:
                    nursery.start_soon(guest, instance)
        return perf_counter() - start

    async def threads_at_once(count: int, loops: int) -> float:
        start = perf_counter()
        for _ in range(loops):
            threads = [
                threading.Thread(target=_check, args=(call, expected))
                for call in calls[:count]
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return perf_counter() - start

    values = await alternate(
        effort,
        {
            "one": partial(guests_at_once, 1),
            "two": partial(guests_at_once, 2),
            "one thread": partial(threads_at_once, 1),
            "two threads": partial(threads_at_once, 2),
        },
    )
    ours = _speed_up(values["one"], values["two"])
    ceiling = _speed_up(values["one thread"], values["two threads"])
    for instance in pair:
        instance.close()
    return [
        Row(
            what=f"throughput of two computing guests to one's ({backend})",
            ours=ours,
            unit="x",
            peer=ceiling,
            beside="two bare fibres polled in threads",
            ratio=ours / ceiling,
            goal=Goal(limit=1.8, of="ours", at_least=True),
            values=values,
        )
    ]


def _speed_up(one: list[float], two: list[float]) -> float:
    return statistics.median(
        2 * alone / both for alone, both in zip(one, two, strict=True)
    )


def _check(call: Callable[[], int], expected: int) -> None:
    found = call()
    assert found == expected
