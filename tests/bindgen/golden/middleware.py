"""Call components of the world ``middleware``.

Made by airssys 0.1.0: ``airssys bindgen middleware.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

import enum
from collections.abc import Awaitable
from typing import Any, ClassVar, Protocol, Self, TypeAlias, runtime_checkable

from airssys import Answer, Bindings, Call, Handle, HostInterface, Instance
from attrs import frozen


class Mode(enum.StrEnum):
    """``enum mode { fast, safe }``"""

    FAST = "fast"
    SAFE = "safe"


@frozen
class HostEntry:
    """``record entry { bucket: bucket, key: string }``"""

    bucket: HostBucket
    key: str


@frozen
class Entry:
    """``record entry { bucket: bucket, key: string }``"""

    bucket: Bucket
    key: str


@runtime_checkable
class HostBucket(Protocol):
    """A host's ``bucket``; its destructor is a method ``drop``."""

    def get(self, call: Call[Any], key: str, /) -> Answer[str | None]:
        """``get: func(key: string) -> option<string>``"""
        ...


class HostKv(Protocol):
    """What a host offers as ``test:middleware/kv@2.0.0``: see `offer_kv`."""

    def bucket(self, call: Call[Any], name: str, /) -> Answer[HostBucket]:
        """``constructor(name: string)``"""
        ...

    def find(
        self, call: Call[Any], key: str, mode: Mode, /
    ) -> Answer[HostEntry | None]:
        """``find: func(key: string, mode: mode) -> option<entry>``"""
        ...


class Log(Protocol):
    """What a host offers as ``test:middleware/log@2.0.0``: see `offer_log`."""

    def tell(self, call: Call[Any], pail: HostBucket, mode: Mode, /) -> Answer[None]:
        """``tell: func(pail: borrow<pail>, mode: mode)``"""
        ...


class Bucket:
    """The component's ``bucket``; to close it runs its destructor."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    def close(self) -> Awaitable[None]:
        """Give the resource up; awaited, run its destructor now."""
        return self.handle.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.handle.close()

    async def get(self, key: str) -> str | None:
        """``get: func(key: string) -> option<string>``"""
        _result: str | None = await self.handle.call("get", key)
        return _result


class Kv:
    """What a component exports as ``test:middleware/kv@2.0.0``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def bucket(self, name: str) -> Bucket:
        """``constructor(name: string)``"""
        _result: Bucket = await self.instance.call(
            "test:middleware/kv@2.0.0#[constructor]bucket", name
        )
        return _result

    async def find(self, key: str, mode: Mode) -> Entry | None:
        """``find: func(key: string, mode: mode) -> option<entry>``"""
        _result: Entry | None = await self.instance.call(
            "test:middleware/kv@2.0.0#find", key, mode
        )
        return _result


Pail: TypeAlias = HostBucket


_WIT = """\
world middleware {
  import test:middleware/kv@2.0.0: interface {
    resource bucket {
      constructor(name: string);
      get: func(key: string) -> option<string>;
    }
    enum mode { fast, safe }
    record entry { bucket: bucket, key: string }
    find: func(key: string, mode: mode) -> option<entry>;
  }
  import test:middleware/log@2.0.0: interface {
    use test:middleware/kv@2.0.0.{bucket as pail, mode};
    tell: func(pail: borrow<pail>, mode: mode);
  }
  export test:middleware/kv@2.0.0: interface {
    resource bucket {
      constructor(name: string);
      get: func(key: string) -> option<string>;
    }
    record entry { bucket: bucket, key: string }
    enum mode { fast, safe }
    find: func(key: string, mode: mode) -> option<entry>;
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import test:middleware/kv@2.0.0#bucket": HostBucket,
        "import test:middleware/kv@2.0.0#mode": Mode,
        "import test:middleware/kv@2.0.0#entry": HostEntry,
        "export test:middleware/kv@2.0.0#bucket": Bucket,
        "export test:middleware/kv@2.0.0#entry": Entry,
    },
)


def offer_kv(implementation: HostKv, /) -> HostInterface:
    """Offer an object's methods as ``test:middleware/kv@2.0.0``."""
    return _BINDINGS.offer("test:middleware/kv@2.0.0", implementation)


def offer_log(implementation: Log, /) -> HostInterface:
    """Offer an object's methods as ``test:middleware/log@2.0.0``."""
    return _BINDINGS.offer("test:middleware/log@2.0.0", implementation)


class Exports:
    """What a component of the world ``middleware`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.kv = Kv(instance)

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
