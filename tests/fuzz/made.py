"""Make up WIT types, guests that pass their values on, and right values of them."""

from __future__ import annotations

import math
from random import Random
from typing import Any, Final

from attrs import Factory, define
from hypothesis import strategies as st

from airssys.witmodel.types import (
    Enum,
    Flags,
    List,
    Map,
    Option,
    Own,
    RecordType,
    ResourceType,
    Result,
    Scalar,
    Tuple,
    VariantType,
    WitType,
)

from ..engine.made import Texts, relay, values

__all__ = ("BUCKET", "INTERFACE", "TAIL", "Bucket", "Types", "guest", "rights")

INTERFACE: Final = "test:host/api"
BUCKET: Final = ResourceType("bucket", INTERFACE, imported=True)
TAIL: Final = Tuple((Scalar("u8"), Scalar("string")))
"""The last parameter: with it, results never fit into one core value."""
_KEYS: Final = ("string", "u32", "char", "bool", "s64", "u8")


class Bucket:
    """What the host's resource is in Python."""


_LONG: Final = st.binary(min_size=1, max_size=8).map(lambda part: part * 400)
_TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "bool": st.booleans(),
    "u8": st.integers(0, 2**8 - 1),
    "s8": st.integers(-(2**7), 2**7 - 1),
    "u16": st.integers(0, 2**16 - 1),
    "s16": st.integers(-(2**15), 2**15 - 1),
    "u32": st.integers(0, 2**32 - 1),
    "s32": st.integers(-(2**31), 2**31 - 1),
    "u64": st.integers(0, 2**64 - 1),
    "s64": st.integers(-(2**63), 2**63 - 1),
    "f32": st.floats(width=32, allow_nan=False),
    "f64": st.floats(allow_nan=False) | st.just(math.pi),
    "char": st.characters(exclude_categories=["Cs"]),
    "string": _TEXT,
}


@define
class Types:
    """Makes up types."""

    random: Random
    texts: Texts = Factory(Texts)

    def any(self, depth: int) -> WitType:
        if depth == 0 or self.random.random() < 0.15:
            leaves: list[WitType] = [*map(Scalar, SCALARS)]
            leaves += [List(Scalar("u8"))] * 4
            leaves += [Own(BUCKET), self.names(), self.names()]
            return self.random.choice(leaves)
        inner = [self.any(depth - 1) for _ in range(self.random.randint(1, 3))]
        kinds = ["list", "record", "tuple", "variant", "option", "result", "map"]
        match self.random.choice(kinds):
            case "list":
                return List(inner[0])
            case "record":
                fields = ((f"f-{i}", each) for i, each in enumerate(inner))
                return RecordType(tuple(fields))
            case "variant":
                cases: list[tuple[str, WitType | None]] = [("nothing", None)]
                cases += [(f"c{i}", each) for i, each in enumerate(inner)]
                self.random.shuffle(cases)
                return VariantType(tuple(cases))
            case "option":
                return Option(inner[0])
            case "result":
                sides = [None, *inner, *inner]
                return Result(self.random.choice(sides), self.random.choice(sides))
            case "map":
                return Map(Scalar(self.random.choice(_KEYS)), inner[0])
            case _:
                return Tuple(tuple(inner))

    def names(self) -> WitType:
        """Make up an enum, or flags."""
        if self.random.random() < 0.5:
            return Enum(("red", "green", "dark-blue")[: self.random.randint(1, 3)])
        names = (f"b{i}" for i in range(self.random.choice((1, 8, 9, 17, 32))))
        return Flags(tuple(names))


def guest(types: Types, params: list[WitType]) -> str:
    """Return a guest whose ``run`` passes its parameters to the host's ``pass``."""
    return relay(types.texts, params, resource=BUCKET.name)


def rights(type_: WitType) -> st.SearchStrategy[Any]:
    """Return the values of a type, each equal to what comes back for it."""
    return values(type_, _leaf, _several)


def _leaf(type_: WitType) -> st.SearchStrategy[Any] | None:
    match type_:
        case Scalar(name):
            return SCALARS[name]
        case Own():
            return st.builds(Bucket)
        case List(Scalar("u8")):
            return st.binary(max_size=40) | _LONG
        case _:
            return None


def _several(element: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(element, max_size=3) | st.lists(element, min_size=9, max_size=10)
