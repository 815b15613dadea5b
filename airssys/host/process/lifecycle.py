"""Give guests programs to start, wait for and end.

This is ``airssys:ext-process/lifecycle``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

import anyio
from attrs import evolve, frozen

from ...hostcalls.call import Call
from ...hostcalls.declare import Inside, Requires, hold, offer
from ...hostcalls.interface import HostInterface
from ...witmodel.signatures import SIGNATURES
from .child import Child, now
from .errors import denied, failure
from .family import Families, seconds
from .limits import LimitsRecord, ProcessLimits
from .settings import SpawnRecord
from .streams import Overflow

__all__ = ("LIFECYCLE", "lifecycle")

LIFECYCLE: Final = "airssys:ext-process/lifecycle@1.0.0"
_TYPES: Final = SIGNATURES[LIFECYCLE]
_STATES: Final = {"T": "stopped", "t": "stopped", "Z": "zombie", "X": "terminated"}
_SPAWN: Final = Inside(
    ("process.spawn", "filesystem.list"),
    "spawn of the program, list of its directory, by the paths that come out",
)
_OWN: Final = Requires("process.spawn", lambda child, *_: child.program)
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


def lifecycle(families: Families) -> HostInterface:
    """Return the interface for all components of a system."""
    interface = HostInterface(LIFECYCLE)
    hold(interface, "child", Child, drop=Child.drop)
    _spawning(interface, families)
    _waiting(interface, families)
    _asking(interface, families)
    _ending(interface, families)
    _streams(interface, families)
    return interface


def _spawning(interface: HostInterface, families: Families) -> None:
    @offer(interface, needs=_SPAWN, wit=_TYPES["spawn"])
    async def spawn(call: Call, options: SpawnRecord) -> Child:
        return await families.spawn(call, options)

    @offer(interface, needs=_SPAWN, wit=_TYPES["spawn-in-directory"])
    async def spawn_in_directory(
        call: Call, command: str, arguments: list[str], working_directory: str
    ) -> Child:
        options = _Options(command=command, arguments=arguments, limits=_NoWish())
        return await families.spawn(
            call, evolve(options, working_directory=working_directory)
        )

    @offer(interface, needs=_SPAWN, wit=_TYPES["spawn-with-environment"])
    async def spawn_with_environment(
        call: Call,
        command: str,
        arguments: list[str],
        environment: list[tuple[str, str]],
    ) -> Child:
        options = _Options(command=command, arguments=arguments, limits=_NoWish())
        return await families.spawn(
            call, evolve(options, environment=environment, inherit_environment=False)
        )

    @offer(interface, needs=_SPAWN, wit=_TYPES["spawn-with-limits"])
    async def spawn_with_limits(
        call: Call, command: str, arguments: list[str], limits: LimitsRecord
    ) -> Child:
        options = _Options(command=command, arguments=arguments, limits=limits)
        return await families.spawn(call, options)


def _waiting(interface: HostInterface, families: Families) -> None:
    def method(name: str) -> str:
        return f"[method]child.{name}"

    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES[method("wait")],
        name=method("wait"),
    )
    async def wait(call: Call, child: Child) -> Mapping[str, object]:
        await families.own(call, child).done.wait()
        return child.result()

    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES[method("wait-with-timeout")],
        name=method("wait-with-timeout"),
    )
    async def wait_with_timeout(
        call: Call, child: Child, timeout_seconds: float
    ) -> Mapping[str, object]:
        families.own(call, child)
        with anyio.move_on_after(seconds(timeout_seconds)):
            await child.done.wait()
        if not child.done.is_set():
            raise failure("timeout", f"process {child.pid} still runs")
        return child.result()

    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES[method("join")],
        name=method("join"),
    )
    async def join(call: Call, child: Child) -> Mapping[str, object]:
        await families.own(call, child).done.wait()
        result = child.result()
        child.hand_over()
        families.of(call).tell()
        return result

    @offer(interface, needs=_ANY, wit=_TYPES["wait-any-child"])
    async def wait_any_child(call: Call) -> Mapping[str, object]:
        families.any_program(call)
        return (await families.any_ended(call)).result()

    @offer(interface, needs=_ANY, wit=_TYPES["wait-any-child-with-timeout"])
    async def wait_any_child_with_timeout(
        call: Call, timeout_seconds: float
    ) -> Mapping[str, object]:
        families.any_program(call)
        with anyio.move_on_after(seconds(timeout_seconds)):
            return (await families.any_ended(call)).result()
        raise failure("timeout", "no child has ended")


def _asking(interface: HostInterface, families: Families) -> None:
    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES["[method]child.spawn-result"],
        name="[method]child.spawn-result",
    )
    def spawn_result(call: Call, child: Child) -> Mapping[str, object]:
        families.own(call, child)
        return {"pid": child.pid, "start_time": child.started}

    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES["[method]child.is-running"],
        name="[method]child.is-running",
    )
    def is_running(call: Call, child: Child) -> bool:
        return families.own(call, child).ending is None

    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES["[method]child.get-status"],
        name="[method]child.get-status",
    )
    async def get_status(call: Call, child: Child) -> Mapping[str, object]:
        ending = families.own(call, child).ending
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

    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES["[method]child.get-uptime"],
        name="[method]child.get-uptime",
    )
    def get_uptime(call: Call, child: Child) -> int:
        ending = families.own(call, child).ending
        until = now() if ending is None else ending.at
        return max(0, until - child.started)

    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES["[method]child.get-resource-limits"],
        name="[method]child.get-resource-limits",
    )
    async def get_resource_limits(call: Call, child: Child) -> Mapping[str, int]:
        answer = await families.alive(call, child).ask("limits")
        names = ("max_memory", "max_cpu_time", "max_file_size", "max_open_files")
        return dict(zip((*names, "max_processes"), map(int, answer), strict=True))

    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES["[method]child.get-resource-usage"],
        name="[method]child.get-resource-usage",
    )
    async def get_resource_usage(call: Call, child: Child) -> Mapping[str, int]:
        state, *numbers = await families.alive(call, child).ask("usage")
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

    @offer(interface, needs=_ANY, wit=_TYPES["get-children"])
    def get_children(call: Call) -> list[int]:
        families.any_program(call)
        own = families.of(call).children
        return [c.pid for c in own if c.pid and c.ending is None and not c.dropped]

    @offer(interface, needs=_ANY, wit=_TYPES["get-parent-id"])
    def get_parent_id(call: Call) -> int:
        families.any_program(call)
        return os.getppid()

    @offer(interface, needs=_ANY, wit=_TYPES["get-current-id"])
    def get_current_id(call: Call) -> int:
        families.any_program(call)
        return os.getpid()


def _ending(interface: HostInterface, families: Families) -> None:
    @offer(
        interface,
        needs=_SIGNAL,
        denied=denied,
        wit=_TYPES["[method]child.terminate"],
        name="[method]child.terminate",
    )
    async def terminate(call: Call, child: Child) -> None:
        await families.send(call, child, "SIGTERM")

    @offer(
        interface,
        needs=_SIGNAL,
        denied=denied,
        wit=_TYPES["[method]child.kill"],
        name="[method]child.kill",
    )
    async def kill(call: Call, child: Child) -> None:
        families.alive(call, child).end_soon()

    @offer(
        interface,
        needs=_SIGNAL,
        denied=denied,
        wit=_TYPES["[method]child.set-resource-limits"],
        name="[method]child.set-resource-limits",
    )
    async def set_resource_limits(
        call: Call, child: Child, limits: LimitsRecord
    ) -> None:
        wanted = ProcessLimits.read(limits)
        outcome, *raised = await families.alive(call, child).ask("limit", *wanted)
        if outcome == "raised":
            words = f"limits are only lowered: {', '.join(raised)}"
            families.gate.refused(call, f"raise limits of process {child.pid}", words)
            raise failure("permission-denied", words)


def _streams(interface: HostInterface, families: Families) -> None:
    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES["[method]child.read-stdout"],
        name="[method]child.read-stdout",
    )
    async def read_stdout(call: Call, child: Child, max_bytes: int) -> bytes:
        stdout = families.own(call, child).stdout
        if stdout is None:
            raise failure("invalid-state", "its standard output is not captured")
        return await stdout.read(max_bytes)

    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES["[method]child.read-stderr"],
        name="[method]child.read-stderr",
    )
    async def read_stderr(call: Call, child: Child, max_bytes: int) -> bytes:
        stderr = families.own(call, child).stderr
        if stderr is None:
            raise failure("invalid-state", "its standard error is not captured")
        return await stderr.read(max_bytes)

    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES["[method]child.write-stdin"],
        name="[method]child.write-stdin",
    )
    async def write_stdin(call: Call, child: Child, payload: bytes) -> None:
        stdin = families.own(call, child).stdin
        if stdin is None:
            raise failure("invalid-state", "it was started without a standard input")
        await stdin.write(payload)

    @offer(
        interface,
        needs=_OWN,
        denied=denied,
        wit=_TYPES["[method]child.close-stdin"],
        name="[method]child.close-stdin",
    )
    def close_stdin(call: Call, child: Child) -> None:
        stdin = families.own(call, child).stdin
        if stdin is None:
            raise failure("invalid-state", "it was started without a standard input")
        stdin.close()
