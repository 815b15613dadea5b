"""Lower Python values to component values, by writers compiled once for each type.

Heads and tails (see `layout`) have fixed places in one block of Python's memory, whose
tails begin as a template, so a call that is made again only writes what differs. What
has no fixed size (strings, lists) stays in Python objects of its own, kept alive beside
the block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from struct import Struct
from typing import Any, Final

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
from .._ffi import VAL
from .atoms import (
    lower_bool,
    lower_bytes,
    lower_char,
    lower_enum,
    lower_flags,
    lower_handle,
    lower_number,
    lower_octets,
    lower_string,
    named,
)
from .kept import Kept, Lowering
from .layout import (
    ENTRY,
    NAME,
    Kind,
    Mismatch,
    StaticName,
    Unsupported,
    static_names,
    write_head,
)
from .sequences import elements, lower_list, lower_map, shown_key

__all__ = ("lowering",)

_SIZE_POINTER: Final = Struct("=QQ")
_RECORD: Final = Kind.RECORD
_TUPLE: Final = Kind.TUPLE
_VARIANT: Final = Kind.VARIANT
_OPTION: Final = Kind.OPTION
_RESULT: Final = Kind.RESULT

_NO_SHAPES: Final = Shapes()


def lowering(type_: WitType, shapes: Shapes = _NO_SHAPES) -> Lowering:
    """Compile a type.

    Raises:
        Unsupported: The type holds a future, a stream or an error context.
    """
    match type_:
        case Scalar("bool"):
            return lower_bool()
        case Scalar("char"):
            return lower_char()
        case Scalar("string"):
            return lower_string()
        case Scalar():
            return lower_number(type_)
        case List(Scalar("u8")):
            return lower_octets() if shapes.lane else lower_bytes()
        case List():
            element = type_.element
            return lower_list(element, lowering(element, shapes))
        case RecordType():
            return _record(type_, shapes)
        case Tuple():
            return _tuple(type_, shapes)
        case VariantType():
            return _variant(type_, shapes)
        case Enum():
            return lower_enum(type_)
        case Flags():
            return lower_flags(type_, shapes)
        case Option():
            return _option(type_, shapes)
        case Result():
            return _result(type_, shapes)
        case Map():
            return lower_map(
                type_, lowering(type_.key, shapes), lowering(type_.value, shapes)
            )
        case Own() | Borrow():
            return lower_handle(type_)
        case Opaque():
            raise Unsupported(type_.name)


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
        _SIZE_POINTER.pack(name.size, name.address) + bytes(VAL)
        for name in static.values()
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
                each if isinstance(each, str) else shown_key(each)
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
        values = value if type(value) is tuple else elements(value, str(type_))
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
    cases = {
        name: (StaticName.of(name), each) for (name, _), each in zip(type_.cases, inner)
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
        case = named(cases, chosen)
        if case is None:
            raise Mismatch(expected, chosen)
        name, inner = case
        if inner is None:
            if getattr(value, "value", None) is not None:
                raise Mismatch(f"no value for case {chosen!r}", value.value)
            pack(block, head, _VARIANT, name.size, name.address, 0)
            return
        pack(block, head, _VARIANT, name.size, name.address, base + tail)
        try:
            _box(inner, block, tail, base, keep, value.value)
        except Mismatch as mismatch:
            raise mismatch.within(f"({chosen})") from None

    return Lowering(write, _boxes(inner))


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
