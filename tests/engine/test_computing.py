"""A call may compute for so long, and wait for as long as it likes."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest

from airssys.core.errors import InstanceClosed, LimitExceeded, OutOfComputing
from airssys.core.limits import Limits
from airssys.engine.component import Engine
from airssys.engine.fiber import Slicing
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface

from . import guests

pytestmark = pytest.mark.guest

SPIN = guests.code(
    """(func (export "spin") (param i32) (result i32) (loop $on (br $on)) unreachable)
    (func (export "count") (param i32) (result i32)
      (loop $more
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br_if $more (local.get 0)))
      (local.get 0))""",
    'spin (param "n" u32) -> u32',
    'count (param "n" u32) -> u32',
)
LOOP = """(component
  (import "test:host/api" (instance $host (export "ask" (func (param "n" u32)))))
  (core func $ask (canon lower (func $host "ask")))
  (core module $code
    (import "host" "ask" (func $ask (param i32)))
    ;; Computes a little between two calls of the host, and never ends.
    (func (export "run") (local i32)
      (loop $on
        (call $ask (i32.const 1))
        (local.set 0 (i32.const 20000))
        (loop $more
          (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
          (br_if $more (local.get 0)))
        (br $on))))
  (core instance $c (instantiate $code
    (with "host" (instance (export "ask" (func $ask))))))
  (func (export "run") (canon lift (core func $c "run"))))"""
INLINE = Slicing(inline_slices=1_000_000)
THREADED = Slicing(inline_slices=1)


def worked(instance: Any) -> float:
    """Return the processor time of worker threads."""
    return float(instance.usage.threaded)


@pytest.mark.parametrize("slicing", [INLINE, THREADED], ids=["inline", "threaded"])
async def test_a_guest_that_spins_is_stopped(slicing: Slicing) -> None:
    component = await Engine(cache=False, slicing=slicing).compile(SPIN, name="spinner")
    instance = await component.instantiate(limits=Limits(computing=0.1))
    before = time.process_time()
    with pytest.raises(OutOfComputing) as raised:
        await instance.call("spin", 1)
    used = time.process_time() - before

    assert used >= 0.1
    assert str(raised.value) == (
        "component 'spinner' computed for longer than 0.1 s in 'spin'"
    )
    assert isinstance(raised.value, LimitExceeded)
    assert (worked(instance) > 0.09) == (slicing is THREADED)
    with pytest.raises(InstanceClosed, match="was cut off by OutOfComputing"):
        await instance.call("count", 1)


async def test_each_call_may_compute_so_long(make: Any) -> None:
    limits = Limits(computing=0.2)
    with await make(SPIN, limits=limits) as instance:
        before = time.process_time()
        while time.process_time() - before < 0.5:
            await instance.call("count", 2_000_000)
        with pytest.raises(OutOfComputing):
            await instance.call("spin", 1)


async def test_a_guest_that_waits_is_not_stopped(make: Any) -> None:
    host = HostInterface("test:host/api")

    @host.function
    async def ask(_call: Call, n: int) -> int:
        await anyio.sleep(0.1)
        return n

    with await make(guests.asks_host(), [host], limits=Limits(computing=0.02)) as one:
        begun = time.monotonic()
        assert await one.call("run", 3) == 3
        assert time.monotonic() - begun > 0.09


async def test_what_host_functions_compute_does_not_count(make: Any) -> None:
    host = HostInterface("test:host/api")

    @host.function
    def ask(_call: Call, n: int) -> int:
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass
        return n

    with await make(guests.asks_host(), [host], limits=Limits(computing=0.02)) as one:
        assert await one.call("run", 3) == 3


async def test_a_guest_that_computes_between_host_calls_is_stopped(make: Any) -> None:
    """Each stretch is a slice on the event loop, so no thread ever sees the sum."""
    host = HostInterface("test:host/api")
    asked: list[int] = []
    host.function(lambda _call, n: asked.append(n), name="ask")
    instance = await make(LOOP, [host], limits=Limits(computing=0.05, timeout=30))
    with pytest.raises(OutOfComputing):
        await instance.call("run")

    assert len(asked) > 10
    assert instance.usage.threaded < 0.03  # the rest was on the event loop


async def test_a_start_function_computes_no_longer_either(make: Any) -> None:
    text = """(component (core module $m (func $start (loop $on (br $on)))
      (start $start)) (core instance (instantiate $m)))"""
    with pytest.raises(OutOfComputing, match="in 'instantiate'"):
        await make(text, limits=Limits(computing=0.05))


async def test_the_event_loop_is_free_while_a_guest_uses_up_its_computing(
    make: Any,
) -> None:
    turns = 0

    async def count(scope: anyio.CancelScope) -> None:
        nonlocal turns
        with scope:
            while True:
                await anyio.sleep(0.005)
                turns += 1

    instance = await make(SPIN, limits=Limits(computing=0.3))
    scope = anyio.CancelScope()
    async with anyio.create_task_group() as nursery:
        nursery.start_soon(count, scope)
        with pytest.raises(OutOfComputing):
            await instance.call("spin", 1)
        scope.cancel()

    assert turns > 5


@pytest.mark.parametrize("computing", [0, -1.0, float("nan")])
def test_a_call_that_may_not_compute_is_refused(computing: float) -> None:
    with pytest.raises(ValueError, match=r"computing|number"):
        Limits(computing=computing)
