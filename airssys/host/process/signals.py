"""Give guests signals for their children and groups of them, and news of them.

This is ``airssys:ext-process/signals``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

import anyio

from ...core.errors import WitError
from ...core.grants.capabilities import Process
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, Requires, hold, offer
from ...hostcalls.interface import HostInterface
from ...witmodel.signatures import SIGNATURES
from .child import Child, Watch
from .errors import denied, failure
from .family import Families, seconds
from .numbers import NAMES, NUMBERS, sent

__all__ = ("SIGNALS", "signals")

SIGNALS: Final = "airssys:ext-process/signals@1.0.0"
_TYPES: Final = SIGNATURES[SIGNALS]
_SIGNAL: Final = Requires("process.signal", lambda *_: "own")
_GIVEN_UP: Final = Inside(
    ("process.signal",), "own; the handler is gone all the same, as the guest has none"
)
_NAMES: Final = Free("names and numbers of signals are the same everywhere")
_ALONE: Final = {
    "send-term": "SIGTERM",
    "send-kill": "SIGKILL",
    "send-int": "SIGINT",
    "send-stop": "SIGSTOP",
    "send-cont": "SIGCONT",
    "send-hup": "SIGHUP",
}


def signals(families: Families) -> HostInterface:
    """Return the interface for all components of a system."""
    interface = HostInterface(SIGNALS)
    hold(interface, "handler", Watch, drop=Watch.drop)
    for name, signal in _ALONE.items():
        _sending(interface, families, name, signal)
    _single(interface, families)
    _watching(interface, families)
    _groups(interface, families)
    _shutdowns(interface, families)
    _known(interface)
    return interface


def _named(signal: str) -> str:
    return f"SIG{signal.upper()}"


def _sending(
    interface: HostInterface, families: Families, name: str, signal: str
) -> None:
    @offer(interface, needs=_SIGNAL, denied=denied, wit=_TYPES[name], name=name)
    async def send(call: Call, child: Child) -> None:
        await families.send(call, child, signal)


def _single(interface: HostInterface, families: Families) -> None:
    @offer(interface, needs=_SIGNAL, denied=denied, wit=_TYPES["send-signal"])
    async def send_signal(call: Call, child: Child, signal: str) -> None:
        await families.send(call, child, _named(signal))

    @offer(interface, needs=_SIGNAL, denied=denied, wit=_TYPES["send-raw-signal"])
    async def send_raw_signal(call: Call, child: Child, signal_number: int) -> None:
        if signal_number not in NAMES:
            words = f"there is no signal {signal_number}"
            families.gate.refused(call, f"send signal {signal_number}", words)
            raise failure("signal-not-supported", words)
        await families.send(call, child, NAMES[signal_number])


def _watching(interface: HostInterface, families: Families) -> None:
    @offer(interface, needs=_SIGNAL, denied=denied, wit=_TYPES["on-terminate"])
    def on_terminate(call: Call, child: Child) -> Watch:
        return families.watch(call, child, ends_only=True)

    @offer(interface, needs=_SIGNAL, denied=denied, wit=_TYPES["on-status-change"])
    def on_status_change(call: Call, child: Child) -> Watch:
        return families.watch(call, child, ends_only=False)

    @offer(interface, needs=_GIVEN_UP, wit=_TYPES["unregister-handler"])
    def unregister_handler(call: Call, watch: Watch) -> None:
        watch.drop()
        words = families.gate.allowed(call, Process("signal", "own"))
        if words:
            raise failure("permission-denied", words)
        families.own(call, watch.child)

    @offer(
        interface,
        needs=_SIGNAL,
        denied=denied,
        wit=_TYPES["[method]handler.wait-event"],
        name="[method]handler.wait-event",
    )
    async def wait_event(
        call: Call, watch: Watch, timeout_seconds: float | None
    ) -> Mapping[str, object]:
        families.own(call, watch.child)
        limit = None if timeout_seconds is None else seconds(timeout_seconds)
        with anyio.move_on_after(limit):
            return await watch.next()
        raise failure("timeout", f"nothing has become of process {watch.child.pid}")


def _groups(interface: HostInterface, families: Families) -> None:
    @offer(interface, needs=_SIGNAL, denied=denied, wit=_TYPES["send-signal-group"])
    async def send_signal_group(call: Call, group: int, signal: str) -> None:
        await _each(
            families.members(call, group),
            lambda child: child.ask("group", NUMBERS[_named(signal)]),
        )

    @offer(interface, needs=_SIGNAL, denied=denied, wit=_TYPES["get-process-group"])
    def get_process_group(call: Call, child: Child) -> int:
        return families.alive(call, child).group

    @offer(interface, needs=_SIGNAL, denied=denied, wit=_TYPES["set-process-group"])
    def set_process_group(call: Call, child: Child, group: int) -> None:
        families.alive(call, child)
        wanted = group or child.pid
        if wanted != child.pid:
            families.members(call, wanted)
        child.group = wanted


def _shutdowns(interface: HostInterface, families: Families) -> None:
    @offer(interface, needs=_SIGNAL, denied=denied, wit=_TYPES["graceful-shutdown"])
    async def graceful_shutdown(
        call: Call, child: Child, timeout_seconds: float
    ) -> Mapping[str, object]:
        families.own(call, child)
        await _shut_down([child], seconds(timeout_seconds))
        ending = child.ending
        if ending is None or ending.lost:
            raise failure("io-error", "its keeper was ended from outside")
        return ending.status

    @offer(
        interface,
        needs=_SIGNAL,
        denied=denied,
        wit=_TYPES["graceful-shutdown-group"],
    )
    async def graceful_shutdown_group(
        call: Call, group: int, timeout_seconds: float
    ) -> int:
        patience = seconds(timeout_seconds)
        return await _shut_down(families.members(call, group), patience)

    @offer(interface, needs=_SIGNAL, denied=denied, wit=_TYPES["emergency-kill"])
    async def emergency_kill(call: Call, child: Child) -> None:
        families.own(call, child).end_soon()
        await child.done.wait()

    @offer(interface, needs=_SIGNAL, denied=denied, wit=_TYPES["emergency-kill-group"])
    async def emergency_kill_group(call: Call, group: int) -> None:
        members = families.members(call, group)
        for child in members:
            child.end_soon()
        for child in members:
            await child.done.wait()


async def _shut_down(children: list[Child], patience: float) -> int:
    """Ask programs to end, then end those that have not; returns how many."""
    with anyio.move_on_after(patience):
        # A stopped program would hear of it only when it goes on.
        await _each(children, lambda child: child.ask("signal", NUMBERS["SIGTERM"]))
        await _each(children, lambda child: child.ask("signal", NUMBERS["SIGCONT"]))
        for child in children:
            await child.done.wait()
    left = [child for child in children if not child.done.is_set()]
    for child in left:
        child.end_soon()
    for child in left:
        await child.done.wait()
    return len(left)


async def _each(
    children: list[Child], ask: Callable[[Child], Awaitable[object]]
) -> None:
    """Ask something of all that run; one that has ended meanwhile is no error."""
    for child in children:
        if child.ending is None:
            with suppress(WitError):
                await ask(child)


def _known(interface: HostInterface) -> None:
    @offer(interface, needs=_NAMES, wit=_TYPES["signal-name"])
    def signal_name(_: Call, number: int) -> str:
        if number not in NAMES:
            raise failure("signal-not-supported", f"there is no signal {number}")
        return NAMES[number]

    @offer(interface, needs=_NAMES, wit=_TYPES["signal-number"])
    def signal_number(_: Call, name: str) -> int:
        number = sent(name)
        if number is None:
            raise failure("not-found", f"there is no signal {name!r}")
        return number

    @offer(interface, needs=_NAMES, wit=_TYPES["list-signals"])
    def list_signals(_: Call) -> list[str]:
        return list(NUMBERS)
