"""A guest in C through bindings: every kind of value and resource, both ways."""
# ruff: noqa: ARG002 - methods have the parameters of WIT

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest
from attrs import define, evolve, field, frozen

from airssys import Engine, Err, Limits, Ok, Some, WitError
from airssys.core.errors import InstanceClosed, ValueMismatch

from ..guests.probe import build
from .golden import probe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from airssys import Call, Component

pytestmark = [pytest.mark.guest, pytest.mark.slow]

DOCUMENT = probe.Document(7, "title", b"\0\xffbody", probe.Point(1, -2), ["a"])


class Turns:
    """What the guest does, too."""

    def scalars(self, call: Call, *values: Any) -> Any:
        return values

    def greet(self, call: Call, name: str) -> str:
        return f"hello, {name}"

    def idle(self, call: Call) -> None:
        pass

    async def reverse(self, call: Call, data: bytes) -> bytes:
        await anyio.lowlevel.checkpoint()
        return data[::-1]

    def swap(self, call: Call, point: probe.Point) -> probe.Point:
        return probe.Point(point.y, point.x)

    def turn(self, call: Call, document: probe.Document) -> probe.Document:
        return evolve(
            document,
            id=document.id + 1,
            title=f"{document.title}!",
            body=document.body[::-1],
            at=self.swap(call, document.at),
            tags=[*document.tags, "turned"],
        )

    def change(self, call: Call, content: probe.Content) -> probe.Content:
        match content:
            case probe.ContentNothing():
                return probe.ContentText("nothing")
            case probe.ContentText(text):
                return probe.ContentRaw(text.encode())
            case probe.ContentRaw(data):
                return probe.ContentRaw(data[::-1])
            case probe.ContentPlace(place):
                return probe.ContentPlaces([place, place])
            case probe.ContentPlaces(places):
                x, y = sum(p.x for p in places), sum(p.y for p in places)
                return probe.ContentPlace(probe.Point(x, y))

    def next(self, call: Call, colour: probe.Colour) -> probe.Colour:
        all_ = list(probe.Colour)
        return all_[(all_.index(colour) + 1) % 3]

    def others(self, call: Call, rights: probe.Rights) -> probe.Rights:
        return ~rights

    def toggle(self, call: Call, data: bytes | None) -> bytes | None:
        return b"" if data is None else data[::-1] or None

    def descend(self, call: Call, depth: Some[int | None] | None) -> Any:
        match depth:
            case None:
                return Some(None)
            case Some(None):
                return Some(0)
            case Some(0):
                return None
            case Some(more):
                assert more is not None
                return Some(more - 1)

    def divide(self, call: Call, a: int, b: int) -> int:
        if b == 0:
            raise WitError("division by zero")
        return int(a / b)

    def fetch(self, call: Call, key: str, data: bytes) -> bytes:
        match key:
            case "data":
                return data
            case "late":
                raise WitError(probe.FaultTimeout())
            case "broken":
                raise WitError(probe.FaultBroken(data))
            case _:
                raise WitError(probe.FaultNotFound(key))

    def accept(self, call: Call, data: bytes) -> None:
        if not data:
            raise WitError(None)

    def invert(
        self, call: Call, outcomes: list[Ok[bytes] | Err[str]]
    ) -> list[Ok[bytes] | Err[str]]:
        return [
            Err(each.value.decode())
            if isinstance(each, Ok)
            else Ok(each.value.encode())
            for each in outcomes
        ]

    def backwards(self, call: Call, points: list[probe.Point]) -> list[probe.Point]:
        return points[::-1]

    def turn_all(
        self, call: Call, documents: list[probe.Document]
    ) -> list[probe.Document]:
        return [self.turn(call, document) for document in documents]

    def change_all(
        self, call: Call, contents: list[probe.Content]
    ) -> list[probe.Content]:
        return [self.change(call, content) for content in contents]

    def join(self, call: Call, words: list[str]) -> str:
        return ",".join(words)

    def split(self, call: Call, text: str) -> list[str]:
        return text.split(",")

    def mirror(self, call: Call, chunks: list[bytes]) -> list[bytes]:
        return [chunk[::-1] for chunk in reversed(chunks)]

    def exchange(self, call: Call, pair: tuple[str, bytes]) -> tuple[bytes, str]:
        return pair[1], pair[0]


