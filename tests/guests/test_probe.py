"""The same guest in C, in Python and in JavaScript: values and resources, both ways."""

from __future__ import annotations

import gc
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from attrs import define, evolve, frozen

from airssys import Engine, Err, Limits, Ok, Record, Some, Variant, WitError
from airssys.core.errors import (
    GuestTrapped,
    InstanceClosed,
    OutOfFuel,
    Overtime,
    ValueMismatch,
)

from .probe import build
from .probe.hosts import API, TURNS, Hosts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airssys import Component, Instance

pytestmark = [pytest.mark.guest, pytest.mark.slow]

LIMITS = Limits(memory=32 * 2**20, timeout=30)
"""CPython needs that much."""
BIG = bytes(range(256)) * 300
"""More than a page of memory."""
FUEL = 200_000_000


@cache
def engine(lane: bool) -> Engine:  # noqa: FBT001 - one of two
    return Engine(bytes_lane=lane)


@pytest.fixture(scope="session")
def hosts() -> Hosts:
    return Hosts()


@pytest.fixture(scope="session")
def components() -> dict[Guest, Component]:
    return {}


@frozen
class Guest:
    """A component of the world `probe`."""

    language: str
    path: Path
    lane: bool


@define
class Probe:
    """A guest at work, and its host."""

    instance: Instance
    hosts: Hosts

    async def turn(self, function: str, *args: Any) -> Any:
        return await self.instance.call(f"{TURNS}#{function}", *args)

    async def api(self, function: str, *args: Any) -> Any:
        return await self.instance.call(f"{API}#{function}", *args)

    async def session(self, name: str, data: bytes = b"") -> Any:
        session = await self.api("[constructor]session", name)
        await session.call("append", data)
        return session


@pytest.fixture(scope="session", params=[*build.LANGUAGES, "c-strided"])
def guest(request: pytest.FixtureRequest) -> Guest:
    """Build a guest, once; one of them is also called without the bytes lane."""
    language, _, strided = request.param.partition("-")
    try:
        path = build.built(language)
    except build.ToolMissing as missing:
        pytest.skip(f"no guest in {language}: {missing}")
    return Guest(language, path, lane=not strided)


@pytest.fixture
async def make(guest: Guest, components: dict[Guest, Component], hosts: Hosts) -> Any:
    hosts.forget()
    if guest not in components:
        components[guest] = await engine(guest.lane).load(guest.path, name="probe")
    component = components[guest]

    async def instantiate(**limits: Any) -> Probe:
        instance = await component.instantiate(
            hosts.interfaces, limits=evolve(LIMITS, **limits)
        )
        return Probe(instance, hosts)

    return instantiate


@pytest.fixture
async def probe(make: Any) -> Any:
    probe = await make()
    yield probe
    probe.instance.close()


@pytest.fixture
def unable(request: pytest.FixtureRequest, guest: Guest) -> Callable[[str, str], None]:
    """Say what a language's tools cannot do: ``unable("javascript", reason)``."""

    def say(language: str, reason: str) -> None:
        if guest.language == language:
            raises = (GuestTrapped, AssertionError)
            mark = pytest.mark.xfail(reason=reason, strict=True, raises=raises)
            request.applymarker(mark)

    return say


# --- values ---------------------------------------------------------------------------


@frozen
class Refusal:
    """A result that is ``err``."""

    value: Any


def point(x: int, y: int) -> Record:
    return Record(x=x, y=y)


def document(id_: int, title: str, body: bytes, at: Record, *tags: str) -> Record:
    return Record(id=id_, title=title, body=body, at=at, tags=[*tags])


EDGES = (True, -128, 255, -(2**15), 2**16 - 1, -(2**31), 2**32 - 1)
SAFE = (-(2**53) + 1, 2**53 - 1)
"""What JavaScript can count to."""
LOW = -(2**31)
HIGH = 2**31 - 1

