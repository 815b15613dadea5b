from __future__ import annotations

from typing import Any

import anyio

from airssys.actors.actor import Actor
from airssys.actors.component_actor import (
    HANDLE_CALLBACK,
    HANDLE_MESSAGE,
    HEALTH,
    INIT,
    METADATA,
    SHUTDOWN,
    run_component,
)
from airssys.actors.inbox import Inbox
from airssys.actors.mailbox import Mailbox
from airssys.actors.registry import ActorEntry, Registry
from airssys.core.budget import Budget
from airssys.core.errors import (
    GuestTrapped,
)
from airssys.core.event import DeadLettered
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import MessagingGrants
from airssys.core.limits import Quota
from airssys.hostcalls.call import Standing
from airssys.testing import Recorder, ScriptedInstance
from airssys.witmodel.types import Record, Variant


def lost(recorder: Recorder) -> list[tuple[bytes, str]]:
    return [(event.payload, event.reason) for event in recorder.of(DeadLettered)]


async def drain(mailbox: Mailbox, count: int) -> list[bytes]:
    return [(await Inbox(mailbox).__anext__()).payload for _ in range(count)]


TRAP = GuestTrapped("acme/a", HANDLE_MESSAGE, "unreachable", "wasm trap")


TALKS = Grants(messaging=MessagingGrants(request=["**"], subscribe=["#"]))


QUIET: dict[str, Any] = {
    INIT: None,
    METADATA: Record(name="a"),
    HANDLE_MESSAGE: None,
    HANDLE_CALLBACK: None,
    HEALTH: Variant("healthy"),
    SHUTDOWN: None,
}


def dead(recorder: Recorder) -> list[tuple[str, bytes, str]]:
    return [
        (event.subject, event.payload, event.reason)
        for event in recorder.of(DeadLettered)
    ]


async def echo(actor: Actor, mark: str = "") -> None:
    async for message in actor.inbox:
        if message.answer is not None:
            await message.reply(message.text + mark)


class Running:
    """A component actor at work, and how its run ended."""

    def __init__(
        self,
        registry: Registry,
        instance: ScriptedInstance,
        cpu: float | None = None,
    ) -> None:
        self.registry = registry
        self.instance = instance
        budget = None if cpu is None else Budget("acme/a#1", Quota(cpu=cpu))
        self.entry: ActorEntry = registry.register(
            "acme/a#1",
            standing=Standing(TALKS, budget),
            config={"step": "2"},
        )
        self.error: Exception | None = None
        self.ended = anyio.Event()

    async def instantiate(self) -> ScriptedInstance:
        return self.instance

    async def run(self, **options: Any) -> None:
        try:
            await run_component(
                self.instantiate,
                self.entry,
                self.registry,
                {"HOME": "/"},
                **options,
            )
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.error = error
        self.ended.set()

    async def ask(self, payload: bytes = b"?") -> bytes:
        return await self.registry.ask(self.entry.id, payload, timeout=None)
