"""Find actors by id, carry messages to them, and spread messages over topics."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from typing import Final

from attrs import define, field

from ..core.defaults import ASK_TIMEOUT, MAILBOX, MAILBOX_BYTES, PAYLOAD
from ..core.errors import DeliveryError, MailboxFull, NoSuchActor
from ..core.grants.capabilities import Messaging
from ..core.message import HOST, Overflow, Publication, check_topic
from ..core.names import LONGEST_ID, ActorId
from ..hostcalls.call import Standing
from ..hostcalls.pieces import in_pieces
from .inbox import Inbox
from .mailbox import Mailbox
from .post_office import PostOffice
from .reference import ActorRef, checked_payload
from .subscriptions import Subscriptions

__all__ = ("About", "ActorEntry", "Registry")

_NEAR: Final = 5
"""Ids to offer in place of one that is not there."""
_COMPARED: Final = 100
"""Ids that are compared with one that is not there."""


@define(eq=False)
class About:
    """What all actors made of one component share."""

    metadata: object = None
    """The ``component-metadata`` record, once one of them has started."""


@define(eq=False)
class ActorEntry:
    """One actor's place in the registry. It outlives restarts of the actor."""

    mailbox: Mailbox
    standing: Standing | None = None
    """What a component may do and use; None for a Python actor, which is trusted."""
    config: Mapping[str, str] = field(factory=dict)
    """What ``get-config`` finds."""
    about: About = field(factory=About)
    health: object = None
    """The ``health-status`` variant of its last health check; None before the first."""

    @property
    def id(self) -> str:
        """The actor's id."""
        return self.mailbox.id

    @property
    def metadata(self) -> object:
        """The component's metadata; None before it has started."""
        return self.about.metadata


