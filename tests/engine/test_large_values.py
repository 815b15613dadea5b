"""Values that are large in Python, though a guest makes them of little."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import Any, Final

import anyio
import anyio.lowlevel
import pytest

import airssys
from airssys.engine.component import Engine
from airssys.engine.fiber import Slicing

from . import guests
from .lateness import busy

pytestmark = pytest.mark.guest

MEMORY = """(core module $memory
    (memory (export "memory") 16)
    (data (i32.const 64) "\\80\\00\\00\\00\\64\\00\\00\\00")
    (global $top (mut i32) (i32.const 900000))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local.get 3) (global.set $top (i32.add (global.get $top)))
      (global.get $top)))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias core export $m "realloc" (core func $realloc))"""

FILL = """(func $fill (param $n i32) (param $size i32) (local $at i32)
      (local.set $at (i32.const 4096))
      (loop
        (i32.store (local.get $at) (i32.const 65536))
        (i32.store offset=4 (local.get $at) (local.get $size))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))"""
"""``fill`` makes a list of strings that are all the same text."""


def returning(type_: str) -> str:
    """Return a guest whose ``run(at, n, size)`` returns a list of n."""
    return f"""(component {MEMORY}
  (core module $code
    (import "m" "memory" (memory 1))
    {FILL}
    (func (export "run") (param $at i32) (param $n i32) (param $size i32) (result i32)
      (if (local.get $size) (then (call $fill (local.get $n) (local.get $size))))
      (i32.store (i32.const 32) (local.get $at))
      (i32.store (i32.const 36) (local.get $n))
      (i32.const 32)))
  (core instance $c (instantiate $code (with "m" (instance $m))))
  (func (export "run") (param "at" u32) (param "n" u32) (param "size" u32)
    (result {type_})
    (canon lift (core func $c "run") (memory $mem) (realloc $realloc))))"""


def passing(type_: str, result: str = "") -> str:
    """Return a guest whose ``run(at, n, size, times)`` calls ``take`` of the host."""
    returns = "(param i32 i32 i32)" if result else "(param i32 i32)"
    more = "(i32.const 32)" if result else ""
    return f"""(component
  (import "test:host/api" (instance $host
    (export "take" (func (param "x" {type_}) {result}))))
  {MEMORY}
  (core func $take
    (canon lower (func $host "take") (memory $mem) (realloc $realloc)))
  (core module $code
    (import "m" "memory" (memory 1))
    (import "h" "take" (func $take {returns}))
    {FILL}
    (func (export "run") (param $at i32) (param $n i32) (param $size i32)
      (param $times i32) (result i32)
      (if (local.get $size) (then (call $fill (local.get $n) (local.get $size))))
      (loop (call $take (local.get $at) (local.get $n) {more})
        (br_if 0
          (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
      (i32.load8_u (i32.const 32))))
  (core instance $c (instantiate $code (with "m" (instance $m))
    (with "h" (instance (export "take" (func $take))))))
  (func (export "run") (param "at" u32) (param "n" u32) (param "size" u32)
    (param "times" u32) (result u32)
    (canon lift (core func $c "run"))))"""


PAIRS, TEXTS = "(list (tuple u8 u8))", "(list string)"
SMALL = airssys.Limits(memory=2**20)


def taking(*taken: Any) -> airssys.HostInterface:
    host = airssys.HostInterface("test:host/api")
    host.function(
        lambda _call, x: [each.append(x) for each in taken] and None, name="take"
    )
    return host


async def test_a_result_that_is_too_large_in_python_is_refused_before_it_is_made(
    make: Any,
) -> None:
    for type_, call in (PAIRS, (0, 500_000, 0)), (TEXTS, (4096, 100, 900_000)):
        instance = await make(returning(type_), limits=SMALL)
        with pytest.raises(airssys.ValuesTooLarge) as raised:
            await instance.call("run", *call)

        assert isinstance(raised.value, airssys.LimitExceeded)
        assert raised.value.limit == 2**20
        assert "too much as result of 'run' (limit of values: 1_048_576" in str(
            raised.value
        )
        assert not instance.alive


async def test_a_result_within_the_limit_is_what_the_guest_returned(make: Any) -> None:
    limits = airssys.Limits(memory=2**20, values=2**26)
    with await make(returning(PAIRS), limits=limits) as instance:
        pairs = await instance.call("run", 64, 200_000, 0)
    assert len(pairs) == 200_000
    assert pairs[:4] == [(128, 0), (0, 0), (100, 0), (0, 0)]
    assert set(pairs[4:]) == {(0, 0)}

    with await make(returning(TEXTS), limits=limits) as instance:
        texts = await instance.call("run", 4096, 5000, 10)
        assert texts == ["\0" * 10] * 5000
        texts = await instance.call("run", 4096, 10, 800_000)
        assert texts == ["\0" * 800_000] * 10


async def test_arguments_of_a_host_function_that_are_too_large_end_the_call(
    make: Any,
) -> None:
    for type_, call in (PAIRS, (0, 500_000, 0, 1)), (TEXTS, (4096, 100, 900_000, 1)):
        taken: list[Any] = []
        instance = await make(passing(type_), [taking(taken)], limits=SMALL)
        with pytest.raises(airssys.ValuesTooLarge, match="arguments of 'test:host/api"):
            await instance.call("run", *call)

        assert taken == []
        assert not instance.alive


async def test_a_guest_is_told_of_arguments_that_are_too_large_where_wit_has_an_err(
    make: Any,
) -> None:
    text = passing(PAIRS, "(result (result (error string)))")
    taken: list[Any] = []
    with await make(text, [taking(taken)], limits=SMALL) as instance:
        assert await instance.call("run", 64, 3, 0, 1) == 0
        assert await instance.call("run", 0, 30_000, 0, 1) == 1

    assert taken == [[(128, 0), (0, 0), (100, 0)]]


async def test_a_denial_has_the_form_that_the_function_gives_it(make: Any) -> None:
    host = airssys.HostInterface("test:host/api")
    told = []

    def denied(words: str) -> int:
        told.append(words)
        return 5

    host.function(lambda _call, _x: None, name="take", denied=denied)
    text = passing(PAIRS, "(result (result (error u32)))")
    with await make(text, [host], limits=SMALL) as instance:
        assert await instance.call("run", 0, 30_000, 0, 1) == 1

    assert "passes too much as arguments" in told[0]


async def test_large_arguments_arrive_whole(make: Any) -> None:
    limits = airssys.Limits(memory=2**20, values=2**26)
    taken: list[Any] = []
    with await make(passing(PAIRS), [taking(taken)], limits=limits) as instance:
        await instance.call("run", 64, 100_000, 0, 3)
    assert [len(each) for each in taken] == [100_000] * 3
    assert taken[2][:3] == [(128, 0), (0, 0), (100, 0)]

    taken.clear()
    with await make(passing(TEXTS), [taking(taken)], limits=limits) as instance:
        await instance.call("run", 4096, 5000, 8, 1)
    assert taken == [["\0" * 8] * 5000]


@pytest.mark.once
async def test_what_crosses_costs_fuel(make: Any) -> None:
    limits = airssys.Limits(memory=2**20, values=2**26, fuel=20_000_000)
    with await make(returning(PAIRS), limits=limits) as instance:
        await instance.call("run", 0, 100_000, 0)
        assert instance.usage.fuel > 70 * 100_000
    instance = await make(returning(PAIRS), limits=limits)
    with pytest.raises(airssys.OutOfFuel):
        await instance.call("run", 0, 400_000, 0)
    instance = await make(passing(PAIRS), [taking()], limits=limits)
    with pytest.raises(airssys.OutOfFuel):
        await instance.call("run", 0, 100_000, 0, 10)


@pytest.mark.parametrize("way", ["result", "arguments"])
async def test_lifting_large_values_gives_way_and_can_be_cancelled(
    compile_: Any, way: str
) -> None:
    text = returning(PAIRS) if way == "result" else passing(PAIRS)
    imports = [] if way == "result" else [taking()]
    more = () if way == "result" else (1,)
    component = await compile_(text)
    limits = airssys.Limits(memory=2**20, values=2**27)

    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        instance = await component.instantiate(imports, limits=limits)
        await instance.call("run", 0, 400_000, 0, *more)
        group.cancel_scope.cancel()
    # 29 MB in pieces of 64 KiB
    assert turns > 300

    instance = await component.instantiate(imports, limits=limits)
    with anyio.CancelScope() as scope:

        async def cancel() -> None:
            for _ in range(50):
                await anyio.lowlevel.checkpoint()
            scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(cancel)
            await instance.call("run", 0, 400_000, 0, *more)
    assert scope.cancelled_caught
    assert not instance.alive


TYPES: dict[str, tuple[str, dict[str, str], Any]] = {
    "string": ("string", {}, "a" * 3_000_000 + "é" * 10 + "\N{GRINNING FACE}"),
    "short-string": ("string", {}, "é" * 200_000),
    "bytes": ("(list u8)", {}, bytes(range(256)) * 8000),
    "ascii": ("(list u8)", {}, b"x" * 2_000_001),
    "numbers": ("(list u32)", {}, list(range(30_000))),
    "floats": ("(list f64)", {}, [0.5] * 30_000),
    "lists": ("(list (list u16))", {}, [[n] * 5000 for n in range(9)]),
    "list-in-lists": ("(list (list string))", {}, [["x" * 100] * 900, [], ["y"]]),
    "large-texts": ("(list string)", {}, ["z" * 100_000, "", "é" * 40_000] * 3),
    "tuple": ("(tuple string u8 (list u8))", {}, ("x" * 70_000, 3, b"12" * 40_000)),
    "option": ("(option (list char))", {}, ["x"] * 9000),
    "options": ("(option (option string))", {}, airssys.Some("x" * 80_000)),
    "list-of-options": ("(list (option string))", {}, [None, "x" * 90, None] * 800),
    "oks": (
        "(list (result string (error u8)))",
        {},
        [airssys.Ok("x" * 80_000), airssys.Err(3)],
    ),
    "map": ("(map string (list u8))", {}, {f"k{n}": b"x" * 50 for n in range(2000)}),
    "map-of-large": ("(map u8 string)", {}, {1: "x" * 80_000, 2: "y" * 70_000}),
    "record": (
        "$r-0x",
        {"r": '(record (field "a-b" string) (field "c" (list u64)))'},
        airssys.Record(a_b="x" * 90_000, c=[2**63] * 4000),
    ),
    "variant": (
        "$v-0x",
        {"v": '(variant (case "none") (case "text" string))'},
        airssys.Variant("text", "x" * 90_000),
    ),
    "variants": (
        "(list $v-0x)",
        {"v": '(variant (case "none") (case "text" string) (case "n" u8))'},
        [airssys.Variant("none"), airssys.Variant("text", "x" * 70_000)] * 3
        + [airssys.Variant("n", 1)] * 2000,
    ),
    "enums": (
        "(list $e-0x)",
        {"e": '(enum "one" "two")'},
        ["one", "two"] * 2000,
    ),
}


@pytest.mark.parametrize("lane", [True, False])
@pytest.mark.parametrize("name", TYPES)
async def test_a_value_lifted_in_pieces_is_the_value(name: str, lane: bool) -> None:  # noqa: FBT001
    type_, types, value = TYPES[name]
    text = guests.echo(type_.replace("-0x", ""), types)
    component = await Engine(cache=False, bytes_lane=lane).compile(text)
    # wasmtime's values of bytes, one for each, are more without the lane.
    limits = airssys.Limits(values=2**27)
    with await component.instantiate(limits=limits) as instance:
        again = await instance.call("echo", value, guests.PAD)
    in_pieces = component.function("echo")[0]._pieces is not None

    assert again == value
    assert in_pieces


async def test_an_err_that_is_large_is_raised(make: Any) -> None:
    text = guests.echo("(result (list u8) (error (list string)))")
    with await make(text) as instance:
        with pytest.raises(airssys.WitError) as raised:
            await instance.call("echo", airssys.Err(["x" * 70_000] * 2), guests.PAD)
        assert raised.value.value == ["x" * 70_000] * 2
        ok = airssys.Ok(b"x" * 200_000)
        assert await instance.call("echo", ok, guests.PAD) == b"x" * 200_000


OVER: dict[str, tuple[str, Any]] = {
    "string": ("string", "a" * 1_200_000),
    "wide-string": ("string", "a" * 300_000 + "\N{GRINNING FACE}"),
    "bytes": ("(list u8)", b"x" * 1_200_000),
    "numbers": ("(list u64)", [1] * 30_000),
    "lists": ("(list (list u8))", [b""] * 30_000),
    "texts": ("(list string)", ["x" * 500] * 2000),
    "map": ("(map u32 string)", dict.fromkeys(range(5000), "x" * 30)),
    "tuple": ("(tuple string string)", ("x" * 600_000,) * 2),
    "option": ("(option string)", "x" * 1_100_000),
}


@pytest.mark.parametrize("lane", [True, False])
@pytest.mark.parametrize("name", OVER)
async def test_values_of_every_kind_have_the_limit(name: str, lane: bool) -> None:  # noqa: FBT001
    type_, value = OVER[name]
    component = await Engine(cache=False, bytes_lane=lane).compile(guests.echo(type_))
    limits = airssys.Limits(values=2**20)
    instance = await component.instantiate(limits=limits)
    with pytest.raises(airssys.ValuesTooLarge):
        await instance.call("echo", value, guests.PAD)


GUESTS: Final = {
    "pairs as result": (returning(PAIRS), (0, 180_000, 0)),
    "pairs as arguments": (passing(PAIRS), (0, 180_000, 0, 3)),
    "texts as result": (returning(TEXTS), (4096, 30, 900_000)),
    "texts as arguments": (passing(TEXTS), (4096, 30, 900_000, 3)),
    "what is logged": (
        passing("(list (tuple string string))"),
        (131_072, 50_000, 0, 1),
    ),
    "targets of a broadcast": (passing(TEXTS), (4096, 40_000, 10, 1)),
    "too many pairs as arguments": (passing(PAIRS), (0, 500_000, 0, 3)),
    "too many texts as result": (returning(TEXTS), (4096, 100, 900_000)),
    "too many texts as arguments": (passing(TEXTS), (4096, 100, 900_000, 3)),
}


@pytest.mark.once
@pytest.mark.parametrize("lane", [True, False])
@pytest.mark.parametrize("name", [n for n in GUESTS if "pairs" in n or "too many" in n])
async def test_the_first_large_value_does_not_hold_the_loop(
    name: str,
    lane: bool,  # noqa: FBT001
) -> None:
    text, call = GUESTS[name]
    imports = [taking()] if len(call) == 4 else []
    components = []
    for _ in range(3):
        component = await Engine(cache=False, bytes_lane=lane).compile(text)
        await (await component.instantiate(imports)).call("run", 64, 1, 0, *call[3:])
        components.append(component)

    async def run() -> None:
        instance = await components.pop().instantiate(imports)
        with instance, contextlib.suppress(airssys.ValuesTooLarge):
            await instance.call("run", *call)

    assert await busy(run) < 0.04  # 0.05 to 0.3 s if wasmtime lifts it on the loop


@pytest.mark.once
@pytest.mark.parametrize(
    "name",
    [
        "pairs as result",
        "pairs as arguments",
        "what is logged",
        "targets of a broadcast",
    ],
)
async def test_much_is_lifted_in_a_thread_and_little_is_not(name: str) -> None:
    text, (at, n, *more) = GUESTS[name]
    imports = [taking()] if len(more) == 2 else []
    for slicing in (Slicing(), Slicing(inline=400_000)):
        component = await Engine(cache=False, slicing=slicing).compile(text)
        with await component.instantiate(imports) as instance:
            for few in (1, 100):
                await instance.call("run", at, few, *more)
            assert instance.usage.threaded == 0
            await instance.call("run", at, n, *more)
            assert instance.usage.threaded > 0


@pytest.mark.parametrize("way", ["result", "arguments"])
async def test_a_cancel_is_not_late_while_much_is_lifted(
    compile_: Any, way: str
) -> None:
    text, call = GUESTS[f"pairs as {way}"]
    imports = [taking()] if len(call) == 4 else []
    component = await compile_(text)

    async def late() -> float:
        instance = await component.instantiate(imports)
        began = anyio.current_time()
        with anyio.move_on_after(0.01):
            await instance.call("run", *call)
        return anyio.current_time() - began - 0.01

    assert min([await late() for _ in range(4)]) < 0.5  # 1.1 s without a limit


async def test_a_function_of_very_many_types_is_called_in_threads() -> None:
    many = "(tuple " + " ".join(["u8"] * 2100) + " (list u8))"
    text = guests.echo(f"(list {many})")
    component = await Engine(cache=False).compile(text)
    assert component.function("echo")[0].slow
    with await component.instantiate() as instance:
        value = [(*[1] * 2100, b"x")] * 2
        assert await instance.call("echo", value, guests.PAD) == value
        assert instance.usage.threaded > 0


TASK: Final = f"""(component {MEMORY}
  (core func $done (canon task.return (result (list (tuple u8 u8))) (memory $mem)))
  (core module $code
    (import "h" "done" (func $done (param i32 i32)))
    (func (export "run") (param i32) (result i32)
      (call $done (i32.const 0) (local.get 0)) (i32.const 0))
    (func (export "callback") (param i32 i32 i32) (result i32) (i32.const 0)))
  (core instance $c (instantiate $code (with "h"
    (instance (export "done" (func $done))))))
  (func (export "run") async (param "n" u32) (result (list (tuple u8 u8)))
    (canon lift (core func $c "run") async (memory $mem)
      (callback (core func $c "callback")))))"""


async def test_what_an_asynchronous_function_returns_is_weighed(make: Any) -> None:
    with await make(TASK, limits=SMALL) as instance:
        assert await instance.call("run", 3) == [(0, 0)] * 3
        assert instance.usage.threaded == 0
    instance = await make(TASK, limits=SMALL)
    with pytest.raises(airssys.ValuesTooLarge, match="as result of 'run'"):
        await instance.call("run", 100_000)


async def test_texts_in_utf_16_are_weighed_as_what_they_become(make: Any) -> None:
    text = returning("(list string)").replace(
        '(canon lift (core func $c "run")',
        '(canon lift (core func $c "run") string-encoding=utf16',
    )
    with await make(text, limits=SMALL) as instance:
        assert await instance.call("run", 4096, 2, 5) == ["\0" * 5] * 2
    instance = await make(text, limits=SMALL)
    with pytest.raises(airssys.ValuesTooLarge):
        await instance.call("run", 4096, 100, 400_000)


WITHIN: Final = f"""(component
  (component $inner {returning(PAIRS)[10:]}
  (instance $i (instantiate $inner))
  (export "run" (func $i "run")))"""


async def test_a_component_within_a_component_does_not_hold_the_loop(
    make: Any,
) -> None:
    with await make(WITHIN) as instance:
        assert await instance.call("run", 64, 1, 0) == [(128, 0)]
        assert instance.usage.threaded == 0
        await instance.call("run", 0, 180_000, 0)
        assert instance.usage.threaded > 0


_IN_A_CHILD = """
import resource, sys, anyio, airssys
text, imported, call = eval(sys.stdin.read())

async def main():
    host = airssys.HostInterface("test:host/api")
    host.function(lambda _call, x: None, name="take")
    component = await airssys.Engine(cache=False).compile(text)
    small = airssys.Limits(memory=2**20)
    for warm in (1, 1, 1, 0):
        instance = await component.instantiate([host] * imported, limits=small)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            await instance.call("run", *((64, 1, 0, 1)[:len(call)] if warm else call))
        except airssys.ValuesTooLarge:
            print("refused")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

anyio.run(main)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
@pytest.mark.parametrize("imported", [0, 1])
@pytest.mark.parametrize(
    ("type_", "call"), [(PAIRS, (0, 200_000, 0)), (TEXTS, (4096, 100, 900_000))]
)
def test_what_a_guest_passes_does_not_grow_the_host(
    imported: int, type_: str, call: tuple[int, ...]
) -> None:
    call = (*call, *([1] * imported))
    text = passing(type_) if imported else returning(type_)
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_CHILD],
        input=repr((text, imported, call)),
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    print(done.stdout, done.stderr)
    refused, grown = done.stdout.split()

    assert refused == "refused"
    assert int(grown) < 18 * 1024  # twice the memory, and 16 MiB
