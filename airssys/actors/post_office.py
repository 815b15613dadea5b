"""Keep what the mailboxes of one system share: a clock, turns, and timeouts of asks."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from typing import Final, Protocol

import anyio
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint
from attrs import define, field

from ..core.defaults import MESSAGING
from ..core.emitter import Emitter
from ..core.event import DeadLettered, Delivered, Denied, Instrument
from ..core.grants.capabilities import Denial
from ..core.message import AskGraph, Message

__all__ = ("STRIDE", "Expiring", "PostOffice")

STRIDE: Final = 64
"""Sends and receives from one checkpoint to the next."""
_SWEEP: Final = 256
"""Deadlines that are kept, at the least, before answered ones are swept out."""


class Expiring(Protocol):
    """**Protocol:** a reply that is waited for until its time is up."""

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits."""
        ...

    def expire(self) -> None:
        """End the wait: the time is up."""
        ...

    def abandon(self, reason: str) -> None:
        """Make the ask raise `ActorStopped` with the reason."""
        ...


@define(eq=False, repr=False)
class PostOffice:
    """What the mailboxes of one system share."""

    instrument: Instrument | None = None
    clock: Callable[[], float] = time.time
    """The wall clock that stamps messages."""
    deliveries: bool = False
    """Whether each message taken is an event; costs more than the message itself."""
    emitter: Emitter = field(init=False)
    asks: AskGraph = field(factory=AskGraph, init=False)
    left: int = field(default=STRIDE, init=False)
    """Sends and receives until the next checkpoint."""
    _asked: int = field(default=0, init=False)
    _alarm: anyio.Event | None = field(default=None, init=False)
    """Present while `keep_time` runs: wakes it."""
    _wakes_at: float = field(default=math.inf, init=False)
    _due: list[tuple[float, int, Expiring]] = field(factory=list, init=False)
    """A heap. Replies that came leave it when they come up, or are swept out."""
    _sweep_at: int = field(default=_SWEEP, init=False)

    def __attrs_post_init__(self) -> None:
        self.emitter = Emitter(self.instrument, anyio.current_time)

    def delivered(self, id: str, message: Message) -> None:  # noqa: A002
        """Tell that the actor of that id took the message."""
        self.emitter.emit(
            lambda at: Delivered(
                at=at,
                subject=id,
                sender=message.sender,
                size=len(message.payload),
                topic=message.topic,
            )
        )

    def bury(
        self,
        id: str,  # noqa: A002 - the field's word
        message: Message,
        reason: str,
        cause: str = "",
    ) -> None:
        """Make the message a dead letter of the actor of that id.

        Args:
            id: The receiver's.
            message: What was not delivered, or was not worked on to the end.
            reason: Why.
            cause: The type of the error that the receiver fell by, if it did.
        """
        self.emitter.emit(
            lambda at: DeadLettered(
                at=at,
                subject=id,
                sender=message.sender,
                reason=reason,
                cause=cause,
                size=len(message.payload),
                topic=message.topic,
                payload=message.payload,
            )
        )

    def denied(
        self,
        id: str,  # noqa: A002 - the field's word
        function: str,
        denial: Denial,
        correlation: str = "",
    ) -> None:
        """Tell the audit of what came to a component that it may not have any more.

        Args:
            id: The component actor's.
            function: The one of ``messaging`` that brought it.
            denial: Why not.
            correlation: Names the request, where it was one.
        """
        self.emitter.emit(
            lambda at: Denied(
                at=at,
                subject=id,
                operation=f"{MESSAGING}#{function}",
                section=denial.section,
                action=denial.action,
                target=denial.target,
                reason=denial.reason,
                correlation=correlation,
            )
        )

    def ask_id(self, asker: str) -> str:
        """Make up an id for an ask."""
        self._asked += 1
        return f"{asker}?{self._asked}"

    async def pause(self) -> None:
        """Check for cancellation, and let other tasks run."""
        self.left = STRIDE
        await checkpoint()

    async def keep_time(
        self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Watch over the timeouts of all asks, until cancelled.

        While one task does this for all of them, an ask takes half as long: a cancel
        scope of its own costs as much as the two switches between tasks. Without it
        each ask has its own.
        """
        self._alarm = anyio.Event()
        task_status.started()
        try:
            while True:
                now = anyio.current_time()
                while self._due and self._due[0][0] <= now:
                    heapq.heappop(self._due)[2].expire()
                self._wakes_at = self._due[0][0] if self._due else math.inf
                self._alarm = anyio.Event()
                with anyio.CancelScope(deadline=self._wakes_at):
                    await self._alarm.wait()
        finally:
            self._alarm = None
            for _, _, reply in self._due:
                reply.abandon("the system ended")
            self._due.clear()

    def expires(self, reply: Expiring, timeout: float) -> bool:
        """Have the reply expire after that many seconds.

        Returns:
            False where nobody keeps the time and the asker must do so itself.
        """
        if self._alarm is None:
            return False
        deadline = anyio.current_time() + timeout
        if len(self._due) >= self._sweep_at:
            self._due = [due for due in self._due if due[2].is_open]
            heapq.heapify(self._due)
            self._sweep_at = _SWEEP + 2 * len(self._due)
        heapq.heappush(self._due, (deadline, self._asked, reply))
        if deadline < self._wakes_at:
            self._alarm.set()
        return True
