"""Describe messages, and decide who may wait for whom and where topics lead."""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Generator, Iterable
from enum import Enum
from typing import Final, Protocol

from attrs import define, field, frozen

from .errors import AskCycle, QuotaExceeded
from .grants.spelling import LONGEST_TOPIC

__all__ = (
    "HOST",
    "MOST_REQUESTS",
    "Answer",
    "AskGraph",
    "Message",
    "Overflow",
    "PendingRequests",
    "Publication",
    "Request",
    "check_topic",
)

HOST: Final = "host"
"""The sender of a message that the host's own program sent; no actor has this id."""
MOST_REQUESTS: Final = 1000
"""Requests of one actor that may wait for their answers at a time."""


class Overflow(Enum):
    """What a full mailbox does with one more message. The words of the manifest."""

    WAIT = "wait"
    """The sender waits for room."""
    REFUSE = "refuse"
    """The sender gets `MailboxFull`."""
    DROP_OLDEST = "drop-oldest"
    """The message that has waited longest becomes a dead letter."""

    @property
    def holds_up_senders(self) -> bool:
        """Whether a sender waits while the mailbox is full."""
        match self:
            case Overflow.WAIT:
                return True
            case Overflow.REFUSE | Overflow.DROP_OLDEST:
                return False


class Answer(Protocol):
    """**Protocol:** the way back to whoever asked. Used once."""

    @property
    def id(self) -> str:
        """Tie the answer to its question."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether somebody still waits."""
        ...

    @property
    def is_answered(self) -> bool:
        """Whether it was replied to, or refused: there is no more to do."""
        ...

    def reply(self, payload: bytes | str) -> Awaitable[None]:
        """Answer."""
        ...

    def refuse(self, error: Exception) -> None:
        """Make the ask raise the error instead. Does nothing once it is answered."""
        ...


@define(eq=False)
class Message:
    """What one actor sends to another. Nobody changes it once it is sent.

    The class is not ``@frozen``: a message is made for every send, and a frozen one
    costs three times as much.
    """

    payload: bytes
    sender: str = HOST
    """The id of the actor that sent it; `HOST` for the host's own program."""
    topic: str | None = None
    """The topic it was published to; None for a message to this actor alone."""
    answer: Answer | None = field(default=None, repr=False)
    """Present where the sender waits for a reply."""
    content_type: str | None = None
    timestamp: float = 0.0
    """When it was sent: seconds since 1970-01-01T00:00:00Z."""

    @property
    def text(self) -> str:
        """The payload as text. Raises `UnicodeDecodeError` where it is not UTF-8."""
        return self.payload.decode()

    @property
    def request_id(self) -> str | None:
        """Name the ask; None for a message that was only sent."""
        return None if self.answer is None else self.answer.id

    def reply(self, payload: bytes | str) -> Awaitable[None]:
        """Answer the ask: ``await message.reply(b"done")``.

        If the asker has stopped waiting, the reply becomes a dead letter. If the
        message was only sent, the reply is dropped, as a guest's is: whoever may send
        could crash an actor that answers everything otherwise.

        Raises:
            CannotReply: The message is answered already.
            QuotaExceeded: The payload is over the replying actor's limit; the ask is
                still open.
        """
        return _Nothing() if self.answer is None else self.answer.reply(payload)


@define(eq=False)
class Publication(Message):
    """A message that came over a topic, so that a subscription brought it."""


