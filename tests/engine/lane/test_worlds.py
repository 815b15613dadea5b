"""Imports and exports of every sort are declared again, or stay as they are."""

from __future__ import annotations

from typing import Any, Final

import pytest
import wasmtime
from wasmtime import component as wt

from airssys.engine import _ffi
from airssys.engine.component import Engine
from airssys.engine.lane import LanePlan, plan_lane, rewritten, skeleton
from airssys.engine.values.read import TypeReader
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface
from airssys.witmodel.types import Record

from ..guests import MEMORY
from .test_text import ECHO, RANDOM

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def bare() -> wasmtime.Engine:
    return Engine(cache=False).wasmtime


def done_to(engine: wasmtime.Engine, text: str) -> LanePlan:
    """Return what is to be done to a guest, which gives a valid one."""
    guest = bytes(wasmtime.wat2wasm(text))
    bones = wt.Component(engine, skeleton(guest))
    found = plan_lane(
        *TypeReader.read(_ffi.address(engine.ptr()), _ffi.address(bones.ptr()))
    )
    wt.Component(engine, rewritten(guest, lane=found.lane, drops=found.drops).binary)
    return found


TYPES: Final = """
  (type $level0 (enum "low" "high"))
  (import "level" (type $level (eq $level0)))
  (type $note0 (record (field "text" (list u8)) (field "level" $level)))
  (import "note" (type $note (eq $note0)))"""
INTERFACE_TYPES: Final = """
  (import "test:host/types" (instance $types
    (type $level0 (enum "low" "high"))
    (export "level" (type $level (eq $level0)))
    (type $note0 (record (field "text" (list u8)) (field "level" $level)))
    (export "note" (type $note (eq $note0)))))
  (alias export $types "note" (type $note))"""
ROOT: Final = rf"""(component
  TYPES
  (import "shelf" (type $shelf (sub resource)))
  (import "[method]shelf.put" (func $put
    (param "self" (borrow $shelf)) (param "note" $note) (result $note)))
  (import "[constructor]shelf" (func $new (param "name" (list u8))
    (result (own $shelf))))
  (import "ring" (func $ring))
  (import "shelf-too" (type $too (eq $shelf)))
  {MEMORY}
  (core func $put0 (canon lower (func $put) (memory $mem) (realloc $realloc)))
  (core func $new0 (canon lower (func $new) (memory $mem) (realloc $realloc)))
  (core func $ring0 (canon lower (func $ring)))
  (core func $drop (canon resource.drop $shelf))
  (core module $code
    (import "h" "put" (func $put (param i32 i32 i32 i32 i32)))
    (import "h" "new" (func $new (param i32 i32) (result i32)))
    (import "h" "ring" (func $ring))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "keep") (param i32 i32 i32) (result i32) (local $shelf i32)
      (call $ring)
      (local.set $shelf (call $new (local.get 0) (local.get 1)))
      (call $put (local.get $shelf) (local.get 0) (local.get 1) (local.get 2)
        (i32.const 8))
      (call $drop (local.get $shelf))
      (i32.const 8)))
  (core instance $c (instantiate $code (with "h" (instance
    (export "put" (func $put0)) (export "new" (func $new0))
    (export "ring" (func $ring0)) (export "drop" (func $drop))))))
  (export $shown "note-too" (type $note))
  (func $keep (param "note" $note) (result $note)
    (canon lift (core func $c "keep") (memory $mem) (realloc $realloc)
      (post-return $reset)))
  (export "keep" (func $keep) (func (param "note" $shown) (result $shown))))"""


