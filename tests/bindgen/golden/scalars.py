"""Call components of the world ``scalars``.

Made by airssys 0.1.0: ``airssys bindgen scalars.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self

from airssys import Answer, Bindings, Call, HostInterface, Instance


class World(Protocol):
    """What a host offers as functions of the world: see `offer_world`."""

    def log(self, call: Call[Any], text: str, call_: int, /) -> Answer[None]:
        """``log: func(text: string, call: u8)``"""
        ...

    def now(self, call: Call[Any], /) -> Answer[float]:
        """``now: func() -> f64``"""
        ...


_WIT = """\
world scalars {
  import log: func(text: string, call: u8);
  import now: func() -> f64;
  export all: func(a: bool, b: s8, c: u8, d: s16, e: u16, f: s32, g: u32, h: s64, i: u64, j: f32, k: f64, l: char, m: string) -> tuple<bool, s8, u8, s16, u16, s32, u32, s64, u64, f32, f64, char, string>;
  export nothing: func();
  export octets: func(data: list<u8>) -> list<u8>;
  export nested: func(rows: list<list<u32>>, pairs: list<tuple<string, option<f32>>>) -> list<list<u32>>;
}
"""
_BINDINGS = Bindings(_WIT)


def offer_world(implementation: World, /) -> HostInterface:
    """Offer an object's methods as functions of the world."""
    return _BINDINGS.offer("", implementation)


class Exports:
    """What a component of the world ``scalars`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def all(
        self,
        a: bool,
        b: int,
        c: int,
        d: int,
        e: int,
        f: int,
        g: int,
        h: int,
        i: int,
        j: float,
        k: float,
        l: str,
        m: str,
    ) -> tuple[bool, int, int, int, int, int, int, int, int, float, float, str, str]:
        """``all: func(a: bool, b: s8, c: u8, d: s16, e: u16, f: s32, g: u32, h: s64,
        i: u64, j: f32, k: f64, l: char, m: string) -> tuple<bool, s8, u8, s16,
        u16, s32, u32, s64, u64, f32, f64, char, string>``
        """
        _result: tuple[
            bool, int, int, int, int, int, int, int, int, float, float, str, str
        ] = await self.instance.call("all", a, b, c, d, e, f, g, h, i, j, k, l, m)
        return _result

    async def nothing(self) -> None:
        """``nothing: func()``"""
        await self.instance.call("nothing")

    async def octets(self, data: bytes) -> bytes:
        """``octets: func(data: list<u8>) -> list<u8>``"""
        _result: bytes = await self.instance.call("octets", data)
        return _result

    async def nested(
        self, rows: Sequence[Sequence[int]], pairs: Sequence[tuple[str, float | None]]
    ) -> list[list[int]]:
        """``nested: func(rows: list<list<u32>>, pairs: list<tuple<string,
        option<f32>>>) -> list<list<u32>>``
        """
        _result: list[list[int]] = await self.instance.call("nested", rows, pairs)
        return _result

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
