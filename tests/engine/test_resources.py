from __future__ import annotations

import gc
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from airssys.core.errors import (
    CapabilityDenied,
    GuestTrapped,
    InstanceBusy,
    InstanceClosed,
    OutOfFuel,
    UnknownImport,
    ValueMismatch,
    WitError,
)
from airssys.core.grants.capabilities import Custom
from airssys.core.grants.grants import Grants
from airssys.core.limits import Limits
from airssys.engine.component import Component, Engine
from airssys.engine.resource import Handle
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface
from airssys.witmodel.types import Own, ResourceType

from .tasks import BOTH, engine_of

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module", params=BOTH)
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_of(request.param)


@pytest.fixture(scope="module")
def compiled(engine: Engine) -> dict[str, Component]:
    del engine
    return {}


# --- resources of the host --------------------------------------------------------

BUCKETS = r"""(component
  (import "test:host/buckets@1.0.0" (instance $host
    (export "bucket" (type $b (sub resource)))
    (export "[constructor]bucket" (func (param "n" u32) (result (own $b))))
    (export "[method]bucket.get" (func
      (param "self" (borrow $b)) (param "by" u32) (result u32)))
    (export "[method]bucket.same" (func
      (param "self" (borrow $b)) (param "other" (borrow $b)) (result bool)))
    (export "[method]bucket.itself" (func
      (param "self" (borrow $b)) (result (own $b))))
    (export "[static]bucket.merge" (func
      (param "a" (own $b)) (param "b" (own $b)) (result (own $b))))))
  (alias export $host "bucket" (type $b))
  (core func $new (canon lower (func $host "[constructor]bucket")))
  (core func $get (canon lower (func $host "[method]bucket.get")))
  (core func $same (canon lower (func $host "[method]bucket.same")))
  (core func $itself (canon lower (func $host "[method]bucket.itself")))
  (core func $merge (canon lower (func $host "[static]bucket.merge")))
  (core func $drop (canon resource.drop $b))
  (core module $code
    (import "h" "new" (func $new (param i32) (result i32)))
    (import "h" "get" (func $get (param i32 i32) (result i32)))
    (import "h" "same" (func $same (param i32 i32) (result i32)))
    (import "h" "itself" (func $itself (param i32) (result i32)))
    (import "h" "merge" (func $merge (param i32 i32) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "use") (param i32) (result i32) (local i32 i32)
      (local.set 1 (call $new (local.get 0)))
      (local.set 2 (call $get (local.get 1) (i32.const 10)))
      (call $drop (local.get 1))
      (local.get 2))
    (func (export "two") (result i32) (local i32)
      (local.set 0 (call $new (i32.const 1)))
      (drop (call $itself (local.get 0)))
      (call $drop (local.get 0))
      (call $same (call $new (i32.const 5)) (call $new (i32.const 6))))
    (func (export "hold") (param i32) (drop (call $new (local.get 0))))
    (func (export "trap") (param i32) (drop (call $new (local.get 0))) unreachable)
    (func (export "spin") (param i32) (drop (call $new (local.get 0))) (loop (br 0)))
    (func (export "look") (param i32) (result i32) (local i32)
      (local.set 1 (call $get (local.get 0) (i32.const 1)))
      (call $drop (local.get 0))
      (local.get 1))
    (func (export "keep") (param i32))
    (func (export "pass") (param i32) (result i32) (local.get 0))
    (func (export "join") (param i32 i32) (result i32)
      (call $merge (local.get 0) (local.get 1))))
  (core instance $c (instantiate $code (with "h" (instance
    (export "new" (func $new)) (export "get" (func $get)) (export "same" (func $same))
    (export "itself" (func $itself)) (export "merge" (func $merge))
    (export "drop" (func $drop))))))
  (func (export "use") (param "n" u32) (result u32) (canon lift (core func $c "use")))
  (func (export "two") (result bool) (canon lift (core func $c "two")))
  (func (export "hold") (param "n" u32) (canon lift (core func $c "hold")))
  (func (export "trap") (param "n" u32) (canon lift (core func $c "trap")))
  (func (export "spin") (param "n" u32) (canon lift (core func $c "spin")))
  (func (export "look") (param "b" (borrow $b)) (result u32)
    (canon lift (core func $c "look")))
  (func (export "keep") (param "b" (own $b)) (canon lift (core func $c "keep")))
  (func (export "pass") (param "b" (own $b)) (result (own $b))
    (canon lift (core func $c "pass")))
  (func (export "join") (param "a" (own $b)) (param "b" (own $b)) (result (own $b))
    (canon lift (core func $c "join"))))"""


