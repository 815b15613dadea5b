"""Make a guest hand over bytes as they lie in its memory.

Between two components a ``list<u8>`` is copied byte by byte, by code that is charged
fuel for each; a string of latin1 is copied at once. So in the guest's binary each
``list<u8>`` becomes a ``string``, and every function that has one says that its strings
are latin1. No byte is looked at on the way then. On the other side the outer component
knows which of these strings are text, and says so to the host.

Nothing is added or moved, so all indices stay what they are. Which functions have bytes
is worked out along the way, so types are read as a validator would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NoReturn, TypeAlias

from attrs import Factory, define, frozen

from .binary import COMPONENT, HEAD, NESTED, leb, sections

__all__ = ("Unreadable", "verbatim")

_INSTANCE, _ALIAS, _TYPE, _CANON, _IMPORT, _EXPORT = 5, 6, 7, 8, 10, 11
_DEPTH: Final = 100
_U8: Final = 0x7D
_STRING: Final = b"\x73"
_UTF8, _UTF16, _LATIN1, _MEMORY, _REALLOC, _POST_RETURN = range(6)
_SORT_FUNC, _SORT_TYPE, _SORT_INSTANCE = 1, 3, 5


class Unreadable(ValueError):
    """A component with parts that are not known here."""


@frozen
class _Known:
    """What is known of a type, a function or an instance."""

    is_u8: bool = False
    bytes: bool = False
    """Whether there is a ``list<u8>`` in it."""
    exports: Mapping[str, _Known] | None = None
    """What an instance, or an instance of this type, exports."""


_PLAIN: Final = _Known()
_Maybe: TypeAlias = _Known | None
"""None: it comes from where nobody looked."""


@define
class _Scope:
    """The index spaces of a component, or of a type of one, as far as they were read."""

    outside: _Scope | None = None
    spaces: Mapping[int, list[_Maybe]] = Factory(
        lambda: {_SORT_FUNC: [], _SORT_TYPE: [], _SORT_INSTANCE: []}
    )
    exports: dict[str, _Known] = Factory(dict)

    def add(self, sort: int, known: _Maybe) -> None:
        if sort in self.spaces:
            self.spaces[sort].append(known)

    def find(self, sort: int, index: int) -> _Maybe:
        space = self.spaces.get(sort)
        if space is None:
            return None
        if index >= len(space):
            raise Unreadable("an index of what is not there")
        return space[index]


def verbatim(guest: bytes) -> bytes:
    """Return a component whose bytes cross as latin1 strings.

    Raises:
        Unreadable: It has async functions, strings in UTF-16 beside bytes, functions of
            unknown types, or is malformed.
    """
    return b"".join(_component(memoryview(guest), None, 0))


def _component(
    binary: memoryview, outside: _Scope | None, depth: int
) -> Iterator[bytes | memoryview]:
    if bytes(binary[:HEAD]) != COMPONENT or depth > _DEPTH:
        raise Unreadable("not a component")
    yield binary[:HEAD]
    scope = _Scope(outside)
    for kind, start, begin, end in sections(binary, HEAD):
        if kind == NESTED:
            inner = b"".join(_component(binary[begin:end], scope, depth + 1))
            yield from _section(kind, inner)
        elif kind in {_INSTANCE, _ALIAS, _TYPE, _CANON, _IMPORT, _EXPORT}:
            yield from _section(kind, _Reader(binary[begin:end], scope).rewritten(kind))
        else:
            yield binary[start:end]


def _section(kind: int, content: bytes) -> Iterator[bytes]:
    yield bytes((kind,)) + leb(len(content))
    yield content


def _unknown(what: str, code: int) -> NoReturn:
    raise Unreadable(f"{what} of code {code:#x}")


@define
class _Reader:
    """Reads a section and writes it again, with other types and options.

    See the binary format of the Component Model (design/mvp/Binary.md) for the grammar.
    """

    _binary: memoryview
    _scope: _Scope
    _at: int = 0
    _kept: int = 0
    """Where the part begins that is not written yet."""
    _out: list[bytes | memoryview] = Factory(list)

    def rewritten(self, kind: int) -> bytes:
        """Return the section's new content."""
        read: dict[int, Callable[[], object]] = {
            _INSTANCE: self.instance,
            _ALIAS: self.alias,
            _TYPE: self.type,
            _CANON: self.canon,
            _IMPORT: self.import_,
            _EXPORT: self.export,
        }
        self.each(read[kind])
        if self._at != len(self._binary):
            raise Unreadable("a section is longer than what is in it")
        self._out.append(self._binary[self._kept :])
        return b"".join(self._out)

    def replace(self, start: int, new: bytes, end: int) -> None:
        """Write something else for what was read from one offset to another."""
        self._out += (self._binary[self._kept : start], new)
        self._kept = end

    # Bytes, numbers, names.

    def byte(self) -> int:
        if self._at >= len(self._binary):
            raise Unreadable("a section is cut off")
        self._at += 1
        return self._binary[self._at - 1]

    def number(self) -> int:
        number = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise Unreadable("a number is too long")

    def each(self, read: Callable[[], object]) -> None:
        for _ in range(self.number()):
            read()

    def any(self, read: Callable[[], bool]) -> bool:
        """Read all, and tell whether one of them has bytes."""
        found = [read() for _ in range(self.number())]
        return True in found

    def name(self) -> str:
        size = self.number()
        self._at += size
        if self._at > len(self._binary):
            raise Unreadable("a name is cut off")
        return bytes(self._binary[self._at - size : self._at]).decode(errors="replace")

    def extern_name(self) -> str:
        if (code := self.byte()) not in {0, 1}:
            _unknown("a name", code)
        return self.name()

    # Types.

    def type(self) -> None:
        """Read a definition, of a value's type, a function's or an instance's."""
        start, code = self._at, self.byte()
        exports = None
        has_bytes = False
        match code:
            case 0x40 | 0x43:
                has_bytes = self.any(self.labelled)
                if self.byte() == 0:
                    has_bytes |= self.value_type()
                elif self.byte() != 0:
                    raise Unreadable("several results")
            case 0x41 | 0x42:
                exports = self.nested(components=code == 0x41)
            case 0x3F:
                self.byte()
                if self.byte():
                    self.number()
            case 0x70:
                has_bytes = self.listed(start)
            case _:
                has_bytes = self.defined(code)
        self._scope.add(_SORT_TYPE, _Known(code == _U8, has_bytes, exports))

    def listed(self, start: int) -> bool:
        """Read the element of a list; a list of u8 becomes a string."""
        element = self.value()
        if element.is_u8:
            self.replace(start, _STRING, self._at)
        return element.is_u8 or element.bytes

    def defined(self, code: int) -> bool:
        match code:
            case 0x72:
                return self.any(self.labelled)
            case 0x71:
                return self.any(self.case)
            case 0x6F:
                return self.any(self.value_type)
            case 0x6E | 0x6D:
                self.each(self.name)
            case 0x6B:
                return self.value_type()
            case 0x6A:
                ok = self.optional()
                return self.optional() or ok
            case 0x69 | 0x68:
                self.number()
            case 0x66 | 0x65:
                return self.optional()
            case 0x63:
                key = self.value_type()
                return self.value_type() or key
            case _ if not 0x73 <= code <= 0x7F:
                _unknown("a type", code)
        return False

    def value(self) -> _Known:
        """Read a primitive type or the index of one."""
        code = self.byte()
        if code & 0xC0 == 0x40:
            return _Known(is_u8=code == _U8)
        self._at -= 1
        known = self._scope.find(_SORT_TYPE, self.number())
        if known is None:
            raise Unreadable("a type of another component")
        return known

    def value_type(self) -> bool:
        return self.value().bytes

    def optional(self) -> bool:
        return bool(self.byte()) and self.value_type()

    def labelled(self) -> bool:
        self.name()
        return self.value_type()

    def case(self) -> bool:
        self.name()
        has_bytes = self.optional()
        if self.byte():
            raise Unreadable("a case that refines another")
        return has_bytes

    def nested(self, *, components: bool) -> Mapping[str, _Known]:
        """Read the type of an instance or a component, which has types of its own."""
        outside = self._scope
        inner = self._scope = _Scope(outside)
        self.each(lambda: self.part(imports=components))
        self._scope = outside
        return inner.exports

    def part(self, *, imports: bool) -> None:
        match self.byte():
            case 1:
                self.type()
            case 2:
                self.alias()
            case 3 if imports:
                self.import_()
            case 4:
                name, known = self.import_()
                if known is not None:
                    self._scope.exports[name] = known
            case code:
                _unknown("a part of a type", code)

    # Imports, exports, aliases, instances.

    def import_(self) -> tuple[str, _Maybe]:
        """Read an import, or an export within a type: a name and what it stands for."""
        name = self.extern_name()
        sort, known = self.described()
        self._scope.add(sort, known)
        return name, known

    def described(self) -> tuple[int, _Maybe]:
        match self.byte():
            case 0:
                self.byte()
                self.number()
                return 0, None
            case 2:
                if self.byte():
                    self.value_type()
                else:
                    self.number()
                return 2, None
            case 3:
                if self.byte():
                    return _SORT_TYPE, _PLAIN
                return _SORT_TYPE, self._scope.find(_SORT_TYPE, self.number())
            case (1 | 5) as sort:
                return sort, self._scope.find(_SORT_TYPE, self.number())
            case 4:
                self.number()
                return 4, None
            case code:
                _unknown("an import", code)

    def export(self) -> None:
        self.extern_name()
        sort, known = self.pointed()
        if self.byte():
            self.described()
        self._scope.add(sort, known)

    def pointed(self) -> tuple[int, _Maybe]:
        """Read a sort and an index."""
        sort = self.sort()
        return sort, self._scope.find(sort, self.number())

    def sort(self) -> int:
        sort = self.byte()
        return 0x100 + self.byte() if sort == 0 else sort

    def alias(self) -> None:
        sort = self.sort()
        match self.byte():
            case 0:
                instance = self._scope.find(_SORT_INSTANCE, self.number())
                exports = instance.exports if instance is not None else None
                name = self.name()
                self._scope.add(sort, None if exports is None else exports.get(name))
            case 1:
                self.number()
                self.name()
            case 2:
                scope: _Scope | None = self._scope
                for _ in range(self.number()):
                    scope = None if scope is None else scope.outside
                if scope is None:
                    raise Unreadable("an alias of what is not there")
                self._scope.add(sort, scope.find(sort, self.number()))
            case code:
                _unknown("an alias", code)

    def instance(self) -> None:
        match self.byte():
            case 0:
                self.number()
                self.each(lambda: (self.name(), self.pointed()))
                self._scope.add(_SORT_INSTANCE, None)
            case 1:
                exports = {}
                for _ in range(self.number()):
                    name = self.extern_name()
                    _, known = self.pointed()
                    if known is not None:
                        exports[name] = known
                self._scope.add(_SORT_INSTANCE, _Known(exports=exports))
            case code:
                _unknown("an instance", code)

    # Canonical functions.

    def canon(self) -> None:
        match self.byte():
            case 0:
                self.byte()
                self.number()
                start = self._at
                options = self.options()
                end = self._at
                known = self._scope.find(_SORT_TYPE, self.number())
                self._scope.add(_SORT_FUNC, known)
                self.latin1(known, start, end, options)
            case 1:
                self.byte()
                known = self._scope.find(_SORT_FUNC, self.number())
                start = self._at
                options = self.options()
                self.latin1(known, start, self._at, options)
            case 2 | 3 | 4:
                self.number()
            case code:
                _unknown("a canonical function", code)

    def options(self) -> list[tuple[int, bytes]]:
        """Read the options of a function: their codes, and all of each."""
        found = []
        for _ in range(self.number()):
            start, code = self._at, self.byte()
            if code in {_MEMORY, _REALLOC, _POST_RETURN}:
                self.number()
            elif code not in {_UTF8, _UTF16, _LATIN1}:
                _unknown("an option", code)
            found.append((code, bytes(self._binary[start : self._at])))
        return found

    def latin1(
        self, known: _Maybe, start: int, end: int, options: list[tuple[int, bytes]]
    ) -> None:
        """Let a function with bytes say that its strings are latin1."""
        if known is None:
            raise Unreadable("a function of another component")
        if not known.bytes:
            return
        if any(code in {_UTF16, _LATIN1} for code, _ in options):
            raise Unreadable("strings that are not UTF-8 beside bytes")
        kept = [option for code, option in options if code != _UTF8]
        kept.append(bytes((_LATIN1,)))
        self.replace(start, leb(len(kept)) + b"".join(kept), end)
