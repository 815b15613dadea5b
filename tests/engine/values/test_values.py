from __future__ import annotations

import collections
import math
import struct
from typing import Any

import anyio
import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from airssys.core.errors import InstanceClosed, ValueMismatch, WitError
from airssys.engine.component import Component, Engine
from airssys.hostcalls.interface import HostInterface
from airssys.witmodel.types import Err, Ok, Record, Some, Variant

from .. import guests
from ..guests import PAD

pytestmark = pytest.mark.guest

# --- what crosses -----------------------------------------------------------------

NAMES = tuple(f"f{i}" for i in range(32))
TYPES = {
    "level": '(enum "low" "mid-high")',
    "rights": '(flags "read" "write" "run-it")',
    "many": "(flags " + " ".join(f'"{name}"' for name in NAMES) + ")",
    "point": '(record (field "x" s32) (field "y-axis" f64))',
    "line": '(record (field "from" $point) (field "to" $point) (field "name" string))',
    "shape": '(variant (case "none") (case "dot" $point) (case "raw" (list u8)))',
    "one": '(record (field "only" u32))',
    "tree": """(record (field "level" $level) (field "rights" $rights)
      (field "shapes" (list $shape)) (field "maybe" (option $line))
      (field "outcome" (result $point (error string))))""",
}
"""Named types, each only using those before it."""

FLAT = {
    "bool": ("i32", (True, False)),
    "u8": ("i32", (0, 255)),
    "s8": ("i32", (-128, -1, 127)),
    "u16": ("i32", (0, 65_535)),
    "s16": ("i32", (-32_768, 32_767)),
    "u32": ("i32", (0, 2**31, 2**32 - 1)),
    "s32": ("i32", (-(2**31), -1, 2**31 - 1)),
    "u64": ("i64", (0, 2**63, 2**64 - 1)),
    "s64": ("i64", (-(2**63), -1, 2**63 - 1)),
    "f32": ("f32", (0.0, -1.5, math.inf, -math.inf, 2.0**-149)),
    "f64": ("f64", (0.0, 1e308, math.inf, -math.inf, 5e-324, math.pi)),
    "char": ("i32", ("\0", "a", "é", "\ud7ff", "\ue000", "😀", "\U0010ffff")),
    "$level": ("i32", ("low", "mid-high")),
    "$rights": (
        "i32",
        (frozenset(), frozenset({"read"}), frozenset({"read", "write", "run-it"})),
    ),
    "$many": ("i32", (frozenset(NAMES), frozenset({"f31"}))),
    "$one": ("i32", (Record(only=7),)),
}
"""Types of one core value: their core type, and values of each."""

POINT = Record(x=-3, y_axis=0.5)
LINE = Record(**{"from": POINT, "to": Record(x=1, y_axis=-0.0)}, name="ab")
COMPOUND: dict[str, tuple[Any, ...]] = {
    "string": ("", "a", "\0", "straße", "😀\U0010ffff", "é" * 1000),
    "(list u8)": (b"", b"\0\xff", bytes(range(256)) * 40),
    "(list u32)": ([], [1], [2**32 - 1] * 8, list(range(100))),
    "(list s8)": ([-128, 127], list(range(-100, 100))),
    "(list s64)": ([-(2**63)] * 20,),
    "(list f32)": ([0.5, math.inf], [0.25] * 20),
    "(list f64)": ([1e308] * 20, [1.5]),
    "(list bool)": ([True, False] * 10,),
    "(list string)": (["", "a", "😀"],),
    "(list (list u8))": ([b"", b"ab", b"\0" * 100],),
    "(list (list (list u16)))": ([[], [[]], [[1, 2], [65_535]]],),
    "(list $point)": ([], [POINT] * 3),
    "(list $level)": (["low", "mid-high"],),
    "(tuple u8 string)": ((1, "a"),),
    "(tuple (tuple u8 u64) f32)": (((1, 2**64 - 1), 0.5),),
    "$point": (POINT,),
    "$line": (LINE,),
    "$shape": (Variant("none"), Variant("dot", POINT), Variant("raw", b"\1\2")),
    "$tree": (
        Record(
            level="low",
            rights=frozenset({"run-it"}),
            shapes=[Variant("none"), Variant("raw", b"")],
            maybe=LINE,
            outcome=Err("no"),
        ),
        Record(
            level="mid-high",
            rights=frozenset(),
            shapes=[],
            maybe=None,
            outcome=Ok(POINT),
        ),
    ),
    "(option u8)": (None, 0, 255),
    "(option string)": (None, "", "a"),
    "(option (option u8))": (None, Some(None), Some(0)),
    "(option (list (option bool)))": (None, [], [None, True]),
    "(option (option (option u8)))": (
        None,
        Some(None),
        Some(Some(None)),
        Some(Some(1)),
    ),
    "(list (result u8 (error string)))": ([Ok(1), Err("no")],),
    "(list (result))": ([Ok(), Err()],),
    "(list (result u8))": ([Ok(3), Err()],),
    "(list (result (error u8)))": ([Ok(), Err(3)],),
    "(map string u32)": ({}, {"": 0}, {"a": 1, "é": 2**32 - 1}),
    "(map u64 (list string))": ({2**64 - 1: ["a", ""], 0: []},),
    "(list (map char $point))": ([{}, {"😀": POINT, "a": POINT}],),
    "(option (map bool (option u8)))": (None, {True: None, False: 3}),
}
"""Types that need memory, and values of each."""


