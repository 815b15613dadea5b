"""Turn what went wrong into a message for people and an exit status for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final

from attrs import define

from ..bindgen.source import WitRefused
from ..core.errors import (
    AirssysError,
    AuditError,
    CannotCompile,
    CapabilityDenied,
    ComponentError,
    DeliveryError,
    GuestExited,
    GuestTrapped,
    InitFailed,
    InstanceBusy,
    InstanceClosed,
    LimitExceeded,
    ManifestError,
    NamespaceTaken,
    StorageError,
    SupervisorError,
    TrustError,
    Unhealthy,
    ValueMismatch,
    WaveError,
    WitError,
)
from ..core.texts import text_of

__all__ = ("BadInput", "Status", "explain", "status_of")


class Status(IntEnum):
    """What the command exits with. After a signal it is 128 and the signal's number."""

    DONE = 0
    FAILED = 1
    """It ran and failed: a trap, a limit, an ``err``, restarts that ran out. A guest
    that exits by itself chooses its own."""
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


_STATUSES: Final[Mapping[type[BaseException], Status]] = {
    AuditError: Status.BAD_INPUT,
    BadInput: Status.BAD_INPUT,
    CannotCompile: Status.FAILED,
    CapabilityDenied: Status.FAILED,
    ComponentError: Status.BAD_INPUT,
    DeliveryError: Status.FAILED,
    GuestExited: Status.FAILED,
    GuestTrapped: Status.FAILED,
    InitFailed: Status.FAILED,
    InstanceBusy: Status.FAILED,
    InstanceClosed: Status.FAILED,
    LimitExceeded: Status.FAILED,
    ManifestError: Status.BAD_INPUT,
    NamespaceTaken: Status.BAD_INPUT,
    StorageError: Status.FAILED,
    SupervisorError: Status.FAILED,
    TrustError: Status.BAD_INPUT,
    Unhealthy: Status.FAILED,
    ValueMismatch: Status.BAD_INPUT,
    WaveError: Status.BAD_INPUT,
    WitError: Status.FAILED,
    WitRefused: Status.BAD_INPUT,
}
"""By class; the nearest ancestor of an error's class decides. Every error of ours is
here, itself or by an ancestor."""


def explain(error: BaseException) -> tuple[str, int]:
    """Return the message for an error, and the status to exit with.

    Of a group of errors, each has a line; the status is that of the worst. A guest that
    exited has said what there is to say, so there is no message.
    """
    each_one = [_explain_one(each) for each in _leaves(error)]
    texts = dict.fromkeys(text for text, _ in each_one if text)
    return "\n".join(texts), max(status for _, status in each_one)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _explain_one(error: BaseException) -> tuple[str, int]:
    if isinstance(error, GuestExited):
        return "", error.status
    status = status_of(type(error))
    if status is not None:
        return _text(error), status
    if isinstance(error, OSError) and error.filename is not None:
        reason = error.strerror or type(error).__name__
        return f"{error.filename}: {reason}", Status.BAD_INPUT
    text = f"unexpected {type(error).__name__}: {text_of(error)}"
    return f"{text}\n  (add --traceback to see where)", Status.UNEXPECTED


def status_of(kind: type[BaseException]) -> Status | None:
    """Return the status for a class of errors; None: nobody expects it."""
    return next((_STATUSES[each] for each in kind.__mro__ if each in _STATUSES), None)


def _text(error: BaseException) -> str:
    match error:
        case ManifestError(_, (problem,)):
            return f"{error.source}: {problem}"
        case GuestTrapped():
            return _trap(error)
        case _:
            return str(error)


def _trap(error: GuestTrapped) -> str:
    where = f"component {error.component!r} trapped in {error.export!r}"
    lines = [
        f"{where}: {error.kind}: {error.reason}",
        *(f"  at {frame}" for frame in error.backtrace),
    ]
    if error.fuel is not None:
        lines.append(f"  after {error.fuel:_} units of fuel")
    return "\n".join(lines)
