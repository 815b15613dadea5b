"""Use bindings as a program does. Checked by mypy and pyright, never run.

Each ``type: ignore`` is a mistake that both must see: an ignore that is not needed is
an error itself.
"""

# ruff: noqa: ARG002 - nothing here is run

from __future__ import annotations

from typing import assert_never

from airssys import Call, Component, Err, Ok, Some
from airssys.bindgen.convert import converter

from .golden import counters, geometry, middleware, probe


async def call(component: Component) -> float:
    bound = component.bind(geometry.Exports)
    with await bound.instantiate([geometry.offer_host(Good())]) as exports:
        point = geometry.Point(1, 2.0)
        tree = geometry.Tree(
            level=geometry.Level.LOW,
            rights=geometry.Rights.READ | geometry.Rights.RUN_IT,
            shapes=[geometry.ShapeDot(point), geometry.ShapeNone()],
            maybe=geometry.Line(from_=point, to=point, name="line"),
            outcome=Ok(point),
            depth=Some(None),
        )
        back: geometry.Tree = await exports.echoes.echo(tree, PAD)
        match back.outcome:
            case Ok(place):
                place.x += 1  # type: ignore[misc]
            case Err(text):
                text.upper()
        await exports.measure(point)  # type: ignore[arg-type]
        await exports.measure(geometry.ShapeDot(3))  # type: ignore[arg-type]
        await exports.measures()  # type: ignore[attr-defined]
        geometry.Point("1", 2.0)  # type: ignore[arg-type]
        geometry.Point(1)  # type: ignore[call-arg]
        return await exports.measure(geometry.ShapeDot(point))


def area(shape: geometry.Shape) -> float:
    match shape:
        case geometry.ShapeNone():
            return 0
        case geometry.ShapeDot(point):
            return point.x * point.y_axis
        case geometry.ShapeRaw(data):
            return len(data)
        case _:
            assert_never(shape)


def incomplete(shape: geometry.Shape) -> float:
    match shape:
        case geometry.ShapeNone():
            return 0
        case geometry.ShapeDot(point):
            return point.x * point.y_axis
        case _:
            assert_never(shape)  # type: ignore[arg-type]


async def count(component: Component) -> int:
    exports = await component.bind(counters.Exports).instantiate()
    counter = await exports.counters.counter(5)
    async with await exports.counters.counter_parse("7") as other:
        merged = await counter.merge(other, [await exports.counters.counter(1)])
    pair: counters.Pair = await exports.counters.split(merged)
    await pair.one.close()
    await counter.inc("1")  # type: ignore[arg-type]
    return await pair.other.inc(1)


class Good:
    async def pass_(
        self, call: Call, tree: geometry.Tree, pad: tuple[int, ...]
    ) -> geometry.Tree:
        return tree

    def measure(self, call: Call, shape: geometry.Shape) -> float:
        return area(shape)


class Lacking:
    def measure(self, call: Call, shape: geometry.Shape) -> float:
        return 0


class Wrong(Good):
    def measure(self, call: Call, shape: geometry.Shape) -> str:  # type: ignore[override]
        return ""


geometry.offer_host(Lacking())  # type: ignore[arg-type]
geometry.offer_host(Wrong())  # type: ignore[arg-type]


class Stores:
    """A host's resources are objects of its own classes."""

    def bucket(self, call: Call, name: str) -> Bucket:
        return Bucket()

    async def find(
        self, call: Call, key: str, mode: middleware.Mode
    ) -> middleware.HostEntry | None:
        return middleware.HostEntry(Bucket(), key) if mode == "fast" else None


class Bucket:
    async def get(self, call: Call[Shelf], key: str) -> str | None:
        return call.context.label


class Shelf:
    """What each instance has of its own."""

    label = "a"


middleware.offer_kv(Stores())


def read() -> probe.Document:
    return converter(probe.Exports).structure({}, probe.Document)


PAD = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
