"""Call components of the world ``counting``.

Made by airssys 0.1.0: ``airssys bindgen counters.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import ClassVar, Self

from airssys import Bindings, Handle, Instance
from attrs import frozen


@frozen
class Pair:
    """``record pair { one: counter, other: counter }``"""

    one: Counter
    other: Counter


class Counter:
    """The component's ``counter``; to close it runs its destructor."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    def close(self) -> Awaitable[None]:
        """Give the resource up; awaited, run its destructor now."""
        return self.handle.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.handle.close()

    async def inc(self, by: int) -> int:
        """``inc: func(by: u32) -> u32``"""
        _result: int = await self.handle.call("inc", by)
        return _result

    async def close_(self) -> None:
        """``close: func()``"""
        await self.handle.call("close")

    async def merge(self, other: Counter, more: Sequence[Counter]) -> Counter:
        """``merge: func(other: borrow<counter>, more: list<counter>) -> counter``"""
        _result: Counter = await self.handle.call("merge", other, more)
        return _result


class Counters:
    """What a component exports as ``test:counters/counters@0.1.0``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def counter(self, start: int) -> Counter:
        """``constructor(start: u32)``"""
        _result: Counter = await self.instance.call(
            "test:counters/counters@0.1.0#[constructor]counter", start
        )
        return _result

    async def counter_parse(self, text: str) -> Counter:
        """``parse: static func(text: string) -> result<counter, string>``

        Raises:
            WitError: Its value is of type ``str``.
        """
        _result: Counter = await self.instance.call(
            "test:counters/counters@0.1.0#[static]counter.parse", text
        )
        return _result

    async def split(self, counter: Counter) -> Pair:
        """``split: func(counter: counter) -> pair``"""
        _result: Pair = await self.instance.call(
            "test:counters/counters@0.1.0#split", counter
        )
        return _result

    async def total(self, counters: Sequence[Counter]) -> int:
        """``total: func(counters: list<borrow<counter>>) -> u64``"""
        _result: int = await self.instance.call(
            "test:counters/counters@0.1.0#total", counters
        )
        return _result


_WIT = """\
world counting {
  export test:counters/counters@0.1.0: interface {
    resource counter {
      constructor(start: u32);
      parse: static func(text: string) -> result<counter, string>;
      inc: func(by: u32) -> u32;
      close: func();
      merge: func(other: borrow<counter>, more: list<counter>) -> counter;
    }
    record pair { one: counter, other: counter }
    split: func(counter: counter) -> pair;
    total: func(counters: list<borrow<counter>>) -> u64;
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "export test:counters/counters@0.1.0#counter": Counter,
        "export test:counters/counters@0.1.0#pair": Pair,
    },
)


class Exports:
    """What a component of the world ``counting`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.counters = Counters(instance)

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
