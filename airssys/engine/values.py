"""Lower Python values to component values and lift them back.

A converter is compiled once for each WIT type. Lowering builds the C values in one
Python-owned bytearray, the arena: nested values are appended, pointers into the arena
are noted and turned into addresses at the end, so a whole argument list costs one
allocation. Lifting copies one block of C memory at a time and unpacks it.

The layout is that of wasmtime's C API: a value is 32 bytes, its kind at 0 and its
payload at 8 (a scalar; or size and pointer; or, for a variant, also a value's pointer).
"""

from __future__ import annotations

import ctypes
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence, Set as AbstractSet
from struct import Struct
from typing import Any, Final, TypeAlias

from attrs import define, frozen

from ..core.errors import ValueMismatch
from ._ffi import VAL
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

__all__ = ("Arena", "Converter", "Mismatch", "Unsupported", "converter", "numbers")

_ENTRY: Final = 48  # a record's field: the name's size and pointer, then the value
_NAME: Final = 16
_SIZE_POINTER: Final = Struct("=QQ")
_POINTER: Final = Struct("=Q")
_string_at = ctypes.string_at

# Kinds of wasmtime_component_val_t, and the struct code of each number.
_NUMBERS: Final = {
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
_BOOL, _CHAR, _STRING, _LIST, _RECORD, _TUPLE, _VARIANT = 0, 11, 12, 13, 14, 15, 16
_ENUM, _OPTION, _RESULT, _FLAGS = 17, 18, 19, 20


class Unsupported(Exception):
    """A type whose values cannot be passed; the argument is its WIT name."""


class Mismatch(Exception):
    """A value that does not fit; the path grows while it unwinds."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__()
        self.expected = expected
        self.got = _shown(value)
        self.path = ""

    def within(self, step: str) -> Mismatch:
        """Put a step in front of the path."""
        self.path = f"{step}{self.path}"
        return self

    def error(self, where: str) -> ValueMismatch:
        """Return the public error."""
        return ValueMismatch(where, self.path.lstrip("."), self.expected, self.got)


def _shown(value: object) -> str:
    """Show a value of any size in a few words; never raise."""
    if isinstance(value, int | float | str | bytes) or value is None:
        text = repr(value[:40] if isinstance(value, str | bytes) else value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    return type(value).__name__


@define
class Arena:
    """Component values under construction, in memory of Python's."""

    block: bytearray
    pointers: list[int]
    """Offsets of slots that hold an offset into the block."""

    @classmethod
    def of(cls, size: int) -> Arena:
        """Make an arena that starts with that many zero bytes."""
        return cls(bytearray(size), [])

    def point(self, slot: int, target: int) -> None:
        """Let the slot hold the address of the target offset."""
        _POINTER.pack_into(self.block, slot, target)
        self.pointers.append(slot)

    def append(self, data: bytes | bytearray) -> int:
        """Append bytes, padded to keep values aligned, and return their offset."""
        block = self.block
        at = len(block)
        block += data
        block += bytes(-len(data) % 8)
        return at

    def settle(self) -> int:
        """Turn offsets into addresses and return the block's own.

        The block may not grow any more, and must outlive whoever reads it.
        """
        block = self.block
        base = ctypes.addressof(ctypes.c_char.from_buffer(block))
        for slot in self.pointers:
            _POINTER.pack_into(block, slot, base + _POINTER.unpack_from(block, slot)[0])
        return base


Lower: TypeAlias = Callable[[Arena, int, Any], None]
Lift: TypeAlias = Callable[["bytes | bytearray", int], Any]


@frozen
class Converter:
    """Both directions of one type."""

    lower: Lower
    """``lower(arena, at, value)`` writes the 32 bytes at that offset."""
    lift: Lift
    """``lift(block, at)`` reads the 32 bytes at that offset."""


def numbers(types: Iterable[WitType]) -> str | None:
    """Return the struct format of values that are all numbers; None if some are not."""
    codes = []
    for type_ in types:
        if not isinstance(type_, Scalar) or type_.name not in _NUMBERS:
            return None
        code = _NUMBERS[type_.name][1]
        codes.append(f"B7x{code}{24 - struct.calcsize(code)}x")
    return "".join(codes)


def number_kind(type_: WitType) -> int:
    """Return the C kind of a number."""
    assert isinstance(type_, Scalar)
    return _NUMBERS[type_.name][0]


def converter(type_: WitType) -> Converter:
    """Compile a type.

    Raises:
        Unsupported: The type holds a resource, a future, a stream or an error context.
    """
    match type_:
        case Scalar("bool"):
            return _bool()
        case Scalar("char"):
            return _char()
        case Scalar("string"):
            return _string()
        case Scalar():
            return _number(type_)
        case List(Scalar("u8")):
            return _bytes()
        case List():
            return _list(type_.element)
        case RecordType():
            return _record(type_)
        case Tuple():
            return _tuple(type_)
        case VariantType():
            return _variant(type_)
        case Enum():
            return _enum(type_)
        case Flags():
            return _flags(type_)
        case Option():
            return _option(type_)
        case Result():
            return _result(type_)
        case Opaque():
            raise Unsupported(type_.name)


# --- scalars ----------------------------------------------------------------------


def _bool() -> Converter:
    write = Struct("=B7x?23x").pack_into

    def lower(arena: Arena, at: int, value: Any) -> None:
        if value is not True and value is not False:
            raise Mismatch("bool", value)
        write(arena.block, at, _BOOL, value)

    return Converter(lower, lambda block, at: block[at + 8] != 0)


def _number(type_: Scalar) -> Converter:
    kind, code = _NUMBERS[type_.name]
    write = Struct(f"={numbers((type_,))}").pack_into
    read = Struct(f"={code}").unpack_from

    def lower(arena: Arena, at: int, value: Any) -> None:
        try:
            write(arena.block, at, kind, value)
        except (struct.error, TypeError, OverflowError):
            raise Mismatch(type_.name, value) from None

    return Converter(lower, lambda block, at: read(block, at + 8)[0])


def _char() -> Converter:
    write = Struct("=B7xI20x").pack_into
    read = Struct("=I").unpack_from

    def lower(arena: Arena, at: int, value: Any) -> None:
        if not isinstance(value, str) or len(value) != 1:
            raise Mismatch("char (a str of length 1)", value)
        code = ord(value)
        if 0xD800 <= code <= 0xDFFF:
            raise Mismatch("char (no surrogate)", value)
        write(arena.block, at, _CHAR, code)

    return Converter(lower, lambda block, at: chr(read(block, at + 8)[0]))


# --- strings and lists ------------------------------------------------------------

_HEAD: Final = Struct("=B7xQQ8x")


def _items(arena: Arena, at: int, kind: int, size: int, target: int) -> None:
    """Write a value that is a size and a pointer to a part of the arena."""
    _HEAD.pack_into(arena.block, at, kind, size, target)
    arena.pointers.append(at + 16)


def _string() -> Converter:
    read = _SIZE_POINTER.unpack_from

    def lower(arena: Arena, at: int, value: Any) -> None:
        if not isinstance(value, str):
            raise Mismatch("string", value)
        try:
            text = value.encode()
        except UnicodeEncodeError:
            raise Mismatch("string (no surrogates)", value) from None
        _items(arena, at, _STRING, len(text), arena.append(text))

    def lift(block: bytes | bytearray, at: int) -> str:
        size, pointer = read(block, at + 8)
        return _string_at(pointer, size).decode()

    return Converter(lower, lift)


def _bytes() -> Converter:
    """Convert ``list<u8>``: 32 bytes of C for each byte, in one strided copy."""
    read = _SIZE_POINTER.unpack_from
    element = bytes((_NUMBERS["u8"][0], *bytes(VAL - 1)))

    def lower(arena: Arena, at: int, value: Any) -> None:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise Mismatch("list<u8> (bytes)", value)
        data = bytes(value)
        size, target = len(data), len(arena.block)
        arena.block += element * size
        arena.block[target + 8 :: VAL] = data
        _items(arena, at, _LIST, size, target)

    def lift(block: bytes | bytearray, at: int) -> bytes:
        size, pointer = read(block, at + 8)
        return _string_at(pointer, size * VAL)[8::VAL]

    return Converter(lower, lift)


def _list(element: WitType) -> Converter:
    read = _SIZE_POINTER.unpack_from
    inner = converter(element)
    name = f"list<{element}>"
    one = inner.lower
    lift_one = inner.lift
    strided = _strided(element) if numbers((element,)) else None

    def lower(arena: Arena, at: int, value: Any) -> None:
        if not isinstance(value, Sequence) or isinstance(
            value, str | bytes | bytearray
        ):
            raise Mismatch(name, value)
        size = len(value)
        # The size is checked again: C would read past values that are not there.
        packed = strided.pack(value) if strided is not None and size > 8 else None
        if packed is not None and len(packed) == size * VAL:
            target = arena.append(packed)
        else:
            target = arena.append(bytes(size * VAL))
            for index, item in zip(range(size), value):
                try:
                    one(arena, target + index * VAL, item)
                except Mismatch as mismatch:
                    raise mismatch.within(f"[{index}]") from None
        _items(arena, at, _LIST, size, target)

    def lift(block: bytes | bytearray, at: int) -> list[Any]:
        size, pointer = read(block, at + 8)
        items = _string_at(pointer, size * VAL)
        if strided is not None:
            return strided.unpack(items)
        return [lift_one(items, place) for place in range(0, size * VAL, VAL)]

    return Converter(lower, lift)


@frozen
class _Strided:
    """A list of numbers, converted without a step of Python for each element."""

    code: str
    kind: bytes
    step: int
    first: int

    def pack(self, values: Sequence[Any]) -> bytearray | None:
        """Return the C values; None when some value may not fit."""
        if self.code == "f":  # array() would turn what is too large into inf
            return None
        try:
            data = array(self.code, values)
        except (TypeError, OverflowError):
            return None
        block = bytearray(self.kind * len(data))
        memoryview(block).cast(self.code)[self.first :: self.step] = memoryview(data)
        return block

    def unpack(self, items: bytes) -> list[Any]:
        return memoryview(items).cast(self.code)[self.first :: self.step].tolist()


def _strided(element: WitType) -> _Strided:
    assert isinstance(element, Scalar)
    kind, code = _NUMBERS[element.name]
    size = struct.calcsize(code)
    return _Strided(code, bytes((kind, *bytes(VAL - 1))), VAL // size, 8 // size)


# --- records and tuples -----------------------------------------------------------


def _static(names: Sequence[str]) -> list[tuple[ctypes.Array[ctypes.c_char], int]]:
    """Keep names in C memory that a converter owns: buffer and size of each."""
    texts = [name.encode() for name in names]
    return [(ctypes.create_string_buffer(text), len(text)) for text in texts]


def _record(type_: RecordType) -> Converter:
    read = _SIZE_POINTER.unpack_from
    buffers = _static([name for name, _ in type_.fields])
    template = b"".join(
        _SIZE_POINTER.pack(size, ctypes.addressof(buffer)) + bytes(VAL)
        for buffer, size in buffers
    )
    fields = [(name, snake(name), converter(t)) for name, t in type_.fields]
    keys = tuple(attribute for _, attribute, _ in fields)
    lifts = tuple(
        (index * _ENTRY + _NAME, field.lift) for index, (_, _, field) in enumerate(fields)
    )
    block_size = len(fields) * _ENTRY
    known = {name for name, _, _ in fields} | set(keys)

    def pick(value: Any, name: str, attribute: str) -> Any:
        if isinstance(value, Mapping):
            found = value.get(attribute, value.get(name, _ABSENT))
        else:
            found = getattr(value, attribute, _ABSENT)
        if found is _ABSENT:
            raise Mismatch(f"record with field {name!r}", value)
        return found

    def lower(arena: Arena, at: int, value: Any, _keep: Any = buffers) -> None:
        if isinstance(value, Mapping) and (extra := value.keys() - known):
            raise Mismatch(
                f"record with fields {', '.join(keys)} only",
                f"also {min(map(str, extra))}",
            )
        target = arena.append(template)
        for index, (name, attribute, field) in enumerate(fields):
            found = pick(value, name, attribute)
            try:
                field.lower(arena, target + index * _ENTRY + _NAME, found)
            except Mismatch as mismatch:
                raise mismatch.within(f".{name}") from None
        _items(arena, at, _RECORD, len(fields), target)

    def lift(block: bytes | bytearray, at: int) -> Record:
        entries = _string_at(read(block, at + 8)[1], block_size)
        record = Record()
        record.__dict__ = dict(
            zip(keys, [lift_one(entries, place) for place, lift_one in lifts])
        )
        return record

    return Converter(lower, lift)


_ABSENT: Final = object()


def _tuple(type_: Tuple) -> Converter:
    read = _SIZE_POINTER.unpack_from
    inner = [converter(element) for element in type_.elements]
    block_size = len(inner) * VAL

    def lower(arena: Arena, at: int, value: Any) -> None:
        if not isinstance(value, tuple | list) or len(value) != len(inner):
            raise Mismatch(str(type_), value)
        target = arena.append(bytes(block_size))
        for index, (field, item) in enumerate(zip(inner, value)):
            try:
                field.lower(arena, target + index * VAL, item)
            except Mismatch as mismatch:
                raise mismatch.within(f"[{index}]") from None
        _items(arena, at, _TUPLE, len(inner), target)

    def lift(block: bytes | bytearray, at: int) -> tuple[Any, ...]:
        items = _string_at(read(block, at + 8)[1], block_size)
        return tuple([field.lift(items, VAL * i) for i, field in enumerate(inner)])

    return Converter(lower, lift)


# --- variants, enums, flags, options, results -------------------------------------


def _boxed(arena: Arena, slot: int, inner: Converter, value: Any) -> None:
    """Append a value and let the slot point to it."""
    target = arena.append(bytes(VAL))
    inner.lower(arena, target, value)
    arena.point(slot, target)


def _variant(type_: VariantType) -> Converter:
    head = Struct("=B7xQQQ")
    read = Struct("=QQQ").unpack_from
    buffers = _static([name for name, _ in type_.cases])
    cases = {
        name: (buffer, size, None if t is None else converter(t))
        for (buffer, size), (name, t) in zip(buffers, type_.cases)
    }
    expected = f"Variant({' | '.join(repr(name) for name in cases)})"

    def lower(arena: Arena, at: int, value: Any) -> None:
        case = cases.get(value.case) if isinstance(value, Variant) else None
        if case is None:
            raise Mismatch(
                expected, value.case if isinstance(value, Variant) else value
            )
        buffer, size, inner = case
        head.pack_into(arena.block, at, _VARIANT, size, ctypes.addressof(buffer), 0)
        if inner is not None:
            try:
                _boxed(arena, at + 24, inner, value.value)
            except Mismatch as mismatch:
                raise mismatch.within(f"({value.case})") from None
        elif value.value is not None:
            raise Mismatch(f"no value for case {value.case!r}", value.value)

    def lift(block: bytes | bytearray, at: int) -> Variant:
        size, name, pointer = read(block, at + 8)
        case = _string_at(name, size).decode()
        inner = cases[case][2]
        if inner is None:
            return Variant(case)
        return Variant(case, inner.lift(_string_at(pointer, VAL), 0))

    return Converter(lower, lift)


def _enum(type_: Enum) -> Converter:
    read = _SIZE_POINTER.unpack_from
    buffers = dict(zip(type_.cases, _static(type_.cases)))

    def lower(arena: Arena, at: int, value: Any) -> None:
        found = buffers.get(value) if isinstance(value, str) else None
        if found is None:
            raise Mismatch(str(type_), value)
        buffer, size = found
        _HEAD.pack_into(arena.block, at, _ENUM, size, ctypes.addressof(buffer))

    def lift(block: bytes | bytearray, at: int) -> str:
        size, name = read(block, at + 8)
        return _string_at(name, size).decode()

    return Converter(lower, lift)


def _flags(type_: Flags) -> Converter:
    read = _SIZE_POINTER.unpack_from
    buffers = dict(zip(type_.names, _static(type_.names)))

    def lower(arena: Arena, at: int, value: Any) -> None:
        if not isinstance(value, AbstractSet | list | tuple):
            raise Mismatch(str(type_), value)
        names = []
        for name in value:
            if not isinstance(name, str) or name not in buffers:
                raise Mismatch(str(type_), name)
            buffer, size = buffers[name]
            names.append(_SIZE_POINTER.pack(size, ctypes.addressof(buffer)))
        _items(arena, at, _FLAGS, len(names), arena.append(b"".join(names)))

    def lift(block: bytes | bytearray, at: int) -> frozenset[str]:
        size, pointer = read(block, at + 8)
        names = _SIZE_POINTER.iter_unpack(_string_at(pointer, size * _NAME))
        return frozenset([_string_at(name, length).decode() for length, name in names])

    return Converter(lower, lift)


def _option(type_: Option) -> Converter:
    inner = converter(type_.some)
    nests = isinstance(type_.some, Option)
    head = Struct("=B7xQ16x")

    def lower(arena: Arena, at: int, value: Any) -> None:
        head.pack_into(arena.block, at, _OPTION, 0)
        if isinstance(value, Some):
            value = value.value
        elif value is None:
            return
        elif nests:
            raise Mismatch("None or Some(...), since options nest here", value)
        _boxed(arena, at + 8, inner, value)

    def lift(block: bytes | bytearray, at: int) -> Any:
        pointer = _POINTER.unpack_from(block, at + 8)[0]
        if not pointer:
            return None
        value = inner.lift(_string_at(pointer, VAL), 0)
        return Some(value) if nests else value

    return Converter(lower, lift)


def _result(type_: Result) -> Converter:
    sides = {
        Ok: None if type_.ok is None else converter(type_.ok),
        Err: None if type_.err is None else converter(type_.err),
    }
    head = Struct("=B7xB7xQ8x")

    def lower(arena: Arena, at: int, value: Any) -> None:
        if not isinstance(value, Ok | Err):
            raise Mismatch(f"Ok or Err of {type_}", value)
        inner = sides[type(value)]
        head.pack_into(arena.block, at, _RESULT, isinstance(value, Ok), 0)
        if inner is not None:
            try:
                _boxed(arena, at + 16, inner, value.value)
            except Mismatch as mismatch:
                step = "(ok)" if isinstance(value, Ok) else "(err)"
                raise mismatch.within(step) from None
        elif value.value is not None:
            raise Mismatch(f"no value in {type_}", value.value)

    def lift(block: bytes | bytearray, at: int) -> Ok | Err:
        side = Ok if block[at + 8] else Err
        pointer = _POINTER.unpack_from(block, at + 16)[0]
        inner = sides[side]
        if inner is None:
            return side()
        return side(inner.lift(_string_at(pointer, VAL), 0))

    return Converter(lower, lift)
