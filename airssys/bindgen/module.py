"""Write a module of typed bindings for a component."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Final

from ..witmodel.text import render_wit
from ..witmodel.types import (
    Extern,
    FuncType,
    InstanceType,
    ResourceType,
    VariantType,
    snake,
)
from .annotate import Annotations
from .classes import case_names, declared, listing_of
from .interfaces import Writer
from .layout import WIDTH, docstring, in_tuple, indented, listed
from .names import Interface, allocate, camel, members
from .world import Alias, Named, functions_of, holds_resources, take_stock

__all__ = ("write_module",)

_IMPORTS: Final = {
    "builtins": "",
    "enum": "",
    "Awaitable": "collections.abc",
    "Mapping": "collections.abc",
    "Sequence": "collections.abc",
    "Any": "typing",
    "ClassVar": "typing",
    "Protocol": "typing",
    "Self": "typing",
    "TypeAlias": "typing",
    "runtime_checkable": "typing",
    "Call": "airssys",
    "Err": "airssys",
    "HostInterface": "airssys",
    "Instance": "airssys",
    "Ok": "airssys",
    "Some": "airssys",
    "Answer": "airssys",
    "Bindings": "airssys",
    "Handle": "airssys",
    "field": "attrs",
    "frozen": "attrs",
}
"""Where the names that a module may need come from."""
_STANDARD: Final = {"", "collections.abc", "typing"}
_BUILTINS: Final = ("bool", "bytes", "dict", "float", "int", "list", "str", "tuple")
_RESERVED: Final = (*_IMPORTS, *_BUILTINS, "Exports", "annotations")


def write_module(
    world: str,
    imports: Mapping[str, Extern],
    exports: Mapping[str, Extern],
    *,
    made: str,
) -> str:
    """Return the source of a module.

    Args:
        world: What to call the world.
        imports: What the component imports.
        exports: What it exports.
        made: A sentence that says how the module was made.
    """
    module = _Module(world, imports, exports)
    body = "\n".join(module.body()).strip("\n")
    head = docstring(f"Call components of the world ``{world}``.", made, steps=0)
    left = list(module.left())
    lines = [
        *head,
        "# ruff: noqa",
        "",
        "from __future__ import annotations",
        "",
        *_imports(body),
        *([""] if left else []),
        *left,
    ]
    return "\n".join(lines) + f"\n\n\n{body}\n"


def _imports(body: str) -> Iterator[str]:
    used = {each.id for each in ast.walk(ast.parse(body)) if isinstance(each, ast.Name)}
    homes: dict[str, list[str]] = {}
    for name, home in _IMPORTS.items():
        if name in used:
            homes.setdefault(home, []).append(name)
    for standard in (True, False):
        for home, names in homes.items():
            if (home in _STANDARD) is standard:
                if home:
                    # Constants, classes and then functions, as ruff sorts them.
                    names.sort(key=lambda name: (name.islower(), name))
                    line = f"from {home} import {', '.join(names)}"
                    if len(line) <= WIDTH:
                        yield line
                    else:
                        parts = [f"{name}," for name in names]
                        yield from (f"from {home} import (", *indented(parts), ")")
                else:
                    yield from (f"import {name}" for name in names)
        if standard:
            yield ""


class _Module:
    """What the parts of a module need to know of one another."""

    def __init__(
        self, name: str, imports: Mapping[str, Extern], exports: Mapping[str, Extern]
    ) -> None:
        self.stock = take_stock(name, imports, exports)
        self.world = world = self.stock.world
        self.text = render_wit(world.imports, world.exports, world=world.name)
        self.lines = listing_of(self.text)
        self.names = self.stock.class_names(_RESERVED)
        taken = {*_RESERVED, *self.names.values()}
        self.cases = case_names(self.names, taken)
        taken.update(case for cases in self.cases.values() for case in cases)
        self.annotations = Annotations(
            {each.type: self.names[each] for each in self.stock.named}
        )
        self.imported = _interfaces(world.imports)
        self.exported = _interfaces(world.exports)
        self.classes = _class_names(self.imported, self.exported, taken)
        self.offers = allocate(
            {home: [f"offer_{a}" for a in _attributes(home)] for home in self.imported}
        )

    def left(self) -> Iterator[str]:
        if self.stock.left:
            yield "# Left out, since it cannot be passed:"
            for each in self.stock.left:
                place = f"{each.home}#{each.name}" if each.home else each.name
                yield f"# - {each.word} {place}: {each.why}"

    def body(self) -> Iterator[str]:
        late = []
        for each in self.stock.all:
            if isinstance(each, Alias) and holds_resources(each.type):
                late.append(each)
            else:
                yield from self._type(each)
        for home, externs in self.imported.items():
            yield from self._imported(home, externs)
        for home, externs in self.exported.items():
            if home:
                yield from self._exported(home, externs)
        for number, each in enumerate(late):
            yield from list(self._type(each))[2 * (number > 0) :]
        yield from ("", "", '_WIT = """\\', *self.text.splitlines(), '"""')
        yield from self._bindings()
        for home in self.imported:
            yield from self._offer(home)
        yield from self._exports()

    def _type(self, each: Named | Alias) -> Iterator[str]:
        wit = ""
        cases = []
        if isinstance(each, Named):
            wit = self.lines.get((each.word, each.home, each.name), "")
            cases = self.cases.get(each, [])
        lines = declared(each, self.names[each], cases, self.annotations, wit)
        if lines:
            yield from ("", "", *lines)

    def _writer(self, word: str, home: str, externs: Mapping[str, Extern]) -> Writer:
        functions = functions_of(externs)
        lines = {name: self.lines[word, home, name] for name in functions}
        return Writer(self.annotations, home, functions, lines)

    def _resources(self, word: str, home: str) -> Iterator[tuple[str, str]]:
        """Yield the resources that an interface declares, each with its class."""
        for each in self.stock.named:
            if isinstance(each.type, ResourceType) and (each.word, each.home) == (
                word,
                home,
            ):
                yield each.name, self.names[each]

    def _imported(self, home: str, externs: Mapping[str, Extern]) -> Iterator[str]:
        writer = self._writer("import", home, externs)
        for resource, name in self._resources("import", home):
            own = f"[method]{resource}.drop" in writer.functions
            drop = "close" if own else "drop"
            doc = f"A host's ``{resource}``; its destructor is a method ``{drop}``."
            yield from ("", "", "@runtime_checkable", f"class {name}(Protocol):")
            yield from indented(docstring(doc))
            yield from indented(list(writer.protocol(writer.methods(resource))))
        where = f"``{home}``" if home else "functions of the world"
        doc = f"What a host offers as {where}: see `{self.offers[home]}`."
        yield from ("", "", f"class {self.classes['import', home]}(Protocol):")
        yield from indented(docstring(doc))
        yield from indented(list(writer.protocol(writer.plain())))

    def _exported(self, home: str, externs: Mapping[str, Extern]) -> Iterator[str]:
        writer = self._writer("export", home, externs)
        for resource, name in self._resources("export", home):
            yield from ("", "", f"class {name}:")
            doc = f"The component's ``{resource}``; to close it runs its destructor."
            yield from indented(docstring(doc))
            yield from indented(_RESOURCE)
            methods = writer.methods(resource)
            reserved = {"handle", "close"}
            lines = writer.calls(methods, reserved, "self.handle.call")
            yield from indented(list(lines))
        yield from ("", "", f"class {self.classes['export', home]}:")
        yield from indented(docstring(f"What a component exports as ``{home}``."))
        yield from indented(_INSTANCE)
        calls = writer.calls(writer.plain(), {"instance"}, "self.instance.call")
        yield from indented(list(calls))

    def _bindings(self) -> Iterator[str]:
        if not self.stock.named:
            yield "_BINDINGS = Bindings(_WIT)"
            return
        yield from ("_BINDINGS = Bindings(", "    _WIT,", "    {")
        for each in self.stock.named:
            entry = f'"{each.path}": '
            if isinstance(each.type, VariantType):
                yield from indented(in_tuple(entry, self.cases[each], steps=2), 2)
            else:
                yield f"        {entry}{self.names[each]},"
        yield from ("    },", ")")

    def _offer(self, home: str) -> Iterator[str]:
        made = self.classes["import", home]
        head = f"def {self.offers[home]}("
        yield from ("", "")
        tail = ") -> HostInterface:"
        yield from listed(head, [f"implementation: {made}", "/"], tail)
        where = f"``{home}``" if home else "functions of the world"
        yield from indented(docstring(f"Offer an object's methods as {where}."))
        call = listed("return _BINDINGS.offer(", [f'"{home}"', "implementation"], ")")
        yield from indented(call)

    def _exports(self) -> Iterator[str]:
        functions = functions_of(self.world.exports)
        reserved = {"instance", "close"}
        names = members(functions, reserved)
        interfaces = [home for home in self.exported if home]
        attributes = allocate(
            {home: _attributes(home) for home in interfaces},
            {*reserved, *names.values()},
        )
        yield from ("", "", "class Exports:")
        doc = f"What a component of the world ``{self.world.name}`` exports."
        yield from indented(docstring(doc))
        yield from ("", "    __airssys__: ClassVar[Bindings] = _BINDINGS")
        yield from indented(_INSTANCE)
        for home in interfaces:
            made = self.classes["export", home]
            yield f"        self.{attributes[home]} = {made}(instance)"
        writer = self._writer("export", "", self.world.exports)
        calls = writer.calls(functions, reserved, "self.instance.call")
        yield from indented(list(calls))
        yield from indented(_CLOSE)


_INSTANCE: Final = (
    "",
    "def __init__(self, instance: Instance) -> None:",
    "    self.instance = instance",
)
_RESOURCE: Final = (
    "",
    "def __init__(self, handle: Handle) -> None:",
    "    self.handle = handle",
    "",
    "def close(self) -> Awaitable[None]:",
    *indented(docstring("Give the resource up; awaited, run its destructor now.")),
    "    return self.handle.close()",
    "",
    "async def __aenter__(self) -> Self:",
    "    return self",
    "",
    "async def __aexit__(self, *_: object) -> None:",
    "    await self.handle.close()",
)
_CLOSE: Final = (
    "",
    "def close(self) -> None:",
    *indented(docstring("Free the instance.")),
    "    self.instance.close()",
    "",
    "def __enter__(self) -> Self:",
    "    return self",
    "",
    "def __exit__(self, *_: object) -> None:",
    "    self.instance.close()",
)


def _words(home: str) -> list[tuple[str, ...]]:
    """Return what to call an interface, the shortest first."""
    return Interface.parse(home).words() if home else [("world",)]


def _attributes(home: str) -> list[str]:
    """Return what to call an interface's attribute, the shortest first."""
    return [snake(re.sub(r"\W", "-", "-".join(words))) for words in _words(home)]


def _interfaces(externs: Mapping[str, Extern]) -> dict[str, Mapping[str, Extern]]:
    """Return the interfaces that have functions; the empty one is the world."""
    found: dict[str, Mapping[str, Extern]] = {
        name: extern.exports
        for name, extern in externs.items()
        if isinstance(extern, InstanceType)
        and any(isinstance(e, FuncType | ResourceType) for e in extern.exports.values())
    }
    own = [
        each
        for each in externs.values()
        if isinstance(each, FuncType)
        # Those of an interface are offered there.
        or (isinstance(each, ResourceType) and not each.home)
    ]
    if own:
        found[""] = externs
    return found


def _class_names(
    imported: Mapping[str, object], exported: Mapping[str, object], taken: set[str]
) -> dict[tuple[str, str], str]:
    wanted: dict[tuple[str, str], list[str]] = {}
    for word, homes in (("import", imported), ("export", exported)):
        for home in homes:
            # What is both offered and exported: the Protocol is the host's.
            host = "Host" if word == "import" and home and home in exported else ""
            wanted[word, home] = [host + "".join(map(camel, w)) for w in _words(home)]
    return allocate(wanted, taken)
