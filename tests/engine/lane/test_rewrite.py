"""Forwarders stand inside guests, whatever else is in them."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import anyio
import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import component as wt

from airssys.core.errors import GuestTrapped
from airssys.core.limits import Limits
from airssys.engine.component import Engine
from airssys.engine.lane import Drop, Unreadable, rewritten
from airssys.witmodel.types import ResourceType

from ..guests import MEMORY
from .test_text import ECHO, RANDOM

pytestmark = pytest.mark.guest

ALIGNED: Final = "(i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8))"
# A realloc that takes no notice of alignment, and gives odd addresses.
ODD: Final = ECHO.replace(ALIGNED, "(i32.or (global.get $top) (i32.const 1))")
BUILTIN: Final = """(component
  (core func $x (canon task.return (result u32)))
  (type $thing' (resource (rep i32)))
  (export "thing" (type $thing'))"""
COMPOSED: Final = rf"""(component
  (component $inner {ECHO[10:]}
  (component $outer
    (import "echo" (func $echo (param "x" (list u8)) (result (list u8))))
    (core module $aside)
    {MEMORY}
    (component $deep
      (alias outer $outer $aside (core module $mine))
      (core instance (instantiate $mine)))
    (instance (instantiate $deep))
    (core func $next (canon lower (func $echo) (memory $mem) (realloc $realloc)))
    (core module $code
      (import "h" "next" (func $next (param i32 i32 i32)))
      (func (export "echo") (param i32 i32) (result i32)
        (call $next (local.get 0) (local.get 1) (i32.const 8)) (i32.const 8)))
    (core instance $c (instantiate $code
      (with "h" (instance (export "next" (func $next))))))
    (func (export "echo") (param "x" (list u8)) (result (list u8))
      (canon lift (core func $c "echo") (memory $mem) (realloc $realloc)
        (post-return $reset))))
  (instance $i (instantiate $inner))
  (instance $o (instantiate $outer (with "echo" (func $i "echo"))))
  (export "echo" (func $o "echo")))"""


@pytest.fixture(scope="module")
def bare() -> wasmtime.Engine:
    return Engine(cache=False).wasmtime


def binary(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


async def test_bytes_may_lie_at_odd_addresses(make: Any) -> None:
    assert ALIGNED not in ODD
    instance = await make(ODD)

    for octets in (b"", b"abc", b"~", b"\x7f", RANDOM, RANDOM * 300):
        assert await instance.call("echo", octets) == octets
    assert instance.component.lane == {"echo"}


async def test_bytes_cross_between_components_in_a_component(make: Any) -> None:
    instance = await make(COMPOSED, limits=Limits(memories=2))

    for octets in (b"", b"abc", b"~", b"\x7f", RANDOM, RANDOM * 300):
        assert await instance.call("echo", octets) == octets
    assert instance.component.lane == {"echo"}
    assert instance.component.added == (11, 2)


LIST: Final = rf"""(component {MEMORY}
  (core module $code
    (func (export "give") (param i32 i32) (result i32) (i32.const AT)))
  (core instance $c (instantiate $code))
  (func (export "give") (param "x" (list u8)) (result (tuple (list u32) (list u8)))
    (canon lift (core func $c "give") (memory $mem) (realloc $realloc))))"""


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ((1, 1, 0, 0), "unaligned-pointer"),
        ((4, 1 << 30, 0, 0), "list-out-of-bounds"),
        ((1 << 30, 4, 0, 0), "list-out-of-bounds"),
        ((0, 0, 1 << 30, 4), "list-out-of-bounds"),
        ((0, 0, 4, 0xFFFFFFFF), "list-out-of-bounds"),
    ],
)
async def test_what_a_guest_points_to_is_looked_at(
    make: Any, words: tuple[int, ...], kind: str
) -> None:
    data = "".join(f"\\{b:02x}" for w in words for b in w.to_bytes(4, "little"))
    text = LIST.replace("AT", "64").replace(
        '(memory (export "memory") 2)',
        f'(memory (export "memory") 2) (data (i32.const 64) "{data}")',
    )
    instance = await make(text)

    with pytest.raises(GuestTrapped) as raised:
        await instance.call("give", b"")

    assert raised.value.kind == kind
    assert "airssys-lane" not in str(raised.value.backtrace)


async def test_a_result_lies_where_it_can(make: Any) -> None:
    for at, kind in ((66, "unaligned-pointer"), (1 << 30, "memory-out-of-bounds")):
        instance = await make(LIST.replace("AT", str(at)))

        with pytest.raises(GuestTrapped) as raised:
            await instance.call("give", b"")

        assert raised.value.kind == kind


@pytest.mark.parametrize("size", [1, 1000])
async def test_a_realloc_that_gives_what_is_not_there_traps(
    make: Any, size: int
) -> None:
    text = ECHO.replace("(local.get $at))\n", "(i32.const -4))\n", 1)
    instance = await make(text)

    with pytest.raises(GuestTrapped) as raised:
        await instance.call("echo", b"a" * size)

    assert raised.value.kind == "invalid-realloc"


def test_a_function_that_drops_can_be_added_beside_tasks(
    bare: wasmtime.Engine,
) -> None:
    drop = Drop(ResourceType("thing"), "airssys-drop-0", "", "thing")
    code = wt.Component(bare, rewritten(binary(BUILTIN + ")"), drops=[drop]).binary)

    assert "airssys-drop-0" in code.type.exports(bare)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BUILTIN + ECHO[10:], "tasks"),
        (ECHO.replace("(memory $mem)", "(memory $mem) string-encoding=utf16"), "forw"),
        (ECHO.replace('(param "x"', 'async (param "x"'), "forwarded"),
        (f"(component {'(type (tuple u8 u8))' * 2} (type (stream u8)))", ""),
    ],
)
def test_what_cannot_be_forwarded_is_told(text: str, why: str) -> None:
    if not why:
        assert rewritten(binary(text)).added.memories == 0
        return
    with pytest.raises(Unreadable, match=why):
        rewritten(binary(text))


