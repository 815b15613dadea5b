# ruff: noqa: ARG002 - methods have the parameters of WIT

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest
from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st

from airssys import (
    Engine,
    Err,
    HostInterface,
    Limits,
    Ok,
    Record,
    Some,
    Variant,
    WitError,
)
from airssys.core.errors import (
    InstanceClosed,
    InvalidComponent,
    UnknownImport,
    ValueMismatch,
)

from .conftest import WORLDS
from .golden import buckets, counters
from .golden import geometry as geo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from airssys import Call, Component

    Compile = Callable[[Path | str], Awaitable[Component]]

pytestmark = pytest.mark.guest

PAD = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
TREE = geo.Tree(
    level=geo.Level.MID_HIGH,
    rights=geo.Rights.READ | geo.Rights.RUN_IT,
    shapes=[
        geo.ShapeNone(),
        geo.ShapeDot(geo.Point(-1, 0.5)),
        geo.ShapeRaw(b"\0\xff\x80"),
    ],
    maybe=geo.Line(geo.Point(0, 0), geo.Point(1, 1), "line"),
    outcome=Ok(geo.Point(3, 4)),
    depth=Some(None),
)

PLAIN = {
    "level": "mid-high",
    "rights": {"read", "run-it"},
    "shapes": [
        Variant("none"),
        Variant("dot", {"x": -1, "y_axis": 0.5}),
        Variant("raw", b"\0\xff\x80"),
    ],
    "maybe": {"from": {"x": 0, "y_axis": 0}, "to": geo.Point(1, 1), "name": "line"},
    "outcome": Ok({"x": 3, "y-axis": 4}),
    "depth": Some(None),
}
"""The same without the classes."""


@define
class Host:
    """What a program offers to the guest."""

    heard: list[object] = field(factory=list)

    async def pass_(self, call: Call, tree: geo.Tree, pad: tuple[int, ...]) -> geo.Tree:
        await anyio.lowlevel.checkpoint()
        self.heard.append(tree)
        return tree

    def measure(self, call: Call, shape: geo.Shape) -> float:
        match shape:
            case geo.ShapeNone():
                raise WitError(geo.Level.LOW)
            case geo.ShapeDot(point):
                return point.x * point.y_axis
            case geo.ShapeRaw(data):
                return len(data)


async def test_values_come_back_as_the_classes_of_the_module(
    geometry: Component,
) -> None:
    bound = geometry.bind(geo.Exports)

    with await bound.instantiate([geo.offer_host(Host())]) as exports:
        back = await exports.echoes.echo(TREE, PAD)

    assert back == TREE
    assert type(back) is geo.Tree
    assert type(back.level) is geo.Level
    assert type(back.rights) is geo.Rights
    assert [type(shape) for shape in back.shapes] == [
        *(geo.ShapeNone, geo.ShapeDot, geo.ShapeRaw),
    ]
    assert type(back.maybe) is geo.Line


async def test_a_host_gets_and_gives_the_classes_of_the_module(
    geometry: Component,
) -> None:
    host = Host()

    with await geometry.bind(geo.Exports).instantiate([geo.offer_host(host)]) as of:
        assert await of.echoes.relay(TREE, PAD) == TREE
        assert await of.measure(geo.ShapeDot(geo.Point(3, 1.5))) == 4.5
        with pytest.raises(WitError) as caught:
            await of.measure(geo.ShapeNone())

    assert host.heard == [TREE]
    assert type(host.heard[0]) is geo.Tree
    assert caught.value.value is geo.Level.LOW


async def test_a_typed_host_serves_a_component_without_bindings_too(
    geometry: Component,
) -> None:
    with await geometry.instantiate([geo.offer_host(Host())]) as instance:
        back = await instance.call("test:geometry/echoes@1.0.0#relay", PLAIN, PAD)

    assert isinstance(back, Record)
    assert back.shapes[0] == Variant("none")
    assert getattr(back.maybe, "from") == back.maybe.from_


async def test_an_instance_made_without_bindings_can_be_given_them(
    geometry: Component,
) -> None:
    bound = geometry.bind(geo.Exports)
    with await geometry.instantiate([geo.offer_host(Host())]) as instance:
        echo = "test:geometry/echoes@1.0.0#echo"
        plain = await instance.call(echo, PLAIN, PAD)

        exports = bound.attach(instance)

        assert await exports.echoes.echo(plain, PAD) == TREE
        assert await instance.call(echo, PLAIN, PAD) == TREE
        assert bound.attach(instance).instance is instance
        with pytest.raises(ValueError, match="has other bindings already"):
            geometry.bind(geo.Exports).attach(instance)


async def test_an_instance_of_another_component_is_refused(
    geometry: Component, engine: Engine
) -> None:
    other = await engine.load(WORLDS / "geometry.wat", name="other")
    with (
        await other.instantiate([geo.offer_host(Host())]) as instance,
        pytest.raises(ValueError, match="is no instance of <Component 'geometry'"),
    ):
        geometry.bind(geo.Exports).attach(instance)


async def test_limits_hold_and_close_frees_the_instance(geometry: Component) -> None:
    bound = geometry.bind(geo.Exports)
    exports = await bound.instantiate([geo.offer_host(Host())], limits=Limits(fuel=7))
    assert exports.instance.limits.fuel == 7
    assert repr(bound) == "<Bound 'geometry'>"

    exports.close()

    with pytest.raises(InstanceClosed):
        await exports.measure(geo.ShapeNone())


