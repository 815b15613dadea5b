"""Call components of the world ``geometry``.

Made by airssys 0.1.0: ``airssys bindgen geometry.wat``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

import enum
from typing import Any, ClassVar, Protocol, Self, TypeAlias

from airssys import Answer, Bindings, Call, Err, HostInterface, Instance, Ok, Some
from attrs import frozen


class Level(enum.StrEnum):
    """``enum level { low, mid-high }``"""

    LOW = "low"
    MID_HIGH = "mid-high"


class Rights(enum.Flag):
    """``flags rights { read, write, run-it }``"""

    READ = 1
    WRITE = 1 << 1
    RUN_IT = 1 << 2


@frozen
class Point:
    """``record point { x: s32, y-axis: f64 }``"""

    x: int
    y_axis: float


@frozen
class Line:
    """``record line { from: point, to: point, name: string }``"""

    from_: Point
    to: Point
    name: str


@frozen
class ShapeNone:
    """The case ``none`` of `Shape`."""


@frozen
class ShapeDot:
    """The case ``dot`` of `Shape`."""

    value: Point


@frozen
class ShapeRaw:
    """The case ``raw`` of `Shape`."""

    value: bytes


Shape: TypeAlias = ShapeNone | ShapeDot | ShapeRaw
"""``variant shape { none, dot(point), raw(list<u8>) }``"""


@frozen
class Tree:
    """``record tree { level: level, rights: rights, shapes: list<shape>, maybe:
    option<line>, outcome: result<point, string>, depth: option<option<u32>> }``
    """

    level: Level
    rights: Rights
    shapes: list[Shape]
    maybe: Line | None
    outcome: Ok[Point] | Err[str]
    depth: Some[int | None] | None


class Host(Protocol):
    """What a host offers as ``test:geometry/host@1.0.0``: see `offer_host`."""

    def pass_(
        self,
        call: Call[Any],
        tree: Tree,
        pad: tuple[
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
        ],
        /,
    ) -> Answer[Tree]:
        """``pass: func(tree: tree, pad: tuple<u32, u32, u32, u32, u32, u32, u32,
        u32, u32, u32, u32, u32, u32, u32, u32, u32>) -> tree``
        """
        ...

    def measure(self, call: Call[Any], shape: Shape, /) -> Answer[float]:
        """``measure: func(shape: shape) -> result<f64, level>``

        Raises:
            WitError: Its value is of type ``Level``.
        """
        ...


class Echoes:
    """What a component exports as ``test:geometry/echoes@1.0.0``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def echo(
        self,
        tree: Tree,
        pad: tuple[
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
        ],
    ) -> Tree:
        """``echo: func(tree: record { level: enum { low, mid-high }, rights: flags {
        read, write, run-it }, shapes: list<variant { none, dot(record { x: s32,
        y-axis: f64 }), raw(list<u8>) }>, maybe: option<record { from: record { x:
        s32, y-axis: f64 }, to: record { x: s32, y-axis: f64 }, name: string }>,
        outcome: result<record { x: s32, y-axis: f64 }, string>, depth:
        option<option<u32>> }, pad: tuple<u32, u32, u32, u32, u32, u32, u32, u32,
        u32, u32, u32, u32, u32, u32, u32, u32>) -> record { level: enum { low,
        mid-high }, rights: flags { read, write, run-it }, shapes: list<variant {
        none, dot(record { x: s32, y-axis: f64 }), raw(list<u8>) }>, maybe:
        option<record { from: record { x: s32, y-axis: f64 }, to: record { x: s32,
        y-axis: f64 }, name: string }>, outcome: result<record { x: s32, y-axis:
        f64 }, string>, depth: option<option<u32>> }``
        """
        _result: Tree = await self.instance.call(
            "test:geometry/echoes@1.0.0#echo", tree, pad
        )
        return _result

    async def relay(
        self,
        tree: Tree,
        pad: tuple[
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
            int,
        ],
    ) -> Tree:
        """``relay: func(tree: record { level: enum { low, mid-high }, rights: flags
        { read, write, run-it }, shapes: list<variant { none, dot(record { x: s32,
        y-axis: f64 }), raw(list<u8>) }>, maybe: option<record { from: record { x:
        s32, y-axis: f64 }, to: record { x: s32, y-axis: f64 }, name: string }>,
        outcome: result<record { x: s32, y-axis: f64 }, string>, depth:
        option<option<u32>> }, pad: tuple<u32, u32, u32, u32, u32, u32, u32, u32,
        u32, u32, u32, u32, u32, u32, u32, u32>) -> record { level: enum { low,
        mid-high }, rights: flags { read, write, run-it }, shapes: list<variant {
        none, dot(record { x: s32, y-axis: f64 }), raw(list<u8>) }>, maybe:
        option<record { from: record { x: s32, y-axis: f64 }, to: record { x: s32,
        y-axis: f64 }, name: string }>, outcome: result<record { x: s32, y-axis:
        f64 }, string>, depth: option<option<u32>> }``
        """
        _result: Tree = await self.instance.call(
            "test:geometry/echoes@1.0.0#relay", tree, pad
        )
        return _result


