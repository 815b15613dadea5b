"""Turn what went wrong into a message for people and an exit status for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from attrs import define

from ..bindgen.source import WitRefused
from ..core.errors import (
    AirssysError,
    AuditError,
    ComponentError,
    GuestTrapped,
    InitFailed,
    ManifestError,
    TrustError,
    ValueMismatch,
    WaveError,
)

__all__ = ("BadInput", "Status", "explain")


class Status(IntEnum):
    """What the command exits with. After a signal it is 128 and the signal's number."""

    DONE = 0
    FAILED = 1
    """It ran and failed: a trap, a limit, an ``err``, restarts that ran out."""
    BAD_INPUT = 2
    """It did not run: wrong usage, or a file that cannot be used."""
    UNEXPECTED = 70
    """A mistake in airssys, or in the Python code of an actor (EX_SOFTWARE)."""


@define(eq=False)
class BadInput(AirssysError, ValueError):
    """What was given to the command cannot be used."""

    reason: str

    def __str__(self) -> str:
        return self.reason


_REFUSED = (
    AuditError,
    BadInput,
    WitRefused,
    ComponentError,
    ManifestError,
    TrustError,
    ValueMismatch,
    WaveError,
)


def explain(error: BaseException) -> tuple[str, Status]:
    """Return the message for an error, and the status to exit with.

    Of a group of errors, each is told; the status is that of the worst.
    """
    told = [_explain_one(each) for each in _leaves(error)]
    texts = dict.fromkeys(text for text, _ in told)
    return "\n".join(texts), max(status for _, status in told)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _explain_one(error: BaseException) -> tuple[str, Status]:
    match error:
        case InitFailed():
            return str(error), Status.FAILED
        case ManifestError(_, (problem,)):
            return f"{error.source}: {problem}", Status.BAD_INPUT
        case _ if isinstance(error, _REFUSED):
            return str(error), Status.BAD_INPUT
        case GuestTrapped():
            return _trap(error), Status.FAILED
        case AirssysError():
            return str(error), Status.FAILED
        case OSError() if error.filename is not None:
            reason = error.strerror or type(error).__name__
            return f"{error.filename}: {reason}", Status.BAD_INPUT
        case _:
            text = (
                f"unexpected {type(error).__name__}: {error}\n"
                "  (add --traceback to see where)"
            )
            return text, Status.UNEXPECTED


def _trap(error: GuestTrapped) -> str:
    where = f"component {error.component!r} trapped in {error.export!r}"
    lines = [
        f"{where}: {error.kind}: {error.reason}",
        *(f"  at {frame}" for frame in error.backtrace),
    ]
    if error.fuel is not None:
        lines.append(f"  after {error.fuel:_} units of fuel")
    return "\n".join(lines)
