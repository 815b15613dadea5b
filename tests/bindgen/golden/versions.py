"""Call components of the world ``versions``.

Made by airssys 0.1.0: ``airssys bindgen versions.wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self, TypeAlias

from airssys import Answer, Bindings, Call, HostInterface, Instance
from attrs import frozen


@frozen
class OldKvStore100Entry:
    """``record entry { key: string }``"""

    key: str


@frozen
class OldKvStore200Entry:
    """``record entry { key: string, value: list<u8> }``"""

    key: str
    value: bytes


@frozen
class NewKvStoreEntryNone:
    """The case ``none`` of `NewKvStoreEntry`."""


@frozen
class NewKvStoreEntryText:
    """The case ``text`` of `NewKvStoreEntry`."""

    value: str


NewKvStoreEntry: TypeAlias = NewKvStoreEntryNone | NewKvStoreEntryText
"""``variant entry { none, text(string) }``"""


class OldKvStore100(Protocol):
    """What a host offers as ``old:kv/store@1.0.0``: see `offer_old_kv_store_1_0_0`."""

    def get(self, call: Call[Any], key: str, /) -> Answer[OldKvStore100Entry | None]:
        """``get: func(key: string) -> option<entry>``"""
        ...


class OldKvStore200(Protocol):
    """What a host offers as ``old:kv/store@2.0.0``: see `offer_old_kv_store_2_0_0`."""

    def get(self, call: Call[Any], key: str, /) -> Answer[OldKvStore200Entry | None]:
        """``get: func(key: string) -> option<entry>``"""
        ...


class NewKvStore:
    """What a component exports as ``new:kv/store@1.0.0``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def get(self, key: str) -> NewKvStoreEntry:
        """``get: func(key: string) -> entry``"""
        _result: NewKvStoreEntry = await self.instance.call(
            "new:kv/store@1.0.0#get", key
        )
        return _result


class List:
    """What a component exports as ``new:kv/list``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def names(self) -> list[str]:
        """``names: func() -> list<string>``"""
        _result: list[str] = await self.instance.call("new:kv/list#names")
        return _result


_WIT = """\
world versions {
  import old:kv/store@1.0.0: interface {
    record entry { key: string }
    get: func(key: string) -> option<entry>;
  }
  import old:kv/store@2.0.0: interface {
    record entry { key: string, value: list<u8> }
    get: func(key: string) -> option<entry>;
  }
  export new:kv/store@1.0.0: interface {
    variant entry { none, text(string) }
    get: func(key: string) -> entry;
  }
  export new:kv/list: interface {
    names: func() -> list<string>;
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import old:kv/store@1.0.0#entry": OldKvStore100Entry,
        "import old:kv/store@2.0.0#entry": OldKvStore200Entry,
        "export new:kv/store@1.0.0#entry": (NewKvStoreEntryNone, NewKvStoreEntryText),
    },
)


def offer_old_kv_store_1_0_0(implementation: OldKvStore100, /) -> HostInterface:
    """Offer an object's methods as ``old:kv/store@1.0.0``."""
    return _BINDINGS.offer("old:kv/store@1.0.0", implementation)


def offer_old_kv_store_2_0_0(implementation: OldKvStore200, /) -> HostInterface:
    """Offer an object's methods as ``old:kv/store@2.0.0``."""
    return _BINDINGS.offer("old:kv/store@2.0.0", implementation)


class Exports:
    """What a component of the world ``versions`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.store = NewKvStore(instance)
        self.list = List(instance)

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
