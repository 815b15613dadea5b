"""Bytes anywhere in a function's types cross as they are, and so does all the rest."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import anyio
import pytest
from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st

from airssys.engine.component import Component, Engine
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface
from airssys.witmodel.types import (
    Enum,
    Flags,
    List,
    Map,
    Option,
    RecordType,
    Result,
    Scalar,
    Tuple,
    VariantType,
    WitType,
)

from ..made import Texts, relay, values

pytestmark = pytest.mark.guest

OCTETS: Final = List(Scalar("u8"))
_SCALARS: Final = {
    "bool": st.booleans(),
    "u8": st.integers(0, 255),
    "s16": st.integers(-(2**15), 2**15 - 1),
    "u32": st.integers(0, 2**32 - 1),
    "s64": st.integers(-(2**63), 2**63 - 1),
    "f32": st.floats(width=32, allow_nan=False),
    "f64": st.floats(allow_nan=False),
    "char": st.characters(exclude_categories=["Cs"]),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
}
_ASCII: Final = st.text(st.characters(max_codepoint=127)).map(str.encode)


@define
class Types:
    """Makes up types."""

    random: Random

    def any(self, depth: int) -> WitType:
        if depth == 0 or self.random.random() < 0.15:
            leaves: list[WitType] = [OCTETS, OCTETS, *map(Scalar, _SCALARS)]
            return self.random.choice(leaves)
        kind = self.random.choice(
            ["list", "record", "tuple", "variant", "option", "result", "enum", "map"]
        )
        inner = [self.any(depth - 1) for _ in range(self.random.randint(1, 3))]
        match kind:
            case "list":
                return List(inner[0])
            case "record":
                return RecordType(
                    tuple((f"f-{i}", each) for i, each in enumerate(inner))
                )
            case "variant":
                cases: list[tuple[str, WitType | None]] = [("nothing", None)]
                cases += [(f"c{i}", each) for i, each in enumerate(inner)]
                self.random.shuffle(cases)
                return VariantType(tuple(cases))
            case "option" if not isinstance(inner[0], Option):
                return Option(inner[0])
            case "result":
                ok, err = self.random.sample([None, *inner[:1], *inner], 2)
                return Result(ok, err)
            case "enum":
                names = ("red", "green", "blue")[: len(inner)]
                return Enum(names) if self.random.random() < 0.5 else Flags(names)
            case "map":
                return Map(Scalar(self.random.choice(["string", "u32"])), inner[0])
            case _:
                return Tuple(tuple(inner))


def _leaf(type_: WitType) -> st.SearchStrategy[Any] | None:
    match type_:
        case Scalar(name):
            return _SCALARS[name]
        case List(Scalar("u8")):
            return st.binary(max_size=200) | _ASCII
        case _:
            return None


def _several(element: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(element, max_size=4)


@pytest.fixture
def host() -> HostInterface:
    host = HostInterface("test:host/api")

    @host.function(name="pass")
    def pass_(_call: Call, *values: Any) -> Any:
        return values

    return host


def check(engine: Engine, host: HostInterface, params: list[WitType]) -> None:
    text = relay(Texts(), params)

    async def compile_() -> Component:
        return await engine.compile(text)

    component = anyio.run(compile_, backend="trio")
    assert component.lane == {"run"}

    @settings(max_examples=15, deadline=None)
    @given(
        st.lists(values(Tuple(tuple(params)), _leaf, _several), min_size=1, max_size=4)
    )
    def law(calls: list[Any]) -> None:
        async def there_and_back() -> list[Any]:
            with await component.instantiate([host]) as instance:
                return [await instance.call("run", *args) for args in calls]

        assert anyio.run(there_and_back, backend="trio") == calls

    law()


@pytest.mark.parametrize("seed", range(20))
def test_any_types_cross_both_ways(
    engine: Engine, host: HostInterface, seed: int
) -> None:
    random = Random(seed)
    types = Types(random)
    params = [types.any(random.randint(0, 3)) for _ in range(random.randint(0, 4))]

    check(engine, host, [*params, OCTETS])


@pytest.mark.parametrize("other", ["u32", "s64", "f32", "f64", "string"])
def test_bytes_share_core_values_with_other_cases(
    engine: Engine, host: HostInterface, other: str
) -> None:
    variant = VariantType(
        (("bytes", OCTETS), ("both", Tuple((Scalar(other), OCTETS))), ("no", None))
    )
    nested = Result(variant, Tuple((Scalar(other), Scalar(other), OCTETS)))

    check(engine, host, [Option(nested), variant])


def test_more_parameters_than_core_values_lie_in_memory(
    engine: Engine, host: HostInterface
) -> None:
    check(engine, host, [Scalar("u8"), Scalar("f64"), *[OCTETS] * 9])


def test_a_variant_of_many_cases_has_a_longer_number(
    engine: Engine, host: HostInterface
) -> None:
    many = VariantType(
        (*((f"c{i}", None) for i in range(299)), ("bytes", OCTETS), ("no", None))
    )

    check(engine, host, [many, List(many)])
