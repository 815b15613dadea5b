"""Call components of the world ``variants``.

Made by airssys 0.1.0: ``airssys bindgen variants.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self, TypeAlias

from airssys import Bindings, Err, Instance, Ok
from attrs import frozen


@frozen
class Point:
    """``record point { x: f32, y: f32 }``"""

    x: float
    y: float


@frozen
class ShapeNone:
    """The case ``none`` of `Shape`."""


@frozen
class ShapeDot:
    """The case ``dot`` of `Shape`."""

    value: Point


@frozen
class ShapeMany:
    """The case ``many`` of `Shape`."""

    value: list[Point]


@frozen
class ShapeLabelled:
    """The case ``labelled`` of `Shape`."""

    value: tuple[str, Point]


@frozen
class ShapeMaybe:
    """The case ``maybe`` of `Shape`."""

    value: Point | None


Shape: TypeAlias = ShapeNone | ShapeDot | ShapeMany | ShapeLabelled | ShapeMaybe
"""``variant shape { none, dot(point), many(list<point>), labelled(tuple<string,
point>), maybe(option<point>) }``
"""


@frozen
class SingleOnly:
    """The case ``only`` of `Single`."""

    value: int


Single: TypeAlias = SingleOnly
"""``variant single { only(u8) }``"""


@frozen
class OutcomeGood:
    """The case ``good`` of `Outcome`."""

    value: Ok[Shape] | Err[Single]


@frozen
class OutcomeBad:
    """The case ``bad`` of `Outcome`."""

    value: Ok[None] | Err[str]


@frozen
class OutcomeUgly:
    """The case ``ugly`` of `Outcome`."""

    value: Ok[None] | Err[None]


Outcome: TypeAlias = OutcomeGood | OutcomeBad | OutcomeUgly
"""``variant outcome { good(result<shape, single>), bad(result<_, string>),
ugly(result) }``
"""


class Shapes:
    """What a component exports as ``test:variants/shapes``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def area(self, shape: Shape) -> float:
        """``area: func(shape: shape) -> f32``"""
        _result: float = await self.instance.call("test:variants/shapes#area", shape)
        return _result

    async def try_it(self, outcomes: Sequence[Outcome]) -> Outcome | None:
        """``try-it: func(outcomes: list<outcome>) -> option<outcome>``"""
        _result: Outcome | None = await self.instance.call(
            "test:variants/shapes#try-it", outcomes
        )
        return _result

    async def one(self, single: Single) -> Single:
        """``one: func(single: single) -> single``"""
        _result: Single = await self.instance.call("test:variants/shapes#one", single)
        return _result


_WIT = """\
world variants {
  export test:variants/shapes: interface {
    record point { x: f32, y: f32 }
    variant shape { none, dot(point), many(list<point>), labelled(tuple<string, point>), maybe(option<point>) }
    variant single { only(u8) }
    variant outcome { good(result<shape, single>), bad(result<_, string>), ugly(result) }
    area: func(shape: shape) -> f32;
    try-it: func(outcomes: list<outcome>) -> option<outcome>;
    one: func(single: single) -> single;
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "export test:variants/shapes#point": Point,
        "export test:variants/shapes#shape": (
            ShapeNone,
            ShapeDot,
            ShapeMany,
            ShapeLabelled,
            ShapeMaybe,
        ),
        "export test:variants/shapes#single": (SingleOnly,),
        "export test:variants/shapes#outcome": (OutcomeGood, OutcomeBad, OutcomeUgly),
    },
)


class Exports:
    """What a component of the world ``variants`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.shapes = Shapes(instance)

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