@given(st.binary(max_size=9), st.integers(0, 5000))
def test_a_broken_component_is_unreadable_or_rewritten(noise: bytes, at: int) -> None:
    whole = binary(COMPOSED)
    at %= len(whole)

    for broken in (whole[:at], whole[:at] + noise + whole[at + len(noise) :]):
        with contextlib.suppress(ValueError):
            rewritten(broken)


def test_large_types_take_no_time() -> None:
    options = "".join(f"(type $t{i + 1} (option $t{i}))" for i in range(40))
    defined = f"(type $t0 (list u8)) {options}"
    head = '(func (export "echo") (param "x"'
    text = ECHO.replace(head, defined + head).replace(
        "(result (list u8))\n    (canon", "(result $t40)\n    (canon"
    )

    async def compile_() -> frozenset[str]:
        return (await Engine(cache=False).compile(text)).lane

    assert anyio.run(compile_) in ({"echo"}, set())


async def test_a_component_that_is_given_another_works_without_the_lane(
    make: Any,
) -> None:
    text = """(component
      (component $user
        (import "c" (component $c
          (export "len" (func (param "b" (list u8)) (result u32)))))
        (instance $i (instantiate $c))
        (export "len" (func $i "len")))
      (component $given
        (core module $m (memory (export "m") 1)
          (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
          (func (export "len") (param i32 i32) (result i32) (local.get 1)))
        (core instance $i (instantiate $m))
        (alias core export $i "m" (core memory $mem))
        (alias core export $i "realloc" (core func $realloc))
        (func (export "len") (param "b" (list u8)) (result u32)
          (canon lift (core func $i "len") (memory $mem) (realloc $realloc))))
      (instance $made (instantiate $user (with "c" (component $given))))
      (export "len" (func $made "len")))"""
    with await make(text) as instance:
        assert not instance.component.lane
        assert await instance.call("len", b"\xff" * 9) == 9
