"""Let guests send, ask, publish and subscribe: ``airssys:core/messaging``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Final, Literal, TypeAlias, get_args

import anyio
import anyio.lowlevel
from attrs import define, evolve

from ..core.defaults import MESSAGING
from ..core.errors import (
    ActorStopped,
    AskCycle,
    AskRefused,
    CannotReply,
    MailboxFull,
    NoSuchActor,
    QuotaExceeded,
    ReplyTimeout,
    WitError,
)
from ..core.grants.capabilities import Messaging
from ..core.grants.pattern import Pattern
from ..core.grants.spelling import Kind
from ..core.message import check_topic
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, Inside, Requires, interface_of, operation
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..witmodel.records import actor_id, component_id
from ..witmodel.types import Err, Ok, Variant
from .actor_directory import ActorDirectory
from .errors import as_wit_errors, denied

__all__ = (
    "MESSAGING",
    "MOST_TARGETS",
    "UNDELIVERED",
    "MessagingOperations",
    "Undelivered",
    "messaging",
)

MOST_TARGETS: Final = 1000
"""Of one broadcast; the others get nothing."""

_Id: TypeAlias = Any
"""A ``component-id`` record as it is lifted."""


Undelivered: TypeAlias = (
    NoSuchActor
    | MailboxFull
    | ReplyTimeout
    | ActorStopped
    | AskCycle
    | AskRefused
    | CannotReply
    | QuotaExceeded
    | ValueError
)
"""Why a message goes nowhere: each has a case of ``messaging-error``."""
UNDELIVERED: Final[tuple[type[Undelivered], ...]] = get_args(Undelivered)


def _messaging_error(error: Undelivered) -> Variant:
    match error:
        case NoSuchActor(target=target):
            # Not in its own words: those offer ids that the guest need not know.
            return Variant("component-not-found", f"there is no actor {target!r}")
        case MailboxFull():
            return Variant("mailbox-full", str(error))
        case ReplyTimeout():
            return Variant("timeout")
        case AskCycle():
            return Variant("cycle", str(error))
        case ActorStopped():
            return Variant("stopped", str(error))
        case AskRefused():
            return Variant("failed", str(error))
        case CannotReply() | QuotaExceeded() | ValueError():
            return Variant("invalid-message", str(error))


_AS_WIT_ERRORS: Final = as_wit_errors(_messaging_error, *UNDELIVERED)
"""Tells the guest why its message went nowhere, as a ``messaging-error``."""


def messaging(actors: ActorDirectory, gate: Gate) -> HostInterface:
    """Return the interface for all components of a system.

    Between two components both sides must agree: the sender is granted ``send`` or
    ``request`` to the receiver, and the receiver ``receive`` from the sender. Whatever
    a component tries to send counts towards its quota of messages, each target of a
    broadcast for itself; a refusal is ``denied``, and an event, as for a capability.
    """
    return interface_of(MessagingOperations(actors, gate), denied=denied)


def _topic(topic: str) -> str:
    with _AS_WIT_ERRORS:
        check_topic(topic)
    return topic


def _pattern(pattern: str) -> str:
    with _AS_WIT_ERRORS:
        Pattern.parse(pattern, Kind.TOPIC)
    return pattern


_SEND: Final = Requires("messaging.send", lambda target, _: actor_id(target))
_REQUEST: Final = Requires("messaging.request", lambda target, *_: actor_id(target))


@define(eq=False)
class MessagingOperations:
    """The operations of ``airssys:core/messaging``."""

    interface: ClassVar[str] = MESSAGING
    actors: ActorDirectory
    gate: Gate

    @operation(needs=Free("an actor may know its own id"))
    def self_id(self, call: Call) -> Mapping[str, str]:
        return component_id(call.who)

    @operation(needs=_SEND)
    async def send(self, call: Call, target: _Id, payload: bytes) -> None:
        with _AS_WIT_ERRORS:
            self._count(call)
            self._check_receiver(call, actor_id(target))
            again = partial(self._again, call, "send", actor_id(target))
            await self.actors.send(
                actor_id(target), payload, sender=call.who, again=again
            )

    @operation(needs=_REQUEST)
    async def request(
        self, call: Call, target: _Id, payload: bytes, timeout_ms: int
    ) -> bytes:
        with _AS_WIT_ERRORS:
            self._count(call)
            self._check_receiver(call, actor_id(target))
            return await self.actors.ask(
                actor_id(target),
                payload,
                sender=call.who,
                timeout=timeout_ms / 1000,
                again=partial(self._again, call, "request", actor_id(target)),
            )

    @operation(needs=_REQUEST)
    async def send_request(
        self, call: Call, target: _Id, payload: bytes, timeout_ms: int
    ) -> str:
        with _AS_WIT_ERRORS:
            self._count(call)
            self._check_receiver(call, actor_id(target))
            return await self.actors.request(
                actor_id(target),
                payload,
                sender=call.who,
                timeout=timeout_ms / 1000,
                again=partial(self._again, call, "request", actor_id(target)),
            )

    @operation(needs=Free("gives up a request of the caller's own"))
    def cancel_request(self, call: Call, request_id: str) -> bool:
        return self.actors.cancel_request(request_id, sender=call.who)

    @operation(needs=Inside(("messaging.send",), "for each target by itself"))
    async def broadcast(
        self, call: Call, targets: list[_Id], payload: bytes
    ) -> list[Ok | Err]:
        outcomes: list[Ok | Err] = []
        for target in map(actor_id, targets[:MOST_TARGETS]):
            await anyio.lowlevel.checkpoint()
            problem = self.gate.allowed(call, Messaging("send", target))
            try:
                if problem:
                    raise WitError(denied(problem))  # noqa: TRY301 - as `send` has it
                with _AS_WIT_ERRORS:
                    self._count(call)
                    self._check_receiver(call, target)
                    again = partial(self._again, call, "send", target)
                    await self.actors.send(
                        target, payload, sender=call.who, again=again
                    )
            except WitError as error:
                outcomes.append(Err(error.value))
            else:
                outcomes.append(Ok())
        beyond = len(targets) - len(outcomes)
        if beyond:
            reason = f"a broadcast has at most {MOST_TARGETS:_} targets"
            self.gate.refused(call, f"send to {len(targets):_} targets", reason)
            outcomes += [Err(Variant("invalid-message", reason))] * beyond
        return outcomes

    @operation(needs=Requires("messaging.publish", lambda topic, _: _topic(topic)))
    async def publish(self, call: Call, topic: str, payload: bytes) -> None:
        with _AS_WIT_ERRORS:
            self._count(call)
            again = partial(self._still, call, Messaging("publish", topic))
            await self.actors.publish(topic, payload, sender=call.who, again=again)

    @operation(needs=Requires("messaging.subscribe", _pattern))
    def subscribe(self, call: Call, pattern: str) -> None:
        with _AS_WIT_ERRORS:
            try:
                self.actors.subscribe(pattern, sender=call.who)
            except QuotaExceeded as error:
                self.gate.refused(call, "subscribe to another pattern", str(error))
                raise WitError(denied(str(error))) from error

    @operation(needs=Free("gives up what was subscribed to"))
    def unsubscribe(self, call: Call, pattern: str) -> None:
        self.actors.unsubscribe(pattern, sender=call.who)

    def _count(self, call: Call) -> None:
        """Count a message towards the caller's quota."""
        budget = call.budget
        wait = budget.take("messages", 1, anyio.current_time()) if budget else 0.0
        if budget is not None and wait:
            refusal = str(budget.refusal("messages", wait))
            self.gate.refused(call, "send another message", refusal)
            raise WitError(denied(refusal))

    def _again(
        self, call: Call, action: Literal["send", "request"], target: str
    ) -> None:
        """Check, after a wait for room, that both sides still agree."""
        self._still(call, Messaging(action, target))
        with _AS_WIT_ERRORS:
            self._check_receiver(call, target)

    def _still(self, call: Call, need: Messaging) -> None:
        if self.gate.judge(call, need) is not None:
            raise WitError(denied(self.gate.allowed(call, need)))

    def _check_receiver(self, call: Call, target: str) -> None:
        """Check that the other side agrees to hear of the caller."""
        standing = self.actors.standing(target)
        if standing is None:
            return
        receiver = evolve(call, component=target, actor=target, grants=standing)
        if self.gate.allowed(receiver, Messaging("receive", call.who)):
            # Not in the gate's words: those list the receiver's grants.
            raise WitError(denied(f"{target!r} may not receive from {call.who!r}"))
