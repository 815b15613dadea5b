from __future__ import annotations

from typing import Any

import pytest

from airssys.core.errors import (
    GuestTrapped,
    InstanceClosed,
    InvalidComponent,
    OutOfFuel,
    OutOfMemory,
)
from airssys.core.limits import MIB, PAGE, Limits
from airssys.engine.component import Engine
from airssys.hostcalls.interface import HostInterface

from . import guests

pytestmark = pytest.mark.guest

RUN = "run -> u32"
TABLE = """(type $none (func)) (type $one (func (param i32)))
  (table 2 4 funcref) (func $f) (elem (i32.const 0) func $f)"""


def returning(type_: str, value: str, *, memory: str = "") -> str:
    """Return a component whose ``run`` hands the host a malformed value.

    The core function returns `value`; `memory` is the text of its data segments.
    """
    return f"""(component
      (core module $code
        (memory (export "memory") 1) {memory}
        (func (export "run") (result i32) (i32.const {value})))
      (core instance $c (instantiate $code))
      (alias core export $c "memory" (core memory $mem))
      {guests.named({"e": '(enum "a" "b")', "v": '(variant (case "a" u8) (case "b"))'})}
      (func (export "run") (result {type_})
        (canon lift (core func $c "run") (memory $mem))))"""


def data(at: int, *words: int) -> str:
    text = "".join(f"\\{byte:02x}" for w in words for byte in w.to_bytes(4, "little"))
    return f'(data (i32.const {at}) "{text}")'


REALLOC = """(component
  (core module $code
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const -8))
    (func (export "run") (param i32 i32)))
  (core instance $c (instantiate $code))
  (alias core export $c "memory" (core memory $mem))
  (alias core export $c "realloc" (core func $realloc))
  (func (export "run") (param "s" string)
    (canon lift (core func $c "run") (memory $mem) (realloc $realloc))))"""


def running(body: str, before: str = "") -> str:
    return guests.code(f'{before} (func (export "run") (result i32) {body})', RUN)


TRAPS = {
    "unreachable": running("unreachable"),
    "memory-out-of-bounds": running("(i32.load (i32.const -4))", "(memory 1)"),
    "table-out-of-bounds": running(
        "(call_indirect (type $none) (i32.const 99)) (i32.const 0)", TABLE
    ),
    "indirect-call-to-null": running(
        "(call_indirect (type $none) (i32.const 1)) (i32.const 0)", TABLE
    ),
    "indirect-call-type-mismatch": running(
        "(call_indirect (type $one) (i32.const 7) (i32.const 0)) (i32.const 0)", TABLE
    ),
    "integer-divide-by-zero": running("(i32.div_u (i32.const 1) (i32.const 0))"),
    "integer-overflow": running(
        "(i32.div_s (i32.const 0x80000000) (i32.const -1))",
    ),
    "invalid-conversion-to-integer": running("(i32.trunc_f32_u (f32.const nan))"),
    "stack-overflow": running("(call 0)"),
    "null-reference": running(
        "(call_ref $f (ref.null $f)) (i32.const 0)", "(type $f (func))"
    ),
    "cast-failure": running(
        "(drop (ref.cast (ref $t) (struct.new $s))) (i32.const 0)",
        "(type $s (struct)) (type $t (struct (field i32)))",
    ),
    "array-out-of-bounds": running(
        "(array.get $a (array.new_default $a (i32.const 1)) (i32.const 5))",
        "(type $a (array i32))",
    ),
    "allocation-too-large": running(
        "(array.len (array.new_default $a (i32.const -1)))", "(type $a (array i64))"
    ),
    "unaligned-atomic": running("(i32.atomic.load (i32.const 1))", "(memory 1)"),
    "invalid-char": returning("char", "0xd800"),
    "invalid-discriminant": returning("$e", "2"),
    "invalid-string": returning(
        "string", "64", memory=data(64, 128, 2) + data(128, 0xFFFF)
    ),
    "string-out-of-bounds": returning("string", "64", memory=data(64, 128, 65_500)),
    "list-out-of-bounds": returning("(list u32)", "64", memory=data(64, 128, 16_500)),
    "unaligned-pointer": returning("(tuple u32 u32)", "65"),
}


