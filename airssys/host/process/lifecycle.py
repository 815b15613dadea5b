"""Give guests programs to start, wait for and end.

This is ``airssys:ext-process/lifecycle``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, Final

import anyio
from attrs import define, evolve, frozen

from ...core.grants.capabilities import Process
from ...hostcalls.call import Call
from ...hostcalls.declare import Inside, Requires, interface_of, operation
from ...hostcalls.interface import HostInterface, HostResource
from ..errors import permission_denied
from .children import AllChildren, seconds
from .errors import failure
from .limits import LimitsRecord, ProcessLimits
from .program import Program, now
from .settings import SpawnRecord
from .streams import Feed, Output, Overflow

__all__ = ("LIFECYCLE", "LifecycleOperations", "lifecycle")

LIFECYCLE: Final = "airssys:ext-process/lifecycle@1.0.0"
_STATES: Final = {"T": "stopped", "t": "stopped", "Z": "zombie", "X": "terminated"}
_SPAWN: Final = Inside(
    ("process.spawn", "process.environment", "filesystem.list"),
    "spawn of the program, list of its directory, by the paths that come out; "
    "environment for each variable that the guest sets",
)
_OWN: Final = Requires("process.spawn", lambda child, *_: child.path)
_SIGNAL: Final = Requires("process.signal", lambda *_: "own")
_ANY: Final = Inside(("process.spawn",), "of any program, as it tells of all children")


@frozen(kw_only=True)
class _Options:
    """What the shorter ways to start a program leave out: ``spawn-options``."""

    command: str
    arguments: list[str]
    environment: Sequence[tuple[str, str]] = ()
    working_directory: str | None = None
    inherit_environment: bool = True
    capture_stdout: bool = True
    capture_stderr: bool = True
    inherit_stdin: bool = False
    overflow: Overflow = "truncate"
    limits: LimitsRecord


@frozen
class _NoWish:
    max_memory: int = 0
    max_cpu_time: int = 0
    max_file_size: int = 0
    max_open_files: int = 0
    max_processes: int = 0


def lifecycle(children: AllChildren) -> HostInterface:
    """Return the interface for all components of a system."""
    return interface_of(
        LifecycleOperations(children),
        denied=permission_denied,
        resources=(HostResource("child", Program, Program.drop),),
    )


@define(eq=False)
class LifecycleOperations:
    """The operations of ``airssys:ext-process/lifecycle``."""

    interface: ClassVar[str] = LIFECYCLE
    children: AllChildren

    # Start.

    @operation(needs=_SPAWN)
    async def spawn(self, call: Call, options: SpawnRecord) -> Program:
        return await self.children.spawn(call, options)

    @operation(needs=_SPAWN)
    async def spawn_in_directory(
        self, call: Call, command: str, arguments: list[str], working_directory: str
    ) -> Program:
        options = _Options(command=command, arguments=arguments, limits=_NoWish())
        return await self.children.spawn(
            call, evolve(options, working_directory=working_directory)
        )

    @operation(needs=_SPAWN)
    async def spawn_with_environment(
        self,
        call: Call,
        command: str,
        arguments: list[str],
        environment: list[tuple[str, str]],
    ) -> Program:
        options = _Options(command=command, arguments=arguments, limits=_NoWish())
        return await self.children.spawn(
            call, evolve(options, environment=environment, inherit_environment=False)
        )

    @operation(needs=_SPAWN)
    async def spawn_with_limits(
        self, call: Call, command: str, arguments: list[str], limits: LimitsRecord
    ) -> Program:
        options = _Options(command=command, arguments=arguments, limits=limits)
        return await self.children.spawn(call, options)

    # Wait.

    @operation("[method]child.wait", needs=_OWN)
    async def wait(self, call: Call, child: Program) -> Mapping[str, object]:
        await self.children.own(call, child).done.wait()
        return child.result()

    @operation("[method]child.wait-with-timeout", needs=_OWN)
    async def wait_with_timeout(
        self, call: Call, child: Program, timeout_seconds: float
    ) -> Mapping[str, object]:
        self.children.own(call, child)
        with anyio.move_on_after(seconds(timeout_seconds)):
            await child.done.wait()
        if not child.done.is_set():
            raise failure("timeout", f"process {child.pid} still runs")
        return child.result()

    @operation("[method]child.join", needs=_OWN)
    async def join(self, call: Call, child: Program) -> Mapping[str, object]:
        await self.children.own(call, child).done.wait()
        result = child.result()
        child.hand_over()
        self.children.of(call).notify()
        return result

    @operation(needs=_ANY)
    async def wait_any_child(self, call: Call) -> Mapping[str, object]:
        self.children.any_program(call)
        return (await self.children.any_ended(call)).result()

    @operation(needs=_ANY)
    async def wait_any_child_with_timeout(
        self, call: Call, timeout_seconds: float
    ) -> Mapping[str, object]:
        self.children.any_program(call)
        with anyio.move_on_after(seconds(timeout_seconds)):
            return (await self.children.any_ended(call)).result()
        raise failure("timeout", "no child has ended")

    # Ask.

    @operation("[method]child.spawn-result", needs=_OWN)
    def spawn_result(self, call: Call, child: Program) -> Mapping[str, object]:
        self.children.own(call, child)
        return {"pid": child.pid, "start_time": child.started}

    @operation("[method]child.is-running", needs=_OWN)
    def is_running(self, call: Call, child: Program) -> bool:
        return self.children.own(call, child).ending is None

    @operation("[method]child.get-status", needs=_OWN)
    async def get_status(self, call: Call, child: Program) -> Mapping[str, object]:
        ending = self.children.own(call, child).ending
        known = {"pid": child.pid, "start_time": child.started, "exit_code": None}
        if ending is None:
            state, *numbers = await child.ask("status")
            ppid, user, system, threads, _, memory, _ = map(int, numbers)
            return {
                **known,
                "ppid": ppid,
                "state": _STATES.get(state, "running"),
                "cpu_time_ms": user + system,
                "memory_bytes": memory,
                "thread_count": threads,
            }
        return {
            **known,
            "ppid": 0,
            "state": child.state,
            "exit_code": ending.code if ending.code >= 0 else None,
            "cpu_time_ms": ending.cpu_time,
            "memory_bytes": 0,
            "thread_count": 0,
        }

    @operation("[method]child.get-uptime", needs=_OWN)
    def get_uptime(self, call: Call, child: Program) -> int:
        ending = self.children.own(call, child).ending
        until = now() if ending is None else ending.at
        return max(0, until - child.started)

    @operation("[method]child.get-resource-limits", needs=_OWN)
    async def get_resource_limits(
        self, call: Call, child: Program
    ) -> Mapping[str, int]:
        answer = await self.children.alive(call, child).ask("limits")
        names = ("max_memory", "max_cpu_time", "max_file_size", "max_open_files")
        return dict(zip((*names, "max_processes"), map(int, answer), strict=True))

    @operation("[method]child.get-resource-usage", needs=_OWN)
    async def get_resource_usage(self, call: Call, child: Program) -> Mapping[str, int]:
        state, *numbers = await self.children.alive(call, child).ask("usage")
        if _STATES.get(state) == "zombie":
            # Its first thread has ended; the system tells nothing of the others.
            raise failure("child-zombie", f"process {child.pid} is about to end")
        _, user, system, threads, _, memory, peak, count, total = map(int, numbers)
        return {
            "user_time_ms": user,
            "system_time_ms": system,
            "memory_bytes": memory,
            "peak_memory_bytes": peak,
            "thread_count": threads,
            "process_count": count,
            "total_memory_bytes": total,
        }

    @operation(needs=_ANY)
    def get_children(self, call: Call) -> list[int]:
        self.children.any_program(call)
        own = self.children.of(call).programs
        return [c.pid for c in own if c.pid and c.ending is None and not c.dropped]

    @operation(needs=_ANY)
    def get_parent_id(self, call: Call) -> int:
        self.children.any_program(call)
        return os.getppid()

    @operation(needs=_ANY)
    def get_current_id(self, call: Call) -> int:
        self.children.any_program(call)
        return os.getpid()

    # End.

    @operation("[method]child.terminate", needs=_SIGNAL)
    async def terminate(self, call: Call, child: Program) -> None:
        await self.children.send(call, child, "SIGTERM")

    @operation("[method]child.kill", needs=_SIGNAL)
    async def kill(self, call: Call, child: Program) -> None:
        self.children.alive(call, child).end_soon()

    @operation("[method]child.set-resource-limits", needs=_SIGNAL)
    async def set_resource_limits(
        self, call: Call, child: Program, limits: LimitsRecord
    ) -> None:
        wanted = ProcessLimits.read(limits)
        outcome, *raised = await self.children.alive(call, child).ask("limit", *wanted)
        if outcome == "raised":
            words = f"limits are only lowered: {', '.join(raised)}"
            self.children.gate.refused(
                call, f"raise limits of process {child.pid}", words
            )
            raise failure("permission-denied", words)

    # Streams.

    @operation("[method]child.read-stdout", needs=_OWN)
    async def read_stdout(self, call: Call, child: Program, max_bytes: int) -> bytes:
        stdout = self.children.own(call, child).stdout
        return await _captured(stdout, "output").read(max_bytes)

    @operation("[method]child.read-stderr", needs=_OWN)
    async def read_stderr(self, call: Call, child: Program, max_bytes: int) -> bytes:
        stderr = self.children.own(call, child).stderr
        return await _captured(stderr, "error").read(max_bytes)

    @operation("[method]child.write-stdin", needs=_OWN)
    async def write_stdin(self, call: Call, child: Program, payload: bytes) -> None:
        feed = _fed(self.children.own(call, child))
        again = partial(self.children.still, call, Process("spawn", child.path))
        await feed.write(payload, again)

    @operation("[method]child.close-stdin", needs=_OWN)
    def close_stdin(self, call: Call, child: Program) -> None:
        _fed(self.children.own(call, child)).close()


def _captured(output: Output | None, name: str) -> Output:
    if output is None:
        raise failure("invalid-state", f"its standard {name} is not captured")
    return output


def _fed(child: Program) -> Feed:
    if child.stdin is None:
        raise failure("invalid-state", "it was started without a standard input")
    return child.stdin
