"""Turn JSON into values of WIT types, and back."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from ..witmodel.types import (
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
    snake,
)
from .failure import BadInput

__all__ = ("from_json", "to_json")

_UNNUMBERED: Final = {"nan", "inf", "-inf"}
"""Floats that JSON has no number for; they are written as strings."""


def to_json(value: Any, type_: WitType) -> Any:
    """Return what `json.dumps` takes.

    Records are objects, variants their case's name or ``{case: value}``, flags lists of
    names, options null or the value (``{"some": value}`` where options nest), results
    ``{"ok": value}`` or ``{"err": value}``, bytes lists of numbers.
    """
    match type_:
        case Scalar("f32" | "f64"):
            return value if isfinite(value) else str(value)
        case List(Scalar("u8")):
            return list(value)
        case List(element):
            return [to_json(item, element) for item in value]
        case Tuple(elements):
            return list(map(to_json, value, elements))
        case RecordType(fields):
            return {name: to_json(getattr(value, snake(name)), t) for name, t in fields}
        case VariantType(cases):
            payload = dict(cases)[value.case]
            if payload is None:
                return value.case
            return {value.case: to_json(value.value, payload)}
        case Flags(names):
            return [name for name in names if name in value]
        case Option(some):
            if isinstance(value, Some):
                return {"some": to_json(value.value, some)}
            return None if value is None else to_json(value, some)
        case Result(ok, err):
            word, inner = ("ok", ok) if isinstance(value, Ok) else ("err", err)
            return {word: None if inner is None else to_json(value.value, inner)}
        case Map(key, item):
            return to_json(list(value.items()), List(Tuple((key, item))))
        case Own() | Borrow() | Opaque():
            return f"<{type_}>"
        case Scalar() | Enum():
            return value


def from_json(data: Any, type_: WitType, path: str = "") -> Any:
    """Return the value of a WIT type that JSON stands for.

    Only shapes are checked here; whether a number is in range is seen when it is
    passed. A string is read as ``list<u8>`` too: as its UTF-8 bytes.

    Raises:
        BadInput: The shape does not fit; says where.
    """
    match type_, data:
        case Scalar("f32" | "f64"), str() if data in _UNNUMBERED:
            return float(data)
        case Scalar("f32" | "f64"), int() | float() if not isinstance(data, bool):
            return float(data)
        case Scalar() | Enum(), _:
            return _scalar(data, type_, path)
        case List(Scalar("u8")), str():
            return data.encode()
        case List(element), list():
            items = [from_json(d, element, f"{path}[{i}]") for i, d in enumerate(data)]
            return bytes(items) if element == Scalar("u8") else items
        case Map(key, item), list():
            return dict(from_json(data, List(Tuple((key, item))), path))
        case Tuple(elements), list() if len(data) == len(elements):
            pairs = zip(data, elements, strict=True)
            return tuple(
                from_json(d, t, f"{path}[{i}]") for i, (d, t) in enumerate(pairs)
            )
        case RecordType(), dict():
            return _record(data, type_, path)
        case VariantType(), str() | dict():
            return _variant(data, type_, path)
        case Flags(names), list() if all(each in names for each in data):
            return frozenset(data)
        case Option(), None:
            return None
        case Option(Option() as some), {"some": inner, **rest} if not rest:
            return Some(from_json(inner, some, f"{path}.some"))
        case Option(some), _ if not isinstance(some, Option):
            return from_json(data, some, path)
        case Result(ok, _), {"ok": inner, **rest} if not rest:
            return Ok(_payload(inner, ok, f"{path}.ok"))
        case Result(_, err), {"err": inner, **rest} if not rest:
            return Err(_payload(inner, err, f"{path}.err"))
        case _:
            raise _refusal(data, type_, path)


def _refusal(data: Any, type_: WitType, path: str) -> BadInput:
    place = f"{path.removeprefix('.')}: " if path else ""
    shown = repr(data)
    shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
    return BadInput(f"{place}expected {type_}, got {shown}")


def _scalar(data: Any, type_: Scalar | Enum, path: str) -> Any:
    match type_:
        case Enum(cases):
            fits = data in cases
        case Scalar("bool"):
            fits = isinstance(data, bool)
        case Scalar("string"):
            fits = isinstance(data, str)
        case Scalar("char"):
            fits = isinstance(data, str) and len(data) == 1
        case Scalar("u8"):
            # Bytes are made of these, so they are looked at here.
            fits = isinstance(data, int) and not isinstance(data, bool)
            fits = fits and 0 <= data <= 255
        case _:
            fits = isinstance(data, int) and not isinstance(data, bool)
    if not fits:
        raise _refusal(data, type_, path)
    return data


def _record(data: Mapping[str, Any], type_: RecordType, path: str) -> Record:
    types = dict(type_.fields)
    for name in data:
        if name not in types:
            place = f"{path}.{name}".removeprefix(".")
            raise BadInput(f"{place}: no such field (there are: {', '.join(types)})")
    values = {}
    for name, field in types.items():
        if name not in data and not isinstance(field, Option):
            place = f"{path.removeprefix('.')}: " if path else ""
            raise BadInput(f"{place}a field {name!r} is missing")
        values[snake(name)] = from_json(data.get(name), field, f"{path}.{name}")
    return Record(**values)


def _variant(data: str | Mapping[str, Any], type_: VariantType, path: str) -> Variant:
    cases = dict(type_.cases)
    if isinstance(data, str):
        if data in cases and cases[data] is None:
            return Variant(data)
    elif len(data) == 1:
        ((name, inner),) = data.items()
        if name in cases:
            return Variant(name, _payload(inner, cases[name], f"{path}.{name}"))
    raise _refusal(data, type_, path)


def _payload(data: Any, type_: WitType | None, path: str) -> Any:
    if type_ is not None:
        return from_json(data, type_, path)
    if data is not None:
        raise BadInput(f"{path.removeprefix('.')}: it has no value: use null")
    return None
