"""Name the one class that all errors of airssys are of."""

from __future__ import annotations

from ..texts import cut

__all__ = (
    "AirssysError",
    "listed",
)


class AirssysError(Exception):
    """Any error airssys raises on purpose."""


def listed(names: tuple[str, ...]) -> str:
    """Put names into a message, quoted; the word nothing where there are none."""
    return cut(", ".join(repr(name) for name in names)) or "nothing"
