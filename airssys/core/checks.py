"""Refuse what a caller cannot have meant, where it is given.

What is wrong would come out later otherwise, in a task that serves everybody.
"""

from __future__ import annotations

from math import isnan

__all__ = ("seconds",)


def seconds(given: float) -> float:
    """Return a number as a float; infinity is one.

    Raises:
        TypeError: It is no number.
        ValueError: It is not a number, or more than a float can be.
    """
    if isinstance(given, bool | str | bytes):
        raise TypeError(f"seconds are a number, not {given!r}")
    try:
        number = float(given)
    except TypeError:
        raise TypeError(f"seconds are a number, not {given!r}") from None
    except OverflowError:
        raise ValueError("so many seconds are more than a float can be") from None
    if isnan(number):
        raise ValueError(f"seconds are a number, not {given!r}")
    return number
