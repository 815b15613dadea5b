"""Name how important a log line is."""

from __future__ import annotations

from enum import Enum

__all__ = ("LogLevel",)


class LogLevel(Enum):
    """How important a log line is, the least first; the words are those of the WIT."""

    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"

    @classmethod
    def named(cls, word: str) -> LogLevel:
        """Return the level of that name; what nobody knows is ``info``."""
        try:
            return cls(word)
        except ValueError:
            return cls.INFO

    @property
    def rank(self) -> int:
        """Its place in the order, from 0."""
        return tuple(LogLevel).index(self)