@pytest.mark.parametrize("types", [TYPES, INTERFACE_TYPES], ids=["own", "used"])
async def test_a_worlds_types_functions_and_resources_cross(
    make: Any, types: str
) -> None:
    host = HostInterface("")
    log: list[object] = []

    @host.resource(name="shelf")
    class Shelf:
        def __init__(self, name: bytes) -> None:
            self.name = name

        def put(self, note: Record) -> Record:
            log.append(note.text)
            return Record(text=self.name[::-1], level=note.level)

    @host.function
    def ring(_call: Call) -> None:
        log.append("ring")

    instance = await make(ROOT.replace("TYPES", types), [host])

    note = await instance.call("keep", Record(text=RANDOM, level="high"))

    assert note == Record(text=RANDOM[::-1], level="high")
    assert log == ["ring", RANDOM]
    assert instance.component.lane == {"keep"}
    assert list(instance.component.exports) == ["note-too", "keep"]


OWN: Final = rf"""(component
  {MEMORY}
  (type $bag' (resource (rep i32)))
  (core func $new (canon resource.new $bag'))
  (core module $code
    (import "h" "new" (func $new (param i32) (result i32)))
    (func (export "make") (param i32 i32) (result i32) (call $new (local.get 1)))
    (func (export "size") (param i32) (result i32) (local.get 0)))
  (core instance $c (instantiate $code
    (with "h" (instance (export "new" (func $new))))))
  (export $bag "bag" (type $bag'))
  (func $make (param "x" (list u8)) (result (own $bag'))
    (canon lift (core func $c "make") (memory $mem) (realloc $realloc)))
  (export "[constructor]bag" (func $make)
    (func (param "x" (list u8)) (result (own $bag))))
  (func $size (param "self" (borrow $bag')) (result u32)
    (canon lift (core func $c "size")))
  (export "[method]bag.size" (func $size)
    (func (param "self" (borrow $bag)) (result u32))))"""


async def test_the_worlds_own_exported_resource_crosses(make: Any) -> None:
    instance = await make(OWN)

    bag = await instance.call("[constructor]bag", b"\xff\0\1")

    assert await bag.call("size") == 3
    await bag.close()
    assert instance.component.lane == {"[constructor]bag"}


MIXED: Final = rf"""(component
  (import "test:host/types" (instance $types
    (type $note0 (record (field "text" (list u8))))
    (export "note" (type (eq $note0)))))
  (alias export $types "note" (type $note))
  (import "test:host/api" (instance $host
    (export "note" (type $note2 (eq $note)))
    (export "thing" (type $thing (sub resource)))
    (export "pass" (func (param "note" $note2) (result (list u8))))
    (export "all" (func (param "x" (list (borrow $thing))) (param "note" $note2)))
    (export "later" (func async (param "note" $note2) (result $note2)))
    (export "plain" (func (param "n" u32) (result u32)))))
  {ECHO[10:]}"""


def test_functions_that_are_not_called_need_not_be_known(
    bare: wasmtime.Engine,
) -> None:
    found = done_to(bare, MIXED)

    assert found.imports == {
        "test:host/api#pass",
        "test:host/api#all",
        "test:host/api#later",
    }
    assert found.exports == {"echo"}


STREAMS: Final = rf"""(component
  {ECHO[10:-1]}
  (type $stream (stream u8))
  (core module $other (func (export "take") (param i32)))
  (core instance $d (instantiate $other))
  (func $take (param "x" $stream) (canon lift (core func $d "take")))
  (instance $api (export "echo" (func $bytes)) (export "take" (func $take)))
  (export "test:guest/api" (instance $api))
  (export "take" (func $take)))"""


def test_an_interface_with_streams_is_exported_as_it_is(bare: wasmtime.Engine) -> None:
    text = STREAMS.replace('(func (export "echo")', '(func $bytes (export "echo")')

    assert done_to(bare, text).exports == {"echo", "test:guest/api#echo"}


def test_nothing_is_done_to_a_component_without_bytes_or_resources(
    bare: wasmtime.Engine,
) -> None:
    assert not done_to(bare, "(component)")
    assert not done_to(bare, ECHO).without_lane()
    assert done_to(bare, OWN).without_lane()
