"""Read a mailbox as Python code does: ``async for message in inbox``."""

from __future__ import annotations

from attrs import define

from ..core.message import Message
from .control import Callback, HealthRequest, Stop
from .mailbox import Mailbox

__all__ = ("Inbox",)


@define(eq=False)
class Inbox:
    """The receiving end of a mailbox; it ends when the actor is asked to stop."""

    _mailbox: Mailbox

    def __aiter__(self) -> Inbox:
        return self

    async def __anext__(self) -> Message:
        """Take the next message; the one before it is done with."""
        return self._mailbox.take() or await self._next()

    async def _next(self) -> Message:
        while True:
            received = await self._mailbox.receive()
            match received:
                case Message():
                    return received
                case Stop():
                    raise StopAsyncIteration
                case HealthRequest():
                    received.settle()
                case Callback():
                    pass  # a Python actor asks in place

    def __len__(self) -> int:
        return self._mailbox.statistics().queued
