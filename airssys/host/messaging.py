"""Let guests send, ask, publish and subscribe: ``airssys:core/messaging``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeAlias

import anyio
import anyio.lowlevel
from attrs import evolve

from ..core.errors import (
    ActorStopped,
    AskCycle,
    AskRefused,
    DeliveryError,
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
from ..hostcalls.call import Call, Standing
from ..hostcalls.declare import Free, Inside, Requires, offer
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..witmodel.records import actor_id, component_id
from ..witmodel.signatures import SIGNATURES
from ..witmodel.types import Err, Ok, Variant

__all__ = (
    "MESSAGING",
    "MOST_TARGETS",
    "Postbox",
    "messaging",
)

MESSAGING: Final = "airssys:core/messaging@1.0.0"
_TYPES: Final = SIGNATURES[MESSAGING]
MOST_TARGETS: Final = 1000
"""Of one broadcast; the others get nothing."""

_Id: TypeAlias = Any
"""A ``component-id`` record as it is lifted."""


class Postbox(Protocol):
    """**Protocol:** what carries messages between actors, each named by its id."""

    async def send(self, target: str, payload: bytes, *, sender: str) -> None: ...

    async def ask(
        self,
        target: str,
        payload: bytes,
        *,
        sender: str,
        timeout: float,  # noqa: ASYNC109 - has its own error
    ) -> bytes: ...

    async def request(
        self,
        target: str,
        payload: bytes,
        *,
        sender: str,
        timeout: float,  # noqa: ASYNC109 - of the answer
    ) -> str: ...

    def cancel_request(self, request_id: str, *, sender: str) -> bool: ...

    async def publish(self, topic: str, payload: bytes, *, sender: str) -> int: ...

    def subscribe(self, pattern: str, *, sender: str) -> None: ...

    def unsubscribe(self, pattern: str, *, sender: str) -> bool: ...

    def standing(self, id: str, /) -> Standing | None:  # noqa: A002
        """Return what a component may do; None for a Python actor, which is trusted."""
        ...


def messaging(postbox: Postbox, gate: Gate) -> HostInterface:
    """Return the interface for all components of a system.

    Between two components both sides must agree: the sender is granted ``send`` or
    ``request`` to the receiver, and the receiver ``receive`` from the sender. Whatever
    a component tries to send counts towards its quota of messages, each target of a
    broadcast for itself; a refusal is ``denied``, and an event, as for a capability.
    """
    interface = HostInterface(MESSAGING)

    def count(call: Call) -> None:
        budget = call.budget
        wait = budget.take("messages", 1, anyio.current_time()) if budget else 0.0
        if budget is not None and wait:
            refusal = str(budget.refusal("messages", wait))
            gate.refused(call, "send another message", refusal)
            raise WitError(_denied(refusal))

    def may_receive(call: Call, target: str) -> None:
        standing = postbox.standing(target)
        if standing is None:
            return
        receiver = evolve(call, component=target, actor=target, grants=standing)
        if gate.allowed(receiver, Messaging("receive", call.who)):
            # Not in the gate's words: those list the receiver's grants.
            raise WitError(_denied(f"{target!r} may not receive from {call.who!r}"))

    @offer(
        interface,
        needs=Free("an actor may know its own id"),
        wit=_TYPES["self-id"],
    )
    def self_id(call: Call) -> Mapping[str, str]:
        return component_id(call.who)

    @offer(
        interface,
        needs=Requires("messaging.send", lambda target, _: actor_id(target)),
        denied=_denied,
        wit=_TYPES["send"],
    )
    async def send(call: Call, target: _Id, payload: bytes) -> None:
        with _told():
            count(call)
            may_receive(call, actor_id(target))
            await postbox.send(actor_id(target), payload, sender=call.who)

    @offer(
        interface,
        needs=Requires("messaging.request", lambda target, *_: actor_id(target)),
        denied=_denied,
        wit=_TYPES["request"],
    )
    async def request(
        call: Call, target: _Id, payload: bytes, timeout_ms: int
    ) -> bytes:
        with _told():
            count(call)
            may_receive(call, actor_id(target))
            return await postbox.ask(
                actor_id(target),
                payload,
                sender=call.who,
                timeout=timeout_ms / 1000,
            )

    @offer(
        interface,
        needs=Requires("messaging.request", lambda target, *_: actor_id(target)),
        denied=_denied,
        wit=_TYPES["send-request"],
    )
    async def send_request(
        call: Call, target: _Id, payload: bytes, timeout_ms: int
    ) -> str:
        with _told():
            count(call)
            may_receive(call, actor_id(target))
            return await postbox.request(
                actor_id(target),
                payload,
                sender=call.who,
                timeout=timeout_ms / 1000,
            )

    @offer(
        interface,
        needs=Free("gives up a request of the caller's own"),
        wit=_TYPES["cancel-request"],
    )
    def cancel_request(call: Call, request_id: str) -> bool:
        return postbox.cancel_request(request_id, sender=call.who)

    @offer(
        interface,
        needs=Inside(("messaging.send",), "for each target by itself"),
        wit=_TYPES["broadcast"],
    )
    async def broadcast(
        call: Call, targets: list[_Id], payload: bytes
    ) -> list[Ok | Err]:
        outcomes: list[Ok | Err] = []
        for target in map(actor_id, targets[:MOST_TARGETS]):
            await anyio.lowlevel.checkpoint()
            problem = gate.allowed(call, Messaging("send", target))
            try:
                if problem:
                    raise WitError(_denied(problem))  # noqa: TRY301 - as `send` has it
                with _told():
                    count(call)
                    may_receive(call, target)
                    await postbox.send(target, payload, sender=call.who)
            except WitError as error:
                outcomes.append(Err(error.value))
            else:
                outcomes.append(Ok())
        beyond = len(targets) - len(outcomes)
        if beyond:
            reason = f"a broadcast has at most {MOST_TARGETS:_} targets"
            gate.refused(call, f"send to {len(targets):_} targets", reason)
            outcomes += [Err(Variant("invalid-message", reason))] * beyond
        return outcomes

    @offer(
        interface,
        needs=Requires("messaging.publish", lambda topic, _: _topic(topic)),
        denied=_denied,
        wit=_TYPES["publish"],
    )
    async def publish(call: Call, topic: str, payload: bytes) -> None:
        with _told():
            count(call)
            await postbox.publish(topic, payload, sender=call.who)

    @offer(
        interface,
        needs=Requires("messaging.subscribe", _pattern),
        denied=_denied,
        wit=_TYPES["subscribe"],
    )
    def subscribe(call: Call, pattern: str) -> None:
        with _told():
            try:
                postbox.subscribe(pattern, sender=call.who)
            except QuotaExceeded as error:
                gate.refused(call, "subscribe to another pattern", str(error))
                raise WitError(_denied(str(error))) from error

    @offer(
        interface,
        needs=Free("gives up what was subscribed to"),
        wit=_TYPES["unsubscribe"],
    )
    def unsubscribe(call: Call, pattern: str) -> None:
        postbox.unsubscribe(pattern, sender=call.who)

    return interface


def _topic(topic: str) -> str:
    with _told():
        check_topic(topic)
    return topic


def _pattern(pattern: str) -> str:
    with _told():
        Pattern.parse(pattern, Kind.TOPIC)
    return pattern


def _denied(reason: str) -> Variant:
    return Variant("denied", reason)


@contextmanager
def _told() -> Iterator[None]:
    """Tell the guest why its message went nowhere, as a ``messaging-error``."""
    try:
        yield
    except (DeliveryError, QuotaExceeded, ValueError) as error:
        raise WitError(_messaging_error(error)) from error


def _messaging_error(error: Exception) -> Variant:
    match error:
        case NoSuchActor(target=target):
            # Not in its own words: those offer ids that the guest need not know.
            return Variant("component-not-found", f"there is no actor {target!r}")
        case MailboxFull():
            case = "mailbox-full"
        case ReplyTimeout():
            return Variant("timeout")
        case AskCycle():
            case = "cycle"
        case ActorStopped():
            case = "stopped"
        case AskRefused():
            case = "failed"
        case _:
            case = "invalid-message"
    return Variant(case, str(error))
