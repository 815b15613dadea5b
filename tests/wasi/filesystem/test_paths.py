"""What guests do with paths below a directory."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import pytest

from airssys.core.errors import WitError
from airssys.host.filesystem.errors import failure
from airssys.wasi.filesystem.codes import CODES, code_of, coded
from airssys.wasi.filesystem.listing import Listing
from airssys.witmodel.signatures import SIGNATURES

from ...host.filesystem.guest import descriptors, names, snapshot
from ...operations import operation
from .guest import (
    FOLLOW,
    NO_LINKS,
    SAME,
    Guest,
    at,
    everything,
    failing,
    grants,
    read_only,
    running,
)


async def test_a_new_file_is_made(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        file = await guest.open("sub/new", "write", how=["create", "exclusive"])
        await guest("write", file, b"x", 0)
        again = await failing(
            guest.open("sub/new", "write", how=["create", "exclusive"])
        )
        there = await guest.open("sub/new", "read", how=["create"])
        assert await guest.read(there) == b"x"

    assert again == "exist"


async def test_a_file_is_emptied_when_it_is_opened(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        await guest.open("a.txt", "write", how=["truncate"])
        assert (folder / "a.txt").read_bytes() == b""
        # As POSIX leaves open: it can be emptied by who does not write to it.
        file = await guest.open("sub/b.txt", "read", how=["truncate"])
        assert await guest.read(file) == b""
        assert await failing(guest("write", file, b"x", 0)) == "bad-descriptor"


@pytest.mark.parametrize("also", ["create", "exclusive", "truncate"])
async def test_no_directory_is_made_or_emptied_by_opening(
    folder: Path, also: str
) -> None:
    async with running(everything(folder)) as guest:
        opening = guest.open("sub", "read", how=["directory", also])
        assert await failing(opening) == "invalid"


@pytest.mark.parametrize(
    ("path", "flags", "how", "follow", "code"),
    [
        ("none", ["read"], [], True, "no-entry"),
        ("none/a", ["read"], [], True, "no-entry"),
        ("", ["read"], [], True, "no-entry"),
        ("a.txt/", ["read"], [], True, "not-directory"),
        ("a.txt/b", ["read"], [], True, "not-directory"),
        ("a.txt", ["read"], ["directory"], True, "not-directory"),
        ("link", ["read"], ["directory"], False, "not-directory"),
        ("link", ["read"], [], False, "loop"),
        ("link", ["write"], ["create", "exclusive"], True, "exist"),
        ("sub", ["write"], [], True, "is-directory"),
        ("sub", ["read"], ["create"], True, "is-directory"),
        ("sub", ["read"], ["truncate"], True, "is-directory"),
        ("new/", ["write"], ["create"], True, "is-directory"),
        ("a.txt\0", ["read"], [], True, "invalid"),
        ("x" * 300, ["read"], [], True, "name-too-long"),
        ("x/" * 2048, ["read"], [], True, "name-too-long"),
        ("x" * 5000, ["read"], [], True, "name-too-long"),
    ],
)
async def test_what_is_not_opened(
    folder: Path,
    path: str,
    flags: list[str],
    how: list[str],
    follow: bool,  # noqa: FBT001 - a parameter of the test
    code: str,
) -> None:
    async with running(everything(folder)) as guest:
        before = snapshot(folder)
        assert await failing(guest.open(path, *flags, how=how, follow=follow)) == code
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    "path",
    ["a.txt", "./a.txt", "link", "sub/../a.txt", "sub/.//../sub/../link", "sub/up"],
)
async def test_what_is_opened_by_any_path_inside(folder: Path, path: str) -> None:
    (folder / "sub" / "up").symlink_to("../link")
    async with running(everything(folder)) as guest:
        assert await guest.read(await guest.open(path)) == b"alpha"
    assert guest.denied == []


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.is-same-object",
    allowed=True,
)
async def test_a_directory_is_a_beginning_too(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        sub = await guest.open("sub/", how=["directory"])
        assert await guest.read(await guest.open("b.txt", at=sub)) == b"beta"
        same = await guest.open(".", at=sub)
        assert await guest("is-same-object", same, sub) is True
        # What was opened is where it ends.
        assert await failing(guest.open("../a.txt", at=sub)) == "not-permitted"
        file = await guest.open("a.txt")
        assert await failing(guest.open("b.txt", at=file)) == "not-directory"


async def test_a_directory_in_the_place_of_another_is_not_that_one(
    folder: Path,
) -> None:
    async with running(everything(folder)) as guest:
        sub = await guest.open("sub")
        (folder / "sub").rename(folder / "old")
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").touch()
        assert await failing(guest.open("b.txt", at=sub)) == "no-entry"
        assert await failing(guest("stat", sub)) == "no-entry"


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.create-directory-at",
    "wasi:filesystem/types@0.2.12#[method]descriptor.remove-directory-at",
    allowed=True,
)
async def test_directories_are_made_and_removed(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        await guest("create-directory-at", guest.root, "made")
        await guest("create-directory-at", guest.root, "made/inner/")
        assert (folder / "made" / "inner").is_dir()
        twice = await failing(guest("create-directory-at", guest.root, "made"))
        full = await failing(guest("remove-directory-at", guest.root, "made"))
        file = await failing(guest("remove-directory-at", guest.root, "a.txt"))
        itself = await failing(guest("remove-directory-at", guest.root, "."))
        around = await failing(guest("remove-directory-at", guest.root, "sub/.."))
        await guest("remove-directory-at", guest.root, "made/inner")
        await guest("remove-directory-at", guest.root, "made/")

    assert (twice, full, file) == ("exist", "not-empty", "not-directory")
    assert itself == around == "invalid"
    assert not (folder / "made").exists()


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.stat",
    "wasi:filesystem/types@0.2.12#[method]descriptor.unlink-file-at",
    allowed=True,
)
async def test_files_are_unlinked(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        held = await guest.open("a.txt")
        await guest("unlink-file-at", guest.root, "link")
        await guest("unlink-file-at", guest.root, "a.txt")
        assert await guest.read(held) == b"alpha"
        assert (await guest("stat", held)).link_count == 0
        refused = [
            await failing(guest("unlink-file-at", guest.root, path))
            for path in ("sub", "a.txt", "sub/b.txt/")
        ]

    assert refused == ["is-directory", "no-entry", "not-directory"]
    assert names(folder) == ["sub"]


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.rename-at",
    allowed=True,
)
async def test_names_change_also_between_two_directories(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        sub = await guest.open("sub")
        await guest("rename-at", guest.root, "a.txt", sub, "c.txt")
        await guest("rename-at", sub, "b.txt", guest.root, "link")
        assert (folder / "sub" / "c.txt").read_bytes() == b"alpha"
        assert (folder / "link").read_bytes() == b"beta"
        await guest("rename-at", guest.root, "sub", guest.root, "dir/")
        assert names(folder) == ["dir", "link"]
        refused = [
            await failing(guest("rename-at", guest.root, old, guest.root, new))
            for old, new in (
                (".", "."),
                ("link", "."),
                ("dir", "dir/.."),
                ("none", "other"),
                ("link", "dir"),
                ("dir", "link"),
                ("link", ""),
                ("link/", "other"),
            )
        ]

    assert refused == [
        *("busy", "busy", "busy", "no-entry"),
        *("is-directory", "not-directory", "no-entry", "not-directory"),
    ]


@pytest.mark.parametrize(
    ("use", "path", "error"),
    [
        ("remove-directory-at", "there/", "not-directory"),
        ("remove-directory-at", "sub/.", "invalid"),
        ("remove-directory-at", "sub/./", "invalid"),
        ("remove-directory-at", "sub/empty/..", "invalid"),
        ("unlink-file-at", "there/", "not-directory"),
        ("unlink-file-at", "sub/.", "is-directory"),
        ("create-directory-at", "there/", "exist"),
        ("create-directory-at", "nowhere/", "exist"),
        ("create-directory-at", "sub/empty/.", "exist"),
        ("create-directory-at", "new/.", "no-entry"),
        ("create-directory-at", "new/./", "no-entry"),
        ("create-directory-at", "a.txt/.", "not-directory"),
    ],
)
async def test_a_link_before_a_slash_and_a_dot_name_nothing_else(
    folder: Path, use: str, path: str, error: str
) -> None:
    (folder / "sub" / "empty").mkdir()
    (folder / "there").symlink_to("sub/empty")
    (folder / "nowhere").symlink_to("none")
    before = snapshot(folder)
    async with running(everything(folder)) as guest:
        assert await failing(guest(use, guest.root, path)) == error
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("there/", "new", "not-directory"),
        ("sub/empty", "there/", "not-directory"),
        ("sub/empty/.", "new", "busy"),
        ("sub/empty/..", "new", "busy"),
        ("a.txt", "sub/empty/.", "busy"),
        ("sub/empty", "sub/..", "busy"),
        ("sub/empty", "new/.", "busy"),
    ],
)
async def test_nothing_is_renamed_by_a_link_before_a_slash_or_by_a_dot(
    folder: Path, old: str, new: str, error: str
) -> None:
    (folder / "sub" / "empty").mkdir()
    (folder / "there").symlink_to("sub/empty")
    before = snapshot(folder)
    async with running(everything(folder)) as guest:
        renaming = guest("rename-at", guest.root, old, guest.root, new)
        assert await failing(renaming) == error
    assert snapshot(folder) == before


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.link-at",
    allowed=True,
)
async def test_a_file_gets_a_second_name(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        sub = await guest.open("sub")
        await guest("link-at", guest.root, NO_LINKS, "a.txt", sub, "second")
        found = await guest("stat-at", guest.root, FOLLOW, "a.txt")
        assert found.link_count == 2
        assert (folder / "sub" / "second").samefile(folder / "a.txt")
        # Nobody writes to what has two names.
        assert await failing(guest.open("a.txt", "write")) == "not-permitted"
        third = guest("link-at", guest.root, NO_LINKS, "a.txt", sub, "third")
        assert await failing(third) == "not-permitted"
        await guest("unlink-file-at", guest.root, "a.txt")
        await guest.open("second", "write", at=sub)
        refused = [
            await failing(guest("link-at", guest.root, flags, old, guest.root, new))
            for flags, old, new in (
                (FOLLOW, "link", "x"),
                (NO_LINKS, "none", "x"),
                (NO_LINKS, "sub", "x"),
                (NO_LINKS, "sub/b.txt", "link"),
                (NO_LINKS, "sub/b.txt", "x/"),
                (NO_LINKS, "sub/b.txt", "sub/"),
                (NO_LINKS, "sub/b.txt", "x/."),
                (NO_LINKS, "sub/b.txt", ""),
                (NO_LINKS, "sub/b.txt/", "x"),
            )
        ]

    assert refused == [
        *("invalid", "no-entry", "not-permitted", "exist"),
        *("no-entry", "exist", "no-entry", "no-entry", "not-directory"),
    ]


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.link-at",
    allowed=False,
)
async def test_a_second_name_gives_no_more_rights(folder: Path) -> None:
    below = f"{folder}/**"
    granted = grants(write=[below], read=[f"{folder}/sub/**"], delete=[below])
    async with running(granted) as guest:
        linking = guest("link-at", guest.root, NO_LINKS, "a.txt", guest.root, "sub/x")
        assert await failing(linking) == "not-permitted"
        (denied,) = guest.denied

    assert (denied.action, denied.target) == ("read", f"{folder}/a.txt")
    assert names(folder / "sub") == ["b.txt"]


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.read",
    "wasi:filesystem/types@0.2.12#[method]descriptor.readlink-at",
    "wasi:filesystem/types@0.2.12#[method]descriptor.symlink-at",
    allowed=True,
)
@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.symlink-at",
    allowed=False,
)
async def test_links_are_made_and_read(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        await guest("symlink-at", guest.root, "../a.txt", "sub/up")
        await guest("symlink-at", guest.root, "..dots", "odd")
        assert await guest("readlink-at", guest.root, "sub/up") == "../a.txt"
        assert await guest.read(await guest.open("sub/up")) == b"alpha"
        there = await failing(guest("symlink-at", guest.root, "x", "link"))
        slash = await failing(guest("symlink-at", guest.root, "x", "new/"))
        taken = await failing(guest("symlink-at", guest.root, "x", "sub/"))
        empty = await failing(guest("symlink-at", guest.root, "", "new"))
        nul = await failing(guest("symlink-at", guest.root, "x\0y", "new"))
        plain = await failing(guest("readlink-at", guest.root, "a.txt"))

    assert (there, slash, taken, empty) == ("exist", "no-entry", "exist", "no-entry")
    assert (nul, plain) == ("invalid", "invalid")


@pytest.mark.parametrize(
    ("target", "link"),
    [
        ("/etc/passwd", "new"),
        ("../outside", "new"),
        ("..", "new"),
        ("sub/../../outside", "new"),
        ("../../outside", "sub/new"),
    ],
)
async def test_no_link_is_made_that_leads_out(
    folder: Path, target: str, link: str
) -> None:
    before = snapshot(folder)
    async with running(everything(folder)) as guest:
        refused = await failing(guest("symlink-at", guest.root, target, link))
        (denied,) = guest.denied

    assert refused == "not-permitted"
    assert "leads out" in denied.reason
    assert snapshot(folder) == before


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.readlink-at",
    allowed=False,
)
async def test_an_absolute_link_is_not_read(folder: Path) -> None:
    (folder / "away").symlink_to(folder / "a.txt")
    async with running(everything(folder)) as guest:
        reading = guest("readlink-at", guest.root, "away")
        assert await failing(reading) == "not-permitted"
        assert len(guest.denied) == 1


@operation(
    "wasi:filesystem/preopens@0.2.12#get-directories",
    "wasi:filesystem/types@0.2.12#[method]descriptor.metadata-hash",
    "wasi:filesystem/types@0.2.12#[method]descriptor.metadata-hash-at",
    "wasi:filesystem/types@0.2.12#[method]descriptor.open-at",
    "wasi:filesystem/types@0.2.12#[method]descriptor.stat-at",
    allowed=True,
)
async def test_what_is_known_of_a_path(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    async with running(everything(folder)) as guest:
        kinds = {
            path: (await guest("stat-at", guest.root, flags, path)).type
            for path, flags in (
                ("a.txt", FOLLOW),
                ("link", NO_LINKS),
                ("sub/", FOLLOW),
                (".", NO_LINKS),
                ("pipe", NO_LINKS),
            )
        }
        followed = await guest("stat-at", guest.root, FOLLOW, "link")
        hashed = [
            await guest("metadata-hash-at", guest.root, flags, path)
            for path, flags in (("a.txt", FOLLOW), ("link", FOLLOW), ("link", NO_LINKS))
        ]
        own = await guest("metadata-hash", await guest.open("a.txt"))
        slash = await failing(guest("stat-at", guest.root, FOLLOW, "a.txt/"))
        # Neither is a device or a pipe opened, which would wait or have effects.
        opening = await failing(guest.open("pipe"))

    assert kinds == {
        "a.txt": "regular-file",
        "link": "symbolic-link",
        "sub/": "directory",
        ".": "directory",
        "pipe": "fifo",
    }
    assert followed.size == 5
    assert hashed[0] == hashed[1] == own != hashed[2]
    assert slash == "not-directory"
    assert opening == "not-permitted"


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.set-times-at",
    allowed=True,
)
async def test_times_of_paths_and_of_links_themselves_change(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        set_times = "set-times-at"
        await guest(set_times, guest.root, FOLLOW, "link", at(10), at(20))
        await guest(set_times, guest.root, NO_LINKS, "link", at(30), SAME)
        await guest(set_times, guest.root, NO_LINKS, "sub", SAME, at(40))
        odd = guest(set_times, guest.root, NO_LINKS, "a.txt", at(1, 2**32 - 1), SAME)
        assert await failing(odd) == "invalid"

    assert (folder / "a.txt").stat().st_mtime == 20
    assert (folder / "link").lstat().st_atime == 30
    assert (folder / "sub").stat().st_mtime == 40


# --- lists --------------------------------------------------------------------------


async def test_a_directory_is_listed(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    async with running(everything(folder)) as guest:
        assert await guest.names() == {
            "a.txt": "regular-file",
            "sub": "directory",
            "link": "symbolic-link",
            "pipe": "fifo",
        }
        assert await guest.names(await guest.open("sub")) == {"b.txt": "regular-file"}
        file = await guest.open("a.txt")
        assert await failing(guest("read-directory", file)) == "not-directory"


async def test_a_large_directory_is_listed_in_pieces(folder: Path) -> None:
    many = folder / "many"
    many.mkdir()
    for number in range(12_000):
        (many / f"{number}").touch()
    found = set()
    async with running(everything(folder)) as guest:
        stream = await guest("read-directory", await guest.open("many"))
        for _ in range(300):
            entry = await guest("read-directory-entry", stream)
            found.add(entry.name)
            # Not all of it is held.
            assert len(stream._ahead) < 300
        found |= {name for name, _ in stream._ahead}
        while piece := stream.listing.piece():
            assert len(piece) < 300
            found |= {name for name, _ in piece}

    assert found == {f"{number}" for number in range(12_000)}


async def test_a_list_that_is_cut_off_is_closed(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        stream = await guest("read-directory", guest.root)
    listing, open_before = stream.listing, descriptors()

    listing.close()
    listing.close()

    assert descriptors() == open_before - 2
    with pytest.raises(OSError, match="Bad file"):
        listing.piece()


async def test_a_list_is_closed_when_the_thread_that_reads_it_is_done() -> None:
    began, may_end = Event(), Event()
    ended: list[str] = []

    def entries() -> Iterator[os.DirEntry[str]]:
        began.set()
        may_end.wait(10)
        yield from ()

    listing = Listing("/", entries(), lambda: ended.append("closed"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, listing.piece)
        await anyio.to_thread.run_sync(began.wait, 10)
        listing.close()
        assert ended == []
        may_end.set()

    assert ended == ["closed"]


async def test_names_that_are_no_unicode_are_left_out(folder: Path) -> None:
    os.mkdir(os.fsencode(folder / "odd"))  # noqa: PTH102 - a name in bytes
    for name in (b"\xff", b"good", b"\xfe\xff"):
        path = os.fsencode(folder / "odd") + b"/" + name
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    os.symlink(b"\xff", os.fsencode(folder / "bad"))  # noqa: PTH211 - as above
    async with running(everything(folder)) as guest:
        assert await guest.names(await guest.open("odd")) == {"good": "regular-file"}
        reading = guest("readlink-at", guest.root, "bad")
        assert await failing(reading) == "illegal-byte-sequence"


@operation(
    "wasi:filesystem/types@0.2.12#[method]directory-entry-stream.read-directory-entry",
    allowed=False,
)
async def test_a_list_ends_when_its_grant_does(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        stream = await guest("read-directory", guest.root)
        assert await guest("read-directory-entry", stream) is not None
        guest.revoke()
        assert await failing(guest("read-directory-entry", stream)) == "not-permitted"
        (denied,) = guest.denied

    assert (denied.action, denied.target) == ("list", str(folder))


# --- refused ------------------------------------------------------------------------


Use = Callable[[Guest, Any], Awaitable[Any]]
_TO_CHANGE = "open-at, to change it"
LOOKS: dict[str, Use] = {
    "open-at": lambda guest, root: guest.open("a.txt", at=root),
    "stat-at": lambda guest, root: guest("stat-at", root, FOLLOW, "a.txt"),
    "metadata-hash-at": lambda guest, root: guest(
        "metadata-hash-at", root, FOLLOW, "a.txt"
    ),
    "readlink-at": lambda guest, root: guest("readlink-at", root, "link"),
    "read-directory": lambda guest, root: guest("read-directory", root),
}
CHANGES: dict[str, Use] = {
    "open-at, to write to it": lambda guest, root: guest.open(
        "a.txt", "write", at=root
    ),
    "open-at, to make it": lambda guest, root: guest.open(
        "new", "read", how=["create"], at=root
    ),
    "open-at, to empty it": lambda guest, root: guest.open(
        "a.txt", "read", how=["truncate"], at=root
    ),
    _TO_CHANGE: lambda guest, root: guest.open(
        "sub", "read", "mutate-directory", at=root
    ),
    "set-times-at": lambda guest, root: guest(
        "set-times-at", root, FOLLOW, "a.txt", at(1), at(1)
    ),
    "create-directory-at": lambda guest, root: guest("create-directory-at", root, "n"),
    "remove-directory-at": lambda guest, root: guest(
        "remove-directory-at", root, "sub"
    ),
    "unlink-file-at": lambda guest, root: guest("unlink-file-at", root, "a.txt"),
    "rename-at": lambda guest, root: guest("rename-at", root, "a.txt", root, "n"),
    "link-at": lambda guest, root: guest("link-at", root, NO_LINKS, "a.txt", root, "n"),
    "symlink-at": lambda guest, root: guest("symlink-at", root, "a.txt", "n"),
}


@pytest.mark.parametrize("use", LOOKS)
async def test_nothing_is_seen_without_a_grant(folder: Path, use: str) -> None:
    async with running(grants(), preopens={"/data": str(folder)}) as guest:
        refused = await failing(LOOKS[use](guest, guest.root))
        denied = guest.denied

    assert refused == "not-permitted"
    assert [each.section for each in denied] == ["filesystem"]
    assert denied[0].operation.endswith(f"descriptor.{use}")


@pytest.mark.parametrize("use", CHANGES)
async def test_nothing_is_changed_where_only_reading_is_granted(
    folder: Path, use: str
) -> None:
    before = snapshot(folder)
    async with running(read_only(folder)) as guest:
        assert await guest("get-flags", guest.root) == {"read"}
        refused = await failing(CHANGES[use](guest, guest.root))
        (denied,) = guest.denied

    assert str(folder) in denied.needed  # where it is, not what the guest calls it
    # WASI: where the directory has no `mutate-directory`, with "read-only".
    assert refused == "read-only"
    assert snapshot(folder) == before


@pytest.mark.parametrize("use", [use for use in CHANGES if use != _TO_CHANGE])
async def test_nothing_is_changed_where_another_file_may_be(
    folder: Path, use: str
) -> None:
    granted = grants(
        read=[f"{folder}/**"], list=[f"{folder}/**"], write=[f"{folder}/other"]
    )
    before = snapshot(folder)
    async with running(granted) as guest:
        assert "mutate-directory" in await guest("get-flags", guest.root)
        refused = await failing(CHANGES[use](guest, guest.root))
        assert guest.denied

    assert refused == "not-permitted"
    assert snapshot(folder) == before


_DESCRIPTOR = "wasi:filesystem/types@0.2.12#[method]descriptor."
_USES = {use: _DESCRIPTOR + use.partition(",")[0] for use in (*LOOKS, *CHANGES)}


@operation(*_USES.values(), allowed=False)
@pytest.mark.parametrize(("use", "operation"), _USES.items())
async def test_what_is_revoked_is_refused_at_the_next_path(
    folder: Path, use: str, operation: str
) -> None:
    before = snapshot(folder)
    async with running(everything(folder)) as guest:
        guest.revoke()
        refused = await failing({**LOOKS, **CHANGES}[use](guest, guest.root))
        assert {each.operation for each in guest.denied} == {operation}

    assert refused in {"not-permitted", "read-only"}
    assert snapshot(folder) == before


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.read-directory",
    allowed=False,
)
async def test_a_folder_that_grants_lead_through_can_be_walked(folder: Path) -> None:
    granted = grants(read=[f"{folder}/sub/b.txt"])
    async with running(granted, preopens={"/data": str(folder)}) as guest:
        sub = await guest.open("sub", how=["directory"])
        assert (await guest("stat", sub)).type == "directory"
        assert await guest.read(await guest.open("b.txt", at=sub)) == b"beta"
        assert await failing(guest("read-directory", sub)) == "not-permitted"
        assert await failing(guest.open("a.txt")) == "not-permitted"
        # What is not granted is the same whether it is there or not.
        assert await failing(guest.open("none")) == "not-permitted"


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.read-directory",
    "wasi:filesystem/types@0.2.12#[method]directory-entry-stream.read-directory-entry",
    allowed=True,
)
async def test_what_may_be_listed_is_not_read(folder: Path) -> None:
    async with running(grants(list=[str(folder), f"{folder}/**"])) as guest:
        assert "a.txt" in await guest.names()
        assert (await guest("stat-at", guest.root, FOLLOW, "a.txt")).size == 5
        assert await failing(guest.open("a.txt")) == "not-permitted"


# --- errors -------------------------------------------------------------------------

CASES = SIGNATURES["wasi:filesystem/types@0.2.12"]["filesystem-error-code"]


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_error_of_the_system_is_one_of_wasis(number: int) -> None:
    code = code_of(OSError(number, os.strerror(number)))

    assert f" {code}," in CASES or f" {code} " in CASES
    assert (code == "io") is (number == errno.EIO or number not in CODES)


def test_every_code_of_wasis_is_used() -> None:
    listed = CASES.partition("enum {")[2].partition("}")[0]

    assert {each.strip() for each in listed.split(",")} == set(CODES.values())


def test_errors_are_told_as_wasi_has_them() -> None:
    of_wasi = WitError("busy")

    assert coded(of_wasi) is of_wasi
    assert coded(failure("resource-exhausted", "full")).value == "insufficient-memory"
    assert coded(failure("permission-denied", "no")).value == "not-permitted"
    denied = coded(failure("permission-denied", "no"), read_only=True)
    assert denied.value == "read-only"


async def test_what_a_folder_is_called_does_not_grow_from_one_to_the_next(
    folder: Path,
) -> None:
    async with running(everything(folder)) as guest:
        at = guest.root
        for _ in range(4):
            at = await guest.open("./" * 2000 + "sub/..", at=at)
        assert len(at.of.shown) <= 4095
        assert at.of.shown.endswith("sub/..")
        file = await guest.open("a.txt", at=at)
        assert file.of.file.shown.endswith("sub/../a.txt")


@pytest.mark.parametrize("function", ["remove-directory-at", "unlink-file-at"])
async def test_a_path_of_megabytes_is_not_looked_through(
    folder: Path, function: str
) -> None:
    long = "x/../" * 2**20
    async with running(everything(folder)) as guest:
        assert await failing(guest(function, guest.root, long)) == "name-too-long"
        rename = guest("rename-at", guest.root, long, guest.root, "new")
        assert await failing(rename) == "name-too-long"
    async with running(read_only(folder)) as guest:
        opening = guest.open(long, "mutate-directory")
        assert await failing(opening) == "name-too-long"
        assert not guest.denied
