"""Cut and join the binaries of components."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final

from attrs import define

__all__ = (
    "HEAD",
    "PREAMBLE",
    "Section",
    "leb",
    "may_need_lane",
    "sections",
    "skeleton",
)

PREAMBLE: Final = b"\0asm\x0d\0\1\0"
_MODULE: Final = b"\0asm\1\0\0\0"
HEAD: Final = 8
_DEPTH: Final = 100
"""Components in components; wasmtime takes no more."""


class Section(IntEnum):
    """The kinds of a component's sections."""

    CUSTOM = 0
    CORE_MODULE = 1
    CORE_INSTANCE = 2
    CORE_TYPE = 3
    COMPONENT = 4
    INSTANCE = 5
    ALIAS = 6
    TYPE = 7
    CANON = 8
    START = 9
    IMPORT = 10
    EXPORT = 11


_TYPES: Final = tuple(bytes((code,)) for code in b"\x70\x73\x63\x3f\x69\x68\x66\x65")
"""How lists, strings, maps, resources, handles, streams and futures are written."""
_CANONS: Final = (b"\x1f", b"\6")
"""The canonical function that makes a set of tasks, and the option of those that make
tasks."""
_IMPORT, _FUNCTION, _TABLE, _GLOBAL, _EXPORT, _CODE = 2, 3, 4, 6, 7, 10
_IDLE: Final = {0, 8, 9, 11, 12}
"""Sections of a core module that a skeleton does without: names and the like, the start
function, elements of tables, data."""
_FUNC: Final = 0
"""The kind of an exported function."""
_REF_FUNC, _END = 0xD2, 0x0B
"""The instructions that refer to a function, and that end an expression."""
_CONSTANT: Final = {
    **dict.fromkeys((0x23, 0x41, 0x42, 0xD0), True),
    **dict.fromkeys((0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E), False),
}
"""Instructions of constants that refer to no function, and whether a number follows."""
_BODY: Final = b"\3\0\0\x0b"
"""A function's body: its size, no locals, ``unreachable``, ``end``."""


def may_need_lane(guest: bytes) -> bool:
    """Tell whether there may be lists, texts, resources or handles in a component.

    A quick look at the binary: no if there are none.
    """
    looked_for = {Section.TYPE: _TYPES, Section.CANON: _CANONS}
    for kind, _, begin, end in sections(memoryview(guest), HEAD):
        part = bytes(guest[begin:end]) if kind in looked_for else b""
        if kind == Section.COMPONENT or any(
            code in part for code in looked_for.get(Section(kind), ())
        ):
            return True
    return False


def skeleton(guest: bytes) -> bytes:
    """Return a component of the same type that can do nothing.

    The functions of its core modules trap, and there are no data: it compiles quickly,
    so that the types can be read before the component itself is compiled.

    Raises:
        ValueError: The component is malformed.
    """
    return b"".join(_component(memoryview(guest), 0))


def _component(binary: memoryview, depth: int) -> Iterator[bytes | memoryview]:
    if bytes(binary[:HEAD]) != PREAMBLE:
        raise ValueError("not a component")
    if depth > _DEPTH:
        raise ValueError("too many components in components")
    yield binary[:HEAD]
    for kind, start, begin, end in sections(binary, HEAD):
        if kind in {Section.CORE_MODULE, Section.COMPONENT}:
            inner = binary[begin:end]
            parts = (
                list(_module(inner))
                if kind == Section.CORE_MODULE
                else list(_component(inner, depth + 1))
            )
            yield bytes((kind,)) + leb(sum(map(len, parts)))
            yield from parts
        elif kind != Section.CUSTOM:
            yield binary[start:end]


def _module(binary: memoryview) -> Iterator[bytes | memoryview]:
    if bytes(binary[:HEAD]) != _MODULE:
        raise ValueError("not a core module")
    yield binary[:HEAD]
    found = {kind: (begin, end) for kind, _, begin, end in sections(binary, HEAD)}
    functions = _Functions.read(binary, found)
    for kind, start, begin, end in sections(binary, HEAD):
        if kind == _FUNCTION:
            yield from _section(kind, functions.types())
        elif kind == _CODE:
            bodies = leb(len(functions.kept)) + _BODY * len(functions.kept)
            yield from _section(kind, bodies)
        elif kind == _EXPORT:
            yield from _section(kind, b"".join(functions.exports(binary, begin, end)))
        elif kind not in _IDLE:
            yield binary[start:end]


def _section(kind: int, content: bytes) -> Iterator[bytes]:
    yield bytes((kind,)) + leb(len(content))
    yield content


