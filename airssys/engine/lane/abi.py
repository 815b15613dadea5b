"""Lay values out as the canonical ABI does: in memory, and as core values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Final

from ...witmodel.types import (
    Borrow,
    Enum,
    Flags,
    FuncType,
    List,
    Map,
    Opaque,
    Option,
    Own,
    RecordType,
    Result,
    Scalar,
    Tuple,
    VariantType,
    WitType,
)

__all__ = (
    "BYTES",
    "cases",
    "discriminant",
    "elements",
    "flat",
    "offsets",
    "parts",
    "payload",
    "size",
    "values",
    "within",
)

BYTES: Final = List(Scalar("u8"))
_SIZES = {
    **dict.fromkeys(("bool", "s8", "u8"), 1),
    **dict.fromkeys(("s16", "u16"), 2),
    **dict.fromkeys(("s32", "u32", "f32", "char"), 4),
    **dict.fromkeys(("s64", "u64", "f64"), 8),
}
_FLAT = {"s64": "i64", "u64": "i64", "f32": "f32", "f64": "f64"}

# --- the parts of a type ------------------------------------------------------------


def cases(type_: WitType) -> Sequence[WitType | None] | None:
    """Return the types of a variant's cases in order; None for what is no variant."""
    match type_:
        case VariantType():
            return [case for _, case in type_.cases]
        case Enum():
            return [None] * len(type_.cases)
        case Option(some):
            return [None, some]
        case Result(ok, err):
            return [ok, err]
        case (
            Scalar()
            | List()
            | Map()
            | RecordType()
            | Tuple()
            | Flags()
            | Own()
            | Borrow()
            | Opaque()
        ):
            return None


def elements(type_: WitType) -> Sequence[WitType] | None:
    """Return the types of a record's or tuple's parts; None for anything else."""
    match type_:
        case RecordType():
            return [field for _, field in type_.fields]
        case Tuple():
            return type_.elements
        case (
            Scalar()
            | List()
            | Map()
            | VariantType()
            | Enum()
            | Option()
            | Result()
            | Flags()
            | Own()
            | Borrow()
            | Opaque()
        ):
            return None


def within(type_: WitType) -> Sequence[WitType]:
    """Return the types that a type is made of at once."""
    inner: Iterable[WitType | None]
    match type_:
        case List(element):
            inner = (element,)
        case Map(key, value):
            inner = (key, value)
        case RecordType() | Tuple():
            inner = elements(type_) or ()
        case VariantType() | Enum() | Option() | Result():
            inner = cases(type_) or ()
        case Scalar() | Flags() | Own() | Borrow() | Opaque():
            inner = ()
    return [each for each in inner if each is not None]


def parts(type_: WitType) -> Iterator[WitType]:
    """Yield a type and the types in it."""
    yield type_
    for each in within(type_):
        yield from parts(each)


def values(type_: FuncType) -> list[WitType]:
    """Return the types of a function's parameters and result."""
    result = [] if type_.result is None else [type_.result]
    return [*(param for _, param in type_.params), *result]


# --- the canonical ABI --------------------------------------------------------------


def _aligned(offset: int, to: int) -> int:
    return (offset + to - 1) & -to


def discriminant(count: int) -> int:
    """Return the bytes of the number of a variant's case, of so many cases."""
    return 1 if count <= 0x100 else 2 if count <= 0x1_0000 else 4


def size(type_: WitType) -> tuple[int, int]:
    """Return the bytes that a value takes, and what its address is a multiple of."""
    match type_:
        case Scalar("string") | List() | Map():
            return 8, 4
        case Scalar(name):
            return _SIZES[name], _SIZES[name]
        case RecordType() | Tuple():
            return _size_of_elements(elements(type_) or ())
        case VariantType() | Enum() | Option() | Result():
            return _size_of_cases(cases(type_) or ())
        case Flags(names):
            width = _discriminant_of_flags(len(names))
            return width, min(width, 4)
        case Own() | Borrow() | Opaque():
            return 4, 4


def _size_of_elements(inner: Sequence[WitType]) -> tuple[int, int]:
    offset, most = 0, 1
    for each in inner:
        width, to = size(each)
        offset, most = _aligned(offset, to) + width, max(most, to)
    return _aligned(offset, most), most


def _size_of_cases(choices: Sequence[WitType | None]) -> tuple[int, int]:
    sizes = [size(case) for case in choices if case is not None]
    tag = discriminant(len(choices))
    most = max((tag, *(to for _, to in sizes)))
    longest = max((width for width, _ in sizes), default=0)
    place = _aligned(tag, max((to for _, to in sizes), default=1))
    return _aligned(place + longest, most), most


def _discriminant_of_flags(count: int) -> int:
    """Return the bytes of so many flags."""
    return 1 if count <= 8 else 2 if count <= 16 else (count + 31) // 32 * 4


def payload(type_: WitType) -> int:
    """Return the offset of a variant's value."""
    choices = cases(type_) or ()
    most = max((size(case)[1] for case in choices if case is not None), default=1)
    return _aligned(discriminant(len(choices)), most)


def offsets(inner: Sequence[WitType]) -> Iterator[tuple[int, WitType]]:
    """Yield the parts of a record or tuple with their offsets."""
    offset = 0
    for each in inner:
        width, to = size(each)
        offset = _aligned(offset, to)
        yield offset, each
        offset += width


def flat(type_: WitType) -> list[str]:
    """Return the core values as which a value is passed."""
    match type_:
        case Scalar("string") | List() | Map():
            return ["i32", "i32"]
        case Scalar(name):
            return [_FLAT.get(name, "i32")]
        case RecordType() | Tuple():
            return [core for each in elements(type_) or () for core in flat(each)]
        case VariantType() | Enum() | Option() | Result():
            joined: list[str] = []
            for case in cases(type_) or ():
                if case is not None:
                    joined = [_joined(*p) for p in zip_longest(joined, flat(case))]
            return ["i32", *joined]
        case Flags(names):
            return ["i32"] * ((len(names) + 31) // 32)
        case Own() | Borrow() | Opaque():
            return ["i32"]


def _joined(one: str | None, other: str | None) -> str:
    """Return the core type that holds values of both."""
    if one is None or other is None or one == other:
        return one or other or "i32"
    return "i32" if {one, other} == {"i32", "f32"} else "i64"
