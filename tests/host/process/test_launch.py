"""What is started is what was found, held and granted."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from attrs import evolve

from airssys.core.errors import WitError
from airssys.core.event import Denied, Granted
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import ProcessGrants
from airssys.host.process import ProcessSettings
from airssys.host.process.environment import is_loading
from airssys.host.process.launch import Asker, Wanted, _head, prepare
from airssys.host.process.launcher import Launcher
from airssys.host.process.proc import newest_pid, peak_memory, stat

from .guest import ENV, FULL, MARK, SH, SLEEP, TRUE, Guest, open_guest

pytestmark = pytest.mark.guest

SPAWN = "lifecycle#spawn-with-environment"


def made(folder: Path, text: str | bytes, name: str = "program") -> str:
    path = folder.resolve() / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o755)
    return str(path)


def may_run(*programs: str) -> ProcessGrants:
    return ProcessGrants(spawn=programs, signal=["own"])


async def output(guest: Guest, command: str, *arguments: str) -> str:
    return await guest.output(await guest.spawn(command, *arguments))


async def test_a_link_leads_to_the_program_that_is_granted(tmp_path: Path) -> None:
    link = tmp_path / "sh"
    link.symlink_to(SH)
    async with open_guest() as guest:
        child = await guest.spawn(str(link), "-c", "cat /proc/$$/cmdline; :")

        assert (await guest.output(child)).split("\0")[0] == SH


async def test_a_copy_with_a_link_of_its_own_name_is_what_the_grant_names(
    tmp_path: Path,
) -> None:
    copied = shutil.copy(ENV, tmp_path.resolve() / "renamed")
    async with open_guest(evolve(FULL, process=may_run(str(copied)))) as guest:
        assert MARK in await output(guest, str(copied))
        await guest.fails("permission-denied", SPAWN, ENV, [], [])


async def test_a_script_runs_with_an_interpreter_that_the_host_names(
    tmp_path: Path,
) -> None:
    text = '#! /bin/sh -u\necho "$1 $0 $-"\n'
    script = made(tmp_path, text)
    grants = evolve(FULL, process=may_run(script))
    async with open_guest(grants) as guest:
        said = await output(guest, script, "an argument")

        assert said.startswith("an argument /proc/self/fd/3 ")
        assert "u" in said.split()[-1]
    async with open_guest(grants, interpreters=()) as guest:
        words = await guest.fails("permission-denied", SPAWN, script, [], [])
        assert "'/bin/sh': no grant covers it" in words
    async with open_guest(evolve(FULL, process=may_run(script, SH))) as guest:
        assert "an argument" in await output(guest, script, "an argument")


async def test_what_is_no_program_of_this_machine_is_told_so(tmp_path: Path) -> None:
    odd = made(tmp_path, b"\x00\x01\x02", "odd")
    elf = made(tmp_path, b"\x7fELF" + bytes(100), "elf")
    unending = made(tmp_path, f"#!{'x' * 300}\n", "unending")
    async with open_guest(evolve(FULL, process=may_run(odd, elf, unending))) as guest:
        for path in (odd, elf, unending):
            await guest.fails("exec-format-error", SPAWN, path, [], [])
        assert await guest("lifecycle#get-children") == []


async def test_nothing_in_an_interpreter_line_becomes_an_argument_more(
    tmp_path: Path,
) -> None:
    # Arguments are passed on with NUL between them: one more, and the last of them
    # would be a variable.
    script = made(tmp_path, b"#!/bin/sh -u\0x\nenv\n")
    odd = made(tmp_path, b"#!/bin/sh\0x\nenv\n", "odd")
    async with open_guest(evolve(FULL, process=may_run(script, odd))) as guest:
        for path in (script, odd):
            arguments = ["LD_PRELOAD=/x.so"]
            await guest.fails("exec-format-error", SPAWN, path, arguments, [])


async def test_a_grant_that_is_gone_before_the_start_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_guest() as guest:
        keeper = Launcher.keeper

        async def revoked(launcher: Launcher, given: Sequence[int]) -> socket.socket:
            guest.standing.grants = Grants()
            return await keeper(launcher, given)

        monkeypatch.setattr(Launcher, "keeper", revoked)
        await guest.fails("permission-denied", SPAWN, TRUE, [], [])

        (event,) = guest.denied
        assert event.needed == f"spawn {TRUE!r}"


async def test_the_host_does_not_wait_for_who_holds_a_lease_on_a_program(
    tmp_path: Path,
) -> None:
    script = made(tmp_path, "#!/bin/sh\n")
    held = os.open(script, os.O_RDONLY)
    try:
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        signal.signal(signal.SIGIO, signal.SIG_IGN)  # the lease is to be given back
        assert _head(held) == b""
    finally:
        os.close(held)
        signal.signal(signal.SIGIO, signal.SIG_DFL)


async def test_a_program_that_can_only_be_run_is_run(tmp_path: Path) -> None:
    copied = shutil.copy(TRUE, tmp_path.resolve() / "program")
    Path(copied).chmod(0o111)
    async with open_guest(evolve(FULL, process=may_run(str(copied)))) as guest:
        assert await output(guest, str(copied)) == ""


async def test_a_program_that_is_not_there_is_not_found_where_it_is_granted(
    tmp_path: Path,
) -> None:
    path = str(tmp_path.resolve() / "none")
    async with open_guest(evolve(FULL, process=may_run(path))) as guest:
        await guest.fails("not-found", SPAWN, path, [], [])
        assert guest.denied == []
        await guest.fails("invalid-argument", SPAWN, f"/{'x' * 5000}", [], [])
        await guest.fails("invalid-argument", SPAWN, TRUE, [], [("A", ""), ("A", "")])


async def test_the_audit_is_not_told_more_than_it_has_room_for() -> None:
    long = "x" * 100_000
    async with open_guest() as guest:
        await guest.fails("invalid-argument", SPAWN, long, [], [])
        await guest.fails("invalid-argument", SPAWN, f"/{long}", [], [])
        await guest.fails("invalid-argument", SPAWN, TRUE, [], [(f"LD_{long}", "")])

        assert len(guest.denied) == 3
        assert all(len(str(event)) < 2000 for event in guest.denied)


def test_what_the_system_has_no_character_for_is_no_argument() -> None:
    wanted = Wanted(TRUE, ["\ud800"], None, {})
    with ExitStack() as pins, pytest.raises(WitError, match="no character"):
        prepare(wanted, Asker(lambda _: None, lambda _: True), (), pins)


def setting(*names: str) -> Grants:
    return evolve(FULL, process=evolve(FULL.process, environment=names))


async def test_the_host_allows_variables_to_all_guests() -> None:
    async with open_guest(setting(), variables={"PATH", MARK}) as guest:
        given = [("PATH", "/nowhere"), (MARK, guest.mark)]

        child = await guest(SPAWN, ENV, [], given)
        assert "PATH=/nowhere" in (await guest.output(child)).splitlines()
        await guest.fails("permission-denied", SPAWN, ENV, [], [("PYTHONHOME", "/")])
        (event,) = guest.denied
        assert event.needed == "set variable 'PYTHONHOME'"


@pytest.mark.parametrize(
    "name",
    [
        *("TAR_OPTIONS", "MAKEFLAGS", "HOME", "XDG_CONFIG_HOME", "LANG", "TZ", "A"),
        *("LD_PRELOAD", "PATH", "GIT_SSH_COMMAND", "APP", "APP/X"),
    ],
)
async def test_a_guest_sets_no_variable_that_it_was_not_granted(name: str) -> None:
    async with open_guest(setting("APP_*")) as guest:
        with pytest.raises(WitError) as caught:
            await guest(SPAWN, ENV, [], [(name, "x")])

        told: Any = caught.value.value
        if "/" in name:
            assert told.case == "invalid-argument"
            return
        assert told.case == "permission-denied"
        assert told.value == (
            f"may not set variable {name!r}: no grant covers it "
            "(granted: set variable 'APP_*')"
        )
        (event,) = guest.denied
        assert (event.section, event.action) == ("process", "environment")
        assert event.target == name


async def test_a_guest_sets_the_variables_that_it_was_granted() -> None:
    async with open_guest(setting("APP_*", "LD_LIBRARY_PATH", MARK)) as guest:
        given = [("APP_A", "1"), ("LD_LIBRARY_PATH", "/x"), (MARK, guest.mark)]

        child = await guest(SPAWN, ENV, [], given)
        found = (await guest.output(child)).splitlines()

        assert sorted(found) == sorted(f"{name}={value}" for name, value in given)
        assert guest.denied == []


async def test_a_wildcard_grants_no_variable_that_changes_what_is_loaded() -> None:
    async with open_guest(setting("*", "GIT_*")) as guest:
        with pytest.raises(WitError) as caught:
            await guest(
                SPAWN, ENV, [], [("A", ""), ("LD_PRELOAD", "x"), ("GIT_SSH", "x")]
            )

        told: Any = caught.value.value
        assert told.value == (
            "may not set variable 'LD_PRELOAD': it changes what programs load or "
            "start, so that only a grant of its very name covers it; nor 'GIT_SSH'"
        )
        (event,) = guest.denied
        assert (event.action, event.target) == ("environment", "LD_PRELOAD")


async def test_a_grant_of_a_variable_that_goes_while_its_program_starts_is_gone() -> (
    None
):
    async with open_guest() as guest:
        starting = guest.relay.recorder

        async def start() -> None:
            await guest.fails("permission-denied", SPAWN, SLEEP, ["60"], [("A", "1")])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(start)
            await anyio.lowlevel.checkpoint()
            guest.standing.grants = setting()
        assert [each.target for each in starting.of(Denied)] == ["A"]


@pytest.mark.parametrize(
    ("name", "loading"),
    [
        *((name, True) for name in ("LD_PRELOAD", "GIT_SSH", "PERL5LIB", "IFS", "ENV")),
        *((name, False) for name in ("HOME", "LANG", "TZ", "GITHUB", "ENVIRONMENT")),
    ],
)
def test_a_variable_is_known_to_change_what_is_loaded(
    name: str, *, loading: bool
) -> None:
    assert is_loading(name) is loading


async def test_what_is_granted_is_told_where_that_is_wanted() -> None:
    async with open_guest(audited=True) as guest:
        await output(guest, "/bin/../bin/true")

        granted = [each for each in guest.relay.recorder.of(Granted) if each.resource]
        assert [(each.needed, each.resource) for each in granted] == [
            (f"spawn {TRUE!r}", "/bin/../bin/true")
        ]


def told_of(guest: Guest) -> tuple[str, str, str]:
    """Return what the audit was told of the last refusal, but for the path."""
    event = guest.denied[-1]
    return event.needed.partition(" ")[0], event.action, event.reason


ODD = ("/{}/../usr/bin/true", "/{0}/../{0}/..", "/{}/../../../../usr/bin/true", "/{}")


@pytest.mark.parametrize("path", ODD)
async def test_a_refusal_does_not_tell_what_the_host_has(
    path: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "pipe").mkdir()
    (tmp_path / "link").symlink_to("/nowhere")
    (tmp_path / "loop").symlink_to("loop")
    here = str(tmp_path.resolve())
    names = [
        *(f"{here}/{name}" for name in ("file", "pipe", "link", "loop", "none")),
        *("/proc/1", "/proc/self/fd/0", "/proc/self/fd/99", "/proc/999999999"),
        *("/proc/self/root", "/root", "/none", "/none/none", "/etc/passwd/x"),
    ]
    heard = set()
    async with open_guest() as guest:
        for name in names:
            text = path.format(name[1:])
            attempts: list[tuple[Any, ...]] = [
                (SPAWN, text, [], []),
                ("lifecycle#spawn-in-directory", TRUE, [], text),
            ]
            for arguments in attempts:
                words = await guest.fails("permission-denied", *arguments)
                told = words.replace(repr(text), "PATH").partition(": ")[0]
                heard.add((arguments[0], told, *told_of(guest)))

    assert len(heard) == 2, heard


async def test_a_path_is_left_again_where_grants_lead(tmp_path: Path) -> None:
    async with open_guest() as guest:
        for path in ("/usr/bin/../bin/true", "/bin/true", "/bin/../bin/true"):
            await output(guest, path)
        await guest.fails("not-found", SPAWN, "/usr/lib/../bin/none/../true", [], [])


async def test_many_are_started_at_once() -> None:
    async with open_guest() as guest, anyio.create_task_group() as tasks:
        spawn = guest.relay._offered[0].functions["spawn-with-environment"].body
        codes = []

        async def one(number: int) -> None:
            call = guest.call("airssys:ext-process/lifecycle@1.0.0#spawn")
            child = await spawn(call, SH, ["-c", f"exit {number}"], [])  # type: ignore[misc]
            await child.done.wait()
            codes.append(child.ending.code)

        for number in range(12):
            tasks.start_soon(one, number)

    assert sorted(codes) == list(range(12))


async def test_without_a_python_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    async with open_guest(alone=True) as guest:
        words = await guest.fails("spawn-failed", SPAWN, TRUE, [], [])

        assert "'/nowhere/python' cannot be started" in words


async def test_elsewhere_than_on_linux_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_guest() as guest:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "platform", "darwin")
            await guest.fails("spawn-failed", SPAWN, TRUE, [], [])


def test_interpreters_are_known_by_where_they_lead() -> None:
    assert ProcessSettings().interpreters == {SH}


def test_what_the_system_tells_of_processes_is_read() -> None:
    own = stat(os.getpid())

    assert own is not None
    assert (own.pid, own.ppid, own.state) == (os.getpid(), os.getppid(), "R")
    assert own.memory > 1_000_000
    assert peak_memory(own.pid) >= own.memory // 2
    assert newest_pid() >= 1
    assert stat(2**22 + 1) is None
    assert peak_memory(2**22 + 1) == 0
