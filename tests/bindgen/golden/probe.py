"""Call components of the world ``probe``.

Made by airssys 0.1.0: ``airssys bindgen wit``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

import enum
from collections.abc import Awaitable, Sequence
from typing import Any, ClassVar, Protocol, Self, TypeAlias, runtime_checkable

from airssys import (
    Answer,
    Bindings,
    Call,
    Err,
    Handle,
    HostInterface,
    Instance,
    Ok,
    Some,
)
from attrs import frozen


@frozen
class Point:
    """``record point { x: s32, y: s32 }``"""

    x: int
    y: int


@frozen
class Document:
    """``record document { id: u64, title: string, body: list<u8>, at: point, tags:
    list<string> }``
    """

    id: int
    title: str
    body: bytes
    at: Point
    tags: list[str]


@frozen
class ContentNothing:
    """The case ``nothing`` of `Content`."""


@frozen
class ContentText:
    """The case ``text`` of `Content`."""

    value: str


@frozen
class ContentRaw:
    """The case ``raw`` of `Content`."""

    value: bytes


@frozen
class ContentPlace:
    """The case ``place`` of `Content`."""

    value: Point


@frozen
class ContentPlaces:
    """The case ``places`` of `Content`."""

    value: list[Point]


Content: TypeAlias = (
    ContentNothing | ContentText | ContentRaw | ContentPlace | ContentPlaces
)
"""``variant content { nothing, text(string), raw(list<u8>), place(point),
places(list<point>) }``
"""


class Colour(enum.StrEnum):
    """``enum colour { red, green, blue }``"""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Rights(enum.Flag):
    """``flags rights { read, write, execute }``"""

    READ = 1
    WRITE = 1 << 1
    EXECUTE = 1 << 2


@frozen
class FaultNotFound:
    """The case ``not-found`` of `Fault`."""

    value: str


@frozen
class FaultBroken:
    """The case ``broken`` of `Fault`."""

    value: bytes


@frozen
class FaultTimeout:
    """The case ``timeout`` of `Fault`."""


Fault: TypeAlias = FaultNotFound | FaultBroken | FaultTimeout
"""``variant fault { not-found(string), broken(list<u8>), timeout }``"""


class HostTurns(Protocol):
    """What a host offers as ``airssys-test:probe/turns@0.1.0``: see `offer_turns`."""

    def scalars(
        self,
        call: Call[Any],
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
        /,
    ) -> Answer[tuple[bool, int, int, int, int, int, int, int, int, float, float, str]]:
        """``scalars: func(a: bool, b: s8, c: u8, d: s16, e: u16, f: s32, g: u32, h:
        s64, i: u64, j: f32, k: f64, l: char) -> tuple<bool, s8, u8, s16, u16,
        s32, u32, s64, u64, f32, f64, char>``
        """
        ...

    def greet(self, call: Call[Any], name: str, /) -> Answer[str]:
        """``greet: func(name: string) -> string``"""
        ...

    def idle(self, call: Call[Any], /) -> Answer[None]:
        """``idle: func()``"""
        ...

    def reverse(self, call: Call[Any], data: bytes, /) -> Answer[bytes]:
        """``reverse: func(data: list<u8>) -> list<u8>``"""
        ...

    def swap(self, call: Call[Any], point: Point, /) -> Answer[Point]:
        """``swap: func(point: point) -> point``"""
        ...

    def turn(self, call: Call[Any], document: Document, /) -> Answer[Document]:
        """``turn: func(document: document) -> document``"""
        ...

    def change(self, call: Call[Any], content: Content, /) -> Answer[Content]:
        """``change: func(content: content) -> content``"""
        ...

    def next(self, call: Call[Any], colour: Colour, /) -> Answer[Colour]:
        """``next: func(colour: colour) -> colour``"""
        ...

    def others(self, call: Call[Any], rights: Rights, /) -> Answer[Rights]:
        """``others: func(rights: rights) -> rights``"""
        ...

    def toggle(self, call: Call[Any], data: bytes | None, /) -> Answer[bytes | None]:
        """``toggle: func(data: option<list<u8>>) -> option<list<u8>>``"""
        ...

    def descend(
        self, call: Call[Any], depth: Some[int | None] | None, /
    ) -> Answer[Some[int | None] | None]:
        """``descend: func(depth: option<option<u32>>) -> option<option<u32>>``"""
        ...

    def divide(self, call: Call[Any], a: int, b: int, /) -> Answer[int]:
        """``divide: func(a: s32, b: s32) -> result<s32, string>``

        Raises:
            WitError: Its value is of type ``str``.
        """
        ...

    def fetch(self, call: Call[Any], key: str, data: bytes, /) -> Answer[bytes]:
        """``fetch: func(key: string, data: list<u8>) -> result<list<u8>, fault>``

        Raises:
            WitError: Its value is of type ``Fault``.
        """
        ...

    def accept(self, call: Call[Any], data: bytes, /) -> Answer[None]:
        """``accept: func(data: list<u8>) -> result``

        Raises:
            WitError: Its value is None.
        """
        ...

    def invert(
        self, call: Call[Any], outcomes: list[Ok[bytes] | Err[str]], /
    ) -> Answer[Sequence[Ok[bytes] | Err[str]]]:
        """``invert: func(outcomes: list<result<list<u8>, string>>) ->
        list<result<list<u8>, string>>``
        """
        ...

    def backwards(
        self, call: Call[Any], points: list[Point], /
    ) -> Answer[Sequence[Point]]:
        """``backwards: func(points: list<point>) -> list<point>``"""
        ...

    def turn_all(
        self, call: Call[Any], documents: list[Document], /
    ) -> Answer[Sequence[Document]]:
        """``turn-all: func(documents: list<document>) -> list<document>``"""
        ...

    def change_all(
        self, call: Call[Any], contents: list[Content], /
    ) -> Answer[Sequence[Content]]:
        """``change-all: func(contents: list<content>) -> list<content>``"""
        ...

    def join(self, call: Call[Any], words: list[str], /) -> Answer[str]:
        """``join: func(words: list<string>) -> string``"""
        ...

    def split(self, call: Call[Any], text: str, /) -> Answer[Sequence[str]]:
        """``split: func(text: string) -> list<string>``"""
        ...

    def mirror(
        self, call: Call[Any], chunks: list[bytes], /
    ) -> Answer[Sequence[bytes]]:
        """``mirror: func(chunks: list<list<u8>>) -> list<list<u8>>``"""
        ...

    def exchange(
        self, call: Call[Any], pair: tuple[str, bytes], /
    ) -> Answer[tuple[bytes, str]]:
        """``exchange: func(pair: tuple<string, list<u8>>) -> tuple<list<u8>,
        string>``
        """
        ...


@runtime_checkable
class Store(Protocol):
    """A host's ``store``; its destructor is a method ``drop``."""

    def name(self, call: Call[Any], /) -> Answer[str]:
        """``name: func() -> string``"""
        ...

    def put(self, call: Call[Any], key: str, value: bytes, /) -> Answer[bytes | None]:
        """``put: func(key: string, value: list<u8>) -> option<list<u8>>``"""
        ...

    def reverse(self, call: Call[Any], data: bytes, /) -> Answer[bytes]:
        """``reverse: func(data: list<u8>) -> list<u8>``"""
        ...


