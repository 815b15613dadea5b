"""A scalar is a name in `SCALARS`; this names the tables that have to know it."""

from __future__ import annotations

from types import ModuleType
from typing import get_args

import pytest

from airssys.bindgen import annotate
from airssys.cli.json_values import from_json, to_json
from airssys.engine.lane import abi, reader
from airssys.engine.values import layout, lift, lower, read
from airssys.witmodel import parse, wave
from airssys.witmodel.types import SCALARS, Scalar, WitType

from .. import canonical

FLOATS = {"f32", "f64"}
VALUES: dict[str, object] = {
    **dict.fromkeys(wave._INTEGERS, 1),
    **dict.fromkeys(FLOATS, 0.5),
    "bool": True,
    "char": "a",
    "string": "ab",
}
PLAIN = set(VALUES) - set(wave._INTEGERS) - FLOATS
"""What is no number: has a case in each place that knows numbers by a table."""


@pytest.mark.parametrize(
    ("place", "known"),
    [
        ("engine.values.read._SCALARS", set(map(str, read._SCALARS.values()))),
        ("engine.values.layout.NUMBERS", {*layout.NUMBERS, *PLAIN}),
        (
            "engine.lane.reader._SCALARS",
            {str(one.value) for one in reader._SCALARS.values()},
        ),
        ("engine.lane.abi._SIZES", {*abi._SIZES, "string"}),
        ("witmodel.wave._INTEGERS", {*wave._INTEGERS, *FLOATS, *PLAIN}),
        ("bindgen.annotate._SCALARS", {*annotate._SCALARS, *wave._INTEGERS}),
    ],
)
def test_a_scalar_is_in_every_table(place: str, known: set[str]) -> None:
    missing, unknown = sorted(set(SCALARS) - known), sorted(known - set(SCALARS))

    assert not missing, f"{place} lacks {missing}, which witmodel.types.SCALARS has"
    assert not unknown, f"{place} has {unknown}, which witmodel.types.SCALARS lacks"


@pytest.mark.parametrize("name", SCALARS)
def test_a_scalar_is_written_and_read_everywhere(name: str) -> None:
    scalar, value = Scalar(name), VALUES[name]

    lower.lowering(scalar)
    lift.lifting(scalar)

    assert wave.parse_wave(wave.render_wave(value, scalar), scalar) == value
    assert from_json(to_json(value, scalar), scalar) == value


@pytest.mark.parametrize("name", SCALARS)
def test_the_lane_lays_a_scalar_out_as_the_canonical_abi_does(name: str) -> None:
    scalar = Scalar(name)

    assert abi.size(scalar) == (
        canonical.elem_size(scalar),
        canonical.alignment(scalar),
    )
    assert abi.flat(scalar) == canonical.flatten(scalar)


@pytest.mark.parametrize(
    ("module", "other"),
    [(parse, set[str]()), (read, set[str]()), (reader, {"Borrow"})],
    ids=["text", "wasmtime", "binary"],
)
def test_whatever_reads_types_knows_each_kind(
    module: ModuleType, other: set[str]
) -> None:
    """`Borrow` is read as `Own` where only its size matters."""
    kinds = {kind.__name__ for kind in get_args(WitType)}
    missing = sorted(kinds - set(vars(module)) - other)

    assert not missing, f"{module.__name__} does not read {missing}"
