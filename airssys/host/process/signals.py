"""Give guests signals for their children and groups of them, and news of them.

This is ``airssys:ext-process/signals``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import ClassVar, Final

import anyio
from attrs import define

from ...core.errors import WitError
from ...core.grants.capabilities import Process
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, Requires, interface_of, operation
from ...hostcalls.interface import HostInterface, HostResource
from ..errors import permission_denied
from .children import AllChildren, seconds
from .errors import failure
from .numbers import NAMES, NUMBERS, sent
from .program import Program, Watch

__all__ = ("SIGNALS", "SignalsOperations", "signals")

SIGNALS: Final = "airssys:ext-process/signals@1.0.0"
_SIGNAL: Final = Requires("process.signal", lambda *_: "own")
_GIVEN_UP: Final = Inside(
    ("process.signal",), "own; the handler is gone all the same, as the guest has none"
)
_NAMES: Final = Free("names and numbers of signals are the same everywhere")


def signals(children: AllChildren) -> HostInterface:
    """Return the interface for all components of a system."""
    return interface_of(
        SignalsOperations(children),
        denied=permission_denied,
        resources=(HostResource("handler", Watch, Watch.drop),),
    )


@define(eq=False)
class SignalsOperations:
    """The operations of ``airssys:ext-process/signals``."""

    interface: ClassVar[str] = SIGNALS
    children: AllChildren

    # Send.

    @operation(needs=_SIGNAL)
    async def send_term(self, call: Call, child: Program) -> None:
        await self.children.send(call, child, "SIGTERM")

    @operation(needs=_SIGNAL)
    async def send_kill(self, call: Call, child: Program) -> None:
        await self.children.send(call, child, "SIGKILL")

    @operation(needs=_SIGNAL)
    async def send_int(self, call: Call, child: Program) -> None:
        await self.children.send(call, child, "SIGINT")

    @operation(needs=_SIGNAL)
    async def send_stop(self, call: Call, child: Program) -> None:
        await self.children.send(call, child, "SIGSTOP")

    @operation(needs=_SIGNAL)
    async def send_cont(self, call: Call, child: Program) -> None:
        await self.children.send(call, child, "SIGCONT")

    @operation(needs=_SIGNAL)
    async def send_hup(self, call: Call, child: Program) -> None:
        await self.children.send(call, child, "SIGHUP")

    @operation(needs=_SIGNAL)
    async def send_signal(self, call: Call, child: Program, signal: str) -> None:
        await self.children.send(call, child, _named(signal))

    @operation(needs=_SIGNAL)
    async def send_raw_signal(
        self, call: Call, child: Program, signal_number: int
    ) -> None:
        if signal_number not in NAMES:
            words = f"there is no signal {signal_number}"
            self.children.gate.refused(call, f"send signal {signal_number}", words)
            raise failure("signal-not-supported", words)
        await self.children.send(call, child, NAMES[signal_number])

    # Watch.

    @operation(needs=_SIGNAL)
    def on_terminate(self, call: Call, child: Program) -> Watch:
        return self.children.watch(call, child, ends_only=True)

    @operation(needs=_SIGNAL)
    def on_status_change(self, call: Call, child: Program) -> Watch:
        return self.children.watch(call, child, ends_only=False)

    @operation(needs=_GIVEN_UP)
    def unregister_handler(self, call: Call, watch: Watch) -> None:
        watch.drop()
        words = self.children.gate.allowed(call, Process("signal", "own"))
        if words:
            raise failure("permission-denied", words)
        self.children.own(call, watch.child)

    @operation("[method]handler.wait-event", needs=_SIGNAL)
    async def wait_event(
        self, call: Call, watch: Watch, timeout_seconds: float | None
    ) -> Mapping[str, object]:
        self.children.own(call, watch.child)
        limit = None if timeout_seconds is None else seconds(timeout_seconds)
        with anyio.move_on_after(limit):
            return await watch.next()
        raise failure("timeout", f"nothing has become of process {watch.child.pid}")

    # Groups.

    @operation(needs=_SIGNAL)
    async def send_signal_group(self, call: Call, group: int, signal: str) -> None:
        await _each(
            self.children.members(call, group),
            lambda child: child.ask("group", NUMBERS[_named(signal)]),
            self._again(call),
        )

    @operation(needs=_SIGNAL)
    def get_process_group(self, call: Call, child: Program) -> int:
        return self.children.alive(call, child).group

    @operation(needs=_SIGNAL)
    def set_process_group(self, call: Call, child: Program, group: int) -> None:
        self.children.alive(call, child)
        wanted = group or child.pid
        if wanted != child.pid:
            self.children.members(call, wanted)
        child.group = wanted

    # Shut down.

    @operation(needs=_SIGNAL)
    async def graceful_shutdown(
        self, call: Call, child: Program, timeout_seconds: float
    ) -> Mapping[str, object]:
        self.children.own(call, child)
        await _shut_down([child], seconds(timeout_seconds), self._again(call))
        ending = child.ending
        if ending is None or ending.lost:
            raise failure("io-error", "its keeper was ended from outside")
        return ending.status

    @operation(needs=_SIGNAL)
    async def graceful_shutdown_group(
        self, call: Call, group: int, timeout_seconds: float
    ) -> int:
        patience = seconds(timeout_seconds)
        members = self.children.members(call, group)
        return await _shut_down(members, patience, self._again(call))

    @operation(needs=_SIGNAL)
    async def emergency_kill(self, call: Call, child: Program) -> None:
        self.children.own(call, child).end_soon()
        await child.done.wait()

    @operation(needs=_SIGNAL)
    async def emergency_kill_group(self, call: Call, group: int) -> None:
        members = self.children.members(call, group)
        for child in members:
            child.end_soon()
        for child in members:
            await child.done.wait()

    def _again(self, call: Call) -> Callable[[], None]:
        """Return what lets a call go on that may still send signals."""
        return partial(self.children.still, call, Process("signal", "own"))

    # Names and numbers.

    @operation(needs=_NAMES)
    def signal_name(self, _: Call, number: int) -> str:
        if number not in NAMES:
            raise failure("signal-not-supported", f"there is no signal {number}")
        return NAMES[number]

    @operation(needs=_NAMES)
    def signal_number(self, _: Call, name: str) -> int:
        number = sent(name)
        if number is None:
            raise failure("not-found", f"there is no signal {name!r}")
        return number

    @operation(needs=_NAMES)
    def list_signals(self, _: Call) -> list[str]:
        return list(NUMBERS)


def _named(signal: str) -> str:
    return f"SIG{signal.upper()}"


async def _shut_down(
    children: list[Program], patience: float, again: Callable[[], object]
) -> int:
    """Ask programs to end, then end those that have not; returns how many."""
    with anyio.move_on_after(patience):
        # A stopped program would hear of it only when it goes on.
        for signal in ("SIGTERM", "SIGCONT"):
            number = NUMBERS[signal]
            await _each(children, lambda child: child.ask("signal", number), again)  # noqa: B023 - asked at once
        for child in children:
            await child.done.wait()
    again()
    left = [child for child in children if not child.done.is_set()]
    for child in left:
        child.end_soon()
    for child in left:
        await child.done.wait()
    return len(left)


async def _each(
    children: list[Program],
    ask: Callable[[Program], Awaitable[object]],
    again: Callable[[], object],
) -> None:
    """Ask something of all that run; one that has ended meanwhile is no error."""
    for child in children:
        if child.ending is None:
            again()
            with suppress(WitError):
                await ask(child)
