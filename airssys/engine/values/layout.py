"""Lay component values out in memory as wasmtime's C API has them.

A value is 32 bytes, its *head*, with the kind at 0 and the payload at 8: a scalar, or
sizes and pointers. What a head points to and whose size the type fixes (the fields of a
record, the value in an option) is its *tail*.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable
from enum import IntEnum
from struct import Struct
from typing import Final

from attrs import frozen

from ...core.errors import ValueMismatch
from ...witmodel.types import Scalar, WitType
from .._ffi import address_of_bytes

__all__ = (
    "ENTRY",
    "NAME",
    "NUMBERS",
    "PAIR",
    "Fixed",
    "Kind",
    "Mismatch",
    "Number",
    "StaticName",
    "Unsupported",
    "numbers",
    "pin",
    "static_names",
    "write_head",
)

ENTRY: Final = 48
"""Bytes of a record's field: the name's size and pointer, then the value."""
PAIR: Final = 64
"""Bytes of a map's item: the key, then the value."""
NAME: Final = 16
"""Bytes of a name: its size and pointer."""


class Kind(IntEnum):
    """The kinds of C values: WASMTIME_COMPONENT_* in wasmtime/component/val.h.

    wasmtime reads what a head says it holds, so a wrong kind is a crash, not an error.
    """

    BOOL = 0
    S8 = 1
    U8 = 2
    S16 = 3
    U16 = 4
    S32 = 5
    U32 = 6
    S64 = 7
    U64 = 8
    F32 = 9
    F64 = 10
    CHAR = 11
    STRING = 12
    LIST = 13
    RECORD = 14
    TUPLE = 15
    VARIANT = 16
    ENUM = 17
    OPTION = 18
    RESULT = 19
    FLAGS = 20
    RESOURCE = 21
    MAP = 22


@frozen
class Number:
    """How a number crosses: the kind of its C value, and its code in `struct`."""

    kind: Kind
    code: str


NUMBERS: Final = {
    "s8": Number(Kind.S8, "b"),
    "u8": Number(Kind.U8, "B"),
    "s16": Number(Kind.S16, "h"),
    "u16": Number(Kind.U16, "H"),
    "s32": Number(Kind.S32, "i"),
    "u32": Number(Kind.U32, "I"),
    "s64": Number(Kind.S64, "q"),
    "u64": Number(Kind.U64, "Q"),
    "f32": Number(Kind.F32, "f"),
    "f64": Number(Kind.F64, "d"),
}
"""The numbers, by their WIT names."""


class Unsupported(Exception):
    """A type whose values cannot be passed; the argument is its WIT name."""


class Mismatch(Exception):
    """A value that does not fit; the path grows while it unwinds."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__()
        self.expected: str = expected
        self.got: str = _shown(value)
        self.path: str = ""

    def within(self, step: str) -> Mismatch:
        """Put a step in front of the path."""
        self.path = f"{step}{self.path}"
        return self

    def error(self, where: str) -> ValueMismatch:
        """Return the public error."""
        return ValueMismatch(where, self.path.lstrip("."), self.expected, self.got)


def _shown(value: object) -> str:
    """Show a value of any size in a few words; never raise."""
    if not isinstance(value, int | float | str | bytes) and value is not None:
        return type(value).__name__
    try:
        text = repr(value[:40] if isinstance(value, str | bytes) else value)
    except Exception:  # noqa: BLE001 - a subclass may do anything
        if isinstance(value, int):  # Python prints no number of thousands of digits
            return f"{type(value).__name__} of {int.bit_length(value)} bits"
        return type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


write_head: Final = Struct("=B7xQQ8x").pack_into
"""Writes a head that is a size and a pointer: block, offset, kind, size, pointer."""


@frozen
class Fixed:
    """A head that is the same in every call: its offset, kind, size and target."""

    head: int
    kind: Kind
    size: int
    tail: int

    def write(self, block: bytearray, base: int) -> None:
        """Write it into a new block."""
        write_head(block, self.head, self.kind, self.size, base + self.tail)


def pin(block: bytearray) -> int:
    """Return the address of a block, which may not change its size any more."""
    return ctypes.addressof(ctypes.c_char.from_buffer(block))


def numbers(types: Iterable[WitType]) -> str | None:
    """Return the struct format of values that are all numbers; None if some are not."""
    codes = []
    for type_ in types:
        if not isinstance(type_, Scalar) or type_.name not in NUMBERS:
            return None
        code = NUMBERS[type_.name].code
        codes.append(f"B7x{code}{24 - struct.calcsize(code)}x")
    return "".join(codes)


@frozen
class StaticName:
    """A name at an address, which holds for as long as this is kept."""

    size: int
    address: int
    text: bytes
    """What lies at the address."""

    @classmethod
    def of(cls, name: str) -> StaticName:
        text = name.encode()
        return cls(len(text), address_of_bytes(text), text)


def static_names(names: Iterable[str]) -> dict[str, StaticName]:
    """Give names an address, by name."""
    return {name: StaticName.of(name) for name in names}