class Buckets:
    """A host interface and what its destructors saw."""

    def __init__(self) -> None:
        self.dropped: list[int] = []
        self.interface = host = HostInterface("test:host/buckets@1.0.0")
        dropped = self.dropped

        @host.resource
        class Bucket:
            def __init__(self, n: int) -> None:
                self.n = n

            async def get(self, call: Call, by: int) -> int:
                assert call.function == "test:host/buckets@1.0.0#[method]bucket.get"
                await anyio.lowlevel.checkpoint()
                return self.n + by

            def same(self, other: Bucket) -> bool:
                return self is other

            def itself(self) -> Bucket:
                return self

            @staticmethod
            def merge(a: Bucket, b: Bucket) -> Bucket:
                return Bucket(a.n + b.n)

            def drop(self) -> None:
                dropped.append(self.n)

        self.made = Bucket


@pytest.fixture
def buckets() -> Buckets:
    return Buckets()


async def test_a_guest_makes_uses_and_drops_an_object_of_the_hosts(
    make: Any, buckets: Buckets
) -> None:
    with await make(BUCKETS, [buckets.interface]) as instance:
        assert await instance.call("use", 5) == 15
        assert buckets.dropped == [5]

    assert buckets.dropped == [5]


async def test_an_object_that_two_handles_own_is_destroyed_after_the_last(
    make: Any, buckets: Buckets
) -> None:
    with await make(BUCKETS, [buckets.interface]) as instance:
        assert await instance.call("two") is False
        assert buckets.dropped == []

    assert sorted(buckets.dropped) == [1, 5, 6]


async def test_what_a_guest_still_holds_is_destroyed_once_when_it_is_closed(
    make: Any, buckets: Buckets
) -> None:
    with await make(BUCKETS, [buckets.interface]) as instance:
        await instance.call("hold", 1)
        await instance.call("hold", 2)
        assert buckets.dropped == []
    instance.close()

    assert buckets.dropped == [1, 2]


async def test_what_a_guest_holds_is_destroyed_once_when_it_traps(
    make: Any, buckets: Buckets
) -> None:
    with await make(BUCKETS, [buckets.interface]) as instance:
        with pytest.raises(GuestTrapped):
            await instance.call("trap", 3)
        assert buckets.dropped == [3]

    assert buckets.dropped == [3]


@pytest.mark.parametrize("limits", [Limits(), Limits(fuel=10**6)])
async def test_what_a_guest_holds_is_destroyed_once_when_it_is_cut_off(
    make: Any, buckets: Buckets, limits: Limits
) -> None:
    with await make(BUCKETS, [buckets.interface], limits=limits) as instance:
        with anyio.move_on_after(0.05):
            try:
                await instance.call("spin", 4)
            except OutOfFuel:
                assert limits.fuel
        assert not instance.alive
        assert buckets.dropped == [4]

    assert buckets.dropped == [4]


async def test_what_a_forgotten_instance_holds_is_destroyed(
    make: Any, buckets: Buckets
) -> None:
    instance = await make(BUCKETS, [buckets.interface])
    await instance.call("hold", 5)
    del instance
    gc.collect()

    assert buckets.dropped == [5]


