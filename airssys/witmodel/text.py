"""Print what a component imports and exports as WIT, with types by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from attrs import define, field

from .types import (
    Borrow,
    Enum,
    Extern,
    Flags,
    FuncType,
    InstanceType,
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
    TypeDef,
    VariantType,
    WitType,
)

__all__ = ("render_wit",)

_Pairs: TypeAlias = tuple[tuple[str, WitType], ...]
_part: Final = re.compile(
    r"\[(?P<kind>constructor|method|static)\](?P<resource>[^.]+)(\.(?P<name>.+))?"
).fullmatch
"""Matches the name of a resource's function."""


def render_wit(
    imports: Mapping[str, Extern], exports: Mapping[str, Extern], *, world: str
) -> str:
    """Print imports and exports as a world, with the text of its interfaces.

    A type that one interface uses from another is printed once. Which interface it was
    written in is not part of a component: the first that has it counts.
    """
    page = _Page()
    lines = [f"world {world} {{"]
    for name, extern in imports.items():
        lines += (f"  {line}" for line in page.extern("import", name, extern))
    for extern in exports.values():
        # Before an exported interface of the same name is printed.
        if isinstance(extern, FuncType):
            lines += (f"  {line}" for line in page.uses(extern))
    for name, extern in exports.items():
        lines += (f"  {line}" for line in page.extern("export", name, extern))
    return "\n".join((*lines, "}"))


