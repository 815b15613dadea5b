"""Lower Python values to component values, by writers compiled once for each type.

Heads and tails (see `layout`) have fixed places in one block of Python's memory, whose
tails begin as a template, so a call that is made again only writes what differs. What
has no fixed size (strings, lists) stays in Python objects of its own, kept alive beside
the block.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from struct import Struct
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from attrs import frozen

from ._ffi import VAL, address_of_bytes
from .lane.octets import encode_octets
from .layout import (
    ENTRY,
    KINDS,
    NAME,
    NUMBERS,
    PAIR,
    Mismatch,
    Unsupported,
    numbers,
    pin,
    static_names,
    write_head,
)
from .types import (
    Borrow,
    Enum,
    Err,
    Flags,
    List,
    Map,
    Octets,
    Ok,
    Opaque,
    Option,
    Own,
    RecordType,
    Result,
    Scalar,
    Shapes,
    Some,
    Tuple,
    Variant,
    VariantType,
    WitType,
    attribute,
    snake,
)

__all__ = ("Handles", "Kept", "Lowering", "lowering")

_SIZE_POINTER: Final = Struct("=QQ")
_BOOL, _CHAR, _STRING, _LIST, _RECORD, _TUPLE, _VARIANT = list(KINDS.values())[:7]
_ENUM, _OPTION, _RESULT, _FLAGS, _RESOURCE, _MAP = list(KINDS.values())[7:]

_NO_SHAPES: Final = Shapes()
_T = TypeVar("_T")


class Handles(Protocol):
    """Makes C resources of Python objects."""

    def check(self, type_: Own | Borrow, value: object, kept: Kept) -> object:
        """Return what stands for the resource. Raises `Mismatch` if it does not fit."""

    def check_open(self, type_: Own | Borrow, value: object) -> None:
        """Raise `Mismatch` if a handle that was checked is closed by now."""

    def lowered(self, type_: Own | Borrow, value: object) -> int:
        """Return a C resource."""

    def returned(self, type_: Own | Borrow, value: object, resource: int) -> None:
        """Free a C resource, and end what was lent."""


class Kept(list[object]):
    """What one call's values keep alive, and the resources among them.

    Resources are looked at when the values are written, and change hands only when all
    values were found to fit: `give`.
    """

    __slots__ = ("given", "handles", "pending")

    def __init__(self) -> None:
        super().__init__()
        self.handles: Handles | None = None
        self.pending: list[tuple[bytearray, int, Own | Borrow, object]] = []
        """Blocks, offsets of heads, types and values of resources."""
        self.given: list[tuple[Own | Borrow, object, int]] = []
        """The C resources that were made of them."""

    def give(self) -> None:
        """Make the C resources and write them in their places."""
        assert self.handles is not None
        for _, _, type_, value in self.pending:
            # An argument's own code may have closed what was open when it was read.
            self.handles.check_open(type_, value)
        for block, head, type_, value in self.pending:
            resource = self.handles.lowered(type_, value)
            self.given.append((type_, value, resource))
            write_head(block, head, _RESOURCE, resource, 0)
        self.pending.clear()

    def take_back(self) -> None:
        """End what was lent, and free the C resources."""
        assert self.handles is not None
        for type_, value, resource in self.given:
            self.handles.returned(type_, value, resource)
        self.given.clear()


Write: TypeAlias = Callable[[bytearray, int, int, int, Kept, Any], None]


@frozen
class Lowering:
    """How to lower one type."""

    write: Write
    """``write(block, head, tail, base, keep, value)``: the offsets of head and tail in
    the block, the block's address, a list that keeps objects alive, and the value."""
    template: bytes = b""
    """What the tail holds before the first write."""


