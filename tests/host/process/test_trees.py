"""What a program starts ends with it, wherever it has gone."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from attrs import evolve

from airssys.core.grants.sections import ProcessGrants
from airssys.host.process.proc import descendants, stat
from airssys.host.process.program import Program

from .guest import (
    FULL,
    MARK,
    SH,
    SLEEP,
    TRUE,
    Guest,
    open_guest,
    real,
    running,
    state,
    until,
)

pytestmark = pytest.mark.guest

DAEMON: Final = """
(env -i setsid sh -c 'setsid sleep 60 & exec sleep 60' </dev/null >/dev/null 2>&1 &)
sleep 60 &
echo started
"""
"""Leaves three processes: two are daemons, in sessions of their own, without marks."""


async def daemons(guest: Guest, ending: str) -> tuple[Program, list[int]]:
    child = await guest.shell(DAEMON + ending, inherit_stdin=True)
    assert await guest.line(child) == "started"
    (keeper,) = [each.ppid for each in [stat(child.pid)] if each is not None]

    def found() -> list[Any]:
        return [each for each in descendants(keeper) if each.pid != child.pid]

    await until(lambda: len([e for e in found() if _name(e.pid) == "sleep"]) >= 3)
    return child, [each.pid for each in found()]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def lineage(child: Program) -> tuple[int, int]:
    """Return the keeper of a child, and the warden."""
    own = stat(child.pid)
    assert own is not None
    keeper = stat(own.ppid)
    assert keeper is not None
    return keeper.pid, keeper.ppid


def gone(pids: list[int]) -> bool:
    return all(stat(pid) is None for pid in pids)


async def test_what_a_program_leaves_behind_ends_with_it() -> None:
    async with open_guest() as guest:
        child, pids = await daemons(guest, "read line; exit 7")
        assert not gone(pids)

        await guest.of(child, "close-stdin")
        result = await guest.of(child, "wait")

        assert result.exit_status.code == 7
        assert gone(pids)


async def test_a_child_that_is_dropped_ends_with_all_that_it_started() -> None:
    async with open_guest() as guest:
        child, pids = await daemons(guest, "sleep 60")

        await guest.relay.drop(child)
        await child.done.wait()

        assert gone([child.pid, *pids])
        assert await guest("lifecycle#get-children") == []


async def test_children_end_with_the_instance() -> None:
    async with open_guest() as guest:
        child = await guest.spawn(SLEEP, "60")
        await guest.relay.keep(child)

        guest.relay.instance.close()

        await child.done.wait()
        assert gone([child.pid])


async def test_children_end_with_a_call_that_is_cut() -> None:
    async with open_guest() as guest:
        child = await guest.spawn(SLEEP, "60")
        await guest.relay.keep(child)
        other = await guest.spawn(SLEEP, "60")

        with anyio.move_on_after(0.02) as scope:
            await guest.of(other, "wait")

        assert scope.cancelled_caught
        await child.done.wait()
        assert gone([child.pid])


async def test_children_end_when_the_interfaces_are_closed() -> None:
    async with open_guest(alone=True) as guest:
        child, pids = await daemons(guest, "sleep 60")

    assert child.done.is_set()
    assert gone([child.pid, *pids])


async def test_children_end_when_the_host_is_cancelled() -> None:
    with anyio.move_on_after(10) as scope:
        async with open_guest(alone=True) as guest:
            child, pids = await daemons(guest, "sleep 60")
            scope.cancel()
            await anyio.sleep_forever()

    assert gone([child.pid, *pids])


async def test_a_spawn_that_is_cut_leaves_nothing() -> None:
    async with open_guest() as guest:
        await guest.spawn(TRUE)  # the warden runs
        for delay in (0.0, 0.0005, 0.001, 0.002, 0.003):
            with anyio.move_on_after(delay):
                await _spawn_uncalled(guest)
        await until(lambda: not running(guest.mark))


async def _spawn_uncalled(guest: Guest) -> None:
    """Start a program as the host's function does it, without the guest, which a cut
    call would end."""
    spawn: Any = guest.relay._offered[0].functions["spawn-with-environment"].body
    call = guest.call("airssys:ext-process/lifecycle@1.0.0#spawn-with-environment")
    child = await spawn(call, SLEEP, ["60"], [(MARK, guest.mark)])
    child.drop()  # it was quicker than the cut, and so is the guest's


async def test_a_keeper_that_is_killed_takes_its_tree_along() -> None:
    async with open_guest() as guest:
        child, pids = await daemons(guest, "sleep 60")
        keeper = stat(child.pid)
        assert keeper is not None

        os.kill(keeper.ppid, signal.SIGKILL)

        await guest.fails("io-error", "lifecycle#[method]child.wait", child)
        assert (await guest.of(child, "get-status")).state == "error"
        await until(lambda: gone([child.pid, *pids]))
        name = "signals#graceful-shutdown"
        await guest.fails("io-error", name, child, 1.0)
        assert await guest.output(await guest.shell("echo goes on")) == "goes on\n"


async def test_a_spare_keeper_that_is_killed_is_replaced() -> None:
    async with open_guest(alone=True) as guest:
        child = await guest.shell("echo one; read line", inherit_stdin=True)
        _, warden = lineage(child)
        await guest("signals#emergency-kill", child)
        await until(lambda: len(descendants(warden)) == 1)
        (spare,) = descendants(warden)

        os.kill(spare.pid, signal.SIGKILL)
        await until(lambda: (now := stat(spare.pid)) is None or now.state == "Z")

        assert await guest.output(await guest.shell("echo two")) == "two\n"


async def test_a_keeper_that_is_stopped_goes_on() -> None:
    async with open_guest(children=1) as guest:
        script = "kill -STOP $PPID; echo stopped; sleep 60"
        child = await guest.shell(script)
        assert await guest.line(child) == "stopped"

        assert (await guest.of(child, "get-status")).state == "running"
        await guest.relay.drop(child)
        with anyio.fail_after(4):
            assert await guest.output(await guest.shell("echo room")) == "room\n"


async def test_a_warden_that_is_stopped_goes_on() -> None:
    async with open_guest(alone=True) as guest:
        child, pids = await daemons(guest, "sleep 60")
        keeper, warden = lineage(child)

        os.kill(warden, signal.SIGSTOP)
        await until(lambda: state(warden) == "T")
        assert await guest.output(await guest.shell("echo one")) == "one\n"

        os.kill(warden, signal.SIGSTOP)
        await until(lambda: state(warden) == "T")
        os.kill(keeper, signal.SIGSTOP)

    assert gone([child.pid, *pids])


async def test_a_keeper_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_guest(alone=True, children=1) as guest:
        child = await guest.spawn(SLEEP, "60")
        keeper, warden = lineage(child)
        for pid in (warden, keeper):
            os.kill(pid, signal.SIGSTOP)
        await until(lambda: state(warden) == state(keeper) == "T")
        for module in ("program", "children"):
            monkeypatch.setattr(f"airssys.host.process.{module}.PATIENCE", 0.02)

        name = "lifecycle#[method]child.get-status"
        words = await guest.fails("io-error", name, child)
        assert words.endswith("its keeper does not answer")
        await guest.relay.drop(child)
        name = "lifecycle#spawn-with-environment"
        await guest.fails("too-many-processes", name, TRUE, [], [])
        monkeypatch.undo()

    assert gone([child.pid])


async def test_a_keeper_that_can_open_nothing_leaves_nothing() -> None:
    async with open_guest() as guest:
        child, pids = await daemons(guest, "read line")
        keeper, _ = lineage(child)

        resource.prlimit(keeper, resource.RLIMIT_NOFILE, (0, 0))
        await guest.of(child, "close-stdin")

        await guest.fails("io-error", "lifecycle#[method]child.wait", child)
        await until(lambda: gone([child.pid, *pids]))


async def test_a_warden_that_is_killed_is_started_again() -> None:
    async with open_guest(alone=True) as guest:
        child = await guest.spawn(SLEEP, "60")
        _, warden = lineage(child)

        os.kill(warden, signal.SIGKILL)
        await until(lambda: (found := stat(warden)) is None or found.state == "Z")

        assert await guest.output(await guest.shell("echo again")) == "again\n"
        await guest.of(child, "kill")  # its keeper is still there
        assert (await guest.of(child, "wait")).exit_status.signal_number == 9


ZOMBIE: Final = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""
"""Ends the first thread of a program, but not the program."""


async def test_a_program_that_is_not_quite_dead_is_a_zombie() -> None:
    python = real(sys.executable)
    granted = ProcessGrants(spawn=[python], signal=["own"])
    libraries = "LD_LIBRARY_PATH"  # some Pythons do not start without
    given = [(name, value) for name, value in os.environ.items() if name == libraries]
    full = evolve(FULL, process=granted)
    async with open_guest(full, variables={libraries}) as guest:
        child = await guest.spawn(python, "-I", "-S", "-c", ZOMBIE, environment=given)
        await until(
            lambda: (found := stat(child.pid)) is not None and found.state == "Z"
        )

        assert (await guest.of(child, "get-status")).state == "zombie"
        name = "lifecycle#[method]child.get-resource-usage"
        await guest.fails("child-zombie", name, child)
        await guest("signals#emergency-kill", child)
        assert (await guest.of(child, "get-status")).state == "terminated"


HOST: Final = """
import sys, anyio
from airssys.hostcalls.call import Call
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import ProcessGrants
from airssys.hostcalls.gate import Gate
from airssys.host.process import open_process_interfaces

