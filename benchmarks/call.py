"""Calls of exported functions, beside wasmtime-py's blocking call and a bare fibre."""

from __future__ import annotations

from collections.abc import Iterator

from airssys.core.limits import Limits
from airssys.engine.component import Engine

from . import guests
from .measure import (
    BACKENDS,
    Effort,
    Goal,
    Row,
    awaited,
    blocking,
    compare,
    run_on,
)
from .plain import BareFibre, Plain

__all__ = ("rows",)

LIMITED = Limits(fuel=10_000_000, timeout=5.0)
WASMTIME = "wasmtime-py's blocking call"
BARE = "bare fibre, wasmtime-py's bindings"
LEAN = "bare fibre, addresses prepared"


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _add, effort, backend)
    yield from run_on("trio", _compound, effort)


async def _add(effort: Effort, backend: str) -> list[Row]:
    component = await Engine(cache=False).compile(guests.ADD)
    plain, bare = Plain(guests.ADD), BareFibre(guests.ADD)
    peers = {
        WASMTIME: blocking(plain.function("add"), plain.store, 3, 4, gives=7),
        BARE: blocking(bare.calling("add", 3, 4), gives=7),
        LEAN: blocking(bare.calling_lean("add", 3, 4), gives=7),
    }
    goals = {WASMTIME: Goal(limit=0.4), BARE: Goal(limit=1.6)}
    found = []
    for words, limits in (("", Limits()), (", fuel and time limited", LIMITED)):
        with await component.instantiate(limits=limits) as instance:
            found += await compare(
                effort,
                f"call add(u32, u32){words} ({backend})",
                awaited(instance.call, "add", 3, 4, gives=7),
                peers,
                goals=goals,
            )
    return found


async def _compound(effort: Effort) -> list[Row]:
    component = await Engine(cache=False).compile(guests.ECHO)
    plain = Plain(guests.ECHO)
    found = []
    with await component.instantiate() as instance:
        for what, export, value in (
            ("call echo(string), 16 characters", "text", "a plain sentence"),
            ("call echo(string), 64 KiB", "text", "a" * 2**16),
        ):
            found += await compare(
                effort,
                what,
                awaited(instance.call, export, value, gives=value),
                {
                    WASMTIME: blocking(
                        plain.function(export), plain.store, value, gives=value
                    )
                },
            )
    return found
