from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from airssys.core.errors import InstanceBusy, InstanceClosed, Overtime
from airssys.core.limits import Limits
from airssys.engine.component import Engine
from airssys.engine.fiber import Slicing
from airssys.engine.resource import Resources
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface

from . import guests

pytestmark = pytest.mark.guest

START_SPIN = guests.code("(func $start (loop (br 0))) (start $start)")
START_ASK = """(component
  (import "test:host/api" (instance $host (export "ask" (func))))
  (core func $ask (canon lower (func $host "ask")))
  (core module $code (import "host" "ask" (func $ask)) (start $ask))
  (core instance (instantiate $code
    (with "host" (instance (export "ask" (func $ask)))))))"""


def waiting() -> HostInterface:
    """Offer ``ask``, which never returns."""
    host = HostInterface("test:host/api")

    @host.function
    async def ask(_call: Any, *_: Any) -> None:
        await anyio.sleep_forever()

    return host


@pytest.fixture(params=["computing", "waiting", "computing-start", "waiting-start"])
def endless(request: pytest.FixtureRequest, make: Any) -> Any:
    """Return ``begin(limits)``, which makes an instance and a call that has no end."""
    instances = []

    async def begin(**limits: Any) -> Any:
        options = {"limits": Limits(**limits)}
        match request.param:
            case "computing":
                instances.append(await make(guests.SPIN, **options))
                await instances[0].call("spin")
            case "waiting":
                instances.append(await make(guests.asks_host(), [waiting()], **options))
                await instances[0].call("run", 1)
            case "computing-start":
                await make(START_SPIN, **options)
            case _:
                await make(START_ASK, [waiting()], **options)

    begin.instances = instances  # type: ignore[attr-defined]
    return begin


async def test_a_cancel_ends_the_call_and_the_instance(
    endless: Any, engine: Engine
) -> None:
    live = engine.ceiling.live
    ticks = 0
    with anyio.move_on_after(0.25) as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(endless)
            while True:
                await anyio.sleep(0.001)
                ticks += 1

    assert scope.cancelled_caught
    assert ticks > 5, "the guest kept the event loop"
    assert engine.ceiling.live == live
    for instance in endless.instances:
        assert not instance.alive
        with pytest.raises(InstanceClosed, match="was cut off by Cancelled"):
            await instance.call("run", 1)


async def test_a_call_that_takes_too_long_ends_with_its_instance(
    endless: Any, engine: Engine
) -> None:
    live = engine.ceiling.live
    began = time.monotonic()
    with pytest.raises(Overtime) as raised:
        await endless(timeout=0.05)

    assert raised.value.limit == 0.05
    assert 0.05 <= time.monotonic() - began < 5
    assert engine.ceiling.live == live
    for instance in endless.instances:
        with pytest.raises(InstanceClosed, match="was cut off by Overtime"):
            await instance.call("run", 1)


async def test_a_call_within_its_time_is_left_alone(make: Any) -> None:
    limits = Limits(timeout=30)
    with await make(guests.COUNT, limits=limits) as instance:
        assert await instance.call("count", 5_000_000) == 7
        assert await instance.call("count", 1) == 7


async def test_a_deadline_of_the_caller_is_not_the_instances(make: Any) -> None:
    instance = await make(guests.SPIN, limits=Limits(timeout=30))
    with pytest.raises(TimeoutError) as raised, anyio.fail_after(0.02):
        await instance.call("spin")

    assert not isinstance(raised.value, Overtime)


async def test_a_cancelled_scope_stops_a_call_before_it_begins(make: Any) -> None:
    instance = await make(guests.ADD)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await instance.call("add", 1, 2)

    assert scope.cancelled_caught
    assert instance.usage.calls == 0
    assert await instance.call("add", 1, 2) == 3