async def test_an_exception_that_nobody_catches_is_a_trap() -> None:
    engine = Engine(cache=False, exceptions=True)
    component = await engine.compile(running("(throw $e)", "(tag $e)"))
    instance = await component.instantiate()
    with pytest.raises(GuestTrapped) as raised:
        await instance.call("run")

    assert raised.value.kind == "uncaught-exception"
    assert not instance.alive


@pytest.mark.parametrize(("kind", "text"), TRAPS.items())
async def test_a_trap_has_its_kind_and_ends_the_instance(
    make: Any, kind: str, text: str
) -> None:
    instance = await make(text)
    with pytest.raises(GuestTrapped) as raised:
        await instance.call("run")

    trap = raised.value
    assert (trap.kind, trap.component, trap.export) == (kind, "component", "run")
    assert trap.reason in str(trap)
    assert "\n" not in trap.reason
    assert not instance.alive
    with pytest.raises(InstanceClosed, match="'run' ended with GuestTrapped"):
        await instance.call("run")


async def test_a_variant_case_that_does_not_exist_traps(make: Any) -> None:
    text = returning("$v", "64", memory=data(64, 7))
    with pytest.raises(GuestTrapped) as raised:
        await (await make(text)).call("run")

    assert raised.value.kind == "invalid-discriminant"


async def test_an_allocator_that_answers_nonsense_traps(make: Any) -> None:
    with pytest.raises(GuestTrapped) as raised:
        await (await make(REALLOC)).call("run", "abc")

    assert raised.value.kind == "invalid-realloc"


async def test_a_value_too_large_for_the_host_traps(make: Any) -> None:
    text = returning("(list u32)", "64", memory=data(64, 128, 15_000_000))
    text = text.replace('"memory") 1)', '"memory") 1000)')
    with pytest.raises(GuestTrapped) as raised:
        limits = Limits(values=2**30)
        await (await make(text, limits=limits)).call("run")

    assert raised.value.kind == "value-too-large"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("unreachable", "wasm `unreachable` instruction executed"),
        ("memory-out-of-bounds", "out of bounds memory access"),  # the last of causes
        ("stack-overflow", "call stack exhausted"),
    ],
)
async def test_a_reason_has_nothing_before_it(
    make: Any, kind: str, reason: str
) -> None:
    with pytest.raises(GuestTrapped) as raised:
        await (await make(TRAPS[kind])).call("run")

    assert (raised.value.kind, raised.value.reason) == (kind, reason)


async def test_the_frame_in_which_the_stack_ends_has_no_place(make: Any) -> None:
    with pytest.raises(GuestTrapped) as raised:
        await (await make(TRAPS["stack-overflow"])).call("run")

    innermost, next_, *_ = raised.value.backtrace
    assert innermost.endswith("+?")
    assert next_.partition("+")[2].startswith("0x")


async def test_a_trap_names_the_guest_frames_innermost_first(make: Any) -> None:
    text = guests.code(
        """(func $inner unreachable)
           (func $outer (export "run") (result i32) (call $inner) (i32.const 0))""",
        RUN,
    )
    with pytest.raises(GuestTrapped) as raised:
        await (await make(text)).call("run")

    inner, outer = raised.value.backtrace
    assert inner.startswith("code!inner+0x")
    assert outer.startswith("code!outer+0x")
    assert f"(in {inner} < {outer})" in str(raised.value)


async def test_a_frame_without_names_has_its_number(make: Any) -> None:
    text = running("unreachable").replace("$code (", "(", 1)
    text = text.replace("instantiate $code", "instantiate 0").replace("$code", "")
    with pytest.raises(GuestTrapped) as raised:
        await (await make(text)).call("run")

    assert [frame.partition("+")[0] for frame in raised.value.backtrace] == ["#0"]


async def test_a_name_chosen_by_the_guest_cannot_make_a_trap_look_like_a_limit(
    make: Any,
) -> None:
    text = guests.code(
        """(func $"all fuel consumed" unreachable)
           (func $"exceeds memory limits" (call 0))
           (func (export "run") (result i32) (call 1) (i32.const 0))""",
        RUN,
    )
    instance = await make(text, limits=Limits(fuel=1000))
    with pytest.raises(GuestTrapped) as raised:
        await instance.call("run")

    assert raised.value.kind == "unreachable"


