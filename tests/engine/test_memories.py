"""An instance has any of a few memories and tables, within one total."""

from __future__ import annotations

from typing import Any

import pytest

from airssys.core.errors import OutOfMemory
from airssys.core.limits import MIB, PAGE, Limits
from airssys.hostcalls.interface import HostInterface

from . import guests

pytestmark = pytest.mark.guest


def memories(count: int, code: str = "", pages: int = 1) -> str:
    """Return a component with so many memories; ``fill-N`` grows one of them."""
    parts = "".join(
        f"""(core module $m{i} (memory {pages}) {code}
              (func (export "fill") (result i32)
                (loop $more (br_if $more
                  (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
                (memory.size)))
            (core instance $i{i} (instantiate $m{i}))
            (func (export "fill-{i}") (result u32)
              (canon lift (core func $i{i} "fill")))"""
        for i in range(count)
    )
    return f"(component {parts})"


async def test_memories_are_limited_in_number(make: Any) -> None:
    with pytest.raises(OutOfMemory, match="memory count too high at 17"):
        await make(memories(17))
    with pytest.raises(OutOfMemory, match="memory count too high at 3"):
        await make(memories(3), limits=Limits(memories=2))
    (await make(memories(16))).close()


@pytest.mark.parametrize(
    ("count", "limits", "pages"),
    [
        (1, {}, 1024),  # 64 MiB: `memory` itself
        (2, {}, 1024),
        (3, {}, 682),
        (16, {}, 128),
        (4, {"memory": 4 * MIB}, 32),
        (4, {"memory": 4 * MIB, "total_memory": 16 * MIB}, 64),
        (1, {"memory": 4 * MIB, "total_memory": MIB}, 16),
    ],
)
async def test_all_memories_together_have_no_more_than_the_total(
    make: Any, count: int, limits: dict[str, int], pages: int
) -> None:
    with await make(memories(count), limits=Limits(**limits)) as instance:
        grown = [await instance.call(f"fill-{i}") for i in range(count)]

    assert grown == [pages] * count
    assert sum(grown) * PAGE <= Limits(**limits).total_memory


async def test_start_functions_have_no_more_than_the_total_either(make: Any) -> None:
    host = HostInterface("")
    grown: list[int] = []
    host.function(lambda _call, pages: grown.append(pages), name="tell")
    parts = "".join(
        f"""(core module $m{i} (import "" "tell" (func $tell (param i32))) (memory 1)
              (func $start (loop $more (br_if $more
                  (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
                (call $tell (memory.size)))
              (start $start))
            (core instance (instantiate $m{i} (with "" (instance $told))))"""
        for i in range(4)
    )
    text = f"""(component (import "tell" (func $tell (param "n" u32)))
      (core func $told (canon lower (func $tell)))
      (core instance $told (export "tell" (func $told))) {parts})"""
    (await make(text, [host], limits=Limits(memory=MIB))).close()

    assert grown == [8] * 4


async def test_a_memory_that_is_too_large_for_its_share_names_the_total(
    make: Any,
) -> None:
    with pytest.raises(OutOfMemory) as refused:
        await make(memories(3, pages=16), limits=Limits(memory=MIB))

    assert refused.value.key == "total_memory"
    assert str(refused.value).endswith(
        "exceeds memory limits: 3 memories share total_memory, 699_050 bytes each "
        "(limit: total_memory = 2_097_152 bytes)"
    )


async def test_memories_that_cannot_be_counted_before_are_held_to_the_total(
    make: Any,
) -> None:
    """The modules of a component within another come from the outer one."""
    text = """(component
      (core module $m (memory 1) (func (export "fill") (result i32)
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (memory.size)))
      (component $c
        (import "m" (core module $m (export "fill" (func (result i32)))))
        (core instance $a (instantiate $m)) (core instance $b (instantiate $m))
        (func (export "a") (result u32) (canon lift (core func $a "fill")))
        (func (export "b") (result u32) (canon lift (core func $b "fill"))))
      (instance $i (instantiate $c (with "m" (core module $m))))
      (export "a" (func $i "a")) (export "b" (func $i "b")))"""
    limits = Limits(memory=MIB, memories=2)
    with await make(text, limits=limits) as instance:
        grown = [await instance.call("a"), await instance.call("b")]

    assert 2 <= sum(grown) * PAGE <= limits.total_memory
    with pytest.raises(OutOfMemory, match="memory count too high"):
        await make(text, limits=Limits(memories=1))


async def test_the_collected_heap_has_its_share_of_the_total(make: Any) -> None:
    text = guests.code(
        """(type $a (array (mut i64)))
        (func (export "run") (result i32)
          (array.len (array.new $a (i64.const 7) (i32.const 100000))))""",
        "run -> u32",
    )
    with await make(text, limits=Limits(memory=4 * MIB)) as instance:
        assert await instance.call("run") == 100_000
    limits = Limits(memory=4 * MIB, total_memory=MIB // 2)
    instance = await make(text, limits=limits)
    with pytest.raises(OutOfMemory):
        await instance.call("run")


@pytest.mark.parametrize("count", [33, 32])
async def test_tables_of_a_hostile_guest_are_limited(make: Any, count: int) -> None:
    text = guests.code("(table 100000 funcref)" * count)
    if count > Limits().tables:
        with pytest.raises(OutOfMemory, match="table count too high at 33"):
            await make(text)
    else:
        (await make(text)).close()
