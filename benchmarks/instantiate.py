"""Making an instance with limits, beside the bare C calls that do so."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from time import perf_counter

from wasmtime.component import Component as PlainComponent
from wasmtime.component import Linker

from airssys.core.limits import Limits
from airssys.engine import _ffi
from airssys.engine.component import Engine

from . import guests
from .measure import BACKENDS, Effort, Goal, Row, compare, run_on
from .plain import engine as plain_engine

__all__ = ("rows",)

LIMITS = Limits(memory=4 * 2**20, fuel=10_000_000, timeout=5.0)
RAW = "bare instantiate_async with store limits"


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _instantiate, effort, backend)


async def _instantiate(effort: Effort, backend: str) -> list[Row]:
    component = await Engine(cache=False).compile(guests.TINY)
    make = _bare()

    async def ours(loops: int) -> float:
        start = perf_counter()
        for _ in range(loops):
            instance = await component.instantiate(limits=LIMITS)
            instance.close()
        took = perf_counter() - start
        with await component.instantiate(limits=LIMITS) as instance:
            assert await instance.call("add", 3, 4) == 7
        return took

    async def raw(loops: int) -> float:
        start = perf_counter()
        for _ in range(loops):
            make()
        return perf_counter() - start

    return await compare(
        effort,
        f"instantiate with limits, and close ({backend})",
        ours,
        {RAW: raw},
        goals={RAW: Goal(limit=2.0)},
    )


def _bare() -> Callable[[], None]:
    """Return what makes a limited instance through ctypes and deletes it again."""
    engine = plain_engine()
    linker, component = Linker(engine), PlainComponent(engine, guests.TINY)
    engine_at = _ffi.address(engine.ptr())
    linker_at = _ffi.address(linker.ptr())
    component_at = _ffi.address(component.ptr())
    instance = ctypes.create_string_buffer(_ffi.INSTANCE_SIZE)
    error = ctypes.c_uint64(0)

    def make() -> None:
        _ = linker, component  # kept alive
        store = _ffi.store_new(engine_at, None, None)
        context = _ffi.store_context(store)
        _ffi.store_limiter(
            store,
            LIMITS.memory,
            LIMITS.table_elements,
            LIMITS.instances,
            LIMITS.tables,
            LIMITS.memories,
        )
        _ffi.context_set_fuel(context, LIMITS.fuel)
        future = _ffi.linker_instantiate_async(
            linker_at,
            context,
            component_at,
            ctypes.addressof(instance),
            ctypes.addressof(error),
        )
        while not _ffi.future_poll(future):
            pass
        _ffi.future_delete(future)
        assert not error.value
        _ffi.store_delete(store)

    return make
