"""Call components of the world ``records``.

Made by airssys 0.1.0: ``airssys bindgen records.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self, TypeAlias

from airssys import Answer, Bindings, Call, Err, HostInterface, Instance, Ok, Some
from attrs import field, frozen


@frozen
class Point:
    """``record point { x: s32, y-axis: f64 }``"""

    x: int
    y_axis: float


@frozen
class Trip:
    """``record trip { from: point, to: point, class: string, async: bool, none:
    option<u8>, self: u8 }``
    """

    from_: Point
    to: Point
    class_: str
    async_: bool
    none: int | None
    self: int = field(alias="self_")


@frozen
class Bag:
    """``record bag { points: list<point>, named: option<trip>, pairs:
    list<tuple<string, list<u8>>>, corner: tuple<point, point>, outcome:
    result<point, string>, depth: option<option<u32>> }``
    """

    points: list[Point]
    named: Trip | None
    pairs: list[tuple[str, bytes]]
    corner: tuple[Point, Point]
    outcome: Ok[Point] | Err[str]
    depth: Some[int | None] | None


Key: TypeAlias = str


Keys: TypeAlias = list[str]


class HostOps(Protocol):
    """What a host offers as ``test:records/ops@1.2.0``: see `offer_ops`."""

    def swap(self, call: Call[Any], point: Point, /) -> Answer[Point]:
        """``swap: func(point: point) -> point``"""
        ...

    def turn(self, call: Call[Any], trip: Trip, /) -> Answer[Trip]:
        """``turn: func(trip: trip) -> trip``"""
        ...

    def fill(
        self, call: Call[Any], bag: Bag, from_: Point | None, lambda_: list[str], /
    ) -> Answer[Bag]:
        """``fill: func(bag: bag, from: option<point>, lambda: list<string>) -> bag``"""
        ...

    def many(self, call: Call[Any], bags: list[Bag], /) -> Answer[Sequence[Bag]]:
        """``many: func(bags: list<bag>) -> list<bag>``"""
        ...


class Ops:
    """What a component exports as ``test:records/ops@1.2.0``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def swap(self, point: Point) -> Point:
        """``swap: func(point: point) -> point``"""
        _result: Point = await self.instance.call("test:records/ops@1.2.0#swap", point)
        return _result

    async def turn(self, trip: Trip) -> Trip:
        """``turn: func(trip: trip) -> trip``"""
        _result: Trip = await self.instance.call("test:records/ops@1.2.0#turn", trip)
        return _result

    async def fill(self, bag: Bag, from_: Point | None, lambda_: Sequence[str]) -> Bag:
        """``fill: func(bag: bag, from: option<point>, lambda: list<string>) -> bag``"""
        _result: Bag = await self.instance.call(
            "test:records/ops@1.2.0#fill", bag, from_, lambda_
        )
        return _result

    async def many(self, bags: Sequence[Bag]) -> list[Bag]:
        """``many: func(bags: list<bag>) -> list<bag>``"""
        _result: list[Bag] = await self.instance.call(
            "test:records/ops@1.2.0#many", bags
        )
        return _result


_WIT = """\
world records {
  import test:records/types@1.2.0: interface {
    record point { x: s32, y-axis: f64 }
    record trip { from: point, to: point, class: string, async: bool, none: option<u8>, self: u8 }
    type key = string;
    record bag { points: list<point>, named: option<trip>, pairs: list<tuple<string, list<u8>>>, corner: tuple<point, point>, outcome: result<point, string>, depth: option<option<u32>> }
    type keys = list<string>;
  }
  import test:records/ops@1.2.0: interface {
    use test:records/types@1.2.0.{point, trip, bag, keys};
    swap: func(point: point) -> point;
    turn: func(trip: trip) -> trip;
    fill: func(bag: bag, from: option<point>, lambda: list<string>) -> bag;
    many: func(bags: list<bag>) -> list<bag>;
  }
  export test:records/ops@1.2.0: interface {
    use test:records/types@1.2.0.{point, trip, bag, keys};
    swap: func(point: point) -> point;
    turn: func(trip: trip) -> trip;
    fill: func(bag: bag, from: option<point>, lambda: list<string>) -> bag;
    many: func(bags: list<bag>) -> list<bag>;
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import test:records/types@1.2.0#point": Point,
        "import test:records/types@1.2.0#trip": Trip,
        "import test:records/types@1.2.0#bag": Bag,
    },
)


def offer_ops(implementation: HostOps, /) -> HostInterface:
    """Offer an object's methods as ``test:records/ops@1.2.0``."""
    return _BINDINGS.offer("test:records/ops@1.2.0", implementation)


class Exports:
    """What a component of the world ``records`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.ops = Ops(instance)

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
