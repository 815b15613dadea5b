"""Make a guest hand over bytes and strings as they lie in its memory.

Between two components a ``list<u8>`` is copied byte by byte, by code that is charged
fuel for each; a string of latin1 is copied at once. So in the guest's binary each
``list<u8>`` becomes a ``string``, and every function says that its strings are latin1.
No byte is looked at on the way then. On the other side the outer component knows which
of these strings are text, and says so to the host.

Nothing is added or moved, so all indices stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from attrs import Factory, define

from .binary import COMPONENT, HEAD, NESTED, leb, sections

__all__ = ("Unreadable", "verbatim")

_ALIAS, _TYPE, _CANON, _IMPORT, _EXPORT = 6, 7, 8, 10, 11
_DEPTH: Final = 100
_U8: Final = 0x7D
_STRING: Final = b"\x73"
_UTF8, _UTF16, _LATIN1, _MEMORY, _REALLOC, _POST_RETURN = range(6)
_SORT_TYPE: Final = 3


class Unreadable(ValueError):
    """A component with parts that are not known here."""


def verbatim(guest: bytes) -> bytes:
    """Return a component whose bytes and strings cross as latin1 strings.

    Raises:
        Unreadable: It has async functions, strings in UTF-16, or is malformed.
    """
    return b"".join(_component(memoryview(guest), 0))


def _component(binary: memoryview, depth: int) -> Iterator[bytes | memoryview]:
    if bytes(binary[:HEAD]) != COMPONENT or depth > _DEPTH:
        raise Unreadable("not a component")
    yield binary[:HEAD]
    types: list[bool] = []
    for kind, start, begin, end in sections(binary, HEAD):
        if kind == NESTED:
            yield from _section(
                kind, b"".join(_component(binary[begin:end], depth + 1))
            )
        elif kind in {_ALIAS, _TYPE, _CANON, _IMPORT, _EXPORT}:
            reader = _Reader(binary[begin:end], types)
            yield from _section(kind, reader.rewritten(kind))
        else:
            yield binary[start:end]


def _section(kind: int, content: bytes) -> Iterator[bytes]:
    yield bytes((kind,)) + leb(len(content))
    yield content


@define
class _Reader:
    """Reads a section and writes it again, with other types and options.

    See the binary format of the Component Model (design/mvp/Binary.md) for the grammar.
    """

    _binary: memoryview
    _types: list[bool]
    """The types so far, where they are read: whether each is u8."""
    _at: int = 0
    _kept: int = 0
    """Where the part begins that is not written yet."""
    _out: list[bytes | memoryview] = Factory(list)

    def rewritten(self, kind: int) -> bytes:
        """Return the section's new content."""
        read = {
            _ALIAS: self.alias,
            _TYPE: self.type,
            _CANON: self.canon,
            _IMPORT: self.import_,
            _EXPORT: self.export,
        }[kind]
        self.each(read)
        if self._at != len(self._binary):
            raise Unreadable("a section is longer than what is in it")
        self._out.append(self._binary[self._kept :])
        return b"".join(self._out)

    def replace(self, start: int, new: bytes) -> None:
        """Write something else for what was read since an offset."""
        self._out += (self._binary[self._kept : start], new)
        self._kept = self._at

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

    def name(self) -> None:
        size = self.number()
        self._at += size
        if self._at > len(self._binary):
            raise Unreadable("a name is cut off")

    def extern_name(self) -> None:
        if self.byte() not in {0, 1}:
            raise Unreadable("a name of a later version")
        self.name()

    # Types.

    def type(self) -> None:
        """Read the definition of a type, of a value's, a function's or an instance's."""
        start, code = self._at, self.byte()
        is_u8 = code == _U8
        match code:
            case 0x40 | 0x43:
                self.each(self.labelled)
                if self.byte() == 0:
                    self.value_type()
                elif self.byte() != 0:
                    raise Unreadable("several results")
            case 0x41 | 0x42:
                self.nested(components=code == 0x41)
            case 0x3F:
                self.byte()
                if self.byte():
                    self.number()
            case 0x70:
                if self.value_type():
                    self.replace(start, _STRING)
            case _:
                self.defined(code)
        self._types.append(is_u8)

    def defined(self, code: int) -> None:
        match code:
            case 0x72:
                self.each(self.labelled)
            case 0x71:
                self.each(self.case)
            case 0x6F:
                self.each(self.value_type)
            case 0x6E | 0x6D:
                self.each(self.name)
            case 0x6B:
                self.value_type()
            case 0x6A:
                self.optional()
                self.optional()
            case 0x69 | 0x68:
                self.number()
            case 0x66 | 0x65:
                self.optional()
            case 0x63:
                self.value_type()
                self.value_type()
            case _ if not 0x73 <= code <= 0x7F:
                raise Unreadable(f"a type of code {code:#x}")

    def value_type(self) -> bool:
        """Read a primitive type or the index of one; tell whether it is u8."""
        code = self.byte()
        if code & 0xC0 == 0x40:
            return code == _U8
        self._at -= 1
        index = self.number()
        return index < len(self._types) and self._types[index]

    def optional(self) -> None:
        if self.byte():
            self.value_type()

    def labelled(self) -> None:
        self.name()
        self.value_type()

    def case(self) -> None:
        self.labelled_optional()
        if self.byte():
            raise Unreadable("a case that refines another")

    def labelled_optional(self) -> None:
        self.name()
        self.optional()

    def nested(self, *, components: bool) -> None:
        """Read the type of an instance or a component, which has types of its own."""
        outside, self._types = self._types, []
        self.each(self.import_or_part if components else self.part)
        self._types = outside

    def import_or_part(self) -> None:
        self.part(imports=True)

    def part(self, *, imports: bool = False) -> None:
        match self.byte():
            case 3 if imports:
                self.import_()
            case 1:
                self.type()
            case 2:
                self.alias()
            case 4:
                self.import_()
            case code:
                raise Unreadable(f"a part of a type of code {code:#x}")

    # Imports, exports, aliases.

    def import_(self) -> None:
        """Read an import, or an export within a type: a name and what it stands for."""
        self.extern_name()
        self.described()

    def export(self) -> None:
        self.extern_name()
        sort = self.sort()
        self.number()
        if self.byte():
            self.described()
        elif sort == _SORT_TYPE:
            self._types.append(False)

    def described(self) -> None:
        match self.byte():
            case 0:
                self.byte()
                self.number()
            case 2:
                if self.byte():
                    self.value_type()
                else:
                    self.number()
            case 3:
                if not self.byte():
                    self.number()
                self._types.append(False)
            case 1 | 4 | 5:
                self.number()
            case code:
                raise Unreadable(f"an import of code {code:#x}")

    def sort(self) -> int:
        sort = self.byte()
        if sort == 0:
            return 0x100 + self.byte()
        return sort

    def alias(self) -> None:
        sort = self.sort()
        match self.byte():
            case 0 | 1:
                self.number()
                self.name()
            case 2:
                self.number()
                self.number()
            case code:
                raise Unreadable(f"an alias of code {code:#x}")
        if sort == _SORT_TYPE:
            self._types.append(False)

    # Canonical functions.

    def canon(self) -> None:
        match self.byte():
            case 0:
                self.byte()
                self.number()
                self.options()
                self.number()
            case 1:
                self.byte()
                self.number()
                self.options()
            case 2 | 3 | 4:
                self.number()
            case code:
                raise Unreadable(f"a canonical function of code {code:#x}")

    def options(self) -> None:
        start, count, kept = self._at, self.number(), []
        for _ in range(count):
            option, code = self._at, self.byte()
            if code in {_MEMORY, _REALLOC, _POST_RETURN}:
                self.number()
                kept.append(bytes(self._binary[option : self._at]))
            elif code != _UTF8:
                raise Unreadable(f"an option of code {code:#x}")
        kept.append(bytes((_LATIN1,)))
        self.replace(start, leb(len(kept)) + b"".join(kept))
