"""Tell how the canonical ABI passes and stores values, for guests that tests make.

It is written after the specification (design/mvp/CanonicalABI.md in the repository
WebAssembly/component-model) and takes nothing from the package but the types, so that
what the package says can be held against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from airssys.witmodel.types import (
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
    "MAX_FLAT_PARAMS",
    "MAX_FLAT_RESULTS",
    "alignment",
    "elem_size",
    "flatten",
    "flatten_params",
    "inside",
    "placed",
    "types_of",
)

MAX_FLAT_PARAMS: Final = 16
MAX_FLAT_RESULTS: Final = 1
_BYTES: Final = {
    "bool": 1,
    "u8": 1,
    "s8": 1,
    "u16": 2,
    "s16": 2,
    "u32": 4,
    "s32": 4,
    "f32": 4,
    "char": 4,
    "u64": 8,
    "s64": 8,
    "f64": 8,
}
_CORE: Final = {
    "bool": "i32",
    "u8": "i32",
    "s8": "i32",
    "u16": "i32",
    "s16": "i32",
    "u32": "i32",
    "s32": "i32",
    "char": "i32",
    "u64": "i64",
    "s64": "i64",
    "f32": "f32",
    "f64": "f64",
}


def _variant(type_: VariantType | Enum | Option | Result) -> list[WitType | None]:
    """Return the payloads of the cases of what is a variant by another name."""
    match type_:
        case VariantType(cases):
            return [payload for _, payload in cases]
        case Enum(names):
            return [None for _ in names]
        case Option(some):
            return [None, some]
        case Result(ok, err):
            return [ok, err]


def _record(type_: RecordType | Tuple) -> list[WitType]:
    match type_:
        case RecordType(fields):
            return [field for _, field in fields]
        case Tuple(elements):
            return list(elements)


def inside(type_: WitType) -> Iterator[WitType]:
    """Yield a type and all types within it."""
    yield type_
    match type_:
        case List(element):
            yield from inside(element)
        case Map(key, value):
            yield from inside(key)
            yield from inside(value)
        case RecordType() | Tuple():
            for field in _record(type_):
                yield from inside(field)
        case VariantType() | Enum() | Option() | Result():
            for payload in _variant(type_):
                if payload is not None:
                    yield from inside(payload)
        case Scalar() | Flags() | Own() | Borrow() | Opaque():
            pass


def types_of(function: FuncType) -> Iterator[WitType]:
    """Yield all types within a function's."""
    for _, param in function.params:
        yield from inside(param)
    if function.result is not None:
        yield from inside(function.result)


# --- in memory --------------------------------------------------------------------


def alignment(type_: WitType) -> int:
    """Return what the address of a value is a multiple of."""
    match type_:
        case Scalar("string") | List() | Map() | Own() | Borrow():
            return 4
        case Scalar(name):
            return _BYTES[name]
        case RecordType() | Tuple():
            return max(map(alignment, _record(type_)), default=1)
        case VariantType() | Enum() | Option() | Result():
            payloads = _variant(type_)
            return max(_discriminant(len(payloads)), _payload_alignment(payloads))
        case Flags(names):
            return 1 if len(names) <= 8 else 2 if len(names) <= 16 else 4
        case Opaque():
            raise AssertionError(type_)


def elem_size(type_: WitType) -> int:
    """Return the bytes of a value in memory."""
    match type_:
        case Scalar("string") | List() | Map():
            return 8  # a pointer and a length
        case Own() | Borrow():
            return 4
        case Scalar(name):
            return _BYTES[name]
        case RecordType() | Tuple():
            *_, end = _offsets(_record(type_))
            return _align_to(end, alignment(type_))
        case VariantType() | Enum() | Option() | Result():
            payloads = _variant(type_)
            size = _align_to(_discriminant(len(payloads)), _payload_alignment(payloads))
            size += max((elem_size(each) for each in payloads if each), default=0)
            return _align_to(size, alignment(type_))
        case Flags(names):
            return alignment(type_) if len(names) <= 32 else 4 * -(-len(names) // 32)
        case Opaque():
            raise AssertionError(type_)


def placed(types: Sequence[WitType]) -> Iterator[tuple[int, WitType]]:
    """Yield the fields of a record of such types, each with its offset."""
    yield from zip(_offsets(types), types)  # the last offset is the end


def _offsets(types: Sequence[WitType]) -> list[int]:
    """Return where each field begins, and where the last one ends."""
    found, at = [], 0
    for type_ in types:
        at = _align_to(at, alignment(type_))
        found.append(at)
        at += elem_size(type_)
    return [*found, at]


def _align_to(at: int, alignment: int) -> int:
    return -(-at // alignment) * alignment


def _discriminant(cases: int) -> int:
    """Return the bytes of the number of a case."""
    return 1 if cases <= 2**8 else 2 if cases <= 2**16 else 4


def _payload_alignment(payloads: Sequence[WitType | None]) -> int:
    return max((alignment(each) for each in payloads if each), default=1)


# --- as core values ---------------------------------------------------------------


def flatten(type_: WitType) -> list[str]:
    """Return the core types as which a value is passed."""
    match type_:
        case Scalar("string") | List() | Map():
            return ["i32", "i32"]
        case Scalar(name):
            return [_CORE[name]]
        case RecordType() | Tuple():
            return [core for field in _record(type_) for core in flatten(field)]
        case VariantType() | Enum() | Option() | Result():
            shared: list[str] = []
            for payload in _variant(type_):
                cores = [] if payload is None else flatten(payload)
                for place, core in enumerate(cores):
                    if place < len(shared):
                        shared[place] = _join(shared[place], core)
                    else:
                        shared.append(core)
            return ["i32", *shared]
        case Flags(names):
            return ["i32"] * -(-len(names) // 32)
        case Own() | Borrow():
            return ["i32"]
        case Opaque():
            raise AssertionError(type_)


def _join(one: str, other: str) -> str:
    if one == other:
        return one
    return "i32" if {one, other} == {"i32", "f32"} else "i64"


def flatten_params(params: Sequence[WitType]) -> list[str]:
    """Return the core types of a function's parameters: themselves, or a pointer."""
    cores = [core for param in params for core in flatten(param)]
    return cores if len(cores) <= MAX_FLAT_PARAMS else ["i32"]
