"""Call components of the world ``clashes``.

Made by airssys 0.1.0: ``airssys bindgen clashes.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

import builtins
import enum
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self, TypeAlias, runtime_checkable

from airssys import Answer, Bindings, Call, HostInterface, Instance
from attrs import frozen


class FirstError(enum.StrEnum):
    """``enum error { one, two }``"""

    ONE = "one"
    TWO = "two"


@frozen
class ShapeDotCase:
    """The case ``dot`` of `Shape`."""

    value: int


Shape: TypeAlias = ShapeDotCase
"""``variant shape { dot(u8) }``"""


@frozen
class Point:
    """``record point { x: u8 }``"""

    x: int


@frozen
class SecondOk:
    """``record ok { value: u8 }``"""

    value: int


@frozen
class SecondExports:
    """``record exports { exports: u8 }``"""

    exports: int


@frozen
class SecondInstance:
    """``record instance { instance: list<ok> }``"""

    instance: list[SecondOk]


@frozen
class ShapeDot:
    """``record shape-dot { list: list<u8>, all: list<string>, str: string, int: u8
    }``
    """

    list: bytes
    all: builtins.list[builtins.str]
    str: builtins.str
    int: builtins.int


@frozen
class SecondNoneNone:
    """The case ``none`` of `SecondNone`."""


@frozen
class SecondNoneSome:
    """The case ``some`` of `SecondNone`."""

    value: SecondOk


SecondNone: TypeAlias = SecondNoneNone | SecondNoneSome
"""``variant none { none, some(ok) }``"""


class SecondError(enum.StrEnum):
    """``enum error { one, three }``"""

    ONE = "one"
    THREE = "three"


Dot: TypeAlias = Point


Spot: TypeAlias = Point


@runtime_checkable
class Second(Protocol):
    """A host's ``second``; its destructor is a method ``drop``."""

    def go(self, call: Call[Any], /) -> Answer[None]:
        """``go: func()``"""
        ...


class First(Protocol):
    """What a host offers as ``test:clashes/first@1.0.0``: see `offer_first`."""

    def fail(self, call: Call[Any], error: FirstError, /) -> Answer[Shape]:
        """``fail: func(error: error) -> shape``"""
        ...

    def both(self, call: Call[Any], point: Point, dot: Point, /) -> Answer[Point]:
        """``both: func(point: point, dot: point) -> point``"""
        ...


class HostSecond(Protocol):
    """What a host offers as ``test:clashes/second@1.0.0``: see `offer_second`."""

    def self(
        self,
        call: Call[Any],
        call_: SecondOk,
        self_: SecondExports,
        instance: SecondInstance,
        await_: ShapeDot,
        /,
    ) -> Answer[SecondNone]:
        """``self: func(call: ok, self: exports, instance: instance, await:
        shape-dot) -> none``
        """
        ...

    def async_(self, call: Call[Any], /) -> Answer[None]:
        """``async: func()``"""
        ...

    def list(self, call: Call[Any], list: bytes, /) -> Answer[Sequence[str]]:
        """``list: func(list: list<u8>) -> list<string>``"""
        ...

    def get_third(self, call: Call[Any], /) -> Answer[Second]:
        """``get-third: func() -> third``"""
        ...


class ClashesSecond:
    """What a component exports as ``test:clashes/second@1.0.0``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def self(
        self,
        call: SecondOk,
        self_: SecondExports,
        instance: SecondInstance,
        await_: ShapeDot,
    ) -> SecondNone:
        """``self: func(call: ok, self: exports, instance: instance, await:
        shape-dot) -> none``
        """
        _result: SecondNone = await self.instance.call(
            "test:clashes/second@1.0.0#self", call, self_, instance, await_
        )
        return _result

    async def async_(self) -> None:
        """``async: func()``"""
        await self.instance.call("test:clashes/second@1.0.0#async")

    async def list(self, list: bytes) -> builtins.list[str]:
        """``list: func(list: list<u8>) -> list<string>``"""
        _result: builtins.list[str] = await self.instance.call(
            "test:clashes/second@1.0.0#list", list
        )
        return _result

    async def get_third(self) -> Second:
        """``get-third: func() -> third``"""
        _result: Second = await self.instance.call(
            "test:clashes/second@1.0.0#get-third"
        )
        return _result


Third: TypeAlias = Second


_WIT = """\
world clashes {
  import test:clashes/first@1.0.0: interface {
    resource second {
      go: func();
    }
    enum error { one, two }
    variant shape { dot(u8) }
    record point { x: u8 }
    record dot { x: u8 }
    record spot { x: u8 }
    fail: func(error: error) -> shape;
    both: func(point: point, dot: point) -> point;
  }
  import test:clashes/second@1.0.0: interface {
    use test:clashes/first@1.0.0.{second as third};
    record ok { value: u8 }
    record exports { exports: u8 }
    record instance { instance: list<ok> }
    record shape-dot { list: list<u8>, all: list<string>, str: string, int: u8 }
    variant none { none, some(ok) }
    self: func(call: ok, self: exports, instance: instance, await: shape-dot) -> none;
    async: func();
    list: func(list: list<u8>) -> list<string>;
    get-third: func() -> third;
  }
  export close: func() -> string;
  export instance: func() -> string;
  export first: func() -> string;
  export test:clashes/second@1.0.0: interface {
    use test:clashes/first@1.0.0.{second as third};
    enum error { one, three }
    record ok { value: u8 }
    record exports { exports: u8 }
    record instance { instance: list<ok> }
    record shape-dot { list: list<u8>, all: list<string>, str: string, int: u8 }
    variant none { none, some(ok) }
    self: func(call: ok, self: exports, instance: instance, await: shape-dot) -> none;
    async: func();
    list: func(list: list<u8>) -> list<string>;
    get-third: func() -> third;
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import test:clashes/first@1.0.0#second": Second,
        "import test:clashes/first@1.0.0#error": FirstError,
        "import test:clashes/first@1.0.0#shape": (ShapeDotCase,),
        "import test:clashes/first@1.0.0#point": Point,
        "import test:clashes/second@1.0.0#ok": SecondOk,
        "import test:clashes/second@1.0.0#exports": SecondExports,
        "import test:clashes/second@1.0.0#instance": SecondInstance,
        "import test:clashes/second@1.0.0#shape-dot": ShapeDot,
        "import test:clashes/second@1.0.0#none": (SecondNoneNone, SecondNoneSome),
        "export test:clashes/second@1.0.0#error": SecondError,
    },
)


def offer_first(implementation: First, /) -> HostInterface:
    """Offer an object's methods as ``test:clashes/first@1.0.0``."""
    return _BINDINGS.offer("test:clashes/first@1.0.0", implementation)


def offer_second(implementation: HostSecond, /) -> HostInterface:
    """Offer an object's methods as ``test:clashes/second@1.0.0``."""
    return _BINDINGS.offer("test:clashes/second@1.0.0", implementation)


class Exports:
    """What a component of the world ``clashes`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.second = ClashesSecond(instance)

    async def close_(self) -> str:
        """``close: func() -> string``"""
        _result: str = await self.instance.call("close")
        return _result

    async def instance_(self) -> str:
        """``instance: func() -> string``"""
        _result: str = await self.instance.call("instance")
        return _result

    async def first(self) -> str:
        """``first: func() -> string``"""
        _result: str = await self.instance.call("first")
        return _result

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