async def test_a_cancelled_scope_stops_an_instantiation_before_it_begins(
    compile_: Any, engine: Engine
) -> None:
    component = await compile_(guests.ADD)
    live = engine.ceiling.live
    with anyio.CancelScope() as scope:
        scope.cancel()
        await component.instantiate()

    assert scope.cancelled_caught
    assert engine.ceiling.live == live


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_native_cancel_while_a_guest_computes_in_a_thread_crashes_nothing(
    compile_: Any, engine: Engine
) -> None:
    component = await compile_(guests.SPIN)
    live = engine.ceiling.live
    for attempt in range(60):
        instance = await component.instantiate()
        task = asyncio.create_task(instance.call("spin"))
        await asyncio.sleep(0.0004 * (attempt % 12))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert not instance.alive or instance.usage.calls == 0
        instance.close()
    assert engine.ceiling.live == live


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_native_cancel_while_a_host_function_waits_ends_the_call(
    make: Any,
) -> None:
    instance = await make(guests.asks_host(), [waiting()])
    task = asyncio.create_task(instance.call("run", 1))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not instance.alive


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_coroutine_that_is_closed_ends_its_call(make: Any) -> None:
    instance = await make(guests.SPIN)
    coroutine = instance.call("spin")
    try:
        while instance.usage.calls == 0:
            coroutine.send(None)
            await anyio.lowlevel.checkpoint()
    finally:
        coroutine.close()

    with pytest.raises(InstanceClosed, match="cut off by GeneratorExit"):
        await instance.call("spin")


# --- one call at a time -----------------------------------------------------------


async def test_an_instance_runs_one_call_at_a_time(make: Any) -> None:
    instance = await make(guests.SPIN)
    async with anyio.create_task_group() as group:
        group.start_soon(instance.call, "spin")
        await anyio.sleep(0.01)
        with pytest.raises(InstanceBusy) as raised:
            await instance.call("answer")
        with pytest.raises(InstanceBusy, match="cannot run 'close': 'spin' is still"):
            instance.close()
        group.cancel_scope.cancel()

    assert (raised.value.export, raised.value.running) == ("answer", "spin")
    assert not instance.alive


async def test_a_host_function_cannot_call_the_instance_that_calls_it(
    make: Any,
) -> None:
    host = HostInterface("test:host/api")

    @host.function
    async def ask(_call: Any, n: int) -> Any:
        return await instance.call("run", n)

    instance = await make(guests.asks_host(), [host])
    with pytest.raises(InstanceBusy, match="'run' is still running"):
        await instance.call("run", 1)

    assert not instance.alive


async def test_a_closed_instance_cannot_be_called(make: Any) -> None:
    instance = await make(guests.ADD)
    assert repr(instance) == "<Instance of 'component': alive>"
    await instance.call("add", 1, 2)
    usage = instance.usage
    instance.close()
    instance.close()

    with pytest.raises(InstanceClosed, match="cannot be called: closed"):
        await instance.call("add", 1, 2)
    assert repr(instance) == "<Instance of 'component': closed>"
    assert instance.usage == usage
    assert usage.calls == 1


# --- giving way -------------------------------------------------------------------


async def test_a_tight_loop_of_calls_lets_other_tasks_run(make: Any) -> None:
    ran = 0

    async def other() -> None:
        nonlocal ran
        while True:
            ran += 1
            await anyio.lowlevel.checkpoint()

    with await make(guests.ADD) as instance:
        async with anyio.create_task_group() as group:
            group.start_soon(other)
            for _ in range(20_000):
                await instance.call("add", 1, 2)
                if ran > 3:
                    break
            group.cancel_scope.cancel()

    assert ran > 3


async def test_a_tight_loop_of_calls_sees_a_cancel(make: Any) -> None:
    with await make(guests.ADD) as instance:
        with anyio.move_on_after(0.02) as scope:
            for _ in range(1_000_000):
                await instance.call("add", 1, 2)

        assert scope.cancelled_caught
        assert await instance.call("add", 1, 2) == 3


async def test_a_tight_loop_of_instantiations_sees_a_cancel(compile_: Any) -> None:
    component = await compile_(guests.ADD)
    with anyio.move_on_after(0.02) as scope:
        for _ in range(100_000):
            (await component.instantiate()).close()

    assert scope.cancelled_caught


async def test_a_guest_that_calls_the_host_in_a_loop_keeps_nobody_waiting(
    make: Any,
) -> None:
    host = HostInterface("test:host/api")
    host.function(lambda _call, n: n, name="ask")
    ticks = 0
    instance = await make(guests.asks_host(), [host])
    with anyio.move_on_after(0.05) as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(instance.call, "spin")
            while True:
                await anyio.sleep(0.001)
                ticks += 1

    assert scope.cancelled_caught
    assert ticks > 5
    assert instance.usage.host_calls > 50


