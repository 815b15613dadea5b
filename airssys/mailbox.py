"""Queue an actor's messages in a bounded mailbox, and give out references to fill it.

A mailbox belongs to an actor's id and survives restarts of the actor: what is queued
waits for the next incarnation, and only the message under work is lost. Once it is
closed for good, what is left becomes dead letters and sends raise `ActorStopped`.

A full checkpoint of the event loop costs several times what a message costs, so
sending and receiving do not make one each. The rule: after 64 sends and receives in a
row over the mailboxes of one `PostOffice`, the next one checks for cancellation and
lets other tasks run, and so does each that has to wait.

Nothing here may be used from another thread than the event loop's.
"""

from __future__ import annotations

import heapq
import math
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint
from attrs import define, field, frozen

from .abc import Instrument
from .core.errors import (
    ActorStopped,
    AskCycle,
    CannotReply,
    MailboxFull,
    QuotaExceeded,
    ReplyTimeout,
)
from .core.event import DeadLettered, Delivered, Event
from .core.limits import MIB
from .core.message import HOST, AskGraph, Message, Overflow, PendingRequests

__all__ = (
    "ASK_TIMEOUT",
    "CAPACITY",
    "PAYLOAD",
    "ActorRef",
    "Callback",
    "Control",
    "HealthRequest",
    "Inbox",
    "Mailbox",
    "MailboxStatistics",
    "Overflow",
    "PostOffice",
    "Stop",
    "checked_payload",
)

ASK_TIMEOUT: Final = 5.0
"""Seconds an ask waits if it says nothing else. OTP's default for a call."""
CAPACITY: Final = 1000
"""Messages a mailbox holds if it says nothing else."""
PAYLOAD: Final = MIB
"""Bytes of the largest payload an actor may send if nothing else is said."""
_STRIDE: Final = 64
"""Sends and receives from one checkpoint to the next."""
_SWEEP: Final = 256
"""Deadlines to keep, at the least, before looking for those that have passed away."""


@define(eq=False, repr=False)
class PostOffice:
    """What the mailboxes of one system share."""

    instrument: Instrument | None = None
    clock: Callable[[], float] = time.time
    """The wall clock that stamps messages."""
    deliveries: bool = False
    """Whether each message taken is an event; costs more than the message itself."""
    asks: AskGraph = field(factory=AskGraph, init=False)
    left: int = field(default=_STRIDE, init=False)
    """Sends and receives until the next checkpoint."""
    _asked: int = field(default=0, init=False)
    _alarm: anyio.Event | None = field(default=None, init=False)
    """Present while `keep_time` runs: wakes it."""
    _wakes_at: float = field(default=math.inf, init=False)
    _due: list[tuple[float, int, _Reply]] = field(factory=list, init=False)
    """A heap. Replies that came leave it when they come up, or are swept out."""
    _sweep_at: int = field(default=_SWEEP, init=False)

    def emit(self, event: Event) -> None:
        """Tell the instrument."""
        if self.instrument is not None:
            self.instrument.event(event)

    def ask_id(self, asker: str) -> str:
        """Make up an id for an ask."""
        self._asked += 1
        return f"{asker}?{self._asked}"

    async def pause(self) -> None:
        """Check for cancellation, and let other tasks run."""
        self.left = _STRIDE
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
                reply.refuse(ActorStopped(reply.receiver.id, "the system ended"))
            self._due.clear()

    def expires(self, reply: _Reply, timeout: float) -> bool:
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


# --- what stands ahead of the messages --------------------------------------------


@frozen
class Stop:
    """The actor is asked to end."""


@define(eq=False)
class HealthRequest:
    """Somebody wants to know whether the actor is well."""

    problem: Exception | None = field(default=None, init=False)
    settled: anyio.Event = field(factory=anyio.Event, init=False)

    def settle(self, problem: Exception | None = None) -> None:
        """Answer: well, or what is wrong."""
        self.problem = problem
        self.settled.set()


@frozen
class Callback:
    """What became of a request that its sender did not wait for in place."""

    request_id: str
    outcome: bytes | Exception


Control: TypeAlias = Stop | HealthRequest | Callback
_STOP: Final = Stop()


# --- the mailbox ------------------------------------------------------------------


