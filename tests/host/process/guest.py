"""A real guest that starts small programs, and looks for what they leave behind."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import anyio
from attrs import define

from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.event import Denied
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import FilesystemGrants, ProcessGrants
from airssys.host.process import ProcessSettings, open_process_interfaces
from airssys.host.process.children import AllChildren
from airssys.host.process.launcher import Launcher, _start
from airssys.host.process.lifecycle import lifecycle
from airssys.host.process.proc import descendants, stat
from airssys.host.process.program import Program
from airssys.host.process.signals import signals
from airssys.hostcalls.call import Call, Standing
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.testing import Recorder
from airssys.witmodel.types import Variant
from tests.relay import Relay, relay

__all__ = (
    "ENV",
    "FULL",
    "MARK",
    "NO_WISH",
    "OPTIONS",
    "SH",
    "SLEEP",
    "TRUE",
    "Guest",
    "open_guest",
    "open_shared",
    "real",
    "running",
    "state",
    "until",
)


def real(program: str) -> str:
    return os.path.realpath(program)


SH: Final = real("/bin/sh")
SLEEP: Final = real("/bin/sleep")
TRUE: Final = real("/bin/true")
ENV: Final = real("/usr/bin/env")
FULL: Final = Grants(
    process=ProcessGrants(
        spawn=[SH, SLEEP, TRUE, ENV], environment=["*"], signal=["own"]
    ),
    filesystem=FilesystemGrants(list=["/usr", "/usr/**"]),
)
MARK: Final = "AIRSSYS_TEST"
"""The variable by which the processes of a test are found."""
NO_WISH: Final = {
    "max_memory": 0,
    "max_cpu_time": 0,
    "max_file_size": 0,
    "max_open_files": 0,
    "max_processes": 0,
}
OPTIONS: Final = {
    "command": TRUE,
    "arguments": (),
    "environment": (),
    "working_directory": None,
    "inherit_environment": True,
    "capture_stdout": True,
    "capture_stderr": True,
    "inherit_stdin": False,
    "overflow": "truncate",
    "limits": NO_WISH,
}


@define(eq=False)
class Guest:
    relay: Relay
    standing: Standing
    mark: str

    async def __call__(self, function: str, *args: Any) -> Any:
        return await self.relay(function, *args)

    def call(self, function: str) -> Call:
        """Return a call as the guest's own."""
        return Call("acme/guest", "", function, self.standing)

    async def of(self, child: Program, method: str, *args: Any) -> Any:
        return await self.relay(f"lifecycle#[method]child.{method}", child, *args)

    async def spawn(self, command: str, *arguments: str, **more: Any) -> Program:
        limits = NO_WISH | more.pop("limits", {})
        given = {"command": command, "arguments": list(arguments), "limits": limits}
        options = OPTIONS | given | more
        child: Program = await self.relay("lifecycle#spawn", options)
        return child

    async def shell(self, script: str, *arguments: str, **more: Any) -> Program:
        return await self.spawn(SH, "-c", script, "sh", *arguments, **more)

    async def output(self, child: Program) -> str:
        result = await self.of(child, "wait")
        assert result.stderr == b""
        return str(result.stdout.decode())

    async def line(self, child: Program) -> str:
        """Read until the program has written a line: then it is ready."""
        read = b""
        while not read.endswith(b"\n"):
            more = await self.of(child, "read-stdout", 4096)
            assert more, read
            read += more
        return read.decode().strip()

    @property
    def denied(self) -> list[Denied]:
        return self.relay.denied

    async def fails(self, case: str, function: str, *args: Any) -> str:
        """Have the guest call something that fails so; returns the words."""
        try:
            value = await self.relay(function, *args)
        except WitError as error:
            problem = error.value
            assert isinstance(problem, Variant)
            assert problem.case == case, problem
            return str(problem.value)
        raise AssertionError(f"{function} returned {value!r}")


def running(mark: str) -> set[int]:
    """Return the processes that were started with a mark in their environment."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if f"{MARK}={mark}\0".encode() in environment:
            found.add(int(folder.name))
    return found


async def until(found: Any, *, tries: int = 500) -> None:
    """Wait until a condition holds that another process brings about."""
    for _ in range(tries):
        if found():
            return
        await anyio.sleep(0.002)
    raise AssertionError("it does not come to be")


@cache
def _warden() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the warden of all tests that need none of their own."""
    warden, requests = _start()

    def end() -> None:
        requests.close()
        warden.wait(10)

    atexit.register(end)
    return warden, requests


@define(eq=False)
class _Shared(Launcher):
    """A way to the warden of all tests, which stays."""

    def __attrs_post_init__(self) -> None:
        self._warden, self._requests = _warden()

    def finish(self) -> None: ...

    async def close(self) -> None: ...


@asynccontextmanager
async def open_shared(
    gate: Gate, settings: ProcessSettings
) -> AsyncIterator[tuple[HostInterface, HostInterface]]:
    """Open the interfaces as `open_processes` does, without a warden of their own."""
    async with anyio.create_task_group() as tasks:
        children = AllChildren(gate, settings, tasks, _Shared())
        try:
            yield lifecycle(children), signals(children)
        finally:
            await children.close()
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def open_guest(
    grants: Grants = FULL,
    *,
    budget: Budget | None = None,
    audited: bool = False,
    alone: bool = False,
    **settings: Any,
) -> AsyncIterator[Guest]:
    """Run a guest; whatever it has started must be gone when this is left.

    Args:
        grants: What it may do.
        budget: Its quota.
        audited: Whether what is granted is an event.
        alone: Whether it has a warden of its own, which ends with it.
        settings: More of `Settings`.
    """
    mark = uuid.uuid4().hex
    before = set()
    if alone:
        before = {each.pid for each in descendants(os.getpid())}
    recorder, standing = Recorder(), Standing(grants, budget)
    gate = Gate(recorder, grants=audited)
    inherited = {"PATH": "/usr/bin:/bin", MARK: mark}
    known = ProcessSettings(**{"environment": inherited, **settings})
    async with (
        (open_process_interfaces if alone else open_shared)(gate, known) as interfaces,
        relay(interfaces, grants=standing, recorder=recorder, guard=gate) as guest,
    ):
        yield Guest(guest, standing, mark)
    left = running(mark)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
    if alone:
        after = [each for each in descendants(os.getpid()) if each.pid not in before]
        assert after == []
    else:  # a keeper that is done can be seen for a moment; then only a spare one is
        await until(lambda: len(descendants(_warden()[0].pid)) <= 1)


def state(pid: int) -> str:
    found = stat(pid)
    return "" if found is None else found.state