@define(eq=False, repr=False)
class Registry:
    """All actors of a system by id, and who subscribed to which topics.

    Publishing waits for nobody, but for subscriptions that say so: where a mailbox is
    full, the oldest message of a topic in it is a dead letter; where its own rule is to
    refuse or to drop the oldest of all, that is followed. All who have room get the
    message at once; then the publisher waits, in order, for those it is to wait for. So
    a slow subscriber never holds up another one. Where there would never be room,
    because the subscriber is or waits for the publisher itself, the message is a dead
    letter.
    """

    office: PostOffice = field(factory=PostOffice)
    _entries: dict[str, ActorEntry] = field(factory=dict, init=False)
    _subscriptions: Subscriptions = field(init=False)
    _listeners: dict[str, Mailbox] = field(factory=dict, init=False)
    """Mailboxes of the host's own subscriptions."""
    _listened: int = field(default=0, init=False)
    _taken: int = field(default=0, init=False)
    """Messages taken by actors that are gone."""

    def __attrs_post_init__(self) -> None:
        self._subscriptions = Subscriptions(self.office, self._standing)

    # Actors.

    def register(
        self,
        id: str,  # noqa: A002 - the field's word
        *,
        capacity: int = MAILBOX,
        size: int = MAILBOX_BYTES,
        overflow: Overflow = Overflow.WAIT,
        payload: int = PAYLOAD,
        standing: Standing | None = None,
        config: Mapping[str, str] | None = None,
        about: About | None = None,
    ) -> ActorEntry:
        """Give an actor its id and mailbox.

        Args:
            id: ``[namespace/]name[#instance]``.
            capacity: Messages the mailbox holds.
            size: Bytes of their payloads.
            overflow: What it does when it is full.
            payload: Bytes of the largest payload the actor may send.
            standing: What a component may do and use; None for a Python actor.
            config: What ``get-config`` finds.
            about: Shared by the actors of a component.

        Raises:
            ValueError: The id is not well formed, or is taken.
        """
        ActorId.parse(id)
        if id == HOST:
            raise ValueError(f"actor id {id!r} is taken: it means the host itself")
        if id in self._entries:
            raise ValueError(f"actor id {id!r} is taken: there is such an actor")
        mailbox = Mailbox(id, capacity, overflow, payload, size, self.office)
        entry = ActorEntry(mailbox, standing, config or {}, about or About())
        self._entries[id] = entry
        return entry

    def remove(self, id: str, reason: str = "stopped") -> None:  # noqa: A002
        """Close the actor's mailbox for good and forget the actor. It must have ended.

        Raises:
            NoSuchActor: Nobody has the id.
        """
        entry = self.entry(id)
        del self._entries[id]
        self._subscriptions.forget(id)
        entry.mailbox.close(reason)
        if entry.standing is not None and entry.standing.budget is not None:
            entry.standing.budget.close()
        self._taken += entry.mailbox.statistics().taken

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all actors, oldest first."""
        return tuple(self._entries)

    @property
    def taken(self) -> int:
        """The number of messages that actors have taken so far."""
        return self._taken + sum(
            entry.mailbox.statistics().taken for entry in self._entries.values()
        )

    def entry(self, id: str) -> ActorEntry:  # noqa: A002 - the field's word
        """Return an actor's entry.

        Raises:
            NoSuchActor: Nobody has the id.
        """
        entry = self._entries.get(id)
        if entry is None:
            raise NoSuchActor(id)
        return entry

    def ref(
        self,
        id: str,  # noqa: A002 - the field's word
        *,
        sender: str = HOST,
        again: Callable[[], object] | None = None,
    ) -> ActorRef:
        """Return a reference to an actor, in the name of a sender.

        Args:
            id: The actor's.
            sender: In whose name it sends.
            again: Raises where the sender may not send any more: asked after each wait
                for room in the actor's mailbox.

        Raises:
            NoSuchActor: Nobody has the id, or the sender's; offers ids that are near.
        """
        if id not in self._entries:
            raise NoSuchActor(id, self._near(id))
        mailbox = self.entry(id).mailbox
        return ActorRef(mailbox, sender, self.payload(sender), again)

    def _near(self, id: str) -> tuple[str, ...]:  # noqa: A002 - the field's word
        """Return ids to offer in place of one that is not there.

        To compare it with each of many takes long: then only those of its beginning.
        """
        ids = tuple(self._entries)
        if len(ids) > _COMPARED:
            alike = (each for each in ids if each[:1] == id[:1])
            ids = tuple(islice(alike, _COMPARED)) or ids[:_COMPARED]
        near = difflib.get_close_matches(id[:LONGEST_ID], ids, _NEAR)
        return tuple(near or sorted(ids)[:_NEAR])

    def payload(self, sender: str) -> int:
        """Return the bytes of the largest payload the sender may send."""
        return PAYLOAD if sender == HOST else self.entry(sender).mailbox.payload

    # Messages. These have the shape of `host.actor_directory.ActorDirectory`.

    async def send(
        self,
        target: str,
        payload: bytes | str,
        *,
        sender: str = HOST,
        again: Callable[[], object] | None = None,
    ) -> None:
        """Send a message; see `ActorRef.send`, and `ref` for ``again``."""
        await self.ref(target, sender=sender, again=again).send(payload)

    async def ask(
        self,
        target: str,
        payload: bytes | str,
        *,
        sender: str = HOST,
        timeout: float | None = ASK_TIMEOUT,  # noqa: ASYNC109 - has its own error
        again: Callable[[], object] | None = None,
    ) -> bytes:
        """Send a message and wait for the reply; see `ActorRef.ask`, and `ref`."""
        ref = self.ref(target, sender=sender, again=again)
        return await ref.ask(payload, timeout=timeout)

    async def request(
        self,
        target: str,
        payload: bytes | str,
        *,
        sender: str,
        timeout: float = ASK_TIMEOUT,  # noqa: ASYNC109 - of the answer, not of this
        again: Callable[[], object] | None = None,
    ) -> str:
        """Send a message whose reply comes as a `Callback`; see `ActorRef.request`."""
        asker = self.entry(sender).mailbox
        ref = self.ref(target, sender=sender, again=again)
        return await ref.request(payload, asker=asker, timeout=timeout)

    def cancel_request(self, request_id: str, *, sender: str) -> bool:
        """Give up a request, and tell whether it was open."""
        return self.entry(sender).mailbox.requests.close(request_id) is not None

    def standing(self, id: str) -> Standing | None:  # noqa: A002 - the field's word
        """Return what a component may do; None for a Python actor, which is trusted."""
        return self.entry(id).standing

    # Topics.

    async def publish(
        self,
        topic: str,
        payload: bytes | str,
        *,
        sender: str = HOST,
        again: Callable[[], object] | None = None,
    ) -> int:
        """Send a message to all who subscribed to the topic.

        When publishing is cancelled, subscribers it still waited for get no message.

        Args:
            topic: The topic.
            payload: What to tell.
            sender: In whose name.
            again: Raises where the sender may not publish any more: asked after each
                wait for room.

        Returns:
            How many mailboxes took it.

        Raises:
            QuotaExceeded: The payload is over the sender's limit; nobody got it.
            ValueError: The text is no topic.
        """
        check_topic(topic)
        content = checked_payload(payload, sender, self.payload(sender))
        now = self.office.clock()
        if self.office.left <= 0:
            await self.office.pause()
        delivered = 0
        waited_for = []
        found = self._subscriptions.known(topic)
        if found is None:
            found = await in_pieces(self._subscriptions.finding(topic))
            # Some may have left meanwhile.
            found = tuple(filter(self._subscriptions.has, found))
        for subscriber in found:
            mailbox = self._mailbox(subscriber)
            message = Publication(content, sender, topic, None, None, now)
            rule = self._subscriptions.overflow(subscriber, topic)
            if rule is not None and mailbox.holds_up_senders(message, rule):
                waited_for.append((mailbox, message))
            elif self._dropped_in(mailbox, message, rule):
                delivered += 1
            del message  # The subscriber's tasks alone have it from now on.
        self.office.left -= 1 + delivered
        while waited_for:
            mailbox, message = waited_for.pop(0)
            try:
                await mailbox.put(message, again, Overflow.WAIT)
                delivered += 1
            except DeliveryError as error:
                mailbox.bury(message, str(error))
        return delivered

    def _dropped_in(
        self, mailbox: Mailbox, message: Publication, rule: Overflow | None
    ) -> bool:
        if rule is None and mailbox.overflow is Overflow.WAIT:
            return mailbox.publish_nowait(message)
        try:
            mailbox.put_nowait(message, rule)
        except MailboxFull as full:
            mailbox.bury(message, str(full))
            return False
        return True

    def _standing(self, subscriber: str) -> Standing | None:
        entry = self._entries.get(subscriber)
        return None if entry is None else entry.standing

    def may_hear(self, entry: ActorEntry, message: Publication) -> bool:
        """Tell whether an actor may still have a message that it is about to take.

        One of a topic that it may not hear any more is a dead letter, and the audit is
        told: it was let in while it was granted, or by a publisher that waited since.
        """
        return self._subscriptions.hears(entry.id, message)

    def may_learn(self, entry: ActorEntry, target: str, request_id: str) -> str:
        """Return why an actor may not have an answer it has waited for; or nothing.

        Its grant to ask can be gone since it asked. The audit is told.
        """
        standing = entry.standing
        if standing is None:
            return ""
        need = Messaging("request", target)
        denial = standing.grants.check(need, self.office.clock())
        if denial is None:
            return ""
        self.office.denied(entry.id, "send-request", denial, request_id)
        return f"may not {denial.needed}: {denial.reason}"

    def _mailbox(self, subscriber: str) -> Mailbox:
        listener = self._listeners.get(subscriber)
        return self._entries[subscriber].mailbox if listener is None else listener

    def subscribe(
        self, pattern: str, *, sender: str, overflow: Overflow | None = None
    ) -> None:
        """Have messages of matching topics put into the sender's mailbox.

        The subscription outlives restarts of the actor. A message that matches several
        of its patterns comes once, by the rule of the subscription that waits longest.

        Args:
            pattern: Which topics.
            sender: Who subscribes.
            overflow: What happens to a message that finds the mailbox full; None: the
                oldest of a topic is dropped, unless the mailbox's own rule is to refuse
                or to drop the oldest of all.

        Raises:
            NoSuchActor: The sender is gone.
            QuotaExceeded: The sender has too many.
            ValueError: The text is no topic pattern.
        """
        self.entry(sender)
        self._subscriptions.subscribe(sender, pattern, overflow)

    def unsubscribe(self, pattern: str, *, sender: str) -> bool:
        """Undo a subscription, and tell whether there was one."""
        return self._subscriptions.unsubscribe(sender, pattern)

    @asynccontextmanager
    async def listen(
        self,
        pattern: str,
        *,
        capacity: int = MAILBOX,
        overflow: Overflow = Overflow.DROP_OLDEST,
    ) -> AsyncIterator[Inbox]:
        """Subscribe the host's own program: ``async with ... as messages``.

        Args:
            pattern: Which topics.
            capacity: Messages that wait to be read.
            overflow: What happens to one more. A listener that is slow, or forgot to
                read, must not hold up the actors it listens to, so by default the
                oldest message is dropped.

        Raises:
            ValueError: The text is no topic pattern.
        """
        self._listened += 1
        # No actor has such an id.
        name = f"listener {self._listened} ({pattern})"
        rule = overflow if overflow is Overflow.WAIT else None
        self._subscriptions.subscribe(name, pattern, rule)
        mailbox = Mailbox(name, capacity, overflow, office=self.office)
        self._listeners[name] = mailbox
        try:
            yield Inbox(mailbox)
        finally:
            self._subscriptions.forget(name)
            del self._listeners[name]
            mailbox.discard()
