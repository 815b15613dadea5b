"""Cut texts that guests make up."""

from __future__ import annotations

from typing import Final

__all__ = ("LONGEST_TEXT", "cut", "shortened", "text_of")

LONGEST_TEXT: Final = 1000
"""Characters of a guest's text in an error, an event or a log line."""


_NOTE: Final = 40
"""Characters of the note of what was left out, at the most."""


def cut(text: str) -> str:
    """Return a text that a guest chose, cut where it is longer than anybody reads."""
    beyond = len(text) - LONGEST_TEXT
    if beyond <= _NOTE:  # the note is not shorter; and what was cut stays as it is
        return text
    return f"{text[:LONGEST_TEXT]}... ({beyond:_} more characters)"


def shortened(text: str, longest: int) -> str:
    """Return a text that a guest wrote, with a note where it is longer than that."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}... (and {len(text) - longest:_} characters)"


def text_of(error: BaseException) -> str:
    """Return an error's text; to make it runs code of whoever wrote the error."""
    try:
        return str(error)
    except Exception as problem:  # noqa: BLE001 - whoever asks serves all others too
        return f"(its text cannot be had: {type(problem).__name__})"
