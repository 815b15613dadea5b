"""Run an actor: one task that takes messages and gives each to a behaviour.

A behaviour is a Python function, run by `run_actor`, or a component, run by
`run_component`. Both are children for a supervisor: they return when they are asked to
stop and raise when they crash. Before they leave, what they could not finish is
settled: the message under work becomes a dead letter, asks that they took fail.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self

import anyio
import anyio.lowlevel
from anyio.abc import TaskStatus
from attrs import define, field, frozen

from ..core.budget import Budget
from ..core.defaults import ASK_TIMEOUT, LIFECYCLE
from ..core.errors import (
    ActorStopped,
    AskRefused,
    GuestTrapped,
    InitFailed,
    OutOfFuel,
    OutOfMemory,
    Overtime,
    QuotaExceeded,
    ReplyTimeout,
    Unwell,
    WitError,
)
from ..core.event import CallCut, Logged
from ..core.limits import Limits, Usage
from ..core.message import Message
from ..engine.meter import Metered
from ..witmodel.records import component_id, timestamp
from ..witmodel.types import Err, Ok, Variant
from .control import Callback, Control, HealthRequest, Stop
from .mailbox import Inbox, Mailbox
from .reference import ActorRef
from .registry import Entry, Registry

__all__ = (
    "HANDLE_CALLBACK",
    "HANDLE_MESSAGE",
    "HEALTH",
    "INIT",
    "METADATA",
    "SHUTDOWN",
    "Actor",
    "Callee",
    "run_actor",
    "run_component",
)

INIT: Final = f"{LIFECYCLE}#init"
HANDLE_MESSAGE: Final = f"{LIFECYCLE}#handle-message"
HANDLE_CALLBACK: Final = f"{LIFECYCLE}#handle-callback"
METADATA: Final = f"{LIFECYCLE}#metadata"
HEALTH: Final = f"{LIFECYCLE}#health"
SHUTDOWN: Final = f"{LIFECYCLE}#shutdown"
"""The functions that a component actor exports and that this module calls."""


# --- an actor in Python -----------------------------------------------------------


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

    async def subscribe(self, pattern: str) -> None:
        """Have messages of matching topics put into the inbox, also after a restart.

        An actor that subscribes before it waits for anything else has subscribed when
        `System.spawn` returns.

        Raises:
            ValueError: It is no topic pattern.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        self._registry.subscribe(pattern, sender=self.id)
        await anyio.lowlevel.cancel_shielded_checkpoint()

    async def unsubscribe(self, pattern: str) -> bool:
        """Undo a subscription, and tell whether there was one."""
        await anyio.lowlevel.checkpoint()
        return self._registry.unsubscribe(pattern, sender=self.id)

    def log(self, level: str, message: str, **fields: object) -> None:
        """Write a log line: ``trace``, ``debug``, ``info``, ``warn`` or ``error``."""
        listed = tuple((name, str(value)) for name, value in fields.items())
        now = anyio.current_time()
        self._registry.office.emit(Logged(now, self.id, level, message, listed))


async def run_actor(
    function: Callable[..., Awaitable[object]],
    entry: Entry,
    registry: Registry,
    *args: object,
) -> None:
    """Run a Python actor as ``function(actor, *args)`` until it returns or raises."""
    mailbox = entry.mailbox
    actor = Actor(entry.id, mailbox.inbox, registry)
    reason = "cut off"
    try:
        await function(actor, *args)
        reason = ""
    except Exception as error:
        reason = _words(error)
        raise
    finally:
        mailbox.end_incarnation(reason)


# --- a component ------------------------------------------------------------------


class Callee(Protocol):
    """**Protocol:** what a component actor needs of an `airssys.Instance`."""

    @property
    def limits(self) -> Limits: ...
    @property
    def usage(self) -> Usage: ...
    async def call(self, export: str, *args: Any) -> Any: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


