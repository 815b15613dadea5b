"""Call components of the world ``draining``.

Made by airssys 0.1.0: ``airssys bindgen methods.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from airssys import Answer, Bindings, Call, HostInterface, Instance


@runtime_checkable
class Source(Protocol):
    """A host's ``source``; its destructor is a method ``drop``."""

    def read(self, call: Call[Any], /) -> Answer[bytes | None]:
        """``read: func() -> option<list<u8>>``"""
        ...


class MethodsSource(Protocol):
    """What a host offers as ``test:methods/source``: see `offer_source`."""


class Sink:
    """What a component exports as ``test:methods/sink``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def drain(self, source: Source) -> int:
        """``drain: func(source: source) -> u64``"""
        _result: int = await self.instance.call("test:methods/sink#drain", source)
        return _result


_WIT = """\
world draining {
  import test:methods/source: interface {
    resource source {
      read: func() -> option<list<u8>>;
    }
  }
  export test:methods/sink: interface {
    use test:methods/source.{source};
    drain: func(source: source) -> u64;
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import test:methods/source#source": Source,
    },
)


def offer_source(implementation: MethodsSource, /) -> HostInterface:
    """Offer an object's methods as ``test:methods/source``."""
    return _BINDINGS.offer("test:methods/source", implementation)


class Exports:
    """What a component of the world ``draining`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.sink = Sink(instance)

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
