"""Calls of exported functions, beside wasmtime-py's blocking call and a bare fibre."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airssys.core.limits import Limits
from airssys.engine.component import Engine
from airssys.engine.instance import Instance
from airssys.witmodel.records import component_id, timestamp

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
COUNTER = Path(__file__).parent.parent / "examples/quickstart/counter/counter.wat"
HANDLE = "airssys:core/component-lifecycle@1.0.0#handle-message"
WRITERS = "ours, without generated lowering"
MESSAGE = {
    "sender": component_id("acme/sender"),
    "payload": b"get",
    "correlation_id": "c-1",
    "reply_to": component_id("acme/other"),
    "topic": "orders.created",
    "content_type": "application/json",
    "timestamp": timestamp(1_700_000_000_000_000_005),
}
"""Every optional field is there, so all of its leaves are lowered."""


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _add, effort, backend)
    yield from run_on("trio", _compound, effort)
    yield from run_on("trio", _record, effort)


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


async def _record(effort: Effort) -> list[Row]:
    """Weigh what `values.inline` is worth, which writes source and executes it."""
    engine = Engine(cache=False)
    one, other = await engine.load(COUNTER), await engine.load(COUNTER)
    with await one.instantiate() as instance, await other.instantiate() as plain:
        await plain.call(HANDLE, MESSAGE)
        _without_inlining(plain)
        return await compare(
            effort,
            "call handle-message(message), a record of 12 leaves",
            awaited(instance.call, HANDLE, MESSAGE, gives=b"0"),
            {WRITERS: awaited(plain.call, HANDLE, MESSAGE, gives=b"0")},
            goals={WRITERS: Goal(limit=0.9)},
        )


def _without_inlining(instance: Instance) -> None:
    """Have the writers of `values.lower` do all the work of the calls so far."""
    for signature, *_ in instance._funcs.values():
        signature._lowered._inlined = None
