from __future__ import annotations

import struct
from math import inf, isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.errors import WaveError
from airssys.witmodel.types import (
    Borrow,
    Enum,
    Err,
    Flags,
    List,
    Map,
    Ok,
    Opaque,
    Option,
    Own,
    Record,
    RecordType,
    Result,
    Scalar,
    Some,
    Tuple,
    Variant,
    VariantType,
    WitType,
)
from airssys.witmodel.wave import parse_wave, render_wave

U8, U32, S8, F32, F64 = map(Scalar, ("u8", "u32", "s8", "f32", "f64"))
BOOL, CHAR, STRING = map(Scalar, ("bool", "char", "string"))
POINT = RecordType((("x-at", S8), ("label", Option(STRING))))
SHAPE = VariantType((("circle", U32), ("empty", None), ("err", STRING)))
ACCESS = Flags(("read", "write", "exec"))


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (BOOL, "true", True),
        (BOOL, " false // no", False),
        (U8, "255", 255),
        (S8, "-128", -128),
        (F64, "6.022e+23", 6.022e23),
        (F64, "-inf", -inf),
        (F64, "inf", inf),
        (F32, "0.1", struct.unpack("f", struct.pack("f", 0.1))[0]),
        (CHAR, "'x'", "x"),
        (CHAR, r"'\''", "'"),
        (CHAR, r"'\u{0}'", "\0"),
        (CHAR, "'☃'", "☃"),
        (STRING, r'"abc\t\"1\" \\ \u{1f44b}"', 'abc\t"1" \\ 👋'),
        (STRING, '"""\nA single line\n"""', "A single line"),
        (STRING, '"""\n    one\n      two\n  """', "  one\n    two"),
        (STRING, '"""\r\nends \\r\r\nhere ""\\"\r\n"""', 'ends \r\nhere """'),
        (Tuple((U8, STRING)), '(123, "abc",)', (123, "abc")),
        (List(U32), "[]", []),
        (List(CHAR), "['a', 'b',\n 'c']", ["a", "b", "c"]),
        (List(U8), "[0, 255]", b"\0\xff"),
        (List(U8), '"hé"', "hé".encode()),
        (POINT, '{label: "a", x-at: 3}', Record(x_at=3, label="a")),
        (POINT, "{%x-at: 3,}", Record(x_at=3, label=None)),
        (RecordType((("o", Option(U8)),)), "{:}", Record(o=None)),
        (SHAPE, "circle(3)", Variant("circle", 3)),
        (SHAPE, "empty", Variant("empty")),
        (SHAPE, '%err("oops")', Variant("err", "oops")),
        (Enum(("ok", "not-found")), "%ok", "ok"),
        (Enum(("south", "west")), "west", "west"),
        (Option(U8), "123", 123),
        (Option(U8), "some(123)", 123),
        (Option(U8), "none", None),
        (Option(Option(U8)), "some(none)", Some(None)),
        (Option(Option(U8)), "some(5)", Some(5)),
        (Option(Enum(("none", "all"))), "%none", "none"),
        (Result(U8, None), "123", Ok(123)),
        (Result(None, STRING), "ok", Ok()),
        (Result(None, STRING), 'err("oops")', Err("oops")),
        (Result(None, None), "err", Err()),
        (ACCESS, "{write, read,}", frozenset({"read", "write"})),
        (ACCESS, "{}", frozenset()),
    ],
)
def test_text_is_read_by_its_type(type_: WitType, text: str, value: object) -> None:
    assert parse_wave(text, type_) == value