async def test_objects_are_lent_and_given_to_guests_and_come_back_themselves(
    make: Any, buckets: Buckets
) -> None:
    one, two = buckets.made(3), buckets.made(4)
    with await make(BUCKETS, [buckets.interface]) as instance:
        assert await instance.call("look", one) == 4
        assert await instance.call("pass", one) is one
        joined = await instance.call("join", one, two)
        assert joined.n == 7
        assert buckets.dropped == []  # the host had them back
        await instance.call("keep", joined)

    assert buckets.dropped == [7]


async def test_what_is_no_object_of_the_class_is_refused_and_nothing_is_lost(
    make: Any, buckets: Buckets
) -> None:
    one = buckets.made(1)
    with await make(BUCKETS, [buckets.interface]) as instance:
        with pytest.raises(
            ValueMismatch, match=r"join: b: expected bucket \(a Bucket\), got 3"
        ):
            await instance.call("join", one, 3)
        assert await instance.call("look", one) == 2

    assert buckets.dropped == []


async def test_a_host_function_that_returns_no_object_of_the_class_is_named(
    make: Any, buckets: Buckets
) -> None:
    host = HostInterface("test:host/buckets@1.0.0")
    host.resource(type("Bucket", (buckets.made,), {"itself": lambda _self: None}))
    with await make(BUCKETS, [host]) as instance:
        with pytest.raises(
            ValueMismatch, match=r"itself.* expected bucket \(a Bucket\), got None"
        ):
            await instance.call("two")
        assert not instance.alive


async def test_a_missing_resource_is_named_with_its_functions(make: Any) -> None:
    host = HostInterface("test:host/buckets@1.0.0")
    with pytest.raises(UnknownImport) as raised:
        await make(BUCKETS, [host])

    assert raised.value.problems[0] == (
        "'test:host/buckets@1.0.0#bucket' is missing: resource"
    )
    assert (
        "'test:host/buckets@1.0.0#[method]bucket.get' is missing: "
        "func(self: borrow<bucket>, by: u32) -> u32" in raised.value.problems
    )


async def test_what_a_failing_call_drops_is_destroyed_with_it(make: Any) -> None:
    host = HostInterface("made")
    dropped = []

    @host.resource(name="http-server2")
    class Server:
        def __init__(self, n: int) -> None:
            self.n = n

        @staticmethod
        def number() -> int:
            return 0

        def drop(self) -> None:
            dropped.append(self.n)

    with await make(FAILS, [host]) as instance:
        with pytest.raises(WitError):
            await instance.call("f", 3)
        assert dropped == [3]


async def test_an_error_of_a_destructor_leaves_from_the_call_that_dropped(
    make: Any, buckets: Buckets
) -> None:
    host = HostInterface("test:host/buckets@1.0.0")

    @host.resource(drop="end")
    class Bucket(buckets.made):  # type: ignore[misc,name-defined]
        def end(self) -> None:
            raise LookupError(self.n)

    with await make(BUCKETS, [host]) as instance:
        with pytest.raises(LookupError, match="7"):
            await instance.call("use", 7)
        assert instance.alive
        await instance.call("hold", 8)
        await instance.call("hold", 9)
        with pytest.raises(ExceptionGroup, match="destructors of host") as raised:
            instance.close()
        assert [error.args for error in raised.value.exceptions] == [(8,), (9,)]

    instance = await make(BUCKETS, [host])
    with pytest.raises(GuestTrapped) as trapped:
        await instance.call("trap", 1)
    assert trapped.value.__notes__ == [
        "besides, a destructor of the host's raised LookupError(1)"
    ]


async def test_an_error_that_cannot_be_shown_does_not_hide_the_trap(
    make: Any, buckets: Buckets
) -> None:
    class Unshown(Exception):
        def __repr__(self) -> str:
            raise RuntimeError

    def end(_self: object) -> None:
        raise Unshown

    host = HostInterface("test:host/buckets@1.0.0")
    host.resource(type("Bucket", (buckets.made,), {"end": end}), drop="end")
    instance = await make(BUCKETS, [host])
    with pytest.raises(GuestTrapped) as trapped:
        await instance.call("trap", 1)

    assert trapped.value.__notes__ == [
        "besides, a destructor of the host's raised Unshown"
    ]


