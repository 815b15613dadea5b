"""Call components of the world ``waiting``.

Made by airssys 0.1.0: ``airssys bindgen waiting.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from airssys import Answer, Bindings, Call, Handle, HostInterface, Instance

# Left out, since it cannot be passed:
# - import test:waiting/streams#[method]source.read: it has a stream in its type
# - import test:waiting/streams#wait: it is an async func, which wasmtime's C API cannot link
# - import test:waiting/streams#later: it has a future in its type
# - export test:waiting/streams#[method]source.read: it has a stream in its type
# - export test:waiting/streams#later: it has a future in its type


@runtime_checkable
class HostSource(Protocol):
    """A host's ``source``; its destructor is a method ``drop``."""

    def size(self, call: Call[Any], /) -> Answer[int]:
        """``size: func() -> u64``"""
        ...


class HostStreams(Protocol):
    """What a host offers as ``test:waiting/streams``: see `offer_streams`."""

    def now(self, call: Call[Any], /) -> Answer[int]:
        """``now: func() -> u64``"""
        ...


class Source:
    """The component's ``source``; to close it runs its destructor."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    def close(self) -> Awaitable[None]:
        """Give the resource up; awaited, run its destructor now."""
        return self.handle.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.handle.close()

    async def size(self) -> int:
        """``size: func() -> u64``"""
        _result: int = await self.handle.call("size")
        return _result


class Streams:
    """What a component exports as ``test:waiting/streams``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def wait(self, seconds: float) -> int:
        """``wait: async func(seconds: f64) -> u32``"""
        _result: int = await self.instance.call("test:waiting/streams#wait", seconds)
        return _result

    async def now(self) -> int:
        """``now: func() -> u64``"""
        _result: int = await self.instance.call("test:waiting/streams#now")
        return _result


_WIT = """\
world waiting {
  import test:waiting/streams: interface {
    resource source {
      size: func() -> u64;
    }
    now: func() -> u64;
  }
  export test:waiting/streams: interface {
    resource source {
      size: func() -> u64;
    }
    wait: async func(seconds: f64) -> u32;
    now: func() -> u64;
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import test:waiting/streams#source": HostSource,
        "export test:waiting/streams#source": Source,
    },
)


def offer_streams(implementation: HostStreams, /) -> HostInterface:
    """Offer an object's methods as ``test:waiting/streams``."""
    return _BINDINGS.offer("test:waiting/streams", implementation)


class Exports:
    """What a component of the world ``waiting`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.streams = Streams(instance)

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