async def main():
    async with open_process_interfaces(Gate()) as (lifecycle, _):
        granted = ProcessGrants(spawn=[sys.argv[1]], environment=[sys.argv[3]])
        call = Call("a", "a", "f", Grants(process=granted))
        spawn = lifecycle.functions["spawn-with-environment"].body
        child = await spawn(call, sys.argv[1], ["-c", sys.argv[2]], [
            (sys.argv[3], sys.argv[4])])
        print(await child.stdout.read(100), flush=True)
        await anyio.sleep_forever()

anyio.run(main, backend="trio")
"""


def test_children_end_when_the_host_is_killed() -> None:
    mark = uuid.uuid4().hex
    script = "setsid sleep 60 & echo started; sleep 60"
    with subprocess.Popen(
        [sys.executable, "-c", HOST, SH, script, MARK, mark],
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "b'started\\n'\n"
        assert len(running(mark)) >= 2

        host.kill()

    anyio.run(until, lambda: not running(mark))


async def test_other_users_of_child_processes_are_not_disturbed(
    anyio_backend_name: str,
) -> None:
    codes: list[int] = []

    async def theirs(code: int) -> None:
        command = ["/bin/sh", "-c", f"exit {code}"]
        codes.append((await anyio.run_process(command, check=False)).returncode)

    async with open_guest() as guest, anyio.create_task_group() as tasks:
        for code in range(1, 5):
            tasks.start_soon(theirs, code)
            child = await guest.shell(f"exit {10 + code}")
            assert (await guest.of(child, "wait")).exit_status.code == 10 + code

    assert sorted(codes) == [1, 2, 3, 4], anyio_backend_name
