"""What a component has very many of is read in time that grows with their number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import airssys
from airssys.engine.component import Engine
from airssys.engine.lane.names import outer_names
from airssys.engine.values import read
from airssys.witmodel.types import Opaque

pytestmark = pytest.mark.guest

CORE = """
(core module $m
  (memory (export "memory") 1)
  (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
  (func (export "f") (param i32 i32))
  (func (export "g") (param i32)))
(core instance $i (instantiate $m))
"""


def plain(count: int) -> str:
    lifted = '(param "b" u32) (canon lift (core func $i "g"))'
    each = (f'(func (export "f{n}") {lifted})' for n in range(count))
    return f"(component {CORE} {' '.join(each)})"


def bundled(count: int) -> str:
    """Return a component with an interface of so many functions."""
    each = (f'(export "f{n}" (func $f))' for n in range(count))
    return f"""(component {CORE}
      (func $f (param "b" u32) (canon lift (core func $i "g")))
      (instance $all {" ".join(each)})
      (export "a:b/all" (instance $all)))"""


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Count how often the C API is asked for the n-th of something, and how far."""
    passed: dict[str, int] = {"passed": 0, "asked": 0}
    before = dict(read._nth_extern)

    def counting(what: str) -> Any:
        def nth(type_: int, engine: int, index: int, *rest: int) -> Any:
            passed["passed"] += index
            passed["asked"] += 1
            return before[what](type_, engine, index, *rest)

        return nth

    with monkeypatch.context() as patched:
        for what in before:
            patched.setitem(read._nth_extern, what, counting(what))
        yield passed


async def test_many_exports_are_asked_for_by_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with counted(monkeypatch) as done:
        component = await Engine(cache=False).compile(plain(3000))

    assert list(component.exports) == [f"f{n}" for n in range(3000)]
    assert done["passed"] == 0
    with await component.instantiate() as instance:
        assert await instance.call("f2999", 1) is None


async def test_few_exports_are_read_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with counted(monkeypatch) as done:
        component = await Engine(cache=False).compile(plain(3))

    assert list(component.exports) == ["f0", "f1", "f2"]
    assert done["asked"] > 0


async def test_an_interface_of_very_many_functions_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with counted(monkeypatch) as done:
        component = await Engine(cache=False).compile(bundled(7000))

    assert isinstance(component.exports["a:b/all"], Opaque)
    assert done["passed"] < 10_000
    usual = await Engine(cache=False).compile(bundled(2000))
    assert len(usual.functions()) == 2000
    with await usual.instantiate() as instance:
        assert await instance.call("a:b/all#f1999", 1) is None


async def test_names_that_cannot_be_read_are_asked_for_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreadable(_: bytes) -> None:
        raise ValueError("no")

    monkeypatch.setattr("airssys.engine.compile.outer_names", unreadable)
    with counted(monkeypatch) as done:
        component = await Engine(cache=False).compile(plain(300))

    assert len(component.exports) == 300
    assert done["asked"] >= 300


async def test_names_that_are_not_there_are_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong(_: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return (), tuple(f"g{n}" for n in range(300))

    monkeypatch.setattr("airssys.engine.compile.outer_names", wrong)
    component = await Engine(cache=False).compile(plain(300))

    assert list(component.exports) == [f"f{n}" for n in range(300)]


def test_the_names_of_all_sorts_of_imports_and_exports_are_read() -> None:
    from wasmtime import wat2wasm  # noqa: PLC0415

    text = """(component
      (import "a:b/c@1.0.0" (instance $c (export "r" (type (sub resource)))))
      (import "res" (type $res (sub resource)))
      (import "f" (func $f (param "x" (borrow $res))))
      (type $t (record (field "a" u8)))
      (import "t" (type $named (eq $t)))
      (import "m" (core module $m))
      (import "k" (component $k))
      (export "g" (func $f))
      (export "typed" (func $f) (func (param "x" (borrow $res))))
      (export "m2" (core module $m))
      (export "k2" (component $k))
      (export "c2" (instance $c)))"""

    imports, exports = outer_names(bytes(wat2wasm(text)))

    assert imports == ("a:b/c@1.0.0", "res", "f", "t", "m", "k")
    assert exports == ("g", "typed", "m2", "k2", "c2")


def test_names_in_a_form_that_is_not_known_are_not_read() -> None:
    for section in (b"\x0a\x03\1\7\0", b"\x0a\x05\1\0\1f\2", b"\x0b\x03\1\0\5"):
        with pytest.raises(ValueError, match=r"."):
            outer_names(b"\0asm\x0d\0\1\0" + section)


async def test_a_missing_export_is_compared_with_some_of_many() -> None:
    component = await Engine(cache=False).compile(plain(3000))

    with pytest.raises(airssys.MissingExport) as missing:
        component.function("f1x")

    assert "f1" in missing.value.near
    assert len(missing.value.near) <= 8