@define
class _Functions:
    """The functions of a core module of which a skeleton has any."""

    kept: dict[int, int]
    """The types of the functions that others can see, by their old indices."""
    _indices: dict[int, int]
    """New indices by old ones; what is not there stays what it is."""

    @classmethod
    def read(
        cls, binary: memoryview, found: Mapping[int, tuple[int, int]]
    ) -> _Functions:
        """Read them from a module's sections.

        To compile a large guest's functions takes a second even where all they do is
        to trap, so only those stay that are exported, or that other parts of the module
        refer to, perhaps.
        """
        first = _imported(binary, *found.get(_IMPORT, (0, 0)))
        types = dict(enumerate(_numbers(binary, *found.get(_FUNCTION, (0, 0))), first))
        if _mentioned(binary, found):
            return cls(types, {})
        exported = {
            index
            for *_, kind, index, _ in _exported(binary, *found.get(_EXPORT, (0, 0)))
            if kind == _FUNC
        }
        kept = {index: type_ for index, type_ in types.items() if index in exported}
        return cls(kept, {old: new for new, old in enumerate(kept, first)})

    def types(self) -> bytes:
        """Return the content of the section of functions."""
        return leb(len(self.kept)) + b"".join(map(leb, self.kept.values()))

    def exports(
        self, binary: memoryview, begin: int, end: int
    ) -> Iterator[bytes | memoryview]:
        """Yield the content of the section of exports."""
        _, at = _number(binary, begin, end)
        yield binary[begin:at]
        for start, name_end, kind, index, _ in _exported(binary, begin, end):
            new = self._indices.get(index, index) if kind == _FUNC else index
            yield binary[start:name_end]
            yield bytes((kind,)) + leb(new)


def _mentioned(binary: memoryview, found: Mapping[int, tuple[int, int]]) -> bool:
    """Tell whether tables or globals may begin with a reference to a function."""
    begin, end = found.get(_TABLE, (0, 0))
    if _REF_FUNC in bytes(binary[begin:end]):
        return True
    at, end = found.get(_GLOBAL, (0, 0))
    if at == end:
        return False
    count, at = _number(binary, at, end)
    for _ in range(count):
        at = _past_type(binary, at, end) + 1
        while (code := _byte(binary, at, end)) != _END:
            if code not in _CONSTANT:
                return True
            at = _past_number(binary, at + 1, end) if _CONSTANT[code] else at + 1
        at += 1
    return False


def _numbers(binary: memoryview, at: int, end: int) -> Iterator[int]:
    """Yield a list of numbers."""
    if at < end:
        count, at = _number(binary, at, end)
        for _ in range(count):
            number, at = _number(binary, at, end)
            yield number


def _exported(
    binary: memoryview, at: int, end: int
) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield each export: where it and its name's end are, kind, index, its end."""
    if at < end:
        count, at = _number(binary, at, end)
        for _ in range(count):
            start = at
            name = _past_name(binary, at, end)
            kind = _byte(binary, name, end)
            index, at = _number(binary, name + 1, end)
            yield start, name, kind, index, at


def _imported(binary: memoryview, at: int, end: int) -> int:
    """Return how many functions a module imports."""
    functions = 0
    if at < end:
        count, at = _number(binary, at, end)
        for _ in range(count):
            at = _past_name(binary, _past_name(binary, at, end), end)
            kind = _byte(binary, at, end)
            at += 1
            match kind:
                case 0:
                    functions += 1
                    _, at = _number(binary, at, end)
                case 1:
                    at = _past_limits(binary, _past_type(binary, at, end), end)
                case 2:
                    at = _past_limits(binary, at, end)
                case 3:
                    at = _past_type(binary, at, end) + 1
                case 4:
                    _, at = _number(binary, at + 1, end)
                case _:
                    raise ValueError("an import of an unknown kind")
    return functions


def _byte(binary: memoryview, at: int, end: int) -> int:
    if at >= end:
        raise ValueError("a section is cut off")
    return binary[at]


def _past_name(binary: memoryview, at: int, end: int) -> int:
    size, at = _number(binary, at, end)
    return at + size


def _past_type(binary: memoryview, at: int, end: int) -> int:
    """Skip a value's type, which may be a reference to something by its number."""
    if _byte(binary, at, end) in {0x63, 0x64}:
        return _number(binary, at + 1, end)[1]
    return at + 1


def _past_limits(binary: memoryview, at: int, end: int) -> int:
    """Skip the limits of a memory or table: least, perhaps most and a page's size."""
    bounds = _byte(binary, at, end)
    at += 1
    for _ in range(1 + (bounds & 1) + (bounds >> 3 & 1)):
        at = _past_number(binary, at, end)
    return at


def _past_number(binary: memoryview, at: int, end: int) -> int:
    while _byte(binary, at, end) >= 0x80:
        at += 1
    return at + 1


def sections(binary: memoryview, start: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the sections: kind, where it starts, where its content begins and ends."""
    while start < len(binary):
        size, begin = _number(binary, start + 1, len(binary))
        end = begin + size
        if end > len(binary):
            raise ValueError("a section is longer than the binary")
        yield binary[start], start, begin, end
        start = end


def _number(binary: memoryview, at: int, end: int) -> tuple[int, int]:
    """Read an unsigned number of 32 bits; return it and where it ends."""
    number = 0
    for shift in range(0, 35, 7):
        if at >= end:
            raise ValueError("a number is cut off")
        byte = binary[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number is too long")


def leb(number: int) -> bytes:
    """Return an unsigned number in LEB128."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
