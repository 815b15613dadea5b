"""Say how much the host passes to a guest, before it is lowered.

Only long lists and maps take long to lower: numbers, texts and bytes are copied. So
what has none of these in its type is not looked at, and of the rest no more than it
takes to know that it is too much. Weights are those of `weigh`.

No code of a value's own runs here: lowering runs it, once, and says what is wrong with
what it returns. So what a class computes, rather than stores, weighs nothing.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from inspect import getattr_static
from types import MemberDescriptorType, WrapperDescriptorType
from typing import Any, Final, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

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


class _Named(NamedTuple):
    at: int


_SIZED: Final = frozenset((list, tuple, range, array))
"""Whatever else is a sequence may run code of its own."""
_TEXTS: Final = (str, bytes, bytearray)
_READERS: Final = (MemberDescriptorType, type(_Named.at))
"""What reads a slot, and a field of a named tuple."""
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
    for base in _TEXTS:
        if issubclass(type(value), base):
            return base.__len__(value)
    return 0


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
        for one, other in list(value.items()):  # others may change it meanwhile
            total += 0 if key is None else key(one, most)
            total += 0 if item is None else item(other, most)
            if total > most:
                break
        return total

    return heft


def _stored(*names: str) -> Callable[[Any], Sequence[Any]]:
    """Return what reads attributes: all None where a class has code for one of them."""
    plain: WeakKeyDictionary[type, bool] = WeakKeyDictionary()
    none = (None,) * len(names)

    def read(value: Any) -> Sequence[Any]:
        cls = type(value)
        if (known := plain.get(cls)) is None:
            known = plain[cls] = _only_stores(cls, names)
        return [_attribute(value, name) for name in names] if known else none

    return read


def _attribute(value: Any, name: str) -> Any:
    try:
        return object.__getattribute__(value, name)
    except AttributeError:
        return None


def _only_stores(cls: type, names: Sequence[str]) -> bool:
    if type(getattr_static(cls, "__getattribute__")) is not WrapperDescriptorType:
        return False  # written in Python
    found = [getattr_static(cls, name, None) for name in names]
    return all(
        type(each) in _READERS or getattr_static(type(each), "__get__", None) is None
        for each in found
    )


def _record(fields: Sequence[tuple[str, WitType]]) -> Heft | None:
    plan = [
        (name, inner) for name, type_ in fields if (inner := hefting(type_)) is not None
    ]
    if not plan:
        return None
    inners = [inner for _, inner in plan]
    keys = [(snake(name), name) for name, _ in plan]
    attributes = _stored(*(attribute(name) for name, _ in plan))

    def heft(value: Any, most: int) -> int:
        found: Sequence[Any]
        if type(value) is dict:
            found = [value.get(key, value.get(name)) for key, name in keys]
        elif issubclass(type(value), Mapping):
            return 0
        else:
            found = attributes(value)
        total = 0
        for inner, one in zip(inners, found):
            total += inner(one, most)
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
        kind = type(value)
        if not issubclass(kind, tuple | list):
            return 0
        # A class of its own may answer otherwise than what it holds.
        base = tuple if issubclass(kind, tuple) else list
        found = list(base.__iter__(value))
        if len(found) != count:
            return 0
        return sum(inner(found[place], most) for place, inner in plan)

    return heft


def _variant(cases: Sequence[tuple[str, WitType | None]]) -> Heft | None:
    inner = {
        name: each
        for name, type_ in cases
        if type_ is not None and (each := hefting(type_)) is not None
    }
    if not inner:
        return None

    read = _stored("case", "value")

    def heft(value: Any, most: int) -> int:
        # Classes of typed bindings have no case: any of them may be meant.
        case, content = read(value)
        if type(case) is str:
            each = inner.get(case)
            return 0 if each is None else each(content, most)
        return max(each(content, most) for each in inner.values())

    return heft


def _option(some: Heft | None) -> Heft | None:
    if some is None:
        return None
    read = _stored("value")

    def heft(value: Any, most: int) -> int:
        content = read(value)[0] if issubclass(type(value), Some) else value
        return 0 if content is None else some(content, most)

    return heft


def _result(ok: Heft | None, err: Heft | None) -> Heft | None:
    if ok is None and err is None:
        return None
    read = _stored("value")

    def heft(value: Any, most: int) -> int:
        kind = type(value)
        side = ok if issubclass(kind, Ok) else err if issubclass(kind, Err) else None
        return 0 if side is None else side(read(value)[0], most)

    return heft
