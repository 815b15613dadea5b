"""Turn a script's values into Python's, and compare them with what calls return."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from airssys import Err, Ok, Record, Some, Variant
from airssys.witmodel.types import (
    Enum,
    Flags,
    List,
    Map,
    Option,
    RecordType,
    Result,
    Scalar,
    Tuple,
    VariantType,
    WitType,
    snake,
)

__all__ = ("BadValue", "difference", "python_value")

Const: TypeAlias = Mapping[str, Any]
"""A value as ``wasm-tools`` writes it: ``{"type": "u8", "value": "7"}``."""

_FLOATS: Final = {"f32": ("<I", "<f"), "f64": ("<Q", "<d")}


class BadValue(Exception):
    """A value in a script is not of the function's type."""


def python_value(const: Const, type_: WitType) -> Any:
    """Return the Python value for an argument in a script.

    Raises:
        BadValue: It is not of that type.
    """
    kind, value = const["type"], const.get("value")
    if kind != _word(type_):
        raise BadValue(f"the script gives a {kind} where the function takes {type_}")
    match type_:
        case Scalar("bool" | "char" | "string"):
            return value
        case Scalar("f32" | "f64"):
            return _float(kind, str(value))
        case Scalar():
            return int(str(value))
        case List(element):
            values = [python_value(each, element) for each in value or ()]
            return bytes(values) if element == Scalar("u8") else values
        case RecordType(fields):
            given = dict(value or ())
            if list(given) != [name for name, _ in fields]:
                raise BadValue(f"the script gives fields {list(given)} for {type_}")
            return Record(
                **{snake(name): python_value(given[name], of) for name, of in fields}
            )
        case Tuple(elements):
            given_elements = list(value or ())
            if len(given_elements) != len(elements):
                raise BadValue(f"the script gives {len(given_elements)} for {type_}")
            return tuple(map(python_value, given_elements, elements))
        case VariantType(cases):
            assert value is not None
            of = dict(cases).get(value["case"])
            return Variant(value["case"], _payload(value.get("payload"), of))
        case Enum():
            return value
        case Flags():
            return frozenset(value or ())
        case Option(some):
            if value is None:
                return None
            inner = python_value(value, some)
            return Some(inner) if isinstance(some, Option) else inner
        case Result(ok, err):
            assert value is not None
            if "Ok" in value:
                return Ok(_payload(value["Ok"], ok))
            return Err(_payload(value["Err"], err))
        case _:
            raise BadValue(f"scripts have no values of type {type_}")


def _payload(const: Const | None, type_: WitType | None) -> Any:
    if const is None and type_ is None:
        return None
    if const is None or type_ is None:
        raise BadValue(f"the script gives {const} for {type_}")
    return python_value(const, type_)


def _word(type_: WitType) -> str:
    """Return what scripts call a kind of type."""
    match type_:
        case Scalar(name):
            return name
        case RecordType():
            return "record"
        case VariantType():
            return "variant"
        case _:
            return type(type_).__name__.lower()


def _float(kind: str, text: str) -> float:
    """Read the bits of a float, written in decimal, or one of the words for a NaN."""
    if text.startswith("nan:"):
        return math.nan
    bits, number = _FLOATS[kind]
    value: float = struct.unpack(number, struct.pack(bits, int(text)))[0]
    return value


def difference(expected: Const, actual: Any, type_: WitType) -> str | None:
    """Say where a returned value is not the expected one, or return None."""
    try:
        wanted = python_value(expected, type_)
    except BadValue as bad:
        return str(bad)
    return _difference(wanted, actual, type_, "the result")


def _difference(wanted: Any, actual: Any, type_: WitType, path: str) -> str | None:
    """Compare values of one type; kinds of Python value must agree as well."""
    match type_:
        case Scalar("f32" | "f64"):
            same = isinstance(actual, float) and _same_float(wanted, actual)
            return None if same else _unequal(wanted, actual, path)
        case List(element) if element != Scalar("u8"):
            if not isinstance(actual, list) or len(actual) != len(wanted):
                return _unequal(wanted, actual, path)
            return _first(
                (wanted[i], actual[i], element, f"{path}[{i}]")
                for i in range(len(wanted))
            )
        case Tuple(elements):
            if not isinstance(actual, tuple) or len(actual) != len(wanted):
                return _unequal(wanted, actual, path)
            return _first(
                (wanted[i], actual[i], of, f"{path}[{i}]")
                for i, of in enumerate(elements)
            )
        case RecordType(fields):
            names = [snake(name) for name, _ in fields]
            if not isinstance(actual, Record) or list(actual) != names:
                return _unequal(wanted, actual, path)
            return _first(
                (getattr(wanted, name), getattr(actual, name), of, f"{path}.{name}")
                for name, (_, of) in zip(names, fields)
            )
        case VariantType(cases):
            if not isinstance(actual, Variant) or actual.case != wanted.case:
                return _unequal(wanted, actual, path)
            of = dict(cases)[wanted.case]
            return _inside(wanted.value, actual.value, of, f"{path}({wanted.case})")
        case Option(some):
            if wanted is None or actual is None:
                same = wanted is actual
                return None if same else _unequal(wanted, actual, path)
            if isinstance(some, Option):
                if not isinstance(actual, Some):
                    return _unequal(wanted, actual, path)
                wanted, actual = wanted.value, actual.value
            return _difference(wanted, actual, some, f"{path}(some)")
        case Result(ok, err):
            if type(actual) is not type(wanted):
                return _unequal(wanted, actual, path)
            is_ok = isinstance(wanted, Ok)
            side, word = (ok, "ok") if is_ok else (err, "err")
            return _inside(wanted.value, actual.value, side, f"{path}({word})")
        case Map():
            return f"{path}: scripts have no values of type {type_}"
        case _:
            same = type(actual) is type(wanted) and bool(actual == wanted)
            return None if same else _unequal(wanted, actual, path)


def _inside(wanted: Any, actual: Any, type_: WitType | None, path: str) -> str | None:
    if type_ is None:
        return None if actual is None else _unequal(wanted, actual, path)
    return _difference(wanted, actual, type_, path)


def _first(parts: Any) -> str | None:
    compare: Callable[..., str | None] = _difference
    return next((found for part in parts if (found := compare(*part))), None)


def _same_float(wanted: float, actual: float) -> bool:
    """Tell whether two floats are the same; the payload of a NaN is not kept."""
    if math.isnan(wanted):
        return math.isnan(actual)
    return struct.pack("<d", wanted) == struct.pack("<d", actual)


def _unequal(wanted: Any, actual: Any, path: str) -> str:
    return f"{path}: expected {wanted!r}, got {actual!r}"
