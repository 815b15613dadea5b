"""A component whose imports nobody offers is refused, or traps where it calls them."""

from __future__ import annotations

from typing import Any

import pytest

from airssys.core.errors import (
    GuestTrapped,
    InstanceClosed,
    UnknownImport,
    ValueMismatch,
)
from airssys.core.grants.grants import Grants
from airssys.engine.component import Engine
from airssys.engine.fiber import Slicing
from airssys.hostcalls.call import Call
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface

pytestmark = pytest.mark.guest

STORE = """(component
  (import "acme:kv/store@1.0.0" (instance $store
    (export "get" (func (param "key" u32) (result u32)))
    (export "put" (func (param "value" (list u8)) (result u32)))))
  (import "log" (func $log (param "n" u32)))
  (core module $memory (memory (export "memory") 1))
  (core instance $m (instantiate $memory))
  (core func $get (canon lower (func $store "get")))
  (core func $put (canon lower (func $store "put") (memory (core memory $m "memory"))))
  (core func $told (canon lower (func $log)))
  (core module $code
    (import "h" "get" (func $get (param i32) (result i32)))
    (import "h" "put" (func $put (param i32 i32) (result i32)))
    (import "h" "log" (func $log (param i32)))
    (func (export "add") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func (export "get") (param i32) (result i32) (call $get (local.get 0)))
    (func (export "put") (param i32) (result i32)
      (call $put (i32.const 0) (local.get 0)))
    (func (export "log") (param i32) (result i32) (call $log (local.get 0))
      (local.get 0)))
  (core instance $c (instantiate $code (with "h" (instance
    (export "get" (func $get)) (export "put" (func $put))
    (export "log" (func $told))))))
  (func (export "add") (param "n" u32) (result u32) (canon lift (core func $c "add")))
  (func (export "get") (param "n" u32) (result u32) (canon lift (core func $c "get")))
  (func (export "put") (param "n" u32) (result u32) (canon lift (core func $c "put")))
  (func (export "log") (param "n" u32) (result u32) (canon lift (core func $c "log"))))
"""
IMPORTS = {
    "get": "acme:kv/store@1.0.0#get",
    "put": "acme:kv/store@1.0.0#put",
    "log": "log",
}

THINGS = """(component
  (import "acme:kv/things@1.0.0" (instance $things
    (export "thing" (type $r (sub resource)))
    (export "[constructor]thing" (func (result (own $r))))
    (export "[method]thing.size" (func (param "self" (borrow $r)) (result u32)))))
  (alias export $things "thing" (type $thing))
  (import "acme:kv/uses@1.0.0" (instance $uses
    (alias outer 1 $thing (type $outer))
    (export "thing" (type $in (eq $outer)))
    (export "make" (func (result (own $in))))
    (export "look" (func (param "thing" (borrow $in)) (result u32)))))
  (core func $new (canon lower (func $things "[constructor]thing")))
  (core func $size (canon lower (func $things "[method]thing.size")))
  (core func $make (canon lower (func $uses "make")))
  (core func $look (canon lower (func $uses "look")))
  (core func $drop (canon resource.drop $thing))
  (core module $code
    (import "h" "new" (func $new (result i32)))
    (import "h" "size" (func $size (param i32) (result i32)))
    (import "h" "make" (func $make (result i32)))
    (import "h" "look" (func $look (param i32) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "one") (result i32) (i32.const 1))
    (func (export "new") (result i32) (call $new))
    (func (export "make") (result i32) (local i32)
      (local.set 0 (call $make))
      (call $look (local.get 0))
      (call $drop (local.get 0)))
    (func (export "drop") (result i32) (call $drop (i32.const 7)) (i32.const 1)))
  (core instance $c (instantiate $code (with "h" (instance
    (export "new" (func $new)) (export "size" (func $size))
    (export "make" (func $make)) (export "look" (func $look))
    (export "drop" (func $drop))))))
  (func (export "one") (result u32) (canon lift (core func $c "one")))
  (func (export "new") (result u32) (canon lift (core func $c "new")))
  (func (export "make") (result u32) (canon lift (core func $c "make")))
  (func (export "drop") (result u32) (canon lift (core func $c "drop"))))"""


class Thing:
    def __init__(self) -> None:
        self.dropped = 0

    def size(self) -> int:
        return 5

    def drop(self) -> None:
        self.dropped += 1


def uses(made: Thing) -> HostInterface:
    offered = HostInterface("acme:kv/uses@1.0.0")
    offered.function(lambda _call: made, name="make")
    offered.function(lambda _call, thing: thing.size(), name="look")
    return offered


@pytest.fixture(params=[True, False], ids=["lane", "no lane"])
async def store(request: pytest.FixtureRequest) -> Any:
    return await Engine(cache=False, bytes_lane=request.param).compile(
        STORE, name="shop"
    )


@pytest.mark.parametrize("function", IMPORTS)
async def test_a_missing_function_traps_when_it_is_called_and_is_named(
    store: Any, function: str
) -> None:
    with await store.instantiate(missing="trap") as instance:
        assert await instance.call("add", 1) == 2
        with pytest.raises(GuestTrapped) as trapped:
            await instance.call(function, 3)
        assert not instance.alive
        with pytest.raises(InstanceClosed):
            await instance.call("add", 1)

    name = IMPORTS[function]
    assert (trapped.value.component, trapped.value.kind) == ("shop", "missing-import")
    assert str(trapped.value) == (
        f"component 'shop' trapped in {name!r}: missing-import: the component imports "
        "it, and nobody offers it"
    )