@define(eq=False)
class Store:
    title: str
    dropped: list[str]
    kept: dict[str, bytes] = field(factory=dict)

    def name(self, call: Call) -> str:
        return self.title

    def put(self, call: Call, key: str, value: bytes) -> bytes | None:
        before = self.kept.get(key)
        self.kept[key] = value
        return before

    async def reverse(self, call: Call, data: bytes) -> bytes:
        await anyio.lowlevel.checkpoint()
        return data[::-1]

    def drop(self) -> None:
        self.dropped.append(self.title)


@define
class Host:
    dropped: list[str] = field(factory=list)

    async def store(self, call: Call, name: str) -> Store:
        await anyio.lowlevel.checkpoint()
        return Store(name, self.dropped)

    def store_open(self, call: Call, name: str) -> Store:
        if name == "forbidden":
            raise WitError("the store 'forbidden' is forbidden")
        return Store(name, self.dropped)

    def size(self, call: Call, store: probe.Store) -> int:
        assert isinstance(store, Store)
        return len(store.kept)

    def absorb(self, call: Call, store: probe.Store) -> Sequence[str]:
        assert isinstance(store, Store)
        return [*store.kept]

    def find_all(self, call: Call, names: list[str]) -> list[Store | None]:
        return [Store(name, self.dropped) if name else None for name in names]


@frozen
class Made:
    exports: probe.Exports
    host: Host


@pytest.fixture(scope="session")
def loaded() -> dict[str, Component]:
    return {}


@pytest.fixture
async def made(loaded: dict[str, Component]) -> AsyncIterator[Made]:
    if not loaded:
        try:
            file = build.built("c")
        except build.ToolMissing as missing:
            pytest.skip(str(missing))
        loaded["c"] = await Engine().load(file)
    host = Host()
    bound = loaded["c"].bind(probe.Exports)
    offers = [probe.offer_turns(Turns()), probe.offer_host(host)]
    with await bound.instantiate(offers, limits=Limits(memory=2**25)) as exports:
        yield Made(exports, host)


@pytest.mark.parametrize("relay", [False, True])
async def test_every_kind_of_value_crosses_both_ways(made: Made, relay: bool) -> None:  # noqa: FBT001
    turns = made.exports.turns
    await made.exports.api.relay(relay)

    numbers = (True, -1, 2, -3, 4, -5, 6, -7, 8, 0.5, 0.25, "é")
    assert await turns.scalars(*numbers) == numbers
    assert await turns.greet("you") == "hello, you"
    await turns.idle()
    assert await turns.reverse(bytes(range(256))) == bytes(range(256))[::-1]
    assert await turns.swap(probe.Point(1, 2)) == probe.Point(2, 1)
    turned = probe.Document(
        8, "title!", b"ydob\xff\0", probe.Point(-2, 1), ["a", "turned"]
    )
    assert await turns.turn(DOCUMENT) == turned
    assert await turns.turn_all([DOCUMENT] * 3) == [turned] * 3
    contents: list[tuple[probe.Content, probe.Content]] = [
        (probe.ContentNothing(), probe.ContentText("nothing")),
        (probe.ContentText("é"), probe.ContentRaw("é".encode())),
        (
            probe.ContentPlace(probe.Point(1, 2)),
            probe.ContentPlaces([probe.Point(1, 2)] * 2),
        ),
    ]
    for content, changed in contents:
        assert await turns.change(content) == changed
    given = [content for content, _ in contents]
    assert await turns.change_all(given) == [changed for _, changed in contents]
    assert await turns.next(probe.Colour.BLUE) is probe.Colour.RED
    assert await turns.others(probe.Rights.READ) == (
        probe.Rights.WRITE | probe.Rights.EXECUTE
    )
    assert await turns.others(~probe.Rights(0)) is probe.Rights(0)
    assert await turns.toggle(b"") is None
    assert await turns.toggle(None) == b""
    assert await turns.descend(None) == Some(None)
    assert await turns.descend(Some(4)) == Some(3)
    assert await turns.invert([Ok(b"x"), Err("y")]) == [Err("x"), Ok(b"y")]
    assert await turns.mirror([b"ab", b"c"]) == [b"c", b"ba"]
    assert await turns.exchange(("a", b"b")) == (b"b", "a")
    assert await turns.split(await turns.join(["a", "b"])) == ["a", "b"]


