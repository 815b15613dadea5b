"""Lift values that are large in pieces, with other tasks' turns between them.

What is lifted is weighed piece by piece before it is made (see `weigh`), so no more
than the limit and one piece is ever there. The pieces themselves are lifted as small
values are (see `lift`).
"""

from __future__ import annotations

import codecs
import ctypes
import threading
from collections.abc import Awaitable, Callable, Sequence
from struct import Struct
from typing import Any, Final, TypeAlias

import anyio.lowlevel
from attrs import define

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
    VariantType,
    WitType,
)
from .. import _ffi
from .._ffi import VAL
from .kept import Handles
from .layout import ENTRY, NAME, PAIR
from .lift import lifting, record_maker, variant_maker
from .octets import coding_of
from .weigh import SLOT, weigh_text, weighing

__all__ = ("PIECE", "Held", "Meter", "Pieces", "TooHeavy", "piecewise")

PIECE: Final = 64 * 1024
"""Bytes of values, as they lie in Python, that are lifted at a stretch: about 1 ms."""
_TEXT: Final = 1024 * 1024
"""Bytes of a text that are decoded at a stretch."""
_ITEMS: Final = 512

_head: Final = Struct("=8xQQ8x").pack
_read_size: Final = Struct("=QQ").unpack_from
_read_pointer: Final = Struct("=Q").unpack_from
_read_case: Final = Struct("=QQQ").unpack_from
_string_at = ctypes.string_at

_Block: TypeAlias = bytes | bytearray


class TooHeavy(Exception):
    """The values of one call weigh more than they may."""


@define
class Meter:
    """What one call's values may still weigh."""

    left: int
    taken: int = 0
    _since: int = 0

    def take(self, weight: int) -> None:
        """Count what is about to be made. Raises `TooHeavy`."""
        if weight > self.left:
            raise TooHeavy
        self.left -= weight
        self.taken += weight
        self._since += weight

    async def pause(self) -> None:
        """Let other tasks run, and a cancel arrive, once a piece was made."""
        if self._since > PIECE:
            self._since = 0
            await anyio.lowlevel.checkpoint()


class Held:
    """Values in C memory that were taken from where C would have freed them."""

    __slots__ = ("_count", "_memory", "block")

    def __init__(self, at: int, count: int) -> None:
        size = count * VAL
        self._count = count
        self._memory: Any = ctypes.create_string_buffer(size)
        ctypes.memmove(self._memory, at, size)
        ctypes.memset(at, 0, size)  # false, which holds nothing
        self.block: bytes = self._memory.raw[:size]

    def delete(self) -> None:
        """Free them, in a thread: there may be a million, each by itself.

        Nothing waits for it, as whoever has them may be cancelled.
        """
        memory, count = self._memory, self._count
        self._count = 0

        def delete() -> None:
            for index in range(count):
                _ffi.val_delete_slowly(ctypes.addressof(memory) + index * VAL)

        if count:
            threading.Thread(target=delete, daemon=True).start()

    def __del__(self) -> None:
        self.delete()


Pieces: TypeAlias = Callable[[_Block, int, Handles, Meter], Awaitable[Any]]
"""``await pieces(block, at, handles, meter)`` reads the value at that offset."""
_Child: TypeAlias = tuple[Pieces, _Block, int]
_Open: TypeAlias = Callable[
    [_Block, int], tuple[Sequence[_Child], Callable[[list[Any]], Any]]
]
"""Returns what a value holds, and what makes it of that."""


def piecewise(type_: WitType, shapes: Shapes) -> Pieces:
    """Compile a type."""
    weight, lift = weighing(type_), lifting(type_, shapes)
    heavy = _heavy(type_, shapes) if weight.walk is not None else None

    async def pieces(block: _Block, at: int, handles: Handles, meter: Meter) -> Any:
        weighs = weight.of(block, at, PIECE)
        if heavy is not None and weighs > PIECE:
            return await heavy(block, at, handles, meter)
        meter.take(weighs)
        value = lift(block, at, handles)
        await meter.pause()
        return value

    return pieces


def _heavy(type_: WitType, shapes: Shapes) -> Pieces:
    """Return what lifts a value that weighs more than a piece."""
    match type_:
        case List(Scalar("u8")):
            return _octets if shapes.lane else _bytes
        case List():
            return _list(type_, shapes)
        case Map():
            return _map(type_, shapes)
        case RecordType():
            inner = [piecewise(each, shapes) for _, each in type_.fields]
            make = record_maker(type_, shapes)
            return _opened(_fields(inner, ENTRY, NAME, make))
        case Tuple():
            inner = [piecewise(each, shapes) for each in type_.elements]
            return _opened(_fields(inner, VAL, 0, tuple))
        case VariantType():
            return _opened(_variant(type_, shapes))
        case Option():
            return _opened(_option(type_, shapes))
        case Result():
            return _opened(_result(type_, shapes))
        case Scalar() | Enum() | Flags() | Own() | Borrow() | Opaque():
            return _text  # of these only a string can be large


def _opened(open_: _Open) -> Pieces:
    async def lift(block: _Block, at: int, handles: Handles, meter: Meter) -> Any:
        children, make = open_(block, at)
        meter.take(SLOT + 8 * SLOT + SLOT * len(children))
        values = [
            await pieces(each, place, handles, meter)
            for pieces, each, place in children
        ]
        return make(values)

    return lift


