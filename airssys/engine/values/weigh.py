"""Say how much of Python's memory values will take, before they are made.

A guest describes much with little: a list of pairs of bytes takes two bytes for each in
its memory, and 72 in Python's, and a hundred strings may all be the same text. So what
crosses is weighed as it lies in C, and what is too heavy is never lifted.

Weights are those of CPython on 64 bits, rounded up where the content decides.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final, TypeAlias

from attrs import frozen

from ...witmodel.types import (
    Borrow,
    Enum,
    Flags,
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
from .._ffi import VAL
from .layout import ENTRY, NAME, PAIR

__all__ = ("SLOT", "Walk", "Weight", "weigh_text", "weighing")

SLOT: Final = 8
"""Bytes of the reference to a value in whatever holds it."""
_SCALARS: Final = {"bool": SLOT, "u8": SLOT, "char": SLOT + 64, "string": SLOT + 56}
_NUMBER: Final = SLOT + 32
_NAME: Final = 56
"""Bytes of a string besides its text."""
_OBJECT: Final = 56
_DICT: Final = 240
_ITEM: Final = 56
"""Bytes of an item of a mapping besides key and value."""
_SET: Final = 216
_HANDLE: Final = SLOT + 160
_SHORT: Final = 32
"""Bytes of a text that is taken for one of wide characters without a look."""
_WIDEST: Final = tuple(bytes((byte,)) for byte in range(0xF0, 0xF5))

_read_size: Final = Struct("=QQ").unpack_from
_read_pointer: Final = Struct("=Q").unpack_from
_read_case: Final = Struct("=QQQ").unpack_from
_string_at = ctypes.string_at

Walk: TypeAlias = Callable[[bytes | bytearray, int, int], int]
"""``walk(block, at, most)`` weighs the value at that offset. It stops where it is more
than ``most``: what it returns then is only known to be more."""


@frozen
class Weight:
    """What values of a type weigh."""

    least: int
    """What each of them weighs; all, where there is no walk."""
    walk: Walk | None = None
    """Weighs one whose content decides."""

    def of(self, block: bytes | bytearray, at: int, most: int) -> int:
        """Weigh a value."""
        return self.least if self.walk is None else self.walk(block, at, most)


def weighing(type_: WitType) -> Weight:
    """Compile how to weigh values of a type."""
    match type_:
        case Scalar("string"):
            return Weight(_SCALARS["string"], weigh_text)
        case Scalar(name):
            return Weight(_SCALARS.get(name, _NUMBER))
        case List(Scalar("u8")):
            return Weight(SLOT + 40, _octets)
        case List(element):
            return _list(weighing(element))
        case Map():
            pair = weighing(type_.key), weighing(type_.value)
            return _map(*pair)
        case RecordType():
            fields = [weighing(each) for _, each in type_.fields]
            own = SLOT + _OBJECT + _DICT + 32 * len(fields)
            return _fields(own, fields, ENTRY, NAME)
        case Tuple():
            parts = [weighing(each) for each in type_.elements]
            return _fields(SLOT + _OBJECT, parts, VAL, 0)
        case VariantType():
            return _variant(type_)
        case Enum(names):
            return Weight(SLOT + _NAME + max(map(len, names)))
        case Flags(names):
            return Weight(SLOT + _SET + sum(96 + len(name) for name in names))
        case Option(some):
            return _option(weighing(some))
        case Result():
            return _result(type_)
        case Own() | Borrow() | Opaque():
            return Weight(_HANDLE)


def weigh_text(block: bytes | bytearray, at: int, most: int) -> int:
    """Weigh a string, as a `Walk` does."""
    size: int
    size, pointer = _read_size(block, at + 8)
    own = _SCALARS["string"]
    if size <= _SHORT:
        return own + 4 * size
    if own + size > most:
        return own + size
    text = _string_at(pointer, size)
    if text.isascii():
        return own + size
    return own + size * (4 if any(each in text for each in _WIDEST) else 2)


def _octets(block: bytes | bytearray, at: int, _most: int) -> int:
    return SLOT + 40 + int(_read_size(block, at + 8)[0])


def _list(element: Weight) -> Weight:
    own = SLOT + 64
    each, walk = element.least, element.walk

    def weigh(block: bytes | bytearray, at: int, most: int) -> int:
        size, pointer = _read_size(block, at + 8)
        total: int = own + size * each
        if walk is None or total > most:
            return total
        items = _string_at(pointer, size * VAL)
        for place in range(0, size * VAL, VAL):
            total += walk(items, place, most) - each
            if total > most:
                break
        return total

    return Weight(own, weigh)


def _map(key: Weight, value: Weight) -> Weight:
    own, each = SLOT + _DICT, key.least + value.least + _ITEM

    def weigh(block: bytes | bytearray, at: int, most: int) -> int:
        size, pointer = _read_size(block, at + 8)
        total: int = own + size * each
        if total > most or (key.walk is None and value.walk is None):
            return total
        items = _string_at(pointer, size * PAIR)
        for place in range(0, size * PAIR, PAIR):
            total += key.of(items, place, most) - key.least
            total += value.of(items, place + VAL, most) - value.least
            if total > most:
                break
        return total

    return Weight(own, weigh)


def _fields(own: int, fields: Sequence[Weight], step: int, first: int) -> Weight:
    least = own + sum(each.least for each in fields)
    plan = [
        (index * step + first, each.walk, each.least)
        for index, each in enumerate(fields)
        if each.walk is not None
    ]
    if not plan:
        return Weight(least)
    size = len(fields) * step

    def weigh(block: bytes | bytearray, at: int, most: int) -> int:
        items = _string_at(_read_size(block, at + 8)[1], size)
        total = least
        for place, walk, usual in plan:
            total += walk(items, place, most) - usual
            if total > most:
                break
        return total

    return Weight(least, weigh)


def _boxed(inner: Weight, own: int, pointer: int, most: int) -> int:
    if inner.walk is None:
        return own + inner.least
    return own + inner.walk(_string_at(pointer, VAL), 0, most)


def _variant(type_: VariantType) -> Weight:
    own = SLOT + _OBJECT + _NAME + max(len(name) for name, _ in type_.cases)
    inner = {
        name.encode(): weighing(case) for name, case in type_.cases if case is not None
    }
    if all(each.walk is None for each in inner.values()):
        return Weight(own + max((each.least for each in inner.values()), default=0))

    def weigh(block: bytes | bytearray, at: int, most: int) -> int:
        size, name, pointer = _read_case(block, at + 8)
        case = inner.get(_string_at(name, size))
        return own if case is None else _boxed(case, own, pointer, most)

    return Weight(own, weigh)


def _option(some: Weight) -> Weight:
    own = _OBJECT
    if some.walk is None:
        return Weight(own + some.least)

    def weigh(block: bytes | bytearray, at: int, most: int) -> int:
        pointer = _read_pointer(block, at + 8)[0]
        return _boxed(some, own, pointer, most) if pointer else SLOT

    return Weight(SLOT, weigh)


def _result(type_: Result) -> Weight:
    own = SLOT + _OBJECT
    ok, err = (
        None if each is None else weighing(each) for each in (type_.ok, type_.err)
    )
    both = [each for each in (ok, err) if each is not None]
    if all(each.walk is None for each in both):
        return Weight(own + max((each.least for each in both), default=0))

    def weigh(block: bytes | bytearray, at: int, most: int) -> int:
        inner = ok if block[at + 8] else err
        pointer = _read_pointer(block, at + 16)[0]
        return own if inner is None else _boxed(inner, own, pointer, most)

    return Weight(own, weigh)