@pytest.mark.parametrize("relay", [False, True])
async def test_errors_are_raised_with_the_classes_of_the_module(
    made: Made,
    relay: bool,  # noqa: FBT001
) -> None:
    turns = made.exports.turns
    await made.exports.api.relay(relay)

    assert await turns.fetch("data", b"1") == b"1"
    for key, fault in (
        ("late", probe.FaultTimeout()),
        ("broken", probe.FaultBroken(b"1")),
        ("?", probe.FaultNotFound("?")),
    ):
        with pytest.raises(WitError) as caught:
            await turns.fetch(key, b"1")
        assert caught.value.value == fault
    with pytest.raises(WitError) as caught:
        await turns.accept(b"")
    assert caught.value.value is None


async def test_the_guest_s_resources_are_objects_of_the_module(made: Made) -> None:
    api = made.exports.api
    session = await api.session("one")
    assert type(session) is probe.Session
    assert await session.name() == "one"
    assert await session.append(b"data") == 4
    assert await api.size(session) == 4

    other = await api.session_open("two")
    merged = await api.session_merge(session, other)

    assert await merged.contents() == b"data"
    with pytest.raises(ValueMismatch, match="an open handle of session"):
        await session.name()
    with pytest.raises(WitError) as caught:
        await api.session_open("")
    assert isinstance(caught.value.value, probe.FaultNotFound | probe.FaultBroken)
    assert await api.finish(merged) == b"data"


async def test_closing_a_resource_runs_its_destructor(made: Made) -> None:
    api = made.exports.api
    first, second, third = await api.open_all(["1", "2", "3"])
    async with first:
        assert await first.name() == "1"
    assert await api.ended() == ["1"]

    second.close()
    await third.close()

    assert (await api.ended())[1:] == ["2", "3"]
    made.exports.close()
    with pytest.raises(InstanceClosed):
        await third.name()


async def test_a_host_s_resources_are_the_program_s_own_objects(made: Made) -> None:
    api, dropped = made.exports.api, made.host.dropped
    assert await api.use_store("s", [b"1", b"2"]) == [None, b"1"]
    assert dropped == ["s"]
    assert await api.work_store("w", b"abc") == (b"cba", 0)
    assert await api.try_store("t") == "t"
    with pytest.raises(WitError, match="is forbidden"):
        await api.try_store("forbidden")

    mine = Store("mine", dropped)
    assert await api.lend_store(mine, "key", b"value") == "mine"
    assert mine.kept == {"key": b"value"}
    await api.adopt_store(mine)
    assert await api.held_stores() == ["mine"]
    back = await api.make_store("made", ["a", "b"])
    assert isinstance(back, Store)
    assert [*back.kept] == ["a", "b"]
    assert await api.give_store("given", ["a"]) == ["a"]
    assert await api.find_stores(["x", ""]) == ["x", None]
    assert "mine" not in dropped
    assert await api.drop_stores() == 1
    assert "mine" in dropped


async def test_an_object_without_the_methods_is_no_host_s_resource(made: Made) -> None:
    wrong: Any = object()

    with pytest.raises(ValueMismatch, match=r"store: expected store \(a Store\)"):
        await made.exports.api.lend_store(wrong, "key", b"")
