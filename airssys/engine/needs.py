"""Tell from a component's binary what each instance of it needs from the start.

wasmtime counts that when it makes an instance. Whoever checks a component wants to know
before. What comes from outside, or cannot be followed, is not counted: so a component
needs at least what is said here. Where something is not counted, that is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial, reduce

from attrs import Factory, define, frozen

from ..core.limits import PAGE, Limits
from ..core.units import show_size
from .lane.binary import HEAD, Section, sections
from .lane.cursor import Cursor, unknown

__all__ = ("UNKNOWN", "Needs", "needs_of")

_TYPE, _TABLE, _MEMORY = 1, 4, 5
"""Sections of a core module."""
_MAXIMUM, _CUSTOM_PAGE = 1, 8
"""Bits that say what there is to a memory or table beside its least size."""
_REFERENCES = (0x63, 0x64)
"""What types of references begin with that name what they refer to."""
_INITIAL = 0x40
"""What a table begins with that says what is in it."""
_MODULE, _COMPONENT = 0x11, 4
"""The sorts of core modules, after the byte for core definitions, and of components."""
_COLLECTED = re.compile(rb"[\x4e\x4f\x50\x5e\x5f]")
"""How types of structs and arrays begin, and groups of types, and what they extend.

The bytes mean other things too, such as a function's eighty parameters. Where one is
taken for a struct, the memories' shares are smaller than they could be, and no more.
"""
_DEPTH = 100
"""Components in components; wasmtime takes no more."""


@frozen
class Needs:
    """What an instance has from the start."""

    memories: int = 0
    tables: int = 0
    instances: int = 0
    """Core instances."""
    memory: int = 0
    """Bytes of the largest memory."""
    table_elements: int = 0
    """Of the largest table."""
    collects: bool = False
    """Whether it may have a heap of what is collected, which is one more memory."""
    known: bool = True
    """Whether all is counted."""

    def __add__(self, other: Needs) -> Needs:
        return Needs(
            self.memories + other.memories,
            self.tables + other.tables,
            self.instances + other.instances,
            max(self.memory, other.memory),
            max(self.table_elements, other.table_elements),
            self.collects or other.collects,
            self.known and other.known,
        )

    def sharing(self, limits: Limits, added: int) -> int:
        """Return how many memories share `Limits.total_memory`, at the most.

        Args:
            limits: What an instance may use.
            added: Memories that airssys puts into it.
        """
        if not self.known:
            return limits.memories + 1 + added
        return min(self.memories, limits.memories) + self.collects + added

    def beyond(self, limits: Limits, added: int = 0) -> Iterator[tuple[str, str]]:
        """Say which limits make each instance fail, and why.

        Args:
            limits: What an instance may use.
            added: Memories that airssys puts into it.
        """
        for key, one in (
            ("memories", "linear memories"),
            ("tables", "tables"),
            ("instances", "core instances"),
        ):
            count, most = getattr(self, key), getattr(limits, key)
            if count > most:
                words = f"it has {count} {one}: say {key} = {count}, or more"
                yield key, f"{words} (limit: {key} = {most})"
        if self.memory > limits.memory:
            size, most = show_size(self.memory), show_size(limits.memory)
            words = f"a memory of it has {size} from the start"
            yield "memory", f'{words}: say memory = "{size}", or more (limit: {most})'
        elif self.memory > limits.share(count := self.sharing(limits, added)):
            size, total = show_size(self.memory), show_size(limits.total_memory)
            enough = show_size(self.memory * count)
            words = f"a memory of it has {size} from the start, and {count} share"
            say = f'say total_memory = "{enough}", or more (limit: {total})'
            yield "total_memory", f"{words} total_memory: {say}"
        if self.table_elements > (most := limits.table_elements):
            count = self.table_elements
            words = f"a table of it has {count:_} elements from the start"
            yield "table_elements", f"{words} (limit: {most:_})"


NOTHING = Needs()
UNKNOWN = Needs(known=False)


def needs_of(guest: bytes) -> Needs:
    """Return what an instance of a component needs.

    Raises:
        ValueError: The component is malformed, or has what is not known here.
    """
    return _Reading().read(memoryview(guest), 0)


@define
class _Reading:
    """A component that is read, and what can be instantiated in it, by index."""

    outside: _Reading | None = None
    modules: list[Needs] = Factory(list)
    components: list[Needs] = Factory(list)
    total: Needs = NOTHING

    def read(self, binary: memoryview, depth: int) -> Needs:
        if depth > _DEPTH:
            raise ValueError("too many components in components")
        entries: dict[int, Callable[[Cursor], None]] = {
            Section.CORE_INSTANCE: self._core_instance,
            Section.INSTANCE: self._instance,
            Section.ALIAS: self._alias,
            Section.IMPORT: self._import,
            Section.EXPORT: self._export,
        }
        for kind, _, begin, end in sections(binary, HEAD):
            content = binary[begin:end]
            if kind == Section.CORE_MODULE:
                self.modules.append(_module(content))
            elif kind == Section.COMPONENT:
                inner = _Reading(self)
                self.components.append(inner.read(content, depth + 1))
            elif kind in entries:
                cursor = Cursor(content)
                cursor.each(partial(entries[kind], cursor))
        return self.total

    def _core_instance(self, cursor: Cursor) -> None:
        if cursor.byte():
            for _ in range(cursor.number()):
                cursor.name()
                cursor.byte()
                cursor.number()
            return
        self.total += _at(self.modules, cursor.number()) + Needs(instances=1)
        for _ in range(cursor.number()):
            cursor.name()
            cursor.byte()
            cursor.number()

    def _instance(self, cursor: Cursor) -> None:
        if cursor.byte():
            for _ in range(cursor.number()):
                cursor.extern_name()
                _pointed(cursor)
            return
        self.total += _at(self.components, cursor.number())
        for _ in range(cursor.number()):
            cursor.name()
            _pointed(cursor)

    def _alias(self, cursor: Cursor) -> None:
        sort = _sort(cursor)
        found = UNKNOWN
        if cursor.byte() == 2:
            scope: _Reading | None = self
            for _ in range(cursor.number()):
                scope = scope and scope.outside
            index = cursor.number()
            known = scope and scope.space(sort)
            found = _at(known, index) if known else UNKNOWN
        else:
            cursor.number()
            cursor.name()
        self._add(sort, found)

    def _import(self, cursor: Cursor) -> None:
        cursor.extern_name()
        match _described(cursor):
            case 0:
                self._add((0, _MODULE), UNKNOWN)
            case sort:
                self._add((sort, 0), UNKNOWN)

    def _export(self, cursor: Cursor) -> None:
        cursor.extern_name()
        sort, index = _pointed(cursor)
        if cursor.byte():
            _described(cursor)
        known = self.space(sort)
        self._add(sort, _at(known, index) if known else UNKNOWN)

    def space(self, sort: tuple[int, int]) -> list[Needs] | None:
        """Return what there is of a sort, where it can be instantiated."""
        if sort == (0, _MODULE):
            return self.modules
        return self.components if sort == (_COMPONENT, 0) else None

    def _add(self, sort: tuple[int, int], found: Needs) -> None:
        known = self.space(sort)
        if known is not None:
            known.append(found)


def _at(known: list[Needs], index: int) -> Needs:
    if index >= len(known):
        raise ValueError("something is instantiated that is not there")
    return known[index]


def _sort(cursor: Cursor) -> tuple[int, int]:
    sort = cursor.byte()
    return sort, cursor.byte() if sort == 0 else 0


def _pointed(cursor: Cursor) -> tuple[tuple[int, int], int]:
    return _sort(cursor), cursor.number()


def _described(cursor: Cursor) -> int:
    """Pass what an import is, and return its sort."""
    match cursor.byte():
        case 0:
            cursor.byte()
            cursor.number()
            return 0
        case 3:
            if not cursor.byte():
                cursor.number()
            return 3
        case (1 | 4 | 5) as sort:
            cursor.number()
            return sort
        case code:
            raise unknown("an import", code)


# --- core modules -----------------------------------------------------------------


def _module(binary: memoryview) -> Needs:
    found = NOTHING
    for kind, _, begin, end in sections(binary, HEAD):
        if kind == _TYPE:
            cursor = Cursor(binary[begin:end])
            cursor.number()
            if _COLLECTED.search(binary, begin + cursor.at, end):
                found += Needs(collects=True)
        elif kind == _MEMORY:
            sizes = tuple(_memories(Cursor(binary[begin:end])))
            found += Needs(memories=len(sizes), memory=max(sizes, default=0))
        elif kind == _TABLE:
            cursor = Cursor(binary[begin:end])
            count = cursor.number()
            most = max(_tables(cursor, count), default=0)
            found += Needs(tables=count, table_elements=most)
    return found


def _memories(cursor: Cursor) -> Iterator[int]:
    for _ in range(cursor.number()):
        bounds = cursor.byte()
        least = _large(cursor)
        if bounds & _MAXIMUM:
            _large(cursor)
        yield least << cursor.number() if bounds & _CUSTOM_PAGE else least * PAGE


def _tables(cursor: Cursor, count: int) -> Iterator[int]:
    for _ in range(count):
        kind = cursor.byte()
        if kind == _INITIAL:
            return  # what is in it is code, which is not read here
        if kind in _REFERENCES:
            _large(cursor)
        bounds = cursor.byte()
        yield _large(cursor)
        if bounds & _MAXIMUM:
            _large(cursor)


def _large(cursor: Cursor) -> int:
    """Read a number of up to 64 bits."""
    parts = []
    while (byte := cursor.byte()) & 0x80:
        parts.append(byte & 0x7F)
    return reduce(lambda number, part: number << 7 | part, reversed(parts), byte)
