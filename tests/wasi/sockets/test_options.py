from __future__ import annotations

import socket
from typing import Any

import pytest

from airssys.wasi.sockets import options

from .guest import FAMILIES, Guest, here, on_sockets

pytestmark = pytest.mark.guest

ON = True
SECOND = 1_000_000_000
NUMBERS = {
    "keep-alive-idle-time": 42 * SECOND,
    "keep-alive-interval": 43 * SECOND,
    "keep-alive-count": 44,
    "hop-limit": 45,
    "receive-buffer-size": 0x10000,
    "send-buffer-size": 0x12000,
}
LARGEST = {
    **dict.fromkeys(("keep-alive-idle-time", "keep-alive-interval"), 2**64 - 1),
    "keep-alive-count": 2**32 - 1,
    "hop-limit": 255,
    **dict.fromkeys(("receive-buffer-size", "send-buffer-size"), 2**64 - 1),
}
OTHERS = {
    "keep-alive-idle-time": 52 * SECOND,
    "keep-alive-interval": 53 * SECOND,
    "keep-alive-count": 54,
    "hop-limit": 55,
    "receive-buffer-size": 0x20000,
    "send-buffer-size": 0x22000,
}


async def configure(guest: Guest, end: Any, numbers: dict[str, int]) -> None:
    for name, value in numbers.items():
        await guest.tcp_(f"set-{name}", end, value)


async def read(guest: Guest, end: Any) -> dict[str, int]:
    return {name: await guest.tcp_(name, end) for name in NUMBERS}


@pytest.mark.parametrize("family", FAMILIES)
async def test_what_was_set_is_read_back(family: str) -> None:
    async with on_sockets() as guest:
        end = await guest.tcp(family)
        assert min((await read(guest, end)).values()) > 0
        await configure(guest, end, NUMBERS)
        for on in (True, False, True):
            await guest.tcp_("set-keep-alive-enabled", end, on)
            assert await guest.tcp_("keep-alive-enabled", end) is on
        assert await read(guest, end) == NUMBERS

        # To bind changes none of it.
        await guest.bound(end, here(family))
        assert await guest.tcp_("keep-alive-enabled", end)
        assert await read(guest, end) == NUMBERS


@pytest.mark.parametrize("family", FAMILIES)
async def test_zero_is_no_value_and_others_are_brought_into_range(family: str) -> None:
    async with on_sockets() as guest:
        end = await guest.tcp(family)
        for name, largest in LARGEST.items():
            assert await guest.tcp_fails(f"set-{name}", end, 0) == "invalid-argument"
            await guest.tcp_(f"set-{name}", end, 1)
            smallest = await guest.tcp_(name, end)
            await guest.tcp_(f"set-{name}", end, largest)
            greatest = await guest.tcp_(name, end)
            assert 0 < smallest <= greatest, name
            if name.startswith("keep-alive-i"):
                assert smallest == SECOND
        assert await guest.tcp_("send-buffer-size", end) <= 4 * 2**20


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("family", FAMILIES)
async def test_what_is_accepted_has_the_options_of_the_listener(
    family: str, when: str
) -> None:
    async with on_sockets() as guest:
        listener = await guest.tcp(family)
        if when == "before":
            await guest.tcp_("set-keep-alive-enabled", listener, ON)
            await configure(guest, listener, NUMBERS)
        await guest.bound(listener, here(family))
        await guest.tcp_("start-listen", listener)
        await guest.tcp_("finish-listen", listener)
        if when == "after":
            await guest.tcp_("set-keep-alive-enabled", listener, ON)
            await configure(guest, listener, NUMBERS)
        port = listener.socket.raw.getsockname()[1]
        await guest.connected(here(family, port))
        made, *_ = await guest.accepted(listener)
        assert await guest.tcp_("keep-alive-enabled", made)
        assert await read(guest, made) == NUMBERS

        await guest.tcp_("set-keep-alive-enabled", listener, not ON)
        await configure(guest, listener, OTHERS)
        assert await guest.tcp_("keep-alive-enabled", made)
        assert await read(guest, made) == NUMBERS


@pytest.mark.parametrize("family", FAMILIES)
async def test_options_of_datagram_sockets(family: str) -> None:
    async with on_sockets() as guest:
        end = await guest.udp(family)
        for name, value, largest in (
            ("unicast-hop-limit", 42, 255),
            ("receive-buffer-size", 0x10000, 2**64 - 1),
            ("send-buffer-size", 0x12000, 2**64 - 1),
        ):
            assert await guest.udp_fails(f"set-{name}", end, 0) == "invalid-argument"
            await guest.udp_(f"set-{name}", end, largest)
            assert await guest.udp_(name, end) > 0
            await guest.udp_(f"set-{name}", end, value)
            assert await guest.udp_(name, end) == value


async def test_an_option_that_the_system_lacks_is_not_supported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking = options.Setting({"ipv4": (socket.IPPROTO_TCP, None)}, 1)
    monkeypatch.setattr("airssys.wasi.sockets.tcp.KEEP_ALIVE_COUNT", lacking)
    async with on_sockets() as guest:
        end = await guest.tcp()

        assert await guest.tcp_fails("keep-alive-count", end) == "not-supported"
        assert await guest.tcp_fails("set-keep-alive-count", end, 1) == "not-supported"
