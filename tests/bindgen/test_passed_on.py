# ruff: noqa: ARG002 - methods have the parameters of WIT
"""Functions of the world with resources of interfaces that it imports."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field

from airssys.bindgen.module import write_module
from airssys.witmodel.parse import parse_world
from airssys.witmodel.types import Borrow, InstanceType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from airssys import Call, Component

pytestmark = pytest.mark.guest

PASSING = """
(component
  (import "t:r/a" (instance $a
    (export "thing" (type $thing (sub resource)))
    (export "make" (func (result (own $thing))))))
  (alias export $a "thing" (type $thing))
  (import "{name}" (type $other (eq $thing)))
  (core func $drop (canon resource.drop $other))
  (core module $m
    (import "h" "drop" (func $drop (param i32)))
    (func (export "f") (param i32) (result i32) (local.get 0))
    (func (export "g") (param i32) (result i32)
      (call $drop (local.get 0)) (i32.const 7)))
  (core instance $i (instantiate $m
    (with "h" (instance (export "drop" (func $drop))))))
  (func $f (param "x" (own $other)) (result (own $other))
    (canon lift (core func $i "f")))
  (func $g (param "x" (borrow $other)) (result u32) (canon lift (core func $i "g")))
  (export "f" (func $f))
  (export "g" (func $g)))
"""


@define(eq=False)
class Thing:
    ended: list[str] = field(factory=list)

    def drop(self) -> None:
        self.ended.append("ended")


class A:
    def make(self, call: Call) -> Thing:
        return Thing()


def bindings(component: Component, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module of bindings for a component."""
    text = write_module("w", component.imports, component.exports, made="Here.")
    module = ModuleType("bindings_of_a_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(text, "bindings.py", "exec"), module.__dict__)  # noqa: S102 - ours
    return module


@pytest.mark.parametrize("name", ["thing", "other"])
async def test_a_resource_of_an_imported_interface_passes_an_exported_function(
    compile_: Callable[[Path | str], Awaitable[Component]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    component = await compile_(PASSING.format(name=name))
    made = bindings(component, monkeypatch)
    thing = Thing()

    bound = component.bind(made.Exports)
    with await bound.instantiate([made.offer_a(A())]) as exports:
        assert await exports.g(thing) == 7
        assert await exports.f(thing) is thing

    assert thing.ended == []
    assert not hasattr(made, "World"), "the interface offers it, not the world"


def test_a_borrowed_resource_may_come_before_the_resource_itself() -> None:
    world = parse_world(
        """world w {
  export t:r/early: interface {
    splice: func(x: borrow<late>, more: list<borrow<late>>) -> u32;
    record holds { x: borrow<late> }
    resource late;
  }
}"""
    )

    early = world.exports["t:r/early"]
    assert isinstance(early, InstanceType)
    (_, first), _ = dict(early.functions())["splice"].params
    assert isinstance(first, Borrow)
    assert first.resource is early.exports["late"]
