"""Name what is wrong with a call, for those who make it."""

from __future__ import annotations

from attrs import define

from .root import AirssysError

__all__ = (
    "InstanceBusy",
    "InstanceClosed",
    "ValueMismatch",
    "WaveError",
)


@define(eq=False)
class ValueMismatch(AirssysError, TypeError):
    """A Python value does not fit its WIT type."""

    where: str
    """The function, and whether a parameter or the result was meant."""
    path: str
    """The place inside the value, such as ``items[3].size``."""
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.where}: {self.path}: expected {self.expected}, got {self.got}"


@define(eq=False)
class WaveError(AirssysError, ValueError):
    """A text is no value of the WIT type it was read by."""

    text: str
    at: int
    """Where in the text, counted from 0."""
    path: str
    """The place inside the value, such as ``items[3].size``; empty at the top."""
    expected: str
    got: str

    def __str__(self) -> str:
        before = self.text[: self.at]
        line = before.count("\n") + 1
        column = self.at - (before.rfind("\n") + 1) + 1
        place = f"line {line}, column {column}" if line > 1 else f"column {column}"
        path = f" ({self.path})" if self.path else ""
        return f"{place}{path}: expected {self.expected}, got {self.got}"


@define(eq=False)
class InstanceClosed(AirssysError, RuntimeError):
    """The instance cannot be called any more."""

    component: str
    reason: str
    """``closed``, or what ended it: a trap, a limit, a cancelled call."""

    def __str__(self) -> str:
        return (
            f"instance of {self.component!r} cannot be called: {self.reason} "
            "(instantiate the component again)"
        )


@define(eq=False)
class InstanceBusy(AirssysError, RuntimeError):
    """A call of the instance is still under way; one instance runs one at a time."""

    component: str
    export: str
    running: str

    def __str__(self) -> str:
        return (
            f"instance of {self.component!r} cannot run {self.export!r}: "
            f"{self.running!r} is still running in it"
        )
