from __future__ import annotations

import contextlib

import pytest
import wasmtime
from hypothesis import example, given
from hypothesis import strategies as st

from airssys.engine.component import Engine
from airssys.engine.lane import skeleton

from ..guests import ADD, MEMORY, asks_host, echo

NESTED = f"(component (component $c {ADD[10:]} (instance (instantiate $c)))"
DATA = f'(component {MEMORY} (core module (memory 1) (data (i32.const 0) "abc")))'
GUESTS = {
    "functions": ADD,
    "memory": echo("(list string)"),
    "imports": asks_host(),
    "nested": NESTED,
    "data": DATA,
    "nothing": "(component)",
}


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return Engine(cache=False).wasmtime


@pytest.mark.parametrize("guest", GUESTS)
def test_a_skeleton_is_a_component_of_the_same_imports_and_exports(
    engine: wasmtime.Engine, guest: str
) -> None:
    binary = bytes(wasmtime.wat2wasm(GUESTS[guest]))
    whole = wasmtime.component.Component(engine, binary).type
    bones = wasmtime.component.Component(engine, skeleton(binary)).type

    assert bones.imports(engine).keys() == whole.imports(engine).keys()
    assert bones.exports(engine).keys() == whole.exports(engine).keys()


def test_a_skeleton_is_small() -> None:
    body = "(drop (i32.const 1))" * 10_000
    binary = bytes(
        wasmtime.wat2wasm(
            f'(component (core module (memory 1) (func {body}) (data "{"a" * 9999}")))'
        )
    )

    assert len(skeleton(binary)) < 100


@pytest.mark.parametrize(
    ("binary", "why"),
    [
        (b"", "not a component"),
        (b"\0asm\1\0\0\0", "not a component"),
        (b"\0asm\x0d\0\1\0\1\7", "longer than"),
        (b"\0asm\x0d\0\1\0\1", "cut off"),
        (b"\0asm\x0d\0\1\0\1\xff\xff\xff\xff\xff\0", "too long"),
        (b"\0asm\x0d\0\1\0\1\0", "not a core module"),
        (b"\0asm\x0d\0\1\0\1\x0b\0asm\1\0\0\0\3\1\2", "cut off"),
        (b"\0asm\x0d\0\1\0\1\x0a\0asm\1\0\0\0\7\0", "cut off"),
        (b"\0asm\x0d\0\1\0\1\x0f\0asm\1\0\0\0\2\5\1\0\0\7\0", "unknown kind"),
    ],
)
def test_a_malformed_component_has_no_skeleton(binary: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        skeleton(binary)


def test_components_that_nest_too_deep_have_no_skeleton() -> None:
    binary = head = b"\0asm\x0d\0\1\0"
    for _ in range(110):
        size = len(binary)
        binary = head + b"\4" + bytes((size & 127 | 128, size >> 7)) + binary

    with pytest.raises(ValueError, match="too many components"):
        skeleton(binary)


@given(st.binary(), st.integers(0, 1000))
@example(b"\xff" * 9, 8)
def test_a_broken_component_has_a_skeleton_or_none_but_does_no_harm(
    noise: bytes, at: int
) -> None:
    binary = bytes(wasmtime.wat2wasm(GUESTS["memory"]))
    at %= len(binary)

    for broken in (binary[:at], binary[:at] + noise + binary[at + len(noise) :]):
        with contextlib.suppress(ValueError):
            assert skeleton(broken)[:4] == b"\0asm"
