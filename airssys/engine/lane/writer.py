"""Write definitions of our own into a component, and count them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import wasmtime
from attrs import Factory, define

from .binary import Section, leb
from .plan import Drop
from .scope import (
    CORE_FUNC,
    CORE_INSTANCE,
    FUNC,
    INSTANCE,
    TYPE,
    Scope,
)

__all__ = ("Writer", "assembled", "section")

_OF_CORE: Final = b"\0"
"""What begins the sorts of core definitions."""


@define
class Writer:
    """The sections of a component that is being rewritten."""

    scope: Scope
    out: list[bytes | memoryview] = Factory(list)

    def copy(self, part: bytes | memoryview) -> None:
        """Write what is there as it is."""
        self.out.append(part)

    def write(self, kind: int, content: bytes) -> None:
        """Write a section."""
        self.out.append(section(kind, content))

    def hold(self) -> int:
        """Leave a place for what is known later; return it, for `fill`."""
        self.out.append(b"")
        return len(self.out) - 1

    def fill(self, place: int, kind: int, content: bytes) -> None:
        """Write a section in a place that was left."""
        self.out[place] = section(kind, content)

    def bundle(self, parts: Sequence[tuple[str, int, int]]) -> int:
        """Define a core instance of definitions, by name, sort and index."""
        exports = (
            _name(name) + _core_sort(sort) + leb(index) for name, sort, index in parts
        )
        self.write(Section.CORE_INSTANCE, b"\1\1" + leb(len(parts)) + b"".join(exports))
        return self.scope.new(CORE_INSTANCE)

    def instance(self, module: int, given: Mapping[str, int]) -> int:
        """Define an instance of a core module."""
        arguments = (_name(name) + b"\x12" + leb(i) for name, i in given.items())
        self.write(
            Section.CORE_INSTANCE,
            b"\1\0" + leb(module) + leb(len(given)) + b"".join(arguments),
        )
        return self.scope.new(CORE_INSTANCE)

    def exported(self, instance: int, name: str, sort: int) -> int:
        """Alias an export of a core instance."""
        self.write(
            Section.ALIAS,
            b"\1" + _OF_CORE + _core_sort(sort) + b"\1" + leb(instance) + _name(name),
        )
        return self.scope.new(sort)

    def lowered_export(self, instance: int, name: str) -> int:
        """Define a core function of one that an instance exports and takes limits."""
        self.write(Section.ALIAS, b"\1\1\0" + leb(instance) + _name(name))
        index = self.scope.count(FUNC)
        self.scope.add(FUNC)
        self.write(Section.CANON, b"\1\1\0" + leb(index) + b"\0")
        return self.scope.new(CORE_FUNC)

    def limits_taker(self, core: int, export: str) -> None:
        """Export a core function that takes limits: three numbers."""
        type_ = self.scope.count(TYPE)
        numbers = zip(("handles", "weight", "burn"), (b"\x79", b"\x77", b"\x77"))
        params = b"".join(_name(name) + kind for name, kind in numbers)
        self.write(Section.TYPE, b"\1\x40\3" + params + b"\1\0")
        self.scope.add(TYPE)
        self.write(Section.CANON, b"\1\0\0" + leb(core) + b"\0" + leb(type_))
        index = self.scope.count(FUNC)
        self.scope.add(FUNC)
        self.write(Section.EXPORT, b"\1\0" + _name(export) + b"\1" + leb(index) + b"\0")
        self.scope.add(FUNC)

    def drop(self, drop: Drop) -> None:
        """Export a function that drops a resource's handle."""
        scope = self.scope
        if drop.home:
            first, *inner = drop.home.split("#")
            instance = scope.exported[first]
            for each in inner:
                self.write(Section.ALIAS, b"\1\5\0" + leb(instance) + _name(each))
                instance = scope.count(INSTANCE)
                scope.add(INSTANCE)
            self.write(Section.ALIAS, b"\1\3\0" + leb(instance) + _name(drop.name))
            resource = scope.count(TYPE)
            scope.add(TYPE)
        else:
            resource = scope.exported[drop.name]
        self.write(Section.CANON, b"\1\3" + leb(resource))
        core, own = scope.new(CORE_FUNC), scope.count(TYPE)
        handle = b"\x69" + leb(resource)
        function = b"\x40\1" + _name("handle") + _reference(own) + b"\1\0"
        self.write(Section.TYPE, b"\2" + handle + function)
        self.write(Section.CANON, b"\1\0\0" + leb(core) + b"\0" + leb(own + 1))
        scope.add(TYPE)
        scope.add(TYPE)
        index = scope.count(FUNC)
        self.write(
            Section.EXPORT, b"\1\0" + _name(drop.export) + b"\1" + leb(index) + b"\0"
        )
        scope.add(FUNC)
        scope.add(FUNC)


@lru_cache(maxsize=64)
def assembled(text: str) -> bytes:
    """Return the binary of a core module."""
    return bytes(wasmtime.wat2wasm(text))


def section(kind: int, content: bytes) -> bytes:
    """Return a section: its kind, its size and its content."""
    return bytes((kind,)) + leb(len(content)) + content


def _name(text: str) -> bytes:
    encoded = text.encode()
    return leb(len(encoded)) + encoded


def _reference(index: int) -> bytes:
    """Return the index of a type among codes of types, which are negative there."""
    encoded = leb(index)
    if encoded[-1] & 0x40:
        return encoded[:-1] + bytes((encoded[-1] | 0x80, 0))
    return encoded


def _core_sort(sort: int) -> bytes:
    """Return the sort of a core definition, where it is clear that it is one."""
    return bytes((sort & 0xFF,))
