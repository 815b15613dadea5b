"""Call components of the world ``odd``.

Made by airssys 0.1.0: ``airssys bindgen odd.wat``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self, TypeAlias, runtime_checkable

from airssys import Answer, Bindings, Call, HostInterface, Instance
from attrs import frozen

# Left out, since it cannot be passed:
# - import code: it is a module
# - import outer#inner: it is an instance within an instance


@frozen
class LookPair:
    """``record look-pair { a: u32, b: u32 }``"""

    a: int
    b: int


@frozen
class BeResultNone:
    """The case ``none`` of `BeResult`."""


@frozen
class BeResultSome:
    """The case ``some`` of `BeResult`."""

    value: list[LookPair]


BeResult: TypeAlias = BeResultNone | BeResultSome
"""``variant be-result { none, some(list<look-pair>) }``"""


class Outer(Protocol):
    """What a host offers as ``outer``: see `offer_outer`."""

    def g(
        self, call: Call[Any], mine: dict[int, list[str]], /
    ) -> Answer[Mapping[int, Sequence[str]]]:
        """``g: func(mine: map<u32, list<string>>) -> map<u32, list<string>>``"""
        ...


@runtime_checkable
class Thing(Protocol):
    """A host's ``thing``; its destructor is a method ``drop``."""

    def be(self, call: Call[Any], /) -> Answer[BeResult]:
        """``be: func() -> be-result``"""
        ...


class World(Protocol):
    """What a host offers as functions of the world: see `offer_world`."""

    def look(
        self, call: Call[Any], pair: LookPair, thing: Thing, /
    ) -> Answer[Mapping[str, int]]:
        """``look: func(pair: look-pair, thing: borrow<thing>) -> map<string, u32>``"""
        ...


_WIT = """\
world odd {
  import record look-pair { a: u32, b: u32 }
  import variant be-result { none, some(list<look-pair>) }
  import resource thing;
  import look: func(pair: look-pair, thing: borrow<thing>) -> map<string, u32>;
  import [method]thing.be: func(self: borrow<thing>) -> be-result;
  import outer: interface {
    g: func(mine: map<u32, list<string>>) -> map<u32, list<string>>;
  }
  export run: func();
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import thing": Thing,
        "import look-pair": LookPair,
        "import be-result": (BeResultNone, BeResultSome),
    },
)


def offer_outer(implementation: Outer, /) -> HostInterface:
    """Offer an object's methods as ``outer``."""
    return _BINDINGS.offer("outer", implementation)


def offer_world(implementation: World, /) -> HostInterface:
    """Offer an object's methods as functions of the world."""
    return _BINDINGS.offer("", implementation)


class Exports:
    """What a component of the world ``odd`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def run(self) -> None:
        """``run: func()``"""
        await self.instance.call("run")

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