async def test_a_method_needs_what_it_says(make: Any, buckets: Buckets) -> None:
    host = HostInterface("test:host/buckets@1.0.0")

    @host.resource
    class Bucket(buckets.made):  # type: ignore[misc,name-defined]
        @host.method(
            needs=lambda bucket, by: Custom("test:host/get", f"{bucket.n}+{by}")
        )
        def get(self, by: int) -> int:
            return self.n * by  # type: ignore[no-any-return]

    grants = Grants(custom={"test:host/get": ["3+10"]})
    with await make(BUCKETS, [host], grants=grants) as instance:
        assert await instance.call("use", 3) == 30
        with pytest.raises(CapabilityDenied, match=r"4\+10"):
            await instance.call("use", 4)


MADE = r"""(component
  (import "made" (instance $host
    (export "http-server2" (type $b (sub resource)))
    (export "[constructor]http-server2" (func (param "n" u32)
      (result (result (own $b) (error u32)))))
    (export "[static]http-server2.number" (func (result u32)))))
  (alias export $host "http-server2" (type $b))
  (core module $memory (memory (export "m") 1))
  (core instance $m (instantiate $memory))
  (alias core export $m "m" (core memory $mem))
  (core func $new (canon lower (func $host "[constructor]http-server2") (memory $mem)))
  (core func $number (canon lower (func $host "[static]http-server2.number")))
  (core module $code
    (import "h" "new" (func $new (param i32 i32)))
    (import "h" "number" (func $number (result i32)))
    (import "h" "m" (memory 1))
    (func (export "f") (param i32) (result i32)
      (call $new (local.get 0) (i32.const 16))
      (if (result i32) (i32.load8_u (i32.const 16))
        (then (i32.load (i32.const 20))) (else (call $number)))))
  (core instance $c (instantiate $code (with "h" (instance
    (export "new" (func $new)) (export "number" (func $number))
    (export "m" (memory $mem))))))
  (func (export "f") (param "n" u32) (result u32) (canon lift (core func $c "f"))))"""


async def test_a_class_method_can_be_the_constructor_and_wait_and_fail(
    make: Any,
) -> None:
    host = HostInterface("made")
    closed = []

    @host.resource(constructor="open")
    class HTTPServer2:
        number_ = 0

        @classmethod
        async def open(cls, call: Call, n: int) -> HTTPServer2:
            assert call.function == "made#[constructor]http-server2"
            await anyio.lowlevel.checkpoint()
            if n > 100:
                raise WitError(n + 1)
            cls.number_ = n
            return cls()

        @classmethod
        def number(cls) -> int:
            return cls.number_

        def close(self) -> None:
            closed.append(self.number_)

    with await make(MADE, [host]) as instance:
        assert await instance.call("f", 5) == 5
        assert await instance.call("f", 101) == 102
        assert closed == []

    assert closed == [5]


def test_a_class_is_offered_only_once_and_with_what_it_has() -> None:
    host = HostInterface("x")

    class Thing:
        async def drop(self) -> None: ...

    with pytest.raises(ValueError, match="Thing has no method 'end'"):
        host.resource(drop="end")(Thing)
    with pytest.raises(TypeError, match=r"Thing\.drop is an async def"):
        host.resource(drop="drop")(Thing)
    host.resource(Thing)
    assert host.resources["thing"].drop is None
    with pytest.raises(ValueError, match="'x' already has a resource 'thing'"):
        host.resource(Thing)


# --- resources of the guest -------------------------------------------------------