EMPTY = document(0, "", b"", point(0, 0))
FULL = document(2**53 - 2, "Grüße 🦀", b"\x00\xff", point(LOW, HIGH), "a", "", "ü")
TURNED = document(1, "!", b"", point(0, 0), "turned")
FULL_TURNED = document(
    2**53 - 1, "Grüße 🦀!", b"\xff\x00", point(HIGH, LOW), "a", "", "ü", "turned"
)

CONTENTS = [
    (Variant("nothing"), Variant("text", "nothing")),
    (Variant("text", ""), Variant("raw", b"")),
    (Variant("text", "naïve 🦀"), Variant("raw", "naïve 🦀".encode())),
    (Variant("raw", b"\x00\x80\xff"), Variant("raw", b"\xff\x80\x00")),
    (Variant("raw", BIG), Variant("raw", BIG[::-1])),
    (Variant("place", point(1, -2)), Variant("places", [point(1, -2)] * 2)),
    (Variant("places", []), Variant("place", point(0, 0))),
    (Variant("places", [point(1, 2), point(3, -4)]), Variant("place", point(4, -2))),
]

TURNS_DONE: dict[str, list[tuple[tuple[Any, ...], Any]]] = {
    "scalars": [
        ((*EDGES, *SAFE, 1.5, -0.1, "🦀"), (*EDGES, *SAFE, 1.5, -0.1, "🦀")),
        ((False, *[0] * 8, -inf, inf, "\0"), (False, *[0] * 8, -inf, inf, "\0")),
    ],
    "greet": [(("wörld",), "hello, wörld"), (("\0🦀",), "hello, \0🦀")],
    "idle": [((), None)],
    "reverse": [((b"",), b""), ((b"\x00ab\xff",), b"\xffba\x00"), ((BIG,), BIG[::-1])],
    "swap": [((point(LOW, HIGH),), point(HIGH, LOW))],
    "turn": [((EMPTY,), TURNED), ((FULL,), FULL_TURNED)],
    "change": [((given,), made) for given, made in CONTENTS],
    "next": [(("red",), "green"), (("blue",), "red")],
    "others": [
        ((frozenset(),), frozenset({"read", "write", "execute"})),
        ((frozenset({"write"}),), frozenset({"read", "execute"})),
        ((frozenset({"read", "write", "execute"}),), frozenset()),
    ],
    "toggle": [((None,), b""), ((b"",), None), ((b"\x00\xff",), b"\xff\x00")],
    "descend": [
        ((None,), Some(None)),
        ((Some(None),), Some(0)),
        ((Some(0),), None),
        ((Some(2**32 - 1),), Some(2**32 - 2)),
    ],
    "divide": [((-7, 2), -3), ((LOW, 1), LOW), ((1, 0), Refusal("division by zero"))],
    "fetch": [
        (("data", b"\xff\x00"), b"\xff\x00"),
        (("data", b""), b""),
        (("late", b""), Refusal(Variant("timeout"))),
        (("broken", b"\xff\x00"), Refusal(Variant("broken", b"\xff\x00"))),
        (("näh", b""), Refusal(Variant("not-found", "näh"))),
    ],
    "accept": [((b"x",), None), ((b"",), Refusal(None))],
    "invert": [
        (([],), []),
        (
            ([Ok(b"yes"), Err("nö"), Ok(b""), Err("")],),
            [Err("yes"), Ok("nö".encode()), Err(""), Ok(b"")],
        ),
    ],
    "backwards": [
        (([],), []),
        (([point(n, -n) for n in range(500)],),
         [point(n, -n) for n in reversed(range(500))]),
    ],
    "turn-all": [(([],), []), (([EMPTY, FULL],), [TURNED, FULL_TURNED])],
    "change-all": [
        (([],), []),
        (([given for given, _ in CONTENTS],), [made for _, made in CONTENTS]),
    ],
    "join": [(([],), ""), ((["a", "", "ü🦀"],), "a,,ü🦀")],
    "split": [(("",), [""]), (("a,,ü🦀",), ["a", "", "ü🦀"])],
    "mirror": [
        (([],), []),
        (([b"", b"\x00\xff", BIG],), [BIG[::-1], b"\xff\x00", b""]),
    ],
    "exchange": [((("ü", b"\xff"),), (b"\xff", "ü"))],
}  # fmt: skip


