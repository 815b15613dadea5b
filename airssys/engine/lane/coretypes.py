"""Read past the types of core functions and modules, which nothing is put into."""

from __future__ import annotations

from typing import Final

from .cursor import Cursor, unknown

__all__ = ("past_core_type",)

_FUNCTION, _MODULE = 0x60, 0x50
_REFERENCES: Final = {0x63, 0x64}
"""How the types of references begin that a number follows."""


def past_core_type(cursor: Cursor) -> None:
    """Read the definition of a core type."""
    match cursor.byte():
        case code if code == _FUNCTION:
            for _ in range(2):
                cursor.each(lambda: _past_value(cursor))
        case code if code == _MODULE:
            cursor.each(lambda: _past_part(cursor))
        case code:
            raise unknown("a core type", code)


def _past_part(cursor: Cursor) -> None:
    """Read a part of a module's type."""
    match cursor.byte():
        case 0:
            cursor.name()
            cursor.name()
            _past_description(cursor)
        case 1:
            past_core_type(cursor)
        case 2:
            for _ in range(2):
                cursor.byte()
            for _ in range(2):
                cursor.number()
        case 3:
            cursor.name()
            _past_description(cursor)
        case code:
            raise unknown("a part of a module's type", code)


def _past_description(cursor: Cursor) -> None:
    """Read what a module imports or exports."""
    match cursor.byte():
        case 0:
            cursor.number()
        case 1:
            _past_value(cursor)
            _past_limits(cursor)
        case 2:
            _past_limits(cursor)
        case 3:
            _past_value(cursor)
            cursor.byte()
        case 4:
            cursor.byte()
            cursor.number()
        case code:
            raise unknown("a core definition", code)


def _past_value(cursor: Cursor) -> None:
    if cursor.byte() in _REFERENCES:
        cursor.number()


def _past_limits(cursor: Cursor) -> None:
    """Read the least, perhaps the most and a page's size, of up to 64 bits each."""
    bounds = cursor.byte()
    for _ in range(1 + (bounds & 1) + (bounds >> 3 & 1)):
        while cursor.byte() >= 0x80:
            pass
