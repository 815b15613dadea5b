"""Guests that wait and look at the clock as WASI has it, beside wasmtime's own WASI.

Wasmtime's blocks its thread, so it runs in one, as a program would have it.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import cache, partial
from itertools import repeat
from time import perf_counter
from typing import Any, Final

import anyio
import anyio.to_thread
import wasmtime
from wasmtime.component import Component as PlainComponent
from wasmtime.component import Linker

from airssys.core.limits import Limits
from airssys.engine.component import Component, Engine
from airssys.wasi import open_interfaces

from .measure import BACKENDS, Effort, Goal, Row, Timed, compare, run_on
from .plain import engine

__all__ = ("rows",)

GUEST: Final = """(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))
    (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $given))
    (export "pollable" (type $q (eq $given)))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
  (core module $memory
    (memory (export "mem") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536)))
  (core instance $mem (instantiate $memory))
  (alias core export $mem "mem" (core memory $m))
  (alias core export $mem "realloc" (core func $realloc))
  (core func $now (canon lower (func $clock "now")))
  (core func $after (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $wait (canon lower (func $poll "poll") (memory $m) (realloc $realloc)))
  (core func $drop (canon resource.drop $pollable))
  (core module $code
    (import "host" "mem" (memory 2))
    (import "host" "now" (func $now (result i64)))
    (import "host" "after" (func $after (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "poll" (func $poll (param i32 i32 i32)))
    (import "host" "drop" (func $drop (param i32)))
    (global $held (mut i32) (i32.const 0))
    (func (export "clock") (param $n i32) (result i64) (local $seen i64)
      (loop $again
        (local.set $seen (call $now))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $again (local.get $n)))
      (local.get $seen))
    (func (export "hold") (param $n i32)
      (loop $again
        (i32.store offset=1024 (i32.shl (global.get $held) (i32.const 2))
          (call $after (i64.const 0)))
        (global.set $held (i32.add (global.get $held) (i32.const 1)))
        (br_if $again (i32.lt_u (global.get $held) (local.get $n)))))
    (func (export "poll") (param $n i32) (result i32)
      (loop $again
        (call $poll (i32.const 1024) (global.get $held) (i32.const 16))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $again (local.get $n)))
      (i32.load offset=4 (i32.const 16)))
    (func (export "sleep") (param $nanoseconds i64) (local $handle i32)
      (local.set $handle (call $after (local.get $nanoseconds)))
      (call $block (local.get $handle))
      (call $drop (local.get $handle))))
  (core instance $i (instantiate $code (with "host" (instance
    (export "mem" (memory $m)) (export "now" (func $now))
    (export "after" (func $after)) (export "block" (func $block))
    (export "poll" (func $wait)) (export "drop" (func $drop))))))
  (func (export "clock") (param "n" u32) (result u64)
    (canon lift (core func $i "clock")))
  (func (export "hold") (param "n" u32) (canon lift (core func $i "hold")))
  (func (export "poll") (param "n" u32) (result u32)
    (canon lift (core func $i "poll")))
  (func (export "sleep") (param "nanoseconds" u64)
    (canon lift (core func $i "sleep"))))"""
NATIVE: Final = "wasmtime's own WASI, in a thread"
LIMITS: Final = Limits(timeout=60.0)
GUESTS: Final = 1_000
NAP: Final = 100_000_000
"""Nanoseconds that a guest sleeps."""
LOOPS: Final = 1_000
"""Polls, or looks at the clock, in one call at the most."""


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _all, effort, backend)


async def _all(effort: Effort, backend: str) -> list[Row]:
    component = await Engine(cache=False).compile(GUEST)
    found = await _clock(effort, component, backend)
    for pollables, limit in ((100, 1e-3), (1_000, 3e-3)):
        found += await _poll(effort, component, backend, pollables, limit)
    return [*found, *await _sleep(effort, component, backend)]


async def _clock(effort: Effort, component: Component, backend: str) -> list[Row]:
    plain = Native()
    async with open_interfaces() as offered:
        with await component.instantiate(offered, limits=LIMITS) as instance:
            return await compare(
                effort,
                f"a guest's look at the clock ({backend})",
                _repeated(partial(instance.call, "clock")),
                {NATIVE: plain.repeated("clock")},
                goals={NATIVE: Goal(limit=6e-6, of="ours")},
            )


async def _poll(
    effort: Effort, component: Component, backend: str, pollables: int, limit: float
) -> list[Row]:
    plain = Native()
    plain.call("hold", pollables)
    async with open_interfaces() as offered:
        with await component.instantiate(offered, limits=LIMITS) as instance:
            await instance.call("hold", pollables)
            assert await instance.call("poll", 1) == pollables
            assert plain.call("poll", 1) == pollables
            return await compare(
                effort,
                f"poll of {pollables:_} that are ready ({backend})",
                _repeated(partial(instance.call, "poll")),
                {NATIVE: plain.repeated("poll")},
                goals={NATIVE: Goal(limit=limit, of="ours")},
            )


async def _sleep(effort: Effort, component: Component, backend: str) -> list[Row]:
    """Have many guests sleep together; a few rounds, as each takes long enough."""
    guests = 50 if effort.quick else GUESTS
    rounds = 1 if effort.quick else 5
    peers = [Native() for _ in range(guests)]
    limiter = anyio.CapacityLimiter(guests)
    ours, theirs = [], []
    async with open_interfaces() as offered:
        instances = [
            await component.instantiate(offered, limits=LIMITS) for _ in range(guests)
        ]

        async def native(peer: Native) -> None:
            await anyio.to_thread.run_sync(peer.call, "sleep", NAP, limiter=limiter)

        for _ in range(rounds):
            ours.append(
                await _together(
                    [partial(each.call, "sleep", NAP) for each in instances]
                )
            )
            theirs.append(await _together([partial(native, each) for each in peers]))
        for each in instances:
            each.close()
    mine, peer = statistics.median(ours), statistics.median(theirs)
    return [
        Row(
            what=f"{guests:_} guests that sleep 100 ms together ({backend})",
            ours=mine,
            peer=peer,
            beside="wasmtime's own WASI, a thread for each",
            ratio=mine / peer,
            goal=Goal(limit=0.3, of="ours"),
            values={"ours": ours, NATIVE: theirs},
        )
    ]


async def _together(calls: list[Callable[[], Coroutine[Any, Any, Any]]]) -> float:
    start = perf_counter()
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(call)
    return perf_counter() - start


def _repeated(call: Callable[[int], Awaitable[Any]]) -> Timed:
    async def timed(loops: int) -> float:
        took = 0.0
        while loops:
            times = min(loops, LOOPS)
            start = perf_counter()
            assert await call(times)
            took += perf_counter() - start
            loops -= times
        return took

    return timed


@cache
def _compiled() -> tuple[wasmtime.Engine, PlainComponent]:
    made = engine()
    return made, PlainComponent(made, GUEST)


class Native:
    """One instance over wasmtime's own WASI: each call blocks."""

    def __init__(self) -> None:
        made, component = _compiled()
        self._store = wasmtime.Store(made)
        self._store.set_fuel(2**62)
        self._store.set_wasi(wasmtime.WasiConfig())
        linker = Linker(made)
        linker.add_wasip2()
        self._instance = linker.instantiate(self._store, component)

    def call(self, name: str, *args: int) -> Any:
        """Call an export."""
        function: Any = self._instance.get_func(self._store, name)
        value = function(self._store, *args)
        function.post_return(self._store)
        return value

    def repeated(self, name: str) -> Timed:
        """Return what times an export that repeats itself, in a thread."""

        def run(loops: int) -> float:
            start = perf_counter()
            for _ in repeat(None, loops // LOOPS):
                assert self.call(name, LOOPS)
            if loops % LOOPS:
                assert self.call(name, loops % LOOPS)
            return perf_counter() - start

        async def timed(loops: int) -> float:
            return await anyio.to_thread.run_sync(run, loops)

        return timed
