"""What holds for every instance, a real one and the one that follows a script."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import pytest

from airssys.core.errors import (
    GuestTrapped,
    InstanceBusy,
    InstanceClosed,
    MissingExport,
    Overtime,
    WitError,
)
from airssys.core.limits import Limits
from airssys.engine.component import Engine
from airssys.testing import ScriptedInstance, after

pytestmark = pytest.mark.guest

WAT = """
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "add") (param i32 i32) (result i32)
      local.get 0 local.get 1 i32.add)
    ;; err(7): the discriminant, then the value
    (func (export "fail") (result i32)
      (i32.store8 (i32.const 16) (i32.const 1))
      (i32.store (i32.const 20) (i32.const 7))
      (i32.const 16))
    (func (export "trap") unreachable)
    (func (export "spin") (loop $forever br $forever)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32)
    (canon lift (core func $i "add")))
  (func (export "fail") (result (result u32 (error u32)))
    (canon lift (core func $i "fail") (memory $memory)))
  (func (export "trap") (canon lift (core func $i "trap")))
  (func (export "spin") (canon lift (core func $i "spin"))))
"""
Make: TypeAlias = Callable[..., Awaitable[Any]]


async def real(limits: Limits | None = None) -> Any:
    component = await Engine(cache=False).compile(WAT, name="acme/calc")
    return await component.instantiate(limits=limits)


async def scripted(limits: Limits | None = None) -> Any:
    script = {
        "add": lambda a, b: a + b,
        "fail": WitError(7),
        "trap": GuestTrapped("acme/calc", "trap", "unreachable", "unreachable"),
        "spin": after(math.inf),
    }
    return ScriptedInstance(script, name="acme/calc", limits=limits)


@pytest.fixture(params=[real, scripted], ids=["real", "scripted"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


async def test_a_call_returns_and_is_counted(make: Make) -> None:
    with await make() as instance:
        assert await instance.call("add", 3, 4) == 7
        assert await instance.call("add", 5, 6) == 11

        assert instance.usage.calls == 2
        assert instance.component.name == "acme/calc"


async def test_an_err_raises_and_the_instance_lives_on(make: Make) -> None:
    with await make() as instance:
        with pytest.raises(WitError) as raised:
            await instance.call("fail")

        assert raised.value.value == 7
        assert await instance.call("add", 1, 1) == 2


async def test_a_trap_ends_the_instance(make: Make) -> None:
    with await make() as instance:
        with pytest.raises(GuestTrapped) as raised:
            await instance.call("trap")

        assert (raised.value.export, raised.value.kind) == ("trap", "unreachable")
        assert not instance.alive
        with pytest.raises(InstanceClosed, match="'trap' .*GuestTrapped"):
            await instance.call("add", 1, 1)


async def test_a_call_that_is_cancelled_ends_the_instance(make: Make) -> None:
    with await make() as instance:
        with anyio.move_on_after(0.05) as scope:
            await instance.call("spin")

        assert scope.cancelled_caught
        assert not instance.alive
        with pytest.raises(InstanceClosed, match="'spin' was cut off"):
            await instance.call("add", 1, 1)


async def test_a_call_over_its_time_ends_the_instance(make: Make) -> None:
    with await make(Limits(timeout=0.05)) as instance:
        with pytest.raises(Overtime, match="longer than 0.05 s in 'spin'"):
            await instance.call("spin")

        assert not instance.alive


async def test_one_call_runs_at_a_time(make: Make) -> None:
    with await make() as instance:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(instance.call, "spin")
            await anyio.sleep(0.02)
            with pytest.raises(InstanceBusy, match="'spin' is still running"):
                await instance.call("add", 1, 1)
            with pytest.raises(InstanceBusy, match="close"):
                instance.close()
            tasks.cancel_scope.cancel()


async def test_a_closed_instance_says_so(make: Make) -> None:
    instance = await make()
    instance.close()
    instance.close()

    with pytest.raises(InstanceClosed, match="closed"):
        await instance.call("add", 1, 1)


async def test_an_export_that_is_not_there_is_named(make: Make) -> None:
    with await make() as instance:
        with pytest.raises(MissingExport, match="'ad'.*'add'"):
            await instance.call("ad", 1, 1)

        assert await instance.call("add", 1, 1) == 2


async def test_a_call_looks_for_a_cancel_first(make: Make) -> None:
    with await make() as instance:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await instance.call("add", 1, 1)

        assert scope.cancelled_caught
        assert instance.alive
        assert instance.usage.calls == 0
