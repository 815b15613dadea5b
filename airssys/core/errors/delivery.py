"""Name what did not arrive, or was not kept: to be tried again, or elsewhere."""

from __future__ import annotations

from attrs import define

from ..texts import cut
from .root import AirssysError, listed

__all__ = (
    "ActorStopped",
    "AskCycle",
    "AskRefused",
    "AuditError",
    "CannotReply",
    "DeliveryError",
    "MailboxFull",
    "NoSuchActor",
    "ReplyTimeout",
    "StorageError",
)


class DeliveryError(AirssysError):
    """A message did not reach its actor, or no reply came back."""


@define(eq=False)
class NoSuchActor(DeliveryError):
    """Nobody is registered under the id."""

    target: str
    near: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"no actor {self.target!r} (there are: {listed(self.near)})"


@define(eq=False)
class MailboxFull(DeliveryError):
    """The mailbox has no room and its overflow rule is to refuse."""

    target: str
    capacity: int
    size: int | None = None
    """Bytes that it may hold, where these are what it is full of."""

    def __str__(self) -> str:
        full = f"{self.capacity}" if self.size is None else f"{self.size:_} bytes"
        return f"mailbox of actor {self.target!r} is full (capacity: {full})"


@define(eq=False)
class ReplyTimeout(DeliveryError, TimeoutError):
    """The actor did not reply in time."""

    target: str
    timeout: float

    def __str__(self) -> str:
        return f"actor {self.target!r} did not reply within {self.timeout:g} s"


@define(eq=False)
class ActorStopped(DeliveryError):
    """The actor ended before it took, or answered, the message."""

    target: str
    reason: str = "stopped"

    def __str__(self) -> str:
        return f"actor {self.target!r} cannot answer: {cut(self.reason)}"


@define(eq=False)
class AskCycle(DeliveryError):
    """The ask would wait for an actor that, in the end, waits for the asker."""

    cycle: tuple[str, ...]

    def __str__(self) -> str:
        return f"ask would wait for itself: {' -> '.join(self.cycle)}"


@define(eq=False)
class AskRefused(DeliveryError):
    """The actor took the message and answered with an error, or with nothing."""

    target: str
    reason: str

    def __str__(self) -> str:
        return f"actor {self.target!r} refused: {cut(self.reason)}"


@define(eq=False)
class CannotReply(DeliveryError):
    """An actor replied where no reply is wanted: a mistake in the actor."""

    sender: str
    reason: str

    def __str__(self) -> str:
        return f"message from {self.sender!r} cannot be answered: {self.reason}"


@define(eq=False)
class StorageError(AirssysError, OSError):
    """A storage engine failed."""

    backend: str
    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.backend} storage failed on {self.key!r}: {self.reason}"


@define(eq=False)
class AuditError(AirssysError):
    """An audit log cannot be written or read, or the file is no audit log."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"audit log {self.path!r}: {self.reason}"
