"""Compare the types of functions, written as WIT text with every type spelled out."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ("compared", "nameless")

_TOKEN: Final = re.compile(r"->|%?\w[\w-]*|\S")
_SPACED: Final = {
    ",": ", ",
    ":": ": ",
    "->": " -> ",
    "{": " { ",
    "}": " }",
}
_WIDTH: Final = 200
_BEFORE: Final = 60


@lru_cache(maxsize=1024)
def nameless(text: str) -> str:
    """Return a function's type in normal form, without the names of its parameters.

    ``func(key: string) -> u8`` becomes ``func(string) -> u8``. Named types are not
    known here: a record is written as ``record { a: u32 }``. A resource has its name
    only, and ``own<file>`` is ``file``.

    Raises:
        ValueError: The text does not start with ``func(``, or its brackets do not
            match.
    """
    tokens: list[str] = [token.lstrip("%") for token in _TOKEN.findall(text)]
    if tokens[:2] != ["func", "("]:
        raise ValueError(f"{text!r} is no function's type: write func(name: type)")
    kept: list[str] = []
    depth, inside = 0, True
    for part in tokens:
        if part in "({<":
            depth += 1
        elif part in ")}>":
            depth -= 1
            inside = inside and depth > 0
            if kept[-1] == ",":  # WIT may end a list with a comma
                kept.pop()
        elif part == ":" and inside and depth == 1 and kept[-1] not in "(,":
            kept.pop()  # a parameter's name
            continue
        kept.append(part)
        if part == ">" and kept[-4:-2] == ["own", "<"]:
            kept[-4:] = [kept[-2]]
    if depth:
        raise ValueError(f"{text!r} is no function's type: its brackets do not match")
    return "".join(_SPACED.get(part, part) for part in kept).replace("  ", " ")


def compared(found: str, expected: str) -> tuple[str, str] | None:
    """Compare two functions' types by everything but the names of parameters.

    Returns:
        Both for an error message, or None where they agree. Where one is long, it is
        the part where they begin to differ.
    """
    one, other = nameless(found), nameless(expected)
    if one == other:
        return None
    if max(len(found), len(expected)) <= _WIDTH:
        return found, expected
    alike = zip(one, other, strict=False)
    same = next(
        (at for at, (a, b) in enumerate(alike) if a != b), min(len(one), len(other))
    )
    return _part(one, same), _part(other, same)


def _part(text: str, around: int) -> str:
    start, end = max(around - _BEFORE, 0), around + _WIDTH - _BEFORE
    front, back = "..." if start else "", "..." if end < len(text) else ""
    return f"{front}{text[start:end]}{back}"
