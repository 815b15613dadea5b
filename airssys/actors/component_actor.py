"""Run a component as an actor: all calls of its instance, one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import anyio
from anyio.abc import TaskStatus
from attrs import frozen

from ..core.child import Crashed
from ..core.defaults import LIFECYCLE
from ..core.errors import (
    ActorStopped,
    AskRefused,
    GuestExited,
    InitFailed,
    QuotaExceeded,
    ReplyTimeout,
    Unhealthy,
    WitError,
)
from ..core.event import Logged
from ..core.message import Message, Publication
from ..core.texts import cut
from ..witmodel.records import component_id, timestamp
from ..witmodel.types import Err, Ok, Variant
from .calls import Callee, GuestCalls
from .control import Callback, Control, HealthRequest, Stop
from .mailbox import Mailbox
from .registry import ActorEntry, Registry

__all__ = (
    "HANDLE_CALLBACK",
    "HANDLE_MESSAGE",
    "HEALTH",
    "INIT",
    "METADATA",
    "SHUTDOWN",
    "run_component",
)

INIT: Final = f"{LIFECYCLE}#init"
HANDLE_MESSAGE: Final = f"{LIFECYCLE}#handle-message"
HANDLE_CALLBACK: Final = f"{LIFECYCLE}#handle-callback"
METADATA: Final = f"{LIFECYCLE}#metadata"
HEALTH: Final = f"{LIFECYCLE}#health"
SHUTDOWN: Final = f"{LIFECYCLE}#shutdown"
"""The functions that a component actor exports and that this module calls."""


async def run_component(
    instantiate: Callable[[], Awaitable[Callee]],
    entry: ActorEntry,
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
    reason, cause = "cut off", ""
    try:
        with await instantiate() as instance:
            calls = GuestCalls(instance, entry, registry)
            guest = _Guest(calls, entry, registry)
            await guest.start(env or {})
            task_status.started()
            await guest.serve()
        reason = ""
    except Exception as error:
        reason, cause = Crashed(error).reason, type(error).__name__
        raise
    finally:
        mailbox.end_incarnation(reason, cause)


@frozen(eq=False)
class _Guest:
    """A component at work as an actor: all calls of its instance are made here."""

    calls: GuestCalls
    entry: ActorEntry
    registry: Registry

    @property
    def mailbox(self) -> Mailbox:
        return self.entry.mailbox

    async def start(self, env: Mapping[str, str]) -> None:
        limits, entry = self.calls.instance.limits, self.entry
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
            raise InitFailed(entry.id, _in_words(error.value)) from error
        if entry.metadata is None:
            entry.about.metadata = await self.call(METADATA)

    async def serve(self) -> None:
        """Do what comes until the actor is asked to stop."""
        taken = self.mailbox.taken
        while True:
            received = await self.next()
            match received:
                case Message():
                    taken.current = received
                    await self.handle(received)
                    taken.current = None
                case Stop():
                    await self.shut_down()
                    return
                case HealthRequest():
                    await self.report_health(received)
                case Callback():
                    taken.current = received.reply
                    await self.call_back(received)
                    taken.current = None

    async def next(self) -> Message | Control:
        """Wait for what comes next, the end of a request's time included.

        An actor that computed more than it may stands still until it is even again,
        but for stops and health checks.
        """
        mailbox, budget = self.mailbox, self.calls.budget
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
            mailbox.put_ahead(Callback(request.id, late, request.target))
        return await mailbox.receive()

    async def handle(self, message: Message) -> None:
        if isinstance(message, Publication) and not self.registry.may_hear(
            self.entry, message
        ):
            return
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
            reason = _in_words(error.value)
            if asked is None:
                self.log("warn", f"handle-message of {message.sender!r}: {reason}")
            else:
                asked.refuse(AskRefused(self.entry.id, reason))
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

    async def call_back(self, callback: Callback) -> None:
        request_id, outcome = callback.request_id, callback.outcome
        result: Ok | Err
        if isinstance(outcome, bytes):
            problem = self.registry.may_learn(self.entry, callback.target, request_id)
            result = Err(problem) if problem else Ok(outcome)
        else:
            result = Err(str(outcome))
        if self.entry.standing is not None:
            self.entry.standing.correlation = request_id
        try:
            await self.call(HANDLE_CALLBACK, request_id, result)
        except WitError as error:
            self.log(
                "warn", f"handle-callback of {request_id!r}: {_in_words(error.value)}"
            )

    async def report_health(self, request: HealthRequest) -> None:
        id_ = self.entry.id
        problem: Exception | None = ActorStopped(id_, "its health check crashed")
        try:
            status: Variant = await self.call(HEALTH)
            self.entry.health = status
            sick = status.case == "unhealthy"
            problem = Unhealthy(id_, str(status.value)) if sick else None
        finally:
            request.settle(problem)

    async def shut_down(self) -> None:
        """Call the guest's shutdown; whatever goes wrong, the actor ends."""
        try:
            await self.call(SHUTDOWN)
        except WitError as error:
            self.log("warn", f"shutdown: {_in_words(error.value)}")
        except GuestExited as error:
            if error.status:
                self.log("warn", f"shutdown: {error}")
        except Exception as error:  # noqa: BLE001 - the edge: it ends all the same
            self.log("error", f"shutdown: {Crashed(error).reason}")

    async def call(self, export: str, *args: object) -> Any:
        return await self.calls.call(export, *args)

    def log(self, level: str, text: str) -> None:
        self.registry.office.emitter.emit(
            lambda at: Logged(at=at, subject=self.entry.id, level=level, message=text)
        )


def _in_words(value: object) -> str:
    """Put a guest's ``err`` value into words."""
    if isinstance(value, Variant):
        return (
            value.case if value.value is None else cut(f"{value.case}: {value.value}")
        )
    return cut(str(value))
