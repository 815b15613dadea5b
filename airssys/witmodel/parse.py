"""Read the types of a world from its text, as `text` prints it.

It knows what `text` prints and no more: no packages, no worlds that include others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from attrs import define, field, frozen

from .types import (
    SCALARS,
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

__all__ = ("Find", "World", "parse_world")

Find: TypeAlias = Callable[[ResourceType], ResourceType]
"""Returns the resource to use for one that the text declares; often the same one."""

_TOKEN: Final = re.compile(r"->|\[?\w(?:[\w\[\]-]|[:/@.+](?=[\w\[]))*|\S")


@frozen
class World:
    """What a world imports and exports, by name."""

    name: str
    imports: Mapping[str, Extern]
    exports: Mapping[str, Extern]


def parse_world(text: str, find: Find = lambda resource: resource) -> World:
    """Read a world.

    Args:
        text: What `render_wit` has printed.
        find: Says which resource stands for one that the text declares.
    """
    return _Reader(_TOKEN.findall(text), find).world()


@define
class _Reader:
    tokens: Sequence[str]
    find: Find
    at: int = 0
    """The place of the token that comes next."""
    interfaces: dict[str, dict[str, WitType | ResourceType]] = field(factory=dict)
    """The named types of the interfaces read so far."""
    named: dict[str, WitType | ResourceType] = field(factory=dict)
    """The named types here."""
    home: str = ""
    imported: bool = False
    looking: bool = False
    """Whether this is the first reading of an interface, which learns its names."""

    @property
    def sees(self) -> str:
        """The token that comes next."""
        return self.tokens[self.at]

    def step(self) -> str:
        """Go to the next token and return the one before."""
        self.at += 1
        return self.tokens[self.at - 1]

    def take(self, token: str) -> None:
        found = self.step()
        assert found == token, f"{found!r} where {token!r} belongs"

    def skip(self, token: str) -> bool:
        """Step over a token, if it is the one that comes next."""
        if self.sees == token:
            self.step()
            return True
        return False

    def until(self, close: str) -> Iterator[None]:
        """Go through what commas part, up to the closing mark."""
        while not self.skip(close):
            yield
            self.skip(",")

    def world(self) -> World:
        self.take("world")
        name = self.step()
        self.take("{")
        externs: dict[str, dict[str, Extern]] = {"import": {}, "export": {}}
        while not self.skip("}"):
            word = self.step()
            if word == "use":
                for _ in self.use():
                    pass
                continue
            self.imported = word == "import"
            each, extern = self.extern(self.step())
            externs[word][each] = extern
            if isinstance(extern, ResourceType):
                externs[word].update(self.members(each, extern))
        return World(name, externs["import"], externs["export"])

    def extern(self, name: str) -> tuple[str, Extern]:
        if self.skip(":"):
            if self.skip("interface"):
                return name, self.interface(name)
            return name, self.function()
        if name == "resource":
            name = self.step()
            found = self.named.get(name)
            if not isinstance(found, ResourceType):
                found = self.find(ResourceType(name, self.home, self.imported))
                self.named[name] = found
            return name, found
        word, name = name, self.step()
        type_ = self.declared(word)
        self.named[name] = type_
        return name, TypeDef(type_)

    def interface(self, name: str) -> InstanceType:
        outside, self.home, self.named = self.named, name, {}
        self.take("{")
        # A resource's functions may use types that come after it: read it twice.
        start, self.looking = self.at, True
        dict(self.items())
        self.at, self.looking = start, False
        exports = dict(self.items())
        self.interfaces[name] = self.named
        self.home, self.named = "", outside
        return InstanceType(exports)

    def items(self) -> Iterator[tuple[str, Extern]]:
        """Read what an interface has, up to its closing bracket."""
        while not self.skip("}"):
            word = self.step()
            if word == "use" and self.sees != ":":
                yield from self.use()
            else:
                each, extern = self.extern(word)
                yield each, extern
                if isinstance(extern, ResourceType):
                    yield from self.members(each, extern)

    def members(
        self, name: str, resource: ResourceType
    ) -> Iterator[tuple[str, FuncType]]:
        """Read the functions of a resource, after its name."""
        if self.skip(";"):
            return
        self.take("{")
        while not self.skip("}"):
            word = self.step()
            if word == "constructor" and self.sees == "(":
                made = self.signature(Own(resource))
                yield f"[constructor]{name}", made
                continue
            self.take(":")
            if self.skip("static"):
                yield f"[static]{name}.{word}", self.function()
            else:
                type_ = self.function()
                params = (("self", Borrow(resource)), *type_.params)
                method = FuncType(params, type_.result, type_.is_async)
                yield f"[method]{name}.{word}", method

    def use(self) -> Iterator[tuple[str, Extern]]:
        found = self.interfaces[self.step()]
        self.take(".")
        self.take("{")
        for _ in self.until("}"):
            name = self.step()
            type_ = found[name]
            name = self.step() if self.skip("as") else name
            self.named[name] = type_
            yield name, type_ if isinstance(type_, ResourceType) else TypeDef(type_)
        self.take(";")

    def function(self) -> FuncType:
        is_async = self.skip("async")
        self.take("func")
        return self.signature(None, is_async=is_async)

    def signature(self, result: WitType | None, *, is_async: bool = False) -> FuncType:
        """Read parameters and result; without an arrow the result is the one given."""
        self.take("(")
        params = tuple(self.pair() for _ in self.until(")"))
        result = self.type() if self.skip("->") else result
        self.take(";")
        return FuncType(params, result, is_async)

    def pair(self) -> tuple[str, WitType]:
        name = self.step()
        self.take(":")
        return name, self.type()

    def declared(self, word: str) -> WitType:
        """Read a named type after its name."""
        if word == "type":
            self.take("=")
            type_ = self.type()
            self.take(";")
            return type_
        return self.body(word)

    def body(self, word: str) -> WitType:
        self.take("{")
        match word:
            case "record":
                return RecordType(tuple(self.pair() for _ in self.until("}")))
            case "variant":
                return VariantType(tuple(self.case() for _ in self.until("}")))
            case "enum":
                return Enum(tuple(self.step() for _ in self.until("}")))
            case _:
                assert word == "flags", word
                return Flags(tuple(self.step() for _ in self.until("}")))

    def case(self) -> tuple[str, WitType | None]:
        name = self.step()
        if not self.skip("("):
            return name, None
        type_ = self.type()
        self.take(")")
        return name, type_

    def type(self) -> WitType:
        word = self.step()
        if self.sees == "{":
            return self.body(word)
        named = None if self.sees == "<" else self.named.get(word)
        if named is not None:
            return Own(named) if isinstance(named, ResourceType) else named
        if word in SCALARS:
            return Scalar(word)
        if word == "borrow":
            self.take("<")
            own = self.type()
            self.take(">")
            if isinstance(own, Own):
                return Borrow(own.resource)
            assert self.looking, own  # its resource comes later
            return Opaque(word)
        return self.built(word)

    def built(self, word: str) -> WitType:
        """Read a type that is made of others, after its word."""
        parts: list[WitType | None] = []
        if self.skip("<"):
            parts = [None if self.skip("_") else self.type() for _ in self.until(">")]
        given = [part for part in parts if part is not None]
        match word:
            case "list":
                return List(*given)
            case "option":
                return Option(*given)
            case "map":
                return Map(*given)
            case "tuple":
                return Tuple(tuple(given))
            case _ if self.looking and word != "result":
                return Opaque(word)
            case _:
                assert word == "result", word
                return Result(*[*parts, None, None][:2])