@define
class _Page:
    """What was printed so far."""

    homes: dict[tuple[str, WitType], str] = field(factory=dict)
    """The interface in which a type was printed, by the type's name and the type."""
    names: dict[WitType | ResourceType, str] = field(factory=dict)
    """Names that stand for types here."""
    world: dict[WitType | ResourceType, str] = field(factory=dict)
    """Names that stand for types in the world itself."""
    places: dict[WitType | ResourceType, tuple[str, str]] = field(factory=dict)
    """The interface in which a type has a name first, and the name."""
    used: dict[str, list[str]] = field(factory=dict)
    """Names that the world has to use from interfaces, by interface."""

    def extern(self, word: str, name: str, extern: Extern) -> Iterator[str]:
        match extern:
            case InstanceType():
                yield f"{word} {name}: interface {{"
                yield from (f"  {line}" for line in self.interface(name, extern))
                yield "}"
            case FuncType():
                yield from self.uses(extern)
                yield f"{word} {name}: {self.function(extern)};"
            case TypeDef(type_):
                self.names = self.world
                yield f"{word} {self.declared(name, type_)}"
                if isinstance(type_, RecordType | VariantType | Enum | Flags):
                    self.world.setdefault(type_, name)
            case ResourceType():
                self.world.setdefault(extern, name)
                if extern.home:  # else it would be another one of that name
                    renamed = f"{extern.name} as " if name != extern.name else ""
                    yield f"use {extern.home}.{{{renamed}{name}}};"
                else:
                    yield f"{word} resource {name};"
            case Opaque():
                yield f"{word} {name}: {extern};"

    def uses(self, function: FuncType) -> Iterator[str]:
        """Print where the world has the types of a function from."""
        self.names = self.world
        self.function(function)  # which fills self.used
        for home, names in self.used.items():
            yield f"use {home}.{{{', '.join(names)}}};"
        self.used.clear()

    def use(self, type_: WitType | ResourceType) -> str | None:
        """Return the name of a type, here or in an interface that the world uses."""
        name = self.names.get(type_)
        place = self.places.get(type_)
        if name is None and place is not None and self.names is self.world:
            home, original = place
            name, number = original, 1
            while name in self.world.values():  # where it stands for another one
                number += 1
                name = f"{original}-{number}"
            self.world[type_] = name
            renamed = f"{original} as " if name != original else ""
            self.used.setdefault(home, []).append(f"{renamed}{name}")
        return name

    def interface(self, name: str, interface: InstanceType) -> Iterator[str]:
        self.names = {}
        used: dict[str, list[str]] = {}
        own = []
        resources = {}
        for each, extern in interface.exports.items():
            if isinstance(extern, TypeDef):
                key = (each, extern.type)
                home = self.homes.setdefault(key, name)
                if home == name:
                    own.append(self.declared(each, extern.type))
                else:
                    used.setdefault(home, []).append(each)
                if isinstance(extern.type, RecordType | VariantType | Enum | Flags):
                    self.names.setdefault(extern.type, each)
                    self.places.setdefault(extern.type, (home, each))
            elif isinstance(extern, FuncType):
                if not _part(each):  # which is printed with its resource
                    own.append(f"{each}: {self.function(extern)};")
            elif isinstance(extern, ResourceType):
                self.names.setdefault(extern, each)
                self.places.setdefault(extern, (name, each))
                if extern.home in ("", name):
                    resources[len(own)] = each
                    own.append("")
                else:
                    renamed = f"{extern.name} as " if each != extern.name else ""
                    used.setdefault(extern.home, []).append(f"{renamed}{each}")
            else:
                own.append(f"{each}: {extern};")
        for home, names in used.items():
            yield f"use {home}.{{{', '.join(names)}}};"
        for place, line in enumerate(own):
            if place in resources:
                yield from self.resource(resources[place], interface)
            else:
                yield line

    def resource(self, name: str, interface: InstanceType) -> Iterator[str]:
        """Print a resource with its functions."""
        lines = []
        for each, extern in interface.exports.items():
            part = _part(each)
            if part is None or part["resource"] != name:
                continue
            assert isinstance(extern, FuncType)
            if part["kind"] == "constructor":
                result = "" if isinstance(extern.result, Own) else self.result(extern)
                lines.append(f"constructor({self.pairs(extern.params)}){result};")
            elif part["kind"] == "method":
                function = self.function(extern, extern.params[1:])
                lines.append(f"{part['name']}: {function};")
            else:
                lines.append(f"{part['name']}: static {self.function(extern)};")
        if not lines:
            yield f"resource {name};"
            return
        yield f"resource {name} {{"
        yield from (f"  {line}" for line in lines)
        yield "}"

    def declared(self, name: str, type_: WitType) -> str:
        match type_:
            case RecordType(fields):
                return f"record {name} {{ {self.pairs(fields)} }}"
            case VariantType():
                return f"variant {name} {{ {self.cases(type_)} }}"
            case Enum(cases):
                return f"enum {name} {{ {', '.join(cases)} }}"
            case Flags(names):
                return f"flags {name} {{ {', '.join(names)} }}"
            case (
                Scalar()
                | List()
                | Tuple()
                | Option()
                | Result()
                | Map()
                | Own()
                | Borrow()
                | Opaque()
            ):
                return f"type {name} = {self.type(type_)};"

    def function(self, function: FuncType, params: _Pairs | None = None) -> str:
        """Print a function's type, with all its parameters or with some of them."""
        word = "async func" if function.is_async else "func"
        shown = function.params if params is None else params
        return f"{word}({self.pairs(shown)}){self.result(function)}"

    def result(self, function: FuncType) -> str:
        result = function.result
        return "" if result is None else f" -> {self.type(result)}"

    def pairs(self, pairs: _Pairs) -> str:
        return ", ".join(f"{name}: {self.type(type_)}" for name, type_ in pairs)

    def cases(self, variant: VariantType) -> str:
        return ", ".join(
            name if type_ is None else f"{name}({self.type(type_)})"
            for name, type_ in variant.cases
        )

    def type(self, type_: WitType) -> str:
        if (name := self.use(type_)) is not None:
            return name
        match type_:
            case Own(resource):
                return self.use(resource) or resource.name
            case Borrow(resource):
                return f"borrow<{self.use(resource) or resource.name}>"
            case List(element):
                return f"list<{self.type(element)}>"
            case Option(some):
                return f"option<{self.type(some)}>"
            case Map(key, value):
                return f"map<{self.type(key)}, {self.type(value)}>"
            case Tuple(elements):
                return f"tuple<{', '.join(map(self.type, elements))}>"
            case Result(None, None):
                return "result"
            case Result(ok, err):
                first = "_" if ok is None else self.type(ok)
                second = "" if err is None else f", {self.type(err)}"
                return f"result<{first}{second}>"
            case RecordType(fields):
                return f"record {{ {self.pairs(fields)} }}"
            case VariantType():
                return f"variant {{ {self.cases(type_)} }}"
            case Scalar() | Enum() | Flags() | Opaque():
                return str(type_)