class Host(Protocol):
    """What a host offers as ``airssys-test:probe/host@0.1.0``: see `offer_host`."""

    def store(self, call: Call[Any], name: str, /) -> Answer[Store]:
        """``constructor(name: string)``"""
        ...

    def store_open(self, call: Call[Any], name: str, /) -> Answer[Store]:
        """``open: static func(name: string) -> result<store, string>``

        Raises:
            WitError: Its value is of type ``str``.
        """
        ...

    def size(self, call: Call[Any], store: Store, /) -> Answer[int]:
        """``size: func(store: borrow<store>) -> u32``"""
        ...

    def absorb(self, call: Call[Any], store: Store, /) -> Answer[Sequence[str]]:
        """``absorb: func(store: store) -> list<string>``"""
        ...

    def find_all(
        self, call: Call[Any], names: list[str], /
    ) -> Answer[Sequence[Store | None]]:
        """``find-all: func(names: list<string>) -> list<option<store>>``"""
        ...


class Turns:
    """What a component exports as ``airssys-test:probe/turns@0.1.0``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def scalars(
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
    ) -> tuple[bool, int, int, int, int, int, int, int, int, float, float, str]:
        """``scalars: func(a: bool, b: s8, c: u8, d: s16, e: u16, f: s32, g: u32, h:
        s64, i: u64, j: f32, k: f64, l: char) -> tuple<bool, s8, u8, s16, u16,
        s32, u32, s64, u64, f32, f64, char>``
        """
        _result: tuple[
            bool, int, int, int, int, int, int, int, int, float, float, str
        ] = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#scalars", a, b, c, d, e, f, g, h, i, j, k, l
        )
        return _result

    async def greet(self, name: str) -> str:
        """``greet: func(name: string) -> string``"""
        _result: str = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#greet", name
        )
        return _result

    async def idle(self) -> None:
        """``idle: func()``"""
        await self.instance.call("airssys-test:probe/turns@0.1.0#idle")

    async def reverse(self, data: bytes) -> bytes:
        """``reverse: func(data: list<u8>) -> list<u8>``"""
        _result: bytes = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#reverse", data
        )
        return _result

    async def swap(self, point: Point) -> Point:
        """``swap: func(point: point) -> point``"""
        _result: Point = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#swap", point
        )
        return _result

    async def turn(self, document: Document) -> Document:
        """``turn: func(document: document) -> document``"""
        _result: Document = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#turn", document
        )
        return _result

    async def change(self, content: Content) -> Content:
        """``change: func(content: content) -> content``"""
        _result: Content = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#change", content
        )
        return _result

    async def next(self, colour: Colour) -> Colour:
        """``next: func(colour: colour) -> colour``"""
        _result: Colour = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#next", colour
        )
        return _result

    async def others(self, rights: Rights) -> Rights:
        """``others: func(rights: rights) -> rights``"""
        _result: Rights = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#others", rights
        )
        return _result

    async def toggle(self, data: bytes | None) -> bytes | None:
        """``toggle: func(data: option<list<u8>>) -> option<list<u8>>``"""
        _result: bytes | None = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#toggle", data
        )
        return _result

    async def descend(self, depth: Some[int | None] | None) -> Some[int | None] | None:
        """``descend: func(depth: option<option<u32>>) -> option<option<u32>>``"""
        _result: Some[int | None] | None = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#descend", depth
        )
        return _result

    async def divide(self, a: int, b: int) -> int:
        """``divide: func(a: s32, b: s32) -> result<s32, string>``

        Raises:
            WitError: Its value is of type ``str``.
        """
        _result: int = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#divide", a, b
        )
        return _result

    async def fetch(self, key: str, data: bytes) -> bytes:
        """``fetch: func(key: string, data: list<u8>) -> result<list<u8>, fault>``

        Raises:
            WitError: Its value is of type ``Fault``.
        """
        _result: bytes = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#fetch", key, data
        )
        return _result

    async def accept(self, data: bytes) -> None:
        """``accept: func(data: list<u8>) -> result``

        Raises:
            WitError: Its value is None.
        """
        await self.instance.call("airssys-test:probe/turns@0.1.0#accept", data)

    async def invert(
        self, outcomes: Sequence[Ok[bytes] | Err[str]]
    ) -> list[Ok[bytes] | Err[str]]:
        """``invert: func(outcomes: list<result<list<u8>, string>>) ->
        list<result<list<u8>, string>>``
        """
        _result: list[Ok[bytes] | Err[str]] = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#invert", outcomes
        )
        return _result

    async def backwards(self, points: Sequence[Point]) -> list[Point]:
        """``backwards: func(points: list<point>) -> list<point>``"""
        _result: list[Point] = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#backwards", points
        )
        return _result

    async def turn_all(self, documents: Sequence[Document]) -> list[Document]:
        """``turn-all: func(documents: list<document>) -> list<document>``"""
        _result: list[Document] = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#turn-all", documents
        )
        return _result

    async def change_all(self, contents: Sequence[Content]) -> list[Content]:
        """``change-all: func(contents: list<content>) -> list<content>``"""
        _result: list[Content] = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#change-all", contents
        )
        return _result

    async def join(self, words: Sequence[str]) -> str:
        """``join: func(words: list<string>) -> string``"""
        _result: str = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#join", words
        )
        return _result

    async def split(self, text: str) -> list[str]:
        """``split: func(text: string) -> list<string>``"""
        _result: list[str] = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#split", text
        )
        return _result

    async def mirror(self, chunks: Sequence[bytes]) -> list[bytes]:
        """``mirror: func(chunks: list<list<u8>>) -> list<list<u8>>``"""
        _result: list[bytes] = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#mirror", chunks
        )
        return _result

    async def exchange(self, pair: tuple[str, bytes]) -> tuple[bytes, str]:
        """``exchange: func(pair: tuple<string, list<u8>>) -> tuple<list<u8>,
        string>``
        """
        _result: tuple[bytes, str] = await self.instance.call(
            "airssys-test:probe/turns@0.1.0#exchange", pair
        )
        return _result


class Session:
    """The component's ``session``; to close it runs its destructor."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    def close(self) -> Awaitable[None]:
        """Give the resource up; awaited, run its destructor now."""
        return self.handle.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.handle.close()

    async def name(self) -> str:
        """``name: func() -> string``"""
        _result: str = await self.handle.call("name")
        return _result

    async def append(self, data: bytes) -> int:
        """``append: func(data: list<u8>) -> u32``"""
        _result: int = await self.handle.call("append", data)
        return _result

    async def contents(self) -> bytes:
        """``contents: func() -> list<u8>``"""
        _result: bytes = await self.handle.call("contents")
        return _result


