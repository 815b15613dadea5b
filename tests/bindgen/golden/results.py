"""Call components of the world ``results``.

Made by airssys 0.1.0: ``airssys bindgen results.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self, TypeAlias

from airssys import Answer, Bindings, Call, Err, HostInterface, Instance, Ok
from attrs import frozen


@frozen
class ErrorNotFound:
    """The case ``not-found`` of `Error`."""

    value: str


@frozen
class ErrorBroken:
    """The case ``broken`` of `Error`."""


Error: TypeAlias = ErrorNotFound | ErrorBroken
"""``variant error { not-found(string), broken }``"""


class HostStore(Protocol):
    """What a host offers as ``test:results/store``: see `offer_store`."""

    def get(self, call: Call[Any], key: str, /) -> Answer[bytes]:
        """``get: func(key: string) -> result<list<u8>, error>``

        Raises:
            WitError: Its value is of type ``Error``.
        """
        ...

    def put(self, call: Call[Any], key: str, value: bytes, /) -> Answer[None]:
        """``put: func(key: string, value: list<u8>) -> result<_, error>``

        Raises:
            WitError: Its value is of type ``Error``.
        """
        ...

    def size(self, call: Call[Any], /) -> Answer[int]:
        """``size: func() -> result<u64>``

        Raises:
            WitError: Its value is None.
        """
        ...

    def check(self, call: Call[Any], /) -> Answer[None]:
        """``check: func() -> result``

        Raises:
            WitError: Its value is None.
        """
        ...

    def all(
        self, call: Call[Any], keys: list[str], /
    ) -> Answer[Sequence[Ok[bytes] | Err[Error]]]:
        """``all: func(keys: list<string>) -> list<result<list<u8>, error>>``"""
        ...

    def first(self, call: Call[Any], /) -> Answer[Ok[None] | Err[Error] | None]:
        """``first: func() -> option<result<_, error>>``"""
        ...


class Store:
    """What a component exports as ``test:results/store``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def get(self, key: str) -> bytes:
        """``get: func(key: string) -> result<list<u8>, error>``

        Raises:
            WitError: Its value is of type ``Error``.
        """
        _result: bytes = await self.instance.call("test:results/store#get", key)
        return _result

    async def put(self, key: str, value: bytes) -> None:
        """``put: func(key: string, value: list<u8>) -> result<_, error>``

        Raises:
            WitError: Its value is of type ``Error``.
        """
        await self.instance.call("test:results/store#put", key, value)

    async def size(self) -> int:
        """``size: func() -> result<u64>``

        Raises:
            WitError: Its value is None.
        """
        _result: int = await self.instance.call("test:results/store#size")
        return _result

    async def check(self) -> None:
        """``check: func() -> result``

        Raises:
            WitError: Its value is None.
        """
        await self.instance.call("test:results/store#check")

    async def all(self, keys: Sequence[str]) -> list[Ok[bytes] | Err[Error]]:
        """``all: func(keys: list<string>) -> list<result<list<u8>, error>>``"""
        _result: list[Ok[bytes] | Err[Error]] = await self.instance.call(
            "test:results/store#all", keys
        )
        return _result

    async def first(self) -> Ok[None] | Err[Error] | None:
        """``first: func() -> option<result<_, error>>``"""
        _result: Ok[None] | Err[Error] | None = await self.instance.call(
            "test:results/store#first"
        )
        return _result


_WIT = """\
world results {
  import test:results/store: interface {
    variant error { not-found(string), broken }
    get: func(key: string) -> result<list<u8>, error>;
    put: func(key: string, value: list<u8>) -> result<_, error>;
    size: func() -> result<u64>;
    check: func() -> result;
    all: func(keys: list<string>) -> list<result<list<u8>, error>>;
    first: func() -> option<result<_, error>>;
  }
  export run: func() -> result<_, string>;
  export test:results/store: interface {
    variant error { not-found(string), broken }
    get: func(key: string) -> result<list<u8>, error>;
    put: func(key: string, value: list<u8>) -> result<_, error>;
    size: func() -> result<u64>;
    check: func() -> result;
    all: func(keys: list<string>) -> list<result<list<u8>, error>>;
    first: func() -> option<result<_, error>>;
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import test:results/store#error": (ErrorNotFound, ErrorBroken),
    },
)


def offer_store(implementation: HostStore, /) -> HostInterface:
    """Offer an object's methods as ``test:results/store``."""
    return _BINDINGS.offer("test:results/store", implementation)


class Exports:
    """What a component of the world ``results`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.store = Store(instance)

    async def run(self) -> None:
        """``run: func() -> result<_, string>``

        Raises:
            WitError: Its value is of type ``str``.
        """
        await self.instance.call("run")

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
