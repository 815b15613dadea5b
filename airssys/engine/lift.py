"""Lift component values to Python values, by readers compiled once for each type.

A reader gets a copy of the 32 bytes of a value, in a block of C values that was copied
at once, and follows its pointers. See `layout`.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from struct import Struct
from typing import Any, Final, TypeAlias

from ._ffi import VAL
from .layout import ENTRY, NAME, NUMBERS, Unsupported, numbers
from .types import (
    Enum,
    Err,
    Flags,
    List,
    Ok,
    Opaque,
    Option,
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

__all__ = ("Lift", "lifting")

_read_size: Final = Struct("=QQ").unpack_from
_read_pointer: Final = Struct("=Q").unpack_from
_names: Final = Struct("=QQ").iter_unpack
_string_at = ctypes.string_at

Lift: TypeAlias = Callable[["bytes | bytearray", int], Any]
"""``lift(block, at)`` reads the value at that offset."""


def lifting(type_: WitType) -> Lift:
    """Compile a type.

    Raises:
        Unsupported: The type holds a resource, a future, a stream or an error context.
    """
    match type_:
        case Scalar("bool"):
            return lambda block, at: block[at + 8] != 0
        case Scalar("char"):
            read = Struct("=I").unpack_from
            return lambda block, at: chr(read(block, at + 8)[0])
        case Scalar("string"):
            return _text
        case Scalar(name):
            number = Struct(f"={NUMBERS[name][1]}").unpack_from
            return lambda block, at: number(block, at + 8)[0]
        case List(Scalar("u8")):
            return _bytes
        case List():
            return _list(type_.element)
        case RecordType():
            return _record(type_)
        case Tuple():
            return _tuple(type_)
        case VariantType():
            return _variant(type_)
        case Enum():
            return _text
        case Flags():
            return _flags
        case Option():
            return _option(type_)
        case Result():
            return _result(type_)
        case Opaque():
            raise Unsupported(type_.name)


def _text(block: bytes | bytearray, at: int) -> str:
    size, pointer = _read_size(block, at + 8)
    return _string_at(pointer, size).decode()


def _bytes(block: bytes | bytearray, at: int) -> bytes:
    size, pointer = _read_size(block, at + 8)
    return _string_at(pointer, size * VAL)[8::VAL]


def _flags(block: bytes | bytearray, at: int) -> frozenset[str]:
    size, pointer = _read_size(block, at + 8)
    names = _names(_string_at(pointer, size * NAME))
    return frozenset([_string_at(name, length).decode() for length, name in names])


def _list(element: WitType) -> Lift:
    inner = lifting(element)
    if numbers((element,)):
        assert isinstance(element, Scalar)
        code: Any = NUMBERS[element.name][1]
        width = struct.calcsize(code)

        def lift_numbers(block: bytes | bytearray, at: int) -> list[Any]:
            size, pointer = _read_size(block, at + 8)
            items = memoryview(_string_at(pointer, size * VAL)).cast(code)
            values: list[Any] = items[8 // width :: VAL // width].tolist()
            return values

        return lift_numbers

    def lift(block: bytes | bytearray, at: int) -> list[Any]:
        size, pointer = _read_size(block, at + 8)
        items = _string_at(pointer, size * VAL)
        return [inner(items, place) for place in range(0, size * VAL, VAL)]

    return lift


def _record(type_: RecordType) -> Lift:
    keys = tuple(snake(name) for name, _ in type_.fields)
    plan = tuple(
        (index * ENTRY + NAME, lifting(field))
        for index, (_, field) in enumerate(type_.fields)
    )
    size = len(keys) * ENTRY

    def lift(block: bytes | bytearray, at: int) -> Record:
        entries = _string_at(_read_size(block, at + 8)[1], size)
        record = Record()
        record.__dict__ = dict(
            zip(keys, [inner(entries, place) for place, inner in plan])
        )
        return record

    return lift


def _tuple(type_: Tuple) -> Lift:
    plan = tuple((i * VAL, lifting(each)) for i, each in enumerate(type_.elements))
    size = len(plan) * VAL

    def lift(block: bytes | bytearray, at: int) -> tuple[Any, ...]:
        items = _string_at(_read_size(block, at + 8)[1], size)
        return tuple([inner(items, place) for place, inner in plan])

    return lift


def _boxed(inner: Lift, pointer: int) -> Any:
    return inner(_string_at(pointer, VAL), 0)


def _variant(type_: VariantType) -> Lift:
    read = Struct("=QQQ").unpack_from
    cases = {
        name: None if case is None else lifting(case) for name, case in type_.cases
    }

    def lift(block: bytes | bytearray, at: int) -> Variant:
        size, name, pointer = read(block, at + 8)
        case = _string_at(name, size).decode()
        inner = cases[case]
        return Variant(case, None if inner is None else _boxed(inner, pointer))

    return lift


def _option(type_: Option) -> Lift:
    inner = lifting(type_.some)
    nests = isinstance(type_.some, Option)

    def lift(block: bytes | bytearray, at: int) -> Any:
        pointer = _read_pointer(block, at + 8)[0]
        if not pointer:
            return None
        value = _boxed(inner, pointer)
        return Some(value) if nests else value

    return lift


def _result(type_: Result) -> Lift:
    ok = None if type_.ok is None else lifting(type_.ok)
    err = None if type_.err is None else lifting(type_.err)

    def lift(block: bytes | bytearray, at: int) -> Ok | Err:
        pointer = _read_pointer(block, at + 16)[0]
        if block[at + 8]:
            return Ok(None if ok is None else _boxed(ok, pointer))
        return Err(None if err is None else _boxed(err, pointer))

    return lift
