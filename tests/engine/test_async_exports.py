"""Functions that a component lifts as ``async``: they end when they say so."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from airssys.core.errors import GuestTrapped, OutOfFuel, UnknownImport
from airssys.core.limits import Limits
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface

pytestmark = pytest.mark.guest

ASYNC = r"""(component
  (import "test:host/api" (instance $host
    (export "ask" (func (param "n" u32) (result u32)))))
  (core func $ask (canon lower (func $host "ask")))
  (core func $return (canon task.return (result u32)))
  (core module $code
    (import "" "return" (func $return (param i32)))
    (import "" "ask" (func $ask (param i32) (result i32)))
    (global $n (mut i32) (i32.const 0))
    ;; 0: the task is over; 1: call back, after others had their turn.
    (func (export "at-once") (param i32) (result i32)
      (call $return (i32.add (call $ask (local.get 0)) (i32.const 1)))
      (i32.const 0))
    (func (export "later") (param i32) (result i32)
      (global.set $n (local.get 0))
      (i32.const 1))
    (func (export "never") (param i32) (result i32) (i32.const 0))
    (func (export "spin") (param i32) (result i32) (loop (br 0)) (i32.const 0))
    (func (export "callback") (param i32 i32 i32) (result i32)
      (if (i32.eqz (global.get $n)) (then (call $return (i32.const 42))
        (return (i32.const 0))))
      (global.set $n (i32.sub (global.get $n) (i32.const 1)))
      (i32.const 1)))
  (core instance $c (instantiate $code (with "" (instance
    (export "return" (func $return)) (export "ask" (func $ask))))))
  (alias core export $c "callback" (core func $callback))
  (func (export "at-once") async (param "n" u32) (result u32)
    (canon lift (core func $c "at-once") async (callback $callback)))
  (func (export "later") async (param "n" u32) (result u32)
    (canon lift (core func $c "later") async (callback $callback)))
  (func (export "never") async (param "n" u32) (result u32)
    (canon lift (core func $c "never") async (callback $callback)))
  (func (export "spin") async (param "n" u32) (result u32)
    (canon lift (core func $c "spin") async (callback $callback))))"""


@pytest.fixture
def host() -> HostInterface:
    host = HostInterface("test:host/api")

    @host.function
    async def ask(_call: Call, n: int) -> int:
        await anyio.lowlevel.checkpoint()
        return n * 2

    return host


async def test_an_async_export_is_called_like_any_other(
    make: Any, host: HostInterface
) -> None:
    with await make(ASYNC, [host]) as instance:
        assert await instance.call("at-once", 5) == 11
        assert await instance.call("later", 3) == 42
        assert await instance.call("at-once", 6) == 13
        printed = instance.component.exports["later"]
        assert str(printed) == "async func(n: u32) -> u32"


async def test_an_async_export_that_ends_without_a_result_traps(
    make: Any, host: HostInterface
) -> None:
    with await make(ASYNC, [host]) as instance:
        with pytest.raises(GuestTrapped, match="never"):
            await instance.call("never", 1)
        assert not instance.alive


async def test_an_async_export_is_cut_off_by_a_scope_and_by_its_fuel(
    make: Any, host: HostInterface
) -> None:
    instance = await make(ASYNC, [host])
    with anyio.move_on_after(0.05) as scope:
        await instance.call("spin", 1)
    assert scope.cancelled_caught
    assert not instance.alive

    instance = await make(ASYNC, [host], limits=Limits(fuel=100_000))
    with pytest.raises(OutOfFuel):
        await instance.call("spin", 1)


async def test_an_async_import_is_refused_by_name(
    make: Any, host: HostInterface
) -> None:
    text = """(component (import "test:host/api" (instance
      (export "ask" (func async (param "n" u32) (result u32))))))"""
    with pytest.raises(UnknownImport) as raised:
        await make(text, [host])

    (problem,) = raised.value.problems
    assert problem == (
        "'test:host/api#ask' is an async func, which wasmtime's C API cannot link: "
        "async func(n: u32) -> u32"
    )