@frozen(kw_only=True)
class MailboxStatistics:
    """A snapshot of a mailbox."""

    capacity: int
    overflow: Overflow
    queued: int
    """Messages that wait to be taken."""
    senders_waiting: int
    """Senders that wait for room."""
    taken: int
    """Messages taken so far, over all restarts."""
    dropped: int
    """Messages that left the queue untaken: for newer ones, or at the close."""
    closed: str | None
    """Why the mailbox is closed for good; None while it is open."""


@define(eq=False)
class _Sender:
    """A sender that waits for room."""

    message: Message
    settled: anyio.Event = field(factory=anyio.Event, init=False)
    let_in: bool = field(default=False, init=False)


@define(eq=False, repr=False)
class Mailbox:
    """A bounded queue of messages, in order, with a lane for control ahead of it.

    Any number of tasks may send, in their order of arrival. One task receives: the
    actor's own.
    """

    id: str
    capacity: int = CAPACITY
    overflow: Overflow = Overflow.WAIT
    payload: int = PAYLOAD
    """Bytes of the largest payload the owner may send or reply."""
    office: PostOffice = field(factory=PostOffice)
    requests: PendingRequests = field(init=False)
    """The owner's own requests that it does not wait for in place."""
    closed: str | None = field(default=None, init=False)
    """Why it is closed for good; None while it is open."""
    current: Message | None = field(default=None, init=False)
    """The message under work."""
    _queue: deque[Message] = field(factory=deque, init=False)
    _control: deque[Control] = field(factory=deque, init=False)
    _senders: deque[_Sender] = field(factory=deque, init=False)
    _arrived: anyio.Event | None = field(default=None, init=False)
    """Present while the receiver waits."""
    _unanswered: dict[str, Message] = field(factory=dict, init=False)
    """Asks that were taken and wait for their reply."""
    _accepted: int = field(default=0, init=False)
    _dropped: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(
                f"mailbox of actor {self.id!r}: capacity {self.capacity} is not "
                "allowed: it must hold at least one message"
            )
        self.requests = PendingRequests(self.id)

    def __repr__(self) -> str:
        filled = f"{len(self._queue)} of {self.capacity}"
        return f"<Mailbox of {self.id!r}: {self.closed or filled}>"

    @property
    def inbox(self) -> Inbox:
        """The receiving end: ``async for message in mailbox.inbox``."""
        return Inbox(self)

    # Sending.

    def offer(self, message: Message) -> bool:
        """Queue the message if that needs neither a wait nor a decision: the fast path.

        Returns:
            False where nothing was done and `put` must see to it.
        """
        office = self.office
        if (
            office.left <= 0
            or len(self._queue) >= self.capacity
            or self._senders
            or self.closed is not None
        ):
            return False
        office.left -= 1
        self._append(message)
        return True

    async def put(self, message: Message) -> None:
        """Queue the message; where the mailbox is full, follow its overflow rule.

        Raises:
            ActorStopped: The mailbox is, or was while this waited, closed for good.
            MailboxFull: The rule is to refuse; or it is to wait, and the actor waits,
                in the end, for the sender itself, so that there never would be room.
        """
        if self.office.left <= 0:
            await self.office.pause()
        if self.overflow is Overflow.WAIT and self.closed is None and self.is_full():
            await self._wait_for_room(message)
        else:
            self.put_nowait(message)

    def put_nowait(self, message: Message) -> None:
        """Queue the message without waiting.

        Raises:
            ActorStopped: The mailbox is closed for good.
            MailboxFull: There is no room, unless the rule is to drop the oldest.
        """
        if self.closed is not None:
            raise ActorStopped(self.id, self.closed)
        if self.is_full():
            if self.overflow is not Overflow.DROP_OLDEST:
                raise MailboxFull(self.id, self.capacity)
            oldest = self._queue.popleft()
            self._dropped += 1
            full = MailboxFull(self.id, self.capacity)
            self.bury(oldest, "dropped for a newer message", full)
        self._append(message)

    def is_full(self) -> bool:
        """Tell whether one more message would have to wait."""
        return len(self._queue) >= self.capacity or bool(self._senders)

    async def _wait_for_room(self, message: Message) -> None:
        asks = self.office.asks
        if message.sender != HOST:
            try:
                asks.wait(message.sender, self.id)
            except AskCycle as cycle:
                raise MailboxFull(self.id, self.capacity) from cycle
        sender = _Sender(message)
        self._senders.append(sender)
        try:
            await sender.settled.wait()
        finally:
            if message.sender != HOST:
                asks.done(message.sender, self.id)
            if not sender.settled.is_set():
                self._senders.remove(sender)
        if not sender.let_in:
            raise ActorStopped(self.id, self.closed or "")

    def _append(self, message: Message) -> None:
        self._queue.append(message)
        self._accepted += 1
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
        message = self.current = self._queue.popleft()
        if message.answer is not None and message.answer.is_open:
            self._unanswered[message.answer.id] = message
        if self._senders:
            self._let_in()
        if office.deliveries:
            self._delivered(message)
        return message

    async def receive(self) -> Message | Control:
        """Wait for the next message, or for what stands ahead of the messages.

        The message received before this is done with. A `Stop` is received again and
        again until the actor has ended.
        """
        self.current = None
        if self.office.left <= 0:
            await self.office.pause()
        while True:
            if self._control:
                if self._control[0] is not _STOP:
                    return self._control.popleft()
                await self.office.pause()
                return _STOP
            if (message := self.take()) is not None:
                return message
            self._arrived = self._arrived or anyio.Event()
            await self._arrived.wait()
            self.office.left = _STRIDE

    def _let_in(self) -> None:
        while self._senders and len(self._queue) < self.capacity:
            sender = self._senders.popleft()
            self._append(sender.message)
            sender.let_in = True
            sender.settled.set()

    def _delivered(self, message: Message) -> None:
        size, now = len(message.payload), anyio.current_time()
        self.office.emit(Delivered(now, self.id, message.sender, size, message.topic))

    # Control.

    def tell(self, control: Control) -> None:
        """Put something ahead of the messages. The message under work comes first."""
        self._control.append(control)
        self._wake()

    def request_stop(self) -> None:
        """Ask the actor to end. What is queued stays, until the mailbox is closed."""
        self.tell(_STOP)

    async def check_health(self) -> None:
        """Ask the actor how it is, ahead of its messages; wait as long as it takes.

        A Python actor is well if it comes back to its inbox.

        Raises:
            ActorStopped: It ended before it answered.
            Unwell: It says so.
        """
        if self.closed is not None:
            raise ActorStopped(self.id, self.closed)
        request = HealthRequest()
        self.tell(request)
        try:
            await request.settled.wait()
        finally:
            if not request.settled.is_set() and request in self._control:
                self._control.remove(request)
        if request.problem is not None:
            raise request.problem

    # Ends.

    def end_incarnation(self, reason: str) -> None:
        """Note that the actor ended, and may be started again.

        Asks that it took and did not answer fail, what it asked for is forgotten.

        Args:
            reason: What cut it off, in which case the message under work becomes a dead
                letter; empty where it came to its end by itself.
        """
        if reason and self.current is not None:
            self.bury(self.current, reason)
        self.current = None
        for message in tuple(self._unanswered.values()):
            self._refuse(message, reason or "ended without an answer")
        for control in self._control:
            if isinstance(control, HealthRequest):
                control.settle(ActorStopped(self.id, reason or "ended"))
        self._control.clear()
        self.requests.clear()
        if self.closed is not None:
            self.tell(_STOP)

    def close(self, reason: str = "stopped") -> None:
        """Close for good: what is queued becomes dead letters."""
        if self.closed is not None:
            return
        self.closed = reason
        self._dropped += len(self._queue)
        while self._queue:
            self.bury(self._queue.popleft(), reason)
        for message in tuple(self._unanswered.values()):
            self._refuse(message, reason)
        for sender in self._senders:
            sender.settled.set()
        self._senders.clear()
        self.tell(_STOP)

    def discard(self) -> None:
        """Close for good a mailbox whose owner wants nothing of what is left."""
        self._dropped += len(self._queue)
        self._queue.clear()
        self.close("the listener left")

    def bury(
        self, message: Message, reason: str, error: Exception | None = None
    ) -> None:
        """Make the message a dead letter; an ask fails with the error.

        Args:
            message: What cannot be delivered.
            reason: Why.
            error: What an asker gets; `ActorStopped` with the reason by default.
        """
        self.office.emit(
            DeadLettered(
                anyio.current_time(),
                self.id,
                message.sender,
                reason,
                len(message.payload),
                message.topic,
                message.payload,
            )
        )
        self._refuse(message, reason, error)

    def _refuse(
        self, message: Message, reason: str, error: Exception | None = None
    ) -> None:
        if message.answer is not None:
            message.answer.refuse(error or ActorStopped(self.id, reason))

    def answered(self, id: str) -> None:  # noqa: A002 - the field's word
        """Note that an ask has its reply, or nobody waits for one."""
        self._unanswered.pop(id, None)

    def statistics(self) -> MailboxStatistics:
        """Take a snapshot."""
        queued = len(self._queue)
        return MailboxStatistics(
            capacity=self.capacity,
            overflow=self.overflow,
            queued=queued,
            senders_waiting=len(self._senders),
            taken=self._accepted - queued - self._dropped,
            dropped=self._dropped,
            closed=self.closed,
        )


