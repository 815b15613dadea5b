"""Run a Python function as an actor: what it is given, and how it ends.

Actors are children for a supervisor: they return when they are asked to stop and raise
when they crash. Before an actor leaves, what it could not finish is settled: the
message under work becomes a dead letter, asks that it took fail. So it is for
components, which `component_actor` runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
from attrs import define, field

from ..core.child import Crashed
from ..core.defaults import ASK_TIMEOUT
from ..core.event import Logged
from ..core.message import Overflow
from .inbox import Inbox
from .reference import ActorRef
from .registry import ActorEntry, Registry

__all__ = ("Actor", "run_actor")


@define(eq=False)
class Actor:
    """What a Python actor is given: its id, its inbox and ways to reach others.

    >>> async def echo(actor: Actor) -> None:
    ...     async for message in actor.inbox:
    ...         await message.reply(message.payload)

    The inbox ends when the actor is asked to stop. An actor that asks another stands
    still meanwhile, as far as cycles of asks go, whichever of its tasks asks.
    """

    id: str
    inbox: Inbox
    _registry: Registry = field(repr=False)
    _refs: dict[str, ActorRef] = field(factory=dict, init=False, repr=False)

    def ref(self, target: str | ActorRef) -> ActorRef:
        """Return a reference to another actor, in this actor's name.

        Raises:
            NoSuchActor: Nobody has the id.
        """
        id_ = target if isinstance(target, str) else target.id
        ref = self._refs.get(id_)
        if ref is None or ref.closed:
            ref = self._refs[id_] = self._registry.ref(id_, sender=self.id)
        return ref

    async def send(
        self,
        target: str | ActorRef,
        payload: bytes | str,
        *,
        content_type: str | None = None,
    ) -> None:
        """Send a message; see `ActorRef.send`."""
        await self.ref(target).send(payload, content_type=content_type)

    async def ask(
        self,
        target: str | ActorRef,
        payload: bytes | str,
        *,
        timeout: float | None = ASK_TIMEOUT,  # noqa: ASYNC109 - has its own error
        content_type: str | None = None,
    ) -> bytes:
        """Send a message and wait for the reply; see `ActorRef.ask`."""
        ref = self.ref(target)
        return await ref.ask(payload, timeout=timeout, content_type=content_type)

    async def publish(self, topic: str, payload: bytes | str) -> int:
        """Send a message to all who subscribed; return how many mailboxes took it."""
        return await self._registry.publish(topic, payload, sender=self.id)

    async def subscribe(
        self, pattern: str, *, overflow: Overflow | None = None
    ) -> None:
        """Have messages of matching topics put into the inbox, also after a restart.

        An actor that subscribes before it waits for anything else has subscribed when
        `System.spawn` returns.

        Args:
            pattern: Which topics.
            overflow: What happens to a message that finds the mailbox full. By default
                the oldest message of a topic is dropped: no publisher waits for this
                actor. With ``Overflow.WAIT`` they do.

        Raises:
            ValueError: The text is no topic pattern.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        self._registry.subscribe(pattern, sender=self.id, overflow=overflow)
        await anyio.lowlevel.cancel_shielded_checkpoint()

    async def unsubscribe(self, pattern: str) -> bool:
        """Undo a subscription, and tell whether there was one."""
        await anyio.lowlevel.checkpoint()
        return self._registry.unsubscribe(pattern, sender=self.id)

    def log(self, level: str, message: str, **fields: object) -> None:
        """Write a log line: ``trace``, ``debug``, ``info``, ``warn`` or ``error``."""
        listed = tuple((name, str(value)) for name, value in fields.items())
        self._registry.office.emitter.emit(
            lambda at: Logged(
                at=at, subject=self.id, level=level, message=message, fields=listed
            )
        )


async def run_actor(
    function: Callable[..., Awaitable[object]],
    entry: ActorEntry,
    registry: Registry,
    *args: object,
) -> None:
    """Run a Python actor as ``function(actor, *args)`` until it returns or raises."""
    mailbox = entry.mailbox
    actor = Actor(entry.id, Inbox(mailbox), registry)
    reason, cause = "cut off", ""
    try:
        await function(actor, *args)
        reason = ""
    except Exception as error:
        reason, cause = Crashed(error).reason, type(error).__name__
        raise
    finally:
        mailbox.end_incarnation(reason, cause)
