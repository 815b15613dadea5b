"""Values whose classes have code of their own: it runs once, when they are lowered."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest
from attrs import define, field

import airssys
from airssys.core.errors import ValueMismatch
from airssys.witmodel.types import Ok, Record, Variant

from .. import guests
from ..guests import PAD

pytestmark = pytest.mark.guest

_ROWS: Final = [(1, 2)] * 3
_TYPES: Final = {
    "r": '(record (field "the-rows" (list (tuple u8 u8))) (field "n" u8))',
    "v": '(variant (case "rows" (list (tuple u8 u8))) (case "none"))',
}
_PAIR: Final = "(tuple (list (tuple u8 u8)) u8)"


class Rows(NamedTuple):
    the_rows: list[tuple[int, int]]
    n: int


@define
class Counting:
    """A record that counts how often each field was read."""

    reads: list[str] = field(factory=list)

    @property
    def the_rows(self) -> list[tuple[int, int]]:
        self.reads.append("the_rows")
        return _ROWS

    @property
    def n(self) -> int:
        self.reads.append("n")
        return 7


class Asked(UserDict[str, Any]):
    def __init__(self, items: dict[str, Any]) -> None:
        super().__init__(items)
        self.asked: list[str] = []

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.append(key)
        return super().get(key, default)


class Refusing(tuple[Any, ...]):
    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        raise IndexError(index)


class Counted(list[Any]):
    """A list that counts how often it was gone through."""

    def __init__(self, items: Any) -> None:
        super().__init__(items)
        self.rounds = 0

    def __iter__(self) -> Iterator[Any]:
        self.rounds += 1
        return super().__iter__()


class Chosen(Variant):
    """A variant that fails where it is asked for its value twice."""

    def __init__(self) -> None:
        super().__init__("rows", _ROWS)
        self.reads: list[str]
        object.__setattr__(self, "reads", [])

    def __getattribute__(self, name: str) -> Any:
        if name in {"case", "value"}:
            object.__getattribute__(self, "reads").append(name)
        return object.__getattribute__(self, name)


async def test_fields_that_a_class_computes_are_read_once(make: Any) -> None:
    value = Counting()
    with await make(guests.echo("$r", _TYPES)) as instance:
        back = await instance.call("echo", value, PAD)

    assert back == Record(the_rows=_ROWS, n=7)
    assert value.reads == ["the_rows", "n"]


@pytest.mark.parametrize(
    "value",
    [
        Rows(_ROWS, 7),
        Record(the_rows=_ROWS, n=7),
        {"the_rows": _ROWS, "n": 7},
        {"the-rows": _ROWS, "n": 7},
    ],
)
async def test_a_record_weighs_the_same_whatever_it_is_given_as(
    make: Any, value: Any
) -> None:
    large: Any
    rows = [(1, 2)] * 200_000
    match value:
        case dict():
            large = {key: rows if key != "n" else 7 for key in value}
        case _:
            large = type(value)(the_rows=rows, n=7)
    limits = airssys.Limits(memory=2**24, values=2**20)
    with await make(guests.echo("$r", _TYPES), limits=limits) as instance:
        with pytest.raises(airssys.ValuesTooLarge, match="arguments of 'echo'"):
            await instance.call("echo", large, PAD)
        assert (await instance.call("echo", value, PAD)).the_rows == _ROWS


async def test_a_mapping_of_its_own_class_is_asked_once_for_each_field(
    make: Any,
) -> None:
    value = Asked({"the_rows": _ROWS, "n": 7})
    with await make(guests.echo("$r", _TYPES)) as instance:
        back = await instance.call("echo", value, PAD)

    assert back == Record(the_rows=_ROWS, n=7)
    assert value.asked == ["the-rows", "the_rows", "n", "n"]


async def test_a_tuple_that_refuses_its_items_is_read_as_it_is_gone_through(
    make: Any,
) -> None:
    with await make(guests.echo(_PAIR)) as instance:
        assert await instance.call("echo", Refusing((_ROWS, 7)), PAD) == (_ROWS, 7)
        with pytest.raises(ValueMismatch, match="tuple<list<tuple<u8, u8>>, u8>"):
            await instance.call("echo", Refusing((_ROWS, 7, 1)), PAD)


async def test_a_list_of_its_own_class_is_gone_through_once(make: Any) -> None:
    value = Counted([Counted(_ROWS), 7])
    with await make(guests.echo(_PAIR)) as instance:
        assert await instance.call("echo", value, PAD) == (_ROWS, 7)

    assert value.rounds == 1
    assert list.__getitem__(value, 0).rounds == 1


async def test_a_variant_of_its_own_class_is_asked_once(make: Any) -> None:
    value = Chosen()
    with await make(guests.echo("$v", _TYPES)) as instance:
        assert await instance.call("echo", value, PAD) == Variant("rows", _ROWS)

    assert value.reads == ["case", "value"]


async def test_what_pretends_to_be_of_another_class_is_refused_by_name(
    make: Any,
) -> None:
    class Pretender:
        @property
        def __class__(self) -> Any:  # what isinstance asks
            raise LookupError("asked")

        @__class__.setter
        def __class__(self, value: Any) -> None:
            raise TypeError

    with await make(guests.echo("(option (list (tuple u8 u8)))")) as instance:
        with pytest.raises(LookupError, match="asked"):
            await instance.call("echo", Pretender(), PAD)
        assert await instance.call("echo", _ROWS, PAD) == _ROWS


async def test_a_result_is_asked_once_for_what_it_holds(make: Any) -> None:
    type_ = "(tuple (result (list (tuple u8 u8)) (error (list (tuple u8 u8)))) u8)"
    value = Ok(Counted(_ROWS))
    with await make(guests.echo(type_)) as instance:
        assert await instance.call("echo", (value, 7), PAD) == (Ok(_ROWS), 7)

    assert value.value.rounds == 1
