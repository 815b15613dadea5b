"""Say how much the host passes to a guest, before it is lowered.

Only long lists and maps take long to lower: numbers, texts and bytes are copied. So
what has none of these in its type is not looked at, and of the rest no more than it
takes to know that it is too much. Weights are those of `weigh`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

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
    Some,
    Tuple,
    VariantType,
    WitType,
    attribute,
    snake,
)
from .weigh import weighing

__all__ = ("Heft", "hefting")

Heft: TypeAlias = Callable[[Any, int], int]
"""``heft(value, most)`` weighs a value that fits its type, in bytes as it lies in
Python. It stops where it is more than ``most``. What does not fit weighs nothing: to
lower it says why."""
_SIZED: Final = frozenset((list, tuple, range, array))
"""Whatever else is a sequence runs code of its own, which lowering calls once."""
_ENTRY: Final = 56
"""Bytes of an item of a mapping besides key and value."""


def hefting(type_: WitType) -> Heft | None:
    """Compile a type; None: its values hold no list and no map."""
    match type_:
        case List(Scalar("u8")) | Scalar() | Enum() | Flags():
            return None
        case Own() | Borrow() | Opaque():
            return None
        case List(element):
            return _list(element)
        case Map():
            return _map(type_)
        case RecordType(fields):
            return _record(fields)
        case Tuple(elements):
            return _tuple(elements)
        case VariantType(cases):
            return _variant(cases)
        case Option(some):
            return _option(hefting(some))
        case Result(ok, err):
            return _result(_if_any(ok), _if_any(err))


def _if_any(type_: WitType | None) -> Heft | None:
    return None if type_ is None else hefting(type_)


def _within(type_: WitType) -> Heft | None:
    """Compile what stands in a list, where texts and bytes count too."""
    match type_:
        case Scalar("string") | List(Scalar("u8")):
            return _length
        case _:
            return hefting(type_)


def _length(value: Any, _most: int) -> int:
    return len(value) if isinstance(value, str | bytes | bytearray) else 0


def _list(element: WitType) -> Heft:
    each, inner = weighing(element).least, _within(element)

    def heft(value: Any, most: int) -> int:
        if type(value) not in _SIZED:
            return 0
        try:
            total = len(value) * each
        except OverflowError:  # such a range
            return 0
        if inner is None or total > most:
            return total
        for one in value:
            total += inner(one, most)
            if total > most:
                break
        return total

    return heft


def _map(type_: Map) -> Heft:
    each = weighing(type_.key).least + weighing(type_.value).least + _ENTRY
    key, item = _within(type_.key), _within(type_.value)

    def heft(value: Any, most: int) -> int:
        if type(value) is not dict:
            return 0
        total = len(value) * each
        if total > most or (key is None and item is None):
            return total
        for one, other in value.items():
            total += 0 if key is None else key(one, most)
            total += 0 if item is None else item(other, most)
            if total > most:
                break
        return total

    return heft


def _record(fields: Sequence[tuple[str, WitType]]) -> Heft | None:
    plan = [
        (snake(name), attribute(name), inner)
        for name, type_ in fields
        if (inner := hefting(type_)) is not None
    ]
    if not plan:
        return None

    def heft(value: Any, most: int) -> int:
        total = 0
        for key, name, inner in plan:
            if isinstance(value, Mapping):
                field = value.get(key)
            else:
                field = getattr(value, name, None)
            total += inner(field, most)
            if total > most:
                break
        return total

    return heft


def _tuple(elements: Sequence[WitType]) -> Heft | None:
    plan = [
        (place, inner)
        for place, type_ in enumerate(elements)
        if (inner := hefting(type_)) is not None
    ]
    if not plan:
        return None
    count = len(elements)

    def heft(value: Any, most: int) -> int:
        if not isinstance(value, tuple | list) or len(value) != count:
            return 0
        return sum(inner(value[place], most) for place, inner in plan)

    return heft


def _variant(cases: Sequence[tuple[str, WitType | None]]) -> Heft | None:
    inner = {
        name: each
        for name, type_ in cases
        if type_ is not None and (each := hefting(type_)) is not None
    }
    if not inner:
        return None

    def heft(value: Any, most: int) -> int:
        # Classes of typed bindings have no case: any of them may be meant.
        case = getattr(value, "case", None)
        chosen = inner.values() if case is None else (inner.get(case),)
        content = getattr(value, "value", None)
        return max(
            (each(content, most) for each in chosen if each is not None), default=0
        )

    return heft


def _option(some: Heft | None) -> Heft | None:
    if some is None:
        return None

    def heft(value: Any, most: int) -> int:
        content = value.value if isinstance(value, Some) else value
        return 0 if content is None else some(content, most)

    return heft


def _result(ok: Heft | None, err: Heft | None) -> Heft | None:
    if ok is None and err is None:
        return None

    def heft(value: Any, most: int) -> int:
        match value:
            case Ok(value=content) if ok is not None:
                return ok(content, most)
            case Err(value=content) if err is not None:
                return err(content, most)
            case _:
                return 0

    return heft