@pytest.mark.parametrize(
    ("type_", "text", "complaint"),
    [
        (BOOL, "yes", "column 1: expected true or false, got yes"),
        (U8, "256", "column 1: expected u8, 0 to 255, got 256"),
        (U8, "1.5", "column 1: expected u8, got 1.5"),
        (U8, "-1", "column 1: expected u8, 0 to 255, got -1"),
        (U8, "9" * 5000, f"column 1: expected u8, 0 to 255, got {'9' * 27}..."),
        (U8, "01", "column 1: expected a value, got 01"),
        (U8, "1 2", "column 3: expected the end, got 2"),
        (U8, "", "column 1: expected u8, got the end"),
        (F64, '"1"', 'column 1: expected f64, got "1"'),
        (F64, "1e999", "column 1: expected f64, which cannot be so large, got 1e999"),
        (F32, "1e39", "column 1: expected f32, which cannot be so large, got 1e39"),
        (CHAR, "x", "column 1: expected a char, such as 'a', got x"),
        (CHAR, "''", "column 1: expected a value, got ''"),
        (CHAR, r"'\u{61}b'", r"column 1: expected a single char, got '\u{61}b'"),
        (STRING, "abc", 'column 1: expected a string in "", got abc'),
        (STRING, '"abc', 'column 1: expected a value, got "abc'),
        (
            STRING,
            r'"ab\x"',
            r"column 4: expected an escape: one of \\ \' \" \n \r \t \u{hex}, got \x",
        ),
        (
            STRING,
            r'"\u{d800}"',
            (
                r"column 2: expected an escape: one of \\ \' \" \n \r \t \u{hex}, "
                r"got \u{d800}"
            ),
        ),
        (
            STRING,
            '"""\n  one\n two\n  """',
            "line 3, column 1: expected a line indented by 2 spaces, got  two",
        ),
        (
            STRING,
            '"""\none """',
            (
                "column 1: expected a line break and spaces before the closing "
                '""", got """\none """'
            ),
        ),
        (List(U8), "[1, 2", "column 6: expected ',' or ']', got the end"),
        (List(U32), '[1, "x"]', 'column 5 ([1]): expected u32, got "x"'),
        (List(U32), "(1)", "column 1: expected list<u32>, got ("),
        (Tuple((U8,)), "()", "column 3: expected 1 elements of tuple<u8>, got 0"),
        (
            Tuple((U8,)),
            "(1, 2)",
            "column 5: expected ')', since tuple<u8> has 1 elements, got 2",
        ),
        (
            List(POINT),
            "[{x-at: 1},\n {x-at: no}]",
            "line 2, column 9 ([1].x-at): expected s8, got no",
        ),
        (
            POINT,
            "{label: none}",
            "column 1: expected a field 'x-at', got a record without it",
        ),
        (POINT, "{x-att: 1}", "column 2: expected 'x-at', got x-att"),
        (POINT, "{z: 1}", "column 2: expected one of x-at, label, got z"),
        (
            POINT,
            "{x-at: 1, x-at: 2}",
            "column 11: expected field 'x-at' once, got x-at",
        ),
        (POINT, "{x-at 1}", "column 7: expected ':', got 1"),
        (POINT, "{:", "column 3: expected '}', got the end"),
        (SHAPE, "cirle(1)", "column 1: expected 'circle', got cirle"),
        (
            SHAPE,
            "circle",
            (
                "column 7: expected '(', since 'circle' has a value of type u32, "
                "got the end"
            ),
        ),
        (SHAPE, "circle(x)", "column 8 (circle): expected u32, got x"),
        (SHAPE, "circle(1", "column 9: expected ')', got the end"),
        (SHAPE, "5", f"column 1: expected {SHAPE}, got 5"),
        (
            Option(Option(U8)),
            "5",
            "column 1: expected some(...) or none, of option<option<u8>>, got 5",
        ),
        (Result(None, None), "5", "column 1: expected ok or err, of result, got 5"),
        (
            Opaque("resource"),
            "1",
            "column 1: expected a resource, which cannot be written as text, got 1",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    type_: WitType, text: str, complaint: str
) -> None:
    with pytest.raises(WaveError) as caught:
        parse_wave(text, type_)

    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (F32, struct.unpack("f", struct.pack("f", 0.1))[0], "0.1"),
        (F32, struct.unpack("f", struct.pack("f", 16777217.0))[0], "16777216.0"),
        (F64, nan, "nan"),
        (F64, -inf, "-inf"),
        (F32, inf, "inf"),
        (STRING, "a\n\"b\" 'c' \x01é☃", r'''"a\n\"b\" 'c' \u{1}é☃"'''),
        (CHAR, "'", r"'\''"),
        (POINT, Record(x_at=1, label=None), "{x-at: 1, label: none}"),
        (RecordType(()), Record(), "{:}"),
        (SHAPE, Variant("err", "x"), '%err("x")'),
        (SHAPE, Variant("empty"), "empty"),
        (ACCESS, frozenset({"exec", "read"}), "{read, exec}"),
        (List(U8), b"\1\2", "[1, 2]"),
        (Opaque("resource"), object(), "<resource>"),
    ],
)
def test_values_are_printed_as_wave(type_: WitType, value: object, text: str) -> None:
    assert render_wave(value, type_) == text


