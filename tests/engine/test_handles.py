"""The handles in a guest's tables have a limit, wherever they come from."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, Final

import pytest

import airssys
from airssys.engine.component import Component, Engine

from .tasks import BOTH, engine_of

pytestmark = pytest.mark.guest

OWN: Final = r"""(component
  (type $r' (resource (rep i32)))
  (export $r "r" (type $r'))
  (core func $new (canon resource.new $r'))
  (core func $drop (canon resource.drop $r'))
  (core module $code
    (import "h" "new" (func $new (param i32) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "make") (param i32)
      (loop (drop (call $new (i32.const 7)))
        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "turn") (param i32)
      (loop (call $drop (call $new (i32.const 7)))
        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "one") (result i32) (call $new (i32.const 70000)))
    (func (export "back") (param i32) (call $drop (local.get 0)))
    (func (export "see") (param i32) (result i32) (local.get 0)))
  (core instance $c (instantiate $code (with "h"
    (instance (export "new" (func $new)) (export "drop" (func $drop))))))
  (func (export "make") (param "n" u32) (canon lift (core func $c "make")))
  (func (export "turn") (param "n" u32) (canon lift (core func $c "turn")))
  (func (export "one") (result (own $r)) (canon lift (core func $c "one")))
  (func (export "back") (param "x" (own $r)) (canon lift (core func $c "back")))
  (func (export "see") (param "x" (borrow $r)) (result u32)
    (canon lift (core func $c "see"))))"""
SMALL: Final = airssys.Limits(handles=5)


@pytest.fixture(scope="module", params=BOTH)
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_of(request.param)


@pytest.fixture(scope="module")
def compiled(engine: Engine) -> dict[str, Component]:
    del engine
    return {}


@pytest.mark.parametrize("tasks", BOTH)
@pytest.mark.parametrize("lane", [True, False])
async def test_a_guest_makes_as_many_resources_as_its_limit(
    lane: bool,  # noqa: FBT001
    tasks: str,
) -> None:
    component = await engine_of(tasks, bytes_lane=lane).compile(OWN)
    for limits, most in ((SMALL, 5), (airssys.Limits(), 10_000)):
        with await component.instantiate(limits=limits) as instance:
            await instance.call("make", most - 1)
            await instance.call("make", 1)
            with pytest.raises(airssys.TooManyHandles) as raised:
                await instance.call("make", 1)

        assert isinstance(raised.value, airssys.LimitExceeded)
        assert raised.value.limit == most
        assert raised.value.export == "make"
        assert not instance.alive


async def test_what_is_dropped_or_given_to_the_host_does_not_count(make: Any) -> None:
    with await make(OWN, limits=SMALL) as instance:
        await instance.call("make", 4)
        await instance.call("turn", 50_000)
        kept = [await instance.call("one") for _ in range(100)]
        for each in kept:
            assert await instance.call("see", each) == 70000
            await each.close()
        await instance.call("make", 1)
        with pytest.raises(airssys.TooManyHandles):
            await instance.call("turn", 1)


async def test_a_handle_that_the_host_gives_back_counts(make: Any) -> None:
    with await make(OWN, limits=SMALL) as instance:
        handle = await instance.call("one")
        await instance.call("make", 5)
        with pytest.raises(airssys.TooManyHandles):
            await instance.call("back", handle)


async def test_each_instance_has_handles_of_its_own(make: Any) -> None:
    with (
        await make(OWN, limits=SMALL) as one,
        await make(OWN, limits=airssys.Limits(handles=8)) as other,
    ):
        await one.call("make", 5)
        await other.call("make", 8)
        with pytest.raises(airssys.TooManyHandles, match="limit: 8"):
            await other.call("make", 1)
        with pytest.raises(airssys.TooManyHandles, match="limit: 5"):
            await one.call("make", 1)


# --- handles of the host's ------------------------------------------------------------

MEMORY: Final = """(core module $memory
    (memory (export "memory") 4)
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local i32)
      (local.set 4 (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get 4) (local.get 3)))
      (local.get 4)))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias core export $m "realloc" (core func $realloc))"""


def given(type_: str, cores: str, back: str) -> str:
    """Return a guest whose ``take`` calls the host for a value so many times."""
    return f"""(component
  (import "test:host/api" (instance $host
    (export "r" (type $r (sub resource)))
    (export "give" (func (param "n" u32) (result {type_})))))
  (alias export $host "r" (type $r))
  {MEMORY}
  (core func $give
    (canon lower (func $host "give") (memory $mem) (realloc $realloc)))
  (core module $code
    (import "h" "give" (func $give (param {cores}) {back}))
    (func (export "take") (param $n i32) (param $times i32)
      (loop {CALLS[back]}
        (br_if 0
          (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
  (core instance $c (instantiate $code (with "h"
    (instance (export "give" (func $give))))))
  (func (export "take") (param "n" u32) (param "times" u32)
    (canon lift (core func $c "take"))))"""


CALLS: Final = {
    "(result i32)": "(drop (call $give (local.get $n)))",
    "": "(call $give (local.get $n) (i32.const 16))",
}
GIVEN: Final = {
    "own": ("(own $r)", "i32", "(result i32)"),
    "option": ("(option (own $r))", "i32 i32", ""),
    "result": ("(result (own $r) (error string))", "i32 i32", ""),
    "tuple": ("(tuple (own $r) string (list u8))", "i32 i32", ""),
    "list": ("(list (own $r))", "i32 i32", ""),
}


class Thing:
    """A resource of the host's."""

    living = 0

    def __init__(self) -> None:
        Thing.living += 1

    def drop(self) -> None:
        Thing.living -= 1


def offering(kind: str) -> airssys.HostInterface:
    host = airssys.HostInterface("test:host/api")
    host.resource(Thing, name="r")

    def give(_call: airssys.Call, n: int) -> Any:
        match kind:
            case "tuple":
                return Thing(), "text", b"bytes"
            case "list":
                return [Thing() for _ in range(n)]
            case _:
                return Thing()

    host.function(give, name="give")
    return host


@pytest.mark.parametrize("tasks", BOTH)
@pytest.mark.parametrize("lane", [True, False])
@pytest.mark.parametrize("kind", GIVEN)
async def test_handles_of_the_hosts_count(
    kind: str,
    lane: bool,  # noqa: FBT001
    tasks: str,
) -> None:
    text = given(*GIVEN[kind])
    component = await engine_of(tasks, bytes_lane=lane).compile(text)
    Thing.living = 0
    instance = await component.instantiate([offering(kind)], limits=SMALL)
    await instance.call("take", 1, 5)
    assert Thing.living == 5
    with pytest.raises(airssys.TooManyHandles):
        await instance.call("take", 1, 1000)
    assert Thing.living == 0

    instance = await component.instantiate([offering(kind)])
    with pytest.raises(airssys.TooManyHandles):
        await instance.call("take", 1, 20_000)
    assert Thing.living == 0


async def test_a_list_of_handles_counts_as_all_of_them(make: Any) -> None:
    text = given(*GIVEN["list"])
    with await make(text, [offering("list")], limits=SMALL) as instance:
        await instance.call("take", 3, 1)
        await instance.call("take", 2, 1)
        with pytest.raises(airssys.TooManyHandles):
            await instance.call("take", 1, 1)


KEEPS: Final = f"""(component
  (import "test:host/api" (instance $host (export "r" (type $r (sub resource)))))
  (alias export $host "r" (type $r))
  {MEMORY}
  (core func $drop (canon resource.drop $r))
  (core module $code
    (import "h" "drop" (func $drop (param i32)))
    (func (export "keep") (param i64 i32))
    (func (export "option") (param i32 i32))
    (func (export "list") (param i32 i32))
    (func (export "many") (param i32))
    (func (export "lent") (param i32) (call $drop (local.get 0))))
  (core instance $c (instantiate $code (with "h"
    (instance (export "drop" (func $drop))))))
  (func (export "keep") (param "n" u64) (param "x" (own $r))
    (canon lift (core func $c "keep")))
  (func (export "option") (param "x" (option (own $r)))
    (canon lift (core func $c "option")))
  (func (export "list") (param "x" (list (own $r)))
    (canon lift (core func $c "list") (memory $mem) (realloc $realloc)))
  (func (export "many") {" ".join(f'(param "p{i}" u8)' for i in range(17))}
    (param "x" (own $r))
    (canon lift (core func $c "many") (memory $mem) (realloc $realloc)))
  (func (export "lent") (param "x" (borrow $r)) (canon lift (core func $c "lent"))))"""


@pytest.mark.parametrize(
    ("export", "args"),
    [
        ("keep", lambda: (1, Thing())),
        ("option", lambda: (Thing(),)),
        ("list", lambda: ([Thing()],)),
        ("many", lambda: (*range(17), Thing())),
    ],
)
async def test_what_the_host_gives_away_counts(
    make: Any, export: str, args: Any
) -> None:
    instance = await make(KEEPS, [offering("own")], limits=SMALL)
    for _ in range(1000):
        await instance.call("lent", Thing())
    for _ in range(5):
        await instance.call(export, *args())
    await instance.call("option", None)
    with pytest.raises(airssys.TooManyHandles) as raised:
        await instance.call(export, *args())
    assert raised.value.export == export


# --- components within a component ---------------------------------------------------

WITHIN: Final = f"""(component
  (component $deep
    (component $inner {OWN[10:]}
    (instance $i (instantiate $inner))
    (export "again" (func $i "make")))
  (component $other {OWN[10:]}
  (instance $d (instantiate $deep))
  (instance $o (instantiate $other))
  (export "deep" (func $d "again"))
  (export "other" (func $o "make")))"""


@pytest.mark.parametrize("export", ["deep", "other"])
async def test_each_component_within_a_component_has_the_limit(
    make: Any, export: str
) -> None:
    instance = await make(WITHIN, limits=SMALL)
    await instance.call("deep", 5)
    await instance.call("other", 5)
    with pytest.raises(airssys.TooManyHandles):
        await instance.call(export, 1)

    instance = await make(WITHIN)
    await instance.call(export, 10_000)
    with pytest.raises(airssys.TooManyHandles):
        await instance.call(export, 1)


def lending(type_: str, cores: str, stores: str) -> str:
    """Return a component within which handles are lent, many times one."""
    return f"""(component
  (component $lender
    (type $r' (resource (rep i32)))
    (export $r "r" (type $r'))
    (core func $new (canon resource.new $r'))
    (core module $code
      (import "h" "new" (func $new (param i32) (result i32)))
      (func (export "one") (result i32) (call $new (i32.const 1))))
    (core instance $c (instantiate $code (with "h"
      (instance (export "new" (func $new))))))
    (func (export "one") (result (own $r)) (canon lift (core func $c "one"))))
  (component $taker
    (import "r" (type $r (sub resource)))
    {MEMORY}
    (core func $drop (canon resource.drop $r))
    (core module $code
      (import "m" "memory" (memory 1))
      (import "h" "drop" (func $drop (param i32)))
      (func (export "take") (param $at i32) (param $n i32)
        (if (i32.eqz (local.get $n)) (then return))
        (loop {DROPS[cores]}
          (local.set $at (i32.add (local.get $at) (i32.const {SIZES[cores]})))
          (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
    (core instance $c (instantiate $code (with "m" (instance $m))
      (with "h" (instance (export "drop" (func $drop))))))
    (func (export "take") (param "x" {type_})
      (canon lift (core func $c "take") (memory $mem) (realloc $realloc))))
  (component $main
    (import "l" (instance $l
      (export "r" (type $r (sub resource)))
      (export "one" (func (result (own $r))))))
    (alias export $l "r" (type $r))
    (import "take" (func $take (param "x" {type_})))
    {MEMORY}
    (core func $one (canon lower (func $l "one")))
    (core func $take (canon lower (func $take) (memory $mem) (realloc $realloc)))
    (core module $code
      (import "m" "memory" (memory 1))
      (import "h" "one" (func $one (result i32)))
      (import "h" "take" (func $take (param i32 i32)))
      (func (export "run") (param $n i32) (param $m i32)
        (local $r i32) (local $at i32) (local $i i32)
        (local.set $r (call $one))
        (local.set $at (i32.const 16384))
        (local.set $i (i32.const 40000))
        (loop
          (i32.store (local.get $at) (local.get $r))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
        {stores}))
    (core instance $c (instantiate $code (with "m" (instance $m)) (with "h"
      (instance (export "one" (func $one)) (export "take" (func $take))))))
    (func (export "run") (param "n" u32) (param "m" u32)
      (canon lift (core func $c "run"))))
  (instance $l (instantiate $lender))
  (alias export $l "r" (type $r))
  (instance $t (instantiate $taker (with "r" (type $r))))
  (instance $x (instantiate $main (with "l" (instance $l))
    (with "take" (func $t "take"))))
  (export "run" (func $x "run")))"""


DROPS: Final = {
    "list": "(call $drop (i32.load (local.get $at)))",
    "lists": """(if (i32.load offset=4 (local.get $at))
      (then (call $drop (i32.load (i32.load (local.get $at))))))""",
}
SIZES: Final = {"list": 4, "lists": 8}
LISTS: Final = """(i32.store (i32.const 256) (i32.const 16384))
  (i32.store (i32.const 260) (local.get $n))
  (i32.store (i32.const 264) (i32.const 16384))
  (i32.store (i32.const 268) (local.get $m))
  (call $take (i32.const 256) (i32.const 2))"""
LENT: Final = lending(
    "(list (borrow $r))", "list", "(call $take (i32.const 16384) (local.get $n))"
)
LENT_IN_LISTS: Final = lending("(list (list (borrow $r)))", "lists", LISTS)


async def test_a_list_of_handles_is_not_longer_than_the_limit_of_them(
    make: Any,
) -> None:
    limits = airssys.Limits(memories=3)
    with await make(LENT, limits=limits) as instance:
        await instance.call("run", 0, 0)
        await instance.call("run", 9_990, 0)
        with pytest.raises(airssys.TooManyHandles):
            await instance.call("run", 10_001, 0)
    with await make(LENT_IN_LISTS, limits=limits) as instance:
        await instance.call("run", 1, 0)
        await instance.call("run", 1, 1)
    for n, m in ((10_000, 1), (2, 9_999), (30_000, 30_000), (0, 10_001)):
        instance = await make(LENT_IN_LISTS, limits=limits)
        with pytest.raises(airssys.TooManyHandles):
            await instance.call("run", n, m)
    instance = await make(LENT_IN_LISTS, limits=limits)
    with pytest.raises(airssys.GuestTrapped) as raised:
        await instance.call("run", 9_000, 900)
    assert raised.value.kind == "borrow-not-dropped"


async def test_a_list_that_is_not_in_memory_is_told_as_that(make: Any) -> None:
    broken = "(call $take (i32.const 262136) (i32.const 2))"  # four pages are there
    text = lending("(list (list (borrow $r)))", "lists", broken)
    instance = await make(text, limits=airssys.Limits(memories=3))
    with pytest.raises(airssys.GuestTrapped) as raised:
        await instance.call("run", 1, 1)
    assert raised.value.kind == "list-out-of-bounds"


# --- tasks, streams and sets of them -----------------------------------------------


def looping(canon: str, result: str, types: str = "") -> str:
    return f"""(component {types}
  (core func $new (canon {canon}))
  (core module $code
    (import "h" "new" (func $new (result {result})))
    (func (export "run") (param i32)
      (loop (drop (call $new))
        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
  (core instance $c (instantiate $code (with "h"
    (instance (export "new" (func $new))))))
  (func (export "run") (param "n" u32) (canon lift (core func $c "run"))))"""


@pytest.mark.parametrize(
    ("text", "each"),
    [
        (looping("stream.new $s", "i64", "(type $s (stream u8))"), 2),
        (looping("future.new $f", "i64", "(type $f (future u8))"), 2),
        (looping("waitable-set.new", "i32"), 1),
    ],
)
async def test_streams_futures_and_sets_count_as_handles(
    make: Any, text: str, each: int
) -> None:
    with await make(text, limits=airssys.Limits(handles=6)) as instance:
        await instance.call("run", 6 // each)
        with pytest.raises(airssys.TooManyHandles):
            await instance.call("run", 1)
    with await make(text) as instance:
        await instance.call("run", 10_000 // each)
        with pytest.raises(airssys.TooManyHandles):
            await instance.call("run", 1)


ASYNC: Final = f"""(component
  (component $giver
    (type $r' (resource (rep i32)))
    (export $r "r" (type $r'))
    (core func $new (canon resource.new $r'))
    (core func $done (canon task.return (result (own $r))))
    (core module $code
      (import "h" "new" (func $new (param i32) (result i32)))
      (import "h" "done" (func $done (param i32)))
      (func (export "give") (result i32)
        (call $done (call $new (i32.const 1))) (i32.const 0))
      (func (export "callback") (param i32 i32 i32) (result i32) (i32.const 0)))
    (core instance $c (instantiate $code (with "h"
      (instance (export "new" (func $new)) (export "done" (func $done))))))
    (func (export "give") async (result (own $r))
      (canon lift (core func $c "give") async (callback (core func $c "callback")))))
  (component $taker
    (import "g" (instance $g
      (export "r" (type $r (sub resource)))
      (export "give" (func async (result (own $r))))))
    {MEMORY}
    (core func $give (canon lower (func $g "give") async (memory $mem)))
    (core module $code
      (import "h" "give" (func $give (param i32) (result i32)))
      (func (export "run") (param i32)
        (loop
          (if (i32.ne (call $give (i32.const 16)) (i32.const 2)) (then unreachable))
          (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
    (core instance $c (instantiate $code (with "h"
      (instance (export "give" (func $give))))))
    (func (export "run") (param "n" u32) (canon lift (core func $c "run"))))
  (instance $g (instantiate $giver))
  (instance $t (instantiate $taker (with "g" (instance $g))))
  (export "run" (func $t "run")))"""


async def test_what_asynchronous_functions_return_counts(make: Any) -> None:
    instance = await make(ASYNC, limits=airssys.Limits(handles=50))
    await instance.call("run", 40)
    with pytest.raises(airssys.TooManyHandles):
        await instance.call("run", 13)


# --- at the start, and in memory ----------------------------------------------

STARTS: Final = r"""(component
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core module $code
    (import "h" "new" (func $new (param i32) (result i32)))
    (func $start (local i32)
      (local.set 0 (i32.const COUNT))
      (loop (drop (call $new (i32.const 7)))
        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "more") (drop (call $new (i32.const 7))))
    (start $start))
  (core instance $c (instantiate $code (with "h"
    (instance (export "new" (func $new))))))
  (func (export "more") (canon lift (core func $c "more"))))"""


async def test_a_start_function_has_the_limit(make: Any) -> None:
    with pytest.raises(airssys.TooManyHandles):
        await make(STARTS.replace("COUNT", "10001"))
    with await make(STARTS.replace("COUNT", "10")) as instance:
        await instance.call("more")
    instance = await make(STARTS.replace("COUNT", "10"), limits=SMALL)
    with pytest.raises(airssys.TooManyHandles):
        await instance.call("more")


async def test_a_component_that_implements_an_interface_has_the_limit(
    make: Any,
) -> None:
    text = OWN.replace(
        "(component", '(component (import "a" (implements "x:y/z") (instance))', 1
    )
    with await make(text, limits=SMALL) as instance:
        await instance.call("make", 5)
        with pytest.raises(airssys.TooManyHandles):
            await instance.call("make", 1)


async def test_a_component_whose_handles_cannot_be_counted_is_refused(
    engine: Engine,
) -> None:
    taken = OWN[:-1] + '(export "airssys-set-limits" (func 0)))'
    with pytest.raises(airssys.InvalidComponent, match="cannot be held to its limits"):
        await engine.compile(taken)


_IN_A_CHILD = """
import resource, sys, anyio, airssys

async def main():
    component = await airssys.Engine(cache=False).compile(sys.stdin.read())
    small = airssys.Limits(memory=2**20)
    for n in (1, 1, 50_000_000):
        instance = await component.instantiate(limits=small)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            await instance.call("make", n)
        except airssys.TooManyHandles:
            print("refused")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

anyio.run(main)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_resources_that_are_never_dropped_do_not_grow_the_host() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_CHILD],
        input=OWN,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    print(done.stdout, done.stderr)
    refused, grown = done.stdout.split()

    assert refused == "refused"
    assert int(grown) < 4 * 1024
