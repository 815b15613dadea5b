"""Write WIT types as annotations of Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import evolve, frozen

from ..witmodel.types import (
    Borrow,
    Enum,
    Flags,
    List,
    Map,
    Opaque,
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

__all__ = ("Annotations", "parts_of")


@frozen
class Annotations:
    """The Python names of named types."""

    names: Mapping[WitType | ResourceType, str]
    hidden: frozenset[str] = frozenset()
    """Builtin types that members of the class at hand hide."""

    def within(self, members: Iterable[str]) -> Annotations:
        """Return what annotates in a class with these members."""
        return evolve(self, hidden=frozenset(members))

    def given(self, type_: WitType) -> str:
        """Annotate a value that Python gives; any sequence will do for a list."""
        return self._write(type_, "Sequence", "Mapping")

    def taken(self, type_: WitType | None) -> str:
        """Annotate a value that Python gets."""
        return "None" if type_ is None else self._write(type_, "list", "dict")

    def result(self, type_: WitType | None, *, given: bool) -> str:
        """Annotate a function's result; its ``err`` is raised."""
        ok = type_.ok if isinstance(type_, Result) else type_
        return self.given(ok) if given and ok is not None else self.taken(ok)

    def _write(self, type_: WitType, list_: str, dict_: str) -> str:
        def write(inner: WitType | None) -> str:
            return "None" if inner is None else self._write(inner, list_, dict_)

        match type_:
            case Scalar(name):
                return self._builtin(_SCALARS.get(name, "int"))
            case List(Scalar("u8")):
                return self._builtin("bytes")
            case List(element):
                return f"{self._builtin(list_)}[{write(element)}]"
            case Map(key, value):
                return f"{self._builtin(dict_)}[{write(key)}, {write(value)}]"
            case Tuple(elements):
                inside = ", ".join(map(write, elements)) or "()"
                return f"{self._builtin('tuple')}[{inside}]"
            case Option(Option() as some):
                return f"Some[{write(some)}] | None"
            case Option(some):
                return f"{write(some)} | None"
            case Result(ok, err):
                return f"Ok[{write(ok)}] | Err[{write(err)}]"
            case Own(resource) | Borrow(resource):
                return self.names[resource]
            case RecordType() | VariantType() | Enum() | Flags():
                return self.names[type_]
            case Opaque():
                raise AssertionError(type_)  # such functions are left out

    def _builtin(self, name: str) -> str:
        return f"builtins.{name}" if name in self.hidden else name


_SCALARS: Final = {
    **dict.fromkeys(("char", "string"), "str"),
    **dict.fromkeys(("f32", "f64"), "float"),
    "bool": "bool",
}
"""The Python types of scalars; those that are missing here are ints."""


def parts_of(type_: WitType) -> tuple[WitType, ...]:
    """Return the types that a type is made of."""
    match type_:
        case List(inner) | Option(inner):
            return (inner,)
        case Map(key, value):
            return key, value
        case Tuple(elements):
            return elements
        case RecordType(fields):
            return tuple(field for _, field in fields)
        case VariantType(cases):
            return tuple(case for _, case in cases if case is not None)
        case Result(ok, err):
            return tuple(each for each in (ok, err) if each is not None)
        case Scalar() | Enum() | Flags() | Own() | Borrow() | Opaque():
            return ()
