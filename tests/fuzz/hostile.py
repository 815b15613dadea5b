"""Values that lie about themselves, or raise, or change while they are read."""

from __future__ import annotations

import collections
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from attrs import define
from hypothesis import strategies as st

from airssys.witmodel.types import Err, Ok, Record, Some, Variant

__all__ = ("Own", "disguised", "raisers")


class Own(Exception):
    """What a hostile value's own code raises."""


class OwnBase(BaseException):
    """What nobody should catch."""


RAISED: Final = (Own, OwnBase, ZeroDivisionError, RecursionError, ValueError, KeyError)
"""Classes of what is raised."""


_METHODS: Final = (
    *("__getattr__", "__len__", "__iter__", "__index__", "__float__", "__int__"),
    *("__bool__", "keys", "items", "get", "values", "__getitem__", "__eq__"),
    *("__contains__", "__call__", "__await__", "__bytes__", "__buffer__", "__str__"),
    *("__repr__", "encode", "__reversed__", "__next__", "__length_hint__"),
)


def raisers(raised: BaseException) -> list[Any]:
    """Return values all of whose code raises."""

    def fail(*_: Any, **__: Any) -> Any:
        raise raised

    body: dict[str, Any] = dict.fromkeys(_METHODS, fail)
    body["__hash__"] = object.__hash__
    bases: list[tuple[type, ...]] = [
        *((), (str,), (bytes,), (bytearray,), (int,), (float,), (list,), (tuple,)),
        *((dict,), (set,), (frozenset,), (Record,), (collections.UserList,)),
    ]
    made: list[Any] = []
    for base in bases:
        class_: Any = type(f"Raiser{len(made)}", base, dict(body))
        made.append(class_.__new__(class_))
    made.append(type("RaiserSequence", (Sequence,), dict(body))())
    made.append(type("RaiserMapping", (Mapping,), dict(body))())

    class Masked:
        __class__ = property(fail)

    made.append(Masked())
    return made


_counter: Final = itertools.count()


class Text(str):
    __slots__ = ()

    def __len__(self) -> int:
        return next(_counter) % 5

    def encode(self, *_: Any) -> Any:
        return (b"\xff", "text", None, b"a" * 100)[next(_counter) % 4]

    def __getitem__(self, key: Any) -> Any:
        return "\ud800"

    def __iter__(self) -> Iterator[str]:
        return iter(())


class Octets(bytes):
    def __bytes__(self) -> bytes:
        return self

    def __len__(self) -> int:
        return (3, 10**6, 0)[next(_counter) % 3]

    def __iter__(self) -> Iterator[int]:
        return iter(())


class Octets2(bytearray):
    def __len__(self) -> int:
        return (3, 10**6, 0)[next(_counter) % 3]

    def __bytes__(self) -> bytes:
        return Octets(b"other")


class Number(int):
    def __index__(self) -> int:
        return 10**30

    def __repr__(self) -> str:
        raise Own

    __float__ = __index__


class Row(list[Any]):
    """A list whose length is another each time."""

    def __len__(self) -> int:
        return (list.__len__(self), 0, 10**6, sys.maxsize)[next(_counter) % 4]

    def __bool__(self) -> bool:
        return False

    def __getitem__(self, index: Any) -> Any:
        raise IndexError


class Shrinking(list[Any]):
    """A list that loses elements while it is read."""

    def __iter__(self) -> Iterator[Any]:
        for item in list.__iter__(self):
            yield item
            if self:
                self.pop()


class Growing(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        for item in list(list.__iter__(self)):
            self.append(item)
            yield item
            yield item


class Pair(tuple[Any, ...]):
    __slots__ = ()

    def __len__(self) -> int:
        return (tuple.__len__(self), 0, 10**6)[next(_counter) % 3]

    def __iter__(self) -> Iterator[Any]:
        items = tuple.__iter__(self)
        return itertools.islice(items, next(_counter) % 4)

    def __getitem__(self, index: Any) -> Any:
        raise IndexError


class Table(dict[Any, Any]):
    """A dict that says another thing each time."""

    def __len__(self) -> int:
        return (dict.__len__(self), 0, 10**6)[next(_counter) % 3]

    def items(self) -> Any:
        return ([(1,)], dict.items(self), [1], ["ab"], [])[next(_counter) % 5]

    def keys(self) -> Any:
        return (["x"], dict.keys(self))[next(_counter) % 2]

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain(dict.__iter__(self), ("more",) * (next(_counter) % 2))

    def get(self, key: Any, default: Any = None) -> Any:
        return (default, dict.get(self, key, default), self)[next(_counter) % 3]


class Emptied:
    """Empties a list when it is read as a number."""

    def __init__(self, whole: list[Any]) -> None:
        self.whole = whole

    def __index__(self) -> int:
        self.whole.clear()
        return 1


@define
class Lookalike:
    """An object with the fields of a record, each read once."""

    fields: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields.pop(name)
        except KeyError:
            raise AttributeError(name) from None


Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]


def disguised(draw: Draw, value: Any) -> Any:
    """Return a right value with some of its parts in the clothes of a liar."""
    if draw(st.integers(0, 3)) == 0:
        return _liar(draw, value)
    match value:
        case list():
            return [disguised(draw, each) for each in value]
        case tuple():
            return tuple(disguised(draw, each) for each in value)
        case dict():
            return {key: disguised(draw, each) for key, each in value.items()}
        case Record():
            fields = {k: disguised(draw, v) for k, v in vars(value).items()}
            return draw(st.sampled_from((Record(**fields), fields)))
        case Variant(case, inner) if inner is not None:
            return Variant(case, disguised(draw, inner))
        case Some(inner) | Ok(inner) | Err(inner):
            return type(value)(disguised(draw, inner))
        case _:
            return _liar(draw, value)


def _liar(draw: Draw, value: Any) -> Any:
    match value:
        case bool() | None:
            return value
        case str():
            return Text(value)
        case bytes():
            return draw(st.sampled_from((Octets, Octets2)))(value)
        case int():
            return Number(value)
        case list() if value:
            kind = draw(st.sampled_from((Row, Shrinking, Growing, None)))
            if kind is not None:
                return kind(value)
            emptied = list(value)
            emptied[0] = Emptied(emptied)
            return emptied
        case tuple() if value:
            if draw(st.booleans()):
                return Pair(value)
            row: list[Any] = list(value)
            row[0] = Emptied(row)
            return draw(st.sampled_from((row, Row(value), Shrinking(value))))
        case dict():
            return Table(value)
        case Record():
            fields = dict(vars(value))
            return draw(st.sampled_from((Table(fields), Lookalike(fields))))
        case frozenset():
            return draw(st.sampled_from((Row(value), Shrinking(value), Pair(value))))
        case _:
            return value
