"""Bound work that is done in pieces, each of which says how many steps it took.

Such work is a generator. Who runs it decides what happens between two pieces.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from attrs import define

__all__ = ("Meter", "to_the_end")

_T = TypeVar("_T")


def to_the_end(work: Generator[int, None, _T]) -> _T:
    """Do all of some work at a stretch, and return what it returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: _T = end.value
            return result


@define
class Meter:
    """Bounds the steps of several works together."""

    left: int

    def bound(
        self, work: Generator[int, None, _T], *, otherwise: _T
    ) -> Generator[int, None, _T]:
        """Go on with some work while there are steps left; then return an answer."""
        while self.left > 0:
            try:
                steps = next(work)
            except StopIteration as end:
                result: _T = end.value
                return result
            self.left -= steps
            yield steps
        work.close()
        return otherwise