@define(eq=False)
class Inbox:
    """The receiving end of a mailbox. It ends when the actor is asked to stop."""

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


# --- references -------------------------------------------------------------------


@define(eq=False, repr=False)
class ActorRef:
    """A reference to an actor, for one sender; valid over restarts of the actor."""

    _mailbox: Mailbox
    sender: str = HOST
    """In whose name it sends."""
    payload: int = PAYLOAD
    """Bytes of the largest payload the sender may send."""

    def __repr__(self) -> str:
        return f"<ActorRef to {self.id!r} for {self.sender!r}>"

    @property
    def id(self) -> str:
        """The actor's id."""
        return self._mailbox.id

    @property
    def closed(self) -> bool:
        """Whether the actor is gone for good."""
        return self._mailbox.closed is not None

    def statistics(self) -> MailboxStatistics:
        """Take a snapshot of the actor's mailbox."""
        return self._mailbox.statistics()

    async def send(
        self,
        payload: bytes | str,
        *,
        topic: str | None = None,
        content_type: str | None = None,
    ) -> None:
        """Put a message into the mailbox; a full one follows its overflow rule.

        Raises:
            ActorStopped: The actor is gone for good.
            MailboxFull: Its rule is to refuse, or it waits for the sender itself.
            QuotaExceeded: The payload is over the sender's limit.
        """
        if payload.__class__ is not bytes or len(payload) > self.payload:
            payload = checked_payload(payload, self.sender, self.payload)
        mailbox = self._mailbox
        now = mailbox.office.clock()
        message = Message(payload, self.sender, topic, None, content_type, now)
        if not mailbox.offer(message):
            await mailbox.put(message)

    def send_nowait(
        self,
        payload: bytes | str,
        *,
        topic: str | None = None,
        content_type: str | None = None,
    ) -> None:
        """Put a message into the actor's mailbox without waiting for room.

        Raises:
            ActorStopped: The actor is gone for good.
            MailboxFull: There is no room, unless the rule is to drop the oldest.
            QuotaExceeded: The payload is over the sender's limit.
        """
        payload = checked_payload(payload, self.sender, self.payload)
        now = self._mailbox.office.clock()
        self._mailbox.put_nowait(
            Message(payload, self.sender, topic, None, content_type, now)
        )

    async def ask(
        self,
        payload: bytes | str,
        *,
        timeout: float | None = ASK_TIMEOUT,  # noqa: ASYNC109 - has its own error
        topic: str | None = None,
        content_type: str | None = None,
    ) -> bytes:
        """Send a message and wait for the reply.

        Args:
            payload: What to ask.
            timeout: Seconds to wait, room in the mailbox included; None: no end.
            topic: As for `send`.
            content_type: As for `send`.

        Raises:
            ActorStopped: The actor ended before it answered.
            AskCycle: The actor waits, in the end, for the sender.
            AskRefused: The actor answered with an error, or with nothing.
            MailboxFull: As for `send`, or the ask was dropped for a newer message.
            QuotaExceeded: The payload is over the sender's limit.
            ReplyTimeout: No reply came in time.
        """
        payload = checked_payload(payload, self.sender, self.payload)
        mailbox, office = self._mailbox, self._mailbox.office
        reply = _Reply(office.ask_id(self.sender), self.sender, mailbox)
        now = office.clock()
        message = Message(payload, self.sender, topic, reply, content_type, now)
        if self.sender != HOST:
            office.asks.wait(self.sender, self.id)
            reply.waits = True
        try:
            sent = mailbox.offer(message)
            if sent and (timeout is None or office.expires(reply, timeout)):
                await reply.settled.wait()
            else:
                with anyio.move_on_after(timeout):
                    if not sent:
                        await mailbox.put(message)
                    await reply.settled.wait()
        finally:
            reply.give_up()
        match reply.outcome:
            case None:
                assert timeout is not None
                raise ReplyTimeout(self.id, timeout)
            case Exception() as error:
                raise error
            case bytes() as answer:
                return answer

    async def request(
        self,
        payload: bytes | str,
        *,
        asker: Mailbox,
        timeout: float = ASK_TIMEOUT,  # noqa: ASYNC109 - of the answer, not of this
    ) -> str:
        """Send a message whose reply comes to the asker as a `Callback`.

        Waits for room in the mailbox only. The asker looks for requests whose time is
        up in its ``requests``.

        Returns:
            The id that the `Callback` will carry.

        Raises:
            ActorStopped: The actor is gone for good.
            MailboxFull: Its rule is to refuse, or it waits for the sender itself.
            QuotaExceeded: The payload is over the sender's limit, or too many of the
                asker's requests are open.
        """
        payload = checked_payload(payload, self.sender, self.payload)
        mailbox = self._mailbox
        request = asker.requests.open(self.id, anyio.current_time() + timeout, timeout)
        reply = _Reply(request.id, self.sender, mailbox, asker)
        now = mailbox.office.clock()
        message = Message(payload, self.sender, None, reply, None, now)
        sent = False
        try:
            if not mailbox.offer(message):
                await mailbox.put(message)
            sent = True
        finally:
            if not sent:
                asker.requests.close(request.id)
        return request.id


