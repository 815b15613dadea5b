"""Write made-up WIT types as component text, and guests that pass their values on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Factory, define
from hypothesis import strategies as st

from airssys.witmodel.types import (
    Borrow,
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
    Result,
    Scalar,
    Some,
    Tuple,
    Variant,
    VariantType,
    WitType,
    snake,
)

from ..canonical import flatten_params
from .guests import MEMORY

__all__ = ("Texts", "relay", "values")


@define
class Texts:
    """The component text of types."""

    named: dict[WitType, str] = Factory(dict)
    """The text of each type that needs a name, which is its place."""
    mark: str = "t"
    """What the names begin with."""

    def text(self, type_: WitType) -> str:
        """Return the component text for a type, after which its names are known."""
        match type_:
            case Scalar(name):
                return name
            case Own():
                return f"(own ${type_.resource.name})"
            case Borrow():
                return f"(borrow ${type_.resource.name})"
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
        return f"${self.mark}{list(self.named).index(type_)}"


def relay(types: Texts, params: list[WitType], *, resource: str = "") -> str:
    """Return a guest whose ``run`` passes its parameters to the host's ``pass``.

    Both return all of them. The guest has no look at them, so they are passed just as
    they came: in up to 16 core values, or in memory.

    Args:
        types: Writes the types.
        params: The parameters' types.
        resource: A resource of the host's that they may hold, by its name.
    """
    offered = f'(export "{resource}" (type ${resource} (sub resource)))'
    taken_up = f'(alias export $host "{resource}" (type ${resource}))'
    texts = [types.text(param) for param in params]
    taken = " ".join(f'(param "p{i}" {text})' for i, text in enumerate(texts))
    returned = f"(result (tuple {' '.join(texts)}))"
    cores = flatten_params(params)
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
        {offered if resource else ""}
        {inside} (export "pass" (func {taken} {returned}))))
      {taken_up if resource else ""}
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


def values(
    type_: WitType,
    leaf: Callable[[WitType], st.SearchStrategy[Any] | None],
    several: Callable[[st.SearchStrategy[Any]], st.SearchStrategy[Any]],
) -> st.SearchStrategy[Any]:
    """Return the values of a type, each equal to what comes back for it.

    Args:
        type_: The type.
        leaf: Returns the values of a type that is not looked into: scalars, bytes and
            handles at the least.
        several: Returns the lists of some values.
    """

    def rights(inner: WitType) -> st.SearchStrategy[Any]:
        return values(inner, leaf, several)

    if (found := leaf(type_)) is not None:
        return found
    match type_:
        case List(element):
            return several(rights(element))
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
