"""The host of the probe: offers what it imports, and keeps a record of it all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel

from airssys import Call, Err, HostInterface, Ok, Record, Some, Variant, WitError

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS = "airssys-test:probe/turns@0.1.0"
HOST = "airssys-test:probe/host@0.1.0"
API = "airssys-test:probe/api@0.1.0"


class Hosts:
    """The interfaces, and what came of them."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        """Functions of `turns` that were called, with their arguments."""
        self.stores: list[Any] = []
        """All stores there ever were."""
        self.dropped: list[str] = []
        """The names of stores whose destructor ran, in order."""
        self.fails = False
        """Whether `store.put` raises."""
        self.interfaces = [self._turns(), self._host()]

    def forget(self) -> None:
        """Be as new: linking a component takes longer than a test."""
        self.heard.clear()
        self.stores.clear()
        self.dropped.clear()
        self.fails = False

    def make(self, name: str) -> Any:
        """Make a store outside any guest."""
        return self.store(name)

    def _turns(self) -> HostInterface:
        turns = HostInterface(TURNS)
        for body in (
            *(scalars, greet, idle, reverse, swap, turn, change, next_, others, toggle),
            *(descend, divide, fetch, accept, invert, backwards, turn_all, change_all),
            *(join, split, mirror, exchange),
        ):
            turns.function(
                self._noting(body), name=body.__name__.strip("_").replace("_", "-")
            )
        return turns

    def _noting(self, body: Callable[..., Any]) -> Callable[..., Any]:
        def called(call: Call, *args: Any) -> Any:
            self.heard.append((call.function, *args))
            return body(*args)

        return called

    def _host(self) -> HostInterface:
        host = HostInterface(HOST)
        hosts = self

        @host.resource
        class Store:
            def __init__(self, name: str) -> None:
                self.title = name
                self.kept: dict[str, bytes] = {}
                hosts.stores.append(self)

            @staticmethod
            def open(call: Call, name: str) -> Store:
                assert call.function.endswith("[static]store.open")
                if name == "forbidden":
                    raise WitError("the store 'forbidden' is forbidden")
                return Store(name)

            def name(self) -> str:
                return self.title

            def put(self, call: Call, key: str, value: bytes) -> bytes | None:
                assert call.function.endswith("[method]store.put")
                if hosts.fails:
                    raise OSError("the disk is full")
                before = self.kept.get(key)
                self.kept[key] = value
                return before

            async def reverse(self, data: bytes) -> bytes:
                await anyio.lowlevel.checkpoint()
                return data[::-1]

            def drop(self) -> None:
                hosts.dropped.append(self.title)

        self.store = Store

        @host.function
        def size(call: Call, store: Store) -> int:
            return len(store.kept)

        @host.function
        async def absorb(call: Call, store: Store) -> list[str]:
            await anyio.lowlevel.checkpoint()
            return [*store.kept]

        @host.function
        def find_all(call: Call, names: list[str]) -> list[Store | None]:
            return [Store(name) if name else None for name in names]

        return host


def scalars(*values: Any) -> tuple[Any, ...]:
    return values


def greet(name: str) -> str:
    return f"hello, {name}"


def idle() -> None:
    pass


def reverse(data: bytes) -> bytes:
    return data[::-1]


def swap(point: Any) -> Any:
    return Record(x=point.y, y=point.x)


def turn(document: Any) -> Any:
    return {
        "id": document.id + 1,
        "title": f"{document.title}!",
        "body": document.body[::-1],
        "at": swap(document.at),
        "tags": [*document.tags, "turned"],
    }


def change(content: Variant) -> Variant:
    match content:
        case Variant("nothing"):
            return Variant("text", "nothing")
        case Variant("text", text):
            return Variant("raw", text.encode())
        case Variant("raw", data):
            return Variant("raw", data[::-1])
        case Variant("place", place):
            return Variant("places", [place, place])
        case Variant("places", places):
            sums = {
                "x": sum(place.x for place in places),
                "y": sum(place.y for place in places),
            }
            return Variant("place", sums)
        case _:
            raise AssertionError(content)


def next_(colour: str) -> str:
    return {"red": "green", "green": "blue", "blue": "red"}[colour]


def others(rights: frozenset[str]) -> frozenset[str]:
    return frozenset({"read", "write", "execute"}) - rights


def toggle(data: bytes | None) -> bytes | None:
    return b"" if data is None else data[::-1] or None


def descend(depth: Some | None) -> Some | None:
    match depth:
        case None:
            return Some(None)
        case Some(None):
            return Some(0)
        case Some(0):
            return None
        case Some(more):
            return Some(more - 1)


def divide(a: int, b: int) -> int:
    if b == 0:
        raise WitError("division by zero")
    return int(a / b)


def fetch(key: str, data: bytes) -> bytes:
    match key:
        case "data":
            return data
        case "late":
            raise WitError(Variant("timeout"))
        case "broken":
            raise WitError(Variant("broken", data))
        case _:
            raise WitError(Variant("not-found", key))


def accept(data: bytes) -> None:
    if not data:
        raise WitError(None)


def invert(outcomes: list[Ok | Err]) -> list[Ok | Err]:
    return [
        Err(outcome.value.decode())
        if isinstance(outcome, Ok)
        else Ok(outcome.value.encode())
        for outcome in outcomes
    ]


def backwards(points: list[Any]) -> list[Any]:
    return points[::-1]


def turn_all(documents: list[Any]) -> list[Any]:
    return [*map(turn, documents)]


def change_all(contents: list[Variant]) -> list[Variant]:
    return [*map(change, contents)]


def join(words: list[str]) -> str:
    return ",".join(words)


def split(text: str) -> list[str]:
    return text.split(",")


def mirror(chunks: list[bytes]) -> list[bytes]:
    return [chunk[::-1] for chunk in reversed(chunks)]


def exchange(pair: tuple[str, bytes]) -> tuple[bytes, str]:
    text, data = pair
    return data, text