async def outcome(probe: Probe, function: str, args: tuple[Any, ...]) -> Any:
    try:
        return await probe.turn(function, *args)
    except WitError as error:
        return Refusal(error.value)


def test_every_function_of_turns_is_tried() -> None:
    text = (build.WIT / "probe.wit").read_text()
    turns = text.partition("interface turns")[2].partition("\n}")[0]

    named = {line.partition(":")[0].strip() for line in turns.splitlines()
             if ": func(" in line}  # fmt: skip

    assert named == set(TURNS_DONE)


async def test_a_guest_runs_within_limits_that_nobody_set(
    probe: Probe, hosts: Hosts
) -> None:
    component: Any = probe.instance.component
    with await component.instantiate(hosts.interfaces) as instance:
        again = Probe(instance, hosts)
        assert await again.turn("reverse", BIG) == BIG[::-1]
        assert await again.turn("greet", "wörld") == "hello, wörld"


@pytest.mark.parametrize("function", TURNS_DONE)
async def test_a_guest_takes_and_returns_values(probe: Probe, function: str) -> None:
    for args, result in TURNS_DONE[function]:
        assert await outcome(probe, function, args) == result
    assert probe.hosts.heard == []


@pytest.mark.parametrize("function", TURNS_DONE)
async def test_a_guest_passes_values_to_its_host_and_back(
    probe: Probe, function: str
) -> None:
    await probe.api("relay", True)  # noqa: FBT003 - a value of WIT

    for args, result in TURNS_DONE[function]:
        assert await outcome(probe, function, args) == result
    assert probe.hosts.heard == [
        (f"{TURNS}#{function}", *args) for args, _ in TURNS_DONE[function]
    ]


async def test_whole_numbers_keep_all_their_64_bits(probe: Probe, unable: Any) -> None:
    unable("javascript", "componentize-qjs passes 64 bits as a double")
    numbers = (*EDGES, -(2**63), 2**64 - 1, 0.0, -0.0, "a")

    assert await probe.turn("scalars", *numbers) == numbers


async def test_a_value_of_the_wrong_type_never_reaches_the_guest(probe: Probe) -> None:
    wrong = {**vars(FULL), "tags": ["a", b"b"]}

    with pytest.raises(ValueMismatch, match=r"tags\[1\]: expected string"):
        await probe.turn("turn", wrong)
    with pytest.raises(ValueMismatch, match=r"\[1\]\(places\)\[0\]\.x: expected s32"):
        await probe.turn(
            "change-all", [Variant("nothing"), Variant("places", [{"x": "", "y": 0}])]
        )

    assert await probe.turn("turn", FULL) == FULL_TURNED


# --- resources of the guest -----------------------------------------------------------


async def test_a_guest_makes_resources_with_methods(probe: Probe) -> None:
    first = await probe.api("[constructor]session", "first")
    second = await probe.api("[static]session.open", "second")

    assert await first.call("append", b"\x00\xff") == 2
    assert await first.call("append", b"!") == 3
    assert await probe.api("[method]session.append", second, b"") == 0
    assert await first.call("contents") == b"\x00\xff!"
    assert [await first.call("name"), await second.call("name")] == ["first", "second"]
    assert await probe.api("size", first) == 3
    assert first.type.name == "session"
    with pytest.raises(WitError) as refused:
        await probe.api("[static]session.open", "")
    assert refused.value.value == Variant("not-found", "no name")


