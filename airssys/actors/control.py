"""Define what stands ahead of an actor's messages: stops, health checks, callbacks."""

from __future__ import annotations

from typing import Final, TypeAlias

import anyio
from attrs import define, field, frozen

from ..core.message import Message

__all__ = ("STOP", "Callback", "Control", "HealthRequest", "Stop")


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

    async def wait_answered(self) -> None:
        """Wait for the answer, and raise what is wrong."""
        await self.settled.wait()
        if self.problem is not None:
            raise self.problem


@frozen
class Callback:
    """What became of a request that its sender did not wait for in place."""

    request_id: str
    outcome: bytes | Exception
    target: str = field(default="", eq=False)
    """Who was asked."""

    @property
    def reply(self) -> Message | None:
        """The reply as a message; None where there is an error in its place."""
        if isinstance(self.outcome, bytes):
            return Message(self.outcome, self.target)
        return None

    @property
    def size(self) -> int:
        """Bytes of the answer; an error has none."""
        return len(self.outcome) if isinstance(self.outcome, bytes) else 0


Control: TypeAlias = Stop | HealthRequest | Callback
STOP: Final = Stop()
"""The one stop there needs to be."""