async def test_a_wrong_value_is_named_by_its_path(geometry: Component) -> None:
    bound = geometry.bind(geo.Exports)
    with await bound.instantiate([geo.offer_host(Host())]) as exports:
        wrong: Any = "x"
        tree = evolve(TREE, shapes=[geo.ShapeDot(geo.Point(wrong, 1))])
        with pytest.raises(ValueMismatch, match=r"tree.shapes\[0\]\(dot\).x: expected"):
            await exports.echoes.echo(tree, PAD)
        other: Any = counters.Counter
        with pytest.raises(ValueMismatch, match=r"tree.rights: expected flags"):
            await exports.echoes.echo(evolve(TREE, rights=other), PAD)


points = st.builds(
    geo.Point, st.integers(-(2**31), 2**31 - 1), st.floats(allow_nan=False)
)
shapes = st.one_of(
    st.just(geo.ShapeNone()),
    st.builds(geo.ShapeDot, points),
    st.builds(geo.ShapeRaw, st.binary(max_size=20)),
)
text = st.text(max_size=5)
trees = st.builds(
    geo.Tree,
    st.sampled_from(geo.Level),
    st.integers(0, 7).map(geo.Rights),
    st.lists(shapes, max_size=4),
    st.none() | st.builds(geo.Line, points, points, text),
    st.builds(Ok, points) | st.builds(Err, text),
    st.none() | st.builds(Some, st.none() | st.integers(0, 2**32 - 1)),
)


@pytest.mark.once
@given(st.lists(trees, min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_every_value_comes_back_as_it_was(given_trees: list[geo.Tree]) -> None:
    async def echo() -> list[geo.Tree]:
        component = await Engine(cache=False).load(WORLDS / "geometry.wat")
        bound = component.bind(geo.Exports)
        with await bound.instantiate([geo.offer_host(Host())]) as exports:
            straight = [await exports.echoes.echo(tree, PAD) for tree in given_trees]
            assert straight == given_trees
            return [await exports.echoes.relay(tree, PAD) for tree in given_trees]

    assert anyio.run(echo) == given_trees


async def test_a_component_of_a_compatible_version_is_bound(
    compile_: Compile,
) -> None:
    text = (WORLDS / "geometry.wat").read_text()
    later = await compile_(text.replace("@1.0.0", "@1.2.3"))

    with await later.bind(geo.Exports).instantiate([geo.offer_host(Host())]) as of:
        assert await of.echoes.relay(TREE, PAD) == TREE

    other = await compile_(text.replace("echoes@1.0.0", "echoes@2.0.0"))
    with pytest.raises(InvalidComponent, match=r"interface .*echoes@1\.0\.0' is miss"):
        other.bind(geo.Exports)


# --- what does not fit ------------------------------------------------------------


async def test_every_difference_to_the_bindings_is_listed(compile_: Compile) -> None:
    text = (WORLDS / "geometry.wat").read_text()
    other = await compile_(
        text.replace('(export "relay" (func $relay))', "")
        .replace('(export "measure" (func $measure2))', "")
        .replace('(field "y-axis" f64)', '(field "y-axis" s64)')
    )

    with pytest.raises(InvalidComponent) as caught:
        other.bind(geo.Exports)

    first, *differences = str(caught.value).splitlines()
    assert first == (
        "'made' is no usable component: its exports are not what the bindings were "
        "made for:"
    )
    assert [line.split(" has ")[0].split(": func")[0] for line in differences] == [
        "  'test:geometry/echoes@1.0.0#echo'",
        "  'test:geometry/echoes@1.0.0#relay' is missing",
        "  'measure' is missing",
    ]
    assert "y-axis: s64" in differences[0]
    assert "y-axis: f64" in differences[0]


async def test_a_component_without_the_interface_is_refused(
    geometry: Component,
) -> None:
    with pytest.raises(InvalidComponent, match="interface 'test:counters/counters@"):
        geometry.bind(counters.Exports)


async def test_a_missing_function_is_told_with_its_type(
    compile_: Compile,
) -> None:
    other = await compile_("(component)")

    with pytest.raises(InvalidComponent, match=r"'run' is missing: func\(name: str"):
        other.bind(buckets.Exports)


async def test_both_types_of_a_function_are_told(
    compile_: Compile,
) -> None:
    run = """(component
      (core module $code (func (export "run") (param i32 i32) (result i32)
        i32.const 0) (memory (export "m") 1)
        (func (export "r") (param i32 i32 i32 i32) (result i32) i32.const 0))
      (core instance $c (instantiate $code))
      (func (export "run") (param "name" string) (result %s)
        (canon lift (core func $c "run") (memory (core memory $c "m"))
          (realloc (core func $c "r")))))"""
    fits = await compile_(run % "u32")
    other = await compile_(run % "s32")

    fits.bind(buckets.Exports)
    with pytest.raises(InvalidComponent) as caught:
        other.bind(buckets.Exports)

    assert str(caught.value).splitlines()[1] == (
        "  'run' has type func(name: string) -> s32, the bindings' is "
        "func(name: string) -> u32"
    )


async def test_a_host_is_refused_by_a_component_that_imports_another_type(
    compile_: Compile,
) -> None:
    text = (WORLDS / "geometry.wat").read_text()
    other = await compile_(text.replace('(field "x" s32)', '(field "x" u32)'))

    with pytest.raises(UnknownImport, match="the host's is .*x: s32"):
        await other.instantiate([geo.offer_host(Host())])


def test_an_object_that_lacks_methods_is_not_offered() -> None:
    wrong: Any = object()

    with pytest.raises(TypeError, match="object has no method pass_, measure: it can"):
        geo.offer_host(wrong)


async def test_offers_with_and_without_bindings_go_together(
    geometry: Component,
) -> None:
    untyped = HostInterface("other:thing/log")
    bound = geometry.bind(geo.Exports)
    offers = [untyped, geo.offer_host(Host())]

    with await bound.instantiate(offers) as exports:
        assert await exports.measure(geo.ShapeRaw(b"four")) == 4
