"""Where calls are counted, no clock and no thread decides what comes first."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio
from attrs import frozen

from airssys.core.limits import Limits
from airssys.engine.component import Engine
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface

from . import guests

pytestmark = pytest.mark.guest

TEXT = """(component
  (import "test:host/api" (instance $host
    (export "ask" (func (param "n" u32) (result u32)))
    (export "take" (func (param "bytes" (list u8)) (result (list u32))))))
  (core module $memory (memory (export "memory") 8)
    (global $top (mut i32) (i32.const 262144))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (i32.const 262144)))
  (core instance $m (instantiate $memory))
  (core func $ask (canon lower (func $host "ask")))
  (core func $take (canon lower (func $host "take") (memory (core memory $m "memory"))
    (realloc (core func $m "realloc"))))
  (core module $code
    (import "host" "ask" (func $ask (param i32) (result i32)))
    (import "host" "take" (func $take (param i32 i32 i32)))
    (func (export "run") (param $rounds i32) (param $work i32) (result i32)
      (local $left i32)
      (loop $on
        (local.set $left (local.get $work))
        (loop $more
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br_if $more (local.get $left)))
        (drop (call $ask (local.get $rounds)))
        (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
        (br_if $on (local.get $rounds)))
      (call $take (i32.const 0) (i32.const 200000) (i32.const 16))
      (local.get $work)))
  (core instance $c (instantiate $code
    (with "host" (instance (export "ask" (func $ask)) (export "take" (func $take))))))
  (func (export "run") (param "rounds" u32) (param "work" u32) (result u32)
    (canon lift (core func $c "run"))))"""


@frozen
class Outcome:
    order: list[tuple[str, int]]
    fuel: dict[str, int]


@pytest.fixture
def scheduled(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have trio draw the order of tasks from a seed; asyncio keeps theirs."""
    run = trio._core._run
    monkeypatch.setattr(run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    return run._r.seed


async def played(engine: Engine) -> Outcome:
    """Let three guests of unequal work share an event loop."""
    component = await engine.compile(TEXT)
    order: list[tuple[str, int]] = []
    fuel: dict[str, int] = {}
    host = HostInterface("test:host/api")

    @host.function
    async def ask(call: Call, n: int) -> int:
        order.append((call.actor, n))
        if n % 3 == 0:
            await anyio.lowlevel.checkpoint()
        return n

    @host.function
    def take(call: Call, given: bytes) -> list[int]:
        order.append((call.actor, len(given)))
        return list(range(20_000))  # so much that a thread would lower it

    async def live(name: str, work: int) -> None:
        limits = Limits(fuel=10**9)
        with await component.instantiate([host], limits=limits, actor=name) as instance:
            for rounds in (7, 30):
                await instance.call("run", rounds, work)
            fuel[name] = instance.usage.fuel
            assert not instance.usage.threaded

    async with anyio.create_task_group() as nursery:
        for name, work in (("a", 100), ("b", 60_000), ("c", 500_000)):
            nursery.start_soon(live, name, work)
    return Outcome(order, fuel)


@pytest.mark.parametrize("pace", [1, 5])
async def test_the_same_guests_do_the_same_in_the_same_order(
    scheduled: Any, pace: int
) -> None:
    engine = Engine(cache=False, pace=pace)
    await engine.compile(TEXT)
    outcomes = []
    for _ in range(3):
        scheduled(7)
        outcomes.append(await played(engine))

    first = outcomes[0]
    assert outcomes == [first] * 3
    assert {name for name, _ in first.order} == {"a", "b", "c"}
    halves = first.order[: len(first.order) // 2]
    assert {name for name, _ in halves} == {"a", "b", "c"}  # they took turns
    assert min(first.fuel.values()) > 0


async def test_others_have_a_turn_after_so_many_calls(scheduled: Any) -> None:
    """Those in between look for a cancel, and do not wait."""
    scheduled(1)
    host = HostInterface("test:host/api")
    host.function(lambda _call, n: n, name="ask")
    turns: list[int] = []
    done = 0

    async def count() -> None:
        while True:
            turns.append(done)
            await anyio.lowlevel.checkpoint()

    component = await Engine(cache=False, pace=10).compile(guests.asks_host())
    with await component.instantiate([host]) as instance:
        async with anyio.create_task_group() as nursery:
            nursery.start_soon(count)
            await anyio.lowlevel.checkpoint()
            for done in range(200):  # noqa: B007 - `count` reads it
                await instance.call("run", 1)  # which calls the host once
            nursery.cancel_scope.cancel()

    # 400 steps, of which each tenth is a turn.
    assert 38 <= len(turns) <= 45


async def test_a_guest_that_computes_for_long_can_be_cancelled(make: Any) -> None:
    host = HostInterface("test:host/api")
    host.function(lambda _call, n: n, name="ask")
    host.function(lambda _call, _bytes: [], name="take")
    component = await Engine(cache=False, pace=100).compile(TEXT)
    instance = await component.instantiate([host])
    with anyio.move_on_after(0.1) as scope:
        await instance.call("run", 4_000_000_000, 4_000_000)

    assert scope.cancelled_caught
    assert not instance.alive
    assert not instance.usage.threaded


@pytest.mark.parametrize("pace", [0, -1, 1.5, True, "fast"])
def test_a_pace_that_is_none_is_refused(pace: Any) -> None:
    with pytest.raises(ValueError, match="an engine's pace cannot be"):
        Engine(cache=False, pace=pace)
