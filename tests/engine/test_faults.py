"""Values that lie about themselves end in an error that names what was wrong."""

from __future__ import annotations

import collections
import math
import sys
from typing import Any

import anyio
import pytest

from airssys.core.errors import GuestTrapped, InstanceBusy, ValueMismatch
from airssys.engine.component import Engine
from airssys.engine.fiber import ClockPace
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface
from airssys.witmodel.types import Variant

from . import guests
from .guests import PAD
from .test_resources import BUCKETS, Buckets

pytestmark = pytest.mark.guest


class EncodedOtherwise(str):
    __slots__ = ()

    def encode(self, *_: Any) -> Any:
        return b"\xff\xfe"  # no UTF-8: wasmtime ends the process on that


class NoHash(str):
    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]


class OneLetter(str):
    __slots__ = ()

    def __len__(self) -> int:
        return 1


class Longer(bytes):
    """Says that it is longer than it is, but not at once."""

    asked = 0

    def __bytes__(self) -> bytes:
        return self

    def __len__(self) -> int:
        Longer.asked += 1
        return 3 if Longer.asked % 3 else 1_000_000


class Long(list[Any]):
    """A list that says it has two elements."""

    def __len__(self) -> int:
        return 2


class Endless(collections.UserList[int]):
    def __len__(self) -> int:
        return sys.maxsize


class NoPairs(dict[Any, Any]):
    def items(self) -> Any:
        return [(1,)]


class Unprintable:
    def __hash__(self) -> int:
        return 1

    def __repr__(self) -> str:
        raise RuntimeError


class UnprintableInt(int):
    def __repr__(self) -> str:
        raise RuntimeError


class ListOfKeys(collections.UserDict[str, Any]):
    def keys(self) -> Any:
        return ["x"]


class Emptied(list[Any]):
    """A list that an element empties while it is read."""

    def __init__(self) -> None:
        emptied = self

        class Empties:
            def __index__(self) -> int:
                emptied.clear()
                return 1

        super().__init__((Empties(), "y"))


def released() -> memoryview:
    view = memoryview(b"abc")
    view.release()
    return view


ENUM = {"t": '(enum "a" "b")'}
FLAGS = {"t": '(flags "a" "b")'}
VARIANT = {"t": '(variant (case "a") (case "b" u8))'}
RECORD = {"t": '(record (field "x" u8) (field "y" u8))'}
REFUSED = [
    ("u32", {}, 10**5000, "x: expected u32, got int of 16610 bits"),
    ("u8", {}, UnprintableInt(999), "x: expected u8, got UnprintableInt of 10 bits"),
    ("char", {}, OneLetter("ab"), "x: expected char (a str of length 1), got 'ab'"),
    ("$t", ENUM, NoHash("a"), "x: expected enum { a, b }, got 'a'"),
    ("$t", FLAGS, [NoHash("a")], "x: expected flags { a, b }, got 'a'"),
    ("$t", VARIANT, Variant(["a"]), "x: expected Variant('a' | 'b'), got list"),  # type: ignore[arg-type]
    ("(list u8)", {}, released(), "(bytes), got 'a released memoryview'"),
    ("(list u32)", {}, range(10**30), "list<u32> that fits into memory, got range"),
    ("(list u32)", {}, Endless([1]), "list<u32> that fits into memory, got Endless"),
    ("(tuple u8 u8)", {}, Long([1]), "x: expected tuple<u8, u8>, got Long"),
    ("(tuple u8 u8)", {}, Long([1, 2, 3]), "x: expected tuple<u8, u8>, got Long"),
    ("(map u8 u8)", {}, NoPairs(), "x: expected map<u8, u8> (a mapping of pairs)"),
    ("(map u8 u8)", {}, {Unprintable(): 1}, "x[Unprintable]: expected u8"),
    ("$t", RECORD, ListOfKeys(x=1), "x: expected record with field 'y'"),
    ("$t", RECORD, {"x": 1, "y": 1, Unprintable(): 1}, "got 'also Unprintable'"),
]


def _taken(type_: str, types: dict[str, str]) -> tuple[str, tuple[Any, ...]]:
    """Return an echo component and its further arguments."""
    flat = "i32" if type_ in {"u8", "u32", "char"} or types in (ENUM, FLAGS) else ""
    return guests.echo(type_, types, flat=flat), () if flat else (PAD,)


@pytest.mark.parametrize(
    ("type_", "types", "value", "message"), REFUSED, ids=range(len(REFUSED))
)
async def test_a_value_that_cannot_be_read_is_refused(
    make: Any, type_: str, types: dict[str, str], value: Any, message: str
) -> None:
    text, pad = _taken(type_, types)
    with await make(text) as instance:
        with pytest.raises(ValueMismatch) as raised:
            await instance.call("echo", value, *pad)

        assert message in str(raised.value)
        assert instance.alive


TAKEN = [
    ("string", EncodedOtherwise("a"), "a"),
    ("(list u8)", Longer(b"abc"), b"abc"),
    ("(tuple u8 string)", Emptied(), (1, "y")),
]


@pytest.mark.parametrize(("type_", "value", "back"), TAKEN, ids=range(len(TAKEN)))
@pytest.mark.parametrize("bytes_lane", [True, False])
async def test_what_a_subclass_says_of_itself_never_reaches_the_guest(
    type_: str, value: Any, back: Any, *, bytes_lane: bool
) -> None:
    engine = Engine(cache=False, bytes_lane=bytes_lane)
    component = await engine.compile(guests.echo(type_))
    with await component.instantiate() as instance:
        for _ in range(4):
            given = Emptied() if isinstance(value, Emptied) else value
            assert await instance.call("echo", given, PAD) == back


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


async def test_a_trap_is_told_though_a_destructor_raises_what_cannot_be_shown(
    make: Any,
) -> None:
    def drop(_self: object) -> None:
        raise Unspeakable

    host = HostInterface("test:host/buckets@1.0.0")
    host.resource(type("Bucket", (Buckets().made,), {"drop": drop}))
    instance = await make(BUCKETS, [host])
    with pytest.raises(GuestTrapped) as raised:
        await instance.call("trap", 1)

    assert "Unspeakable" in raised.value.__notes__[0]


async def test_a_call_that_an_arguments_own_code_began_is_not_run_over(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever drives a coroutine by hand cannot answer a full checkpoint of trio's.
    monkeypatch.setattr(ClockPace, "longest", math.inf)
    host = HostInterface("test:host/api")
    waits: list[int] = []

    @host.function
    async def ask(_call: Call, n: int) -> None:
        waits.append(n)
        await anyio.sleep_forever()

    class Calls:
        def __index__(self) -> int:
            while not waits:
                begun.send(None)
            return 2

    instance = await make(guests.asks_host(), [host])
    begun = instance.call("run", 1)
    with pytest.raises(InstanceBusy, match="'run' is still running"):
        await instance.call("run", Calls())

    begun.close()
    assert not instance.alive
