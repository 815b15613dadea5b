"""Look in a component's binary for shared memories, which no instance can have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .lane.binary import HEAD, Section, sections

__all__ = ("has_shared_memory",)

_MEMORY: Final = 5
"""The section of a core module that defines memories."""
_MAXIMUM, _SHARED, _PAGE = 1, 2, 8
"""Bits that say what there is to a memory."""
_DEPTH: Final = 100
"""Components in components; wasmtime takes no more."""


def has_shared_memory(guest: bytes) -> bool:
    """Tell whether a core module of a component defines a shared memory.

    Raises:
        ValueError: The component is malformed.
    """
    try:
        return any(_memories(memoryview(guest), 0))
    except IndexError:
        raise ValueError("it ends too soon") from None


def _memories(component: memoryview, depth: int) -> Iterator[bool]:
    """Yield of each memory whether it is shared."""
    if depth > _DEPTH:
        return
    for kind, _, begin, end in sections(component, HEAD):
        if kind == Section.COMPONENT:
            yield from _memories(component[begin:end], depth + 1)
        elif kind == Section.CORE_MODULE:
            module = component[begin:end]
            for inner, _, start, stop in sections(module, HEAD):
                if inner == _MEMORY:
                    yield from _of_section(module[start:stop])


def _of_section(section: memoryview) -> Iterator[bool]:
    at = _past(section, 0)
    while at < len(section):
        bits = section[at]
        yield bool(bits & _SHARED)
        at = _past(section, at + 1)
        for bit in (_MAXIMUM, _PAGE):
            if bits & bit:
                at = _past(section, at)


def _past(section: memoryview, at: int) -> int:
    """Return the place after a number."""
    while section[at] & 0x80:
        at += 1
    return at + 1
