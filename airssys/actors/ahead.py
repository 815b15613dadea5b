"""Keep what stands ahead of an actor's messages: stops, health checks, answers."""

from __future__ import annotations

from collections import deque

from attrs import define, field

from ..core.errors import ActorStopped, MailboxFull
from ..core.message import Message
from .control import STOP, Callback, Control, HealthRequest, Stop

__all__ = ("Ahead",)


@define(eq=False)
class Ahead:
    """What stands ahead of the messages of one mailbox, in order."""

    id: str
    """The actor's."""
    capacity: int
    """Messages that the mailbox holds, for errors."""
    bytes: int
    """Bytes of answers that may wait; one always may."""
    waiting: deque[Control] = field(factory=deque, init=False)
    _called_back: int = field(default=0, init=False)
    """Bytes of the answers that wait."""

    def take(self) -> Control:
        """Take the first; a stop stays, to be taken again."""
        if self.waiting[0] is STOP:
            return STOP
        control = self.waiting.popleft()
        if isinstance(control, Callback):
            self._called_back -= control.size
        return control

    def take_urgent(self) -> Stop | HealthRequest | None:
        """Take the first that cannot wait, and leave the answers alone."""
        for control in self.waiting:
            if isinstance(control, HealthRequest):
                self.waiting.remove(control)
                return control
            if control is STOP:
                return STOP
        return None

    def call_back(self, callback: Callback) -> bool:
        """Add an answer, or an error in its place; tell whether there was room."""
        room = not self._called_back or self._called_back + callback.size <= self.bytes
        if not room:
            full = MailboxFull(self.id, self.capacity, self.bytes)
            callback = Callback(callback.request_id, full, callback.target)
        self._called_back += callback.size
        self.waiting.append(callback)
        return room

    def clear(self, reason: str) -> tuple[Message, ...]:
        """Forget all, as the actor has ended; return the replies it did not look at."""
        replies = []
        for control in self.waiting:
            if isinstance(control, HealthRequest):
                control.settle(ActorStopped(self.id, reason))
            elif isinstance(control, Callback) and (reply := control.reply) is not None:
                replies.append(reply)
        self.waiting.clear()
        self._called_back = 0
        return tuple(replies)