class _Nothing:
    """Nothing to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


# --- who waits for whom -----------------------------------------------------------


@define(eq=False)
class AskGraph:
    """Know which actor waits for which, and refuse a wait that could never end.

    An actor that asks stands still until the answer is there, so an ask whose receiver
    waits, over however many others, for the asker itself is a deadlock. An actor counts
    as waiting whichever of its tasks asks. Changed in place: each ask adds and removes
    one edge.
    """

    _waits: dict[str, dict[str, int]] = field(factory=dict, init=False)
    """For each waiting actor: those it waits for, each with the number of its asks."""

    def wait(self, asker: str, target: str) -> None:
        """Note that the asker waits for the target.

        Raises:
            AskCycle: The target waits for the asker; nothing is noted.
        """
        if cycle := self.cycle(asker, target):
            raise AskCycle(cycle)
        targets = self._waits.setdefault(asker, {})
        targets[target] = targets.get(target, 0) + 1

    def done(self, asker: str, target: str) -> None:
        """Note that one wait of the asker for the target is over."""
        targets = self._waits[asker]
        targets[target] -= 1
        if not targets[target]:
            del targets[target]
            if not targets:
                del self._waits[asker]

    def cycle(self, asker: str, target: str) -> tuple[str, ...]:
        """Return the shortest cycle that the wait would close; empty if it closes none.

        It starts and ends with the asker.
        """
        if asker == target:
            return (asker, asker)
        if target not in self._waits:
            return ()
        came_from = {target: asker}
        nearest = [target]
        for actor in nearest:
            for next_ in self._waits.get(actor, ()):
                if next_ == asker:
                    return (*_way_back(came_from, actor, asker), asker)
                if next_ not in came_from:
                    came_from[next_] = actor
                    nearest.append(next_)
        return ()


def _way_back(came_from: dict[str, str], actor: str, asker: str) -> Iterable[str]:
    path = [actor]
    while path[-1] != asker:
        path.append(came_from[path[-1]])
    return reversed(path)


# --- requests whose answers come later --------------------------------------------


@frozen
class Request:
    """A request whose sender goes on without waiting."""

    id: str
    target: str
    deadline: float
    """The clock's reading at which the sender gives up."""
    timeout: float = 0.0
    """The seconds it gave the answer, for the error."""


@define(eq=False)
class PendingRequests:
    """The requests of one actor that wait for their answers, with their deadlines.

    Changed in place. An id is never used again, so an answer that comes after its
    deadline finds nothing.
    """

    owner: str
    limit: int = MOST_REQUESTS
    _open: dict[str, Request] = field(factory=dict, init=False)
    _deadlines: list[tuple[float, str]] = field(factory=list, init=False)
    """A heap. Closed requests leave it when they come up, or are swept out."""
    _made: int = field(default=0, init=False)

    def open(self, target: str, deadline: float, timeout: float = 0.0) -> Request:
        """Make a request.

        Raises:
            QuotaExceeded: Too many are open.
        """
        if len(self._open) >= self.limit:
            raise QuotaExceeded(
                f"actor {self.owner!r}", "pending requests", str(self.limit)
            )
        self._made += 1
        request = Request(f"{self.owner}:{self._made}", target, deadline, timeout)
        self._open[request.id] = request
        if len(self._deadlines) > 2 * self.limit:
            self._deadlines = [due for due in self._deadlines if due[1] in self._open]
            heapq.heapify(self._deadlines)
        heapq.heappush(self._deadlines, (deadline, request.id))
        return request

    def close(self, id: str) -> Request | None:  # noqa: A002 - the field's word
        """Forget a request and return it; None where it is not open (any more)."""
        return self._open.pop(id, None)

    def clear(self) -> None:
        """Forget all requests."""
        self._open.clear()
        self._deadlines.clear()

    def next_deadline(self) -> float | None:
        """Return the earliest deadline; None where nothing is open."""
        while self._deadlines and self._deadlines[0][1] not in self._open:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def expired(self, now: float) -> tuple[Request, ...]:
        """Forget and return the requests whose deadline is reached, earliest first."""
        found = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            found.append(self._open.pop(heapq.heappop(self._deadlines)[1]))
        return tuple(found)

    def __len__(self) -> int:
        return len(self._open)


# --- topics -----------------------------------------------------------------------


def check_topic(topic: str) -> None:
    """Check that the text is a topic that can be published to.

    Raises:
        ValueError: The text is no topic; says what is allowed.
    """
    if len(topic) > LONGEST_TOPIC:
        raise ValueError(
            f"a topic of {len(topic)} characters is too long (at most {LONGEST_TOPIC})"
        )
    if not all(topic.split(".")) or {"*", "#"} & set(topic) or not topic.isprintable():
        raise ValueError(
            f"topic {topic!r} is not allowed: use segments between dots, such as "
            "'orders.created'; '*' and '#' belong in patterns"
        )
