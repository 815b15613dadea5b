"""What is refused has a record: by whom, and also where nobody hears the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.to_thread
import pytest

from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.grants.grants import NO_GRANTS, Grants
from airssys.core.limits import Quota
from airssys.host.filesystem import filesystem_interfaces
from airssys.host.network.resolve import FixedResolver
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder
from airssys.witmodel.types import Variant

from ..relay import relay
from .filesystem.guest import Guest, grants, running, until
from .network import guest as net

pytestmark = pytest.mark.guest

SYSTEM = "the host's system denies it ("
PROC = Path("/proc/version")
on_linux = pytest.mark.skipif(not PROC.exists(), reason="it takes Linux's /proc")


async def told(waiting: Awaitable[object]) -> Variant:
    with pytest.raises(WitError) as caught:
        await waiting
    return cast("Variant", caught.value.value)


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1777, 2**31])
@pytest.mark.parametrize("function", ["set-permissions", "create-directory"])
async def test_a_mode_that_nobody_may_give_is_recorded(
    function: str, mode: int, tmp_path: Path
) -> None:
    path = f"{tmp_path}/a"
    if function == "set-permissions":
        Path(path).touch()
    async with running(grants(write=[path])) as guest:
        answer = await told(guest(f"filesystem#{function}", path, {"mode": mode}))

        words = f"{mode:#o} has more than the nine bits"
        assert answer == Variant("invalid-argument", words)
        (event,) = guest.denied
        assert event.needed == f"give mode {mode:#o} to {path!r}"
        assert event.reason == words


@on_linux
async def test_what_the_system_denies_is_told_apart_from_a_missing_grant() -> None:
    path = str(PROC)
    async with running(grants(delete=[path])) as guest:
        answer = await told(guest("filesystem#delete-file", path))

        assert answer.case == "permission-denied"
        assert str(answer.value).startswith(f"{path!r}: {SYSTEM}")
        (event,) = guest.denied
        assert (event.section, event.needed) == ("", f"use {path!r}")
        assert event.reason.startswith(SYSTEM)
        assert event.operation.endswith("#delete-file")
    # Who was not granted the path hears nothing of what the system would say.
    async with running(grants(delete=["/proc/none"])) as guest:
        for each in (path, "/proc/no-such-file"):
            answer = await told(guest("filesystem#delete-file", each))
            assert answer.case == "permission-denied"
            assert str(answer.value).startswith(f"may not delete {each!r}: no grant")


async def test_a_denial_by_the_system_is_told_apart_on_the_network_too() -> None:
    broadcast = "255.255.255.255"
    granted = net.grants(outbound=[f"{broadcast}:9"])
    async with net.on_network(granted) as guest:
        send = "socket#[method]udp-socket.send-to"
        end = await guest.udp()
        answer = await guest.fails(send, end, b"x", net.at(9, broadcast))

        assert answer.case == "permission-denied"
        doing = f"sending to {broadcast}:9"
        assert str(answer.value).startswith(f"{doing}: {SYSTEM}")
        (event,) = guest.relay.denied
        assert event.needed == doing
        assert event.reason.startswith(SYSTEM)
        # And without a grant it is that which is missing.
        answer = await guest.fails(send, end, b"x", net.at(8, broadcast))
        assert str(answer.value).startswith("may not connect to '255.255.255.255:8'")


async def test_a_denial_that_comes_after_its_call_was_cancelled_is_recorded(
    tmp_path: Path,
) -> None:
    reached, may_end = threading.Event(), threading.Event()
    loop = threading.get_ident()
    asked = 0

    def clock() -> float:
        """Hold up the thread of the call just before the check."""
        nonlocal asked
        if threading.get_ident() != loop:
            asked += 1
            if asked == 2:
                reached.set()
                may_end.wait(10)
        return time.time()

    gate = Gate(recorder := Recorder(), clock=clock)
    standing = Standing(Grants())
    async with relay(
        filesystem_interfaces(gate), grants=standing, recorder=recorder, guard=gate
    ) as made:
        guest = Guest(made, standing, gate)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guest, "filesystem#get-metadata", f"{tmp_path}/a")
            await anyio.to_thread.run_sync(reached.wait, 10)
            tasks.cancel_scope.cancel()
        assert guest.denied == []
        may_end.set()
        await until(lambda: guest.denied)

        (event,) = guest.denied
        assert event.needed.endswith(f"{tmp_path}/a'")
        assert event.reason == "no grant covers it (granted: nothing)"


async def test_a_denied_call_that_is_cancelled_as_it_waits_for_its_quota_is_recorded(
    tmp_path: Path,
) -> None:
    gate = Gate(recorder := Recorder())
    standing: Any = Standing(NO_GRANTS, Budget("acme/guest", Quota(host_calls=1)))
    async with relay(
        net.Offered.over(FixedResolver({})).interfaces,
        grants=standing,
        recorder=recorder,
        guard=gate,
    ) as guest:
        lookup = "connection#reverse-lookup"
        address = Variant("ipv4", (127, 0, 0, 1))
        with pytest.raises(WitError):
            await guest(lookup, address)
        assert len(recorder.events) == 1
        with anyio.move_on_after(0.05) as scope:
            await guest(lookup, address)

        assert scope.cancelled_caught
        first, second = guest.denied
        assert second.needed == first.needed == "resolve '127.0.0.1'"