async def test_a_closed_handle_cannot_be_used(probe: Probe) -> None:
    one, two = await probe.api("open-all", ["one", "two"])

    await one.close()
    two.close()
    await one.close()  # does nothing

    assert [one.closed, two.closed] == [True, True]
    for session in (one, two):
        with pytest.raises(ValueMismatch, match="an open handle of session"):
            await session.call("name")
        with pytest.raises(ValueMismatch, match="an open handle of session"):
            await probe.api("size", session)


NO_DESTRUCTOR = "the destructor of componentize-py does nothing"


async def test_the_guests_destructor_runs_when_the_host_closes(
    probe: Probe, unable: Any
) -> None:
    unable("python", NO_DESTRUCTOR)
    one, two, three = await probe.api("open-all", ["one", "two", "three"])

    await two.close()
    assert await probe.api("ended") == ["two"]
    one.close()  # is ended before the next call
    assert await probe.api("ended") == ["two", "one"]
    await two.close()
    async with three:
        assert await three.call("name") == "three"
    assert await probe.api("ended") == ["two", "one", "three"]


async def test_the_guests_destructor_runs_when_a_handle_is_forgotten(
    probe: Probe, unable: Any
) -> None:
    unable("python", NO_DESTRUCTOR)
    session = await probe.session("forgotten")

    del session
    gc.collect()

    assert await probe.api("ended") == ["forgotten"]


async def test_a_host_gives_resources_back_to_the_guest(
    probe: Probe, unable: Any
) -> None:
    unable("javascript", "componentize-qjs loses the guest's resources it is given")
    first, second = await probe.session("a", b"12"), await probe.session("b", b"3")

    merged = await probe.api("[static]session.merge", first, second)

    assert [first.closed, second.closed, merged.closed] == [True, True, False]
    assert [await merged.call("name"), await merged.call("contents")] == ["a", b"123"]
    assert await probe.api("finish", merged) == b"123"
    assert merged.closed
    with pytest.raises(ValueMismatch, match="session"):
        await probe.api("finish", merged)


async def test_the_guest_ends_resources_that_it_was_given_back(
    probe: Probe, unable: Any
) -> None:
    unable("javascript", "componentize-qjs loses the guest's resources it is given")
    unable("python", NO_DESTRUCTOR)
    first, second = await probe.session("a"), await probe.session("b")

    merged = await probe.api("[static]session.merge", first, second)

    assert sorted(await probe.api("ended")) == ["a", "b"]
    await probe.api("finish", merged)
    assert sorted(await probe.api("ended")) == ["a", "a", "b"]


async def test_a_handle_cannot_be_given_away_twice(probe: Probe) -> None:
    session = await probe.session("only", b"1")

    with pytest.raises(ValueMismatch, match="session"):
        await probe.api("[static]session.merge", session, session)

    assert await session.call("contents") == b"1"


async def test_handles_belong_to_their_instance(make: Any) -> None:
    one, other = await make(), await make()
    session = await one.session("mine")

    with pytest.raises(ValueMismatch, match="session of this instance"):
        await other.api("size", session)
    one.instance.close()

    assert session.closed
    with pytest.raises(InstanceClosed, match="probe"):
        await session.call("name")
    await session.close()  # does nothing
    other.instance.close()


async def test_handles_outlive_a_trap_as_closed_ones(probe: Probe) -> None:
    session = await probe.session("lost")

    with pytest.raises(GuestTrapped):
        await probe.api("trap")

    assert session.closed
    with pytest.raises(InstanceClosed, match="trap"):
        await session.call("name")
    session.close()


# --- resources of the host ------------------------------------------------------------


async def test_a_guest_uses_resources_of_its_host(probe: Probe) -> None:
    assert await probe.api("use-store", "s", [b"\x00", b"\xff", b""]) == [
        None,
        b"\x00",
        b"\xff",
    ]
    assert probe.hosts.dropped == ["s"]
    assert await probe.api("work-store", "w", BIG) == (BIG[::-1], 0)
    assert await probe.api("try-store", "t") == "t"
    assert probe.hosts.dropped == ["s", "w", "t"]
    with pytest.raises(WitError, match="the store 'forbidden' is forbidden"):
        await probe.api("try-store", "forbidden")
    assert [store.title for store in probe.hosts.stores] == ["s", "w", "t"]


