"""An instance has a state of its own for host functions: ``call.context``."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from attrs import define

from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface

from . import guests

pytestmark = pytest.mark.guest


@define
class Till:
    """What one shop has taken in."""

    name: str
    taken: int = 0


@pytest.fixture
def till() -> HostInterface:
    host = HostInterface("test:host/api")

    @host.function
    async def ask(call: Call[Till], n: int) -> int:
        await anyio.lowlevel.checkpoint()
        call.context.taken += n
        return call.context.taken

    return host


async def test_each_instance_has_its_own_over_all_its_calls(
    make: Any, till: HostInterface
) -> None:
    north, south = Till("north"), Till("south")
    one = await make(guests.asks_host(), [till], context=north)
    two = await make(guests.asks_host(), [till], context=south)
    with one, two:
        assert [await one.call("run", n) for n in (1, 2, 3)] == [1, 3, 6]
        assert await two.call("run", 10) == 10

    assert (north.taken, south.taken) == (6, 10)


async def test_instances_may_share_one(make: Any, till: HostInterface) -> None:
    both = Till("both")
    one = await make(guests.asks_host(), [till], context=both)
    two = await make(guests.asks_host(), [till], context=both)
    with one, two:
        await one.call("run", 1)
        await two.call("run", 2)

    assert both.taken == 3


async def test_it_is_none_where_nothing_was_given(make: Any) -> None:
    found: list[object] = []
    host = HostInterface("test:host/api")

    @host.function
    def ask(call: Call, n: int) -> int:
        found.append(call.context)
        return n

    with await make(guests.asks_host(), [host]) as instance:
        await instance.call("run", 1)

    assert found == [None]


async def test_it_is_there_beside_who_calls(make: Any) -> None:
    """The call of a function is the caller's, with the function's name."""
    seen: list[Call[Till]] = []
    host = HostInterface("test:host/api")

    @host.function
    def ask(call: Call[Till], n: int) -> int:
        seen.append(call)
        return n

    till = Till("north")
    options = {"context": till, "actor": "acme/till#1"}
    with await make(guests.asks_host(), [host], **options) as instance:
        await instance.call("run", 1)

    (call,) = seen
    assert call.context is till
    assert (call.actor, call.function) == ("acme/till#1", "test:host/api#ask")
    assert "Till" not in repr(call)  # it may hold secrets, and be large


async def test_methods_of_resources_have_it_too(make: Any) -> None:
    text = """(component
      (import "test:host/things" (instance $host
        (export "thing" (type $t (sub resource)))
        (export "[constructor]thing" (func (result (own $t))))
        (export "[method]thing.take" (func (param "self" (borrow $t)) (result u32)))))
      (core func $new (canon lower (func $host "[constructor]thing")))
      (core func $take (canon lower (func $host "[method]thing.take")))
      (core module $code
        (import "h" "new" (func $new (result i32)))
        (import "h" "take" (func $take (param i32) (result i32)))
        (func (export "run") (result i32) (call $take (call $new))))
      (core instance $c (instantiate $code (with "h" (instance
        (export "new" (func $new)) (export "take" (func $take))))))
      (func (export "run") (result u32) (canon lift (core func $c "run"))))"""
    host = HostInterface("test:host/things")

    @host.resource
    class Thing:
        def __init__(self, call: Call[Till]) -> None:
            call.context.taken += 1

        def take(self, call: Call[Till]) -> int:
            call.context.taken += 10
            return call.context.taken

    with await make(text, [host], context=Till("a")) as instance:
        assert await instance.call("run") == 11
