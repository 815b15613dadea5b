"""Put forwarders into a guest, so that its bytes cross to and from the host as text.

Between the canonical functions of a component and its core code, core functions are
put that copy all values from the guest's memory to another one or back, bytes as text.
So in the types each ``list<u8>`` can become a ``string``.

Types, functions and instances of components keep their indices; those of core
definitions move, as some are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import wasmtime
from attrs import Factory, define, evolve, frozen

from ...witmodel.types import FuncType
from .binary import COMPONENT, HEAD, NESTED, leb, sections
from .forward import Forwarders, area, is_indirect
from .machine import machine
from .reader import Entry, Options, Reader
from .scope import (
    CORE_FUNC,
    CORE_INSTANCE,
    CORE_MEMORY,
    CORE_MODULE,
    FUNC,
    INSTANCE,
    TYPE,
    Known,
    Scope,
    Unreadable,
)

__all__ = ("Rewritten", "rewritten")

_CUSTOM, _MODULE, _CORE_INSTANCE, _CORE_TYPE = 0, 1, 2, 3
_INSTANCE, _ALIAS, _TYPE, _CANON, _IMPORT, _EXPORT = 5, 6, 7, 8, 10, 11
_NAMES: Final = b"\x0ecomponent-name"
_DEPTH: Final = 100
_PARTS: Final = 20_000
_OF_CORE: Final = b"\0"
"""What begins the sorts of core definitions."""


@frozen
class Rewritten:
    """A guest with what was put into it."""

    binary: bytes
    instances: int
    """How many core instances it has more."""
    memories: int


def rewritten(
    guest: bytes, *, lane: bool = True, drops: Sequence[tuple[str, str]] = ()
) -> Rewritten:
    """Return a component whose bytes cross as strings, in ASCII.

    Args:
        guest: Its binary.
        lane: Whether bytes are to; otherwise it only gets functions that drop.
        drops: Resources by interface, empty for the world, and name. For each it gets a
            function ``airssys-drop-N`` that drops a handle.

    Raises:
        Unreadable: It has bytes beside asynchronous functions, strings in UTF-16 beside
            bytes, functions of unknown types, or is malformed.
    """
    component = _Component(Scope(), lane)
    component.read(memoryview(guest), 0)
    for index, (home, name) in enumerate(drops):
        component.drop(f"airssys-drop-{index}", home, name)
    instances, memories, _ = component.scope.added
    return Rewritten(component.binary(), instances, memories)


@frozen
class _Crossing:
    """A function between the guest and the host."""

    function: int
    """Of a lift, the core function it had; of a lower, the component's function."""
    type: FuncType
    options: Options
    deferred: int = -1
    """Of a lower, the core function that it was."""


@frozen
class _Plain:
    """A lifted function without bytes, to be written in its turn."""

    section: bytes