async def test_a_call_that_is_cancelled_as_its_wait_ends_asks_for_nothing_more(
    make: Any,
) -> None:
    """What it waits for comes about and the cancel arrives in the same turn."""
    host = HostInterface("test:host/api")
    asked = []
    waits, goes_on = anyio.Event(), anyio.Event()

    @host.function
    async def ask(_: Call, n: int) -> int:
        asked.append(n)
        if len(asked) == 1:
            waits.set()
            await goes_on.wait()
        return n

    instance = await make(guests.asks_host(), [host])
    async with anyio.create_task_group() as group:
        group.start_soon(instance.call, "spin")
        await waits.wait()
        goes_on.set()
        group.cancel_scope.cancel()

    assert len(asked) == 1
    assert not instance.alive


async def test_a_host_function_that_cancels_its_own_call_ends_it(make: Any) -> None:
    """The next call of the host is not made any more."""
    host = HostInterface("test:host/api")
    asked = []

    with anyio.CancelScope() as scope:

        @host.function
        def ask(_: Call, n: int) -> int:
            asked.append(n)
            scope.cancel()
            return n

        instance = await make(guests.asks_host(), [host])
        await instance.call("spin")

    assert scope.cancelled_caught
    assert len(asked) == 1
    assert not instance.alive


# --- threads ----------------------------------------------------------------------


async def test_a_long_computation_moves_to_a_thread_and_its_host_calls_do_not(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = threading.get_ident()
    ran_on, polled_on = [], set()
    host = HostInterface("test:host/api")

    @host.function
    def ask(_call: Any, n: int) -> int:
        ran_on.append(threading.get_ident())
        return n + 1

    with await make(guests.asks_host(), [host]) as instance:
        # Whoever polls calls back; what is asked for is noted on that thread.
        lift = Resources.lift

        def noting(host: Resources, index: int, arguments: int) -> Any:
            polled_on.add(threading.get_ident())
            return lift(host, index, arguments)

        monkeypatch.setattr(Resources, "lift", noting)
        assert await instance.call("compute", 4) == 5
        threaded = set(polled_on)
        assert await instance.call("run", 4) == 5

    assert ran_on == [here, here]
    assert here not in threaded
    assert polled_on == threaded | {here}


async def test_guests_take_turns_where_threads_are_few() -> None:
    engine = Engine(cache=False, threads=1, slicing=Slicing(quantum=0.002))
    spin = await (await engine.compile(guests.SPIN)).instantiate()
    count = await engine.compile(guests.COUNT)
    done = []

    async def finite() -> None:
        with await count.instantiate() as instance:
            done.append(await instance.call("count", 4_000_000))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(spin.call, "spin")
            async with anyio.create_task_group() as finites:
                for _ in range(3):
                    finites.start_soon(finite)
            group.cancel_scope.cancel()

    assert done == [7, 7, 7]
    assert engine.threads().limiter.total_tokens == 1


@pytest.mark.parametrize("field", ["inline", "inline_slices", "threaded", "quantum"])
def test_a_slice_of_nothing_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Slicing(**{field: 0})


async def test_one_engine_serves_event_loops_in_several_threads(
    compile_: Any,
) -> None:
    component = await compile_(guests.COUNT)

    def elsewhere() -> Any:
        async def call() -> Any:
            with await component.instantiate() as instance:
                return await instance.call("count", 2_000_000)

        return anyio.run(call)

    results: list[Any] = []
    async with anyio.create_task_group() as group:
        for _ in range(3):

            async def run() -> None:
                results.append(await anyio.to_thread.run_sync(elsewhere))

            group.start_soon(run)
    assert results == [7, 7, 7]


async def test_a_ctrl_c_beside_the_first_slice_gives_the_instance_up(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = await make(guests.code('(func (export "f"))', "f"))

    def interrupted(_future: int) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("airssys.engine._ffi.future_poll", interrupted)
        with pytest.raises(KeyboardInterrupt):
            await instance.call("f")

    assert not instance.alive
    with pytest.raises(InstanceClosed, match="cut off by KeyboardInterrupt"):
        await instance.call("f")
    instance.close()


async def test_a_ctrl_c_beside_the_start_leaves_as_it_is(
    compile_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    component = await compile_(guests.code('(func (export "f"))', "f"))

    def interrupted(_future: int) -> bool:
        raise KeyboardInterrupt

    live = component.engine.ceiling.live
    with monkeypatch.context() as patched:
        patched.setattr("airssys.engine._ffi.future_poll", interrupted)
        with pytest.raises(KeyboardInterrupt):
            await component.instantiate()

    assert component.engine.ceiling.live == live
    with await component.instantiate() as instance:
        assert await instance.call("f") is None
