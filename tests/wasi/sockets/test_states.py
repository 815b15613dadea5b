"""What can be done with a socket in which state, as the WASI sockets say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from airssys.core.errors import WitError

from .guest import FAMILIES, Guest, here, on_sockets

pytestmark = pytest.mark.guest

PHASES = (
    *("unbound", "binding", "bound", "listen-begun", "listening"),
    *("connecting", "connected", "closed"),
)
OK, STATE, CONFLICT, NOT = (
    "ok",
    "invalid-state",
    "concurrency-conflict",
    "not-in-progress",
)
BLOCK = "would-block"


def only(**phases: str) -> dict[str, str]:
    """Return what comes of something in each state: not much but in some."""
    known = {name.replace("_", "-"): outcome for name, outcome in phases.items()}
    return {phase: known.get(phase, STATE) for phase in PHASES}


def started(*phases: str) -> dict[str, str]:
    found = only(binding=CONFLICT, listen_begun=CONFLICT, connecting=CONFLICT)
    return found | dict.fromkeys(phases, OK)


def finished(phase: str) -> dict[str, str]:
    return dict.fromkeys(PHASES, NOT) | {phase: OK}


def but(*phases: str) -> dict[str, str]:
    return dict.fromkeys(PHASES, OK) | dict.fromkeys(phases, STATE)


def setting(value: Any, _: str) -> tuple[Any, ...]:
    return (value,)


TCP: dict[str, tuple[dict[str, str], Callable[[str], tuple[Any, ...]]]] = {
    "start-bind": (started("unbound"), lambda family: ("network", here(family))),
    "finish-bind": (finished("binding"), lambda _: ()),
    "start-connect": (started("unbound", "bound"), lambda _: ("network", "listener")),
    "finish-connect": (finished("connecting"), lambda _: ()),
    "start-listen": (started("bound"), lambda _: ()),
    "finish-listen": (finished("listen-begun"), lambda _: ()),
    "accept": (only(listening=BLOCK), lambda _: ()),
    "shutdown": (only(connected=OK), lambda _: ("both",)),
    "local-address": (but("unbound", "binding", "closed"), lambda _: ()),
    "remote-address": (only(connected=OK), lambda _: ()),
    "set-listen-backlog-size": (
        but("connecting", "connected", "closed"),
        lambda _: (32,),
    ),
    **{
        name: (but("closed"), lambda _: ())
        for name in (
            *("keep-alive-enabled", "keep-alive-idle-time", "keep-alive-interval"),
            *("keep-alive-count", "hop-limit"),
            *("receive-buffer-size", "send-buffer-size"),
        )
    },
    **{
        f"set-{name}": (but("closed"), partial(setting, value))
        for name, value in {
            "keep-alive-enabled": False,
            "keep-alive-idle-time": 1,
            "keep-alive-interval": 1,
            "keep-alive-count": 1,
            "hop-limit": 255,
            "receive-buffer-size": 16_000,
            "send-buffer-size": 16_000,
        }.items()
    },
}


async def brought(guest: Guest, family: str, phase: str, listener: Any) -> Any:
    """Return a socket in a state."""
    end = await guest.tcp(family)
    if phase in {"connecting", "connected", "closed"}:
        where = listener
        if phase == "closed":
            free = await guest.bound(await guest.tcp(family), here(family))
            where = await guest.tcp_("local-address", free)
            await guest.relay.drop(free)
        await guest.tcp_("start-connect", end, guest.network, where)
        if phase == "connected":
            await guest.finish(end)
        if phase == "closed":
            await guest.block(end, "tcp#[method]tcp-socket")
            assert await guest.tcp_fails("finish-connect", end) == "connection-refused"
        return end
    if phase == "unbound":
        return end
    await guest.tcp_("start-bind", end, guest.network, here(family))
    if phase != "binding":
        await guest.tcp_("finish-bind", end)
    if phase.startswith("listen"):
        await guest.tcp_("start-listen", end)
    if phase == "listening":
        await guest.tcp_("finish-listen", end)
    return end


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("family", FAMILIES)
async def test_what_can_be_done_with_a_tcp_socket(family: str, phase: str) -> None:
    async with on_sockets() as guest:
        _, where = await guest.listening(family)
        outcomes: dict[str, str] = {}
        for name, (_, args) in TCP.items():
            end = await brought(guest, family, phase, where)
            if (name, phase) == ("finish-connect", "connecting"):
                await guest.block(end, "tcp#[method]tcp-socket")
            given = {"network": guest.network, "listener": where}
            known = (given.get(a, a) if isinstance(a, str) else a for a in args(family))
            try:
                await guest.tcp_(name, end, *known)
            except WitError as error:
                outcomes[name] = str(error.value)
            else:
                outcomes[name] = OK

        assert outcomes == {name: table[phase] for name, (table, _) in TCP.items()}
        end = await brought(guest, family, phase, where)
        assert await guest.tcp_("is-listening", end) is (phase == "listening")
        assert await guest.tcp_("address-family", end) == family


async def test_what_cannot_be_done_leaves_a_socket_as_it_was() -> None:
    async with on_sockets() as guest:
        end = await guest.tcp()
        assert await guest.tcp_fails("start-listen", end) == STATE
        assert await guest.tcp_fails("finish-bind", end) == NOT
        await guest.bound(end, here("ipv4"))
        assert await guest.tcp_fails("start-bind", end, guest.network, here("ipv4"))
        assert await guest.tcp_fails("accept", end) == STATE
        await guest.tcp_("start-listen", end)
        await guest.tcp_("finish-listen", end)

        assert await guest.tcp_("is-listening", end)


async def test_a_socket_is_ready_unless_something_goes_on() -> None:
    async with on_sockets() as guest:
        listener, where = await guest.listening()
        # One pollable serves for all of a socket's life.
        fresh = await guest.tcp()
        pollable = await guest("tcp#[method]tcp-socket.subscribe", fresh)
        waiting = await guest("tcp#[method]tcp-socket.subscribe", listener)
        assert await guest("poll#[method]pollable.ready", pollable)
        assert not await guest("poll#[method]pollable.ready", waiting)
        await guest.tcp_("start-connect", fresh, guest.network, where)
        assert await guest("poll#poll", [pollable]) == [0]
        await guest.tcp_("finish-connect", fresh)

        assert await guest("poll#poll", [waiting, pollable]) in ([1], [0, 1])
        assert await guest("poll#poll", [waiting]) == [0]
        await guest.tcp_("accept", listener)
        assert not await guest("poll#[method]pollable.ready", waiting)


UDP: dict[str, dict[str, str]] = {
    "start-bind": {"unbound": OK, "binding": CONFLICT, "bound": STATE, "peer": STATE},
    "finish-bind": {"unbound": NOT, "binding": OK, "bound": NOT, "peer": NOT},
    "stream": {"unbound": STATE, "binding": STATE, "bound": OK, "peer": OK},
    "local-address": {"unbound": STATE, "binding": STATE, "bound": OK, "peer": OK},
    "remote-address": {"unbound": STATE, "binding": STATE, "bound": STATE, "peer": OK},
    **{
        name: dict.fromkeys(("unbound", "binding", "bound", "peer"), OK)
        for name in (
            *("unicast-hop-limit", "receive-buffer-size", "send-buffer-size"),
            *("set-unicast-hop-limit", "set-receive-buffer-size"),
            "set-send-buffer-size",
        )
    },
}


@pytest.mark.parametrize("phase", ["unbound", "binding", "bound", "peer"])
@pytest.mark.parametrize("family", FAMILIES)
async def test_what_can_be_done_with_a_udp_socket(family: str, phase: str) -> None:
    async with on_sockets() as guest:
        outcomes: dict[str, str] = {}
        for name in UDP:
            end = await guest.udp(family)
            if phase != "unbound":
                await guest.udp_("start-bind", end, guest.network, here(family))
            if phase in {"bound", "peer"}:
                await guest.udp_("finish-bind", end)
            if phase == "peer":
                await guest.udp_("stream", end, here(family, 54_321))
            args: tuple[Any, ...] = (200,) if name.startswith("set-") else ()
            if name == "start-bind":
                args = (guest.network, here(family))
            try:
                await guest.udp_(name, end, *((None,) if name == "stream" else args))
            except WitError as error:
                outcomes[name] = str(error.value)
            else:
                outcomes[name] = OK

        assert outcomes == {name: table[phase] for name, table in UDP.items()}
        end = await guest.udp(family)
        assert await guest.udp_("address-family", end) == family
        pollable = await guest("udp#[method]udp-socket.subscribe", end)
        assert await guest("poll#[method]pollable.ready", pollable)
