"""Host functions called by a guest, beside wasmtime-py's, which block the loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter

from airssys.core.limits import Limits
from airssys.engine.component import Component, Engine
from airssys.engine.instance import Instance
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface

from . import guests
from .measure import BACKENDS, Effort, Row, Timed, compare, run_on
from .plain import Plain

__all__ = ("rows",)

CALLS = 20_000
"""Host calls in one guest call at the most, so that no call runs long."""


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _both, effort, backend)


async def _both(effort: Effort, backend: str) -> list[Row]:
    component = await Engine(cache=False).compile(guests.HOST)
    plain = Plain(guests.HOST, {"twice": lambda _store, n: 2 * n})
    repeat = plain.function("repeat")

    async def blocking(times: int) -> int:
        found: int = repeat(plain.store, times)
        return found

    found = []
    for what, imports in (("def", _plain()), ("async def", _async())):
        with await _instance(component, imports) as instance:
            found += await compare(
                effort,
                f"host call, {what} ({backend})",
                _repeated(_calling(instance)),
                {"wasmtime-py's blocking host call": _repeated(blocking)},
            )
    return found


async def _instance(component: Component, imports: HostInterface) -> Instance:
    return await component.instantiate([imports], limits=Limits(timeout=60.0))


def _calling(instance: Instance) -> Callable[[int], Awaitable[int]]:
    async def call(times: int) -> int:
        found: int = await instance.call("repeat", times)
        return found

    return call


def _plain() -> HostInterface:
    world = HostInterface("")

    @world.function
    def twice(_: Call, n: int) -> int:
        return 2 * n

    return world


def _async() -> HostInterface:
    world = HostInterface("")

    @world.function
    async def twice(_: Call, n: int) -> int:
        return 2 * n

    return world


def _repeated(call: Callable[[int], Awaitable[int]]) -> Timed:
    async def timed(loops: int) -> float:
        took = 0.0
        while loops:
            times = min(loops, CALLS)
            start = perf_counter()
            total = await call(times)
            took += perf_counter() - start
            assert total == times * (times + 1)  # twice the sum of 1 to times
            loops -= times
        return took

    return timed