async def test_a_trap_tells_the_fuel_of_its_call_where_fuel_is_metered(
    make: Any,
) -> None:
    body = """(global $calls (mut i32) (i32.const 0))
      (func (export "run") (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (if (i32.gt_u (global.get $calls) (i32.const 5)) (then unreachable))
        (i32.const 0))"""
    text = guests.code(body, RUN)
    metered = await make(text, limits=Limits(fuel=1000))
    for _ in range(5):
        await metered.call("run")
    used = metered.usage.fuel
    with pytest.raises(GuestTrapped) as raised:
        await metered.call("run")
    unmetered = await make(running("unreachable"))
    with pytest.raises(GuestTrapped) as other:
        await unmetered.call("run")

    assert raised.value.fuel is not None
    assert 0 < raised.value.fuel < 20
    assert metered.usage.fuel == used + raised.value.fuel
    assert other.value.fuel is None


async def test_a_trap_in_the_start_function_is_raised_by_instantiate(
    make: Any, engine: Engine
) -> None:
    live = engine.ceiling.live
    text = guests.code("(func $start unreachable) (start $start)")
    with pytest.raises(GuestTrapped) as raised:
        await make(text)

    assert (raised.value.kind, raised.value.export) == ("unreachable", "instantiate")
    assert engine.ceiling.live == live


async def test_a_call_into_a_component_that_is_left_traps(make: Any) -> None:
    # The guest calls the host from its allocator, which it may not.
    text = """(component
      (import "test:host/api" (instance $host (export "ask" (func))))
      (core func $ask (canon lower (func $host "ask")))
      (core module $code
        (import "host" "ask" (func $ask))
        (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
          (call $ask) (i32.const 8))
        (func (export "run") (param i32 i32)))
      (core instance $c (instantiate $code
        (with "host" (instance (export "ask" (func $ask))))))
      (alias core export $c "memory" (core memory $mem))
      (alias core export $c "realloc" (core func $realloc))
      (func (export "run") (param "s" string)
        (canon lift (core func $c "run") (memory $mem) (realloc $realloc))))"""
    host = HostInterface("test:host/api")

    @host.function
    def ask(_call: Any) -> None: ...

    instance = await make(text, [host])
    with pytest.raises(GuestTrapped) as raised:
        await instance.call("run", "abc")

    assert raised.value.kind == "cannot-leave-component"


# --- limits -----------------------------------------------------------------------

GROW = guests.code(
    """(memory 1)
       (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))""",
    'grow (param "pages" u32) -> s32',
)


async def test_a_guest_without_fuel_is_stopped_and_dead(make: Any) -> None:
    instance = await make(guests.SPIN, limits=Limits(fuel=10_000))
    with pytest.raises(OutOfFuel) as raised:
        await instance.call("spin")

    assert (raised.value.limit, raised.value.export) == (10_000, "spin")
    assert instance.usage.fuel == 10_000
    with pytest.raises(InstanceClosed, match="'spin' ended with OutOfFuel"):
        await instance.call("answer")


async def test_fuel_is_refilled_for_each_call(make: Any) -> None:
    with await make(guests.COUNT, limits=Limits(fuel=10_000)) as instance:
        for _ in range(5):
            assert await instance.call("count", 1500) == 7

        assert 5 * 1500 * 4 < instance.usage.fuel < 5 * 10_000
        with pytest.raises(OutOfFuel):
            await instance.call("count", 4000)


async def test_more_fuel_than_a_slice_is_metered_to_the_unit(make: Any) -> None:
    usages = []
    for fuel in (50_000_000, None):
        with await make(guests.COUNT, limits=Limits(fuel=fuel)) as instance:
            await instance.call("count", 1_000_000)
            usages.append(instance.usage)

    assert usages[0].fuel == usages[1].fuel
    assert usages[0].calls == usages[1].calls == 1
    assert usages[0].calls == 1
    assert 4_000_000 < usages[0].fuel < 8_000_000


async def test_the_start_function_is_metered_too(make: Any) -> None:
    text = guests.code("(func $start (loop (br 0))) (start $start)")
    with pytest.raises(OutOfFuel, match="in 'instantiate'"):
        await make(text, limits=Limits(fuel=1000))


async def test_a_memory_larger_than_its_limit_is_refused(make: Any) -> None:
    text = guests.code("(memory 3)")
    with pytest.raises(OutOfMemory) as raised:
        await make(text, limits=Limits(memory=2 * PAGE))
    (await make(text, limits=Limits(memory=3 * PAGE))).close()

    assert raised.value.limit == 2 * PAGE
    assert "memory minimum size of 3 pages exceeds memory limits" in str(raised.value)


