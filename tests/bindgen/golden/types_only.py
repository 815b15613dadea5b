"""Call components of the world ``types-only``.

Made by airssys 0.1.0: ``airssys bindgen types-only.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self

from airssys import Answer, Bindings, Call, HostInterface, Instance
from attrs import frozen


class Colour(enum.StrEnum):
    """``enum colour { red, green }``"""

    RED = "red"
    GREEN = "green"


@frozen
class Pixel:
    """``record pixel { colour: colour, alpha: u8 }``"""

    colour: Colour
    alpha: int


class World(Protocol):
    """What a host offers as functions of the world: see `offer_world`."""

    def blend(self, call: Call[Any], a: Pixel, b: Pixel, /) -> Answer[Pixel]:
        """``blend: func(a: pixel, b: pixel) -> pixel``"""
        ...


_WIT = """\
world types-only {
  import test:types-only/types: interface {
    enum colour { red, green }
    record pixel { colour: colour, alpha: u8 }
  }
  use test:types-only/types.{pixel};
  import blend: func(a: pixel, b: pixel) -> pixel;
  export draw: func(pixels: list<pixel>);
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import test:types-only/types#colour": Colour,
        "import test:types-only/types#pixel": Pixel,
    },
)


def offer_world(implementation: World, /) -> HostInterface:
    """Offer an object's methods as functions of the world."""
    return _BINDINGS.offer("", implementation)


class Exports:
    """What a component of the world ``types-only`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def draw(self, pixels: Sequence[Pixel]) -> None:
        """``draw: func(pixels: list<pixel>)``"""
        await self.instance.call("draw", pixels)

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
