"""Call components of the world ``tokens``.

Made by airssys 0.1.0: ``airssys bindgen tokens.wat``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from airssys import Answer, Bindings, Call, Handle, HostInterface, Instance


@runtime_checkable
class Pot(Protocol):
    """A host's ``pot``; its destructor is a method ``drop``."""

    def get(self, call: Call[Any], by: int, /) -> Answer[int]:
        """``get: func(by: u32) -> u32``"""
        ...

    def close(self, call: Call[Any], /) -> Answer[None]:
        """``close: func()``"""
        ...


class Pots(Protocol):
    """What a host offers as ``test:tokens/pots@1.0.0``: see `offer_pots`."""

    def pot(self, call: Call[Any], n: int, /) -> Answer[Pot]:
        """``constructor(n: u32)``"""
        ...

    def pot_join(self, call: Call[Any], a: Pot, b: Pot, /) -> Answer[Pot]:
        """``join: static func(a: pot, b: pot) -> pot``"""
        ...

    def tell(self, call: Call[Any], n: int, /) -> Answer[None]:
        """``tell: func(n: u32)``"""
        ...


class Token:
    """The component's ``token``; to close it runs its destructor."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    def close(self) -> Awaitable[None]:
        """Give the resource up; awaited, run its destructor now."""
        return self.handle.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.handle.close()

    async def plus_one(self, n: int) -> int:
        """``plus-one: func(n: u32) -> u32``"""
        _result: int = await self.handle.call("plus-one", n)
        return _result


class Tokens:
    """What a component exports as ``test:tokens/tokens@1.0.0``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def token(self, n: int) -> Token:
        """``constructor(n: u32)``"""
        _result: Token = await self.instance.call(
            "test:tokens/tokens@1.0.0#[constructor]token", n
        )
        return _result

    async def token_spend(self, t: Token) -> int:
        """``spend: static func(t: token) -> u32``"""
        _result: int = await self.instance.call(
            "test:tokens/tokens@1.0.0#[static]token.spend", t
        )
        return _result


_WIT = """\
world tokens {
  import test:tokens/pots@1.0.0: interface {
    resource pot {
      constructor(n: u32);
      get: func(by: u32) -> u32;
      close: func();
      join: static func(a: pot, b: pot) -> pot;
    }
    tell: func(n: u32);
  }
  use test:tokens/pots@1.0.0.{pot};
  export test:tokens/tokens@1.0.0: interface {
    resource token {
      constructor(n: u32);
      plus-one: func(n: u32) -> u32;
      spend: static func(t: token) -> u32;
    }
  }
  export use: func(n: u32) -> u32;
  export merge: func(a: pot, b: pot) -> pot;
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import test:tokens/pots@1.0.0#pot": Pot,
        "export test:tokens/tokens@1.0.0#token": Token,
    },
)


def offer_pots(implementation: Pots, /) -> HostInterface:
    """Offer an object's methods as ``test:tokens/pots@1.0.0``."""
    return _BINDINGS.offer("test:tokens/pots@1.0.0", implementation)


class Exports:
    """What a component of the world ``tokens`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.tokens = Tokens(instance)

    async def use(self, n: int) -> int:
        """``use: func(n: u32) -> u32``"""
        _result: int = await self.instance.call("use", n)
        return _result

    async def merge(self, a: Pot, b: Pot) -> Pot:
        """``merge: func(a: pot, b: pot) -> pot``"""
        _result: Pot = await self.instance.call("merge", a, b)
        return _result

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
