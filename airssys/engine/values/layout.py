"""Lay component values out in memory as wasmtime's C API has them.

A value is 32 bytes, its *head*, with the kind at 0 and the payload at 8: a scalar, or
sizes and pointers. What a head points to and whose size the type fixes (the fields of a
record, the value in an option) is its *tail*.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final

from attrs import frozen

from ...core.errors import ValueMismatch
from ...witmodel.types import Scalar, WitType
from .._ffi import address_of_bytes

__all__ = (
    "ENTRY",
    "KINDS",
    "NAME",
    "NUMBERS",
    "PAIR",
    "Fixed",
    "Mismatch",
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

NUMBERS: Final = {
    "s8": (1, "b"),
    "u8": (2, "B"),
    "s16": (3, "h"),
    "u16": (4, "H"),
    "s32": (5, "i"),
    "u32": (6, "I"),
    "s64": (7, "q"),
    "u64": (8, "Q"),
    "f32": (9, "f"),
    "f64": (10, "d"),
}
"""The kind of each number's C value, and its struct code."""
KINDS: Final = {
    "bool": 0,
    "char": 11,
    "string": 12,
    "list": 13,
    "record": 14,
    "tuple": 15,
    "variant": 16,
    "enum": 17,
    "option": 18,
    "result": 19,
    "flags": 20,
    "resource": 21,
    "map": 22,
}
"""The kind of each other C value."""


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
    kind: int
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
        code = NUMBERS[type_.name][1]
        codes.append(f"B7x{code}{24 - struct.calcsize(code)}x")
    return "".join(codes)


def static_names(names: Sequence[str]) -> list[tuple[int, int, object]]:
    """Give names an address for as long as the result is kept: size, address, owner."""
    texts = [name.encode() for name in names]
    return [(len(text), address_of_bytes(text), text) for text in texts]
