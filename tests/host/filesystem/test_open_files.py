from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import anyio.to_thread
import pytest

from airssys.core.budget import Budget
from airssys.core.event import Granted
from airssys.core.grants.grants import Grants
from airssys.core.limits import Quota
from airssys.host.filesystem import Disk, FileLimits, filesystem_interfaces
from airssys.host.filesystem.open_file import Mode, OpenFile, drop
from airssys.host.filesystem.pin import best_pin
from airssys.host.filesystem.workers import Workers
from airssys.hostcalls.call import Call, Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder

from ...relay import relay
from .guest import (
    descriptors,
    everything,
    failing,
    grants,
    running,
    until,
)

pytestmark = pytest.mark.guest


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(write)


# --- modes and options ------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "more", "content"),
    [
        ("write", {}, b"XYpha"),
        ("write", {"truncate": True}, b"XY"),
        ("read-write", {"create": True}, b"XYpha"),
        ("append", {}, b"alphaXY"),
        ("append", {"truncate": True}, b"XY"),
    ],
)
async def test_where_a_write_goes(
    mode: str, more: dict[str, bool], content: bytes, folder: Path
) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open(folder / "a.txt", mode, **more)
        await guest.write(file, b"XY")

        assert (folder / "a.txt").read_bytes() == content
        at = await guest("filesystem#[method]file.tell", file)
        assert at == (2 if mode != "append" else len(content))


async def test_an_appended_write_goes_to_the_end_wherever_the_position_is(
    folder: Path,
) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open(folder / "a.txt", "append")
        assert await guest("filesystem#[method]file.tell", file) == 5
        await guest("filesystem#[method]file.seek", file, 0)
        with (folder / "a.txt").open("ab") as other:
            other.write(b"-")
        await guest.write(file, b"!")

    assert (folder / "a.txt").read_bytes() == b"alpha-!"


@pytest.mark.parametrize(
    ("path", "mode", "more", "case"),
    [
        ("a.txt", "read", {"create_new": True}, "already-exists"),
        ("link", "write", {"create_new": True}, "already-exists"),
        ("none", "read", {}, "not-found"),
        ("none/x", "write", {"create": True}, "not-found"),
        ("none/", "write", {"create": True}, "not-a-file"),
        ("a.txt/", "read", {}, "not-a-directory"),
        ("a.txt/x", "read", {}, "not-a-directory"),
        ("sub", "read", {}, "not-a-file"),
        ("sub", "write", {"create": True, "truncate": True}, "not-a-file"),
        ("a.txt", "read", {"truncate": True}, "invalid-argument"),
        ("n" * 256, "write", {"create": True}, "name-too-long"),
        ("loop", "read", {}, "too-many-symlinks"),
    ],
)
async def test_why_a_file_cannot_be_opened(
    path: str, mode: str, more: dict[str, bool], case: str, folder: Path
) -> None:
    (folder / "loop").symlink_to("loop")
    before = descriptors()
    async with running(everything(folder)) as guest:
        assert await failing(guest.open(f"{folder}/{path}", mode, **more)) == case
        assert guest.denied == []
        assert (folder / "a.txt").read_bytes() == b"alpha"
    assert descriptors() <= before + 2  # the event loop's own may come


async def test_to_create_needs_write_even_to_read(folder: Path) -> None:
    async with running(grants(read=[f"{folder}/**"])) as guest:
        for more in ({"create": True}, {"create_new": True}):
            opening = guest.open(folder / "new", "read", **more)
            assert await failing(opening) == "permission-denied"
        assert await guest.read(await guest.open(folder / "a.txt")) == b"alpha"

    assert not (folder / "new").exists()


async def test_a_dangling_link_leads_to_where_a_file_is_made(folder: Path) -> None:
    (folder / "later").symlink_to("sub/new.txt")
    (folder / "away").symlink_to("../outside/new.txt")

    async with running(everything(folder)) as guest:
        await guest.open(folder / "later", "write", create=True)
        away = guest.open(folder / "away", "write", create=True)
        assert await failing(away) == "permission-denied"

    assert (folder / "sub" / "new.txt").exists()
    assert not (folder.parent / "outside" / "new.txt").exists()


