"""Give out references to actors: send to a mailbox, ask, and find the way back."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import anyio
from attrs import define, field

from ..core.checks import seconds
from ..core.defaults import ASK_TIMEOUT, PAYLOAD
from ..core.errors import ActorStopped, CannotReply, QuotaExceeded, ReplyTimeout
from ..core.limits import QUOTAS
from ..core.message import HOST, Message
from .control import Callback
from .mailbox import Mailbox, MailboxStatistics

__all__ = ("ActorRef", "checked_payload")


@define(eq=False, repr=False)
class ActorRef:
    """A reference to an actor, for one sender; valid over restarts of the actor."""

    _mailbox: Mailbox
    sender: str = HOST
    """In whose name it sends."""
    payload: int = PAYLOAD
    """Bytes of the largest payload the sender may send."""
    _again: Callable[[], object] | None = None
    """Raises where the sender may not send any more: asked after a wait for room."""

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
            await mailbox.put(message, self._again)

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
            TypeError: The timeout is no number.
            ValueError: The timeout is not a number, or more than a float can be.
        """
        if timeout is not None:
            timeout = seconds(timeout)
        payload = checked_payload(payload, self.sender, self.payload)
        mailbox, office = self._mailbox, self._mailbox.office
        reply = _Reply(office.ask_id(self.sender), self.sender, mailbox)
        now = office.clock()
        message: Message | None
        message = Message(payload, self.sender, topic, reply, content_type, now)
        if self.sender != HOST:
            office.asks.wait(self.sender, self.id)
            reply.waits = True
        try:
            if mailbox.offer(message):
                message = None  # The receiver's tasks alone have it from now on.
            if message is None and (timeout is None or office.expires(reply, timeout)):
                await reply.settled.wait()
            else:
                with anyio.move_on_after(timeout):
                    if message is not None:
                        await mailbox.put(message, self._again)
                        message = None
                    await reply.settled.wait()
        finally:
            reply.give_up()
            # Who watches over timeouts may know the reply for a while yet.
            outcome, reply.outcome = reply.outcome, None
        match outcome:
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
            TypeError: The timeout is no number.
            ValueError: The timeout is not a number, or more than a float can be.
        """
        timeout = seconds(timeout)
        payload = checked_payload(payload, self.sender, self.payload)
        mailbox = self._mailbox
        request = asker.requests.open(self.id, anyio.current_time() + timeout, timeout)
        reply = _Reply(request.id, self.sender, mailbox, asker)
        now = mailbox.office.clock()
        message = Message(payload, self.sender, None, reply, None, now)
        sent = False
        try:
            if not mailbox.offer(message):
                await mailbox.put(message, self._again)
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
            QUOTAS["payload"].phrase,
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
        match self.state:
            case _State.OPEN | _State.GIVEN_UP:
                if not self._settle(content):
                    unwanted = Message(content, self.receiver.id)
                    why = "a reply that nobody waits for any more"
                    office.bury(self.asker, unwanted, why)
            case _State.ANSWERED:
                raise CannotReply(self.asker, "it is answered already")

    @property
    def is_open(self) -> bool:
        return self.state is _State.OPEN

    @property
    def is_answered(self) -> bool:
        return self.state is _State.ANSWERED

    def refuse(self, error: Exception) -> None:
        if self.is_open:
            self._settle(error)

    def abandon(self, reason: str) -> None:
        self.refuse(ActorStopped(self.receiver.id, reason))

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
                self._call_back(asker, outcome)
        return waited_for

    def _call_back(self, asker: Mailbox, outcome: bytes | Exception) -> None:
        room = asker.call_back(Callback(self.id, outcome, self.receiver.id))
        if not room and isinstance(outcome, bytes):
            lost = Message(outcome, self.receiver.id)
            why = "a reply for which there is no room"
            self.receiver.office.bury(self.asker, lost, why)

    def _close(self, state: _State) -> None:
        self.state = state
        self.receiver.answered(self.id)
        if self.waits:
            self.waits = False
            self.receiver.office.asks.done(self.asker, self.receiver.id)
