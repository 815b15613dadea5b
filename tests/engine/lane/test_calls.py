"""What the lane takes: memory, fuel, handles; and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from airssys.core.errors import GuestTrapped, OutOfMemory, WitError
from airssys.core.limits import KIB, MIB, Limits
from airssys.engine.component import Engine
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface
from airssys.witmodel.types import Variant

from ..guests import MEMORY
from .test_text import ECHO, RANDOM

pytestmark = pytest.mark.guest

BLOCK: Final = bytes(range(256)) * 256
"""64 KiB."""
MANY_CALLS: Final = rf"""(component
  (import "test:host/api" (instance $host
    (export "give" (func (param "n" u32) (result (list u8))))
    (export "take" (func (param "x" (list u8)) (param "y" (list u8)) (result u32)))))
  {MEMORY}
  (core func $give (canon lower (func $host "give") (memory $mem) (realloc $realloc)))
  (core func $take (canon lower (func $host "take") (memory $mem) (realloc $realloc)))
  (core module $code
    (import "m" "memory" (memory 1))
    (import "m" "reset" (func $reset (param i32)))
    (import "host" "give" (func $give (param i32 i32)))
    (import "host" "take" (func $take (param i32 i32 i32 i32) (result i32)))
    (func (export "run") (param $times i32) (param $size i32) (result i32)
      (local $sum i32)
      (loop $next
        (call $reset (i32.const 0))
        (call $give (local.get $size) (i32.const 8))
        (local.set $sum (i32.add (local.get $sum) (call $take
          (i32.load (i32.const 8)) (i32.load (i32.const 12))
          (i32.load (i32.const 8)) (i32.const 16))))
        (br_if $next
          (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
      (local.get $sum)))
  (core instance $c (instantiate $code (with "m" (instance $m))
    (with "host" (instance (export "give" (func $give)) (export "take" (func $take))))))
  (func (export "run") (param "times" u32) (param "size" u32) (result u32)
    (canon lift (core func $c "run"))))"""


@pytest.fixture
def host() -> HostInterface:
    host = HostInterface("test:host/api")
    taken: set[tuple[bytes, bytes]] = set()

    @host.function
    def give(_call: Call, n: int) -> bytes:
        return (BLOCK * (n // len(BLOCK) + 1))[:n]

    @host.function
    def take(_call: Call, x: bytes, y: bytes) -> int:
        taken.add((x, y))
        assert taken == {(give(_call, len(x)), BLOCK[:16])}
        return len(x)

    return host


@pytest.mark.once
async def test_blocks_of_many_host_calls_do_not_add_up(
    make: Any, host: HostInterface
) -> None:
    limits = Limits(memory=512 * KIB)
    instance = await make(MANY_CALLS, [host], limits=limits)

    for _ in range(3):
        assert await instance.call("run", 1000, len(BLOCK)) == 1000 * len(BLOCK)


async def test_a_block_that_the_limit_has_no_room_for_is_out_of_memory(
    make: Any, host: HostInterface
) -> None:
    # The guest has room for so many bytes, but not the lane for them and their text.
    instance = await make(MANY_CALLS, [host], limits=Limits(memory=3 * MIB))

    with pytest.raises(OutOfMemory):
        await instance.call("run", 1, 2_900_000)


async def test_bytes_the_guest_has_no_room_for_are_the_guests_trap(
    make: Any, host: HostInterface
) -> None:
    text = MANY_CALLS.replace('(export "memory") 2)', '(export "memory") 2 20)')
    instance = await make(text, [host])

    with pytest.raises(GuestTrapped) as raised:
        await instance.call("run", 1, 2 * MIB)

    assert "airssys-lane" not in str(raised.value.backtrace)


SIZE: Final = 65_536
FUEL: Final = [(b"a" * SIZE, 0.9), (RANDOM * (SIZE // len(RANDOM)), 2.3)]


@pytest.mark.parametrize(("octets", "most"), FUEL, ids=["ascii", "other"])
async def test_the_lane_takes_little_fuel(
    make: Any, octets: bytes, most: float
) -> None:
    instance = await make(ECHO)
    await instance.call("echo", b"")
    before = instance.usage.fuel

    assert await instance.call("echo", octets) == octets

    assert instance.usage.fuel - before < most * len(octets) + 500


async def test_bytes_may_lie_anywhere_in_the_guests_memory(make: Any) -> None:
    text = ECHO.replace(
        "(i32.store (i32.const 8) (local.get 0))",
        "(i32.store (i32.const 8) (i32.add (local.get 0) (i32.const 1)))",
    ).replace("(local.get 1)) (i32.const 8)", "(i32.const 3)) (i32.const 8)")
    instance = await make(text)

    assert await instance.call("echo", b"\xffabcdef") == b"abc"


# --- resources --------------------------------------------------------------------

STREAMS: Final = rf"""(component
  (import "test:host/streams" (instance $host
    (export "stream" (type $s (sub resource)))
    (type $error0 (variant (case "failed" (list u8)) (case "closed")))
    (export "error" (type $error (eq $error0)))
    (export "open" (func (param "name" (list u8)) (result (own $s))))
    (export "[method]stream.read" (func (param "self" (borrow $s)) (param "n" u64)
      (result (result (list u8) (error $error)))))
    (export "[method]stream.write" (func (param "self" (borrow $s))
      (param "x" (list u8)) (param "other" (borrow $s)) (result (result))))))
  (alias export $host "stream" (type $s))
  (alias export $host "error" (type $error))
  {MEMORY}
  (core func $open (canon lower (func $host "open") (memory $mem) (realloc $realloc)))
  (core func $read (canon lower (func $host "[method]stream.read")
    (memory $mem) (realloc $realloc)))
  (core func $write (canon lower (func $host "[method]stream.write")
    (memory $mem) (realloc $realloc)))
  (core func $drop (canon resource.drop $s))
  (core module $code
    (import "m" "memory" (memory 1))
    (import "host" "open" (func $open (param i32 i32) (result i32)))
    (import "host" "read" (func $read (param i32 i64 i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (func (export "copy") (param i32 i32 i64) (result i32) (local $s i32)
      (local.set $s (call $open (local.get 0) (local.get 1)))
      (call $read (local.get $s) (local.get 2) (i32.const 8))
      (if (i32.eqz (i32.load8_u (i32.const 8))) (then
        (drop (call $write (local.get $s)
          (i32.load (i32.const 12)) (i32.load (i32.const 16)) (local.get $s)))))
      (call $drop (local.get $s))
      (i32.const 8))
    (func (export "borrowed") (param i32 i32 i32) (result i32)
      (local.set 1 (call $write (local.get 0) (local.get 1) (local.get 2)
        (local.get 0)))
      (call $drop (local.get 0))
      (local.get 1)))
  (core instance $c (instantiate $code (with "m" (instance $m))
    (with "host" (instance (export "open" (func $open)) (export "read" (func $read))
      (export "write" (func $write)) (export "drop" (func $drop))))))
  (func (export "copy") (param "name" (list u8)) (param "n" u64)
    (result (result (list u8) (error $error)))
    (canon lift (core func $c "copy") (memory $mem) (realloc $realloc)
      (post-return $reset)))
  (func (export "borrowed") (param "stream" (borrow $s)) (param "x" (list u8))
    (result (result))
    (canon lift (core func $c "borrowed") (memory $mem) (realloc $realloc))))"""


class Stream:
    def __init__(self, name: bytes, log: list[bytes]) -> None:
        self.name = name
        self.log = log

    def read(self, n: int) -> bytes:
        if n > 9:
            raise WitError(Variant("failed", self.name))
        return self.name * n

    def write(self, x: bytes, other: Stream) -> None:
        assert other is self
        self.log.append(x)

    def drop(self) -> None:
        self.log.append(b"dropped " + self.name)


@pytest.fixture
def log() -> list[bytes]:
    return []


@pytest.fixture
def streams(log: list[bytes]) -> HostInterface:
    host = HostInterface("test:host/streams")
    host.resource(Stream)

    @host.function(name="open")
    def open_(_call: Call, name: bytes) -> Stream:
        return Stream(name, log)

    return host


async def test_methods_of_host_resources_take_and_give_bytes(
    make: Any, streams: HostInterface, log: list[bytes]
) -> None:
    instance = await make(STREAMS, [streams])

    for _ in range(3):
        assert await instance.call("copy", b"\xff\0", 3) == b"\xff\0" * 3
    assert log == [b"\xff\0" * 3, b"dropped \xff\0"] * 3
    with pytest.raises(WitError) as raised:
        await instance.call("copy", b"\x80", 10)
    assert raised.value.value == Variant("failed", b"\x80")


async def test_what_the_host_lends_is_given_back_through_the_lane(
    make: Any, streams: HostInterface, log: list[bytes]
) -> None:
    instance = await make(STREAMS, [streams])
    stream = Stream(b"mine", log)

    for octets in (b"", b"abc", b"\xff"):
        await instance.call("borrowed", stream, octets)

    assert log == [b"", b"abc", b"\xff"]


MANY: Final = " ".join(f'(param "n{i}" u64)' for i in range(16))
SPILLED: Final = rf"""(component
  (import "test:host/streams" (instance $host
    (export "stream" (type $s (sub resource)))
    (export "fill" (func {MANY} (param "x" (list u8)) (param "stream" (borrow $s))
      (param "other" (borrow $s)) (result (list u8))))))
  (alias export $host "stream" (type $s))
  {MEMORY}
  (core func $fill (canon lower (func $host "fill") (memory $mem) (realloc $realloc)))
  (core func $drop (canon resource.drop $s))
  (core module $code
    (import "m" "memory" (memory 1))
    (import "host" "fill" (func $fill (param i32 i32)))
    (import "host" "drop" (func $drop (param i32)))
    (func (export "fill") (param i32) (result i32)
      (call $fill (local.get 0) (i32.const 8))
      (call $drop (i32.load offset=136 (local.get 0)))
      (call $drop (i32.load offset=140 (local.get 0)))
      (i32.const 8)))
  (core instance $c (instantiate $code (with "m" (instance $m))
    (with "host" (instance (export "fill" (func $fill)) (export "drop" (func $drop))))))
  (func (export "fill") {MANY} (param "x" (list u8)) (param "stream" (borrow $s))
    (param "other" (borrow $s)) (result (list u8))
    (canon lift (core func $c "fill") (memory $mem) (realloc $realloc)
      (post-return $reset))))"""


async def test_what_is_lent_among_many_parameters_is_given_back(make: Any) -> None:
    host = HostInterface("test:host/streams")
    host.resource(Stream)

    @host.function
    def fill(_call: Call, *args: Any) -> bytes:
        assert args[:16] == (2**64 - 1,) * 16
        octets, one, other = args[16:]
        assert (one.name, other.name) == (b"one", b"other")
        return bytes(octets * 100)

    instance = await make(SPILLED, [host])
    streams = [Stream(b"one", []), Stream(b"other", [])]

    for _ in range(3):
        numbers = (2**64 - 1,) * 16
        filled = await instance.call("fill", *numbers, b"\xff" * 9, *streams)
        assert filled == b"\xff" * 900


COUNTERS: Final = rf"""(component
  (core module $dtor (global $n (mut i32) (i32.const 0))
    (func (export "drop") (param i32)
      (global.set $n (i32.add (global.get $n) (local.get 0))))
    (func (export "dropped") (result i32) (global.get $n)))
  (core instance $d (instantiate $dtor))
  (alias core export $d "drop" (core func $dtor))
  (type $bag' (resource (rep i32) (dtor (core func $d "drop"))))
  (core func $new (canon resource.new $bag'))
  {MEMORY}
  (core module $code
    (import "m" "memory" (memory 1))
    (import "host" "new" (func $new (param i32) (result i32)))
    (func (export "make") (param i32 i32) (result i32) (call $new (local.get 1)))
    (func (export "push") (param i32 i32 i32) (result i32)
      (i32.store (i32.const 8) (local.get 1))
      (i32.store (i32.const 12) (i32.sub (local.get 2) (local.get 0)))
      (i32.const 8)))
  (core instance $c (instantiate $code (with "m" (instance $m))
    (with "host" (instance (export "new" (func $new))))))
  (func $make (param "x" (list u8)) (result (own $bag'))
    (canon lift (core func $c "make") (memory $mem) (realloc $realloc)))
  (func $push (param "self" (borrow $bag')) (param "x" (list u8)) (result (list u8))
    (canon lift (core func $c "push") (memory $mem) (realloc $realloc)
      (post-return $reset)))
  (func $dropped (result u32) (canon lift (core func $d "dropped")))
  (component $shim
    (import "bag" (type $bag0 (sub resource)))
    (import "make" (func $make (param "x" (list u8)) (result (own $bag0))))
    (import "push" (func $push
      (param "self" (borrow $bag0)) (param "x" (list u8)) (result (list u8))))
    (import "dropped" (func $dropped (result u32)))
    (export $bag "bag" (type $bag0))
    (export "[constructor]bag" (func $make) (func
      (param "x" (list u8)) (result (own $bag))))
    (export "[method]bag.less" (func $push) (func
      (param "self" (borrow $bag)) (param "x" (list u8)) (result (list u8))))
    (export "dropped" (func $dropped)))
  (instance $api (instantiate $shim (with "bag" (type $bag'))
    (with "make" (func $make)) (with "push" (func $push))
    (with "dropped" (func $dropped))))
  (export "test:guest/bags@1.2.3" (instance $api)))"""
BAGS: Final = "test:guest/bags@1.2.3#"


async def test_guest_resources_are_made_of_bytes_and_dropped(make: Any) -> None:
    instance = await make(COUNTERS)

    bag = await instance.call(f"{BAGS}[constructor]bag", b"\xff\xff")
    other = await instance.call(f"{BAGS}[constructor]bag", b"abc")

    assert await bag.call("less", b"\xfe\1\2\3") == b"\xfe\1"
    assert await other.call("less", b"\xfe\1\2\3") == b"\xfe"
    await bag.close()
    assert await instance.call(f"{BAGS}dropped") == 2
    await other.close()
    assert await instance.call(f"{BAGS}dropped") == 5


async def test_a_component_inside_a_component_is_wrapped_too(
    engine: Engine, compile_: Callable[[str], Any]
) -> None:
    text = f"""(component (component $inner {ECHO[10:]}
      (instance $i (instantiate $inner))
      (component $second {ECHO[10:]}
      (instance $j (instantiate $second))
      (export "one" (func $i "echo"))
      (instance $k (export "echo" (func $j "echo")))
      (export "test:guest/api" (instance $k)))"""
    component = await compile_(text)

    with pytest.raises(OutOfMemory, match=r"at 2: say memories = 2, or more \(limit"):
        await component.instantiate(limits=Limits(memories=1))
    with await component.instantiate(limits=Limits(memories=2)) as instance:
        for octets in (b"", b"abc", RANDOM):
            assert await instance.call("one", octets) == octets
            assert await instance.call("test:guest/api#echo", octets) == octets
    assert component.lane == {"one", "test:guest/api#echo"}


async def test_the_lane_can_be_left_out() -> None:
    component = await Engine(cache=False, bytes_lane=False).compile(ECHO)

    assert component.lane == frozenset()
    with await component.instantiate() as instance:
        assert await instance.call("echo", RANDOM) == RANDOM


TELLS = """(component
  (core module $code
    (memory (export "memory") 300)
    (global $returned (mut i32) (i32.const 0))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
    (func (export "turn") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16))
    (func (export "done") (param i32)
      (global.set $returned (i32.add (global.get $returned) (local.get 0))))
    (func (export "returned") (result i32) (global.get $returned))
    (func $deep unreachable)
    (func $refuse (export "refuse") (param i32 i32) (call $deep)))
  (core instance $c (instantiate $code))
  (alias core export $c "memory" (core memory $mem))
  (alias core export $c "realloc" (core func $realloc))
  (alias core export $c "done" (core func $done))
  (func (export "turn") (param "x" (list u8)) (result (list u8))
    (canon lift (core func $c "turn") (memory $mem) (realloc $realloc)
      (post-return $done)))
  (func (export "returned") (result u32) (canon lift (core func $c "returned")))
  (func (export "refuse") (param "x" (list u8))
    (canon lift (core func $c "refuse") (memory $mem) (realloc $realloc))))"""


@pytest.mark.parametrize("size", [1, 8 * MIB])
@pytest.mark.parametrize("content", ["ascii", "other"])
async def test_bytes_of_many_megabytes_cross_within_the_memory_limit(
    make: Any, size: int, content: str
) -> None:
    octets = b"a" * size if content == "ascii" else (RANDOM * (size // 700 + 1))[-size:]
    with await make(TELLS) as instance:
        assert "turn" in instance.component.lane
        assert await instance.call("turn", octets) == octets


async def test_the_guests_post_return_is_called_once_with_its_own_result(
    make: Any,
) -> None:
    with await make(TELLS) as instance:
        for times in range(1, 4):
            assert await instance.call("turn", b"\xff") == b"\xff"
            assert await instance.call("returned") == 16 * times


async def test_a_trap_behind_the_lane_names_the_guests_functions_alone(
    make: Any,
) -> None:
    instance = await make(TELLS)
    with pytest.raises(GuestTrapped) as raised:
        await instance.call("refuse", b"\xff")

    names = [frame.rpartition("+")[0] for frame in raised.value.backtrace]
    assert names == ["code!deep", "code!refuse"]
    assert (raised.value.kind, raised.value.export) == ("unreachable", "refuse")