_WIT = """\
world geometry {
  import test:geometry/host@1.0.0: interface {
    enum level { low, mid-high }
    flags rights { read, write, run-it }
    record point { x: s32, y-axis: f64 }
    record line { from: point, to: point, name: string }
    variant shape { none, dot(point), raw(list<u8>) }
    record tree { level: level, rights: rights, shapes: list<shape>, maybe: option<line>, outcome: result<point, string>, depth: option<option<u32>> }
    pass: func(tree: tree, pad: tuple<u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32>) -> tree;
    measure: func(shape: shape) -> result<f64, level>;
  }
  use test:geometry/host@1.0.0.{shape, level};
  export test:geometry/echoes@1.0.0: interface {
    echo: func(tree: record { level: enum { low, mid-high }, rights: flags { read, write, run-it }, shapes: list<variant { none, dot(record { x: s32, y-axis: f64 }), raw(list<u8>) }>, maybe: option<record { from: record { x: s32, y-axis: f64 }, to: record { x: s32, y-axis: f64 }, name: string }>, outcome: result<record { x: s32, y-axis: f64 }, string>, depth: option<option<u32>> }, pad: tuple<u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32>) -> record { level: enum { low, mid-high }, rights: flags { read, write, run-it }, shapes: list<variant { none, dot(record { x: s32, y-axis: f64 }), raw(list<u8>) }>, maybe: option<record { from: record { x: s32, y-axis: f64 }, to: record { x: s32, y-axis: f64 }, name: string }>, outcome: result<record { x: s32, y-axis: f64 }, string>, depth: option<option<u32>> };
    relay: func(tree: record { level: enum { low, mid-high }, rights: flags { read, write, run-it }, shapes: list<variant { none, dot(record { x: s32, y-axis: f64 }), raw(list<u8>) }>, maybe: option<record { from: record { x: s32, y-axis: f64 }, to: record { x: s32, y-axis: f64 }, name: string }>, outcome: result<record { x: s32, y-axis: f64 }, string>, depth: option<option<u32>> }, pad: tuple<u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32>) -> record { level: enum { low, mid-high }, rights: flags { read, write, run-it }, shapes: list<variant { none, dot(record { x: s32, y-axis: f64 }), raw(list<u8>) }>, maybe: option<record { from: record { x: s32, y-axis: f64 }, to: record { x: s32, y-axis: f64 }, name: string }>, outcome: result<record { x: s32, y-axis: f64 }, string>, depth: option<option<u32>> };
  }
  export measure: func(shape: shape) -> result<f64, level>;
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import test:geometry/host@1.0.0#level": Level,
        "import test:geometry/host@1.0.0#rights": Rights,
        "import test:geometry/host@1.0.0#point": Point,
        "import test:geometry/host@1.0.0#line": Line,
        "import test:geometry/host@1.0.0#shape": (ShapeNone, ShapeDot, ShapeRaw),
        "import test:geometry/host@1.0.0#tree": Tree,
    },
)


def offer_host(implementation: Host, /) -> HostInterface:
    """Offer an object's methods as ``test:geometry/host@1.0.0``."""
    return _BINDINGS.offer("test:geometry/host@1.0.0", implementation)


class Exports:
    """What a component of the world ``geometry`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.echoes = Echoes(instance)

    async def measure(self, shape: Shape) -> float:
        """``measure: func(shape: shape) -> result<f64, level>``

        Raises:
            WitError: Its value is of type ``Level``.
        """
        _result: float = await self.instance.call("measure", shape)
        return _result

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