async def test_what_is_missing_is_refused_if_nothing_else_is_said(store: Any) -> None:
    for options in ({}, {"missing": "refuse"}):
        with pytest.raises(UnknownImport) as refused:
            await store.instantiate(**options)
        assert refused.value.problems == (
            "interface 'acme:kv/store@1.0.0' is missing",
            "'log' is missing: func(n: u32)",
        )


@pytest.mark.parametrize("version", ["1.0.0", "1.4.0"])
async def test_the_half_of_an_interface_that_is_offered_works(
    store: Any, version: str
) -> None:
    half = HostInterface(f"acme:kv/store@{version}")
    half.function(lambda _call, key: key * 2, name="get")
    with await store.instantiate([half], missing="trap") as instance:
        assert await instance.call("get", 4) == 8
        with pytest.raises(GuestTrapped, match="'acme:kv/store@1.0.0#put': missing"):
            await instance.call("put", 4)


async def test_a_function_of_another_type_is_refused_all_the_same(store: Any) -> None:
    other = HostInterface("acme:kv/store@1.0.0")
    other.function(
        lambda _call, _key: 1, name="get", wit="func(key: string) -> option<u32>"
    )
    other.function(lambda _call: 1, name="put")
    with pytest.raises(UnknownImport) as refused:
        await store.instantiate([other], missing="trap")

    first, second = refused.value.problems
    assert "has type func(key: u32) -> u32" in first
    assert "takes 1 parameters, the host's function 0" in second


async def test_both_ways_of_linking_the_same_interfaces_are_kept_apart(
    store: Any,
) -> None:
    half = HostInterface("acme:kv/store@1.0.0")
    half.function(lambda _call, key: key * 2, name="get")
    for _ in range(2):
        (await store.instantiate([half], missing="trap")).close()
        with pytest.raises(UnknownImport, match="put"):
            await store.instantiate([half])
    half.function(lambda _call, value: len(value), name="put")
    world = HostInterface("")
    world.function(lambda _call, _n: None, name="log")
    for missing in ("refuse", "trap"):
        with await store.instantiate([half, world], missing=missing) as instance:
            assert await instance.call("put", 9) == 9


async def test_a_missing_function_is_no_question_of_grants(store: Any) -> None:
    gate = Gate(handed=True)
    options = {"guard": gate, "grants": Grants(), "missing": "trap"}
    with (
        await store.instantiate(**options) as instance,
        pytest.raises(GuestTrapped) as trapped,
    ):
        await instance.call("get", 1)

    assert trapped.value.kind == "missing-import"


async def test_a_missing_function_traps_in_a_worker_thread_too() -> None:
    engine = Engine(cache=False, slicing=Slicing(inline=1, threaded=1))
    component = await engine.compile(STORE)
    with (
        await component.instantiate(missing="trap") as instance,
        pytest.raises(GuestTrapped, match="acme:kv/store@1.0.0#put"),
    ):
        await instance.call("put", 50_000)


async def test_a_missing_resource_traps_where_it_would_be_made(make: Any) -> None:
    with await make(THINGS, missing="trap") as instance:
        assert await instance.call("one") == 1
        with pytest.raises(GuestTrapped) as trapped:
            await instance.call("new")

    assert trapped.value.export == "acme:kv/things@1.0.0#[constructor]thing"


async def test_a_guest_cannot_drop_what_it_never_got(make: Any) -> None:
    with (
        await make(THINGS, missing="trap") as instance,
        pytest.raises(GuestTrapped) as trapped,
    ):
        await instance.call("drop")

    assert trapped.value.kind == "unknown-handle"


async def test_an_offered_function_cannot_give_what_nobody_offers(make: Any) -> None:
    """Its type is of an interface that is missing: so it is linked, and then refused"""
    with await make(THINGS, [uses(Thing())], missing="trap") as instance:
        assert await instance.call("one") == 1
        with pytest.raises(ValueMismatch, match="thing"):
            await instance.call("make")


async def test_a_resource_that_only_a_later_interface_offers_is_that_ones(
    make: Any,
) -> None:
    made = Thing()
    host = uses(made)
    host.resource(Thing)
    with await make(THINGS, [host], missing="trap") as instance:
        assert await instance.call("make") == 5
        assert made.dropped == 1
        with pytest.raises(GuestTrapped, match=r"\[constructor\]thing"):
            await instance.call("new")


async def test_a_missing_function_that_cannot_be_passed_is_refused_still(
    make: Any,
) -> None:
    text = """(component (import "acme:kv/flow" (instance
      (export "read" (func (param "s" (stream u8)))))))"""
    with pytest.raises(UnknownImport, match="has a stream in its type"):
        await make(text, missing="trap")


async def test_a_nested_instance_may_be_missing(make: Any) -> None:
    text = """(component (import "acme:deep/api@1.0.0" (instance $outer
        (export "one" (instance (export "f" (func (result u32)))))))
      (alias export $outer "one" (instance $one))
      (core func $f (canon lower (func $one "f")))
      (core module $m (import "h" "f" (func $f (result i32)))
        (func (export "run") (result i32) (call $f)))
      (core instance $c (instantiate $m
        (with "h" (instance (export "f" (func $f))))))
      (func (export "run") (result u32) (canon lift (core func $c "run"))))"""
    with (
        await make(text, missing="trap") as instance,
        pytest.raises(GuestTrapped) as trapped,
    ):
        await instance.call("run")
    assert trapped.value.export == "acme:deep/api@1.0.0#one#f"

    offered = HostInterface("acme:deep/api@1.0.0#one")

    @offered.function
    def f(_call: Call) -> int:
        return 3

    with await make(text, [offered], missing="trap") as instance:
        assert await instance.call("run") == 3
