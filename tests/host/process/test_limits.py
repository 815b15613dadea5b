"""Each limit is proved by what only it can cause."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve

from airssys.core.budget import Budget
from airssys.core.grants.sections import FilesystemGrants
from airssys.core.limits import Quota
from airssys.host.process import ProcessLimits

from .guest import FULL, NO_WISH, SLEEP, TRUE, open_guest, running, until

pytestmark = pytest.mark.guest

MIB = 1024 * 1024


def test_a_guest_can_only_lower_what_the_host_allows() -> None:
    most = ProcessLimits(memory=100, cpu_time=None, file_size=None, processes=5)
    wanted = SimpleNamespace(
        max_memory=200, max_cpu_time=9, max_file_size=0, max_open_files=0,
        max_processes=2**32 - 1,
    )  # fmt: skip

    assert most.lowered(wanted) == ProcessLimits(
        memory=100, cpu_time=9, file_size=None, open_files=256, processes=5
    )
    assert list(most.lowered(wanted)) == [100, 9, 0, 256, 5]
    with pytest.raises(ValueError, match="'memory' must be > 0"):
        ProcessLimits(memory=0)


async def test_a_process_gets_no_more_memory() -> None:
    async with open_guest() as guest:
        script = "dd if=/dev/zero of=/dev/null bs=48M count=1 2>&1; echo $?"
        limited = await guest.shell(script, limits={"max_memory": 40 * MIB})
        free = await guest.shell(script)

        assert "memory" in await guest.output(limited)
        assert (await guest.output(free)).endswith("\n0\n")


async def test_processes_together_use_no_more_memory() -> None:
    async with open_guest() as guest:
        script = """
        for i in 1 2 3; do
            dd if=/dev/zero of=/dev/null bs=16M count=100000 2>/dev/null &
        done
        wait
        """
        child = await guest.shell(script, limits={"max_memory": 30 * MIB})

        result = await guest.of(child, "wait")
        assert (result.exceeded, result.exit_status.signal_number) == ("memory", 9)
        assert not running(guest.mark)


async def test_a_flood_of_processes_ends_them_all() -> None:
    async with open_guest() as guest:
        script = "i=0; while [ $i -lt 60 ]; do sleep 60 & i=$((i+1)); done; wait"
        child = await guest.shell(script, limits={"max_processes": 8})

        result = await guest.of(child, "wait")
        assert (result.exceeded, result.exit_status.signal_number) == ("processes", 9)
        assert not running(guest.mark)
        (event,) = guest.denied
        assert event.reason == "it went beyond the limit of processes, and was ended"


async def test_as_many_processes_as_allowed_are_left_alone() -> None:
    async with open_guest() as guest:
        script = "for i in 1 2 3 4 5 6 7; do sleep 0.1 & done; wait; echo done"
        child = await guest.shell(script, limits={"max_processes": 8})

        assert await guest.output(child) == "done\n"


async def test_a_file_grows_no_further(tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    listed = FilesystemGrants(list=[str(folder)])
    async with open_guest(evolve(FULL, filesystem=listed)) as guest:
        child = await guest.shell(
            "exec head -c 9000 /dev/zero > grown",
            working_directory=str(folder),
            limits={"max_file_size": 4096},
        )

        status = (await guest.of(child, "wait")).exit_status
        assert status.signal_number == signal.SIGXFSZ
        assert (folder / "grown").stat().st_size == 4096
        assert (folder / "grown").stat().st_mode & 0o777 == 0o600


async def test_a_process_opens_no_more_files() -> None:
    async with open_guest() as guest:
        script = f"exec paste {'/dev/null ' * 9}"
        limited = await guest.shell(script, limits={"max_open_files": 9})
        free = await guest.shell(script)

        assert b"open files" in (await guest.of(limited, "wait")).stderr
        assert await guest.output(free) == ""


@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_process_computes_no_longer() -> None:
    async with open_guest() as guest:
        child = await guest.shell("while :; do :; done", limits={"max_cpu_time": 1})

        result = await guest.of(child, "wait")
        assert result.exit_status.signal_number == signal.SIGKILL
        assert 500 < result.cpu_time_ms < 3000


async def test_without_limits_of_the_host_those_of_its_own_process_hold() -> None:
    none = ProcessLimits(
        memory=None, cpu_time=None, file_size=None, open_files=None, processes=None
    )
    async with open_guest(limits=none) as guest:
        child = await guest.spawn(SLEEP, "60")
        watched = await guest.spawn(SLEEP, "60", limits={"max_memory": 64 * MIB})

        held = await guest.of(child, "get-resource-limits")
        assert (held.max_memory, held.max_processes) == (0, 0)
        own = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert held.max_open_files == own
        await guest.of(child, "set-resource-limits", NO_WISH | {"max_memory": 50 * MIB})
        assert (await guest.of(child, "get-resource-limits")).max_memory == 50 * MIB
        assert (await guest.of(watched, "get-resource-limits")).max_memory == 64 * MIB


async def test_a_component_has_so_many_children_at_a_time() -> None:
    async with open_guest(children=2) as guest:
        first = await guest.spawn(SLEEP, "60")
        second = await guest.spawn(TRUE)
        arguments: tuple[Any, ...] = (SLEEP, ["60"], [])
        name = "lifecycle#spawn-with-environment"

        await guest.of(second, "wait")
        await guest.fails("too-many-processes", name, *arguments)
        await guest.of(second, "join")
        third = await guest(name, *arguments)
        await guest.relay.drop(first)
        await guest(name, *arguments)  # waits for the end of the first
        await guest.fails("too-many-processes", name, *arguments)
        assert third.ending is None


async def test_children_and_handlers_count_towards_the_quota_of_handles() -> None:
    budget = Budget("acme/guest", Quota(handles=2))
    async with open_guest(budget=budget) as guest:
        child = await guest.spawn(SLEEP, "60")
        handler = await guest("signals#on-terminate", child)
        name = "lifecycle#spawn-with-environment"

        await guest.fails("resource-exhausted", name, SLEEP, ["60"], [])
        await guest.fails("resource-exhausted", "signals#on-terminate", child)
        assert [event.needed for event in guest.denied] == ["hold another process"] * 2
        await guest.relay.drop(handler)
        await guest.relay.drop(await guest(name, TRUE, [], []))
        await guest.relay.drop(child)
        budget.hold("handles", 2)  # all of them are free again
        await until(lambda: not running(guest.mark))


async def test_a_host_without_descriptors_says_so() -> None:
    async with open_guest() as guest:
        await guest.of(await guest.spawn(TRUE), "join")  # a thread and the warden run
        most = resource.getrlimit(resource.RLIMIT_NOFILE)
        name = "lifecycle#spawn-with-environment"

        for free in range(9):  # it takes nine
            with few_descriptors(free):
                words = await guest.fails("resource-exhausted", name, TRUE, [], [])
            assert words == "the host: Too many open files"
            if free == 0:
                assert guest.denied[-1].needed == f"spawn {TRUE!r}"
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == most
        await guest.of(await guest.spawn(TRUE), "join")


@contextmanager
def few_descriptors(free: int) -> Iterator[None]:
    """Let so many more descriptors be opened, and no others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + free, hard))
    held = []
    try:
        with suppress(OSError):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        for _ in range(free):
            os.close(held.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in held:
            os.close(fd)
