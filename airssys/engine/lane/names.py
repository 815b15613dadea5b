"""Read the names of what a component imports and exports from its binary.

The C API counts them, and finds the n-th by passing all before it. So of many, each is
asked for by its name.
"""

from __future__ import annotations

from typing import Final

from .binary import HEAD, Section, sections
from .cursor import Cursor, unknown

__all__ = ("outer_names",)

_CORE: Final = 0
"""The sort of core definitions; which of them follows."""


def outer_names(binary: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of a component's imports and exports, in their order.

    Raises:
        ValueError: It has definitions that are not known here, or is malformed.
    """
    imports: list[str] = []
    exports: list[str] = []
    view = memoryview(binary)
    for kind, _, begin, end in sections(view, HEAD):
        cursor = Cursor(view[begin:end])
        if kind == Section.IMPORT:
            for _ in range(cursor.number()):
                imports.append(cursor.extern_name())
                _pass_description(cursor)
        elif kind == Section.EXPORT:
            for _ in range(cursor.number()):
                exports.append(cursor.extern_name())
                if cursor.byte() == _CORE:
                    cursor.byte()
                cursor.number()
                if cursor.byte():
                    _pass_description(cursor)
    return tuple(imports), tuple(exports)


def _pass_description(cursor: Cursor) -> None:
    match cursor.byte():
        case 0:
            cursor.byte()
            cursor.number()
        case 3:
            if not cursor.byte():
                cursor.number()
        case 1 | 4 | 5:
            cursor.number()
        case code:
            raise unknown("an import", code)
