"""Lift component values to Python values, by readers compiled once for each type.

A reader gets a copy of the 32 bytes of a value, in a block of C values that was copied
at once, and follows its pointers. See `layout`.
"""

from __future__ import annotations

import ctypes
import enum
import struct
from collections.abc import Callable
from struct import Struct
from typing import Any, Final, TypeAlias

from ...witmodel.types import (
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
    Shapes,
    Some,
    Tuple,
    Variant,
    VariantType,
    WitType,
    snake,
)
from .._ffi import VAL
from .kept import Handles
from .layout import ENTRY, NAME, NUMBERS, PAIR, Unsupported, numbers
from .octets import decode_octets

__all__ = ("Lift", "lifting", "record_maker", "variant_maker")

_read_size: Final = Struct("=QQ").unpack_from
_read_pointer: Final = Struct("=Q").unpack_from
_names: Final = Struct("=QQ").iter_unpack
_string_at = ctypes.string_at

Lift: TypeAlias = Callable[[bytes | bytearray, int, Handles], Any]
"""``lift(block, at, handles)`` reads the value at that offset."""

_NO_SHAPES: Final = Shapes()


def lifting(type_: WitType, shapes: Shapes = _NO_SHAPES) -> Lift:
    """Compile a type.

    Raises:
        Unsupported: The type holds a future, a stream or an error context.
    """
    match type_:
        case Scalar("bool"):
            return lambda block, at, _: block[at + 8] != 0
        case Scalar("char"):
            read = Struct("=I").unpack_from
            return lambda block, at, _: chr(read(block, at + 8)[0])
        case Scalar("string"):
            return _text
        case Scalar(name):
            number = Struct(f"={NUMBERS[name].code}").unpack_from
            return lambda block, at, _: number(block, at + 8)[0]
        case List(Scalar("u8")):
            return _octets if shapes.lane else _bytes
        case List(element):
            return _list(element, shapes)
        case Map():
            return _map(type_, shapes)
        case RecordType():
            return _record(type_, shapes)
        case Tuple():
            return _tuple(type_, shapes)
        case VariantType():
            return _variant(type_, shapes)
        case Enum():
            return _enum(type_, shapes)
        case Flags():
            return _flags(type_, shapes)
        case Option():
            return _option(type_, shapes)
        case Result():
            return _result(type_, shapes)
        case Own() | Borrow():
            return _handle(type_, shapes)
        case Opaque():
            raise Unsupported(type_.name)


def _text(block: bytes | bytearray, at: int, _: object) -> str:
    size, pointer = _read_size(block, at + 8)
    return _string_at(pointer, size).decode()


def _bytes(block: bytes | bytearray, at: int, _: object) -> bytes:
    size, pointer = _read_size(block, at + 8)
    return _string_at(pointer, size * VAL)[8::VAL]


def _octets(block: bytes | bytearray, at: int, _: object) -> bytes:
    size, pointer = _read_size(block, at + 8)
    return decode_octets(_string_at(pointer, size))


def _enum(type_: Enum, shapes: Shapes) -> Lift:
    members = shapes.enums.get(type_)
    if members is None:
        return _text
    return lambda block, at, handles: members[_text(block, at, handles)]


def _flags(type_: Flags, shapes: Shapes) -> Lift:
    def lift(block: bytes | bytearray, at: int, _: object) -> frozenset[str]:
        size, pointer = _read_size(block, at + 8)
        names = _names(_string_at(pointer, size * NAME))
        return frozenset([_string_at(name, length).decode() for length, name in names])

    shape = shapes.flags.get(type_)
    if shape is None:
        return lift
    # To join numbers is quicker than to join members.
    bits = {name: 1 << place for place, name in enumerate(type_.names)}

    def lift_members(block: bytes | bytearray, at: int, handles: Handles) -> enum.Flag:
        value = 0
        for name in lift(block, at, handles):
            value |= bits[name]
        return shape(value)

    return lift_members


