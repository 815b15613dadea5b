"""Imports and exports of every sort are declared again, or stay as they are."""

from __future__ import annotations

from typing import Any, Final

import pytest
import wasmtime
from wasmtime import component as wt

from airssys.abc import Call, HostInterface
from airssys.engine import _ffi
from airssys.engine.component import Engine
from airssys.engine.lane import Outer, outer, skeleton
from airssys.engine.read import TypeReader
from airssys.engine.types import (
    Borrow,
    FuncType,
    InstanceType,
    Opaque,
    Record,
    ResourceType,
    Scalar,
    TypeDef,
)

from .guests import MEMORY
from .test_lane_text import ECHO, RANDOM
from .test_lane_types import OCTETS

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def bare() -> wasmtime.Engine:
    return Engine(cache=False).wasmtime


def around(engine: wasmtime.Engine, text: str, **options: Any) -> Outer | None:
    """Return the outer component, which is a valid one."""
    guest = bytes(wasmtime.wat2wasm(text))
    bones = wt.Component(engine, skeleton(guest))
    found = outer(
        *TypeReader.read(_ffi.address(engine.ptr()), _ffi.address(bones.ptr())),
        **options,
    )
    if found is not None:
        wt.Component(engine, found.joined(guest))
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


def test_functions_that_cannot_be_forwarded_keep_their_types(
    bare: wasmtime.Engine,
) -> None:
    found = around(bare, MIXED)

    assert found is not None
    assert found.imports.keys() == {"test:host/api#pass"}
    assert found.exports.keys() == {"echo"}
    assert '"note-as-lists"' in found.text


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

    found = around(bare, text)

    assert found is not None
    assert found.exports.keys() == {"echo"}


def test_a_component_without_bytes_or_resources_needs_nothing_around_it(
    bare: wasmtime.Engine,
) -> None:
    assert around(bare, "(component)") is None
    assert around(bare, ECHO, lane=False) is None
    assert around(bare, OWN, lane=False) is not None


BYTES: Final = FuncType((("x", OCTETS),))


@pytest.mark.parametrize(
    "imported",
    [
        Opaque("module"),
        InstanceType({"inner": InstanceType()}),
        InstanceType({"f": FuncType((("x", Opaque("stream")),))}),
        FuncType((("x", Opaque("stream")),)),
        TypeDef(Opaque("stream")),
    ],
)
def test_nothing_is_put_around_what_cannot_be_written_down(imported: Any) -> None:
    assert outer({"x": imported}, {"f": BYTES}) is None


def test_a_resource_that_is_nowhere_exported_cannot_be_written_down() -> None:
    hidden = FuncType((("x", Borrow(ResourceType("r"))), ("y", OCTETS)))

    assert outer({}, {"f": hidden}) is None


def test_other_sorts_of_exports_are_left_out() -> None:
    found = outer({}, {"f": BYTES, "m": Opaque("module")})

    assert found is not None
    assert '"m"' not in found.text


def test_a_name_may_hold_any_character() -> None:
    found = outer({}, {'a"\\': InstanceType({"f": BYTES, "n": TypeDef(Scalar("u8"))})})

    assert found is not None
    assert r'"a\"\\"' in found.text
    assert list(found.exports) == ['a"\\#f']
