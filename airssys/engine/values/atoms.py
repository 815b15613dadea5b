"""Lower values that hold no other values."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from struct import Struct
from typing import Any, Final, TypeVar

from ...witmodel.types import Borrow, Enum, Flags, Own, Scalar, Shapes
from .._ffi import VAL, address_of_bytes
from .kept import Kept, Lowering
from .layout import NUMBERS, Kind, Mismatch, numbers, pin, static_names, write_head
from .octets import encode_octets

__all__ = (
    "lower_bool",
    "lower_bytes",
    "lower_char",
    "lower_enum",
    "lower_flags",
    "lower_handle",
    "lower_number",
    "lower_octets",
    "lower_string",
    "named",
)

_SIZE_POINTER: Final = Struct("=QQ")
_T = TypeVar("_T")
_BOOL: Final = Kind.BOOL
_CHAR: Final = Kind.CHAR
_STRING: Final = Kind.STRING
_LIST: Final = Kind.LIST
_ENUM: Final = Kind.ENUM
_FLAGS: Final = Kind.FLAGS


def lower_bool() -> Lowering:
    """Lower True and False, and nothing else."""
    pack = Struct("=B7x?23x").pack_into

    def write(
        block: bytearray, head: int, _t: int, _b: int, _k: Kept, value: Any
    ) -> None:
        if value is not True and value is not False:
            raise Mismatch("bool", value)
        pack(block, head, _BOOL, value)

    return Lowering(write)


def lower_number(type_: Scalar) -> Lowering:
    """Lower a number that fits its type."""
    kind = NUMBERS[type_.name].kind
    pack = Struct(f"={numbers((type_,))}").pack_into

    def write(
        block: bytearray, head: int, _t: int, _b: int, _k: Kept, value: Any
    ) -> None:
        try:
            pack(block, head, kind, value)
        except (struct.error, TypeError, OverflowError):
            raise Mismatch(type_.name, value) from None

    return Lowering(write)


def lower_char() -> Lowering:
    """Lower a str of one character, which is no surrogate."""
    pack = Struct("=B7xI20x").pack_into

    def write(
        block: bytearray, head: int, _t: int, _b: int, _k: Kept, value: Any
    ) -> None:
        if not isinstance(value, str) or str.__len__(value) != 1:
            raise Mismatch("char (a str of length 1)", value)
        code = ord(value)
        if 0xD800 <= code <= 0xDFFF:
            raise Mismatch("char (no surrogate)", value)
        pack(block, head, _CHAR, code)

    return Lowering(write)


def lower_string() -> Lowering:
    """Lower a str as UTF-8."""

    def write(
        block: bytearray, head: int, _t: int, _b: int, keep: Kept, value: Any
    ) -> None:
        if not isinstance(value, str):
            raise Mismatch("string", value)
        try:
            text = str.encode(value)  # what a subclass answers may be no UTF-8
        except UnicodeEncodeError:
            raise Mismatch("string (no surrogates)", value) from None
        keep.append(text)
        write_head(block, head, _STRING, len(text), address_of_bytes(text))

    return Lowering(write)


def lower_bytes() -> Lowering:
    """Lower ``list<u8>``: 32 bytes of C for each byte, in one strided copy."""
    element = bytes((Kind.U8, *bytes(VAL - 1)))

    def write(
        block: bytearray, head: int, _t: int, _b: int, keep: Kept, value: Any
    ) -> None:
        data = _buffer(value)
        items = bytearray(element * len(data))
        items[8::VAL] = data
        keep.append(items)
        write_head(block, head, _LIST, len(data), pin(items) if data else 0)

    return Lowering(write)


def lower_octets() -> Lowering:
    """Lower ``list<u8>`` as the string that core code in the guest makes bytes of."""

    def write(
        block: bytearray, head: int, _t: int, _b: int, keep: Kept, value: Any
    ) -> None:
        text = encode_octets(_buffer(value))
        keep.append(text)
        write_head(block, head, _STRING, len(text), address_of_bytes(text))

    return Lowering(write)


def _buffer(value: Any) -> bytes:
    """Return plain bytes: a subclass may lie about its length or content."""
    if type(value) is bytes:
        return value
    if not isinstance(value, bytes | bytearray | memoryview):
        raise Mismatch("list<u8> (bytes)", value)
    try:
        view = memoryview(value)
    except ValueError:
        raise Mismatch("list<u8> (bytes)", "a released memoryview") from None
    if view.itemsize != 1:
        raise Mismatch("list<u8> (bytes)", f"a memoryview of {view.format!r}")
    return bytes(view)


def lower_enum(type_: Enum) -> Lowering:
    """Lower the name of a case."""
    cases = static_names(type_.cases)

    def write(
        block: bytearray, head: int, _t: int, _b: int, _k: Kept, value: Any
    ) -> None:
        case = named(cases, value)
        if case is None:
            raise Mismatch(str(type_), value)
        write_head(block, head, _ENUM, case.size, case.address)

    return Lowering(write)


def lower_flags(type_: Flags, shapes: Shapes) -> Lowering:
    """Lower a set of names, or the flags of a class of its own."""
    known = static_names(type_.names)
    shape = shapes.flags.get(type_)
    bits = [(name, 1 << place) for place, name in enumerate(type_.names)]

    def write(
        block: bytearray, head: int, _t: int, _b: int, keep: Kept, value: Any
    ) -> None:
        if shape is not None and isinstance(value, shape):
            number = value.value
            value = [name for name, bit in bits if number & bit]
        if not isinstance(value, AbstractSet | list | tuple):
            raise Mismatch(str(type_), value)
        packed = []
        for name in value:
            flag = named(known, name)
            if flag is None:
                raise Mismatch(str(type_), name)
            packed.append(_SIZE_POINTER.pack(flag.size, flag.address))
        names = b"".join(packed)
        keep.append(names)
        write_head(block, head, _FLAGS, len(packed), address_of_bytes(names))

    return Lowering(write)


def lower_handle(type_: Own | Borrow) -> Lowering:
    """Leave the place of a resource to be written when all values fit."""

    def write(
        block: bytearray, head: int, _t: int, _b: int, keep: Kept, value: Any
    ) -> None:
        assert keep.handles is not None
        found = keep.handles.check(type_, value, keep)
        keep.pending.append((block, head, type_, found))

    return Lowering(write)


def named(cases: Mapping[str, _T], name: object) -> _T | None:
    """Look a name up that may be anything."""
    try:
        return cases.get(name) if isinstance(name, str) else None
    except TypeError:  # a subclass without a hash
        return None
