"""A rewritten guest, run through wasmtime-py: each list of bytes is a str there."""

from __future__ import annotations

from typing import Any

import pytest
import wasmtime
from wasmtime import component as wt

from airssys.engine.component import Engine
from airssys.engine.lane import rewritten
from airssys.engine.lane.machine import MANY
from airssys.engine.lane.packing import GROUP
from airssys.engine.values.octets import decode_octets, encode_octets

from ..guests import MEMORY

pytestmark = pytest.mark.guest

RANDOM = bytes(range(256)) * 3 + b"\x7f"
BYTES = (
    *(b"", b"a", b"\x7f", b"\x7fa", b"\0", b"\xff", b"a" * 300, RANDOM, RANDOM * 99),
    *(b"\x7c", b"\x7ca" * 9, b"\x7d", b"\x7da" * 999, b"a" * 4096, b"a" * 65_540),
)


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return Engine(cache=False).wasmtime


def function(engine: wasmtime.Engine, text: str, name: str) -> Any:
    guest = bytes(wasmtime.wat2wasm(text))
    code = wt.Component(engine, rewritten(guest).binary)
    store = wasmtime.Store(engine)
    store.set_fuel(10**9)
    instance = wt.Linker(engine).instantiate(store, code)
    found = instance.get_func(store, name)
    assert found is not None
    return lambda *args: found(store, *args)


def sent(octets: bytes) -> str:
    return encode_octets(octets).decode("ascii")


def got(text: str) -> bytes:
    return decode_octets(text.encode("ascii"))


ECHO = rf"""(component {MEMORY}
  (core module $code (import "m" "memory" (memory 1))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 8) (local.get 0))
      (i32.store (i32.const 12) (local.get 1)) (i32.const 8)))
  (core instance $c (instantiate $code (with "m" (instance $m))))
  (alias core export $c "echo" (core func $echo))
  (func (export "echo") (param "x" (list u8)) (result (list u8))
    (canon lift (core func $echo) (memory $mem) (realloc $realloc)
      (post-return $reset))))"""


def test_bytes_go_in_and_come_back(engine: wasmtime.Engine) -> None:
    echo = function(engine, ECHO, "echo")

    for octets in BYTES:
        assert got(echo(sent(octets))) == octets


@pytest.mark.parametrize(
    "size",
    [
        *(*range(70), 127, 128, 129, 255, 256, 257, 513),
        *(MANY - 1, MANY, *range(10 * GROUP - 17, 10 * GROUP + 18), 65_536),
    ],
)
def test_bytes_of_any_length_stay_as_they_are(
    engine: wasmtime.Engine, size: int
) -> None:
    echo = function(engine, ECHO, "echo")

    for octets in (
        (RANDOM * 99)[:size],
        b"a" * (size - 1) + b"\xff",
        b"\x80" * size,
        b"\x7d" + b"}" * (size - 1),
    ):
        assert got(echo(sent(octets))) == octets
