"""Put forwarders into a guest, so that its bytes cross to and from the host as text.

Between the canonical functions of a component and its core code, core functions are
put that copy all values from the guest's memory to another one or back, bytes as text.
So in the types each ``list<u8>`` can become a ``string``.

Types, functions and instances of components keep their indices; those of core
definitions move, as some are added.

Why not an outer component around the guest, which would need no rewriting: wasmtime's
adapters between two components copy a ``list<u8>`` byte by byte, for 17 units of fuel
each way; latin1 strings, which they copy at once, must lie at even addresses, as bytes
need not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import Factory, define, evolve, field, frozen

from ...witmodel.types import FuncType
from .abi import values
from .binary import HEAD, PREAMBLE, Section, leb, sections
from .canon import CanonFunction, Options, read_canon
from .counted import Counted, watched
from .cursor import Cursor
from .forward import Forwarders, area, is_indirect
from .guard import Watch
from .machine import machine
from .plan import Drop
from .reader import Reader
from .scope import (
    COMPONENT,
    CORE_FUNC,
    CORE_MEMORY,
    CORE_MODULE,
    FUNC,
    Added,
    Known,
    Scope,
    Unreadable,
    has_large,
)
from .writer import Writer, assembled

__all__ = ("Rewritten", "rewritten")

_NAMES: Final = b"\x0ecomponent-name"
_DEPTH: Final = 100
_PARTS: Final = 20_000


@frozen
class Rewritten:
    """A guest with what was put into it."""

    binary: bytes
    added: Added
    counts: bool
    """Whether it has a function that takes its limits."""


def rewritten(
    guest: bytes,
    *,
    lane: bool = True,
    drops: Sequence[Drop] = (),
    tasks: bool = True,
) -> Rewritten:
    """Return a component whose bytes cross as strings, in ASCII.

    Args:
        guest: The component's binary.
        lane: Whether bytes are to cross as strings; if not, only `drops` are added.
        drops: The functions to add that drop handles of the guest's resources.
        tasks: Whether it is for an engine with tasks.

    Raises:
        Unreadable: It has bytes beside asynchronous functions, strings in UTF-16 beside
            bytes, functions of unknown types, asynchronous functions though there are
            no tasks, or is malformed.
    """
    component = _Component(Writer(Scope()), lane, tasks)
    component.read(memoryview(guest), 0)
    for drop in drops:
        component.writer.drop(drop)
    return Rewritten(component.binary(), component.scope.added, component.counts)


@frozen
class _Crossing:
    """A function between the guest and the host."""

    function: int
    """For a lift, the core function that it lifts; for a lower, the function of the
    component that it lowers."""
    type: FuncType
    options: Options
    deferred: int = -1
    """For a lower, the core function that it defined."""
    watch: Watch | None = None


@frozen
class _Plain:
    """A function without bytes, to be written in its turn."""

    content: bytes
    """Of the section that defines it."""
    function: int = 0
    """For a lift, the core function."""
    rest: int = 0
    """For a lift, where in the content is what follows that."""
    memory: int | None = None
    deferred: int = -1
    """For a lower or a builtin, the core function that it defined."""
    watch: Watch | None = None

    def section(self) -> bytes:
        """Return the content with the function that it lifts."""
        if not self.rest:
            return self.content
        return b"\1\0\0" + leb(self.function) + self.content[self.rest :]


@define
class _Component:
    """A component that is being rewritten."""

    writer: Writer
    _lane: bool
    _tasks: bool
    _lowers: list[_Crossing | _Plain] = Factory(list)
    """Functions for the guest that are not written yet."""
    _lifts: list[tuple[_Crossing, int] | _Plain] = Factory(list)
    """Lifted functions that are not written yet, with their types' indices."""
    _lanes: dict[int, _Lane] = Factory(dict)
    """The lane, by the guest's memory."""
    _area: int = 0
    _parts: int = 0
    """How many types there are in the functions that are forwarded."""
    _counted: Counted = field(init=False)
    _is_async: bool = False
    counts: bool = False
    """Whether there is a function that takes its limits."""

    def __attrs_post_init__(self) -> None:
        limited = self.scope.outside is None
        self._counted = Counted(self.writer, self._lane, limited, self._tasks)
        self.scope.await_core = self._flush_lowers

    @property
    def scope(self) -> Scope:
        """The definitions so far."""
        return self.writer.scope

    def binary(self) -> bytes:
        """Return the rewritten component."""
        return b"".join(self.writer.out)

    def read(self, binary: memoryview, depth: int) -> None:
        """Rewrite a component, section by section."""
        if bytes(binary[:HEAD]) != PREAMBLE or depth > _DEPTH:
            raise Unreadable("not a component")
        self.writer.copy(binary[:HEAD])
        for kind, start, begin, end in sections(binary, HEAD):
            content = binary[begin:end]
            match kind:
                case Section.CUSTOM if bytes(content[: len(_NAMES)]) == _NAMES:
                    pass  # the indices in it are those before
                case Section.CORE_MODULE:
                    self.scope.add(CORE_MODULE)
                    self.writer.copy(binary[start:end])
                case Section.COMPONENT:
                    self._nested(content, depth)
                case Section.ALIAS | Section.CANON:
                    self._entries(kind, content)
                case (
                    Section.CORE_INSTANCE
                    | Section.INSTANCE
                    | Section.TYPE
                    | Section.IMPORT
                    | Section.EXPORT
                ):
                    self._whole(kind, content)
                case Section.CUSTOM | Section.CORE_TYPE:
                    self.writer.copy(binary[start:end])
                case _:
                    raise Unreadable(f"a section of kind {kind}")
        self._flush_lowers()
        self._flush_lifts()
        self.counts = self._counted.finish()
        # The lane's memory starts over with each call, so no two may be under way.
        if self._lanes and self._is_async:
            raise Unreadable("tasks that may go on beside others")
        for base in self._lanes.values():
            module = assembled(machine(self._area))
            self.writer.fill(base.place, Section.CORE_MODULE, module)

    def _nested(self, content: memoryview, depth: int) -> None:
        inner = _Component(Writer(Scope(self.scope)), self._lane, self._tasks)
        inner.read(content, depth + 1)
        self._parts += inner._parts
        self.writer.write(Section.COMPONENT, inner.binary())
        self.scope.add(
            COMPONENT,
            Known(
                exports=inner.scope.exports,
                added=inner.scope.added,
                counts=inner.counts,
            ),
        )

    def _whole(self, kind: int, content: memoryview) -> None:
        if kind == Section.CORE_INSTANCE:
            self._flush_lowers()
        elif kind != Section.TYPE:
            self._flush_lifts()
        cursor = Cursor(content)
        reader = Reader(cursor, self.scope, retype=self._lane)
        cursor.each(reader.entry(kind))
        self.writer.write(kind, cursor.finished())

    def _entries(self, kind: int, content: memoryview) -> None:
        """Rewrite a section's entries one by one, so that others can come between."""
        cursor = Cursor(content)
        reader = Reader(cursor, self.scope, retype=self._lane)
        for _ in range(cursor.number()):
            cursor.begin()
            if kind == Section.ALIAS:
                functions = self.scope.count(FUNC)
                reader.alias()
                if self.scope.count(FUNC) != functions:
                    self._flush_lifts()
                self.writer.write(kind, b"\1" + cursor.taken())
            else:
                self._canon(read_canon(reader), b"\1" + cursor.taken())
        cursor.finished()

    def _canon(self, canon: CanonFunction, content: bytes) -> None:
        self._is_async |= canon.options.is_async
        if self._is_async and not self._tasks:
            raise Unreadable("an asynchronous function, where there are no tasks")
        function = -1 if canon.lifts or canon.function is None else canon.function
        watch = watched(canon, self.scope.labels.get(function, ""), tasks=self._tasks)
        if canon.function is None or canon.known is None or not canon.known.bytes:
            plain = _Plain(content, memory=canon.options.memory, watch=watch)
            if canon.lifts:
                assert canon.function is not None
                self.scope.add(FUNC, canon.known)
                if self._lifts or watch is not None:
                    plain = evolve(plain, function=canon.function, rest=1 + canon.rest)
                    self._lifts.append(plain)
                    return
            else:
                if canon.function is not None:
                    self._flush_lifts()
                if watch is not None:
                    plain = evolve(plain, deferred=self.scope.defer())
                    self._lowers.append(plain)
                    return
                self.scope.add(CORE_FUNC)
            self.writer.write(Section.CANON, content)
            return
        type_, options = canon.known.type, canon.options
        if (
            not isinstance(type_, FuncType)
            or not _can_cross(type_, canon)
            or any(map(has_large, values(type_)))
        ):
            raise Unreadable(f"bytes that cannot be forwarded in {type_}")
        self._area = max(self._area, area(type_))
        self._parts += canon.known.parts
        if self._parts > _PARTS:
            raise Unreadable("too many types")
        crossing = _Crossing(canon.function, type_, options, watch=watch)
        if canon.lifts:
            self.scope.add(FUNC, canon.known)
            self._lifts.append((crossing, canon.type))
        else:
            self._flush_lifts()
            self._lowers.append(evolve(crossing, deferred=self.scope.defer()))

    # What is added.

    def _lane_beside(self, memory: int) -> _Lane:
        """Define the lane's memory beside one of the guest's; return where it is."""
        if memory not in self._lanes:
            place = self.writer.hold()  # until it is known how large results are
            module = self.scope.new(CORE_MODULE)
            guest = self.writer.bundle([("memory", CORE_MEMORY, memory)])
            instance = self.writer.instance(module, {"guest": guest})
            self.scope.grow(Added(instances=1, memories=1))
            self._lanes[memory] = _Lane(
                place,
                instance,
                self.writer.exported(instance, "memory", CORE_MEMORY),
                self.writer.exported(instance, "realloc", CORE_FUNC),
            )
        return self._lanes[memory]

    def _options(self, memory: int) -> bytes:
        """Return options that mean the lane's memory."""
        base = self._lane_beside(memory)
        return b"\0\3" + leb(base.memory) + b"\4" + leb(base.realloc)

    def _flush_lowers(self) -> None:
        """Write the functions that the guest calls.

        They wait until a core instance is defined, which may be given one of them, or
        something else needs the index of one: until then all of them share a module.
        """
        pending, self._lowers = self._lowers, []
        guarded: list[tuple[Watch, int | None, int]] = []
        places: list[int] = []

        def defined(each: _Crossing | _Plain, function: int) -> None:
            if each.watch is None:
                self.scope.settle(each.deferred, function)
                return
            guarded.append((each.watch, _memory(each), function))
            places.append(each.deferred)

        for plain in pending:
            if isinstance(plain, _Plain):
                self.writer.write(Section.CANON, plain.content)
                defined(plain, self.scope.new(CORE_FUNC))
        crossing = [each for each in pending if isinstance(each, _Crossing)]
        for memory, realloc, crossings in _grouped(crossing):
            forwarders = Forwarders(realloc is not None)
            given = []
            for index, each in enumerate(crossings):
                options = b"\3" + self._options(memory)
                self.writer.write(
                    Section.CANON, b"\1\1\0" + leb(each.function) + options
                )
                given.append((f"f{index}", self.scope.new(CORE_FUNC)))
                forwarders.lower(f"f{index}", each.type)
            instance = self._instantiated(forwarders, memory, realloc, given)
            for index, each in enumerate(crossings):
                defined(each, self.writer.exported(instance, f"f{index}", CORE_FUNC))
        for place, function in zip(places, self._counted.watched(guarded), strict=True):
            self.scope.settle(place, function)

    def _flush_lifts(self) -> None:
        """Write the functions that the host calls.

        They share modules likewise. But they are functions of the component, whose
        indices stay what they were: they are written, in their order and with those
        without bytes among them, before anything that adds or names a function.
        """
        pending, self._lifts = self._guarded(self._lifts), []
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
                    done_index = self.writer.exported(
                        instance, f"post-f{index}", CORE_FUNC
                    )
                function = self.writer.exported(instance, f"f{index}", CORE_FUNC)
                ready[id(each)] = function, done_index
        for item in pending:
            if isinstance(item, _Plain):
                self.writer.write(Section.CANON, item.section())
                continue
            crossing, type_ = item
            function, post = ready[id(crossing)]
            assert crossing.options.memory is not None
            options = self._options(crossing.options.memory)
            options = (
                b"\3" + options if post is None else b"\4" + options + b"\5" + leb(post)
            )
            self.writer.write(
                Section.CANON, b"\1\0\0" + leb(function) + options + leb(type_)
            )

    # What looks at values.

    def _guarded(
        self, lifts: Sequence[tuple[_Crossing, int] | _Plain]
    ) -> list[tuple[_Crossing, int] | _Plain]:
        """Put functions that look at values before those that are to be watched."""
        found = [each[0] if isinstance(each, tuple) else each for each in lifts]
        functions = [
            (each.watch, _memory(each), each.function)
            for each in found
            if each.watch is not None
        ]
        ready = iter(self._counted.watched(functions))
        guarded: list[tuple[_Crossing, int] | _Plain] = []
        for each in lifts:
            own = each[0] if isinstance(each, tuple) else each
            function = own.function if own.watch is None else next(ready)
            if isinstance(each, tuple):
                guarded.append((evolve(each[0], function=function), each[1]))
            else:
                guarded.append(evolve(each, function=function))
        return guarded

    def _instantiated(
        self,
        forwarders: Forwarders,
        memory: int,
        realloc: int | None,
        given: Sequence[tuple[str, int]],
    ) -> int:
        """Define the forwarders' module, and return its instance."""
        base = self._lane_beside(memory)
        self.writer.write(Section.CORE_MODULE, assembled(forwarders.text()))
        parts = [("memory", CORE_MEMORY, memory)]
        if realloc is not None:
            parts.append(("realloc", CORE_FUNC, realloc))
        parts += [(name, CORE_FUNC, index) for name, index in given]
        guest, module = self.writer.bundle(parts), self.scope.new(CORE_MODULE)
        self.scope.grow(Added(instances=1))
        return self.writer.instance(module, {"lane": base.instance, "guest": guest})


@frozen
class _Lane:
    """What a component has of the lane."""

    place: int
    """Where the module is to be written."""
    instance: int
    memory: int
    realloc: int


def _memory(each: _Crossing | _Plain) -> int | None:
    """Return the guest's memory in which a function's values lie."""
    return each.memory if isinstance(each, _Plain) else each.options.memory


def _can_cross(type_: FuncType, canon: CanonFunction) -> bool:
    return (
        not type_.is_async and canon.options.plain and canon.options.memory is not None
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