async def _text(block: _Block, at: int, _: Handles, meter: Meter) -> str:
    size, pointer = _read_size(block, at + 8)
    if size <= _TEXT:
        meter.take(weigh_text(block, at, meter.left))
        text = _string_at(pointer, size).decode()
        await meter.pause()
        return text
    decode = codecs.getincrementaldecoder("utf-8")().decode
    meter.take(SLOT)
    parts, length, width = [], 0, 1
    for start in range(0, size, _TEXT):
        part = decode(_string_at(pointer + start, min(_TEXT, size - start)))
        # One wide character makes all of the text as wide.
        own = 1 if part.isascii() else min(4, (part.__sizeof__() - 72) // len(part))
        grown = (length + len(part)) * max(width, own) - length * width
        length, width = length + len(part), max(width, own)
        meter.take(grown)
        parts.append(part)
        await meter.pause()
    return "".join(parts)


async def _octets(block: _Block, at: int, _: Handles, meter: Meter) -> bytes:
    size, pointer = _read_size(block, at + 8)
    coding = coding_of(_string_at(pointer, min(size, 2)), size)
    meter.take(coding.size)
    parts, left = [], coding.size
    for start in range(coding.begin, size, _TEXT):
        text = _string_at(pointer + start, min(_TEXT, size - start))
        parts.append(coding.decode(text, left))
        left -= len(parts[-1])
        await anyio.lowlevel.checkpoint()
    return b"".join(parts)


async def _bytes(block: _Block, at: int, _: Handles, meter: Meter) -> bytes:
    size, pointer = _read_size(block, at + 8)
    meter.take(size)
    parts, step = [], _TEXT // VAL
    for start in range(0, size, step):
        count = min(step, size - start)
        parts.append(_string_at(pointer + start * VAL, count * VAL)[8::VAL])
        await anyio.lowlevel.checkpoint()
    return b"".join(parts)


def _list(type_: List, shapes: Shapes) -> Pieces:
    weight, lift_all = weighing(type_.element), lifting(type_, shapes)
    lift, inner = lifting(type_.element, shapes), piecewise(type_.element, shapes)
    each, walk = weight.least, weight.walk

    async def lift_list(
        block: _Block, at: int, handles: Handles, meter: Meter
    ) -> list[Any]:
        size, pointer = _read_size(block, at + 8)
        if size * each > meter.left:
            raise TooHeavy
        values: list[Any] = []
        for start in range(0, size, _ITEMS):
            count = min(_ITEMS, size - start)
            first = pointer + start * VAL
            if walk is None:
                meter.take(count * each)
                values += lift_all(_head(count, first), 0, handles)
            else:
                items = _string_at(first, count * VAL)
                for place in range(0, count * VAL, VAL):
                    weighs = walk(items, place, PIECE)
                    if weighs > PIECE:
                        values.append(await inner(items, place, handles, meter))
                        continue
                    meter.take(weighs)
                    values.append(lift(items, place, handles))
                    await meter.pause()
            await meter.pause()
        return values

    return lift_list


def _map(type_: Map, shapes: Shapes) -> Pieces:
    key, value = piecewise(type_.key, shapes), piecewise(type_.value, shapes)
    each = weighing(type_.key).least + weighing(type_.value).least

    async def lift(
        block: _Block, at: int, handles: Handles, meter: Meter
    ) -> dict[Any, Any]:
        size, pointer = _read_size(block, at + 8)
        if size * each > meter.left:
            raise TooHeavy
        values: dict[Any, Any] = {}
        for start in range(0, size, _ITEMS):
            count = min(_ITEMS, size - start)
            items = _string_at(pointer + start * PAIR, count * PAIR)
            meter.take(count * 7 * SLOT)
            for place in range(0, count * PAIR, PAIR):
                one = await key(items, place, handles, meter)
                values[one] = await value(items, place + VAL, handles, meter)
        return values

    return lift


def _fields(
    inner: Sequence[Pieces], step: int, first: int, make: Callable[[list[Any]], Any]
) -> _Open:
    size = len(inner) * step

    def open_(
        block: _Block, at: int
    ) -> tuple[Sequence[_Child], Callable[[list[Any]], Any]]:
        items = _string_at(_read_size(block, at + 8)[1], size)
        return [
            (each, items, index * step + first) for index, each in enumerate(inner)
        ], make

    return open_


def _boxed(
    inner: Pieces | None, pointer: int, make: Callable[[Any], Any]
) -> tuple[Sequence[_Child], Callable[[list[Any]], Any]]:
    if inner is None:
        return [], lambda _: make(None)
    return [(inner, _string_at(pointer, VAL), 0)], lambda values: make(values[0])


def _variant(type_: VariantType, shapes: Shapes) -> _Open:
    cases = {
        name: None if case is None else piecewise(case, shapes)
        for name, case in type_.cases
    }
    make = variant_maker(type_, shapes)

    def open_(
        block: _Block, at: int
    ) -> tuple[Sequence[_Child], Callable[[list[Any]], Any]]:
        size, name, pointer = _read_case(block, at + 8)
        case = _string_at(name, size).decode()
        return _boxed(cases[case], pointer, lambda value: make(case, value))

    return open_


def _option(type_: Option, shapes: Shapes) -> _Open:
    inner = piecewise(type_.some, shapes)
    make = Some if isinstance(type_.some, Option) else lambda value: value

    def open_(
        block: _Block, at: int
    ) -> tuple[Sequence[_Child], Callable[[list[Any]], Any]]:
        return _boxed(inner, _read_pointer(block, at + 8)[0], make)

    return open_


def _result(type_: Result, shapes: Shapes) -> _Open:
    ok = None if type_.ok is None else piecewise(type_.ok, shapes)
    err = None if type_.err is None else piecewise(type_.err, shapes)

    def open_(
        block: _Block, at: int
    ) -> tuple[Sequence[_Child], Callable[[list[Any]], Any]]:
        pointer = _read_pointer(block, at + 16)[0]
        return _boxed(ok, pointer, Ok) if block[at + 8] else _boxed(err, pointer, Err)

    return open_