COUNTERS = r"""(component
  (import "test:host/log" (instance $log (export "tell" (func (param "n" u32)))))
  (core func $tell (canon lower (func $log "tell")))
  (core module $drops
    (import "h" "tell" (func $tell (param i32)))
    (global $n (mut i32) (i32.const 0))
    (func (export "dtor") (param i32)
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (if (i32.eq (local.get 0) (i32.const 66)) (then unreachable))
      (if (i32.eq (local.get 0) (i32.const 77)) (then (loop (br 0))))
      (call $tell (local.get 0)))
    (func (export "drops") (result i32) (global.get $n)))
  (core instance $d (instantiate $drops (with "h" (instance
    (export "tell" (func $tell))))))
  (type $r (resource (rep i32) (dtor (core func $d "dtor"))))
  (core func $new (canon resource.new $r))
  (core func $rep (canon resource.rep $r))
  (core func $drop (canon resource.drop $r))
  (core module $code
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "rep" (func $rep (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "new") (param i32) (result i32) (call $new (local.get 0)))
    (func (export "plus") (param i32 i32) (result i32)
      (i32.add (local.get 0) (local.get 1)))
    (func (export "merge") (param i32 i32) (result i32) (local i32)
      (local.set 2 (call $new
        (i32.add (call $rep (local.get 0)) (call $rep (local.get 1)))))
      (call $drop (local.get 0)) (call $drop (local.get 1)) (local.get 2)))
  (core instance $c (instantiate $code (with "" (instance
    (export "new" (func $new)) (export "rep" (func $rep))
    (export "drop" (func $drop))))))
  (func $new1 (param "n" u32) (result (own $r)) (canon lift (core func $c "new")))
  (func $plus1 (param "self" (borrow $r)) (param "n" u32) (result u32)
    (canon lift (core func $c "plus")))
  (func $merge1 (param "a" (own $r)) (param "b" (own $r)) (result (own $r))
    (canon lift (core func $c "merge")))
  (func $sum1 (param "a" (borrow $r)) (param "b" (borrow $r)) (result u32)
    (canon lift (core func $c "plus")))
  (func $drops1 (result u32) (canon lift (core func $d "drops")))
  (component $api
    (import "counter" (type $r (sub resource)))
    (import "new" (func $new (param "n" u32) (result (own $r))))
    (import "plus" (func $plus
      (param "self" (borrow $r)) (param "n" u32) (result u32)))
    (import "merge" (func $merge
      (param "a" (own $r)) (param "b" (own $r)) (result (own $r))))
    (import "sum" (func $sum
      (param "a" (borrow $r)) (param "b" (borrow $r)) (result u32)))
    (import "drops" (func $drops (result u32)))
    (export $r2 "counter" (type $r))
    (export "[constructor]counter" (func $new)
      (func (param "n" u32) (result (own $r2))))
    (export "[method]counter.plus-one" (func $plus)
      (func (param "self" (borrow $r2)) (param "n" u32) (result u32)))
    (export "[static]counter.merge" (func $merge)
      (func (param "a" (own $r2)) (param "b" (own $r2)) (result (own $r2))))
    (export "sum" (func $sum)
      (func (param "a" (borrow $r2)) (param "b" (borrow $r2)) (result u32)))
    (export "drops" (func $drops)))
  (instance $out (instantiate $api (with "counter" (type $r))
    (with "new" (func $new1)) (with "plus" (func $plus1))
    (with "merge" (func $merge1)) (with "sum" (func $sum1))
    (with "drops" (func $drops1))))
  (export "test:guest/counters@0.1.0" (instance $out)))"""

_API = "test:guest/counters@0.1.0#"