async def test_a_guest_keeps_resources_of_its_host_between_calls(probe: Probe) -> None:
    await probe.api("hold-store", "one")
    mine = probe.hosts.make("two")
    await probe.api("adopt-store", mine)

    assert await probe.api("held-stores") == ["one", "two"]
    assert probe.hosts.dropped == []
    assert await probe.api("drop-stores") == 2
    assert probe.hosts.dropped == ["one", "two"]
    probe.instance.close()
    assert probe.hosts.dropped == ["one", "two"]


async def test_a_host_lends_its_resource(probe: Probe, unable: Any) -> None:
    unable("javascript", "componentize-qjs gives what is borrowed back too late")
    mine = probe.hosts.make("mine")

    assert await probe.api("lend-store", mine, "k", b"\x00\xff") == "mine"
    assert await probe.api("lend-store", mine, "l", b"") == "mine"

    assert mine.kept == {"k": b"\x00\xff", "l": b""}
    assert probe.hosts.dropped == []
    with pytest.raises(ValueMismatch, match="store"):
        await probe.api("lend-store", "no store", "k", b"")


async def test_a_guest_gives_resources_of_its_host_back(probe: Probe) -> None:
    made = await probe.api("make-store", "made", ["a", "b"])

    assert made is probe.hosts.stores[0]
    assert made.kept == {"a": b"made", "b": b"made"}
    assert await probe.api("give-store", "given", ["c", "d"]) == ["c", "d"]
    assert await probe.api("find-stores", ["x", "", "y"]) == ["x", None, "y"]
    assert probe.hosts.dropped == ["x", "y"]
    probe.instance.close()
    # Those it gave away are the host's own again.
    assert probe.hosts.dropped == ["x", "y"]


@pytest.mark.parametrize("ending", ["close", "trap", "cancel", "fuel", "timeout"])
async def test_what_a_guest_holds_is_dropped_once_however_it_ends(
    make: Any, ending: str
) -> None:
    limits: dict[str, dict[str, Any]] = {
        "fuel": {"fuel": FUEL},
        "timeout": {"timeout": 0.2},
    }
    probe = await make(**limits.get(ending, {}))
    for name in ("one", "two"):
        await probe.api("hold-store", name)

    match ending:
        case "close":
            probe.instance.close()
        case "trap":
            with pytest.raises(GuestTrapped):
                await probe.api("trap")
        case "cancel":
            with anyio.move_on_after(0.1) as scope:
                await probe.api("spin")
            assert scope.cancelled_caught
        case "fuel":
            with pytest.raises(OutOfFuel):
                await probe.api("spin")
        case _:
            with pytest.raises(Overtime):
                await probe.api("spin")

    assert sorted(probe.hosts.dropped) == ["one", "two"]
    with pytest.raises(InstanceClosed):
        await probe.api("held-stores")
    probe.instance.close()
    assert sorted(probe.hosts.dropped) == ["one", "two"]


async def test_what_is_lent_stays_the_hosts_when_the_guest_falls(probe: Probe) -> None:
    await probe.api("hold-store", "held")
    mine = probe.hosts.make("lent")
    probe.hosts.fails = True

    with pytest.raises(OSError, match="the disk is full"):
        await probe.api("lend-store", mine, "k", b"")

    assert not probe.instance.alive
    assert probe.hosts.dropped == ["held"]


async def test_what_is_given_away_is_the_guests_when_it_falls(probe: Probe) -> None:
    mine = probe.hosts.make("given")
    await probe.api("adopt-store", mine)
    probe.hosts.fails = True

    with pytest.raises(OSError, match="the disk is full"):
        await probe.api("use-store", "used", [b""])

    assert sorted(probe.hosts.dropped) == ["given", "used"]
