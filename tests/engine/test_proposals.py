"""What guests may use of WebAssembly's proposals, and what bounds it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import airssys

from . import guests

pytestmark = pytest.mark.guest


def running(body: str, before: str = "") -> str:
    return guests.code(
        f'{before} (func (export "run") (result i32) {body})', "run -> u32"
    )


# Each burns what it was asked to and leaves by a throw.
THROWS = guests.code(
    """(tag $e)
    (func $burn (param i32)
      (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (throw $e))
    (func (export "run") (param i32) (result i32) (local $i i32)
      (loop
        (block (try_table (catch_all 0) (call $burn (i32.const 100000))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get $i) (local.get 0))))
      (local.get $i))""",
    'run (param "n" u32) -> u32',
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(THROWS, id="throw"),
        pytest.param(running("(i32.const 1)", "(tag $e)"), id="tag"),
        pytest.param(running("(ref.is_null (ref.null exn))"), id="exnref"),
    ],
)
async def test_exceptions_are_refused_with_the_name_of_their_switch(text: str) -> None:
    with pytest.raises(airssys.InvalidComponent) as raised:
        await airssys.Engine(cache=False).compile(text)

    assert "allow them with Engine(exceptions=True)" in str(raised.value)


async def test_exceptions_run_where_they_are_allowed() -> None:
    engine = airssys.Engine(cache=False, exceptions=True)
    component = await engine.compile(THROWS)
    with await component.instantiate() as instance:
        assert await instance.call("run", 3) == 3


async def test_code_compiled_with_exceptions_is_not_taken_from_the_cache_without(
    tmp_path: Path,
) -> None:
    await airssys.Engine(cache=tmp_path, exceptions=True).compile(THROWS)
    with pytest.raises(airssys.InvalidComponent, match="exceptions=True"):
        await airssys.Engine(cache=tmp_path).compile(THROWS)


BULK = {
    "memory.fill": "(memory.fill (i32.const 0) (i32.const 1) (i32.const 60000))",
    "memory.copy": "(memory.copy (i32.const 0) (i32.const 1) (i32.const 60000))",
    "table.fill": "(table.fill (i32.const 0) (ref.null func) (i32.const 60000))",
    "array.new": "(drop (array.new $a (i64.const 7) (i32.const 60000)))",
    "array.fill": """(array.fill $a (array.new $a (i64.const 7) (i32.const 30000))
        (i32.const 0) (i64.const 1) (i32.const 30000))""",
}


@pytest.mark.parametrize("operation", BULK)
async def test_an_operation_on_many_elements_costs_fuel_for_each(
    make: Any, operation: str
) -> None:
    text = running(
        f"{BULK[operation]} (i32.const 1)",
        "(type $a (array (mut i64))) (memory 1) (table 60000 funcref)",
    )
    with await make(text, limits=airssys.Limits(fuel=100_000)) as instance:
        assert await instance.call("run") == 1
        assert instance.usage.fuel > 59_000
    with (
        await make(text, limits=airssys.Limits(fuel=50_000)) as instance,
        pytest.raises(airssys.OutOfFuel),
    ):
        await instance.call("run")


async def test_structures_of_the_collected_heap_count_as_memory(make: Any) -> None:
    text = running(
        """(local $i i32) (local $x (ref null $a))
        (loop (local.set $x (struct.new $a (local.get $x)))
          (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
            (i32.const 200000))))
        (local.get $i)""",
        "(type $a (struct (field (ref null $a))))",
    )
    with await make(text, limits=airssys.Limits(memory=2**24)) as instance:
        assert await instance.call("run") == 200_000
    instance = await make(text, limits=airssys.Limits(memory=2**20))
    with pytest.raises(airssys.OutOfMemory):
        await instance.call("run")


async def test_a_memory_of_64_bits_has_the_same_limit(make: Any) -> None:
    text = running("(i32.wrap_i64 (memory.grow (i64.const 16)))", "(memory i64 1)")
    with await make(text, limits=airssys.Limits(memory=2**20)) as instance:
        assert await instance.call("run") == 2**32 - 1
    with await make(text, limits=airssys.Limits(memory=2**21)) as instance:
        assert await instance.call("run") == 1


ON = {
    "tail-call": running("(return_call $g)", "(func $g (result i32) (i32.const 1))"),
    "multi-memory": running("(memory.size 1)", "(memory 1) (memory 1)"),
    "memory64": running("(i32.wrap_i64 (memory.size))", "(memory i64 1)"),
    "function-references": running(
        "(call_ref $t (ref.func $g))",
        """(type $t (func (result i32)))
        (func $g (type $t) (i32.const 1)) (elem declare func $g)""",
    ),
    "threads": running(
        """(i32.atomic.store (i32.const 0) (i32.const 1))
        (i32.atomic.load (i32.const 0))""",
        "(memory 1)",
    ),
    "gc": running("(i31.get_u (ref.i31 (i32.const 1)))"),
    "simd": running("(i32x4.extract_lane 0 (v128.const i32x4 1 2 3 4))"),
    "relaxed-simd": running(
        """(i32x4.extract_lane 0
        (i32x4.relaxed_trunc_f32x4_s (v128.const f32x4 1 2 3 4)))"""
    ),
    "wide-arithmetic": running(
        """(i64.add128 (i64.const 1) (i64.const 0) (i64.const 0) (i64.const 0))
        drop i32.wrap_i64"""
    ),
}


@pytest.mark.parametrize("proposal", ON)
async def test_a_proposal_that_the_docs_call_on_is_on(make: Any, proposal: str) -> None:
    with await make(ON[proposal], limits=airssys.Limits(memories=2)) as instance:
        assert await instance.call("run") == 1


OFF = {
    "exceptions": running("(i32.const 1)", "(tag $e)"),
    "custom-page-sizes": running("(memory.size)", "(memory 1 (pagesize 1))"),
    "stack-switching": running(
        "(i32.const 1)",
        "(type $f (func)) (type $c (cont $f)) (func (param (ref null $c)))",
    ),
}


@pytest.mark.parametrize("proposal", OFF)
async def test_a_proposal_that_the_docs_call_off_is_off(proposal: str) -> None:
    with pytest.raises(airssys.InvalidComponent):
        await airssys.Engine(cache=False).compile(OFF[proposal])


def test_the_docs_list_what_is_on_and_what_is_off() -> None:
    text = Path("docs/architecture.md").read_text()
    _, _, table = text.partition("### Proposals")
    listed = re.findall(r"^\| `([a-z0-9-]+)` \| (on|off) \|", table, re.MULTILINE)

    assert dict(listed) == {**dict.fromkeys(ON, "on"), **dict.fromkeys(OFF, "off")}