class Counters:
    """An instance of the guest, and the numbers its destructor gave the host."""

    def __init__(self) -> None:
        self.dropped: list[int] = []
        self.host = HostInterface("test:host/log")

        @self.host.function
        async def tell(_call: Call, n: int) -> None:
            await anyio.lowlevel.checkpoint()
            self.dropped.append(n)

    async def open(self, make: Any, **options: Any) -> None:
        self.instance = await make(COUNTERS, [self.host], **options)

    async def new(self, n: int) -> Handle:
        handle = await self.instance.call(f"{_API}[constructor]counter", n)
        assert isinstance(handle, Handle)
        return handle

    async def drops(self) -> int:
        drops: int = await self.instance.call(f"{_API}drops")
        return drops


@pytest.fixture
async def counters(make: Any) -> Counters:
    made = Counters()
    await made.open(make)
    return made


async def test_a_handle_calls_the_methods_of_its_resource(counters: Counters) -> None:
    one = await counters.new(3)

    assert await one.call("plus-one", 4) == 7
    assert await one.call("plus_one", 5) == 8
    assert await counters.instance.call(f"{_API}[method]counter.plus-one", one, 6) == 9
    assert repr(one) == "<Handle of 'counter': open>"
    assert one.type.home == "test:guest/counters@0.1.0"


async def test_a_closed_handles_destructor_runs_before_the_next_call(
    counters: Counters,
) -> None:
    one = await counters.new(3)
    one.close()
    one.close()
    assert counters.dropped == []

    assert await counters.drops() == 1
    assert counters.dropped == [3]
    assert one.closed
    with pytest.raises(
        ValueMismatch, match=r"self: expected an open handle of counter, got Handle"
    ):
        await one.call("plus-one", 1)
    assert await counters.drops() == 1


async def test_who_awaits_the_close_sees_the_destructor_run(counters: Counters) -> None:
    async with await counters.new(4) as one:
        assert not one.closed
    assert counters.dropped == [4]
    await (await counters.new(5)).close()
    assert counters.dropped == [4, 5]
    await one.close()
    with await counters.new(6):
        pass
    assert counters.dropped == [4, 5]
    assert await counters.drops() == 3


async def test_a_forgotten_handle_is_closed(counters: Counters) -> None:
    await counters.new(9)
    gc.collect()

    assert await counters.drops() == 1
    assert counters.dropped == [9]


_QUIET = COUNTERS.replace("(call $tell (local.get 0))", "")


async def test_many_forgotten_handles_are_dropped_step_by_step(make: Any) -> None:
    log = HostInterface("test:host/log")
    log.function(lambda _call, _n: None, name="tell")
    instance = await make(_QUIET, [log])
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    handles = [
        await instance.call(f"{_API}[constructor]counter", 1) for _ in range(4000)
    ]
    handles.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(count)
        await anyio.lowlevel.checkpoint()
        turns = 0
        assert await instance.call(f"{_API}drops") == 4000
        assert turns > 10  # 4,000 drops take 40 ms and more, and a turn comes each 0.5
        group.cancel_scope.cancel()


async def test_dropping_forgotten_handles_can_be_cancelled_and_loses_none(
    make: Any,
) -> None:
    log = HostInterface("test:host/log")
    log.function(lambda _call, _n: None, name="tell")
    instance = await make(_QUIET, [log])
    handles = [
        await instance.call(f"{_API}[constructor]counter", 1) for _ in range(2000)
    ]
    handles.clear()
    busy = None
    with anyio.CancelScope() as scope:

        async def cancel() -> None:
            nonlocal busy
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            try:
                await instance.call(f"{_API}drops")
            except InstanceBusy as error:
                busy = error.running
            scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(cancel)
            await instance.call(f"{_API}drops")

    assert scope.cancelled_caught
    assert busy == "drop"
    assert instance.alive
    assert 0 < instance.usage.calls <= 2001
    assert await instance.call(f"{_API}drops") == 2000


