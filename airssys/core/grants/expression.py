"""Write patterns as a regular expression whose time the length of a text bounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

from .automaton import Token

__all__ = ("FEW", "expression", "is_plain")

FEW: Final = 128
"""Tokens of an expression: each may be tried at each place of a text."""


def is_plain(line: Sequence[Token]) -> bool:
    """Tell whether a line can be matched from left to right without going back.

    What stands between two stars is taken where it comes first. That is wrong only
    where the first star may pass a slash and the second one may not: ``**a*b`` matches
    ``a/ab`` by the second ``a``.
    """
    stars = [token for token in line if token.many]
    return all(one.symbols or not two.symbols for one, two in pairwise(stars))


def expression(
    parts: Iterable[tuple[str, Sequence[Token]]],
) -> Callable[[str], object]:
    """Return what tells whether one of some patterns matches a text.

    Args:
        parts: What each begins with, literally, and the rest, which is plain.
    """
    written = (re.escape(front) + _written(rest) for front, rest in parts)
    return re.compile("|".join(written), re.DOTALL).fullmatch


def _written(line: Sequence[Token]) -> str:
    first, *others = _blocks(line)
    between = (f"(?>{_all(star)}?{_all(*rest)})" for star, *rest in others[:-1])
    # What is behind the last star ends the text, and may be tried more than once.
    return "".join([_all(*first), *between, *(_all(*last) for last in others[-1:])])


def _blocks(line: Sequence[Token]) -> list[list[Token]]:
    """Part a line before each star."""
    blocks: list[list[Token]] = [[]]
    for token in line:
        if token.many:
            blocks.append([])
        blocks[-1].append(token)
    return blocks


def _all(*tokens: Token) -> str:
    return "".join(map(_piece, tokens))


def _piece(token: Token) -> str:
    members = "".join(map(re.escape, sorted(token.symbols)))
    piece = f"[{'^' if token.negated else ''}{members}]" if members else "."
    return f"{piece}*" if token.many else piece