async def test_a_file_is_used_only_as_it_was_opened(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        reader = await guest.open(folder / "a.txt")
        writer = await guest.open(folder / "a.txt", "write")

        assert await failing(guest.write(reader, b"x")) == "invalid-argument"
        assert await failing(guest.read(writer)) == "invalid-argument"


# --- positions and sizes ----------------------------------------------------------


async def test_a_write_behind_the_end_leaves_zeros(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open(folder / "a.txt", "read-write")
        await guest("filesystem#[method]file.seek", file, 7)
        assert await guest.read(file) == b""
        await guest.write(file, b"z")
        far = guest("filesystem#[method]file.seek", file, 2**63)
        assert await failing(far) == "invalid-argument"

    assert (folder / "a.txt").read_bytes() == b"alpha\0\0z"


async def test_one_call_moves_so_many_bytes_and_no_more(folder: Path) -> None:
    (folder / "big").write_bytes(bytes(range(256)) * 1024)

    async with running(
        everything(folder), limits=FileLimits(transfer=100_000)
    ) as guest:
        file = await guest.open(folder / "big")
        assert len(await guest.read(file, 2**32 - 1)) == 100_000
        assert await guest.read(file, 0) == b""
        assert (
            await guest.write(
                await guest.open(folder / "big", "append"), bytes(100_001)
            )
            == 100_000
        )


async def test_a_file_grows_to_its_limit(folder: Path) -> None:
    async with running(everything(folder), limits=FileLimits(file_size=8)) as guest:
        file = await guest.open(folder / "a.txt", "append")
        assert await guest.write(file, b"12345") == 3
        assert await failing(guest.write(file, b"6")) == "resource-exhausted"
        assert await guest.write(file, b"") == 0
        other = await guest.open(folder / "sub" / "b.txt", "write")
        await guest("filesystem#[method]file.seek", other, 9)
        assert await failing(guest.write(other, b"6")) == "resource-exhausted"

        (folder / "big").write_bytes(bytes(9))
        copying = guest("filesystem#copy", f"{folder}/big", f"{folder}/copy")
        assert await failing(copying) == "resource-exhausted"

    assert (folder / "a.txt").read_bytes() == b"alpha123"
    assert not (folder / "copy").exists()


async def test_what_has_no_size_can_be_read(folder: Path) -> None:
    if not Path("/proc/version").exists():
        pytest.skip("needs /proc")
    (folder / "empty").touch()

    async with running(grants(read=["/proc/version", f"{folder}/**"])) as guest:
        file = await guest.open("/proc/version")
        assert b"version" in await guest.read(file)
        assert await guest.read(await guest.open(folder / "empty")) == b""


async def test_a_system_without_quick_reads_reads_in_a_thread(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)

    async with running(everything(folder)) as guest:
        assert await guest.read(await guest.open(folder / "a.txt")) == b"alpha"


async def test_a_file_system_without_quick_reads_is_read_in_a_thread() -> None:
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108 - which may have none
        pytest.skip("needs a file system in memory")

    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        folder = Path(made).resolve()
        (folder / "a.txt").write_bytes(b"alpha")
        async with running(everything(folder)) as guest:
            assert await guest.read(await guest.open(folder / "a.txt")) == b"alpha"


async def test_a_system_that_cannot_work_by_descriptors_is_told(folder: Path) -> None:
    gate = Gate(recorder := Recorder())
    disk = Disk(gate, supported=False)
    offered = filesystem_interfaces(gate, disk=disk)

    async with relay(offered, grants=everything(folder), guard=gate) as made:
        looking = made("filesystem#exists", str(folder))
        assert await failing(looking) == "io-error"
    assert recorder.events == []


# --- what may be opened at all ----------------------------------------------------


async def test_special_files_are_refused_without_being_opened(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket"))
    listener = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)

    async with running(everything(folder)) as guest:
        for name in ("fifo", "socket"):
            for mode in ("read", "write"):
                opening = guest.open(folder / name, mode, truncate=mode == "write")
                assert await failing(opening) == "not-a-file"
            change = guest(
                "filesystem#set-permissions", f"{folder}/{name}", {"mode": 0}
            )
            assert await failing(change) == "not-a-file"
        assert len(guest.denied) == 6
        assert {event.reason for event in guest.denied} == {"it is no regular file"}
    os.close(listener)


async def test_a_file_with_a_second_name_can_be_read_but_not_changed(
    folder: Path,
) -> None:
    os.link(folder.parent / "outside" / "secret.txt", folder / "inside.txt")
    path = f"{folder}/inside.txt"
    noon = {"seconds": 43_200, "nanoseconds": 0}

    async with running(everything(folder)) as guest:
        for mode in ("write", "append", "read-write"):
            opening = guest.open(path, mode, truncate=True, create=True)
            assert await failing(opening) == "permission-denied"
        for call in (
            guest("filesystem#copy", f"{folder}/a.txt", path),
            guest("filesystem#set-permissions", path, {"mode": 0o777}),
            guest("metadata#set-times", path, noon, noon),
        ):
            assert await failing(call) == "permission-denied"
        assert await guest.read(await guest.open(path)) == b"secret"
        reasons = {(event.needed, event.reason) for event in guest.denied}
        assert reasons == {(f"write '{path}'", "the file has 2 names (hard links)")}
        assert len(guest.denied) == 6

        # The name itself is in the granted folder.
        await guest("filesystem#delete-file", path)
    assert (folder.parent / "outside" / "secret.txt").read_bytes() == b"secret"


@pytest.mark.parametrize("bits", [0o4755, 0o2755])
async def test_a_program_with_more_rights_than_its_callers_is_not_changed(
    bits: int, folder: Path
) -> None:
    (folder / "a.txt").chmod(bits)
    path = f"{folder}/a.txt"

    async with running(everything(folder)) as guest:
        for call in (
            guest.open(path, "write"),
            guest("filesystem#copy", f"{folder}/sub/b.txt", path),
            guest("filesystem#set-permissions", path, {"mode": 0o777}),
        ):
            assert await failing(call) == "permission-denied"
        assert len(guest.denied) == 3
        about = await guest("filesystem#get-metadata", path)
        assert about.permissions.mode == bits
        await guest("filesystem#copy", path, f"{folder}/copy")
    assert (folder / "a.txt").stat().st_mode & 0o7777 == bits
    assert (folder / "copy").stat().st_mode & 0o7777 == 0o755


async def test_the_sticky_bit_of_a_directory_stays(folder: Path) -> None:
    (folder / "sub").chmod(0o1777)

    async with running(everything(folder)) as guest:
        await guest("filesystem#set-permissions", f"{folder}/sub", {"mode": 0o750})

    assert (folder / "sub").stat().st_mode & 0o7777 == 0o1750


async def test_a_program_that_is_started_gets_no_file_of_a_guest(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open(folder / "a.txt")

        assert not os.get_inheritable(file.descriptor)
        command = [sys.executable, "-c", f"import os; os.fstat({file.descriptor})"]
        done = await anyio.to_thread.run_sync(
            lambda: subprocess.run(
                command, check=False, close_fds=False, capture_output=True
            )
        )
        assert b"Bad file descriptor" in done.stderr


# --- handles ----------------------------------------------------------------------


async def test_open_files_are_counted_and_given_back(folder: Path) -> None:
    budget = Budget("acme/guest", Quota(handles=2))

    def held() -> int:
        return budget.stores["handles"][0].used

    async with running(everything(folder), budget=budget) as guest:
        first, second = [await guest.open(folder / "a.txt") for _ in range(2)]
        assert await failing(guest.open(folder / "a.txt")) == "resource-exhausted"
        assert [event.needed for event in guest.denied] == ["open another file"]
        await guest.relay.drop(first)
        assert await failing(guest.open(folder / "none")) == "not-found"
        assert held() == 1
        await guest("filesystem#[static]file.close", second)
        assert held() == 0
        await guest.relay.keep(await guest.open(folder / "a.txt"))
        assert held() == 1

    assert held() == 0


async def test_a_guest_that_ends_leaves_no_file_open(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file: OpenFile = await guest.open(folder / "a.txt", "write")
        await guest.relay.keep(file)
        assert os.fstat(file.descriptor).st_size == 5

    await until(lambda: not is_open(file.descriptor))


@pytest.mark.parametrize("mode", ["read", "read-write"])
async def test_a_file_is_closed_whether_it_is_at_hand_or_not(
    mode: str, folder: Path
) -> None:
    async with running(everything(folder)) as guest:
        for removed in (False, True):
            file = await guest.open(folder / "a.txt", mode)
            await guest.read(file)
            if removed:
                (folder / "a.txt").unlink()
            await guest.relay.drop(file)
            await until(lambda: file.closed)  # noqa: B023 - of this turn


def test_a_closed_file_cannot_be_used_again(folder: Path) -> None:
    file = opened(os.open(folder / "a.txt", os.O_RDONLY))
    file.close()
    file.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        file.read(1)


def opened(descriptor: int) -> OpenFile:
    mode = Mode(("read",), os.O_RDONLY, reads=True)
    return OpenFile(descriptor, "/pipe", "/pipe", mode, FileLimits())


async def test_a_grant_that_goes_while_a_write_waits_for_its_turn_is_gone(
    folder: Path,
) -> None:
    gate = Gate(recorder := Recorder())
    disk, may_end, busy = Disk(gate), Event(), [Event() for _ in range(16)]
    standing = Standing(everything(folder))
    asked = {"mode": "write", "create": False, "create_new": False, "truncate": False}
    cases: list[str] = []

    def hold_up(event: Event) -> None:
        event.set()
        may_end.wait(10)

    async with relay(
        filesystem_interfaces(gate, disk=disk),
        grants=standing,
        guard=gate,
        recorder=recorder,
    ) as guest:

        async def write() -> None:
            cases.append(
                await failing(guest("filesystem#[method]file.write", file, b"late"))
            )

        file = await guest("filesystem#open", f"{folder}/a.txt", asked)
        async with anyio.create_task_group() as tasks:
            for event in busy:
                tasks.start_soon(disk.workers.run, partial(hold_up, event))
            await until(lambda: all(event.is_set() for event in busy))
            tasks.start_soon(write)
            await anyio.wait_all_tasks_blocked()
            standing.grants = Grants()
            may_end.set()
        assert cases == ["permission-denied"]
        assert len(guest.denied) == 1
    assert (folder / "a.txt").read_bytes() == b"alpha"


async def test_a_file_of_another_guest_is_of_no_use_without_a_grant(
    folder: Path,
) -> None:
    async with running(everything(folder)) as one:
        file = await one.open(folder / "a.txt", "read-write")
        async with running(everything(folder / "sub")) as other:
            assert await failing(other.read(file)) == "permission-denied"
            assert await failing(other.write(file, b"x")) == "permission-denied"
        assert await one.read(file) == b"alpha"


# --- cancelling -------------------------------------------------------------------


async def test_an_open_that_hangs_is_cancelled_and_its_file_closed(
    folder: Path,
) -> None:
    began, may_end, ended = Event(), Event(), Event()
    budget = Budget("acme/guest", Quota(handles=1))
    pin = best_pin()

    def slow(path: str) -> int:
        began.set()
        may_end.wait(10)
        found = pin(path)
        ended.set()
        return found

    before = descriptors()
    async with running(everything(folder), pin=slow, budget=budget) as guest:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(guest.open, folder / "new", "write")
                await anyio.to_thread.run_sync(began.wait, 10)
                tasks.cancel_scope.cancel()
        assert budget.stores["handles"][0].used == 0
    may_end.set()
    await anyio.to_thread.run_sync(ended.wait, 10)
    await until(lambda: descriptors() <= before + 3)


async def test_a_file_that_was_to_be_closed_is_closed_when_its_call_is_cancelled(
    folder: Path,
) -> None:
    close = filesystem_interfaces(Gate())[0].functions["[static]file.close"].body
    closing: Any = close
    file = opened(os.open(folder / "a.txt", os.O_RDONLY))

    with anyio.CancelScope() as scope:
        scope.cancel()
        await closing(Call("acme/guest"), file)

    await until(lambda: not is_open(file.descriptor))


async def test_a_file_that_is_being_read_is_closed_when_the_read_is_over(
    pipe: tuple[int, int],
) -> None:
    # A pipe blocks as a disk does that answers no more.
    read, write = pipe
    began = Event()
    file = opened(read)
    outcome: list[bytes] = []

    def reading() -> None:
        with file.used() as descriptor:
            began.set()
            outcome.append(os.read(descriptor, 10))

    workers = Workers()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(workers.run, reading)
            await anyio.to_thread.run_sync(began.wait, 10)
            tasks.cancel_scope.cancel()
    drop(workers, file)
    await until(lambda: file.closed)
    assert is_open(read)  # else its number could be another file's
    os.write(write, b"late")
    await until(lambda: outcome == [b"late"] and not is_open(read))


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


# --- the audit --------------------------------------------------------------------


async def test_what_was_granted_is_told_where_that_is_wanted(folder: Path) -> None:
    async with running(everything(folder), tell_grants=True) as guest:
        file = await guest.open(f"{folder}/link")
        await guest.read(file)

        events = guest.relay.recorder.of(Granted)
        assert [(event.needed, event.resource) for event in events] == [
            (f"read '{folder}/a.txt'", f"{folder}/link")
        ] * 2


async def test_a_guest_hears_no_path_but_its_own(folder: Path) -> None:
    (folder / "away").symlink_to("../outside/secret.txt")

    async with running(everything(folder)) as guest:
        with pytest.raises(Exception, match="away") as caught:
            await guest.open(folder / "away")
        assert "secret" not in str(caught.value)
        (event,) = guest.denied
        assert event.needed == f"read '{folder.parent}/outside/secret.txt'"
        assert event.resource == f"{folder}/away"


async def test_a_wrong_option_changes_nothing(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        for mode in (0o1777, 0o4755, 2**31):
            path, asked = f"{folder}/a.txt", {"mode": mode}
            change = guest("filesystem#set-permissions", path, asked)
            assert await failing(change) == "invalid-argument"
            making = guest("filesystem#create-directory", f"{folder}/new", asked)
            assert await failing(making) == "invalid-argument"
        assert (folder / "a.txt").stat().st_mode & 0o7000 == 0
        assert not (folder / "new").exists()
