"""Take stock of a world: what its bindings will name, and what they leave out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from attrs import define, field, frozen

from ..witmodel.parse import World
from ..witmodel.types import (
    Borrow,
    Enum,
    Extern,
    Flags,
    FuncType,
    InstanceType,
    Opaque,
    Own,
    RecordType,
    ResourceType,
    TypeDef,
    VariantType,
    WitType,
)
from .annotate import parts_of
from .names import Interface, allocate, camel, split_function

__all__ = (
    "Alias",
    "Key",
    "Left",
    "Named",
    "Stock",
    "functions_of",
    "holds_resources",
    "take_stock",
)

Key: TypeAlias = WitType | ResourceType
"""A type that gets a Python name. Types of equal structure share one."""

_NAMED = RecordType | VariantType | Enum | Flags


@frozen
class Named:
    """A type that gets a class, where it was met first."""

    word: str
    """``import`` or ``export``."""
    home: str
    """The interface; empty for the world itself."""
    name: str
    type: Key

    @property
    def path(self) -> str:
        """Name it in the text of the world: ``import acme:kv/store@1.0.0#entry``."""
        return f"{self.word} {self.home}#{self.name}".replace(" #", " ")


@frozen
class Alias:
    """Another name for a type."""

    word: str
    home: str
    name: str
    type: Key


@frozen
class Left:
    """What the bindings leave out, and why."""

    word: str
    home: str
    name: str
    why: str


@define
class Stock:
    """A world without what is left out, and its named types."""

    world: World
    named: list[Named] = field(factory=list)
    aliases: list[Alias] = field(factory=list)
    left: list[Left] = field(factory=list)

    @property
    def all(self) -> list[Named | Alias]:
        return [*self.named, *self.aliases]

    def class_names(self, reserved: Sequence[str]) -> dict[Named | Alias, str]:
        """Give every named type a Python name."""
        # A type that holds resources is another one where the world exports it.
        twice = {(each.home, each.name) for each in self.all if each.word == "export"}
        wanted = {
            each: _candidates(each, twice=(each.home, each.name) in twice)
            for each in self.all
        }
        return allocate(wanted, reserved)


def _candidates(each: Named | Alias, *, twice: bool) -> list[str]:
    name = camel(each.name)
    if twice and each.word == "import":
        name = f"Host{name}"
    if not each.home:
        return [name, f"World{name}"]
    longer = Interface.parse(each.home).words()
    return [name, *("".join(map(camel, words)) + name for words in longer)]


def take_stock(
    name: str, imports: Mapping[str, Extern], exports: Mapping[str, Extern]
) -> Stock:
    """Go through what a component imports and exports.

    Args:
        name: What to call the world.
        imports: The component's.
        exports: The component's.
    """
    left: list[Left] = []
    kept = {
        word: dict(_usable(word, "", externs, left))
        for word, externs in (("import", imports), ("export", exports))
    }
    stock = Stock(World(name, kept["import"], kept["export"]), left=left)
    seen: dict[Key, str] = {}
    for word, externs in kept.items():
        for each, extern in externs.items():
            if isinstance(extern, InstanceType):
                for inner, member in extern.exports.items():
                    _name(stock, seen, Named(word, each, inner, _type_of(member)))
            else:
                _name(stock, seen, Named(word, "", each, _type_of(extern)))
    _name_the_rest(stock, seen)
    return stock


def functions_of(externs: Mapping[str, Extern]) -> dict[str, FuncType]:
    """Return the functions among externs."""
    return {name: each for name, each in externs.items() if isinstance(each, FuncType)}


def holds_resources(type_: Key) -> bool:
    """Tell whether a type is, or holds, a resource."""
    return isinstance(type_, ResourceType) or any(
        isinstance(part, Own | Borrow) for part in _all_parts(type_)
    )


_NOTHING = Opaque("")


def _type_of(extern: Extern) -> Key:
    match extern:
        case TypeDef(type_):
            return type_
        case ResourceType():
            return extern
        case FuncType() | InstanceType() | Opaque():
            return _NOTHING


def _name(stock: Stock, seen: dict[Key, str], found: Named) -> None:
    """Note the name of a type, or its other name."""
    type_ = found.type
    if type_ is _NOTHING:
        return
    if isinstance(type_, Own):
        type_ = type_.resource
    if type_ not in seen and isinstance(type_, _NAMED | ResourceType):
        stock.named.append(found)
        seen[type_] = found.name
    elif seen.get(type_) != found.name:
        alias = Alias(found.word, found.home, found.name, type_)
        if all((a.name, a.type) != (alias.name, alias.type) for a in stock.aliases):
            stock.aliases.append(alias)


def _usable(
    word: str, home: str, externs: Mapping[str, Extern], left: list[Left]
) -> Iterator[tuple[str, Extern]]:
    for name, extern in externs.items():
        kept, why = extern, ""
        match extern:
            case InstanceType(exports) if not home:
                kept = InstanceType(dict(_usable(word, name, exports, left)))
            case InstanceType():
                why = "it is an instance within an instance"
            case FuncType(is_async=True) if word == "import":
                why = "it is an async func, which wasmtime's C API cannot link"
            case FuncType(params, result):
                why = _unfit([*(type_ for _, type_ in params), result])
            case TypeDef(type_):
                why = _unfit([type_])
            case Opaque():
                why = f"it is a {extern}"
            case ResourceType():
                pass
        if why:
            left.append(Left(word, home, name, why))
        else:
            yield name, kept


def _unfit(types: Sequence[WitType | None]) -> str:
    for type_ in types:
        for part in _all_parts(type_):
            if isinstance(part, Opaque):
                return f"it has a {part} in its type"
    return ""


def _all_parts(type_: WitType | None) -> Iterator[WitType]:
    if type_ is not None:
        yield type_
        for part in parts_of(type_):
            yield from _all_parts(part)


def _name_the_rest(stock: Stock, seen: dict[Key, str]) -> None:
    """Name the types that have no name: wasmtime does not tell those of the world.

    They are called as the parameter they are met in, and declared by the world.
    """
    declared: dict[str, Extern] = {}

    def name(type_: WitType, label: str) -> None:
        match type_:
            case RecordType(fields) | VariantType(fields):
                for part, of_part in fields:
                    if of_part is not None:
                        name(of_part, f"{label}-{part}")
            case _:
                for inner in parts_of(type_):
                    name(inner, label)
        if isinstance(type_, _NAMED) and type_ not in seen:
            _name(stock, seen, Named("import", "", label, type_))
            declared[label] = TypeDef(type_)

    world = stock.world
    for each in stock.all:
        if not isinstance(each.type, ResourceType):
            name(each.type, each.name)
    for function, type_ in (
        *InstanceType(world.imports).functions(),
        *InstanceType(world.exports).functions(),
    ):
        parts = split_function(function.rpartition("#")[2])
        named = parts.name or parts.resource
        for param, inner in (*type_.params, ("result", type_.result)):
            if inner is not None:
                name(inner, f"{named}-{param}")
    imports = {**declared, **world.imports}
    stock.world = World(world.name, imports, world.exports)
