"""Many handles of the host's resources: at once in one call, and without end."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from airssys.core.errors import LimitExceeded, TooManyHandles
from airssys.core.limits import HANDLES, Limits
from airssys.engine.component import Engine
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface

pytestmark = pytest.mark.guest

POLLS = """(component
  (import "test:host/poll" (instance $host
    (export "pollable" (type $p (sub resource)))
    (export "make" (func (result (own $p))))
    (export "poll" (func (param "all" (list (borrow $p))) (result (list u32))))))
  (alias export $host "pollable" (type $pollable))
  (core module $memory (memory (export "memory") 64)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (i32.const 2097152)))
  (core instance $m (instantiate $memory))
  (core func $make (canon lower (func $host "make")))
  (core func $poll (canon lower (func $host "poll") (memory (core memory $m "memory"))
    (realloc (core func $m "realloc"))))
  (core func $drop (canon resource.drop $pollable))
  (core module $code
    (import "m" "memory" (memory 64))
    (import "h" "make" (func $make (result i32)))
    (import "h" "poll" (func $poll (param i32 i32 i32)))
    (import "h" "drop" (func $drop (param i32)))
    ;; Makes so many, one handle after the other.
    (func (export "make") (param $n i32) (result i32) (local $i i32)
      (loop $more
        (i32.store (i32.shl (local.get $i) (i32.const 2)) (call $make))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $i) (local.get $n))))
      (local.get $i))
    ;; Passes so many to the host; returns how many numbers came back.
    (func (export "poll") (param $n i32) (result i32)
      (call $poll (i32.const 0) (local.get $n) (i32.const 4000000))
      (i32.load (i32.const 4000004)))
    ;; Passes one handle again and again.
    (func (export "repeat") (param $n i32) (result i32) (local $i i32) (local $h i32)
      (local.set $h (call $make))
      (loop $more
        (i32.store (i32.shl (local.get $i) (i32.const 2)) (local.get $h))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $i) (local.get $n))))
      (call $poll (i32.const 0) (local.get $n) (i32.const 4000000))
      (local.get $i))
    (func (export "flood") (result i32) (loop $on (drop (call $make)) (br $on))
      unreachable)
    ;; Makes and drops for ever so long: never more than one at a time.
    (func (export "turn") (param $n i32) (result i32)
      (loop $more
        (call $drop (call $make))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $more (local.get $n)))
      (i32.const 1)))
  (core instance $c (instantiate $code (with "m" (instance $m)) (with "h" (instance
    (export "make" (func $make)) (export "poll" (func $poll))
    (export "drop" (func $drop))))))
  (func (export "make") (param "n" u32) (result u32) (canon lift (core func $c "make")))
  (func (export "poll") (param "n" u32) (result u32) (canon lift (core func $c "poll")))
  (func (export "repeat") (param "n" u32) (result u32)
    (canon lift (core func $c "repeat")))
  (func (export "flood") (result u32) (canon lift (core func $c "flood")))
  (func (export "turn") (param "n" u32) (result u32)
    (canon lift (core func $c "turn"))))"""


class Pollable:
    """One of many."""

    __slots__ = ("__weakref__",)


class Polls:
    """A host that polls, and what it made and was passed."""

    def __init__(self) -> None:
        self.made: weakref.WeakSet[Pollable] = weakref.WeakSet()
        self.most = 0
        self.polled: list[int] = []
        self.interface = host = HostInterface("test:host/poll")
        host.resource(Pollable)

        @host.function
        def make(_call: Call) -> Pollable:
            pollable = Pollable()
            self.made.add(pollable)
            self.most = max(self.most, len(self.made))
            return pollable

        @host.function
        def poll(_call: Call, pollables: list[Pollable]) -> list[int]:
            self.polled.append(len(pollables))
            return list(range(len(pollables)))


@pytest.fixture
def polls() -> Polls:
    return Polls()


async def test_a_guest_polls_as_many_as_it_may_have_at_once(
    make: Any, polls: Polls
) -> None:
    with await make(POLLS, [polls.interface]) as instance:
        assert await instance.call("make", HANDLES) == HANDLES
        for count in (1, 100, HANDLES):
            assert await instance.call("poll", count) == count
        assert polls.polled == [1, 100, HANDLES]
    gc.collect()
    assert not polls.made


async def test_a_flood_of_the_hosts_resources_ends_with_the_limit(
    make: Any, polls: Polls
) -> None:
    instance = await make(POLLS, [polls.interface])
    with pytest.raises(TooManyHandles) as raised:
        await instance.call("flood")

    assert raised.value.limit == HANDLES
    assert HANDLES <= polls.most <= HANDLES + 1
    gc.collect()
    assert not polls.made  # the host lets go of what the guest had


async def test_the_limit_can_be_lower(make: Any, polls: Polls) -> None:
    limits = Limits(handles=50)
    with await make(POLLS, [polls.interface], limits=limits) as instance:
        assert await instance.call("make", 50) == 50
        with pytest.raises(TooManyHandles):
            await instance.call("make", 1)

    assert polls.most <= 51


async def test_one_handle_that_is_passed_a_million_times_ends_with_a_limit(
    make: Any, polls: Polls
) -> None:
    instance = await make(POLLS, [polls.interface])
    with pytest.raises(LimitExceeded):
        await instance.call("repeat", 500_000)

    assert polls.polled == []


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "no lane"])
async def test_what_is_dropped_does_not_count(polls: Polls, lane: bool) -> None:  # noqa: FBT001
    component = await Engine(cache=False, bytes_lane=lane).compile(POLLS)
    with await component.instantiate([polls.interface]) as instance:
        assert await instance.call("turn", HANDLES + 5000) == 1

    assert polls.most < 10