async def test_a_handle_that_was_given_away_is_gone(counters: Counters) -> None:
    one, two = await counters.new(1), await counters.new(2)
    three = await counters.instance.call(f"{_API}[static]counter.merge", one, two)

    assert await three.call("plus-one", 0) == 3
    assert counters.dropped == [1, 2]  # the guest dropped both
    assert repr(one) == "<Handle of 'counter': given away>"
    assert one.closed
    for call in (one.call("plus-one", 1), three.call("plus-one", -1)):
        with pytest.raises(ValueMismatch):
            await call
    one.close()
    assert await counters.drops() == 2
    assert await three.call("plus-one", 0) == 3


async def test_a_call_that_is_refused_gives_nothing_away(counters: Counters) -> None:
    one, two = await counters.new(1), await counters.new(2)
    merge, add = f"{_API}[static]counter.merge", f"{_API}sum"
    for args, expected in (
        ((one, 5), "b: expected a handle of counter, got 5"),
        ((one, one), "b: expected a handle of counter that is not given away too"),
    ):
        with pytest.raises(ValueMismatch, match=expected):
            await counters.instance.call(merge, *args)

    assert await counters.instance.call(add, one, one) == 2
    merged = await counters.instance.call(merge, one, two)
    assert await merged.call("plus-one", 0) == 3


async def test_a_handle_of_another_instance_is_refused(
    make: Any, counters: Counters
) -> None:
    other = Counters()
    await other.open(make)
    one = await other.new(1)

    with pytest.raises(ValueMismatch, match="a handle of counter"):
        await counters.instance.call(f"{_API}sum", one, one)
    assert await one.call("plus-one", 1) == 2


async def test_a_handle_that_outlives_its_instance_says_so(counters: Counters) -> None:
    one, two = await counters.new(1), await counters.new(2)
    two.close()
    counters.instance.close()

    assert one.closed
    with pytest.raises(InstanceClosed, match="closed"):
        await one.call("plus-one", 1)
    assert repr(one) == "<Handle of 'counter': ended>"
    await one.close()
    await two.close()
    assert counters.dropped == []  # the guest is gone, and its memory


async def test_a_destructor_that_traps_ends_the_instance(counters: Counters) -> None:
    one = await counters.new(66)

    with pytest.raises(GuestTrapped, match="unreachable"):
        await one.close()
    assert not counters.instance.alive


async def test_a_destructor_has_the_limits_of_a_call(make: Any) -> None:
    counters = Counters()
    await counters.open(make, limits=Limits(fuel=100_000))
    one = await counters.new(77)
    one.close()
    with pytest.raises(OutOfFuel):
        await counters.drops()

    await counters.open(make)
    two = await counters.new(77)
    with anyio.move_on_after(0.05) as scope:
        await two.close()
    assert scope.cancelled_caught
    assert not counters.instance.alive


async def test_a_destructor_cannot_run_during_a_call(make: Any) -> None:
    counters = Counters()
    handles: list[Handle] = []
    raised: list[BaseException] = []

    @counters.host.function(name="other")
    def other(_call: Call) -> None: ...

    host = HostInterface("test:host/log")

    @host.function
    async def tell(_call: Call, _n: int) -> None:
        try:
            await handles[1].close()
        except InstanceBusy as busy:
            raised.append(busy)

    counters.host = host
    await counters.open(make)
    handles += [await counters.new(1), await counters.new(2)]
    await handles[0].close()

    assert "drop" in str(raised[0])
    assert await counters.drops() == 2


async def test_types_tell_what_is_a_resource(counters: Counters) -> None:
    api = counters.instance.component.exports["test:guest/counters@0.1.0"]
    counter = api.exports["counter"]

    assert isinstance(counter, ResourceType)
    assert not counter.imported
    new = counters.instance.component.functions()[f"{_API}[constructor]counter"]
    assert new.result == Own(counter)
    assert str(new) == "func(n: u32) -> counter"