async def run_component(
    instantiate: Callable[[], Awaitable[Callee]],
    entry: Entry,
    registry: Registry,
    env: Mapping[str, str] | None = None,
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Run a component actor: init, then its messages, then shutdown when asked to stop.

    It has started when its ``init`` is done. What a guest function returns as ``err``
    is no crash: the error answers an ask, or is logged, and the actor lives on. A trap,
    a limit or the error of a host function crashes it.

    Args:
        instantiate: Makes the instance; this closes it.
        entry: The actor's place in the registry.
        registry: Where messages are carried.
        env: Environment variables for ``init``.
        task_status: Told when the actor has started.

    Raises:
        InitFailed: ``init`` returned an error.
    """
    mailbox = entry.mailbox
    reason = "cut off"
    try:
        with await instantiate() as instance:
            guest = _Guest(instance, entry, registry)
            await guest.start(env or {})
            task_status.started()
            await guest.serve()
        reason = ""
    except Exception as error:
        reason = _words(error)
        raise
    finally:
        mailbox.end_incarnation(reason)


@frozen(eq=False)
class _Guest:
    """A component at work as an actor: all calls of its instance are made here."""

    instance: Callee
    entry: Entry
    registry: Registry

    @property
    def mailbox(self) -> Mailbox:
        return self.entry.mailbox

    @property
    def budget(self) -> Budget | None:
        standing = self.entry.standing
        return None if standing is None else standing.budget

    async def start(self, env: Mapping[str, str]) -> None:
        limits, entry = self.instance.limits, self.entry
        config = {
            "env_vars": list(env.items()),
            "config_data": list(entry.config.items()),
            "resource_limits": {
                "memory_bytes": limits.memory,
                "fuel": limits.fuel,
                "timeout_ms": None
                if limits.timeout is None
                else max(1, round(limits.timeout * 1000)),
                "payload_bytes": self.mailbox.payload,
            },
        }
        try:
            await self.call(INIT, config)
        except WitError as error:
            raise InitFailed(entry.id, _told(error.value)) from error
        if entry.metadata is None:
            entry.about.metadata = await self.call(METADATA)

    async def serve(self) -> None:
        """Do what comes until the actor is asked to stop."""
        while True:
            received = await self.next()
            match received:
                case Message():
                    await self.handle(received)
                case Stop():
                    await self.shut_down()
                    return
                case HealthRequest():
                    await self.tell_health(received)
                case Callback(request_id, outcome):
                    await self.call_back(request_id, outcome)

    async def next(self) -> Message | Control:
        """Wait for what comes next, the end of a request's time included.

        An actor that computed more than it may stands still until it is even again,
        but for stops and health checks.
        """
        mailbox, budget = self.mailbox, self.budget
        if budget is not None and budget.rates["cpu"]:
            debt = budget.debt("cpu", anyio.current_time())
            if debt:
                with anyio.move_on_after(debt):
                    return await mailbox.receive_urgent()
        deadline = mailbox.requests.next_deadline()
        if deadline is None:
            return mailbox.take() or await mailbox.receive()
        with anyio.CancelScope(deadline=deadline):
            return await mailbox.receive()
        now = anyio.current_time()
        for request in mailbox.requests.expired(now):
            late = ReplyTimeout(request.target, request.timeout)
            mailbox.tell(Callback(request.id, late))
        return await mailbox.receive()

    async def handle(self, message: Message) -> None:
        record = {
            "sender": component_id(message.sender),
            "payload": message.payload,
            "correlation_id": message.request_id,
            "reply_to": None,  # replies go to the sender
            "topic": message.topic,
            "content_type": message.content_type,
            "timestamp": timestamp(round(message.timestamp * 1e9)),
        }
        asked = message.answer
        standing = self.entry.standing
        if standing is not None:
            standing.correlation = message.request_id or ""
        try:
            reply = await self.call(HANDLE_MESSAGE, record)
        except WitError as error:
            told = _told(error.value)
            if asked is None:
                self.log("warn", f"handle-message of {message.sender!r}: {told}")
            else:
                asked.refuse(AskRefused(self.entry.id, told))
            return
        if asked is None:
            return
        if reply is None:
            asked.refuse(AskRefused(self.entry.id, "it gave no reply"))
            return
        try:
            await asked.reply(reply)
        except QuotaExceeded as error:
            self.log("warn", str(error))
            asked.refuse(AskRefused(self.entry.id, str(error)))

    async def call_back(self, request_id: str, outcome: bytes | Exception) -> None:
        told = Ok(outcome) if isinstance(outcome, bytes) else Err(str(outcome))
        if self.entry.standing is not None:
            self.entry.standing.correlation = request_id
        try:
            await self.call(HANDLE_CALLBACK, request_id, told)
        except WitError as error:
            self.log("warn", f"handle-callback of {request_id!r}: {_told(error.value)}")

    async def tell_health(self, request: HealthRequest) -> None:
        id_ = self.entry.id
        problem: Exception | None = ActorStopped(id_, "its health check crashed")
        try:
            status: Variant = await self.call(HEALTH)
            self.entry.health = status
            sick = status.case == "unhealthy"
            problem = Unwell(id_, str(status.value)) if sick else None
        finally:
            request.settle(problem)

    async def shut_down(self) -> None:
        """Call the guest's shutdown; whatever goes wrong, the actor ends."""
        try:
            await self.call(SHUTDOWN)
        except WitError as error:
            self.log("warn", f"shutdown: {_told(error.value)}")
        except Exception as error:  # noqa: BLE001 - the edge: it ends all the same
            self.log("error", f"shutdown: {_words(error)}")

    async def call(self, export: str, *args: object) -> Any:
        why = "cancelled"
        try:
            budget = self.budget
            if budget is None or not budget.rates["cpu"]:
                result = await self.instance.call(export, *args)
            else:
                result = await self.metered(budget, export, *args)
            why = ""
        except WitError:
            why = ""
            raise
        except Exception as error:
            why = _cut_by(error)
            raise
        finally:
            if why:
                now = anyio.current_time()
                self.registry.office.emit(CallCut(now, self.entry.id, export, why))
        return result

    async def metered(self, budget: Budget, export: str, *args: object) -> Any:
        """Call the guest and charge the actor what it computed."""
        threaded = self.instance.usage.threaded
        call = Metered(self.instance.call(export, *args))
        try:
            return await call
        finally:
            used = call.seconds + self.instance.usage.threaded - threaded
            budget.charge("cpu", used, anyio.current_time())

    def log(self, level: str, text: str) -> None:
        now = anyio.current_time()
        self.registry.office.emit(Logged(now, self.entry.id, level, text))


def _cut_by(error: Exception) -> str:
    match error:
        case OutOfFuel():
            return "fuel"
        case Overtime():
            return "time"
        case OutOfMemory():
            return "memory"
        case GuestTrapped():
            return "trap"
        case _:
            return "host"


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _told(value: object) -> str:
    """Put a guest's ``err`` value into words."""
    if isinstance(value, Variant):
        return value.case if value.value is None else f"{value.case}: {value.value}"
    return str(value)
