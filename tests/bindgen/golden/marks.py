"""Call components of the world ``marking``.

Made by airssys 0.1.0: ``airssys bindgen marks.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

import enum
from typing import Any, ClassVar, Protocol, Self

from airssys import Answer, Bindings, Call, HostInterface, Instance


class Colour(enum.StrEnum):
    """``enum colour { red, dark-red, none, mro }``"""

    RED = "red"
    DARK_RED = "dark-red"
    NONE = "none"
    MRO = "mro"


class Rights(enum.Flag):
    """``flags rights { read, write, run-it }``"""

    READ = 1
    WRITE = 1 << 1
    RUN_IT = 1 << 2


class Many(enum.Flag):
    """``flags many { f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13,
    f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28,
    f29, f30, f31 }``
    """

    F0 = 1
    F1 = 1 << 1
    F2 = 1 << 2
    F3 = 1 << 3
    F4 = 1 << 4
    F5 = 1 << 5
    F6 = 1 << 6
    F7 = 1 << 7
    F8 = 1 << 8
    F9 = 1 << 9
    F10 = 1 << 10
    F11 = 1 << 11
    F12 = 1 << 12
    F13 = 1 << 13
    F14 = 1 << 14
    F15 = 1 << 15
    F16 = 1 << 16
    F17 = 1 << 17
    F18 = 1 << 18
    F19 = 1 << 19
    F20 = 1 << 20
    F21 = 1 << 21
    F22 = 1 << 22
    F23 = 1 << 23
    F24 = 1 << 24
    F25 = 1 << 25
    F26 = 1 << 26
    F27 = 1 << 27
    F28 = 1 << 28
    F29 = 1 << 29
    F30 = 1 << 30
    F31 = 1 << 31


class HostMarks(Protocol):
    """What a host offers as ``test:marks/marks``: see `offer_marks`."""

    def next(self, call: Call[Any], colour: Colour, /) -> Answer[Colour]:
        """``next: func(colour: colour) -> colour``"""
        ...

    def others(self, call: Call[Any], rights: Rights, /) -> Answer[Rights]:
        """``others: func(rights: rights) -> rights``"""
        ...

    def all(self, call: Call[Any], /) -> Answer[Many]:
        """``all: func() -> many``"""
        ...


class Marks:
    """What a component exports as ``test:marks/marks``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def next(self, colour: Colour) -> Colour:
        """``next: func(colour: colour) -> colour``"""
        _result: Colour = await self.instance.call("test:marks/marks#next", colour)
        return _result

    async def others(self, rights: Rights) -> Rights:
        """``others: func(rights: rights) -> rights``"""
        _result: Rights = await self.instance.call("test:marks/marks#others", rights)
        return _result

    async def all(self) -> Many:
        """``all: func() -> many``"""
        _result: Many = await self.instance.call("test:marks/marks#all")
        return _result


_WIT = """\
world marking {
  import test:marks/marks: interface {
    enum colour { red, dark-red, none, mro }
    flags rights { read, write, run-it }
    flags many { f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31 }
    next: func(colour: colour) -> colour;
    others: func(rights: rights) -> rights;
    all: func() -> many;
  }
  export paint: func(colour: string) -> bool;
  export test:marks/marks: interface {
    enum colour { red, dark-red, none, mro }
    flags rights { read, write, run-it }
    flags many { f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31 }
    next: func(colour: colour) -> colour;
    others: func(rights: rights) -> rights;
    all: func() -> many;
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import test:marks/marks#colour": Colour,
        "import test:marks/marks#rights": Rights,
        "import test:marks/marks#many": Many,
    },
)


def offer_marks(implementation: HostMarks, /) -> HostInterface:
    """Offer an object's methods as ``test:marks/marks``."""
    return _BINDINGS.offer("test:marks/marks", implementation)


class Exports:
    """What a component of the world ``marking`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.marks = Marks(instance)

    async def paint(self, colour: str) -> bool:
        """``paint: func(colour: string) -> bool``"""
        _result: bool = await self.instance.call("paint", colour)
        return _result

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