def _used(type_: str) -> dict[str, str]:
    """Return the named types that a type uses, in order."""
    text = type_
    for name in reversed(TYPES):
        if f"${name}" in text:
            text += TYPES[name]
    return {name: TYPES[name] for name in TYPES if f"${name}" in text}


@pytest.fixture
def host() -> HostInterface:
    """Offer ``pass``, which returns its first argument."""
    host = HostInterface("test:host/api")

    @host.function(name="pass")
    def pass_(_call: Any, x: Any, _pad: Any = None) -> Any:
        return x

    return host


FLAT_CASES = [(t, flat, v) for t, (flat, values) in FLAT.items() for v in values]
COMPOUND_CASES = [(t, v) for t, values in COMPOUND.items() for v in values]


@pytest.mark.parametrize(("type_", "flat", "value"), FLAT_CASES)
async def test_a_flat_value_comes_back_as_it_was(
    make: Any, host: HostInterface, type_: str, flat: str, value: Any
) -> None:
    with await make(guests.echo(type_, _used(type_), flat=flat)) as instance:
        assert await instance.call("echo", value) == value
    text = guests.through_host(type_, _used(type_), flat=flat)
    with await make(text, [host]) as instance:
        assert await instance.call("echo", value) == value


@pytest.mark.parametrize(("type_", "value"), COMPOUND_CASES)
async def test_a_compound_value_comes_back_as_it_was(
    make: Any, host: HostInterface, type_: str, value: Any
) -> None:
    with await make(guests.echo(type_, _used(type_))) as instance:
        assert await instance.call("echo", value, PAD) == value
    with await make(guests.through_host(type_, _used(type_)), [host]) as instance:
        assert await instance.call("echo", value, PAD) == value


@pytest.mark.parametrize(("type_", "flat"), [("f32", "f32"), ("f64", "f64")])
async def test_nan_comes_back_as_nan(make: Any, type_: str, flat: str) -> None:
    with await make(guests.echo(type_, flat=flat)) as instance:
        assert math.isnan(await instance.call("echo", math.nan))


async def test_f32_loses_what_it_cannot_hold(make: Any) -> None:
    with await make(guests.echo("f32", flat="f32")) as instance:
        assert (
            await instance.call("echo", 0.1)
            == struct.unpack("f", struct.pack("f", 0.1))[0]
        )


# --- what is taken for a value ----------------------------------------------------


@frozen
class Point:
    x: int
    y_axis: float


class Anything:
    x = -3
    y_axis = 0.5


@pytest.mark.parametrize(
    "value",
    [
        POINT,
        Point(-3, 0.5),
        Anything(),
        {"x": -3, "y_axis": 0.5},
        {"x": -3, "y-axis": 0.5},
    ],
)
async def test_a_record_may_be_any_object_or_mapping_with_its_fields(
    make: Any, value: Any
) -> None:
    with await make(guests.echo("$point", _used("$point"))) as instance:
        back = await instance.call("echo", value, PAD)

    assert (back.x, back.y_axis) == (-3, 0.5)
    assert isinstance(back, Record)


async def test_a_mapping_is_asked_for_its_items_not_its_attributes(make: Any) -> None:
    types = {"r": '(record (field "keys" u8) (field "values" u8))'}
    value = collections.OrderedDict(keys=1, values=2)
    with await make(guests.echo("$r", types)) as instance:
        assert await instance.call("echo", value, PAD) == Record(keys=1, values=2)


