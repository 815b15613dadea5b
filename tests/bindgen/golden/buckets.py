"""Call components of the world ``filling``.

Made by airssys 0.1.0: ``airssys bindgen buckets.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from airssys import Answer, Bindings, Call, HostInterface, Instance


@runtime_checkable
class Bucket(Protocol):
    """A host's ``bucket``; its destructor is a method ``drop``."""

    def get(self, call: Call[Any], key: str, /) -> Answer[bytes | None]:
        """``get: func(key: string) -> option<list<u8>>``"""
        ...

    def put(self, call: Call[Any], key: str, value: bytes, /) -> Answer[None]:
        """``put: func(key: string, value: list<u8>)``"""
        ...


@runtime_checkable
class Watch(Protocol):
    """A host's ``watch``; its destructor is a method ``close``."""

    def drop(self, call: Call[Any], /) -> Answer[None]:
        """``drop: func()``"""
        ...


class Buckets(Protocol):
    """What a host offers as ``test:buckets/buckets@0.1.0``: see `offer_buckets`."""

    def bucket(self, call: Call[Any], name: str, /) -> Answer[Bucket]:
        """``constructor(name: string)``"""
        ...

    def bucket_open(self, call: Call[Any], name: str, /) -> Answer[Bucket]:
        """``open: static func(name: string) -> result<bucket, string>``

        Raises:
            WitError: Its value is of type ``str``.
        """
        ...

    def merge(self, call: Call[Any], a: Bucket, b: Bucket, /) -> Answer[Bucket | None]:
        """``merge: func(a: bucket, b: borrow<bucket>) -> option<bucket>``"""
        ...

    def observe(self, call: Call[Any], bucket: Bucket, /) -> Answer[Watch]:
        """``observe: func(bucket: borrow<bucket>) -> watch``"""
        ...


_WIT = """\
world filling {
  import test:buckets/buckets@0.1.0: interface {
    resource bucket {
      constructor(name: string);
      open: static func(name: string) -> result<bucket, string>;
      get: func(key: string) -> option<list<u8>>;
      put: func(key: string, value: list<u8>);
    }
    resource watch {
      drop: func();
    }
    merge: func(a: bucket, b: borrow<bucket>) -> option<bucket>;
    observe: func(bucket: borrow<bucket>) -> watch;
  }
  export run: func(name: string) -> u32;
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import test:buckets/buckets@0.1.0#bucket": Bucket,
        "import test:buckets/buckets@0.1.0#watch": Watch,
    },
)


def offer_buckets(implementation: Buckets, /) -> HostInterface:
    """Offer an object's methods as ``test:buckets/buckets@0.1.0``."""
    return _BINDINGS.offer("test:buckets/buckets@0.1.0", implementation)


class Exports:
    """What a component of the world ``filling`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def run(self, name: str) -> int:
        """``run: func(name: string) -> u32``"""
        _result: int = await self.instance.call("run", name)
        return _result

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
