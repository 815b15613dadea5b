"""Write types as component text, each under a name wherever it needs one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from attrs import Factory, define, field, frozen

from ..types import (
    Borrow,
    Enum,
    Extern,
    Flags,
    FuncType,
    List,
    Map,
    Octets,
    Opaque,
    Option,
    Own,
    RecordType,
    ResourceType,
    Result,
    Scalar,
    Tuple,
    TypeDef,
    VariantType,
    WitType,
)
from .abi import retyped

__all__ = ("Ids", "Names", "Scope", "Undeclarable", "quoted")

_AS_LISTS: Final = "-as-lists"
"""The end of the name of a type's original, in an interface that has both."""


class Undeclarable(Exception):
    """Something that cannot be written as text; the argument says what."""


def quoted(name: str) -> str:
    """Return a name as a string of component text."""
    text = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


@define
class Ids:
    """Identifiers, each used once in the whole text."""

    _last: int = 0

    def __call__(self, kind: str) -> str:
        self._last += 1
        return f"${kind}-{self._last}"


@frozen
class Names:
    """The names that an interface gives to types."""

    all: Mapping[str, WitType]
    """The types by name, as the host is to see them."""
    of: Mapping[WitType, str]
    """The name of each type, and of the original of a retyped one."""

    @classmethod
    def read(cls, exports: Mapping[str, Extern], *, retype: bool) -> Names:
        """Return the names of an interface.

        Args:
            exports: What it exports.
            retype: Whether bytes cross as strings.
        """
        defined = {n: e.type for n, e in exports.items() if isinstance(e, TypeDef)}
        seen = {n: retyped(t) if retype else t for n, t in defined.items()}
        of: dict[WitType, str] = {}
        for name, type_ in seen.items():
            of.setdefault(type_, name)
        for name, type_ in defined.items():
            of.setdefault(type_, name + _AS_LISTS)
        return cls(seen, of)


@define
class Scope:
    """A component, or the type of an instance, whose text is being written.

    Types that WIT names (records, variants, enums, flags) must be named there, where
    imported or exported functions use them. They are when they are first used.
    """

    ids: Ids
    naming: str = ""
    """How a type gets its name: the text, with ``{name}``, ``{new}`` and ``{old}``;
    empty: types need no names."""
    wanted: Mapping[WitType, str] = field(factory=dict)
    """The names."""
    inner: Scope | None = None
    """Where types that get a name were written before; None: here."""
    elsewhere: Callable[[WitType], str | None] = lambda _: None
    """Finds types that are named outside."""
    resource: Callable[[ResourceType], str] = lambda _: ""
    """Finds resources that are not known here."""
    lines: list[str] = Factory(list)
    types: dict[WitType, str] = Factory(dict)
    """Identifiers of types that are known."""
    resources: dict[ResourceType, str] = Factory(dict)
    named: dict[str, WitType] = Factory(dict)
    """The names that were given so far."""

    def name(self, name: str, type_: WitType) -> None:
        """Give a type a name, unless it has it."""
        if name in self.named:
            return
        if self.inner is not None:
            old = self.inner.type_id(type_)
        else:
            known = self.types.get(type_)
            old = known or self._written(type_)
        new = self.ids("type")
        self.lines.append(
            self.naming.format(name=quoted(name), new=new, old=old).strip()
        )
        self.named[name] = type_
        self.types.setdefault(type_, new)

    def name_all(self, names: Names) -> None:
        """Give all types of an interface their names."""
        for name, type_ in names.all.items():
            self.name(name, type_)

    def type_id(self, type_: WitType) -> str:
        """Return the identifier of a type."""
        if type_ in self.types:
            return self.types[type_]
        if self.naming:
            if type_ in self.wanted:
                self.name(self.wanted[type_], type_)
                return self.types[type_]
            if (found := self.elsewhere(type_)) is not None:
                return found
            if isinstance(type_, RecordType | VariantType | Enum | Flags):
                raise Undeclarable(f"{type_} has no name")
        self.types[type_] = self._written(type_)
        return self.types[type_]

    def _written(self, type_: WitType) -> str:
        text = self._structure(type_)
        new = self.ids("type")
        self.lines.append(f"(type {new} {text})")
        return new

    def text(self, type_: WitType) -> str:
        """Return the text for a value's type."""
        if isinstance(type_, RecordType | VariantType | Enum | Flags):
            return self.type_id(type_)
        return self._structure(type_)

    def _structure(self, type_: WitType) -> str:
        match type_:
            case Scalar(name):
                return name
            case Octets():
                return "string"
            case List(element):
                return f"(list {self.text(element)})"
            case Map(key, value):
                return f"(map {self.text(key)} {self.text(value)})"
            case Tuple():
                return f"(tuple {' '.join(map(self.text, type_.elements))})"
            case Option(some):
                return f"(option {self.text(some)})"
            case Result(ok, err):
                good = "" if ok is None else f" {self.text(ok)}"
                bad = "" if err is None else f" (error {self.text(err)})"
                return f"(result{good}{bad})"
            case Own(resource):
                return f"(own {self.resource_id(resource)})"
            case Borrow(resource):
                return f"(borrow {self.resource_id(resource)})"
            case RecordType(fields):
                parts = (f"(field {quoted(n)} {self.text(t)})" for n, t in fields)
                return f"(record {' '.join(parts)})"
            case VariantType():
                parts = (
                    f"(case {quoted(n)}{'' if t is None else ' ' + self.text(t)})"
                    for n, t in type_.cases
                )
                return f"(variant {' '.join(parts)})"
            case Enum():
                return f"(enum {' '.join(map(quoted, type_.cases))})"
            case Flags(names):
                return f"(flags {' '.join(map(quoted, names))})"
            case Opaque():
                raise Undeclarable(str(type_))

    def resource_id(self, resource: ResourceType) -> str:
        """Return the identifier of a resource."""
        if resource not in self.resources:
            self.resources[resource] = self.resource(resource)
        return self.resources[resource]

    def signature(self, type_: FuncType) -> str:
        """Return a function's type, without the word for it."""
        params = (f"(param {quoted(n)} {self.text(t)})" for n, t in type_.params)
        result = "" if type_.result is None else f"(result {self.text(type_.result)})"
        return " ".join(("async" * type_.is_async, *params, result)).strip()

    def function(self, type_: FuncType) -> str:
        """Return a function's type."""
        return f"(func {self.signature(type_)})"