@pytest.mark.parametrize("value", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
async def test_a_list_of_u8_may_be_any_bytes(make: Any, value: Any) -> None:
    with await make(guests.echo("(list u8)")) as instance:
        assert await instance.call("echo", value, PAD) == b"abc"


async def test_a_list_may_be_any_sequence(make: Any) -> None:
    with await make(guests.echo("(list u32)")) as instance:
        assert await instance.call("echo", (1, 2), PAD) == [1, 2]
        assert await instance.call("echo", range(20), PAD) == list(range(20))
        assert await instance.call("echo", memoryview(b"ab" * 9), PAD) == [97, 98] * 9


async def test_flags_may_be_any_set_or_list(make: Any) -> None:
    with await make(guests.echo("$rights", _used("$rights"), flat="i32")) as instance:
        assert await instance.call("echo", ["read", "read"]) == {"read"}
        assert await instance.call("echo", {"read": 1}.keys()) == {"read"}


async def test_a_number_may_be_anything_with_an_index(make: Any) -> None:
    with await make(guests.echo("u32", flat="i32")) as instance:
        assert await instance.call("echo", True) == 1  # noqa: FBT003


async def test_some_may_be_said_where_options_do_not_nest(make: Any) -> None:
    with await make(guests.echo("(option u8)")) as instance:
        assert await instance.call("echo", Some(3), PAD) == 3


# --- what is refused --------------------------------------------------------------

WRONG = [
    ("bool", "i32", 1, "x", "bool", "1"),
    ("u8", "i32", 256, "x", "u8", "256"),
    ("u8", "i32", -1, "x", "u8", "-1"),
    ("s16", "i32", 40_000, "x", "s16", "40000"),
    ("u32", "i32", 1.0, "x", "u32", "1.0"),
    ("u32", "i32", "1", "x", "u32", "'1'"),
    ("u32", "i32", None, "x", "u32", "None"),
    ("u64", "i64", 2**64, "x", "u64", "18446744073709551616"),
    ("u64", "i64", 10**80, "x", "u64", "1" + "0" * 56 + "..."),
    ("f32", "f32", 1e300, "x", "f32", "1e+300"),
    ("f64", "f64", "1", "x", "f64", "'1'"),
    ("f64", "f64", 10**400, "x", "f64", "1" + "0" * 56 + "..."),
    ("char", "i32", "ab", "x", "char (a str of length 1)", "'ab'"),
    ("char", "i32", 97, "x", "char (a str of length 1)", "97"),
    ("char", "i32", "\ud800", "x", "char (no surrogate)", r"'\ud800'"),
    ("string", "", b"a", "x", "string", "b'a'"),
    ("string", "", "a\udfff", "x", "string (no surrogates)", r"'a\udfff'"),
    ("string", "", 5, "x", "string", "5"),
    ("(list u8)", "", "ab", "x", "list<u8> (bytes)", "'ab'"),
    ("(list u8)", "", [1], "x", "list<u8> (bytes)", "list"),
    ("(list u32)", "", 5, "x", "list<u32>", "5"),
    ("(list u32)", "", "abc", "x", "list<u32>", "'abc'"),
    ("(list u32)", "", bytearray(16), "x", "list<u32>", "bytearray"),
    ("(list u32)", "", [1, -1], "x[1]", "u32", "-1"),
    ("(list u32)", "", [1] * 20 + [2**32], "x[20]", "u32", "4294967296"),
    ("(list u32)", "", [1] * 20 + ["a"], "x[20]", "u32", "'a'"),
    ("(list f32)", "", [1.0] * 20 + [1e300], "x[20]", "f32", "1e+300"),
    ("(list (list u8))", "", [b"", 5], "x[1]", "list<u8> (bytes)", "5"),
    ("(tuple u8 string)", "", (1,), "x", "tuple<u8, string>", "tuple"),
    ("(tuple u8 string)", "", "ab", "x", "tuple<u8, string>", "'ab'"),
    ("(tuple u8 string)", "", (1, 2), "x[1]", "string", "2"),
    ("$point", "", {"x": 1}, "x", "record with field 'y-axis'", "dict"),
    ("$point", "", 5, "x", "record with field 'x'", "5"),
    (
        *("$point", "", {"x": 1, "y-axis": 1, 2: 3, "z": 4}),
        *("x", "record with fields x, y_axis only", "'also 2'"),
    ),
    ("$point", "", Record(x="a", y_axis=1), "x.x", "s32", "'a'"),
    ("$line", "", {**vars(LINE), "to": {"x": 1}}, "x.to", "…'y-axis'", "dict"),
    ("$line", "", {**vars(LINE), "name": 1}, "x.name", "string", "1"),
    ("$shape", "", "none", "x", "Variant('none' | 'dot' | 'raw')", "'none'"),
    ("$shape", "", Variant("dott"), "x", "Variant('none' | 'dot' | 'raw')", "'dott'"),
    ("$shape", "", Variant("none", 1), "x", "no value for case 'none'", "1"),
    ("$shape", "", Variant("raw", 1), "x(raw)", "list<u8> (bytes)", "1"),
    ("$level", "i32", "high", "x", "enum { low, mid-high }", "'high'"),
    ("$level", "i32", 0, "x", "enum { low, mid-high }", "0"),
    ("$rights", "i32", "read", "x", "flags { read, write, run-it }", "'read'"),
    ("$rights", "i32", {"fly"}, "x", "flags { read, write, run-it }", "'fly'"),
    ("(option u8)", "", 256, "x", "u8", "256"),
    ("(option (option u8))", "", 1, "x", "None or Some(...), since options nest", "1"),
    ("(list (result u8))", "", [1], "x[0]", "Ok or Err of result<u8>", "1"),
    ("(list (result u8))", "", [Ok(-1)], "x[0](ok)", "u8", "-1"),
    ("(list (result u8))", "", [Err(1)], "x[0]", "no value in result<u8>", "1"),
    ("(list (result (error u8)))", "", [Err("a")], "x[0](err)", "u8", "'a'"),
    ("(map string u32)", "", [("a", 1)], "x", "map<string, u32>", "list"),
    ("(map string u32)", "", {"a": 1, "b": -1}, "x['b']", "u32", "-1"),
    ("(map string u32)", "", {1: 1}, "x[1]", "string", "1"),
    ("(map string u32)", "", {"a" * 99: -1}, f"x['{'a' * 16}...]", "u32", "-1"),
]


@pytest.mark.parametrize(("type_", "flat", "value", "path", "expected", "got"), WRONG)
async def test_a_wrong_value_is_refused_with_its_path(
    make: Any, type_: str, flat: str, value: Any, path: str, expected: str, got: str
) -> None:
    args = (value,) if flat else (value, PAD)
    with await make(guests.echo(type_, _used(type_), flat=flat)) as instance:
        with pytest.raises(ValueMismatch) as raised:
            await instance.call("echo", *args)

        assert (raised.value.where, raised.value.path) == ("echo", path)
        assert expected.lstrip("…") in raised.value.expected
        assert raised.value.got == got
        assert instance.alive


async def test_unhashable_flags_are_refused(make: Any) -> None:
    instance = await make(guests.echo("$rights", _used("$rights"), flat="i32"))
    with pytest.raises(ValueMismatch, match=r"flags \{ read"):
        await instance.call("echo", [["read"]])


async def test_a_sequence_shorter_than_its_length_reads_nothing_foreign(
    make: Any,
) -> None:
    class Short(list[int]):
        def __len__(self) -> int:
            return super().__len__() * 4

    with await make(guests.echo("(list u32)")) as instance:
        assert await instance.call("echo", Short([1, 2, 3]), PAD) == [1, 2, 3]


@pytest.mark.parametrize("args", [(), (1,), (1, 2, 3)])
async def test_a_wrong_number_of_arguments_is_refused(make: Any, args: Any) -> None:
    with await make(guests.ADD) as instance:
        with pytest.raises(ValueMismatch) as raised:
            await instance.call("add", *args)

        assert str(raised.value) == (
            f"add: arguments: expected 2 (a, b), got {len(args)}"
        )
        assert await instance.call("add", 1, 2) == 3


async def test_numbers_of_any_mix_cross_the_quick_way_and_are_checked(
    make: Any,
) -> None:
    body = """(func (export "f") (param i64 f32 i32 f64) (result f64)
      (f64.add (local.get 3) (f64.convert_i64_s (local.get 0))))"""
    params = '(param "a" s64) (param "b" f32) (param "c" s8) (param "d" f64)'
    with await make(guests.code(body, f"f {params} -> f64")) as instance:
        assert await instance.call("f", -2, 0.5, -128, 0.25) == -1.75
        with pytest.raises(ValueMismatch, match="f: c: expected s8, got 128"):
            await instance.call("f", -2, 0.5, 128, 0.25)
        with pytest.raises(ValueMismatch, match="f: b: expected f32, got '1'"):
            await instance.call("f", -2, "1", 1, 0.25)


# --- results of functions ---------------------------------------------------------

OUTCOME = f"""(component
  {guests.MEMORY}
  (core module $code
    (import "m" "memory" (memory 1))
    ;; The result is copied to where the caller of `half` looks for it.
    (func (export "half") (param i32) (result i32)
      (if (i32.and (local.get 0) (i32.const 1))
        (then
          (i32.store (i32.const 0) (i32.const 1))
          (i32.store (i32.const 4) (i32.const 16))
          (i32.store (i32.const 8) (i32.const 3))
          (i32.store (i32.const 16) (i32.const 0x64646f)))
        (else
          (i32.store (i32.const 0) (i32.const 0))
          (i32.store (i32.const 4) (i32.div_u (local.get 0) (i32.const 2)))))
      (i32.const 0))
    (func (export "check") (param i32) (result i32) (local.get 0)))
  (core instance $c (instantiate $code (with "m" (instance $m))))
  (func (export "half") (param "n" u32) (result (result u32 (error string)))
    (canon lift (core func $c "half") (memory $mem)))
  (func (export "check") (param "n" bool) (result (result))
    (canon lift (core func $c "check"))))"""


async def test_the_ok_of_a_function_is_returned_and_its_err_raised(make: Any) -> None:
    with await make(OUTCOME) as instance:
        assert await instance.call("half", 8) == 4
        with pytest.raises(WitError) as raised:
            await instance.call("half", 9)

        assert raised.value.value == "odd"
        assert str(raised.value) == "err('odd')"
        assert await instance.call("half", 10) == 5


async def test_a_result_without_values_is_none_or_an_empty_err(make: Any) -> None:
    with await make(OUTCOME) as instance:
        assert await instance.call("check", False) is None  # noqa: FBT003
        with pytest.raises(WitError) as raised:
            await instance.call("check", True)  # noqa: FBT003

        assert raised.value.value is None


async def test_a_host_result_of_the_wrong_type_surfaces_and_ends_the_instance(
    make: Any,
) -> None:
    host = HostInterface("test:host/api")

    @host.function
    def ask(_call: Any, _n: int) -> str:
        return "seven"

    instance = await make(guests.asks_host(), [host])
    with pytest.raises(ValueMismatch) as raised:
        await instance.call("run", 1)

    assert str(raised.value) == ("test:host/api#ask: result: expected u32, got 'seven'")
    with pytest.raises(InstanceClosed, match="cut off by ValueMismatch"):
        await instance.call("run", 1)


# --- laws -------------------------------------------------------------------------

_point = st.builds(
    Record,
    x=st.integers(-(2**31), 2**31 - 1),
    y_axis=st.floats(allow_nan=False),
)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_line = st.builds(
    lambda a, b, name: Record(**{"from": a, "to": b}, name=name), _point, _point, _text
)
_shape = st.one_of(
    st.just(Variant("none")),
    st.builds(Variant, st.just("dot"), _point),
    st.builds(Variant, st.just("raw"), st.binary(max_size=50)),
)
_tree = st.builds(
    Record,
    level=st.sampled_from(["low", "mid-high"]),
    rights=st.frozensets(st.sampled_from(["read", "write", "run-it"])),
    shapes=st.lists(_shape, max_size=5),
    maybe=st.none() | _line,
    outcome=st.builds(Ok, _point) | st.builds(Err, _text),
)
LAWS: dict[str, Any] = {
    "$tree": _tree,
    "(list (tuple u8 (list (option s16)) $shape))": st.lists(
        st.tuples(
            st.integers(0, 255),
            st.lists(st.none() | st.integers(-(2**15), 2**15 - 1)),
            _shape,
        ),
        max_size=6,
    ),
    "(list u64)": st.lists(st.integers(0, 2**64 - 1), max_size=30),
    "(list f64)": st.lists(st.floats(allow_nan=False), max_size=30),
    "(option (option (list string)))": st.none()
    | st.just(Some(None))
    | st.builds(Some, st.lists(_text, max_size=5)),
}


@pytest.mark.parametrize("type_", LAWS)
def test_any_value_comes_back_as_it_was(engine: Engine, type_: str) -> None:
    async def compile_() -> Component:
        return await engine.compile(guests.echo(type_, _used(type_)))

    component = anyio.run(compile_, backend="trio")

    @settings(max_examples=60, deadline=None)
    @given(values=st.lists(LAWS[type_], min_size=1, max_size=10))
    def law(values: list[Any]) -> None:
        async def there_and_back() -> list[Any]:
            with await component.instantiate() as instance:
                return [await instance.call("echo", value, PAD) for value in values]

        assert anyio.run(there_and_back, backend="trio") == values

    law()
