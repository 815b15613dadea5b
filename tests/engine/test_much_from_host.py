"""Values that are large and that the host passes to a guest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
import pytest

import airssys
from airssys.engine.component import Component, Engine

from .lateness import busy

pytestmark = pytest.mark.guest

MEMORY: Final = """(core module $memory
    (memory (export "memory") 64)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (i32.const 65536)))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias core export $m "realloc" (core func $realloc))"""
_TYPE: Final = "(list (tuple u8 u8))"
TAKES = f"""(component {MEMORY}
  (core module $code
    (func (export "take") (param i32 i32) (result i32) (local.get 1)))
  (core instance $c (instantiate $code))
  (func (export "take") (param "x" {_TYPE}) (result u32)
    (canon lift (core func $c "take") (memory $mem) (realloc $realloc))))"""
"""Returns how many it was given."""


def asks(result: str) -> str:
    """Return a guest whose ``run`` returns the second word of what the host gives."""
    return f"""(component
  (import "test:host/api" (instance $host (export "give" (func (result {result})))))
  {MEMORY}
  (core func $give
    (canon lower (func $host "give") (memory $mem) (realloc $realloc)))
  (core module $code
    (import "m" "memory" (memory 1))
    (import "h" "give" (func $give (param i32)))
    (func (export "run") (result i32)
      (call $give (i32.const 32))
      (i32.load (i32.const 36))))
  (core instance $c (instantiate $code (with "m" (instance $m))
    (with "h" (instance (export "give" (func $give))))))
  (func (export "run") (result u32) (canon lift (core func $c "run"))))"""


def giving(value: Any) -> airssys.HostInterface:
    host = airssys.HostInterface("test:host/api")
    host.function(lambda _call: value, name="give")
    return host


PAIRS = [(1, 2)] * 180_000
SMALL = airssys.Limits(memory=2**22, values=2**20)
WIDE = airssys.Limits(memory=2**22, values=2**26)


async def test_arguments_beyond_the_limit_are_refused_and_the_instance_lives_on(
    make: Any,
) -> None:
    with await make(TAKES, limits=SMALL) as instance:
        with pytest.raises(airssys.ValuesTooLarge) as raised:
            await instance.call("take", PAIRS)
        assert "too much as arguments of 'take' (limit of values: 1_048_576" in str(
            raised.value
        )
        assert await instance.call("take", PAIRS[:7000]) == 7000


async def test_many_arguments_arrive_whole(make: Any) -> None:
    with await make(TAKES, limits=WIDE) as instance:
        assert await instance.call("take", PAIRS) == 180_000
        with pytest.raises(airssys.ValueMismatch, match=r"\[179999\]"):
            await instance.call("take", [*PAIRS[:-1], (1, 256)])
        assert await instance.call("take", PAIRS) == 180_000
        assert instance.usage.threaded > 0


async def test_a_large_result_of_a_host_function_arrives_whole(make: Any) -> None:
    with await make(asks(_TYPE), [giving(PAIRS)], limits=WIDE) as instance:
        assert await instance.call("run") == 180_000


async def test_a_result_beyond_the_limit_is_told_where_wit_has_an_err(
    make: Any,
) -> None:
    told = asks(f"(result {_TYPE} (error string))")
    with await make(told, [giving(PAIRS)], limits=SMALL) as instance:
        # What is there then is the address of a text, which is no count of pairs.
        assert await instance.call("run") not in {0, 180_000}

    instance = await make(asks(_TYPE), [giving(PAIRS)], limits=SMALL)
    with pytest.raises(airssys.ValuesTooLarge, match="result of 'test:host/api#give'"):
        await instance.call("run")
    assert not instance.alive


async def _calling(
    compile_: Any, way: str
) -> tuple[Component, Callable[[], Awaitable[None]]]:
    text = TAKES if way == "arguments" else asks(_TYPE)
    component: Component = await compile_(text)

    async def run() -> None:
        with await component.instantiate([giving(PAIRS)], limits=WIDE) as instance:
            if way == "arguments":
                await instance.call("take", PAIRS)
            else:
                await instance.call("run")

    return component, run


@pytest.mark.parametrize("way", ["arguments", "result"])
async def test_much_from_the_host_does_not_hold_the_loop(
    compile_: Any, way: str
) -> None:
    _, run = await _calling(compile_, way)

    assert await busy(run) < 0.02  # 0.1 s where it is lowered on the loop


@pytest.mark.once
@pytest.mark.parametrize("way", ["arguments", "result"])
async def test_a_cancel_while_much_is_lowered_leaves_nothing_half_done(
    compile_: Any, way: str
) -> None:
    component, run = await _calling(compile_, way)
    for step in range(8):
        with anyio.move_on_after(step * 0.015):
            await run()

    assert component.engine.ceiling.live == 0


@pytest.mark.once
@pytest.mark.parametrize("way", ["arguments", "result"])
def test_a_native_cancel_while_much_is_lowered_leaves_nothing_half_done(
    way: str,
) -> None:
    async def main() -> None:
        engine = Engine(cache=False)
        component, run = await _calling(engine.compile, way)
        for step in range(8):
            task = asyncio.ensure_future(run())
            await asyncio.sleep(step * 0.015)
            for _ in range(2):
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait((task,))
        assert component.engine.ceiling.live == 0

    asyncio.run(main())
