"""Cut and join the binaries of components."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = (
    "COMPONENT",
    "HEAD",
    "NESTED",
    "leb",
    "may_need_outer",
    "sections",
    "skeleton",
    "splice",
)

COMPONENT: Final = b"\0asm\x0d\0\1\0"
_MODULE: Final = b"\0asm\1\0\0\0"
HEAD: Final = 8
_DEPTH: Final = 100
"""Components in components; wasmtime takes no more."""
_CUSTOM, _CORE_MODULE, NESTED = 0, 1, 4
_TYPES: Final = 7
_LIST, _RESOURCE = b"\x70", b"\x3f"
"""How their definitions begin."""
_CODE, _DATA, _DATA_COUNT = 10, 11, 12
_BODY: Final = b"\3\0\0\x0b"
"""A function's body: its size, no locals, ``unreachable``, ``end``."""


def splice(outer_binary: bytes, guest: bytes) -> bytes:
    """Return an outer component with the guest in the first nested component's place.

    Raises:
        ValueError: The outer one is malformed.
    """
    for kind, start, _, end in sections(memoryview(outer_binary), HEAD):
        if kind == NESTED:
            return b"".join(
                (
                    outer_binary[: start + 1],
                    leb(len(guest)),
                    guest,
                    outer_binary[end:],
                )
            )
    raise ValueError("no component is nested in this one")


def may_need_outer(guest: bytes) -> bool:
    """Tell whether there may be lists or resources in a component's types.

    A quick look at the binary: no if there are none.
    """
    return any(
        kind == NESTED
        or (
            kind == _TYPES
            and (_LIST in (part := bytes(guest[begin:end])) or _RESOURCE in part)
        )
        for kind, _, begin, end in sections(memoryview(guest), HEAD)
    )


def skeleton(guest: bytes) -> bytes:
    """Return a component of the same type that can do nothing.

    The functions of its core modules trap, and there are no data: it compiles quickly,
    so that the types can be read before the component itself is compiled.

    Raises:
        ValueError: The component is malformed.
    """
    return b"".join(_component(memoryview(guest), 0))


def _component(binary: memoryview, depth: int) -> Iterator[bytes | memoryview]:
    if bytes(binary[:HEAD]) != COMPONENT:
        raise ValueError("not a component")
    if depth > _DEPTH:
        raise ValueError("too many components in components")
    yield binary[:HEAD]
    for kind, start, begin, end in sections(binary, HEAD):
        if kind in {_CORE_MODULE, NESTED}:
            inner = binary[begin:end]
            parts = (
                list(_module(inner))
                if kind == _CORE_MODULE
                else list(_component(inner, depth + 1))
            )
            yield bytes((kind,)) + leb(sum(map(len, parts)))
            yield from parts
        elif kind != _CUSTOM:
            yield binary[start:end]


def _module(binary: memoryview) -> Iterator[bytes | memoryview]:
    if bytes(binary[:HEAD]) != _MODULE:
        raise ValueError("not a core module")
    yield binary[:HEAD]
    for kind, start, begin, end in sections(binary, HEAD):
        if kind == _CODE:
            count, place = _number(binary, begin, end)
            if count > end - place:
                raise ValueError("more functions than bytes")
            bodies = leb(count) + _BODY * count
            yield bytes((kind,)) + leb(len(bodies)) + bodies
        elif kind not in {_CUSTOM, _DATA, _DATA_COUNT}:
            yield binary[start:end]


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
