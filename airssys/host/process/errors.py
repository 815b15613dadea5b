"""Tell a guest what went wrong, as a ``process-error``."""

from __future__ import annotations

import errno
import os
from typing import Final

from ...core.errors import WitError
from ...witmodel.types import Variant

__all__ = ("denied", "ended", "failure", "not_started")

_CASES: Final = {
    errno.ENOEXEC: "exec-format-error",
    errno.EAGAIN: "resource-exhausted",
    errno.ENOMEM: "resource-exhausted",
    errno.E2BIG: "resource-exhausted",
}


def denied(words: str) -> Variant:
    """Return the error that says that no grant covers it, or that it is another's."""
    return Variant("permission-denied", words)


def failure(case: str, words: str) -> WitError:
    """Return what to raise so that the guest gets an error."""
    return WitError(Variant(case, words))


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
    why = os.strerror(number) if number else "its process was ended"
    words = f"{command!r} could not be started ({stage}): {why}"
    return failure(_CASES.get(number, "spawn-failed"), words)