class Api:
    """What a component exports as ``airssys-test:probe/api@0.1.0``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def session(self, name: str) -> Session:
        """``constructor(name: string)``"""
        _result: Session = await self.instance.call(
            "airssys-test:probe/api@0.1.0#[constructor]session", name
        )
        return _result

    async def session_open(self, name: str) -> Session:
        """``open: static func(name: string) -> result<session, fault>``

        Raises:
            WitError: Its value is of type ``Fault``.
        """
        _result: Session = await self.instance.call(
            "airssys-test:probe/api@0.1.0#[static]session.open", name
        )
        return _result

    async def session_merge(self, first: Session, second: Session) -> Session:
        """``merge: static func(first: session, second: session) -> session``"""
        _result: Session = await self.instance.call(
            "airssys-test:probe/api@0.1.0#[static]session.merge", first, second
        )
        return _result

    async def relay(self, on: bool) -> None:
        """``relay: func(on: bool)``"""
        await self.instance.call("airssys-test:probe/api@0.1.0#relay", on)

    async def size(self, session: Session) -> int:
        """``size: func(session: borrow<session>) -> u32``"""
        _result: int = await self.instance.call(
            "airssys-test:probe/api@0.1.0#size", session
        )
        return _result

    async def finish(self, session: Session) -> bytes:
        """``finish: func(session: session) -> list<u8>``"""
        _result: bytes = await self.instance.call(
            "airssys-test:probe/api@0.1.0#finish", session
        )
        return _result

    async def open_all(self, names: Sequence[str]) -> list[Session]:
        """``open-all: func(names: list<string>) -> list<session>``"""
        _result: list[Session] = await self.instance.call(
            "airssys-test:probe/api@0.1.0#open-all", names
        )
        return _result

    async def ended(self) -> list[str]:
        """``ended: func() -> list<string>``"""
        _result: list[str] = await self.instance.call(
            "airssys-test:probe/api@0.1.0#ended"
        )
        return _result

    async def use_store(self, name: str, values: Sequence[bytes]) -> list[bytes | None]:
        """``use-store: func(name: string, values: list<list<u8>>) ->
        list<option<list<u8>>>``
        """
        _result: list[bytes | None] = await self.instance.call(
            "airssys-test:probe/api@0.1.0#use-store", name, values
        )
        return _result

    async def work_store(self, name: str, data: bytes) -> tuple[bytes, int]:
        """``work-store: func(name: string, data: list<u8>) -> tuple<list<u8>, u32>``"""
        _result: tuple[bytes, int] = await self.instance.call(
            "airssys-test:probe/api@0.1.0#work-store", name, data
        )
        return _result

    async def try_store(self, name: str) -> str:
        """``try-store: func(name: string) -> result<string, string>``

        Raises:
            WitError: Its value is of type ``str``.
        """
        _result: str = await self.instance.call(
            "airssys-test:probe/api@0.1.0#try-store", name
        )
        return _result

    async def hold_store(self, name: str) -> None:
        """``hold-store: func(name: string)``"""
        await self.instance.call("airssys-test:probe/api@0.1.0#hold-store", name)

    async def adopt_store(self, store: Store) -> None:
        """``adopt-store: func(store: store)``"""
        await self.instance.call("airssys-test:probe/api@0.1.0#adopt-store", store)

    async def lend_store(self, store: Store, key: str, value: bytes) -> str:
        """``lend-store: func(store: borrow<store>, key: string, value: list<u8>) ->
        string``
        """
        _result: str = await self.instance.call(
            "airssys-test:probe/api@0.1.0#lend-store", store, key, value
        )
        return _result

    async def held_stores(self) -> list[str]:
        """``held-stores: func() -> list<string>``"""
        _result: list[str] = await self.instance.call(
            "airssys-test:probe/api@0.1.0#held-stores"
        )
        return _result

    async def drop_stores(self) -> int:
        """``drop-stores: func() -> u32``"""
        _result: int = await self.instance.call(
            "airssys-test:probe/api@0.1.0#drop-stores"
        )
        return _result

    async def make_store(self, name: str, keys: Sequence[str]) -> Store:
        """``make-store: func(name: string, keys: list<string>) -> store``"""
        _result: Store = await self.instance.call(
            "airssys-test:probe/api@0.1.0#make-store", name, keys
        )
        return _result

    async def give_store(self, name: str, keys: Sequence[str]) -> list[str]:
        """``give-store: func(name: string, keys: list<string>) -> list<string>``"""
        _result: list[str] = await self.instance.call(
            "airssys-test:probe/api@0.1.0#give-store", name, keys
        )
        return _result

    async def find_stores(self, names: Sequence[str]) -> list[str | None]:
        """``find-stores: func(names: list<string>) -> list<option<string>>``"""
        _result: list[str | None] = await self.instance.call(
            "airssys-test:probe/api@0.1.0#find-stores", names
        )
        return _result

    async def trap(self) -> None:
        """``trap: func()``"""
        await self.instance.call("airssys-test:probe/api@0.1.0#trap")

    async def spin(self) -> None:
        """``spin: func()``"""
        await self.instance.call("airssys-test:probe/api@0.1.0#spin")


_WIT = """\
world probe {
  import airssys-test:probe/shapes@0.1.0: interface {
    record point { x: s32, y: s32 }
    record document { id: u64, title: string, body: list<u8>, at: point, tags: list<string> }
    variant content { nothing, text(string), raw(list<u8>), place(point), places(list<point>) }
    enum colour { red, green, blue }
    flags rights { read, write, execute }
    variant fault { not-found(string), broken(list<u8>), timeout }
  }
  import airssys-test:probe/turns@0.1.0: interface {
    use airssys-test:probe/shapes@0.1.0.{point, document, content, colour, rights, fault};
    scalars: func(a: bool, b: s8, c: u8, d: s16, e: u16, f: s32, g: u32, h: s64, i: u64, j: f32, k: f64, l: char) -> tuple<bool, s8, u8, s16, u16, s32, u32, s64, u64, f32, f64, char>;
    greet: func(name: string) -> string;
    idle: func();
    reverse: func(data: list<u8>) -> list<u8>;
    swap: func(point: point) -> point;
    turn: func(document: document) -> document;
    change: func(content: content) -> content;
    next: func(colour: colour) -> colour;
    others: func(rights: rights) -> rights;
    toggle: func(data: option<list<u8>>) -> option<list<u8>>;
    descend: func(depth: option<option<u32>>) -> option<option<u32>>;
    divide: func(a: s32, b: s32) -> result<s32, string>;
    fetch: func(key: string, data: list<u8>) -> result<list<u8>, fault>;
    accept: func(data: list<u8>) -> result;
    invert: func(outcomes: list<result<list<u8>, string>>) -> list<result<list<u8>, string>>;
    backwards: func(points: list<point>) -> list<point>;
    turn-all: func(documents: list<document>) -> list<document>;
    change-all: func(contents: list<content>) -> list<content>;
    join: func(words: list<string>) -> string;
    split: func(text: string) -> list<string>;
    mirror: func(chunks: list<list<u8>>) -> list<list<u8>>;
    exchange: func(pair: tuple<string, list<u8>>) -> tuple<list<u8>, string>;
  }
  import airssys-test:probe/host@0.1.0: interface {
    resource store {
      constructor(name: string);
      open: static func(name: string) -> result<store, string>;
      name: func() -> string;
      put: func(key: string, value: list<u8>) -> option<list<u8>>;
      reverse: func(data: list<u8>) -> list<u8>;
    }
    size: func(store: borrow<store>) -> u32;
    absorb: func(store: store) -> list<string>;
    find-all: func(names: list<string>) -> list<option<store>>;
  }
  export airssys-test:probe/turns@0.1.0: interface {
    use airssys-test:probe/shapes@0.1.0.{colour, content, document, fault, point, rights};
    scalars: func(a: bool, b: s8, c: u8, d: s16, e: u16, f: s32, g: u32, h: s64, i: u64, j: f32, k: f64, l: char) -> tuple<bool, s8, u8, s16, u16, s32, u32, s64, u64, f32, f64, char>;
    greet: func(name: string) -> string;
    idle: func();
    reverse: func(data: list<u8>) -> list<u8>;
    swap: func(point: point) -> point;
    turn: func(document: document) -> document;
    change: func(content: content) -> content;
    next: func(colour: colour) -> colour;
    others: func(rights: rights) -> rights;
    toggle: func(data: option<list<u8>>) -> option<list<u8>>;
    descend: func(depth: option<option<u32>>) -> option<option<u32>>;
    divide: func(a: s32, b: s32) -> result<s32, string>;
    fetch: func(key: string, data: list<u8>) -> result<list<u8>, fault>;
    accept: func(data: list<u8>) -> result;
    invert: func(outcomes: list<result<list<u8>, string>>) -> list<result<list<u8>, string>>;
    backwards: func(points: list<point>) -> list<point>;
    turn-all: func(documents: list<document>) -> list<document>;
    change-all: func(contents: list<content>) -> list<content>;
    join: func(words: list<string>) -> string;
    split: func(text: string) -> list<string>;
    mirror: func(chunks: list<list<u8>>) -> list<list<u8>>;
    exchange: func(pair: tuple<string, list<u8>>) -> tuple<list<u8>, string>;
  }
  export airssys-test:probe/api@0.1.0: interface {
    use airssys-test:probe/shapes@0.1.0.{fault};
    use airssys-test:probe/host@0.1.0.{store};
    resource session {
      constructor(name: string);
      open: static func(name: string) -> result<session, fault>;
      merge: static func(first: session, second: session) -> session;
      name: func() -> string;
      append: func(data: list<u8>) -> u32;
      contents: func() -> list<u8>;
    }
    relay: func(on: bool);
    size: func(session: borrow<session>) -> u32;
    finish: func(session: session) -> list<u8>;
    open-all: func(names: list<string>) -> list<session>;
    ended: func() -> list<string>;
    use-store: func(name: string, values: list<list<u8>>) -> list<option<list<u8>>>;
    work-store: func(name: string, data: list<u8>) -> tuple<list<u8>, u32>;
    try-store: func(name: string) -> result<string, string>;
    hold-store: func(name: string);
    adopt-store: func(store: store);
    lend-store: func(store: borrow<store>, key: string, value: list<u8>) -> string;
    held-stores: func() -> list<string>;
    drop-stores: func() -> u32;
    make-store: func(name: string, keys: list<string>) -> store;
    give-store: func(name: string, keys: list<string>) -> list<string>;
    find-stores: func(names: list<string>) -> list<option<string>>;
    trap: func();
    spin: func();
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import airssys-test:probe/shapes@0.1.0#point": Point,
        "import airssys-test:probe/shapes@0.1.0#document": Document,
        "import airssys-test:probe/shapes@0.1.0#content": (
            ContentNothing,
            ContentText,
            ContentRaw,
            ContentPlace,
            ContentPlaces,
        ),
        "import airssys-test:probe/shapes@0.1.0#colour": Colour,
        "import airssys-test:probe/shapes@0.1.0#rights": Rights,
        "import airssys-test:probe/shapes@0.1.0#fault": (
            FaultNotFound,
            FaultBroken,
            FaultTimeout,
        ),
        "import airssys-test:probe/host@0.1.0#store": Store,
        "export airssys-test:probe/api@0.1.0#session": Session,
    },
)


def offer_turns(implementation: HostTurns, /) -> HostInterface:
    """Offer an object's methods as ``airssys-test:probe/turns@0.1.0``."""
    return _BINDINGS.offer("airssys-test:probe/turns@0.1.0", implementation)


def offer_host(implementation: Host, /) -> HostInterface:
    """Offer an object's methods as ``airssys-test:probe/host@0.1.0``."""
    return _BINDINGS.offer("airssys-test:probe/host@0.1.0", implementation)


class Exports:
    """What a component of the world ``probe`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.turns = Turns(instance)
        self.api = Api(instance)

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
