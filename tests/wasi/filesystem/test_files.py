"""What guests do with a file that is open."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import pytest

from airssys.core.budget import Budget
from airssys.core.event import Granted
from airssys.core.limits import Quota
from airssys.host.filesystem import FileLimits
from airssys.host.filesystem.pin import best_pin
from airssys.wasi.streams import IoError

from ...host.filesystem.guest import descriptors, until
from ...operations import operation
from .guest import (
    NO_LINKS,
    NOW,
    SAME,
    Guest,
    at,
    everything,
    failed,
    failing,
    grants,
    read_only,
    running,
)

HUGE = 2**63


async def test_a_file_is_read_from_anywhere(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt")
        whole = await guest("read", file, 100, 0)
        middle = await guest("read", file, 2, 1)
        beyond = await guest("read", file, 10, 5)
        nothing = await guest("read", file, 0, 0)

    assert whole == (b"alpha", False)
    assert middle == (b"lp", False)
    assert beyond == (b"", True)
    assert nothing == (b"", False)


async def test_one_read_takes_a_mebibyte_at_the_most(folder: Path) -> None:
    (folder / "a.txt").write_bytes(bytes(3 * 2**20))
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt")
        data, end = await guest("read", file, 2**64 - 1, 0)

    assert 0 < len(data) <= 2**20
    assert not end


async def test_a_file_is_written_anywhere(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "read", "write")
        assert await guest("write", file, b"LP", 1) == 2
        assert await guest("write", file, b"!", 7) == 1
        assert await guest.read(file) == b"aLPha\0\0!"

    assert (folder / "a.txt").read_bytes() == b"aLPha\0\0!"


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.write-via-stream",
    allowed=True,
)
async def test_streams_of_one_file_each_go_their_own_way(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "read", "write")
        first = await guest("read-via-stream", file, 0)
        second = await guest("read-via-stream", file, 3)
        writer = await guest("write-via-stream", file, 1)
        assert await guest("input-stream.read", first, 2) == b"al"
        assert await guest("input-stream.blocking-read", second, 100) == b"ha"
        assert await guest("output-stream.check-write", writer) > 0
        await guest("output-stream.write", writer, b"LP")
        await guest("output-stream.blocking-write-and-flush", writer, b"HA")
        # What is left of the first is as it is by now.
        assert await guest("input-stream.read", first, 100) == b"PHA"
        ended = await failed(guest("input-stream.read", first, 1))

    assert ended.case == "closed"
    assert (folder / "a.txt").read_bytes() == b"aLPHA"


async def test_what_is_appended_comes_after_what_others_appended(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "write")
        writer = await guest("append-via-stream", file)
        await guest("output-stream.blocking-write-and-flush", writer, b"1")
        with (folder / "a.txt").open("ab") as other:
            other.write(b"22")
        await guest("output-stream.blocking-write-and-flush", writer, b"3")

    assert (folder / "a.txt").read_bytes() == b"alpha1223"


async def test_a_stream_outlives_its_descriptor(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt")
        stream = await guest("read-via-stream", file, 0)
        await guest.relay.drop(file)
        assert await guest("input-stream.read", stream, 100) == b"alpha"
        assert not file.of.file.closed
        await guest.relay.drop(stream)

    assert file.of.file.closed


async def test_much_is_written_and_read_through_streams(folder: Path) -> None:
    content = os.urandom(300_000)
    async with running(everything(folder)) as guest:
        file = await guest.open("new", "read", "write", how=["create"])
        writer = await guest("write-via-stream", file, 0)
        await guest("output-stream.blocking-write-and-flush", writer, content)
        reader = await guest("read-via-stream", file, 0)
        found = b""
        while len(found) < len(content):
            found += await guest("input-stream.blocking-read", reader, 100_000)

    assert found == content


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.set-size",
    allowed=True,
)
async def test_a_file_gets_another_size(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "write")
        await guest("set-size", file, 2)
        assert (folder / "a.txt").read_bytes() == b"al"
        await guest("set-size", file, 4)

    assert (folder / "a.txt").read_bytes() == b"al\0\0"


@pytest.mark.parametrize(
    "advice",
    ["normal", "sequential", "random", "will-need", "dont-need", "no-reuse"],
)
async def test_advice_is_taken(folder: Path, advice: str) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt")
        assert await guest("advise", file, 0, 5, advice) is None
        assert await failing(guest("advise", file, HUGE, 5, advice)) == "invalid"


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.sync",
    "wasi:filesystem/types@0.2.12#[method]descriptor.sync-data",
    allowed=True,
)
async def test_a_file_and_a_directory_are_brought_to_the_disk(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "write")
        sub = await guest.open("sub")
        for descriptor in (file, sub):
            assert await guest("sync", descriptor) is None
            assert await guest("sync-data", descriptor) is None


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.get-flags",
    "wasi:filesystem/types@0.2.12#[method]descriptor.get-type",
    "wasi:filesystem/types@0.2.12#[method]descriptor.write",
    allowed=True,
)
async def test_what_a_descriptor_is_and_allows(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        reading = await guest.open("a.txt")
        writing = await guest.open("a.txt", "write", "data-integrity-sync")
        sub = await guest.open("sub")
        assert await guest("get-flags", reading) == {"read"}
        assert await guest("get-flags", writing) == {"write", "data-integrity-sync"}
        assert await guest("get-flags", sub) == {"read", "mutate-directory"}
        assert await guest("get-type", reading) == "regular-file"
        assert await guest("get-type", sub) == "directory"
        # Such a write is on the disk when it returns; it takes a thread.
        assert await guest("write", writing, b"A", 0) == 1

    assert (folder / "a.txt").read_bytes() == b"Alpha"


async def test_what_is_opened_for_nothing_in_particular_can_be_read(
    folder: Path,
) -> None:
    async with running(everything(folder)) as guest:
        for path, how, content in (("a.txt", (), b"alpha"), ("new", ("create",), b"")):
            opened = await guest(
                "open-at", guest.root, NO_LINKS, path, frozenset(how), frozenset()
            )
            assert await guest("get-flags", opened) == {"read"}
            assert await guest.read(opened) == content
            assert await failing(guest("write", opened, b"A", 0)) == "bad-descriptor"

    listing = [str(folder), f"{folder}/**"]
    async with running(grants(list=listing)) as guest:
        nothing: frozenset[str] = frozenset()
        opened = await guest("open-at", guest.root, NO_LINKS, "a.txt", nothing, nothing)
        assert (await guest("stat", opened)).size == 5
        assert await failing(guest("read", opened, 1, 0)) == "not-permitted"
        (denied,) = guest.denied
    assert (denied.action, denied.target) == ("read", f"{folder}/a.txt")


async def test_what_is_known_of_a_file(folder: Path) -> None:
    os.utime(folder / "a.txt", ns=(1_000_000_002, 3_000_000_004))
    async with running(everything(folder)) as guest:
        found = await guest("stat", await guest.open("a.txt"))
        sub = await guest("stat", await guest.open("sub"))

    assert found.type == "regular-file"
    assert found.size == 5
    assert found.link_count == 1
    assert (
        found.data_access_timestamp.seconds,
        found.data_access_timestamp.nanoseconds,
    ) == (1, 2)
    assert found.data_modification_timestamp.seconds == 3
    assert found.status_change_timestamp.seconds > 1_000_000_000
    assert sub.type == "directory"


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.set-times",
    allowed=True,
)
async def test_a_file_and_a_directory_get_other_times(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file, sub = await guest.open("a.txt"), await guest.open("sub")
        await guest("set-times", file, at(5, 6), at(7))
        await guest("set-times", sub, at(8), SAME)
        found = (folder / "a.txt").stat()
        assert (found.st_atime_ns, found.st_mtime_ns) == (5_000_000_006, 7 * 10**9)
        await guest("set-times", file, SAME, NOW)
        odd = await failing(guest("set-times", file, at(1, 10**9), SAME))
        late = await failing(guest("set-times", sub, at(2**64 - 1), SAME))

    again = (folder / "a.txt").stat()
    assert again.st_atime_ns == 5_000_000_006
    assert again.st_mtime > 1_000_000_000
    assert (folder / "sub").stat().st_atime == 8
    assert odd == late == "invalid"


async def test_one_file_is_the_same_by_all_its_descriptors(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        first, second = await guest.open("a.txt"), await guest.open("link")
        other, sub = await guest.open("sub/b.txt"), await guest.open("sub")
        assert await guest("is-same-object", first, second) is True
        assert await guest("is-same-object", first, other) is False
        assert await guest("is-same-object", sub, guest.root) is False
        hashed = await guest("metadata-hash", first)
        assert hashed == await guest("metadata-hash", second)
        assert hashed != await guest("metadata-hash", other)
        assert await guest("metadata-hash", sub) != await guest(
            "metadata-hash", guest.root
        )
        # Whatever is written: preview1 has it as the number of the inode.
        (folder / "a.txt").write_bytes(b"other")
        assert hashed == await guest("metadata-hash", first)
        assert (folder / "a.txt").stat().st_ino not in {hashed.lower, hashed.upper}


async def test_a_file_of_another_machine_is_used_by_threads(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "read", "write")
        file.of.file.at_hand = False
        assert (await guest("stat", file)).size == 5
        assert await guest("write", file, b"AL", 0) == 2
        writer = await guest("write-via-stream", file, 2)
        await guest("output-stream.blocking-write-and-flush", writer, b"PHA")
        assert not file.of.file.at_hand

    assert (folder / "a.txt").read_bytes() == b"ALPHA"


async def test_what_is_not_in_memory_is_read_by_a_thread(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "RWF_NOWAIT")
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt")
        reader = await guest("read-via-stream", file, 1)
        assert await guest("input-stream.read", reader, 3) == b"lph"
        assert await guest("read", file, 10, 0) == (b"alpha", False)
        guest.revoke()
        assert await failing(guest("read", file, 10, 0)) == "not-permitted"


async def test_a_disk_that_answers_no_more_is_told_of(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "read", "write")
        workers = file.of.disk.workers
        workers.most = 0
        workers._left["another guest"] = 1
        assert await failing(guest("sync", file)) == "insufficient-memory"
        assert await failing(guest("set-size", file, 0)) == "insufficient-memory"
        assert await failing(guest("unlink-file-at", guest.root, "a.txt")) == (
            "insufficient-memory"
        )

    assert (folder / "a.txt").read_bytes() == b"alpha"


async def test_what_the_system_refuses_to_an_open_file_is_told(
    folder: Path,
) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "read", "write")
        # As if it were a pipe: nothing is cut off there, nor written in its middle.
        read, write = os.pipe()
        os.dup2(write, file.of.file.descriptor)
        os.close(read)
        os.close(write)
        assert await failing(guest("set-size", file, 1)) == "invalid"
        assert await failing(guest("write", file, b"x", 0)) == "invalid-seek"


async def test_a_stream_of_a_file_is_always_ready(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "read", "write")
        for stream, kind in (
            (await guest("read-via-stream", file, 0), "input-stream"),
            (await guest("append-via-stream", file), "output-stream"),
        ):
            pollable = await guest(f"{kind}.subscribe", stream)
            assert await guest.relay("poll#[method]pollable.ready", pollable)


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.advise",
    allowed=True,
)
async def test_a_system_without_some_advice_does_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "POSIX_FADV_NOREUSE")
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt")
        assert await guest("advise", file, 0, 5, "no-reuse") is None


# --- refused ------------------------------------------------------------------------


Use = Callable[[Guest, Any], Awaitable[Any]]

CHANGES: dict[str, Use] = {
    "write-via-stream": lambda guest, file: guest("write-via-stream", file, 0),
    "append-via-stream": lambda guest, file: guest("append-via-stream", file),
    "write": lambda guest, file: guest("write", file, b"x", 0),
    "set-size": lambda guest, file: guest("set-size", file, 0),
}
LOOKS: dict[str, Use] = {
    "read-via-stream": lambda guest, file: guest("read-via-stream", file, 0),
    "read": lambda guest, file: guest("read", file, 1, 0),
    "advise": lambda guest, file: guest("advise", file, 0, 1, "normal"),
    "sync": lambda guest, file: guest("sync", file),
    "sync-data": lambda guest, file: guest("sync-data", file),
    "stat": lambda guest, file: guest("stat", file),
    "metadata-hash": lambda guest, file: guest("metadata-hash", file),
    "set-times": lambda guest, file: guest("set-times", file, NOW, NOW),
}
USES = {**CHANGES, **LOOKS}
_DESCRIPTOR = "wasi:filesystem/types@0.2.12#[method]descriptor."


@operation(*(_DESCRIPTOR + use for use in USES), allowed=False)
@pytest.mark.parametrize("operation", [_DESCRIPTOR + use for use in USES])
async def test_what_is_revoked_is_refused_at_the_next_use(
    folder: Path, operation: str
) -> None:
    use = operation.removeprefix(_DESCRIPTOR)
    before = (folder / "a.txt").stat()
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "read", "write")
        guest.revoke()
        refused = await failing(USES[use](guest, file))
        (denied,) = guest.denied

    assert refused == "not-permitted"
    assert denied.operation == operation
    assert denied.section == "filesystem"
    assert denied.target == str(folder / "a.txt")
    assert denied.resource == f"{folder}/a.txt"
    assert (folder / "a.txt").stat().st_mtime_ns == before.st_mtime_ns


DIRECTORY = ["sync", "sync-data", "stat", "metadata-hash", "set-times"]


@pytest.mark.parametrize("use", DIRECTORY)
async def test_what_is_revoked_is_refused_for_a_directory(
    folder: Path, use: str
) -> None:
    async with running(everything(folder)) as guest:
        sub = await guest.open("sub")
        guest.revoke()
        refused = await failing(USES[use](guest, sub))
        assert len(guest.denied) == 1
        assert await guest("get-flags", sub) == {"read"}

    assert refused == ("read-only" if use == "set-times" else "not-permitted")


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.append-via-stream",
    "wasi:filesystem/types@0.2.12#[method]descriptor.read-via-stream",
    "wasi:filesystem/types@0.2.12#filesystem-error-code",
    allowed=True,
)
async def test_a_stream_ends_when_its_grant_does(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "read", "write")
        reader = await guest("read-via-stream", file, 0)
        writer = await guest("append-via-stream", file)
        guest.revoke()
        for waiting in (
            guest("input-stream.read", reader, 1),
            guest("output-stream.blocking-write-and-flush", writer, b"x"),
        ):
            caught = await failed(waiting)
            assert caught.case == "last-operation-failed"
            error = caught.value
            assert isinstance(error, IoError)
            assert "not-permitted" in error.text
            assert await guest("filesystem-error-code", error) == "not-permitted"
        assert [each.action for each in guest.denied] == ["read", "write"]
        other = await guest("filesystem-error-code", IoError("of something else"))

    assert other is None
    assert (folder / "a.txt").read_bytes() == b"alpha"


@pytest.mark.parametrize("use", CHANGES)
async def test_what_is_open_to_be_read_is_not_written(folder: Path, use: str) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt")
        refused = await failing(CHANGES[use](guest, file))

    assert refused == "bad-descriptor"
    assert (folder / "a.txt").read_bytes() == b"alpha"


@pytest.mark.parametrize("use", ["read", "read-via-stream"])
async def test_what_is_open_to_be_written_is_not_read(folder: Path, use: str) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "write")
        assert await failing(LOOKS[use](guest, file)) == "bad-descriptor"


@pytest.mark.parametrize("use", [*CHANGES, "read", "read-via-stream", "advise"])
async def test_a_directory_has_no_content(folder: Path, use: str) -> None:
    async with running(everything(folder)) as guest:
        assert await failing(USES[use](guest, guest.root)) == "bad-descriptor"


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.stat-at",
    allowed=False,
)
async def test_the_size_of_a_file_may_be_known_to_who_writes_it(folder: Path) -> None:
    async with running(grants(write=[f"{folder}/**"])) as guest:
        file = await guest.open("a.txt", "write")
        assert (await guest("stat", file)).size == 5
        assert await failing(guest("stat-at", guest.root, frozenset(), "a.txt")) == (
            "not-permitted"
        )


@pytest.mark.parametrize("offset", [HUGE, 2**64 - 1])
async def test_no_file_reaches_that_far(folder: Path, offset: int) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt", "read", "write")
        refused = [
            await failing(guest("read", file, 1, offset)),
            await failing(guest("read-via-stream", file, offset)),
            await failing(guest("write", file, b"x", offset)),
            await failing(guest("write-via-stream", file, offset)),
            await failing(guest("set-size", file, offset)),
        ]
        assert await guest("read", file, 2**64 - 1, HUGE - 1) == (b"", True)
        edge = await failing(guest("write", file, b"xy", HUGE - 1))

    assert refused == ["invalid"] * 2 + ["file-too-large"] * 3
    assert edge == "file-too-large"
    assert (folder / "a.txt").read_bytes() == b"alpha"


async def test_a_file_grows_as_far_as_the_limit(folder: Path) -> None:
    limits = FileLimits(file_size=10)
    async with running(everything(folder), limits=limits) as guest:
        file = await guest.open("a.txt", "write")
        assert await guest("write", file, b"x" * 100, 5) == 5
        assert await failing(guest("write", file, b"x", 10)) == "file-too-large"
        assert await failing(guest("set-size", file, 11)) == "file-too-large"
        writer = await guest("append-via-stream", file)
        caught = await failed(
            guest("output-stream.blocking-write-and-flush", writer, b"x")
        )
        code = await guest("filesystem-error-code", caught.value)

    assert code == "file-too-large"
    assert (folder / "a.txt").stat().st_size == 10


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.set-times",
    allowed=False,
)
async def test_the_times_of_what_others_rely_on_stay(folder: Path) -> None:
    (folder / "second").hardlink_to(folder / "a.txt")
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt")
        refused = await failing(guest("set-times", file, at(1), at(1)))
        (denied,) = guest.denied

    assert refused == "not-permitted"
    assert "2 names" in denied.reason


async def test_each_use_is_told_of_where_that_is_wanted(folder: Path) -> None:
    async with running(read_only(folder), tell_grants=True) as guest:
        file = await guest.open("a.txt")
        guest.relay.recorder.events.clear()
        await guest.read(file)
        await guest.read(file)
        told = guest.relay.recorder.of(Granted)

    assert [each.target for each in told] == [str(folder / "a.txt")] * 2


# --- handles ------------------------------------------------------------------------


def budget(handles: int) -> Budget:
    return Budget("acme/guest", Quota(handles=handles))


async def test_what_is_open_is_counted(folder: Path) -> None:
    async with running(everything(folder), budget=budget(2)) as guest:
        file, sub = await guest.open("a.txt"), await guest.open("sub")
        assert await failing(guest.open("a.txt")) == "insufficient-memory"
        assert await failing(guest("read-directory", sub)) == "insufficient-memory"
        assert [each.attempt for each in guest.denied] == [
            "open another file",
            "list another directory",
        ]
        await guest.relay.drop(sub)
        entries = await guest("read-directory", guest.root)
        await guest.relay.drop(entries)
        await guest.relay.drop(file)
        assert await failing(guest.open("none")) == "no-entry"
        await guest.open("a.txt")
        await guest.open("a.txt")


async def test_the_end_of_an_instance_closes_what_it_has(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file, writing = await guest.open("a.txt"), await guest.open("a.txt", "write")
        stream = await guest("read-via-stream", file, 0)
        entries = await guest("read-directory", guest.root)
        for each in (file, writing, stream, entries):
            await guest.relay.keep(each)

    await until(lambda: file.of.file.closed and writing.of.file.closed)
    with pytest.raises(OSError, match="Bad file"):
        entries.listing.piece()


async def test_what_no_guest_got_is_closed_all_the_same(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("a.txt")
        opened = file.of.file
        del file

    assert opened.closed


async def test_an_open_that_hangs_is_cancelled_and_its_file_closed(
    folder: Path,
) -> None:
    began, may_end = Event(), Event()
    held = budget(1)
    pin = best_pin()

    def slow(path: str) -> int:
        began.set()
        may_end.wait(10)
        return pin(path)

    before = descriptors()
    async with running(everything(folder), budget=held, pin=slow) as guest:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(guest.open, "new", "write")
                await anyio.to_thread.run_sync(began.wait, 10)
                tasks.cancel_scope.cancel()
        assert held.stores["handles"][0].used == 0
        may_end.set()
        await until(lambda: descriptors() <= before + 3)
