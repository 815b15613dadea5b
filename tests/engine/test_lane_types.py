"""Bytes anywhere in a function's types cross as they are, and so does all the rest."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import anyio
import pytest
from attrs import Factory, define
from hypothesis import given, settings
from hypothesis import strategies as st

from airssys.abc import Call, HostInterface
from airssys.engine.component import Component, Engine
from airssys.engine.lane.abi import flat
from airssys.engine.types import (
    Enum,
    Err,
    Flags,
    List,
    Map,
    Ok,
    Option,
    Record,
    RecordType,
    Result,
    Scalar,
    Tuple,
    Variant,
    VariantType,
    WitType,
)

from .guests import MEMORY

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
    named: dict[WitType, str] = Factory(dict)
    """The text of each type that needs a name, which is its place."""

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

    def text(self, type_: WitType) -> str:
        """Return the component text for a type, after which its names are known."""
        match type_:
            case Scalar(name):
                return name
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
                return f"(result {good} {'' if err is None else self.err(err)})"
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

    def err(self, type_: WitType) -> str:
        return f"(error {self.text(type_)})"

    def name(self, type_: WitType, text: str) -> str:
        self.named.setdefault(type_, text)
        return f"$t{list(self.named).index(type_)}"


def values(type_: WitType) -> st.SearchStrategy[Any]:
    match type_:
        case Scalar(name):
            return _SCALARS[name]
        case List(Scalar("u8")):
            return st.binary(max_size=200) | _ASCII
        case List(element):
            return st.lists(values(element), max_size=4)
        case Map(key, value):
            return st.dictionaries(values(key), values(value), max_size=3)
        case Tuple(elements):
            return st.tuples(*map(values, elements))
        case Option(some):
            return st.none() | values(some)
        case Result(ok, err):
            good = st.just(Ok()) if ok is None else st.builds(Ok, values(ok))
            bad = st.just(Err()) if err is None else st.builds(Err, values(err))
            return good | bad
        case RecordType(fields):
            known = {name.replace("-", "_"): values(field) for name, field in fields}
            return st.fixed_dictionaries(known).map(lambda found: Record(**found))
        case VariantType(cases):
            choices: list[st.SearchStrategy[Any]] = [
                st.just(Variant(name))
                if case is None
                else st.builds(Variant, st.just(name), values(case))
                for name, case in cases
            ]
            return st.one_of(choices)
        case Enum(names):
            return st.sampled_from(names)
        case Flags(names):
            return st.frozensets(st.sampled_from(names))
        case _:
            raise AssertionError(type_)


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
      (import "test:host/api" (instance $host
        {inside} (export "pass" (func {taken} {returned}))))
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


@pytest.fixture
def host() -> HostInterface:
    host = HostInterface("test:host/api")

    @host.function(name="pass")
    def pass_(_call: Call, *values: Any) -> Any:
        return values

    return host


def check(
    engine: Engine, host: HostInterface, types: Types, params: list[WitType]
) -> None:
    text = relay(types, params)

    async def compile_() -> Component:
        return await engine.compile(text)

    component = anyio.run(compile_, backend="trio")
    assert component.lane == {"run"}

    @settings(max_examples=15, deadline=None)
    @given(st.lists(values(Tuple(tuple(params))), min_size=1, max_size=4))
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

    check(engine, host, types, [*params, OCTETS])


@pytest.mark.parametrize("other", ["u32", "s64", "f32", "f64", "string"])
def test_bytes_share_core_values_with_other_cases(
    engine: Engine, host: HostInterface, other: str
) -> None:
    variant = VariantType(
        (("bytes", OCTETS), ("both", Tuple((Scalar(other), OCTETS))), ("no", None))
    )
    nested = Result(variant, Tuple((Scalar(other), Scalar(other), OCTETS)))

    check(engine, host, Types(Random(0)), [Option(nested), variant])


def test_more_parameters_than_core_values_lie_in_memory(
    engine: Engine, host: HostInterface
) -> None:
    check(engine, host, Types(Random(0)), [Scalar("u8"), Scalar("f64"), *[OCTETS] * 9])


def test_a_variant_of_many_cases_has_a_longer_number(
    engine: Engine, host: HostInterface
) -> None:
    many = VariantType(
        (*((f"c{i}", None) for i in range(299)), ("bytes", OCTETS), ("no", None))
    )

    check(engine, host, Types(Random(0)), [many, List(many)])
