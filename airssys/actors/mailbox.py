"""Queue an actor's messages in a bounded mailbox.

A mailbox belongs to an actor's id and survives restarts of the actor: what is queued
waits for the next incarnation, and only what was under work is lost (`taken`). Once it
is closed for good, what is left becomes dead letters and sends raise `ActorStopped`.

A full checkpoint of the event loop costs several times what a message costs, so
sending and receiving do not make one each. The rule: after 64 sends and receives in a
row over the mailboxes of one `PostOffice`, the next one checks for cancellation and
lets other tasks run, and so does each that has to wait.

Nothing here may be used from another thread than the event loop's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from copy import copy

import anyio
from attrs import define, field, frozen

from ..core.defaults import MAILBOX, MAILBOX_BYTES, PAYLOAD
from ..core.errors import ActorStopped, AskCycle, MailboxFull
from ..core.message import Message, Overflow, PendingRequests, Publication
from .ahead import Ahead
from .control import STOP, Callback, Control, HealthRequest, Stop
from .post_office import STRIDE, PostOffice
from .senders import Sender, wait_in_line
from .taken import Taken

__all__ = (
    "Mailbox",
    "MailboxStatistics",
)


@frozen(kw_only=True)
class MailboxStatistics:
    """A snapshot of a mailbox."""

    capacity: int
    capacity_bytes: int
    overflow: Overflow
    queued: int
    """Messages that wait to be taken."""
    queued_bytes: int
    """Bytes of their payloads."""
    senders_waiting: int
    """Senders that wait for room."""
    taken: int
    """Messages taken so far, over all restarts."""
    dropped: int
    """Messages that left the queue untaken: for newer ones, or at the close; and those
    of topics that found no room."""
    closed: str | None
    """Why the mailbox is closed for good; None while it is open."""


@define(eq=False, repr=False)
class Mailbox:
    """A bounded queue of messages, in order, with a lane for control ahead of it.

    Any number of tasks may send, in their order of arrival. The actor's tasks receive.
    """

    id: str
    capacity: int = MAILBOX
    overflow: Overflow = Overflow.WAIT
    payload: int = PAYLOAD
    """Bytes of the largest payload the owner may send or reply."""
    bytes: int = MAILBOX_BYTES
    """Bytes of payloads that it holds; one message it always does."""
    office: PostOffice = field(factory=PostOffice)
    requests: PendingRequests = field(init=False)
    """The owner's own requests that it does not wait for in place."""
    closed: str | None = field(default=None, init=False)
    """Why it is closed for good; None while it is open."""
    taken: Taken = field(factory=Taken, init=False)
    """What the owner has taken since it was started, and has not finished."""
    _size: int = field(default=0, init=False)
    """Bytes of the payloads in the queue."""
    _queue: deque[Message] = field(factory=deque, init=False)
    _ahead: Ahead = field(init=False)
    _control: deque[Control] = field(init=False)
    """What waits ahead, within reach."""
    _senders: deque[Sender] = field(factory=deque, init=False)
    _arrived: anyio.Event | None = field(default=None, init=False)
    """Present while the receiver waits."""
    _taken: int = field(default=0, init=False)
    _dropped: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        if not self.capacity >= 1:  # so that "not a number" is refused, too
            raise ValueError(
                f"mailbox of actor {self.id!r}: capacity {self.capacity} is not "
                "allowed: it must hold at least one message"
            )
        if self.bytes < 1:
            raise ValueError(
                f"mailbox of actor {self.id!r}: {self.bytes} bytes are not allowed: it "
                "must hold at least one"
            )
        self.requests = PendingRequests(self.id)
        self._ahead = Ahead(self.id, self.capacity, self.bytes)
        self._control = self._ahead.waiting

    def __repr__(self) -> str:
        filled = f"{len(self._queue)} of {self.capacity}"
        return f"<Mailbox of {self.id!r}: {self.closed or filled}>"

    # Sending.

    def offer(self, message: Message) -> bool:
        """Queue the message if that needs neither a wait nor a decision: the fast path.

        Returns:
            False where nothing was done and `put` must see to it.
        """
        office, queue = self.office, self._queue
        size = self._size + len(message.payload)
        if (
            office.left <= 0
            or len(queue) >= self.capacity
            or size > self.bytes
            or self._senders
            or self.closed is not None
        ):
            return False
        office.left -= 1
        # As `_append`, whose call would be felt.
        queue.append(message)
        self._size = size
        if self._arrived is not None:
            self._wake()
        return True

    async def put(
        self,
        message: Message,
        again: Callable[[], object] | None = None,
        overflow: Overflow | None = None,
    ) -> None:
        """Queue the message; where the mailbox is full, follow its overflow rule.

        Args:
            message: What to queue.
            overflow: The rule for this message; None: the mailbox's own.
            again: Asked after a wait for room; what it raises, this raises, and the
                message is not queued.

        Raises:
            ActorStopped: The mailbox is, or was while this waited, closed for good.
            MailboxFull: The rule is to refuse; or it is to wait, and the actor waits,
                in the end, for the sender itself, so that there never would be room.
        """
        if self.office.left <= 0:
            await self.office.pause()
            if again is not None:
                again()
        if self.holds_up_senders(message, overflow):
            try:
                let_in = await wait_in_line(
                    self._senders, Sender(message, again), self.id, self.office.asks
                )
            except AskCycle as cycle:
                raise self._full(message) from cycle
            if not let_in:
                raise ActorStopped(self.id, self.closed or "")
        else:
            self.put_nowait(message, overflow)

    def put_nowait(self, message: Message, overflow: Overflow | None = None) -> None:
        """Queue the message without waiting.

        Args:
            message: What to queue.
            overflow: As for `put`.

        Raises:
            ActorStopped: The mailbox is closed for good.
            MailboxFull: There is no room, unless the rule is to drop the oldest.
        """
        if self.closed is not None:
            raise ActorStopped(self.id, self.closed)
        if self.has_no_room(message):
            full = self._full(message)
            match overflow or self.overflow:
                case Overflow.WAIT | Overflow.REFUSE:
                    raise full
                case Overflow.DROP_OLDEST:
                    while self._queue and not self._fits(message):
                        self._drop(self._queue[0], full)
        self._append(message)

    def publish_nowait(self, message: Publication) -> bool:
        """Queue a message of a topic, for which nobody waits, and tell whether it is.

        It takes the place of older ones of topics, where there is no room; never that
        of a message that was sent to this actor alone.
        """
        if self.closed is None and self.has_no_room(message):
            full = self._full(message)
            while not self._fits(message):
                oldest = next((m for m in self._queue if type(m) is Publication), None)
                if oldest is None:
                    break
                self._drop(oldest, full)
            if not self._fits(message):
                self._dropped += 1
                self.bury(message, str(full))
                return False
        self._append(message)
        return True

    def _drop(self, oldest: Message, full: MailboxFull) -> None:
        self._dropped += 1
        self._queue.remove(oldest)
        self._size -= len(oldest.payload)
        self.bury(oldest, "dropped for a newer message", full)

    def _full(self, message: Message) -> MailboxFull:
        counted = len(self._queue) < self.capacity and not self._fits(message)
        return MailboxFull(self.id, self.capacity, self.bytes if counted else None)

    def _fits(self, message: Message) -> bool:
        """Tell whether there is room in the queue, whoever waits for it."""
        queued = len(self._queue)
        return not queued or (
            queued < self.capacity and self._size + len(message.payload) <= self.bytes
        )

    def has_no_room(self, message: Message) -> bool:
        """Tell whether one more message would have to wait, or cost another."""
        return bool(self._senders) or not self._fits(message)

    def holds_up_senders(
        self, message: Message, overflow: Overflow | None = None
    ) -> bool:
        """Tell whether the sender of one more message would wait for room."""
        rule = overflow or self.overflow
        return rule.holds_up_senders and self.has_no_room(message)

    def _append(self, message: Message) -> None:
        self._queue.append(message)
        self._size += len(message.payload)
        if self._arrived is not None:
            self._wake()

    def _wake(self) -> None:
        if self._arrived is not None:
            self._arrived.set()
            self._arrived = None

    # Receiving.

    def take(self) -> Message | None:
        """Take the next message if that needs no wait: the fast path.

        Returns:
            None where nothing was done and `receive` must see to it.
        """
        office = self.office
        if office.left <= 0 or not self._queue or self._control:
            return None
        office.left -= 1
        message = self._queue.popleft()
        self._size -= len(message.payload)
        self._taken += 1
        if message.answer is not None and message.answer.is_open:
            self.taken.unanswered[message.answer.id] = message
        if self._senders:
            self._let_in()
        if office.deliveries:
            office.delivered(self.id, message)
        return message

    async def receive(self) -> Message | Control:
        """Wait for the next message, or for what stands ahead of the messages.

        A `Stop` is received again and again until the actor has ended.
        """
        if self.office.left <= 0:
            await self.office.pause()
        while True:
            if self._control:
                control = self._ahead.take()
                if control is STOP:
                    await self.office.pause()
                return control
            if (message := self.take()) is not None:
                return message
            self._arrived = self._arrived or anyio.Event()
            await self._arrived.wait()
            self.office.left = STRIDE

    async def receive_urgent(self) -> Stop | HealthRequest:
        """Wait for what cannot wait, and leave the messages and callbacks alone."""
        while True:
            urgent = self._ahead.take_urgent()
            if urgent is STOP:
                await self.office.pause()
            if urgent is not None:
                return urgent
            self._arrived = self._arrived or anyio.Event()
            await self._arrived.wait()

    def _let_in(self) -> None:
        while self._senders and self._fits(self._senders[0].message):
            sender = self._senders.popleft()
            try:
                if sender.again is not None:
                    sender.again()
            except Exception as problem:  # noqa: BLE001 - the sender's own to raise
                sender.problem = problem
            else:
                # A copy, as the sender still has its own until its task goes on.
                self._append(copy(sender.message))
                sender.let_in = True
            sender.settled.set()

    # Control.

    def put_ahead(self, control: Control) -> None:
        """Put something ahead of the messages. The message under work comes first."""
        self._control.append(control)
        self._wake()

    def call_back(self, callback: Callback) -> bool:
        """Put an answer ahead of the messages; tell whether there was room for it.

        Answers that wait take as much as messages do at the most: of one that finds no
        room its asker gets the error only.
        """
        room = self._ahead.call_back(callback)
        self._wake()
        return room

    def request_stop(self) -> None:
        """Ask the actor to end. What is queued stays, until the mailbox is closed."""
        self.put_ahead(STOP)

    async def check_health(self) -> None:
        """Ask the actor how it is, ahead of its messages; wait as long as it takes.

        A Python actor is well if it comes back to its inbox.

        Raises:
            ActorStopped: It ended before it answered.
            Unhealthy: It says so.
        """
        if self.closed is not None:
            raise ActorStopped(self.id, self.closed)
        request = HealthRequest()
        self.put_ahead(request)
        try:
            await request.wait_answered()
        finally:
            if not request.settled.is_set() and request in self._control:
                self._control.remove(request)

    # Ends.

    def end_incarnation(self, reason: str, cause: str = "") -> None:
        """Note that the actor ended, and may be started again.

        Asks that it took and did not answer fail. What it asked for is forgotten, and
        answers that it has not looked at yet become dead letters.

        Args:
            reason: What cut it off, in which case all that it took and did not finish
                becomes dead letters; empty where it came to its end by itself.
            cause: The type of the error that cut it off, if one did.
        """
        taken, self.taken = self.taken, Taken()
        unfinished = taken.unfinished() if reason else tuple(taken.unanswered.values())
        for message in unfinished:
            self.bury(message, reason or "ended without an answer", cause=cause)
        for reply in self._ahead.clear(reason or "ended"):
            self.bury(reply, reason or "ended", cause=cause)
        taken.clear()
        self.requests.clear()
        if self.closed is not None:
            self.put_ahead(STOP)

    def close(self, reason: str = "stopped") -> None:
        """Close for good: what is queued becomes dead letters."""
        if self.closed is not None:
            return
        self.closed = reason
        self._dropped += len(self._queue)
        self._size = 0
        while self._queue:
            self.bury(self._queue.popleft(), reason)
        for message in tuple(self.taken.unanswered.values()):
            self.bury(message, reason)
        for sender in self._senders:
            sender.settled.set()
        self._senders.clear()
        self.put_ahead(STOP)

    def discard(self) -> None:
        """Close for good a mailbox whose owner wants nothing of what is left."""
        self._dropped += len(self._queue)
        self._queue.clear()
        self._size = 0
        self.close("the listener left")

    def bury(
        self,
        message: Message,
        reason: str,
        error: Exception | None = None,
        *,
        cause: str = "",
    ) -> None:
        """Make the message a dead letter; an ask fails with the error.

        Args:
            message: What cannot be delivered.
            reason: Why.
            error: What an asker gets; `ActorStopped` with the reason by default.
            cause: The type of the error that the receiver fell by, if it did.
        """
        self.office.bury(self.id, message, reason, cause)
        self._refuse(message, reason, error)

    def _refuse(
        self, message: Message, reason: str, error: Exception | None = None
    ) -> None:
        if message.answer is not None:
            message.answer.refuse(error or ActorStopped(self.id, reason))

    def answered(self, id: str) -> None:  # noqa: A002 - the field's word
        """Note that an ask has its reply, or nobody waits for one."""
        self.taken.unanswered.pop(id, None)

    def statistics(self) -> MailboxStatistics:
        """Take a snapshot."""
        return MailboxStatistics(
            capacity=self.capacity,
            overflow=self.overflow,
            capacity_bytes=self.bytes,
            queued=len(self._queue),
            queued_bytes=self._size,
            senders_waiting=len(self._senders),
            taken=self._taken,
            dropped=self._dropped,
            closed=self.closed,
        )
