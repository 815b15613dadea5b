from __future__ import annotations

import json
from math import inf, isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys import Err, Ok, Some
from airssys.bindgen.convert import converter

from .golden import clashes, counters, marks, records, variants
from .golden import geometry as geo

POINT = geo.Point(1, 0.5)
points = st.builds(geo.Point, st.integers(), st.floats(allow_nan=False))
shapes = st.one_of(
    st.just(geo.ShapeNone()),
    st.builds(geo.ShapeDot, points),
    st.builds(geo.ShapeRaw, st.binary(max_size=9)),
)
trees = st.builds(
    geo.Tree,
    st.sampled_from(geo.Level),
    st.integers(0, 7).map(geo.Rights),
    st.lists(shapes, max_size=3),
    st.none() | st.builds(geo.Line, points, points, st.text()),
    st.builds(Ok, points) | st.builds(Err, st.text()),
    st.none() | st.builds(Some, st.none() | st.integers()),
)


@given(trees)
def test_reading_what_was_written_gives_the_same_value(tree: geo.Tree) -> None:
    made = converter(geo.Exports)

    text = json.dumps(made.unstructure(tree), allow_nan=False)

    assert made.structure(json.loads(text), geo.Tree) == tree


def test_the_form_is_that_of_the_command() -> None:
    tree = geo.Tree(
        geo.Level.MID_HIGH,
        geo.Rights.READ | geo.Rights.RUN_IT,
        [geo.ShapeNone(), geo.ShapeDot(POINT), geo.ShapeRaw(b"ab")],
        geo.Line(geo.Point(0, inf), POINT, "name"),
        Err("no"),
        Some(None),
    )

    assert converter(geo.Exports).unstructure(tree) == {
        "level": "mid-high",
        "rights": ["read", "run-it"],
        "shapes": ["none", {"dot": {"x": 1, "y-axis": 0.5}}, {"raw": [97, 98]}],
        "maybe": {
            "from": {"x": 0, "y-axis": "inf"},
            "to": {"x": 1, "y-axis": 0.5},
            "name": "name",
        },
        "outcome": {"err": "no"},
        "depth": {"some": None},
    }


OUTCOMES = [
    variants.OutcomeGood(Ok(variants.ShapeMaybe(None))),
    variants.OutcomeGood(Ok(variants.ShapeLabelled(("a", variants.Point(0, 0))))),
    variants.OutcomeGood(Err(variants.SingleOnly(3))),
    variants.OutcomeBad(Ok(None)),
    variants.OutcomeBad(Err("x")),
    variants.OutcomeUgly(Err(None)),
]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_variants_and_results_nest(outcome: variants.Outcome) -> None:
    made = converter(variants.Exports)
    kind: Any = variants.Outcome

    data = json.loads(json.dumps(made.unstructure(outcome)))

    assert made.structure(data, kind) == outcome


def test_fields_of_any_name_are_read_and_written() -> None:
    trip = records.Trip(
        records.Point(1, 2),
        records.Point(3, 4),
        "first",
        async_=True,
        none=None,
        self_=5,
    )
    made = converter(records.Exports)

    data = made.unstructure(trip)

    assert data.keys() == {"from", "to", "class", "async", "none", "self"}
    assert made.structure(data, records.Trip) == trip
    dot = clashes.ShapeDot(b"1", ["a"], "s", 2)
    made = converter(clashes.Exports)
    assert made.structure(made.unstructure(dot), clashes.ShapeDot) == dot


def test_maps_are_lists_of_pairs_and_bytes_may_be_text() -> None:
    made = converter(marks.Exports)
    kind: Any = dict[int, marks.Colour]

    data = made.unstructure({1: marks.Colour.RED})

    assert data == [[1, "red"]]
    assert made.structure(data, kind) == {1: marks.Colour.RED}
    assert made.structure("é", bytes) == "é".encode()
    assert isnan(made.structure(made.unstructure(nan), float))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"x": 1}, geo.Point),
        ({"x": 1, "y-axis": 2, "y_axis": 2}, geo.Point),
        ("dot", geo.Shape),
        ({"none": None}, geo.Shape),
        ({"dot": {"x": 1, "y-axis": 2}, "none": None}, geo.Shape),
        (["read", "fly"], geo.Rights),
        ("high", geo.Level),
        ({"fine": 1}, Ok[int] | Err[str]),
        (3, Some[int]),
        ([1000], bytes),
    ],
)
def test_what_does_not_fit_is_refused(data: Any, kind: Any) -> None:
    with pytest.raises((ValueError, KeyError, ExceptionGroup)):
        converter(geo.Exports).structure(data, kind)


def test_what_holds_a_resource_has_no_json() -> None:
    with pytest.raises(Exception, match=r"Counter|Pair"):
        converter(counters.Exports).structure({"one": 1, "other": 2}, counters.Pair)
