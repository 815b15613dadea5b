"""Each operation once allowed, with its real effect, and once refused."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from attrs import evolve

from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import FilesystemGrants
from airssys.host.process.proc import descendants, stat
from airssys.witmodel.signatures import SIGNATURES
from tests.operations import operation

from .guest import (
    ENV,
    FULL,
    MARK,
    NO_WISH,
    OPTIONS,
    SLEEP,
    TRUE,
    open_guest,
    state,
    until,
)

pytestmark = pytest.mark.guest

L: Final = "airssys:ext-process/lifecycle@1.0.0#"
M: Final = f"{L}[method]child."
S: Final = "airssys:ext-process/signals@1.0.0#"


# --- to start ---------------------------------------------------------------------


@operation(f"{L}spawn", f"{M}wait", f"{M}spawn-result", allowed=True)
async def test_a_program_gets_what_the_guest_gives_it(tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    listed = FilesystemGrants(list=[str(folder)])
    async with open_guest(evolve(FULL, filesystem=listed)) as guest:
        began = time.time_ns() // 1_000_000
        child = await guest.shell(
            'pwd; echo "$A $#"; echo wrong >&2; exit 3',
            "one",
            "two words",
            environment=[("A", "a b")],
            working_directory=str(folder),
        )
        result = await guest.of(child, "wait")
        again = await guest.of(child, "wait")
        how = await guest.of(child, "spawn-result")

    assert result.stdout.decode() == f"{folder}\na b 2\n"
    assert (result.stderr, result.pid) == (b"wrong\n", child.pid)
    status = result.exit_status
    assert (status.code, status.terminated_by_signal, status.signal_number) == (
        *(3, False),
        None,
    )
    assert result.peak_memory_bytes > 100_000
    assert again == result
    assert how.pid == child.pid
    assert began <= how.start_time <= time.time_ns() // 1_000_000


@operation(f"{L}spawn-in-directory", f"{M}join", allowed=True)
async def test_a_program_starts_in_a_directory() -> None:
    async with open_guest() as guest:
        child = await guest("lifecycle#spawn-in-directory", ENV, [], "/usr/bin/..")
        left = (await guest.of(child, "join")).stdout.decode()
        await guest.fails("already-terminated", "lifecycle#[method]child.wait", child)

        assert {f"{MARK}={guest.mark}", "PATH=/usr/bin:/bin"} == set(left.split())


@operation(f"{L}spawn-with-environment", allowed=True)
async def test_a_program_has_the_variables_it_was_given_and_no_others() -> None:
    async with open_guest() as guest:
        given = [("A", "1"), ("B", "x=y\nz"), (MARK, guest.mark)]
        child = await guest("lifecycle#spawn-with-environment", ENV, ["-0"], given)

        found = (await guest.output(child)).split("\0")[:-1]
        assert sorted(found) == sorted(f"{name}={value}" for name, value in given)


@operation(f"{L}spawn-with-limits", f"{M}get-resource-limits", allowed=True)
async def test_a_program_starts_within_limits() -> None:
    async with open_guest() as guest:
        limits = NO_WISH | {"max_open_files": 20, "max_cpu_time": 7, "max_processes": 5}
        child = await guest("lifecycle#spawn-with-limits", SLEEP, ["60"], limits)

        held = await guest.of(child, "get-resource-limits")
        assert (held.max_open_files, held.max_cpu_time, held.max_processes) == (
            20,
            7,
            5,
        )
        text = Path(f"/proc/{child.pid}/limits").read_text()
        assert "Max open files            20                   20 " in text
        assert "Max core file size        0                    0 " in text


# --- to wait ----------------------------------------------------------------------


@operation(f"{M}wait-with-timeout", f"{M}is-running", allowed=True)
async def test_a_wait_ends_with_its_time_and_the_program_goes_on() -> None:
    async with open_guest() as guest:
        child = await guest.shell("read line; echo got $line", inherit_stdin=True)

        name = "lifecycle#[method]child.wait-with-timeout"
        await guest.fails("timeout", name, child, 0.01)
        assert await guest.of(child, "is-running")
        await guest.of(child, "write-stdin", b"it\n")
        result = await guest.of(child, "wait-with-timeout", 10.0)
        assert result.stdout == b"got it\n"
        assert not await guest.of(child, "is-running")
        await guest.fails("invalid-argument", name, child, -1.0)
        await guest.fails("invalid-argument", name, child, float("nan"))


@operation(
    f"{L}wait-any-child",
    f"{L}wait-any-child-with-timeout",
    f"{L}get-children",
    allowed=True,
)
async def test_each_child_is_told_of_once_by_whoever_waits_for_any() -> None:
    async with open_guest() as guest:
        await guest.fails("not-found", "lifecycle#wait-any-child")
        slow = await guest.shell("read line", inherit_stdin=True)
        quick = await guest.spawn(TRUE)
        waited = await guest.spawn(TRUE)

        await guest.of(waited, "wait")
        assert (await guest("lifecycle#wait-any-child")).pid == quick.pid
        name = "lifecycle#wait-any-child-with-timeout"
        await guest.fails("timeout", name, 0.01)
        assert await guest("lifecycle#get-children") == [slow.pid]
        await guest.of(slow, "close-stdin")
        result = await guest(name, 10.0)
        assert (result.pid, result.exit_status.code) == (slow.pid, 1)
        await guest.fails("not-found", name, 10.0)


@operation(f"{L}get-current-id", f"{L}get-parent-id", allowed=True)
async def test_a_guest_learns_which_process_it_runs_in() -> None:
    async with open_guest() as guest:
        assert await guest("lifecycle#get-current-id") == os.getpid()
        assert await guest("lifecycle#get-parent-id") == os.getppid()


# --- to ask -----------------------------------------------------------------------


@operation(f"{M}get-status", f"{M}get-uptime", f"{M}get-resource-usage", allowed=True)
async def test_a_guest_sees_what_a_child_does_and_uses() -> None:
    async with open_guest() as guest:
        script = "sleep 60 & read line; exit 4"
        child = await guest.shell(script, inherit_stdin=True)
        await until(
            lambda: [each.memory > 0 for each in descendants(child.pid)] == [True]
        )

        status = await guest.of(child, "get-status")
        assert (status.pid, status.state, status.exit_code) == (
            child.pid,
            "running",
            None,
        )
        assert (status.thread_count, status.start_time) == (1, child.started)
        assert status.memory_bytes > 100_000
        usage = await guest.of(child, "get-resource-usage")
        assert (usage.process_count, usage.thread_count) == (2, 1)
        assert usage.peak_memory_bytes >= usage.memory_bytes > 0
        assert usage.total_memory_bytes > usage.memory_bytes
        assert 0 <= await guest.of(child, "get-uptime") < 60_000
        await guest.of(child, "close-stdin")
        await guest.of(child, "wait")
        status = await guest.of(child, "get-status")
        assert (status.state, status.exit_code, status.memory_bytes) == (
            *("terminated", 4),
            0,
        )
        ran = await guest.of(child, "get-uptime")
        assert ran == await guest.of(child, "get-uptime")
        name = "lifecycle#[method]child.get-resource-usage"
        await guest.fails("already-terminated", name, child)


@operation(f"{M}set-resource-limits", allowed=True)
async def test_limits_of_a_running_program_are_lowered_and_never_raised() -> None:
    async with open_guest() as guest:
        child = await guest.shell("sleep 60 & wait", limits={"max_open_files": 100})
        await until(lambda: len(descendants(child.pid)) == 1)
        (below,) = descendants(child.pid)
        set_limits = "lifecycle#[method]child.set-resource-limits"

        await guest(set_limits, child, NO_WISH | {"max_open_files": 50})
        for pid in (child.pid, below.pid):
            text = Path(f"/proc/{pid}/limits").read_text()
            assert "Max open files            50                   50 " in text
        both = NO_WISH | {"max_open_files": 51, "max_cpu_time": 1}
        words = await guest.fails("permission-denied", set_limits, child, both)
        assert words == "limits are only lowered: open_files"
        held = await guest.of(child, "get-resource-limits")
        assert (held.max_open_files, held.max_cpu_time) == (50, 600)
        assert [event.needed for event in guest.denied] == [
            f"raise limits of process {child.pid}"
        ]


# --- to end -----------------------------------------------------------------------


@operation(f"{M}terminate", f"{M}kill", allowed=True)
async def test_a_program_is_asked_to_end_or_ended() -> None:
    async with open_guest() as guest:
        polite = await guest.shell(
            "trap 'exit 5' TERM; echo on; while :; do sleep 0.01; done"
        )
        await guest.line(polite)
        stubborn = await guest.shell(
            "trap '' TERM; echo on; read x", inherit_stdin=True
        )
        await guest.line(stubborn)

        await guest.of(polite, "terminate")
        assert (await guest.of(polite, "wait")).exit_status.code == 5
        await guest.of(stubborn, "terminate")
        await guest.of(stubborn, "kill")
        status = (await guest.of(stubborn, "wait")).exit_status
        assert (status.code, status.terminated_by_signal) == (137, True)
        assert status.signal_number == signal.SIGKILL
        name = "lifecycle#[method]child.{}"
        await guest.fails("already-terminated", name.format("terminate"), polite)
        await guest.fails("already-terminated", name.format("kill"), polite)


# --- streams ----------------------------------------------------------------------


@operation(
    *(f"{M}{name}" for name in ("read-stdout", "read-stderr")),
    *(f"{M}{name}" for name in ("write-stdin", "close-stdin")),
    allowed=True,
)
async def test_a_guest_talks_with_a_program() -> None:
    async with open_guest() as guest:
        script = 'while read a; do echo "<$a>"; echo "$a" >&2; done'
        child = await guest.shell(script, inherit_stdin=True)

        await guest.of(child, "write-stdin", b"one\n")
        assert await guest.of(child, "read-stdout", 100) == b"<one>\n"
        assert await guest.of(child, "read-stderr", 2) == b"on"
        assert await guest.of(child, "read-stderr", 2) == b"e\n"
        await guest.of(child, "write-stdin", b"two\n")
        await guest.of(child, "close-stdin")
        result = await guest.of(child, "wait")
        assert (result.stdout, result.stderr) == (b"<two>\n", b"two\n")
        assert await guest.of(child, "read-stdout", 100) == b"<two>\n"
        assert await guest.of(child, "read-stdout", 100) == b""
        write = "lifecycle#[method]child.write-stdin"
        await guest.fails("io-error", write, child, b"three")
        mute = await guest.spawn(TRUE, capture_stdout=False, capture_stderr=False)
        for name in ("read-stdout", "read-stderr"):
            await guest.fails(
                "invalid-state", f"lifecycle#[method]child.{name}", mute, 1
            )
        await guest.fails("invalid-state", write, mute, b"")
        await guest.fails("invalid-state", "lifecycle#[method]child.close-stdin", mute)


# --- signals ----------------------------------------------------------------------

LISTENS: Final = """
for name in TERM INT HUP QUIT USR1 USR2; do trap "echo $name" $name; done
echo ready
while :; do sleep 0.005; done
"""


@operation(
    *(f"{S}{name}" for name in ("send-signal", "send-raw-signal", "send-term")),
    *(f"{S}{name}" for name in ("send-int", "send-hup", "send-kill")),
    allowed=True,
)
async def test_a_signal_reaches_the_child() -> None:
    async with open_guest() as guest:
        child = await guest.shell(LISTENS)
        assert await guest.line(child) == "ready"
        steps: list[tuple[str, tuple[Any, ...], str]] = [
            ("send-term", (), "TERM"),
            ("send-int", (), "INT"),
            ("send-hup", (), "HUP"),
            ("send-signal", ("quit",), "QUIT"),
            ("send-signal", ("usr1",), "USR1"),
            ("send-raw-signal", (int(signal.SIGUSR2),), "USR2"),
        ]

        for name, args, word in steps:
            await guest(f"signals#{name}", child, *args)
            assert await guest.line(child) == word
        await guest.fails("signal-not-supported", "signals#send-raw-signal", child, 65)
        await guest("signals#send-kill", child)
        assert (await guest.of(child, "wait")).exit_status.signal_number == 9
        await guest.fails("already-terminated", "signals#send-term", child)


@operation(
    *(f"{S}{name}" for name in ("send-stop", "send-cont", "on-status-change")),
    *(f"{S}{name}" for name in ("on-terminate", "[method]handler.wait-event")),
    f"{S}unregister-handler",
    allowed=True,
)
async def test_a_guest_hears_what_becomes_of_a_child() -> None:
    async with open_guest() as guest:
        child = await guest.shell("read line; exit 6", inherit_stdin=True)
        changes = await guest("signals#on-status-change", child)
        end = await guest("signals#on-terminate", child)
        unwanted = await guest("signals#on-terminate", child)
        wait = "signals#[method]handler.wait-event"

        await guest.fails("timeout", wait, changes, 0.01)
        await guest("signals#send-stop", child)
        assert (await guest(wait, changes, 10.0)).state == "stopped"
        assert (await guest.of(child, "get-status")).state == "stopped"
        await guest("signals#send-cont", child)
        assert (await guest(wait, changes, None)).state == "running"
        await guest.of(child, "close-stdin")
        for handler in (changes, end):
            event = await guest(wait, handler, 10.0)
            assert (event.pid, event.state) == (child.pid, "terminated")
            assert event.exit_status.code == 6
            await guest.fails("already-terminated", wait, handler, 10.0)
        await guest("signals#unregister-handler", unwanted)
        assert unwanted not in child.watches
        await guest.fails("already-terminated", "signals#on-terminate", child)


@operation(
    *(f"{S}{name}" for name in ("get-process-group", "set-process-group")),
    *(f"{S}{name}" for name in ("send-signal-group", "emergency-kill-group")),
    allowed=True,
)
async def test_a_signal_to_a_group_reaches_all_its_children() -> None:
    async with open_guest() as guest:
        first, second, third = [await guest.shell(LISTENS) for _ in range(3)]
        for child in (first, second, third):
            await guest.line(child)
        group = await guest("signals#get-process-group", first)

        assert group == first.pid
        await guest("signals#set-process-group", second, group)
        assert await guest("signals#get-process-group", second) == group
        await guest("signals#send-signal-group", group, "usr1")
        assert await guest.line(first) == await guest.line(second) == "USR1"
        await guest("signals#set-process-group", second, 0)
        assert await guest("signals#get-process-group", second) == second.pid
        await guest("signals#set-process-group", third, group)
        await guest("signals#emergency-kill-group", group)
        assert [c.ending is None for c in (first, second, third)] == [
            False,
            True,
            False,
        ]
        name = "signals#send-signal-group"
        await guest.fails("already-terminated", name, group, "term")


@operation(
    *(f"{S}{name}" for name in ("graceful-shutdown", "graceful-shutdown-group")),
    f"{S}emergency-kill",
    allowed=True,
)
async def test_programs_are_shut_down_gently_where_they_let_it() -> None:
    async with open_guest() as guest:
        polite = "trap 'exit 0' TERM; echo on; while :; do sleep 0.005; done"
        stubborn = "trap '' TERM; echo on; sleep 60"
        scripts = (polite, polite, polite, stubborn, stubborn)
        a, b, c, d, e = children = [await guest.shell(script) for script in scripts]
        for child in children:
            await guest.line(child)

        assert (await guest("signals#graceful-shutdown", a, 10.0)).code == 0
        assert (await guest("signals#graceful-shutdown", a, 10.0)).code == 0
        await guest("signals#set-process-group", c, b.pid)
        name = "signals#graceful-shutdown-group"
        assert await guest(name, b.pid, 10.0) == 0
        assert (await guest.of(b, "wait")).exit_status.code == 0
        assert (await guest.of(c, "wait")).exit_status.code == 0
        assert await guest(name, d.pid, 0.01) == 1
        assert (await guest.of(d, "wait")).exit_status.signal_number == 9
        await guest("signals#emergency-kill", e)
        assert e.ending is not None
        await guest("signals#emergency-kill", e)


@operation(
    *(f"{S}{name}" for name in ("signal-name", "signal-number", "list-signals")),
    allowed=True,
)
async def test_names_and_numbers_of_signals_need_nothing() -> None:
    async with open_guest(Grants()) as guest:
        names = await guest("signals#list-signals")

        assert {"SIGTERM", "SIGKILL", "SIGUSR2"} <= set(names)
        for name in names:
            number = await guest("signals#signal-number", name)
            assert await guest("signals#signal-name", number) == name
        assert await guest("signals#signal-number", "kill") == 9
        await guest.fails("not-found", "signals#signal-number", "SIGNONE")
        await guest.fails("signal-not-supported", "signals#signal-name", 0)


# --- refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "function", ["get-children", "wait-any-child", "get-parent-id", "get-current-id"]
)
async def test_who_may_start_no_program_is_told_that_it_takes_any(
    function: str,
) -> None:
    async with open_guest(Grants()) as guest:
        with pytest.raises(WitError) as caught:
            await guest(f"lifecycle#{function}")

        told: Any = caught.value.value
        words = "spawn any program"
        assert told.value == f"may not {words}: no grant covers it (granted: nothing)"
        (event,) = guest.denied
        assert (event.section, event.action) == ("process", "spawn")
        assert (event.needed, event.target) == (words, "")


CHILD, PID, HANDLER = object(), object(), object()
"""What stands for a child, its number and a handler of it, in the next table."""
REFUSED: Final[dict[str, tuple[object, ...]]] = {
    f"{L}spawn": (OPTIONS,),
    f"{L}spawn-in-directory": (TRUE, [], "/usr"),
    f"{L}spawn-with-environment": (TRUE, [], []),
    f"{L}spawn-with-limits": (TRUE, [], NO_WISH),
    f"{L}wait-any-child": (),
    f"{L}wait-any-child-with-timeout": (1.0,),
    f"{L}get-children": (),
    f"{L}get-parent-id": (),
    f"{L}get-current-id": (),
    f"{M}spawn-result": (CHILD,),
    f"{M}wait": (CHILD,),
    f"{M}wait-with-timeout": (CHILD, 1.0),
    f"{M}is-running": (CHILD,),
    f"{M}get-status": (CHILD,),
    f"{M}get-uptime": (CHILD,),
    f"{M}terminate": (CHILD,),
    f"{M}kill": (CHILD,),
    f"{M}set-resource-limits": (CHILD, NO_WISH),
    f"{M}get-resource-limits": (CHILD,),
    f"{M}get-resource-usage": (CHILD,),
    f"{M}join": (CHILD,),
    f"{M}read-stdout": (CHILD, 1),
    f"{M}read-stderr": (CHILD, 1),
    f"{M}write-stdin": (CHILD, b"x"),
    f"{M}close-stdin": (CHILD,),
    f"{S}[method]handler.wait-event": (HANDLER, 0.0),
    f"{S}send-signal": (CHILD, "term"),
    f"{S}send-term": (CHILD,),
    f"{S}send-kill": (CHILD,),
    f"{S}send-int": (CHILD,),
    f"{S}send-stop": (CHILD,),
    f"{S}send-cont": (CHILD,),
    f"{S}send-hup": (CHILD,),
    f"{S}send-raw-signal": (CHILD, 15),
    f"{S}on-terminate": (CHILD,),
    f"{S}on-status-change": (CHILD,),
    f"{S}unregister-handler": (HANDLER,),
    f"{S}send-signal-group": (PID, "term"),
    f"{S}get-process-group": (CHILD,),
    f"{S}set-process-group": (CHILD, 0),
    f"{S}graceful-shutdown": (CHILD, 0.0),
    f"{S}graceful-shutdown-group": (PID, 0.0),
    f"{S}emergency-kill": (CHILD,),
    f"{S}emergency-kill-group": (PID,),
}


@operation(*REFUSED, allowed=False)
async def test_after_a_revocation_nothing_is_possible_with_the_own_children() -> None:
    async with open_guest() as guest:
        child = await guest.spawn(SLEEP, "60", inherit_stdin=True)
        handler = await guest("signals#on-status-change", child)
        own = stat(child.pid)
        assert own is not None
        full, guest.standing.grants = guest.standing.grants, Grants()

        meant = {CHILD: child, PID: child.pid, HANDLER: handler}

        for name, given in REFUSED.items():
            before = len(guest.denied)
            args = [meant[each] if type(each) is object else each for each in given]
            await guest.fails("permission-denied", name, *args)
            (event,) = guest.denied[before:]
            assert event.operation == name
            assert "granted: nothing" in event.reason

        await until(lambda: state(child.pid) == "S")  # it sleeps, and was not stopped
        assert [each.pid for each in descendants(own.ppid)] == [child.pid]
        assert child.group == child.pid
        assert child.watches == []  # the guest gave its handler up all the same
        guest.standing.grants = full
        assert await guest.of(child, "is-running")


def test_each_function_that_needs_something_is_tried_without_it() -> None:
    free = {f"{S}{name}" for name in ("signal-name", "signal-number", "list-signals")}
    functions = {
        f"{interface}{name}"
        for interface in (L, S)
        for name in SIGNATURES[interface.rstrip("#")]
    }

    assert functions - free == set(REFUSED)


async def test_with_nothing_granted_not_even_the_warden_is_started() -> None:
    async with open_guest(Grants(), alone=True) as guest:
        with anyio.fail_after(5):
            words = await guest.fails(
                "permission-denied", "lifecycle#spawn-with-environment", SLEEP, [], []
            )

        assert (
            words == f"may not spawn {SLEEP!r}: no grant covers it (granted: nothing)"
        )
        assert len(guest.denied) == 1