FAILS = r"""(component
  (import "made" (instance $host
    (export "http-server2" (type $b (sub resource)))
    (export "[constructor]http-server2" (func (param "n" u32) (result (own $b))))))
  (alias export $host "http-server2" (type $b))
  (core func $new (canon lower (func $host "[constructor]http-server2")))
  (core func $drop (canon resource.drop $b))
  (core module $code
    (import "h" "new" (func $new (param i32) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "f") (param i32) (result i32)
      (call $drop (call $new (local.get 0)))
      (i32.const 1)))
  (core instance $c (instantiate $code (with "h" (instance
    (export "new" (func $new)) (export "drop" (func $drop))))))
  (func (export "f") (param "n" u32) (result (result))
    (canon lift (core func $c "f"))))"""
"""``f`` makes an object, drops it and returns err."""


MAKES = r"""(component
  (import "made" (instance $host
    (export "thing" (type $b (sub resource)))
    (export "make" (func (result (own $b))))))
  (alias export $host "thing" (type $b))
  (core func $make (canon lower (func $host "make")))
  (core func $drop (canon resource.drop $b))
  (core module $code
    (import "h" "make" (func $make (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "f") (local i32)
      (local.set 0 (call $make))
      (call $drop (call $make))
      (call $drop (local.get 0))))
  (core instance $c (instantiate $code (with "h" (instance
    (export "make" (func $make)) (export "drop" (func $drop))))))
  (func (export "f") (canon lift (core func $c "f"))))"""
"""``f`` gets two handles and drops both."""


async def test_two_handles_that_one_call_drops_destroy_their_object_once(
    make: Any,
) -> None:
    host, dropped = HostInterface("made"), []

    @host.resource
    class Thing:
        def drop(self) -> None:
            dropped.append("base")

    class Better(Thing):
        def drop(self) -> None:
            dropped.append("better")

    thing = Better()
    host.function(lambda _call: thing, name="make")
    with await make(MAKES, [host]) as instance:
        await instance.call("f")
        assert dropped == ["better"]

    assert dropped == ["better"]


def test_only_methods_are_offered_and_the_destructor_is_not() -> None:
    host = HostInterface("x")

    @host.resource
    class Thing(dict[str, int]):
        Kind = int

        def drop(self) -> None: ...

        def close(self, _reason: int) -> None: ...

        def from_(self) -> None: ...

    assert {each for each in host.functions if "dict" not in each} == {
        "[constructor]thing",
        "[method]thing.close",
        "[method]thing.from",
    }
    with pytest.raises(TypeError, match=r"Door\.close takes more than the object"):

        @host.resource(drop="close")
        class Door:
            def close(self, _reason: int) -> None: ...

    @host.resource
    class Gate:
        @host.method(name="shut")
        def close(self) -> None: ...

    assert host.resources["gate"].drop is None
    assert "[method]gate.shut" in host.functions


async def test_an_error_in_a_with_block_is_not_hidden_by_a_destructors(
    make: Any, buckets: Buckets
) -> None:
    def end(_self: object) -> None:
        raise LookupError

    host = HostInterface("test:host/buckets@1.0.0")
    host.resource(type("Bucket", (buckets.made,), {"end": end}), drop="end")
    instance = await make(BUCKETS, [host])
    await instance.call("hold", 1)
    with pytest.raises(KeyError, match="mine") as raised, instance:
        raise KeyError("mine")

    assert "LookupError" in raised.value.__notes__[0]


class Closing:
    """An integer whose reading closes something."""

    def __init__(self, closing: Any) -> None:
        self.closing = closing

    def __index__(self) -> int:
        self.closing.close()
        return 1


async def test_a_handle_that_another_argument_closes_is_refused(
    counters: Counters,
) -> None:
    one = await counters.new(1)

    with pytest.raises(ValueMismatch, match="expected an open handle of counter"):
        await one.call("plus-one", Closing(one))
    assert await counters.drops() == 1


async def test_an_instance_that_an_argument_closes_says_so(counters: Counters) -> None:
    with pytest.raises(InstanceClosed, match="closed"):
        await counters.instance.call(
            f"{_API}[constructor]counter", Closing(counters.instance)
        )
    assert not counters.instance.alive
