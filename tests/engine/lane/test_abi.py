"""The lane lays values out as the canonical ABI says."""

from __future__ import annotations

from random import Random

import pytest

from airssys.engine.lane import abi
from airssys.witmodel.types import Enum, Flags, Scalar, Tuple, VariantType, WitType

from ... import canonical
from .test_types import Types


def made_up(seed: int) -> WitType:
    return Types(Random(seed)).any(depth=4)


EDGES: list[WitType] = [
    *(Flags(tuple(f"f{i}" for i in range(count))) for count in (1, 8, 9, 16, 17, 32)),
    *(Enum(tuple(f"c{i}" for i in range(count))) for count in (1, 256, 257, 65_537)),
    Tuple((Scalar("u8"), Flags(("a",)), Scalar("f64"), Scalar("u16"))),
    VariantType((("a", Scalar("f32")), ("b", Scalar("u64")), ("c", Scalar("f64")))),
    VariantType((("a", Scalar("f32")), ("b", Scalar("s32")))),
]


@pytest.mark.parametrize("type_", [*EDGES, *map(made_up, range(100))])
def test_a_value_has_its_size_its_alignment_and_its_core_values(
    type_: WitType,
) -> None:
    assert abi.size(type_) == (canonical.elem_size(type_), canonical.alignment(type_))
    assert abi.flat(type_) == canonical.flatten(type_)
    assert list(abi.parts(type_)) == list(canonical.inside(type_))


@pytest.mark.parametrize("seed", range(20))
def test_the_fields_of_a_record_have_their_offsets(seed: int) -> None:
    fields = [made_up(seed * 10 + each) for each in range(6)]

    assert list(abi.offsets(fields)) == list(canonical.placed(fields))
