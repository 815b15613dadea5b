"""Let guests write log lines: ``wasi:logging``."""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import define

from ..core.texts import shortened
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, operation
from .outside import Outside

__all__ = ("LoggingOperations",)

_LEVELS: Final = {"critical": "error"}
"""Levels that our log calls otherwise."""
_LONGEST_MESSAGE: Final = 16_384
"""Characters of a line, and of what it is about."""
_LONGEST_CONTEXT: Final = 1024


@define(eq=False)
class LoggingOperations:
    """The operation of ``wasi:logging/logging``, with its version and without."""

    interface: ClassVar[str] = "wasi:logging/logging@0.1.0-draft"
    also: ClassVar[tuple[str, ...]] = ("wasi:logging/logging",)
    outside: Outside

    @operation(needs=Free("a log line carries the caller's name"))
    def log(self, call: Call, level: str, context: str, message: str) -> None:
        about = shortened(context, _LONGEST_CONTEXT)
        self.outside.log.write(
            call,
            _LEVELS.get(level, level),
            shortened(message, _LONGEST_MESSAGE),
            (("context", about),) if about else (),
        )
