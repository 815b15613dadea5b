from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel

from airssys.core.child import ChildSpec
from airssys.core.event import (
    Event,
)
from airssys.core.restart import Intensity
from airssys.supervision.supervisor import Supervisor

MANY = Intensity(1000, 5.0)


class Record:
    """Notes what children do and what the supervisor tells, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[Event] = []
        self.crash: dict[str, anyio.Event] = {}
        self.finish: dict[str, anyio.Event] = {}

    def event(self, event: Event) -> None:
        self.events.append(event)

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if type(event) is kind]

    async def live(self, name: str, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Live until told to crash or to finish, and say so."""
        self.lines.append(f"+{name}")
        crash = self.crash[name] = anyio.Event()
        finish = self.finish[name] = anyio.Event()
        task_status.started()
        ended = "cancelled"
        try:
            async with anyio.create_task_group() as waiting:

                async def until(event: anyio.Event, how: str) -> None:
                    nonlocal ended
                    await event.wait()
                    ended = how
                    waiting.cancel_scope.cancel()

                waiting.start_soon(until, crash, "crash")
                waiting.start_soon(until, finish, "finish")
            if ended == "crash":
                raise ValueError(name)
        finally:
            self.lines.append(f"-{name}")

    def spec(self, name: str, **options: Any) -> ChildSpec:
        return ChildSpec(name, self.live, (name,), **options)

    def take(self) -> str:
        lines, self.lines = " ".join(self.lines), []
        return lines


async def settle() -> None:
    """Let everything run that can run now."""
    for _ in range(30):
        await anyio.lowlevel.checkpoint()


def state(supervisor: Supervisor, name: str) -> str:
    return {child.id: child.state.value for child in supervisor.children}[name]


def only(error: BaseException) -> BaseException:
    """Return what a nursery's group holds, if it is one."""
    assert isinstance(error, BaseExceptionGroup)
    (inner,) = error.exceptions
    return inner


def asked(
    after: float | None, *, shutdown: float = 5.0, log: list[str] | None = None
) -> ChildSpec:
    """Describe a child that stops so long after it was asked; None: never."""
    log = [] if log is None else log
    ask: list[anyio.Event] = []

    async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        ask[:] = [anyio.Event()]
        task_status.started()
        try:
            await ask[0].wait()
            log.append("asked")
            await anyio.sleep(inf if after is None else after)
            log.append("done")
        except anyio.get_cancelled_exc_class():
            log.append("cut")
            raise

    def stop() -> None:
        ask[0].set()

    return ChildSpec("a", run, shutdown=shutdown, stop=stop)


async def supervisor_waits_for(condition: Callable[[], bool]) -> None:
    while not condition():
        await anyio.lowlevel.checkpoint()
