"""Read canonical functions: what takes values between core code and components."""

from __future__ import annotations

from typing import Final

from attrs import evolve, frozen

from .cursor import unknown
from .reader import Reader
from .scope import CORE_FUNC, CORE_MEMORY, FUNC, TYPE, Maybe, Unreadable

__all__ = ("CanonFunction", "Options", "read_canon")

_OF_RESOURCES: Final = {0x02, 0x03, 0x04}
_BUILTINS: Final = {
    # What follows the code: a type, a number, a flag, options, a result or a memory.
    **dict.fromkeys((*_OF_RESOURCES, 0x07, 0x0E, 0x13, 0x14, 0x15, 0x1A, 0x1B), "t"),
    **dict.fromkeys((0x0F, 0x10, 0x16, 0x17), "to"),
    **dict.fromkeys((0x11, 0x12, 0x18, 0x19), "tb"),
    **dict.fromkeys((0x20, 0x21), "bm"),
    **dict.fromkeys((0x06, 0x0C), "b"),
    **dict.fromkeys((0x0A, 0x0B), "bn"),
    **dict.fromkeys((0x05, 0x0D, 0x1F, 0x22, 0x23, 0x24, 0x25), ""),
    0x09: "ro",
}
"""Canonical functions that are neither lifted nor lowered, by code."""


@frozen
class Options:
    """The options of a canonical function, with new indices."""

    memory: int | None = None
    realloc: int | None = None
    post_return: int | None = None
    plain: bool = True
    """Whether strings are UTF-8, and values lie in memory."""
    is_async: bool = False
    callback: bool = False
    """Whether it is called again and again until it is done."""
    wide: bool = False
    """Whether strings may be in UTF-16."""
    typed: bool = False
    """Whether its core type is not the usual one."""

    @property
    def has_memory(self) -> bool:
        """Whether values may lie in memory."""
        return self.memory is not None


@frozen
class CanonFunction:
    """A canonical function: one that is lifted or lowered, or a builtin."""

    function: int | None = None
    """What is lifted, by its new index, or lowered; None for a builtin."""
    lifts: bool = False
    known: Maybe = None
    """What is known of its type."""
    type: int = 0
    """The type's index, of what is lifted."""
    options: Options = Options()
    code: int = 0
    """Of a builtin."""
    rest: int = 0
    """For a lift, where in its entry is what follows the function's index."""


def read_canon(reader: Reader) -> CanonFunction:
    """Read a canonical function."""
    match reader.cursor.byte():
        case 0:
            reader.cursor.byte()
            function, rest = reader.core(CORE_FUNC), reader.cursor.written
            options = _options(reader)
            type_ = reader.cursor.number()
            known = reader.scope.find(TYPE, type_)
            known = _not_foreign(reader, known)
            return CanonFunction(
                function,
                lifts=True,
                known=known,
                type=type_,
                options=options,
                rest=rest,
            )
        case 1:
            reader.cursor.byte()
            function = reader.cursor.number()
            known = reader.scope.find(FUNC, function)
            known = _not_foreign(reader, known)
            return CanonFunction(function, known=known, options=_options(reader))
        case code if code in _BUILTINS:
            known, options = _read_builtin(reader, _BUILTINS[code])
            options = evolve(options, is_async=code not in _OF_RESOURCES)
            return CanonFunction(known=known, options=options, code=code)
        case code:
            raise unknown("a canonical function", code)


def _not_foreign(reader: Reader, known: Maybe) -> Maybe:
    if known is None and reader.retype:
        raise Unreadable("a function of another component")
    return known


def _read_builtin(reader: Reader, shape: str) -> tuple[Maybe, Options]:
    """Read the operands of a builtin function; no type among them may have bytes.

    Returns:
        The result that it takes, and its options.
    """
    known, options = None, Options()
    for part in shape:
        match part:
            case "t":
                _refuse_bytes(reader, reader.scope.find(TYPE, reader.cursor.number()))
            case "r":
                if reader.cursor.byte() == 0:
                    known = reader.value()
                    _refuse_bytes(reader, known)
                else:
                    reader.cursor.byte()
            case "n":
                reader.cursor.number()
            case "b":
                reader.cursor.byte()
            case "m":
                reader.core(CORE_MEMORY)
            case _:
                options = _options(reader)
    return known, options


def _refuse_bytes(reader: Reader, known: Maybe) -> None:
    if reader.retype and (known is None or known.bytes):
        raise Unreadable("bytes in a builtin function")


def _options(reader: Reader) -> Options:
    """Read the options of a function."""
    options = Options()
    for _ in range(reader.cursor.number()):
        match reader.cursor.byte():
            case 0:
                pass
            case 3:
                options = evolve(options, memory=reader.core(CORE_MEMORY))
            case 4:
                options = evolve(options, realloc=reader.core(CORE_FUNC))
            case 5:
                options = evolve(options, post_return=reader.core(CORE_FUNC))
            case 6:
                options = evolve(options, is_async=True)
            case 7:
                reader.core(CORE_FUNC)
                options = evolve(options, callback=True)
            case 8:
                reader.cursor.number()
                options = evolve(options, plain=False, typed=True)
            case 9:
                options = evolve(options, plain=False, typed=True)
            case 1 | 2:
                options = evolve(options, plain=False, wide=True)
            case code:
                raise unknown("an option", code)
    return options
