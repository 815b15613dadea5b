"""Name the cases of a ``process-error``."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from ...core.errors import WitError
from ..errors import ErrorCases, numbered

__all__ = ("Case", "ended", "failure", "not_started")

Case: TypeAlias = Literal[
    "spawn-failed",
    "not-found",
    "permission-denied",
    "timeout",
    "invalid-argument",
    "resource-exhausted",
    "io-error",
    "invalid-state",
    "already-terminated",
    "child-zombie",
    "signal-not-supported",
    "exec-format-error",
    "too-many-processes",
]

_STARTING: Final = ErrorCases[Case](
    numbered(
        {
            "exec-format-error": ("ENOEXEC",),
            "resource-exhausted": ("EAGAIN", "ENOMEM", "E2BIG"),
        }
    ),
    otherwise="spawn-failed",
)
failure: Final = _STARTING.failure


def ended(pid: int) -> WitError:
    """Return the error that says that a program has ended."""
    return failure("already-terminated", f"process {pid} has ended")


def not_started(command: str, number: int, stage: str = "exec") -> WitError:
    """Return the error that says why a granted program could not be started.

    Args:
        command: The program, in the guest's words.
        number: The system's error number; 0 where it has none.
        stage: What was about to be done: ``fork``, ``prepare``, ``limit``, ``exec``.
    """
    about = f"{command!r} could not be started ({stage})"
    if number:
        return _STARTING.from_number(number, about)
    return failure("spawn-failed", f"{about}: its process was ended")
