"""Spoil right values: put something wrong in one place, and say in which."""

from __future__ import annotations

import collections
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from airssys.witmodel.types import (
    Enum,
    Err,
    Flags,
    List,
    Map,
    Ok,
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
    snake,
)

from .made import rights

__all__ = ("Spoiled", "spoiled")

Spoiled: TypeAlias = tuple[Any, str]
"""A value that does not fit, and the path to what is wrong in it."""

_BITS: Final = {"8": 8, "16": 16, "32": 32, "64": 64}


class Nameless(str):
    """A name without a hash."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]


class NotAnIndex:
    def __index__(self) -> Any:
        return "7"  # noqa: PLE0305 - what it is about

    __float__ = __index__


def _released() -> memoryview:
    view = memoryview(b"abc")
    view.release()
    return view


_NOTHING_FITS: Final = st.builds(object) | st.sampled_from(
    (None, 2j, ..., NotImplemented, int, len, {1: 2}.items(), iter(()))
)
"""What fits no type; None only where no option is around it."""
_NO_NUMBERS: Final = st.sampled_from(
    ("", "7", b"7", "\ud800", [7], (7,), {7}, {"7": 7}, NotAnIndex())
)
_NO_STRINGS: Final = st.sampled_from((0, 1.5, True, b"abc", ["a"], {"a"}))
_HUGE: Final = st.sampled_from((10**80, -(10**400), 10**5000, 2**100))
_BAD_TEXT: Final = st.sampled_from(("\ud800", "a\udfff", "\udc80" * 100))


def _scalar(name: str) -> st.SearchStrategy[Any]:
    if name == "bool":
        return _NOTHING_FITS | st.sampled_from((0, 1, "true", 1.0, b"", []))
    if name == "char":
        return (
            _NOTHING_FITS
            | _NO_STRINGS
            | st.sampled_from(("", "ab", "e\u0301", "\ud800", "\udfff"))
        )
    if name == "string":
        return _NOTHING_FITS | _NO_STRINGS | _BAD_TEXT
    if name.startswith("f"):
        large = [10**400, -(10**400)] + [1e39, -1e300] * (name == "f32")
        return (
            st.sampled_from((None, 2j, ..., object(), len)) | _NO_NUMBERS
        ) | st.sampled_from(large)
    bits, signed = _BITS[name[1:]], name[0] == "s"
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits)
    most = most if signed else most - 1
    return (
        _NOTHING_FITS
        | _NO_NUMBERS
        | _HUGE
        | st.sampled_from((least - 1, most + 1, 1.0, 0.5, float("nan")))
        | st.integers(min_value=most + 1)
        | st.integers(max_value=least - 1)
    )


def spoiled(type_: WitType) -> st.SearchStrategy[Spoiled]:
    """Return values of a type with one thing wrong in them."""
    here = _at_the_top(type_).map(lambda value: (value, ""))
    inside = _inside(type_)
    return here if inside is None else here | inside | inside


def _at_the_top(type_: WitType) -> st.SearchStrategy[Any]:
    """Return values that are wrong as a whole."""
    match type_:
        case Scalar(name):
            return _scalar(name)
        case Own():
            return _NOTHING_FITS | _NO_NUMBERS | _NO_STRINGS
        case List(Scalar("u8")):
            return (
                _NOTHING_FITS
                | st.sampled_from(("ab", 5, [1, 2], (1,), {1}, range(3)))
                | st.builds(_released)
            )
        case List():
            return _NOTHING_FITS | st.sampled_from(
                ("ab", b"ab", bytearray(3), 5, {1}, {"a": 1}, range(10**30))
            )
        case RecordType(fields):
            extra = rights(type_).map(lambda found: {**vars(found), "not-there": 1})
            least = snake(fields[0][0])
            fewer = rights(type_).map(
                lambda found: {k: v for k, v in vars(found).items() if k != least}
            )
            odd = rights(type_).map(lambda found: {**vars(found), ("a",): 1})
            return _NOTHING_FITS | _NO_STRINGS | extra | fewer | odd
        case Tuple(elements):
            long = rights(type_).map(lambda found: (*found, 1))
            short = rights(type_).map(lambda found: found[:-1])
            named = st.just({str(i): i for i in range(len(elements))})
            return _NOTHING_FITS | st.sampled_from((5, "ab")) | long | short | named
        case VariantType(cases):
            bare = [name for name, case in cases if case is None]
            odd_cases: list[Any] = ["", "nope", 5, None, [1], Nameless(cases[0][0])]
            return (
                _NOTHING_FITS
                | st.sampled_from((5, cases[0][0], (cases[0][0], 1), Ok(1)))
                | st.builds(Variant, st.sampled_from(odd_cases))
                | st.builds(Variant, st.sampled_from(bare), st.just(1))
            )
        case Enum(names):
            return (
                _NOTHING_FITS
                | _NO_STRINGS
                | st.sampled_from(("", "nope", names[0].upper(), Nameless(names[0])))
            )
        case Flags(names):
            return _NOTHING_FITS.filter(
                lambda value: not isinstance(value, collections.abc.Set)
            ) | st.sampled_from(
                (5, names[0], {"nope"}, [None], (1,), [[]], [Nameless(names[0])])
            )
        case Option(Option()):
            return rights(Scalar("u8")) | _NO_STRINGS
        case Option(some):
            return _at_the_top(some).map(Some)
        case Result(ok, err):
            wrong = _NOTHING_FITS | st.sampled_from((5, "ok", (Ok(),), Variant("ok")))
            if ok is None:
                wrong |= st.just(Ok(5))
            if err is None:
                wrong |= st.just(Err("no"))
            return wrong
        case Map():
            return _NOTHING_FITS | st.sampled_from((5, "ab", [("a", 1)], {1}))
        case _:
            raise AssertionError(type_)


def _inside(type_: WitType) -> st.SearchStrategy[Spoiled] | None:
    """Return values that are right but for a part of them."""
    match type_:
        case List(Scalar("u8")):
            return None
        case List(element):
            before = st.lists(rights(element), max_size=10)
            return st.tuples(before, spoiled(element), before).map(_listed)
        case RecordType(fields):
            return st.one_of(
                [
                    st.tuples(rights(type_), spoiled(field)).map(_in_field(name))
                    for name, field in fields
                ]
            )
        case Tuple(elements):
            return st.one_of(
                [
                    st.tuples(rights(type_), spoiled(element)).map(_in_place(index))
                    for index, element in enumerate(elements)
                ]
            )
        case VariantType(cases):
            return st.one_of(
                [
                    spoiled(case).map(_in_case(name))
                    for name, case in cases
                    if case is not None
                ]
            )
        case Option(some):
            return spoiled(some).map(lambda found: (Some(found[0]), found[1]))
        case Result(ok, err):
            sides: list[st.SearchStrategy[Spoiled]] = []
            if ok is not None:
                sides.append(spoiled(ok).map(lambda f: (Ok(f[0]), f"(ok){f[1]}")))
            if err is not None:
                sides.append(spoiled(err).map(lambda f: (Err(f[0]), f"(err){f[1]}")))
            return st.one_of(sides) if sides else None
        case Map(key, value):
            item = st.tuples(rights(key), spoiled(value)).map(
                lambda f: ({f[0]: f[1][0]}, f"[{_shown(f[0])}]{f[1][1]}")
            )
            keys = _at_the_top(key).filter(_hashes)
            named = st.tuples(keys, rights(value)).map(
                lambda f: ({f[0]: f[1]}, f"[{_shown(f[0])}]")
            )
            return item | named
        case _:
            return None


def _listed(parts: tuple[list[Any], Spoiled, list[Any]]) -> Spoiled:
    before, (value, path), after = parts
    return [*before, value, *after], f"[{len(before)}]{path}"


def _in_field(name: str) -> Any:
    def put(parts: tuple[Record, Spoiled]) -> Spoiled:
        record, (value, path) = parts
        return Record(**{**vars(record), snake(name): value}), f".{name}{path}"

    return put


def _in_place(index: int) -> Any:
    def put(parts: tuple[tuple[Any, ...], Spoiled]) -> Spoiled:
        found, (value, path) = parts
        return (*found[:index], value, *found[index + 1 :]), f"[{index}]{path}"

    return put


def _in_case(name: str) -> Any:
    return lambda found: (Variant(name, found[0]), f"({name}){found[1]}")


def _hashes(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _shown(key: object) -> str:
    """Say how a path shows a key."""
    try:
        text = repr(key)
    except ValueError:  # a number of thousands of digits
        return type(key).__name__
    return text if len(text) <= 20 else f"{text[:17]}..."
