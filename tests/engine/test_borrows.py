"""Host functions take several borrowed handles, whatever wasmtime makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import anyio
import pytest
from attrs import define

import airssys
from airssys.engine import _ffi
from airssys.engine.borrows import (
    has_several_borrows,
    passes_borrows,
    passes_several_borrows,
)
from airssys.engine.component import Component, Engine
from airssys.errors import GuestTrapped, TooManyHandles, UnknownImport
from airssys.wasi.offered import open_interfaces
from airssys.wasi.polling import Pollable
from airssys.wasi.streams import InputStream, OutputStream
from airssys.witmodel.parse import parse_world
from airssys.witmodel.types import FuncType, InstanceType

from ..relay import relay
from .guests import MEMORY
from .tasks import BOTH, engine_of

pytestmark = pytest.mark.guest

IMPORTS: Final = """(import "test:host/things" (instance $host
    (export "thing" (type $t (sub resource)))
    (type $pair' (record (field "a" (borrow $t)) (field "n" u8)
      (field "b" (borrow $t))))
    (export "pair" (type $pair (eq $pair')))
    (export "make" (func (param "n" u32) (result (own $t))))
    (export "[method]thing.same" (func
      (param "self" (borrow $t)) (param "other" (borrow $t)) (result bool)))
    (export "three" (func (param "a" (borrow $t)) (param "b" (borrow $t))
      (param "c" (borrow $t)) (result u32)))
    (export "maybe" (func (param "a" (option (borrow $t)))
      (param "b" (option (borrow $t))) (result u32)))
    (export "pair-of" (func (param "pair" $pair) (result u32)))
    (export "all" (func (param "them" (list (borrow $t))) (result u32)))
    (export "lend-and-give" (func
      (param "a" (borrow $t)) (param "b" (own $t)) (result u32)))
    (export "give-and-lend" (func
      (param "a" (own $t)) (param "b" (borrow $t)) (result u32)))
    (export "slow" (func (param "a" (borrow $t)) (param "b" (borrow $t)) (result u32)))
    (export "some" (func (param "ns" u32) (result (list (own $t)))))
    (export "join" (func (param "a" (borrow $t)) (param "b" (borrow $t))
      (param "bytes" (list u8)) (result (list u8))))))"""
LOWERED: Final = {
    "make": "(param i32) (result i32)",
    "[method]thing.same": "(param i32 i32) (result i32)",
    "three": "(param i32 i32 i32) (result i32)",
    "maybe": "(param i32 i32 i32 i32) (result i32)",
    "pair-of": "(param i32 i32 i32) (result i32)",
    "all": "(param i32 i32) (result i32)",
    "lend-and-give": "(param i32 i32) (result i32)",
    "give-and-lend": "(param i32 i32) (result i32)",
    "slow": "(param i32 i32) (result i32)",
    "some": "(param i32 i32)",
    "join": "(param i32 i32 i32 i32 i32)",
}
PASSED: Final = {
    "make": "n",
    "[method]thing.same": "a b",
    "three": "a b c",
    "maybe": "a-there a b-there b",
    "pair-of": "a n b",
    "lend-and-give": "a b",
    "give-and-lend": "a b",
    "slow": "a b",
    "drop": "a",
}
"""What the guest passes on as it is: its callers know handles by their numbers."""


def exported(name: str) -> str:
    return name.rpartition(".")[2]


def guest(more: str = "") -> str:
    """Return a guest that passes handles, named by their numbers, to the host.

    Args:
        more: More definitions of the component.
    """
    lower = "\n".join(
        f'(core func ${exported(name)} (canon lower (func $host "{name}")'
        " (memory $mem) (realloc $realloc)))"
        for name in LOWERED
    )
    imports = "\n".join(
        f'(import "h" "{name}" (func ${exported(name)} {shape}))'
        for name, shape in LOWERED.items()
    )
    exports = "\n".join(
        f'(export "{name}" (func ${exported(name)}))' for name in (*LOWERED, "drop")
    )
    given = {
        name: "".join(f'(param "{each}" u32)' for each in params.split())
        for name, params in PASSED.items()
    }
    lifted = "\n".join(
        f'(func (export "{exported(name)}") {params}'
        f" {'' if name == 'drop' else '(result u32)'}"
        f' (canon lift (core func $c "{exported(name)}")))'
        for name, params in given.items()
    )
    passed = "\n".join(
        f'(export "{exported(name)}" (func ${exported(name)}))' for name in PASSED
    )
    return f"""(component
  {IMPORTS}
  (alias export $host "thing" (type $t))
  {MEMORY}
  {lower}
  (core func $drop (canon resource.drop $t))
  (core module $code
    (import "m" "memory" (memory 1))
    (import "h" "drop" (func $drop (param i32)))
    {imports}
    {passed}
    (func (export "all") (param $first i32) (param $step i32) (param $count i32)
      (result i32) (local $at i32) (local $left i32)
      (local.set $left (local.get $count))
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (i32.store (local.get $at) (local.get $first))
        (local.set $first (i32.add (local.get $first) (local.get $step)))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
      (call $all (i32.const 0) (local.get $count)))
    (func (export "some") (param i32) (call $some (local.get 0) (i32.const 16)))
    (func (export "join") (param i32 i32) (result i32)
      (i32.store (i32.const 64) (i32.const 0xff410042))
      (call $join (local.get 0) (local.get 1) (i32.const 64) (i32.const 4)
        (i32.const 16))
      (i32.const 16)))
  (core instance $c (instantiate $code (with "m" (instance $m)) (with "h"
    (instance {exports}))))
  {lifted}
  (func (export "all") (param "first" u32) (param "step" u32) (param "count" u32)
    (result u32) (canon lift (core func $c "all")))
  (func (export "some") (param "n" u32) (canon lift (core func $c "some")))
  (func (export "join") (param "a" u32) (param "b" u32) (result (list u8))
    (canon lift (core func $c "join") (memory $mem)))
  {more})"""


GUEST: Final = guest()
INNER: Final = " ".join(
    f'(export "{name}" (func $i "{name}"))' for name in (*map(exported, PASSED), "all")
)
COMPOSED: Final = f"""(component
  {IMPORTS}
  (component $inner {GUEST[10:]}
  (instance $i (instantiate $inner (with "test:host/things" (instance $host))))
  {INNER})"""
ASYNC: Final = guest("(core func (canon waitable-set.new))")
ASYNC_TYPE: Final = guest("""(core module $idle (func (export "idle")))
  (core instance $idle (instantiate $idle))
  (func (export "idle") async (canon lift (core func $idle "idle")))""")


class Things:
    """The host, and what became of its things."""

    def __init__(self) -> None:
        self.dropped: list[int] = []
        self.lent: list[tuple[Any, ...]] = []
        self.waiting = anyio.Event()
        self.go_on = anyio.Event()
        self.interface = host = airssys.HostInterface("test:host/things")
        dropped = self.dropped

        class Thing:
            def __init__(self, n: int) -> None:
                self.n = n

            def same(self, other: Thing) -> bool:
                return self is other

            def drop(self) -> None:
                dropped.append(self.n)

        host.resource(Thing)

        def summed(_call: airssys.Call, *things: Any) -> int:
            self.lent.append(things)
            return sum(each.n for each in things if each is not None)

        async def slow(_call: airssys.Call, a: Any, b: Any) -> int:
            self.waiting.set()
            await self.go_on.wait()
            return int(a.n + b.n)

        host.function(lambda _call, n: Thing(n), name="make")
        for name in ("three", "maybe", "lend-and-give", "give-and-lend"):
            host.function(summed, name=name)
        host.function(lambda call, p: summed(call, p.a, p.b) + p.n, name="pair-of")
        host.function(lambda call, them: summed(call, *them), name="all")
        host.function(slow, name="slow")
        host.function(lambda _call, n: [Thing(i) for i in range(n)], name="some")
        host.function(lambda _call, a, b, octets: octets * (a.n + b.n), name="join")


@pytest.fixture(scope="module", params=BOTH)
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_of(request.param)


@pytest.fixture(scope="module")
def compiled(engine: Engine) -> dict[str, Component]:
    del engine
    return {}


@pytest.fixture
def things() -> Things:
    return Things()


@pytest.fixture
async def made(make: Any, things: Things) -> AsyncIterator[Any]:
    with await make(GUEST, [things.interface]) as instance:
        yield instance


async def test_a_method_borrows_another_object_of_its_kind(made: Any) -> None:
    a, b = await made.call("make", 1), await made.call("make", 2)

    assert await made.call("same", a, b) == 0
    assert await made.call("same", a, a) == 1


async def test_a_function_borrows_three(made: Any) -> None:
    a, b, c = [await made.call("make", n) for n in (1, 20, 300)]

    assert await made.call("three", a, b, c) == 321
    assert await made.call("three", c, b, c) == 620


async def test_options_and_records_have_borrowed_handles_in_them(
    made: Any, things: Things
) -> None:
    a, b = await made.call("make", 1), await made.call("make", 2)

    assert await made.call("maybe", 1, a, 1, b) == 3
    assert await made.call("maybe", 0, 0, 1, b) == 2
    assert await made.call("maybe", 0, 77, 0, 77) == 0
    assert things.lent[-1] == (None, None)
    assert await made.call("pair-of", a, 10, b) == 13


@pytest.mark.parametrize("count", [0, 1, 2, 1_000, 9_000])
async def test_a_list_of_borrowed_handles_comes_whole(made: Any, count: int) -> None:
    first = await made.call("make", 0)
    for n in range(1, count):
        assert await made.call("make", n) == first + n

    assert await made.call("all", first, 1, count) == sum(range(count))
    assert await made.call("all", first + max(count - 1, 0), 0, count) == count * max(
        count - 1, 0
    )


async def test_handles_that_were_lent_can_be_given_away_and_dropped_after(
    made: Any, things: Things
) -> None:
    a, b = await made.call("make", 1), await made.call("make", 2)
    await made.call("same", a, b)
    await made.call("all", a, 0, 50)
    assert await made.call("lend-and-give", a, b) == 3
    await made.call("drop", a)
    await made.call("make", 3)
    assert things.dropped == [1]


@pytest.mark.parametrize(
    ("function", "kind"),
    [("give-and-lend", "unknown-handle"), ("lend-and-give", "handle-borrowed")],
)
async def test_a_handle_is_not_lent_and_given_away_at_once(
    made: Any, things: Things, function: str, kind: str
) -> None:
    a = await made.call("make", 1)
    with pytest.raises(GuestTrapped) as raised:
        await made.call(function, a, a)

    assert raised.value.kind == kind
    assert things.lent == []
    assert things.dropped == [1]


@pytest.mark.parametrize("args", [(1, 99), (99, 1), (0, 0)])
async def test_a_handle_that_is_not_there_is_not_lent(
    made: Any, args: tuple[int, int]
) -> None:
    await made.call("make", 1)
    with pytest.raises(GuestTrapped) as raised:
        await made.call("same", *args)

    assert raised.value.kind == "unknown-handle"


async def test_a_handle_that_was_dropped_is_not_lent(made: Any) -> None:
    a, b = await made.call("make", 1), await made.call("make", 2)
    await made.call("drop", b)
    with pytest.raises(GuestTrapped) as raised:
        await made.call("all", a, b - a, 2)

    assert raised.value.kind == "unknown-handle"


async def test_the_host_waits_with_two_borrowed_handles(
    made: Any, things: Things
) -> None:
    a, b = await made.call("make", 1), await made.call("make", 2)
    async with anyio.create_task_group() as group:

        async def call() -> None:
            assert await made.call("slow", a, b) == 3

        group.start_soon(call)
        await things.waiting.wait()
        things.go_on.set()
    await made.call("drop", a)
    await made.call("make", 3)

    assert things.dropped == [1]


async def test_a_cancel_while_the_host_has_two_borrowed_handles_ends_the_guest(
    made: Any, things: Things
) -> None:
    a, b = await made.call("make", 1), await made.call("make", 2)
    async with anyio.create_task_group() as group:
        group.start_soon(made.call, "slow", a, b)
        await things.waiting.wait()
        group.cancel_scope.cancel()

    assert not made.alive
    assert sorted(things.dropped) == [1, 2]


async def test_bytes_come_and_go_beside_borrowed_handles(made: Any) -> None:
    a, b = await made.call("make", 1), await made.call("make", 2)

    assert await made.call("join", a, b) == b"B\0A\xff" * 3


@pytest.mark.parametrize("kind", BOTH)
async def test_several_are_borrowed_where_the_bytes_lane_is_off(
    kind: str, things: Things
) -> None:
    component = await engine_of(kind, bytes_lane=False).compile(GUEST)
    with await component.instantiate([things.interface]) as instance:
        a, b = [await instance.call("make", n) for n in (1, 2)]
        assert await instance.call("same", a, b) == 0
        assert await instance.call("all", a, 1, 2) == 3
        assert await instance.call("join", a, b) == b"B\0A\xff" * 3


async def test_a_component_within_a_component_lends_several(
    make: Any, things: Things
) -> None:
    limits = airssys.Limits(handles=5)
    with await make(COMPOSED, [things.interface], limits=limits) as instance:
        a, b, c = [await instance.call("make", n) for n in (1, 20, 300)]
        assert await instance.call("three", a, b, c) == 321
        assert await instance.call("all", a, 1, 3) == 321
        await instance.call("make", 0)
        await instance.call("make", 0)
        with pytest.raises(TooManyHandles):
            await instance.call("make", 0)


async def test_handles_that_come_in_lists_count_beside_borrowed_ones(
    make: Any, things: Things
) -> None:
    limits = airssys.Limits(handles=5)
    with await make(GUEST, [things.interface], limits=limits) as instance:
        await instance.call("some", 5)
        assert await instance.call("all", 1, 0, 5) == 0
        with pytest.raises(TooManyHandles):
            await instance.call("some", 1)

    assert sorted(things.dropped) == [0, 0, 1, 2, 3, 4]


async def test_a_list_of_borrowed_handles_is_no_longer_than_their_limit(
    make: Any, things: Things
) -> None:
    limits = airssys.Limits(handles=5)
    with await make(GUEST, [things.interface], limits=limits) as instance:
        await instance.call("make", 1)
        assert await instance.call("all", 1, 0, 5) == 5
        with pytest.raises(TooManyHandles):
            await instance.call("all", 1, 0, 6)

    assert len(things.lent) == 1


# --- which engine ---------------------------------------------------------------------


@pytest.mark.parametrize("text", [ASYNC, ASYNC_TYPE])
async def test_a_component_that_needs_tasks_is_refused_what_they_make_impossible(
    things: Things, text: str
) -> None:
    component = await engine_of("without tasks").compile(text)
    with pytest.raises(
        UnknownImport,
        match=r"things#three' takes several borrowed handles, of which wasmtime "
        r"[\d.]+ passes a component with asynchronous functions only one",
    ):
        await component.instantiate([things.interface])


async def test_a_component_that_needs_tasks_may_do_without_what_is_impossible(
    things: Things,
) -> None:
    component = await engine_of("without tasks").compile(ASYNC)
    with await component.instantiate([things.interface], missing="trap") as instance:
        a, b = [await instance.call("make", n) for n in (1, 2)]
        if passes_several_borrows():
            assert await instance.call("same", a, b) == 0
        else:
            with pytest.raises(GuestTrapped, match="takes several borrowed") as raised:
                await instance.call("same", a, b)
            assert raised.value.kind == "several-borrows"


async def test_components_with_and_without_tasks_share_an_engine(
    things: Things,
) -> None:
    engine = engine_of("without tasks")
    one, other = await engine.compile(GUEST), await engine.compile(COMPOSED)
    tasks = await engine.compile(ASYNC)

    assert one.engine_pointer == other.engine_pointer != tasks.engine_pointer
    assert tasks.engine_pointer == _ffi.address(engine.wasmtime.ptr())


async def test_only_what_wasmtime_cannot_do_with_tasks_is_compiled_without(
    things: Things,
) -> None:
    engine = Engine(cache=False)
    single = '(component (import "f" (func (param "x" (list u8)))))'
    usual = _ffi.address(engine.wasmtime.ptr())

    assert (await engine.compile(single)).engine_pointer == usual
    several = (await engine.compile(GUEST)).engine_pointer
    assert (several == usual) is passes_several_borrows()


def test_whether_wasmtime_passes_several_is_tried() -> None:
    known = {"49": True, "50": False}
    version = _ffi.VERSION.partition(".")[0]
    found = passes_borrows(2)

    assert found is passes_several_borrows() is known.get(version, found)
    assert passes_borrows(3) is found
    assert passes_borrows(0)
    assert passes_borrows(1)


def test_what_goes_wrong_in_the_trial_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(_ffi, "resource_any_to_host", broken)
    with pytest.raises(ZeroDivisionError):
        passes_borrows(1)


@pytest.mark.parametrize(
    ("params", "several"),
    [
        ("a: borrow<r>", False),
        ("a: r, b: r", False),
        ("a: borrow<r>, b: r", False),
        ("a: borrow<r>, b: borrow<r>", True),
        ("a: list<borrow<r>>", True),
        ("a: list<option<tuple<u8, borrow<r>>>>", True),
        ("a: tuple<borrow<r>, borrow<r>>", True),
        ("a: option<borrow<r>>, b: option<borrow<r>>", True),
        ("a: result<borrow<r>, borrow<r>>", False),
        ("a: map<string, borrow<r>>", True),
        ("a: map<string, u8>, b: borrow<r>, c: list<u8>", False),
    ],
)
def test_several_are_what_one_call_may_pass(params: str, several: bool) -> None:  # noqa: FBT001
    world = parse_world(
        "world w { import i: interface { resource r; f: func(" + params + "); } }"
    )
    (interface,) = world.imports.values()
    assert isinstance(interface, InstanceType)
    function = interface.exports["f"]
    assert isinstance(function, FuncType)
    assert has_several_borrows(function) is several


# --- WASI -----------------------------------------------------------------------------


async def test_a_guest_polls_many_pollables(engine: Engine) -> None:
    ready = [Pollable([False, True][place % 3 == 0].__bool__) for place in range(100)]
    async with (
        open_interfaces() as offered,
        relay([o for o in offered if "io/poll" in o.name], engine=engine) as guest,
    ):
        assert await guest("poll#poll", ready) == list(range(0, 100, 3))


@define(eq=False)
class Source(InputStream):
    content: bytes

    def ready(self) -> bool:
        return True

    async def read(self, most: int) -> bytes:
        read, self.content = self.content[:most], self.content[most:]
        return read


@define(eq=False)
class Sink(OutputStream):
    content: bytes = b""

    async def write(self, content: bytes) -> None:
        self.content += content


@pytest.mark.parametrize("splice", ["splice", "blocking-splice"])
async def test_a_guest_splices_one_stream_into_another(
    engine: Engine, splice: str
) -> None:
    source, sink = Source(b"some bytes"), Sink()
    async with (
        open_interfaces() as offered,
        relay(
            [o for o in offered if "wasi:io/" in o.name],
            engine=engine,
        ) as guest,
    ):
        function = f"streams#[method]output-stream.{splice}"
        assert await guest(function, sink, source, 4) == 4
        assert await guest(function, sink, source, 100) == 6

    assert sink.content == b"some bytes"