@define
class _Component:
    """A component that is being rewritten."""

    scope: Scope
    _lane: bool
    _out: list[bytes | memoryview] = Factory(list)
    _lowers: list[_Crossing] = Factory(list)
    _lifts: list[tuple[_Crossing, int] | _Plain] = Factory(list)
    """Lifted functions that are not written yet, with their types' indices."""
    _bases: dict[int, _Base] = Factory(dict)
    """The lane, by the guest's memory."""
    _area: int = 0
    _parts: int = 0
    """How many types there are in the functions that are forwarded."""
    _is_async: bool = False

    def __attrs_post_init__(self) -> None:
        self.scope.await_core = self._flush_lowers

    def binary(self) -> bytes:
        """Return what it became."""
        return b"".join(self._out)

    def read(self, binary: memoryview, depth: int) -> None:
        """Rewrite all of it."""
        if bytes(binary[:HEAD]) != COMPONENT or depth > _DEPTH:
            raise Unreadable("not a component")
        self._out.append(binary[:HEAD])
        for kind, start, begin, end in sections(binary, HEAD):
            content = binary[begin:end]
            match kind:
                case 0 if bytes(content[: len(_NAMES)]) == _NAMES:
                    pass  # the indices in it are those before
                case 1:
                    self.scope.add(CORE_MODULE)
                    self._out.append(binary[start:end])
                case 4:
                    self._nested(content, depth)
                case 6 | 8:
                    self._entries(kind, content)
                case 2 | 5 | 7 | 10 | 11:
                    self._whole(kind, content)
                case 0 | 3:
                    self._out.append(binary[start:end])
                case _:
                    raise Unreadable(f"a section of kind {kind}")
        self._flush_lowers()
        self._flush_lifts()
        if self._bases and self._is_async:
            raise Unreadable("tasks that may go on beside others")
        for base in self._bases.values():
            module = _assembled(machine(self._area))
            self._out[base.place] = _section(_MODULE, module)

    def _nested(self, content: memoryview, depth: int) -> None:
        inner = _Component(Scope(self.scope), self._lane)
        inner.read(content, depth + 1)
        self._parts += inner._parts
        self._write(NESTED, inner.binary())
        self.scope.add(
            NESTED, Known(exports=inner.scope.exports, added=inner.scope.added)
        )

    def _whole(self, kind: int, content: memoryview) -> None:
        if kind == _CORE_INSTANCE:
            self._flush_lowers()
        elif kind != _TYPE:
            self._flush_lifts()
        reader = Reader(content, self.scope, retype=self._lane)
        reader.each(reader.entry(kind))
        self._write(kind, reader.finished())

    def _entries(self, kind: int, content: memoryview) -> None:
        """Rewrite a section's entries one by one, so that others can come between."""
        reader = Reader(content, self.scope, retype=self._lane)
        for _ in range(reader.number()):
            reader.begin()
            if kind == _ALIAS:
                functions = self.scope.count(FUNC)
                reader.alias()
                if self.scope.count(FUNC) != functions:
                    self._flush_lifts()
                self._write(kind, b"\1" + reader.taken())
            else:
                self._canon(reader.canon(), reader)
        reader.finished()

    def _canon(self, entry: Entry, reader: Reader) -> None:
        self._is_async |= entry.options.is_async
        section = _section(_CANON, b"\1" + reader.taken())
        if entry.function is None or entry.known is None or not entry.known.bytes:
            if entry.lifts:
                self.scope.add(FUNC, entry.known)
                if self._lifts:
                    self._lifts.append(_Plain(section))
                    return
            else:
                if entry.function is not None:
                    self._flush_lifts()
                self.scope.add(CORE_FUNC)
            self._out.append(section)
            return
        type_, options = entry.known.type, entry.options
        if not isinstance(type_, FuncType) or not _can_cross(type_, entry):
            raise Unreadable(f"bytes that cannot be forwarded in {type_}")
        self._area = max(self._area, area(type_))
        self._parts += entry.known.parts
        if self._parts > _PARTS:
            raise Unreadable("too many types")
        crossing = _Crossing(entry.function, type_, options)
        if entry.lifts:
            self.scope.add(FUNC, entry.known)
            self._lifts.append((crossing, entry.type))
        else:
            self._flush_lifts()
            self._lowers.append(evolve(crossing, deferred=self.scope.defer()))

    # What is added.

    def _write(self, kind: int, content: bytes) -> None:
        self._out.append(_section(kind, content))

    def _base(self, memory: int) -> _Base:
        """Define the lane's memory beside one of the guest's; return where it is."""
        if memory not in self._bases:
            place, new = len(self._out), self.scope.new
            self._out.append(b"")  # the module, once it is known how large results are
            module = new(CORE_MODULE)
            guest = self._bundle([("memory", CORE_MEMORY, memory)])
            instance = self._instance(module, {"guest": guest})
            self.scope.grow(1, 1, not self._bases)
            self._bases[memory] = _Base(
                place,
                instance,
                self._taken(instance, "memory", CORE_MEMORY),
                self._taken(instance, "realloc", CORE_FUNC),
            )
        return self._bases[memory]

    def _bundle(self, parts: Sequence[tuple[str, int, int]]) -> int:
        """Define a core instance of definitions, by name, sort and index."""
        exports = (
            _name(name) + _sort(sort)[1:] + leb(index) for name, sort, index in parts
        )
        self._write(_CORE_INSTANCE, b"\1\1" + leb(len(parts)) + b"".join(exports))
        return self.scope.new(CORE_INSTANCE)

    def _instance(self, module: int, given: Mapping[str, int]) -> int:
        """Define an instance of a core module."""
        arguments = (_name(name) + b"\x12" + leb(i) for name, i in given.items())
        self._write(
            _CORE_INSTANCE,
            b"\1\0" + leb(module) + leb(len(given)) + b"".join(arguments),
        )
        return self.scope.new(CORE_INSTANCE)

    def _taken(self, instance: int, name: str, sort: int) -> int:
        """Alias an export of a core instance."""
        self._write(_ALIAS, b"\1" + _sort(sort) + b"\1" + leb(instance) + _name(name))
        return self.scope.new(sort)

    def _options(self, memory: int) -> bytes:
        """Return options that mean the lane's memory."""
        base = self._base(memory)
        return b"\0\3" + leb(base.memory) + b"\4" + leb(base.realloc)

    def _flush_lowers(self) -> None:
        """Write the functions that the guest calls."""
        pending, self._lowers = self._lowers, []
        for memory, realloc, crossings in _grouped(pending):
            forwarders = Forwarders(realloc is not None)
            given = []
            for index, each in enumerate(crossings):
                options = b"\3" + self._options(memory)
                self._write(_CANON, b"\1\1\0" + leb(each.function) + options)
                given.append((f"f{index}", self.scope.new(CORE_FUNC)))
                forwarders.lower(f"f{index}", each.type)
            instance = self._instantiated(forwarders, memory, realloc, given)
            for index, each in enumerate(crossings):
                self.scope.settle(
                    each.deferred, self._taken(instance, f"f{index}", CORE_FUNC)
                )

    def _flush_lifts(self) -> None:
        """Write the functions that the host calls."""
        pending, self._lifts = self._lifts, []
        ready: dict[int, tuple[int, int | None]] = {}
        crossings = [each[0] for each in pending if not isinstance(each, _Plain)]
        for memory, realloc, group in _grouped(crossings):
            forwarders = Forwarders(realloc is not None)
            given, posts = [], []
            for index, each in enumerate(group):
                post = each.options.post_return if is_indirect(each.type) else None
                given.append((f"f{index}", each.function))
                done = ""
                if post is not None:
                    done = f"post-f{index}"
                    given.append((done, post))
                posts.append(forwarders.lift(f"f{index}", each.type, done=done))
            instance = self._instantiated(forwarders, memory, realloc, given)
            for index, each in enumerate(group):
                done_index = each.options.post_return
                if is_indirect(each.type):
                    done_index = None
                if posts[index]:
                    done_index = self._taken(instance, f"post-f{index}", CORE_FUNC)
                function = self._taken(instance, f"f{index}", CORE_FUNC)
                ready[id(each)] = function, done_index
        for item in pending:
            if isinstance(item, _Plain):
                self._out.append(item.section)
                continue
            crossing, type_ = item
            function, post = ready[id(crossing)]
            assert crossing.options.memory is not None
            options = self._options(crossing.options.memory)
            options = (
                b"\3" + options if post is None else b"\4" + options + b"\5" + leb(post)
            )
            self._write(_CANON, b"\1\0\0" + leb(function) + options + leb(type_))

    def _instantiated(
        self,
        forwarders: Forwarders,
        memory: int,
        realloc: int | None,
        given: Sequence[tuple[str, int]],
    ) -> int:
        """Define the forwarders' module, and return its instance."""
        base = self._base(memory)
        self._write(_MODULE, _assembled(forwarders.text()))
        parts = [("memory", CORE_MEMORY, memory)]
        if realloc is not None:
            parts.append(("realloc", CORE_FUNC, realloc))
        parts += [(name, CORE_FUNC, index) for name, index in given]
        guest, module = self._bundle(parts), self.scope.new(CORE_MODULE)
        self.scope.grow(1, 0, 0)
        return self._instance(module, {"lane": base.instance, "guest": guest})

    def drop(self, export: str, home: str, name: str) -> None:
        """Export a function that drops a resource's handle."""
        scope = self.scope
        if home:
            first, *inner = home.split("#")
            instance = scope.exported[first]
            for each in inner:
                self._write(_ALIAS, b"\1\5\0" + leb(instance) + _name(each))
                instance = scope.count(INSTANCE)
                scope.add(INSTANCE)
            self._write(_ALIAS, b"\1\3\0" + leb(instance) + _name(name))
            resource = scope.count(TYPE)
            scope.add(TYPE)
        else:
            resource = scope.exported[name]
        self._write(_CANON, b"\1\3" + leb(resource))
        core, own = scope.new(CORE_FUNC), scope.count(TYPE)
        handle = b"\x69" + leb(resource)
        function = b"\x40\1" + _name("handle") + _reference(own) + b"\1\0"
        self._write(_TYPE, b"\2" + handle + function)
        self._write(_CANON, b"\1\0\0" + leb(core) + b"\0" + leb(own + 1))
        scope.add(TYPE)
        scope.add(TYPE)
        index = scope.count(FUNC)
        self._write(_EXPORT, b"\1\0" + _name(export) + b"\1" + leb(index) + b"\0")
        scope.add(FUNC)
        scope.add(FUNC)


@frozen
class _Base:
    """What a component has of the lane."""

    place: int
    """Where the module is to be written."""
    instance: int
    memory: int
    realloc: int


def _can_cross(type_: FuncType, entry: Entry) -> bool:
    return (
        not type_.is_async and entry.options.plain and entry.options.memory is not None
    )


def _grouped(
    crossings: Sequence[_Crossing],
) -> list[tuple[int, int | None, list[_Crossing]]]:
    """Group functions by memory and realloc; those that need none join others."""
    groups: dict[tuple[int, int | None], list[_Crossing]] = {}
    reallocs: dict[int, int] = {}
    for each in crossings:
        memory, realloc = each.options.memory, each.options.realloc
        if memory is not None and realloc is not None:
            reallocs.setdefault(memory, realloc)
    for each in crossings:
        memory, realloc = each.options.memory, each.options.realloc
        assert memory is not None
        if realloc is None:
            realloc = reallocs.get(memory)
        groups.setdefault((memory, realloc), []).append(each)
    return [(*key, group) for key, group in groups.items()]


@lru_cache(maxsize=64)
def _assembled(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def _section(kind: int, content: bytes) -> bytes:
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


def _sort(sort: int) -> bytes:
    return _OF_CORE + bytes((sort & 0xFF,))