def lowering(type_: WitType, shapes: Shapes = _NO_SHAPES) -> Lowering:
    """Compile a type.

    Raises:
        Unsupported: The type holds a future, a stream or an error context.
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
            return _octets() if shapes.lane else _bytes()
        case List():
            return _list(type_.element, shapes)
        case RecordType():
            return _record(type_, shapes)
        case Tuple():
            return _tuple(type_, shapes)
        case VariantType():
            return _variant(type_, shapes)
        case Enum():
            return _enum(type_)
        case Flags():
            return _flags(type_, shapes)
        case Option():
            return _option(type_, shapes)
        case Result():
            return _result(type_, shapes)
        case Map():
            return _map(type_, shapes)
        case Own() | Borrow():
            return _handle(type_)
        case Octets() | Opaque():
            raise Unsupported(str(type_))


# --- scalars and strings ----------------------------------------------------------


def _bool() -> Lowering:
    pack = Struct("=B7x?23x").pack_into

    def write(
        block: bytearray, head: int, _t: int, _b: int, _k: Kept, value: Any
    ) -> None:
        if value is not True and value is not False:
            raise Mismatch("bool", value)
        pack(block, head, _BOOL, value)

    return Lowering(write)


def _number(type_: Scalar) -> Lowering:
    kind = NUMBERS[type_.name][0]
    pack = Struct(f"={numbers((type_,))}").pack_into

    def write(
        block: bytearray, head: int, _t: int, _b: int, _k: Kept, value: Any
    ) -> None:
        try:
            pack(block, head, kind, value)
        except (struct.error, TypeError, OverflowError):
            raise Mismatch(type_.name, value) from None

    return Lowering(write)


def _char() -> Lowering:
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


def _string() -> Lowering:
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


# --- lists ------------------------------------------------------------------------


def _bytes() -> Lowering:
    """Lower ``list<u8>``: 32 bytes of C for each byte, in one strided copy."""
    element = bytes((NUMBERS["u8"][0], *bytes(VAL - 1)))

    def write(
        block: bytearray, head: int, _t: int, _b: int, keep: Kept, value: Any
    ) -> None:
        data = _buffer(value)
        items = bytearray(element * len(data))
        items[8::VAL] = data
        keep.append(items)
        write_head(block, head, _LIST, len(data), pin(items) if data else 0)

    return Lowering(write)


def _octets() -> Lowering:
    """Lower ``list<u8>`` as the string that core code in the guest makes bytes of."""

    def write(
        block: bytearray, head: int, _t: int, _b: int, keep: Kept, value: Any
    ) -> None:
        text = encode_octets(_buffer(value))
        keep.append(text)
        write_head(block, head, _STRING, len(text), address_of_bytes(text))

    return Lowering(write)


def _buffer(value: Any) -> bytes:
    """Return bytes that are bytes alone: a subclass may say what it likes of itself."""
    if type(value) is bytes:
        return value
    if not isinstance(value, bytes | bytearray | memoryview):
        raise Mismatch("list<u8> (bytes)", value)
    try:
        return bytes(memoryview(value))
    except ValueError:
        raise Mismatch("list<u8> (bytes)", "a released memoryview") from None


def _elements(value: Any, expected: str) -> list[Any]:
    """Read a value once: C would read past elements that are not there."""
    try:
        return list(value)
    except (MemoryError, OverflowError):
        raise Mismatch(f"{expected} that fits into memory", value) from None


def _list(element: WitType, shapes: Shapes) -> Lowering:
    inner = lowering(element, shapes)
    write_one, template = inner.write, inner.template
    name = f"list<{element}>"
    strided = _strided(element) if numbers((element,)) else None

    def write(
        block: bytearray, head: int, _t: int, _b: int, keep: Kept, value: Any
    ) -> None:
        if not isinstance(value, Sequence) or isinstance(
            value, str | bytes | bytearray
        ):
            raise Mismatch(name, value)
        values = _elements(value, name)
        size = len(values)
        items = strided(values) if strided is not None and size > 8 else None
        if items is None:
            heads = size * VAL
            items = bytearray(heads) + template * size
            base = pin(items) if size else 0
            index = 0
            try:
                for index, item in enumerate(values):
                    tail = heads + index * len(template)
                    write_one(items, index * VAL, tail, base, keep, item)
            except Mismatch as mismatch:
                raise mismatch.within(f"[{index}]") from None
        keep.append(items)
        write_head(block, head, _LIST, size, pin(items) if size else 0)

    return Lowering(write)


def _map(type_: Map, shapes: Shapes) -> Lowering:
    key, item = lowering(type_.key, shapes), lowering(type_.value, shapes)
    tails = len(key.template) + len(item.template)
    template = key.template + item.template

    def write(
        block: bytearray, head: int, _t: int, _b: int, keep: Kept, value: Any
    ) -> None:
        if not isinstance(value, Mapping):
            raise Mismatch(str(type_), value)
        pairs = _elements(value.items(), str(type_))
        size = len(pairs)
        heads = size * PAIR
        items = bytearray(heads) + template * size
        base = pin(items) if size else 0
        for index, pair in enumerate(pairs):
            try:
                one, other = pair
            except (TypeError, ValueError):
                raise Mismatch(f"{type_} (a mapping of pairs)", pair) from None
            place, tail = index * PAIR, heads + index * tails
            try:
                key.write(items, place, tail, base, keep, one)
                tail += len(key.template)
                item.write(items, place + VAL, tail, base, keep, other)
            except Mismatch as mismatch:
                raise mismatch.within(f"[{_key(one)}]") from None
        keep.append(items)
        write_head(block, head, _MAP, size, base)

    return Lowering(write)


def _key(key: object) -> str:
    """Show a mapping's key; never raise."""
    try:
        text = repr(key)
    except Exception:  # noqa: BLE001 - keys may be of any class
        text = type(key).__name__
    return text if len(text) <= 20 else f"{text[:17]}..."


