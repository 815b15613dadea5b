"""Guests try to run, reach or learn what is not theirs. None of it works.

An attempt that asks for something else than it may have is refused, and the audit has
the denial; one that runs a granted program comes to nothing, and the audit has the
grant by which it ran.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat as modes
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import define, field, frozen

from airssys.core.errors import WitError
from airssys.core.event import Denied, Granted
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import FilesystemGrants, ProcessGrants
from airssys.host.process import ProcessSettings
from airssys.host.process.proc import descendants, stat
from airssys.host.process.program import Program
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder
from tests.host.process.guest import (
    NO_WISH,
    OPTIONS,
    open_shared,
    real,
    running,
    until,
)
from tests.relay import Relay, relay

pytestmark = pytest.mark.guest

SH: Final = real("/bin/sh")
TRUE: Final = real("/bin/true")
SLEEP: Final = real("/bin/sleep")
CAT: Final = real("/bin/cat")
MARK: Final = "AIRSSYS_TEST"


@define(eq=False)
class World:
    """A guest, another one, and a folder with programs."""

    guest: Relay
    other: Relay
    recorder: Recorder
    folder: Path
    """The guest may run ``bin/*`` in it, and list ``work``."""
    mark: str
    asleep: list[Program] = field(factory=list)
    """What nobody may have ended."""

    @property
    def bin(self) -> str:
        return str(self.folder / "bin")

    async def spawn(
        self, command: str, *arguments: str, by: Relay | None = None, **more: Any
    ) -> Program:
        given = {"command": command, "arguments": arguments, **more}
        child: Program = await (by or self.guest)("lifecycle#spawn", OPTIONS | given)
        return child

    async def run(self, command: str, *arguments: str, **more: Any) -> str:
        child = await self.spawn(command, *arguments, **more)
        result = await self.guest("lifecycle#[method]child.join", child)
        await self.guest.drop(child)
        return str((result.stdout + result.stderr).decode())

    async def shell(self, script: str, *arguments: str, **more: Any) -> str:
        return await self.run(SH, "-c", script, "sh", *arguments, **more)

    async def sleeper(self, by: Relay | None = None) -> Program:
        child = await self.spawn(SLEEP, "60", by=by)
        self.asleep.append(child)
        return child

    def stranger(self) -> str:
        """Return the path of a program that the guest may not run."""
        return str(self.folder / "out" / "stranger")


def program(path: Path, text: str = "#!/bin/sh\necho stranger ran\n") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    folder = folder.resolve()
    program(folder / "bin" / "mine", "#!/bin/sh\necho mine ran\n")
    program(folder / "out" / "stranger")
    (folder / "work").mkdir()
    mark = f"{folder.name}-{os.urandom(4).hex()}"
    grants = Grants(
        process=ProcessGrants(
            spawn=[SH, SLEEP, TRUE, CAT, f"{folder}/bin/*"], signal=["own"]
        ),
        filesystem=FilesystemGrants(list=[f"{folder}/work"]),
    )
    recorder = Recorder()
    gate = Gate(recorder, grants=True)
    settings = ProcessSettings(
        environment={"PATH": "/usr/bin:/bin", MARK: mark}, children=8
    )
    async with (
        open_shared(gate, settings) as interfaces,
        relay(
            interfaces, grants=Standing(grants), recorder=recorder, guard=gate
        ) as guest,
        relay(
            interfaces, grants=Standing(grants), recorder=recorder, guard=gate,
            actor="acme/other",
        ) as other,
    ):  # fmt: skip
        yield World(guest, other, recorder, folder, mark)
    assert not running(mark)


# --- what is refused --------------------------------------------------------------

Attempt = Callable[[World], Awaitable[object]]


@frozen
class Refused:
    """An attempt, and the error that it must come to."""

    case: str
    tried: Attempt


def linked(world: World, target: str) -> str:
    link = world.folder / "work" / "link"
    link.symlink_to(target)
    return str(link)


async def by_link(world: World) -> None:
    await world.run(linked(world, world.stranger()))


async def by_link_inside_a_granted_folder(world: World) -> None:
    link = world.folder / "bin" / "innocent"
    link.symlink_to(world.stranger())
    await world.run(str(link))


async def by_link_to_a_folder(world: World) -> None:
    (world.folder / "bin" / "sub").symlink_to(world.folder / "out")
    await world.run(f"{world.bin}/sub/stranger")


async def a_directory(world: World) -> None:
    (world.folder / "bin" / "folder").mkdir()
    await world.run(f"{world.bin}/folder")


async def not_executable(world: World) -> None:
    (world.folder / "bin" / "mine").chmod(0o644)
    await world.run(f"{world.bin}/mine")


async def a_fifo(world: World) -> None:
    os.mkfifo(world.folder / "bin" / "fifo", 0o755)
    await world.run(f"{world.bin}/fifo")


async def a_socket(world: World) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(world.folder / "bin")  # its name can be too long otherwise
        try:
            made.bind("socket")
        finally:
            os.chdir(here)
        assert modes.S_ISSOCK((world.folder / "bin" / "socket").stat().st_mode)
        await world.run(f"{world.bin}/socket")


async def an_interpreter_that_is_not_granted(world: World) -> None:
    program(world.folder / "bin" / "script", f"#!{world.stranger()}\n")
    await world.run(f"{world.bin}/script")


async def an_interpreter_by_link(world: World) -> None:
    link = linked(world, world.stranger())
    program(world.folder / "bin" / "script", f"#!{link}\n")
    await world.run(f"{world.bin}/script")


async def a_script_of_a_script(world: World) -> None:
    program(world.folder / "bin" / "script", f"#!{world.bin}/mine\n")
    await world.run(f"{world.bin}/script")


async def an_interpreter_without_a_path(world: World) -> None:
    program(world.folder / "bin" / "script", "#!sh\necho ran\n")
    await world.run(f"{world.bin}/script")


async def a_removed_program(world: World) -> None:
    copied = Path(shutil.copy(TRUE, world.folder / "out" / "held"))
    held = os.open(copied, os.O_RDONLY)
    copied.unlink()
    try:
        await world.run(f"/proc/{os.getpid()}/fd/{held}")
    finally:
        os.close(held)


def runs(command: str, *arguments: str, **more: Any) -> Attempt:
    async def attempt(world: World) -> None:
        where = {"bin": world.bin, "out": world.folder / "out"}
        await world.run(command.format(**where), *arguments, **more)

    return attempt


def sets(name: str, text: str = "x") -> Attempt:
    return runs(SH, "-c", "env", environment=((name, text),))


def starts_in(directory: str) -> Attempt:
    async def attempt(world: World) -> None:
        place = directory.format(folder=world.folder)
        await world.run(TRUE, working_directory=place)

    return attempt


def raw(number: int) -> Attempt:
    async def attempt(world: World) -> None:
        await world.guest("signals#send-raw-signal", await world.sleeper(), number)

    return attempt


def to_group(number: int) -> Attempt:
    async def attempt(world: World) -> None:
        await world.sleeper()
        await world.guest("signals#send-signal-group", number, "kill")

    return attempt


def to_group_of(whose: Callable[[World], Awaitable[int]], function: str) -> Attempt:
    async def attempt(world: World) -> None:
        more = {"send-signal-group": ("term",), "graceful-shutdown-group": (0.0,)}
        group = await whose(world)
        await world.guest(f"signals#{function}", group, *more.get(function, ()))

    return attempt


async def the_hosts(_: World) -> int:
    return os.getpgrp()


async def the_keepers(world: World) -> int:
    keeper = stat((await world.sleeper()).pid)
    assert keeper is not None
    return keeper.ppid


async def the_others(world: World) -> int:
    return (await world.sleeper(by=world.other)).pid


def with_the_others(function: str, *args: Any) -> Attempt:
    async def attempt(world: World) -> None:
        child = await world.sleeper(by=world.other)
        await world.guest(function, child, *args)

    return attempt


def joins(whose: Callable[[World], Awaitable[int]]) -> Attempt:
    async def attempt(world: World) -> None:
        child = await world.sleeper()
        await world.guest("signals#set-process-group", child, await whose(world))

    return attempt


async def raised_limits(world: World) -> None:
    limits = NO_WISH | {"max_open_files": 20}
    child = await world.spawn(SLEEP, "60", limits=limits)
    name = "lifecycle#[method]child.set-resource-limits"
    await world.guest(name, child, NO_WISH | {"max_open_files": 21})


async def another_childs_handler(world: World) -> None:
    child = await world.sleeper(by=world.other)
    handler = await world.other("signals#on-terminate", child)
    await world.guest("signals#[method]handler.wait-event", handler, 0.0)


REFUSED: Final = {
    "a relative command": Refused("invalid-argument", runs("bin/true")),
    "a name to look for in PATH": Refused("invalid-argument", runs("true")),
    "an empty command": Refused("invalid-argument", runs("")),
    "a stranger": Refused("permission-denied", runs("{out}/stranger")),
    "a stranger by ..": Refused("permission-denied", runs("{bin}/../out/stranger")),
    "a stranger by many slashes": Refused(
        "permission-denied", runs("//{out}///./stranger")
    ),
    "a stranger by a link": Refused("permission-denied", by_link),
    "a stranger by a link in a granted folder": Refused(
        "permission-denied", by_link_inside_a_granted_folder
    ),
    "a stranger by a link to a folder": Refused(
        "permission-denied", by_link_to_a_folder
    ),
    "something that is not there": Refused("permission-denied", runs("{out}/none")),
    "a pattern as a name": Refused("permission-denied", runs("{out}/*")),
    "a name with a newline": Refused("permission-denied", runs("{out}/x\n{bin}/mine")),
    "a command with arguments": Refused("permission-denied", runs("/bin/sh -c id")),
    "a command with a NUL": Refused("invalid-argument", runs("{bin}/mine\0.txt")),
    "an argument with a NUL": Refused("invalid-argument", runs(TRUE, "a\0b")),
    "the host's own program": Refused("permission-denied", runs("/proc/self/exe")),
    "the host's own program by number": Refused(
        "permission-denied", runs(f"/proc/{os.getpid()}/exe")
    ),
    "the root of the host": Refused(
        "permission-denied", runs(f"/proc/{os.getpid()}/root{sys.executable}")
    ),
    "a file that has no name any more": Refused("permission-denied", a_removed_program),
    "a directory": Refused("spawn-failed", a_directory),
    "a file that is no program": Refused("spawn-failed", not_executable),
    "a fifo": Refused("spawn-failed", a_fifo),
    "a socket": Refused("spawn-failed", a_socket),
    "a script with a strange interpreter": Refused(
        "permission-denied", an_interpreter_that_is_not_granted
    ),
    "a script with a linked interpreter": Refused(
        "permission-denied", an_interpreter_by_link
    ),
    "a script with a script as interpreter": Refused(
        "exec-format-error", a_script_of_a_script
    ),
    "a script with an interpreter without a path": Refused(
        "invalid-argument", an_interpreter_without_a_path
    ),
    "LD_PRELOAD": Refused("permission-denied", sets("LD_PRELOAD", "/x/y.so")),
    "LD_LIBRARY_PATH": Refused("permission-denied", sets("LD_LIBRARY_PATH", "/x")),
    "PYTHONPATH": Refused("permission-denied", sets("PYTHONPATH", "/x")),
    "BASH_ENV": Refused("permission-denied", sets("BASH_ENV", "/x/y")),
    "PATH": Refused("permission-denied", sets("PATH", "/x")),
    **{
        name: Refused("permission-denied", sets(name, "/x"))
        for name in ("TAR_OPTIONS", "MAKEFLAGS", "HOME", "XDG_CONFIG_HOME", "A")
    },
    "a variable with a = in its name": Refused(
        "invalid-argument", sets("A=1\nLD_PRELOAD")
    ),
    "a variable that is a function": Refused(
        "invalid-argument", sets("BASH_FUNC_ls%%", "() { id; }")
    ),
    "a variable with a NUL": Refused("invalid-argument", sets("A", "1\0LD_PRELOAD=x")),
    "a directory that is not granted": Refused(
        "permission-denied", starts_in("{folder}/out")
    ),
    "a directory by ..": Refused("permission-denied", starts_in("{folder}/work/..")),
    "a relative directory": Refused("invalid-argument", starts_in("work")),
    "the directory of another process": Refused(
        "permission-denied", starts_in(f"/proc/{os.getpid()}/cwd")
    ),
    "signal 0": Refused("signal-not-supported", raw(0)),
    "signal 65": Refused("signal-not-supported", raw(65)),
    "a huge signal": Refused("signal-not-supported", raw(2**32 - 1)),
    "the group of the caller": Refused("permission-denied", to_group(0)),
    "the group of init": Refused("permission-denied", to_group(1)),
    "every process there is": Refused("permission-denied", to_group(-1)),
    "a group below zero": Refused("permission-denied", to_group(-(2**31))),
    **{
        f"{function} of {whose.__name__}": Refused(
            "permission-denied", to_group_of(whose, function)
        )
        for whose in (the_hosts, the_keepers, the_others)
        for function in (
            *("send-signal-group", "graceful-shutdown-group", "emergency-kill-group"),
        )
    },
    "a child into the host's group": Refused("permission-denied", joins(the_hosts)),
    "a child into another's group": Refused("permission-denied", joins(the_others)),
    "a signal to another's child": Refused(
        "permission-denied", with_the_others("signals#send-kill")
    ),
    "a shutdown of another's child": Refused(
        "permission-denied", with_the_others("signals#graceful-shutdown", 0.0)
    ),
    "an end of another's child": Refused(
        "permission-denied", with_the_others("signals#emergency-kill")
    ),
    "a wait for another's child": Refused(
        "permission-denied", with_the_others("lifecycle#[method]child.wait")
    ),
    "a look at another's output": Refused(
        "permission-denied", with_the_others("lifecycle#[method]child.read-stdout", 1)
    ),
    "limits of another's child": Refused(
        "permission-denied",
        with_the_others("lifecycle#[method]child.set-resource-limits", NO_WISH),
    ),
    "another child's handler": Refused("permission-denied", another_childs_handler),
    "limits that are raised": Refused("permission-denied", raised_limits),
}


@pytest.mark.parametrize("attempt", REFUSED)
async def test_what_is_not_the_guests_is_refused(attempt: str, tmp_path: Path) -> None:
    refused = REFUSED[attempt]
    async with world(tmp_path) as here:
        before = len(here.recorder.of(Denied))

        with pytest.raises(WitError) as caught:
            await refused.tried(here)

        problem: Any = caught.value.value
        assert problem.case == refused.case, problem
        (event,) = here.recorder.of(Denied)[before:]
        assert event.subject == "acme/guest"
        found = [stat(child.pid) for child in here.asleep]
        assert all(each is not None and each.state in {"R", "S"} for each in found)


# --- what comes to nothing --------------------------------------------------------

SECRET: Final = "a secret of the host's"  # noqa: S105 - made up


async def whole_arguments(world: World) -> None:
    tricks = ("$(id)", "`id`", "; id", "a b", "'\"", "--", "-n", "*", "x\ny", "", "é")
    given = await world.shell('printf "<%s>" "$@"', *tricks)

    assert given == "".join(f"<{each}>" for each in tricks)


async def no_variable_of_the_host(world: World) -> None:
    os.environ["AIRSSYS_SECRET"] = SECRET
    try:
        seen = await world.shell("env; cat /proc/self/environ")
    finally:
        del os.environ["AIRSSYS_SECRET"]

    assert SECRET not in seen
    names = {line.partition("=")[0] for line in seen.split("\0")[0].splitlines()}
    assert names <= {"PATH", MARK, "PWD", "_", "OLDPWD", "SHLVL"}


async def no_variable_by_its_parent(world: World) -> None:
    os.environ["AIRSSYS_SECRET"] = SECRET
    try:
        seen = await world.shell("cat /proc/$PPID/environ 2>/dev/null; echo $PPID")
    finally:
        del os.environ["AIRSSYS_SECRET"]

    assert seen.strip().isdigit()  # there is nothing but the number


async def no_descriptor_of_the_host(world: World) -> None:
    secret = world.folder / "secret"
    secret.write_text(SECRET)
    with secret.open() as file:
        os.set_inheritable(file.fileno(), True)  # noqa: FBT003 - positional only
        seen = await world.shell(f"ls -l /proc/self/fd; cat <&{file.fileno()}")

    assert str(secret) not in seen
    assert SECRET not in seen


async def not_the_input_of_the_host(world: World) -> None:
    assert await world.shell("readlink /proc/self/fd/0; wc -c") == "/dev/null\n0\n"


async def no_terminal(world: World) -> None:
    seen = await world.shell("(: </dev/tty) 2>&1; ps -o tty= -p $$ 2>/dev/null")

    assert "No such device" in seen
    assert "pts" not in seen


async def no_group_of_the_host(world: World) -> None:
    child = await world.sleeper()

    assert os.getpgid(child.pid) == os.getsid(child.pid) == child.pid


async def no_more_rights_by_set_user_id(world: World) -> None:
    seen = await world.shell("grep NoNewPrivs /proc/self/status")

    assert seen.split() == ["NoNewPrivs:", "1"]


async def no_core_dump(world: World) -> None:
    assert await world.shell("ulimit -c; ulimit -Hc") == "0\n0\n"


async def no_higher_limit_from_inside(world: World) -> None:
    limits = NO_WISH | {"max_open_files": 20}
    script = "ulimit -n 19; ulimit -n; ulimit -Sn 20; ulimit -Hn"
    seen = await world.shell(script, limits=limits)

    assert seen.splitlines()[0] == "19"


async def a_fork_flood(world: World) -> None:
    script = "i=0; while [ $i -lt 50 ]; do setsid sleep 60 & i=$((i+1)); done; wait"
    limits = NO_WISH | {"max_processes": 6}
    child = await world.spawn(SH, "-c", script, limits=limits)
    result = await world.guest("lifecycle#[method]child.wait", child)

    assert result.exceeded == "processes"
    assert not running(world.mark)
    assert "processes" in world.recorder.of(Denied)[-1].needed


async def an_output_flood(world: World) -> None:
    child = await world.spawn(SH, "-c", "exec yes")
    output = child.stdout
    assert output is not None
    await until(lambda: output.truncated, tries=5000)

    assert len(output.kept) == 1024 * 1024
    assert await world.shell("echo the host is there") == "the host is there\n"


async def a_daemon(world: World) -> None:
    script = "(env -i setsid sleep 61 &) </dev/null >/dev/null 2>&1; echo $PPID"
    child = await world.spawn(SH, "-c", f"{script}; exec sleep 60")
    keeper = await world.guest("lifecycle#[method]child.read-stdout", child, 100)
    found: Callable[[], Sequence[Any]] = lambda: descendants(int(keeper))  # noqa: E731
    await until(lambda: len(found()) == 2)
    pids = [each.pid for each in found()]
    await world.guest("signals#emergency-kill", child)

    assert [stat(pid) for pid in pids] == [None, None]


async def a_program_that_refuses_to_end(world: World) -> None:
    script = "trap '' TERM INT HUP; kill -STOP $$"
    child = await world.spawn(SH, "-c", script)
    await until(lambda: child.stopped)
    await world.guest.drop(child)
    await child.done.wait()

    assert stat(child.pid) is None


async def a_swapped_link(world: World) -> None:
    """Point a link at the granted and the strange program in turn, all the time."""
    link, other = world.folder / "work" / "swapped", world.folder / "work" / "next"
    good, bad = f"{world.bin}/mine", world.stranger()
    link.symlink_to(good)
    with swapping(link, other, (bad, good)):
        outcomes = set()
        for _ in range(25):
            try:
                outcomes.add(await world.run(str(link)))
            except WitError as error:
                problem: Any = error.value
                outcomes.add(problem.case)

    assert outcomes <= {"mine ran\n", "permission-denied"}


async def a_number_that_is_given_anew(world: World) -> None:
    """Signal a child whose number may be someone else's by now."""
    child = await world.spawn(TRUE)
    await world.guest("lifecycle#[method]child.wait", child)
    for name in ("send-kill", "send-term", "send-stop"):
        with pytest.raises(WitError, match="already-terminated"):
            await world.guest(f"signals#{name}", child)
    await world.guest("signals#emergency-kill", child)


async def a_wait_for_strangers(world: World) -> None:
    await world.run(TRUE)
    other = await world.sleeper(by=world.other)
    name = "lifecycle#wait-any-child-with-timeout"
    with pytest.raises(WitError, match="not-found"):
        await world.guest(name, 1.0)

    assert await world.guest("lifecycle#get-children") == []
    assert await world.other("lifecycle#get-children") == [other.pid]


@contextmanager
def swapping(link: Path, other: Path, targets: tuple[str, str]) -> Iterator[None]:
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in targets:
                other.symlink_to(target)
                other.rename(link)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


HARMLESS: Final[tuple[Attempt, ...]] = (
    whole_arguments,
    no_variable_of_the_host,
    no_variable_by_its_parent,
    no_descriptor_of_the_host,
    not_the_input_of_the_host,
    no_terminal,
    no_group_of_the_host,
    no_more_rights_by_set_user_id,
    no_core_dump,
    no_higher_limit_from_inside,
    a_fork_flood,
    an_output_flood,
    a_daemon,
    a_program_that_refuses_to_end,
    a_swapped_link,
    a_number_that_is_given_anew,
    a_wait_for_strangers,
)


@pytest.mark.parametrize("attempt", HARMLESS, ids=lambda each: each.__name__)
async def test_what_a_granted_program_tries_comes_to_nothing(
    attempt: Attempt, tmp_path: Path
) -> None:
    async with world(tmp_path) as here:
        await attempt(here)

        granted = here.recorder.of(Granted)
        assert {event.subject for event in granted} >= {"acme/guest"}
        assert {event.operation.partition("#")[2] for event in granted} >= {"spawn"}