def _list(element: WitType, shapes: Shapes) -> Lift:
    inner = lifting(element, shapes)
    if numbers((element,)):
        assert isinstance(element, Scalar)
        code: Any = NUMBERS[element.name].code
        width = struct.calcsize(code)

        def lift_numbers(block: bytes | bytearray, at: int, _: object) -> list[Any]:
            size, pointer = _read_size(block, at + 8)
            items = memoryview(_string_at(pointer, size * VAL)).cast(code)
            values: list[Any] = items[8 // width :: VAL // width].tolist()
            return values

        return lift_numbers

    def lift(block: bytes | bytearray, at: int, handles: Handles) -> list[Any]:
        size, pointer = _read_size(block, at + 8)
        items = _string_at(pointer, size * VAL)
        return [inner(items, place, handles) for place in range(0, size * VAL, VAL)]

    return lift


def _map(type_: Map, shapes: Shapes) -> Lift:
    lift_key, lift_value = lifting(type_.key, shapes), lifting(type_.value, shapes)

    def lift(block: bytes | bytearray, at: int, handles: Handles) -> dict[Any, Any]:
        size, pointer = _read_size(block, at + 8)
        items = _string_at(pointer, size * PAIR)
        return {
            lift_key(items, place, handles): lift_value(items, place + VAL, handles)
            for place in range(0, size * PAIR, PAIR)
        }

    return lift


def record_maker(type_: RecordType, shapes: Shapes) -> Callable[[list[Any]], Any]:
    """Return what makes a record of the values of its fields."""
    keys = tuple(snake(name) for name, _ in type_.fields)
    shape = shapes.records.get(type_)
    if shape is not None:
        return lambda values: shape(*values)

    def make(values: list[Any]) -> Record:
        record = Record()
        record.__dict__ = dict(zip(keys, values))
        return record

    return make


def _record(type_: RecordType, shapes: Shapes) -> Lift:
    keys = tuple(snake(name) for name, _ in type_.fields)
    plan = tuple(
        (index * ENTRY + NAME, lifting(field, shapes))
        for index, (_, field) in enumerate(type_.fields)
    )
    size = len(keys) * ENTRY
    shape = shapes.records.get(type_)

    def lift(block: bytes | bytearray, at: int, handles: Handles) -> Any:
        entries = _string_at(_read_size(block, at + 8)[1], size)
        values = [inner(entries, place, handles) for place, inner in plan]
        if shape is not None:
            return shape(*values)
        record = Record()
        record.__dict__ = dict(zip(keys, values))
        return record

    return lift


def _tuple(type_: Tuple, shapes: Shapes) -> Lift:
    plan = tuple(
        (i * VAL, lifting(each, shapes)) for i, each in enumerate(type_.elements)
    )
    size = len(plan) * VAL

    def lift(block: bytes | bytearray, at: int, handles: Handles) -> tuple[Any, ...]:
        items = _string_at(_read_size(block, at + 8)[1], size)
        return tuple([inner(items, place, handles) for place, inner in plan])

    return lift


def _boxed(inner: Lift, pointer: int, handles: Handles) -> Any:
    return inner(_string_at(pointer, VAL), 0, handles)


def variant_maker(
    type_: VariantType, shapes: Shapes
) -> Callable[[str, Any], Variant | Any]:
    """Return what makes a variant of the name of its case, and the value or None."""
    shape = shapes.variants.get(type_)
    empty = {name for name, case in type_.cases if case is None}

    def make(case: str, value: Any) -> Any:
        if case in empty:
            return Variant(case) if shape is None else shape[case]()
        return Variant(case, value) if shape is None else shape[case](value)

    return make


def _variant(type_: VariantType, shapes: Shapes) -> Lift:
    read = Struct("=QQQ").unpack_from
    cases = {
        name: None if case is None else lifting(case, shapes)
        for name, case in type_.cases
    }
    shape = shapes.variants.get(type_)

    def lift(block: bytes | bytearray, at: int, handles: Handles) -> Any:
        size, name, pointer = read(block, at + 8)
        case = _string_at(name, size).decode()
        inner = cases[case]
        if inner is None:
            return Variant(case) if shape is None else shape[case]()
        value = _boxed(inner, pointer, handles)
        return Variant(case, value) if shape is None else shape[case](value)

    return lift


def _option(type_: Option, shapes: Shapes) -> Lift:
    inner = lifting(type_.some, shapes)
    nests = isinstance(type_.some, Option)

    def lift(block: bytes | bytearray, at: int, handles: Handles) -> Any:
        pointer = _read_pointer(block, at + 8)[0]
        if not pointer:
            return None
        value = _boxed(inner, pointer, handles)
        return Some(value) if nests else value

    return lift


def _result(type_: Result, shapes: Shapes) -> Lift:
    ok = None if type_.ok is None else lifting(type_.ok, shapes)
    err = None if type_.err is None else lifting(type_.err, shapes)

    def lift(block: bytes | bytearray, at: int, handles: Handles) -> Ok | Err:
        pointer = _read_pointer(block, at + 16)[0]
        if block[at + 8]:
            return Ok(None if ok is None else _boxed(ok, pointer, handles))
        return Err(None if err is None else _boxed(err, pointer, handles))

    return lift


def _lent(block: bytes | bytearray, at: int, handles: Handles) -> object:
    return handles.lent(_read_pointer(block, at + 8)[0])


def _handle(type_: Own | Borrow, shapes: Shapes) -> Lift:
    shape = shapes.resources.get(type_.resource)
    if shape is None and isinstance(type_, Borrow) and type_.resource.imported:
        return _lent

    def lift(block: bytes | bytearray, at: int, handles: Handles) -> object:
        found = handles.lifted(type_, _read_pointer(block, at + 8)[0])
        return found if shape is None else shape(found)

    return lift