def _strided(element: WitType) -> Callable[[list[Any]], bytearray | None]:
    """Return what lowers a list of numbers without a step of Python for each."""
    assert isinstance(element, Scalar)
    kind, code = NUMBERS[element.name]
    cast: Any = code  # a str whose letters mypy would want to see one by one
    size = struct.calcsize(code)
    value = bytes((kind, *bytes(VAL - 1)))

    def pack(values: list[Any]) -> bytearray | None:
        if code == "f":  # array() would turn what is too large into inf
            return None
        try:
            data = array(code, values)
        except (TypeError, OverflowError):
            return None  # the long way says which one does not fit
        items = bytearray(value * len(data))
        memoryview(items).cast(cast)[8 // size :: VAL // size] = memoryview(data)
        return items

    return pack


# --- records and tuples -----------------------------------------------------------


def _placed(inner: Sequence[Lowering], first: int) -> tuple[list[int], bytes]:
    """Lay tails out one after the other: their offsets, and their templates."""
    offsets, templates = [], b""
    for each in inner:
        offsets.append(first + len(templates))
        templates += each.template
    return offsets, templates


def _record(type_: RecordType, shapes: Shapes) -> Lowering:
    names = [name for name, _ in type_.fields]
    static = static_names(names)
    inner = [lowering(field, shapes) for _, field in type_.fields]
    count = len(names)
    offsets, templates = _placed(inner, count * ENTRY)
    entries = b"".join(
        _SIZE_POINTER.pack(size, address) + bytes(VAL) for size, address, _ in static
    )
    plan = [
        (name, each.write, index * ENTRY + NAME, offset)
        for index, (name, each, offset) in enumerate(zip(names, inner, offsets))
    ]
    keys = [snake(name) for name in names]
    pick = _picker(names, keys)

    def write(
        block: bytearray,
        head: int,
        tail: int,
        base: int,
        keep: Kept,
        value: Any,
        _static: object = static,
    ) -> None:
        found = pick(value)
        write_head(block, head, _RECORD, count, base + tail)
        name = ""
        try:
            for (name, write_one, inner_head, inner_tail), one in zip(  # noqa: B007
                plan, found
            ):
                write_one(block, tail + inner_head, tail + inner_tail, base, keep, one)
        except Mismatch as mismatch:
            raise mismatch.within(f".{name}") from None

    return Lowering(write, entries + templates)


_ABSENT: Final = object()


def _picker(names: list[str], keys: list[str]) -> Callable[[Any], Iterable[Any]]:
    """Return what takes a record's fields, in order, from an object or a mapping."""
    known = {*names, *keys}
    get = attrgetter(*map(attribute, names)) if len(keys) > 1 else None

    def pick(value: Any) -> Iterable[Any]:
        try:
            if type(value) is dict and len(value) == len(keys):
                return [value[key] for key in keys]
            if get is not None and not isinstance(value, Mapping):
                found: Iterable[Any] = get(value)
                return found
        except (KeyError, AttributeError):
            pass
        return [pick_one(value, name, key) for name, key in zip(names, keys)]

    def pick_one(value: Any, name: str, key: str) -> Any:
        if isinstance(value, Mapping):
            extra = [
                each if isinstance(each, str) else _key(each)
                for each in value
                if not isinstance(each, str) or each not in known
            ]
            if extra:
                raise Mismatch(
                    f"record with fields {', '.join(keys)} only", f"also {min(extra)}"
                )
            found = value.get(key, value.get(name, _ABSENT))
        else:
            found = getattr(value, attribute(name), getattr(value, key, _ABSENT))
        if found is _ABSENT:
            raise Mismatch(f"record with field {name!r}", value)
        return found

    return pick


def _tuple(type_: Tuple, shapes: Shapes) -> Lowering:
    inner = [lowering(element, shapes) for element in type_.elements]
    count = len(inner)
    offsets, templates = _placed(inner, count * VAL)
    plan = [(each.write, i * VAL, offsets[i]) for i, each in enumerate(inner)]

    def write(
        block: bytearray,
        head: int,
        tail: int,
        base: int,
        keep: Kept,
        value: Any,
    ) -> None:
        if not isinstance(value, tuple | list):
            raise Mismatch(str(type_), value)
        values = value if type(value) is tuple else _elements(value, str(type_))
        if len(values) != count:
            raise Mismatch(str(type_), value)
        write_head(block, head, _TUPLE, count, base + tail)
        index = 0
        try:
            for index, one in enumerate(values):
                write_one, inner_head, inner_tail = plan[index]
                write_one(block, tail + inner_head, tail + inner_tail, base, keep, one)
        except Mismatch as mismatch:
            raise mismatch.within(f"[{index}]") from None

    return Lowering(write, bytes(count * VAL) + templates)


# --- variants, enums, flags, options, results -------------------------------------


def _found(cases: Mapping[str, _T], name: object) -> _T | None:
    """Look a name up that may be anything."""
    try:
        return cases.get(name) if isinstance(name, str) else None
    except TypeError:  # a subclass without a hash
        return None


def _boxes(inner: Iterable[Lowering | None]) -> bytes:
    """Return the template of a tail that holds one of several values at a time."""
    longest = max(
        (len(each.template) for each in inner if each is not None), default=-1
    )
    return bytes(VAL + longest) if longest >= 0 else b""


def _box(
    inner: Lowering,
    block: bytearray,
    tail: int,
    base: int,
    keep: Kept,
    value: Any,
) -> None:
    """Write a value whose head and tail share a tail with others."""
    after = tail + VAL
    if template := inner.template:
        block[after : after + len(template)] = template
    inner.write(block, tail, after, base, keep, value)


def _variant(type_: VariantType, shapes: Shapes) -> Lowering:
    pack = Struct("=B7xQQQ").pack_into
    inner = [
        None if case is None else lowering(case, shapes) for _, case in type_.cases
    ]
    static = static_names([name for name, _ in type_.cases])
    cases = {
        name: (*name_static, each)
        for (name, _), name_static, each in zip(type_.cases, static, inner)
    }
    expected = f"Variant({' | '.join(repr(name) for name in cases)})"
    shape = {each: name for name, each in shapes.variants.get(type_, {}).items()}

    def write(
        block: bytearray,
        head: int,
        tail: int,
        base: int,
        keep: Kept,
        value: Any,
    ) -> None:
        chosen = shape.get(type(value))
        if chosen is None:
            if not isinstance(value, Variant):
                raise Mismatch(expected, value)
            chosen = value.case
        case = _found(cases, chosen)
        if case is None:
            raise Mismatch(expected, chosen)
        size, name, _, inner = case
        if inner is None:
            if getattr(value, "value", None) is not None:
                raise Mismatch(f"no value for case {chosen!r}", value.value)
            pack(block, head, _VARIANT, size, name, 0)
            return
        pack(block, head, _VARIANT, size, name, base + tail)
        try:
            _box(inner, block, tail, base, keep, value.value)
        except Mismatch as mismatch:
            raise mismatch.within(f"({chosen})") from None

    return Lowering(write, _boxes(inner))


def _enum(type_: Enum) -> Lowering:
    cases = dict(zip(type_.cases, static_names(type_.cases)))

    def write(
        block: bytearray, head: int, _t: int, _b: int, _k: Kept, value: Any
    ) -> None:
        case = _found(cases, value)
        if case is None:
            raise Mismatch(str(type_), value)
        write_head(block, head, _ENUM, case[0], case[1])

    return Lowering(write)


def _flags(type_: Flags, shapes: Shapes) -> Lowering:
    known = dict(zip(type_.names, static_names(type_.names)))
    shape = shapes.flags.get(type_)
    bits = () if shape is None else tuple(zip(type_.names, (m.value for m in shape)))

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
            bit = _found(known, name)
            if bit is None:
                raise Mismatch(str(type_), name)
            packed.append(_SIZE_POINTER.pack(*bit[:2]))
        names = b"".join(packed)
        keep.append(names)
        write_head(block, head, _FLAGS, len(packed), address_of_bytes(names))

    return Lowering(write)


def _handle(type_: Own | Borrow) -> Lowering:
    def write(
        block: bytearray, head: int, _t: int, _b: int, keep: Kept, value: Any
    ) -> None:
        assert keep.handles is not None
        found = keep.handles.check(type_, value, keep)
        keep.pending.append((block, head, type_, found))

    return Lowering(write)


def _option(type_: Option, shapes: Shapes) -> Lowering:
    pack = Struct("=B7xQ16x").pack_into
    inner = lowering(type_.some, shapes)
    write_some = inner.write
    nests = isinstance(type_.some, Option)

    def write(
        block: bytearray,
        head: int,
        tail: int,
        base: int,
        keep: Kept,
        value: Any,
    ) -> None:
        if value is None:
            pack(block, head, _OPTION, 0)
            return
        if isinstance(value, Some):
            value = value.value
        elif nests:
            raise Mismatch("None or Some(...), since options nest here", value)
        pack(block, head, _OPTION, base + tail)
        write_some(block, tail, tail + VAL, base, keep, value)

    return Lowering(write, bytes(VAL) + inner.template)


def _result(type_: Result, shapes: Shapes) -> Lowering:
    pack = Struct("=B7xB7xQ8x").pack_into
    sides = {
        Ok: None if type_.ok is None else lowering(type_.ok, shapes),
        Err: None if type_.err is None else lowering(type_.err, shapes),
    }

    def write(
        block: bytearray,
        head: int,
        tail: int,
        base: int,
        keep: Kept,
        value: Any,
    ) -> None:
        if not isinstance(value, Ok | Err):
            raise Mismatch(f"Ok or Err of {type_}", value)
        ok = isinstance(value, Ok)
        inner = sides[Ok if ok else Err]
        if inner is None:
            if value.value is not None:
                raise Mismatch(f"no value in {type_}", value.value)
            pack(block, head, _RESULT, ok, 0)
            return
        pack(block, head, _RESULT, ok, base + tail)
        try:
            _box(inner, block, tail, base, keep, value.value)
        except Mismatch as mismatch:
            raise mismatch.within("(ok)" if ok else "(err)") from None

    return Lowering(write, _boxes(sides.values()))
