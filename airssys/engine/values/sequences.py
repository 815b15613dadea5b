"""Lower lists and maps, which have no fixed size."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ...witmodel.types import Map, Scalar, WitType
from .._ffi import VAL
from .kept import Kept, Lowering
from .layout import NUMBERS, PAIR, Kind, Mismatch, numbers, pin, write_head

__all__ = ("elements", "lower_list", "lower_map", "shown_key")

_LIST: Final = Kind.LIST
_MAP: Final = Kind.MAP


def elements(value: Any, expected: str) -> list[Any]:
    """Read a value once: C would read past elements that are not there."""
    try:
        return list(value)
    except (MemoryError, OverflowError):
        raise Mismatch(f"{expected} that fits into memory", value) from None


def lower_list(element: WitType, inner: Lowering) -> Lowering:
    """Lower a list, given how its elements are lowered."""
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
        values = elements(value, name)
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


def lower_map(type_: Map, key: Lowering, item: Lowering) -> Lowering:
    """Lower a map, given how its keys and values are lowered."""
    tails = len(key.template) + len(item.template)
    template = key.template + item.template

    def write(
        block: bytearray, head: int, _t: int, _b: int, keep: Kept, value: Any
    ) -> None:
        if not isinstance(value, Mapping):
            raise Mismatch(str(type_), value)
        pairs = elements(value.items(), str(type_))
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
                raise mismatch.within(f"[{shown_key(one)}]") from None
        keep.append(items)
        write_head(block, head, _MAP, size, base)

    return Lowering(write)


def shown_key(key: object) -> str:
    """Show a mapping's key; never raise."""
    try:
        text = repr(key)
    except Exception:  # noqa: BLE001 - keys may be of any class
        text = type(key).__name__
    return text if len(text) <= 20 else f"{text[:17]}..."


def _strided(element: WitType) -> Callable[[list[Any]], bytearray | None]:
    """Return what lowers a list of numbers without a step of Python for each."""
    assert isinstance(element, Scalar)
    number = NUMBERS[element.name]
    code = number.code
    cast: Any = code  # a str whose letters mypy would want to see one by one
    size = struct.calcsize(code)
    value = bytes((number.kind, *bytes(VAL - 1)))

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