def checked_payload(payload: bytes | str, sender: str, limit: int) -> bytes:
    """Return the payload as bytes.

    Raises:
        QuotaExceeded: It is over the sender's limit.
        TypeError: It is neither bytes nor text.
    """
    if isinstance(payload, str):
        content = payload.encode()
    else:
        try:
            content = payload if type(payload) is bytes else bytes(memoryview(payload))
        except TypeError as error:
            raise TypeError(
                f"a payload is bytes or str, not {type(payload).__name__}"
            ) from error
    if len(content) > limit:
        whose = "the host" if sender == HOST else f"actor {sender!r}"
        raise QuotaExceeded(
            f"message of {len(content):_} bytes from {whose}",
            "payload quota",
            f"{limit:_} bytes",
        )
    return content


class _State(Enum):
    OPEN = "open"
    ANSWERED = "answered"
    GIVEN_UP = "given up"
    """Nobody waits for it any more."""


@define(eq=False)
class _Reply:
    """The way back from the receiver of an ask to whoever asked: an `Answer`."""

    id: str
    asker: str
    receiver: Mailbox
    calls_back: Mailbox | None = None
    """Where to put a `Callback`, for a request that is not waited for in place."""
    waits: bool = field(default=False, init=False)
    """Whether the ask graph knows of it."""
    state: _State = field(default=_State.OPEN, init=False)
    outcome: bytes | Exception | None = field(default=None, init=False)
    settled: anyio.Event = field(factory=anyio.Event, init=False)

    async def reply(self, payload: bytes | str) -> None:
        content = checked_payload(payload, self.receiver.id, self.receiver.payload)
        office = self.receiver.office
        office.left -= 1
        if office.left <= 0:
            await office.pause()
        if self.state is _State.ANSWERED:
            raise CannotReply(self.asker, "it is answered already")
        if not self._settle(content):
            office.emit(
                DeadLettered(
                    anyio.current_time(),
                    self.asker,
                    self.receiver.id,
                    "a reply that nobody waits for any more",
                    len(content),
                    payload=content,
                )
            )

    @property
    def is_open(self) -> bool:
        return self.state is _State.OPEN

    def refuse(self, error: Exception) -> None:
        if self.is_open:
            self._settle(error)

    def give_up(self) -> None:
        if self.is_open:
            self._close(_State.GIVEN_UP)

    def expire(self) -> None:
        self.give_up()
        self.settled.set()

    def _settle(self, outcome: bytes | Exception) -> bool:
        """Hand over the outcome, and tell whether somebody waits for it."""
        asker = self.calls_back
        if asker is not None and asker.requests.close(self.id) is None:
            self.state = _State.GIVEN_UP
        waited_for = self.is_open
        self._close(_State.ANSWERED)
        if waited_for:
            self.outcome = outcome
            self.settled.set()
            if asker is not None:
                asker.tell(Callback(self.id, outcome))
        return waited_for

    def _close(self, state: _State) -> None:
        self.state = state
        self.receiver.answered(self.id)
        if self.waits:
            self.waits = False
            self.receiver.office.asks.done(self.asker, self.receiver.id)