def test_nan_is_read_back() -> None:
    assert isnan(parse_wave("nan", F64))


# --- the law ----------------------------------------------------------------------

_f32s = st.floats(width=32, allow_nan=False)
_names = st.sampled_from(["a", "b-c", "ok", "none", "HTTP3"])


def _integers(name: str) -> st.SearchStrategy[int]:
    bits = int(name[1:])
    if name[0] == "s":
        return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)
    return st.integers(0, (1 << bits) - 1)


_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "char": st.characters(exclude_categories=["Cs"]),
    "string": st.text(st.characters(exclude_categories=["Cs"])),
    "f32": _f32s,
    "f64": st.floats(allow_nan=False),
    **{f"{s}{bits}": _integers(f"{s}{bits}") for s in "su" for bits in (8, 16, 32, 64)},
}

_types: st.SearchStrategy[WitType] = st.recursive(
    st.sampled_from([Scalar(name) for name in _SCALARS])
    | st.lists(_names, min_size=1, unique=True).map(lambda names: Enum(tuple(names)))
    | st.lists(_names, min_size=1, unique=True).map(lambda names: Flags(tuple(names))),
    lambda inner: (
        inner.map(List)
        | inner.map(Option)
        | st.lists(inner, min_size=1, max_size=3).map(lambda each: Tuple(tuple(each)))
        | st.dictionaries(_names, inner, min_size=1, max_size=3).map(
            lambda each: RecordType(tuple(each.items()))
        )
        | st.dictionaries(_names, st.none() | inner, min_size=1, max_size=3).map(
            lambda each: VariantType(tuple(each.items()))
        )
        | st.builds(Result, st.none() | inner, st.none() | inner)
    ),
    max_leaves=6,
)


def _values(type_: WitType | None) -> st.SearchStrategy[Any]:
    match type_:
        case None:
            return st.none()
        case Scalar(name):
            return _SCALARS[name]
        case List(Scalar("u8")):
            return st.binary(max_size=5)
        case List(element):
            return st.lists(_values(element), max_size=3)
        case Tuple(elements):
            return st.tuples(*map(_values, elements))
        case RecordType(fields):
            return st.fixed_dictionaries({n: _values(t) for n, t in fields}).map(
                lambda each: Record(**{n.replace("-", "_"): v for n, v in each.items()})
            )
        case VariantType(cases):
            return st.one_of(
                [st.builds(Variant, st.just(n), _values(t)) for n, t in cases]
            )
        case Enum(cases):
            return st.sampled_from(cases)
        case Flags(names):
            return st.frozensets(st.sampled_from(names))
        case Option(some):
            nests = isinstance(some, Option)
            return st.none() | _values(some).map(lambda v: Some(v) if nests else v)
        case Result(ok, err):
            return st.builds(Ok, _values(ok)) | st.builds(Err, _values(err))
        case Map(key, value):
            return st.dictionaries(_values(key), _values(value), max_size=3)
        case Own() | Borrow() | Opaque():
            raise AssertionError


@given(st.data())
def test_what_is_printed_is_read_back(data: st.DataObject) -> None:
    type_ = data.draw(_types)
    value = data.draw(_values(type_))

    text = render_wave(value, type_)

    assert parse_wave(text, type_) == value


@given(_types, st.text(alphabet="[](){}:,\"\\'abc1-.eE %\n/"))
def test_any_text_is_read_or_refused(type_: WitType, text: str) -> None:
    error = None

    try:
        parse_wave(text, type_)
    except WaveError as refused:
        error = refused

    assert error is None or (0 <= error.at <= len(text) and str(error))