async def test_a_memory_limit_below_a_page_is_refused_too(make: Any) -> None:
    with pytest.raises(OutOfMemory, match="limit: 100 bytes"):
        await make(guests.code("(memory 1)"), limits=Limits(memory=100))


async def test_a_guest_that_grows_beyond_its_limit_is_told_so_and_lives(
    make: Any,
) -> None:
    with await make(GROW, limits=Limits(memory=4 * PAGE)) as instance:
        assert await instance.call("grow", 3) == 1
        assert await instance.call("grow", 1) == -1
        assert await instance.call("grow", 0) == 4
    with await make(GROW, limits=Limits(memory=5 * PAGE)) as instance:
        assert await instance.call("grow", 3) == 1
        assert await instance.call("grow", 1) == 4


async def test_the_collected_heap_counts_as_memory(make: Any) -> None:
    text = running(
        "(array.len (array.new $a (i64.const 7) (i32.const 200000)))",
        "(type $a (array (mut i64)))",
    )
    with await make(text, limits=Limits(memory=4 * MIB)) as instance:
        assert await instance.call("run") == 200_000
    instance = await make(text, limits=Limits(memory=MIB))
    with pytest.raises(OutOfMemory, match="no capacity"):
        await instance.call("run")


async def test_a_table_larger_than_its_limit_is_refused(make: Any) -> None:
    text = guests.code("(table 101 funcref)")
    with pytest.raises(OutOfMemory, match="table"):
        await make(text, limits=Limits(table_elements=100))
    (await make(text, limits=Limits(table_elements=101))).close()


@pytest.mark.parametrize(
    "text",
    [
        "(component (core module (memory 1 2 shared)))",
        "(component (core module (memory 1) (memory i64 1 900) (memory 1 2 shared)))",
        "(component (component (core module (memory i64 1 2 shared))))",
    ],
)
async def test_a_shared_memory_is_refused_at_load(text: str) -> None:
    with pytest.raises(InvalidComponent, match="it has a shared memory, and there are"):
        await Engine(cache=False).compile(text)
    await Engine(cache=False).compile(text.replace(" shared", ""))


async def test_more_tables_memories_or_instances_than_allowed_are_refused(
    make: Any,
) -> None:
    tables = guests.code("(table 1 funcref) (table 1 funcref)")
    with pytest.raises(OutOfMemory, match="table count too high"):
        await make(tables, limits=Limits(tables=1))
    memories = guests.code("(memory 1) (memory 1)")
    with pytest.raises(OutOfMemory) as refused:
        await make(memories, limits=Limits(memories=1))
    assert str(refused.value).endswith(
        "memory count too high at 2: say memories = 2, or more (limit: memories = 1)"
    )
    instances = "(component (core module $m)" + "(core instance (instantiate $m))" * 3
    with pytest.raises(OutOfMemory, match="instance count too high"):
        await make(instances + ")", limits=Limits(instances=2))
    (await make(instances + ")", limits=Limits(instances=3))).close()


@pytest.mark.parametrize(
    "limits",
    [{"memory": 0}, {"memory": -1}, {"memory": 2**63}, {"fuel": 0}, {"fuel": 2**64}],
)
def test_a_limit_that_limits_nothing_or_everything_is_refused(limits: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        Limits(**limits)


RECURSE = guests.code(
    """(func $down (export "down") (param i32) (result i32)
         (if (result i32) (i32.eqz (local.get 0))
           (then (i32.const 0))
           (else (i32.add (i32.const 1)
             (call $down (i32.sub (local.get 0) (i32.const 1)))))))""",
    'down (param "n" u32) -> u32',
)


async def test_a_larger_stack_allows_deeper_recursion() -> None:
    depth = 60_000
    deep = await (
        await Engine(cache=False, stack=8 * MIB).compile(RECURSE)
    ).instantiate()
    shallow = await (await Engine(cache=False).compile(RECURSE)).instantiate()

    assert await deep.call("down", depth) == depth
    assert await shallow.call("down", 2000) == 2000
    with pytest.raises(GuestTrapped) as raised:
        await shallow.call("down", depth)
    assert raised.value.kind == "stack-overflow"
    assert len(raised.value.backtrace) < 100
    deep.close()
