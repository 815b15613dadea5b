"""Make up WIT types, guests that pass their values on, and right values of them."""

from __future__ import annotations

import math
from random import Random
from typing import Any, Final

from attrs import Factory, define
from hypothesis import strategies as st

from airssys.engine.lane.abi import flat
from airssys.engine.types import (
    Enum,
    Err,
    Flags,
    List,
    Map,
    Ok,
    Option,
    Own,
    Record,
    RecordType,
    ResourceType,
    Result,
    Scalar,
    Some,
    Tuple,
    Variant,
    VariantType,
    WitType,
    snake,
)

from ..engine.guests import MEMORY

__all__ = ("BUCKET", "INTERFACE", "TAIL", "Bucket", "Types", "relay", "rights")

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
    named: dict[WitType, str] = Factory(dict)
    """The text of each type that needs a name, which is its place."""

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

    def text(self, type_: WitType) -> str:
        """Return the component text for a type, after which its names are known."""
        match type_:
            case Scalar(name):
                return name
            case Own():
                return "(own $bucket)"
            case List(element):
                return f"(list {self.text(element)})"
            case Map(key, value):
                return f"(map {self.text(key)} {self.text(value)})"
            case Tuple(elements):
                return f"(tuple {' '.join(map(self.text, elements))})"
            case Option(some):
                return f"(option {self.text(some)})"
            case Result(ok, err):
                good = "" if ok is None else self.text(ok)
                bad = "" if err is None else f"(error {self.text(err)})"
                return f"(result {good} {bad})"
            case RecordType(fields):
                parts = (f'(field "{name}" {self.text(t)})' for name, t in fields)
                return self.name(type_, f"(record {' '.join(parts)})")
            case VariantType(cases):
                parts = (
                    f'(case "{name}" {"" if t is None else self.text(t)})'
                    for name, t in cases
                )
                return self.name(type_, f"(variant {' '.join(parts)})")
            case Enum(names) | Flags(names):
                word = "enum" if isinstance(type_, Enum) else "flags"
                words = " ".join(f'"{name}"' for name in names)
                return self.name(type_, f"({word} {words})")
            case _:
                raise AssertionError(type_)

    def name(self, type_: WitType, text: str) -> str:
        self.named.setdefault(type_, text)
        return f"$t{list(self.named).index(type_)}"


def relay(types: Types, params: list[WitType]) -> str:
    """Return a guest whose ``run`` passes its parameters to the host's ``pass``.

    Both return all of them. The guest has no look at them, so they are passed just as
    they came: in up to 16 core values, or in memory.
    """
    texts = [types.text(param) for param in params]
    taken = " ".join(f'(param "p{i}" {text})' for i, text in enumerate(texts))
    returned = f"(result (tuple {' '.join(texts)}))"
    cores = [core for param in params for core in flat(param)]
    if len(cores) > 16:
        cores = ["i32"]
    inside = "\n".join(
        f'(type $x{i} {text}) (export "t{i}" (type $t{i} (eq $x{i})))'
        for i, text in enumerate(types.named.values())
    )
    outside = "\n".join(
        f'(alias export $host "t{i}" (type $t{i}))' for i in range(len(types.named))
    )
    passed = " ".join(f"(local.get {i})" for i in range(len(cores)))
    return f"""(component
      (import "{INTERFACE}" (instance $host
        (export "bucket" (type $bucket (sub resource)))
        {inside} (export "pass" (func {taken} {returned}))))
      (alias export $host "bucket" (type $bucket))
      {outside} {MEMORY}
      (core func $pass (canon lower (func $host "pass")
        (memory $mem) (realloc $realloc)))
      (core module $code
        (import "host" "pass" (func $pass (param {" ".join(cores)} i32)))
        (func (export "run") (param {" ".join(cores)}) (result i32)
          (call $pass {passed} (i32.const 1024)) (i32.const 1024)))
      (core instance $c (instantiate $code
        (with "host" (instance (export "pass" (func $pass))))))
      (func (export "run") {taken} {returned}
        (canon lift (core func $c "run") (memory $mem) (realloc $realloc)
          (post-return $reset))))"""


def rights(type_: WitType) -> st.SearchStrategy[Any]:
    """Return the values of a type, each equal to what comes back for it."""
    match type_:
        case Scalar(name):
            return SCALARS[name]
        case Own():
            return st.builds(Bucket)
        case List(Scalar("u8")):
            return st.binary(max_size=40) | _LONG
        case List(element):
            return st.lists(rights(element), max_size=3) | st.lists(
                rights(element), min_size=9, max_size=10
            )
        case Map(key, value):
            return st.dictionaries(rights(key), rights(value), max_size=3)
        case Tuple(elements):
            return st.tuples(*map(rights, elements))
        case Option(some):
            inner = rights(some)
            if isinstance(some, Option):
                inner = st.builds(Some, inner)
            return st.none() | inner
        case Result(ok, err):
            good = st.just(Ok()) if ok is None else st.builds(Ok, rights(ok))
            bad = st.just(Err()) if err is None else st.builds(Err, rights(err))
            return good | bad
        case RecordType(fields):
            known = {snake(name): rights(field) for name, field in fields}
            return st.fixed_dictionaries(known).map(lambda found: Record(**found))
        case VariantType(cases):
            return st.one_of(
                [
                    st.just(Variant(name))
                    if case is None
                    else st.builds(Variant, st.just(name), rights(case))
                    for name, case in cases
                ]
            )
        case Enum(names):
            return st.sampled_from(names)
        case Flags(names):
            return st.frozensets(st.sampled_from(names))
        case _:
            raise AssertionError(type_)
