from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import cast

import anyio
import anyio.to_thread
import pytest

from airssys.core.errors import WitError
from airssys.core.event import Granted
from airssys.host.filesystem import FileLimits
from airssys.host.filesystem.access import Access, Disk
from airssys.host.filesystem.pin import best_pin
from airssys.host.filesystem.tree import branch, clear
from airssys.hostcalls.call import Call
from airssys.hostcalls.gate import Gate
from airssys.witmodel.types import Variant

from .guest import (
    descriptors,
    everything,
    failing,
    grants,
    names,
    running,
    snapshot,
    until,
)

pytestmark = pytest.mark.guest


def deep(folder: Path, levels: int) -> Path:
    below = folder.joinpath(*["d"] * levels)
    below.mkdir(parents=True)
    return below


# --- going through ----------------------------------------------------------------


async def test_links_are_named_and_not_entered(folder: Path) -> None:
    (folder / "away").symlink_to("../outside")
    (folder / "round").symlink_to(".")

    async with running(everything(folder)) as guest:
        found = await guest("metadata#list-recursive", str(folder), 9)
        assert {entry.name: entry.entry_type for entry in found} == {
            "a.txt": "regular",
            "away": "symlink",
            "link": "symlink",
            "round": "symlink",
            "sub": "directory",
            "sub/b.txt": "regular",
        }
        files = await guest("metadata#find-files", str(folder), "secret*")
        assert files == []
        assert await guest("metadata#directory-size", str(folder)) == 9


async def test_what_may_not_be_listed_is_named_and_not_entered(folder: Path) -> None:
    granted = grants(list=[str(folder)])

    async with running(granted, tell_grants=True) as guest:
        found = await guest("metadata#list-recursive", str(folder), 9)
        assert [entry.name for entry in found] == ["a.txt", "link", "sub"]
        size = await guest("metadata#directory-size", str(folder))
        # It has not asked for what is below, so the audit says nothing of it.
        assert (size, guest.denied) == (5, [])
        assert len(guest.relay.recorder.of(Granted)) == 2


async def test_types_are_told_apart(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket"))

    async with running(everything(folder)) as guest:
        for kind, name in (
            *(("regular", "a.txt"), ("directory", "sub"), ("symlink", "link")),
            *(("fifo", "fifo"), ("socket", "socket")),
        ):
            found = await guest("metadata#find-by-type", str(folder), kind)
            assert f"{folder}/{name}" in found
            about = await guest("filesystem#get-metadata", f"{folder}/{name}")
            assert about.file_type == (kind if kind != "symlink" else "regular")
        assert await guest("metadata#find-by-type", str(folder), "unknown") == []


async def test_a_listing_says_how_many_names_it_leaves_out(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        before = await guest("metadata#list-directory", str(folder))
        for name in (b"a\xff", b"\xffb"):
            (folder / os.fsdecode(name)).touch()
        after = await guest("metadata#list-directory", str(folder))

    assert before.entry_count == len(before.entries)
    assert after.entries == before.entries
    assert after.entry_count == len(after.entries) + 2


async def test_a_listing_has_a_limit_and_tells_nothing_beyond_it(folder: Path) -> None:
    async with running(everything(folder), limits=FileLimits(entries=3)) as guest:
        listing = await guest("metadata#list-directory", str(folder))
        assert listing.entry_count == 3
        flat = await guest("metadata#list-recursive", str(folder), 1)
        assert len(flat) == 3
        for call in (
            guest("metadata#list-recursive", str(folder), 2),
            guest("metadata#find-files", str(folder), "*"),
            guest("metadata#directory-size", str(folder)),
        ):
            assert await failing(call) == "resource-exhausted"
        (folder / "fourth").touch()
        listing = guest("metadata#list-directory", str(folder))
        assert await failing(listing) == "resource-exhausted"
        assert guest.denied == []


async def test_the_names_of_a_tree_have_a_limit_each_with_what_is_before_it(
    folder: Path,
) -> None:
    deep(folder, 3)
    names = len("a.txt" + "link" + "sub" + "sub/b.txt" + "d" + "d/d" + "d/d/d")
    before = 7 * len(f"{folder}/")

    async with running(everything(folder), limits=FileLimits(names=names)) as guest:
        assert len(await guest("metadata#list-recursive", str(folder), 9)) == 7
        finding = guest("metadata#find-files", str(folder), "*")
        assert await failing(finding) == "resource-exhausted"
        (folder / "x").touch()
        listing = guest("metadata#list-recursive", str(folder), 9)
        assert await failing(listing) == "resource-exhausted"
        await guest("metadata#list-directory", str(folder))
    limits = FileLimits(names=names + 1 + before + len(f"{folder}/"))
    async with running(everything(folder), limits=limits) as guest:
        assert len(await guest("metadata#find-files", str(folder), "*")) == 8
    with pytest.raises(ValueError, match="depth"):
        FileLimits(depth=257)


async def test_a_tree_has_a_limit_of_levels(folder: Path) -> None:
    deep(folder, 4)

    async with running(everything(folder), limits=FileLimits(depth=3)) as guest:
        found = await guest("metadata#list-recursive", str(folder), 3)
        assert found[3].name == "d/d/d"
        for call in (
            guest("metadata#list-recursive", str(folder), 4),
            guest("metadata#find-by-type", str(folder), "regular"),
            guest("filesystem#remove-directory-recursive", f"{folder}/d"),
        ):
            assert await failing(call) == "resource-exhausted"
        assert (folder / "d" / "d" / "d" / "d").exists()
        assert await guest("metadata#list-recursive", str(folder), 0) == []


async def test_names_that_are_no_unicode_are_left_out(folder: Path) -> None:
    try:
        (folder / "sub" / os.fsdecode(b"\xff.txt")).write_bytes(b"odd")
        (folder / "odd").symlink_to(os.fsdecode(b"sub/\xff"))
        (folder / "sub" / os.fsdecode(b"\xff")).mkdir()
    except OSError:
        pytest.skip("the file system takes Unicode alone")

    async with running(everything(folder)) as guest:
        listing = await guest("metadata#list-directory", f"{folder}/sub")
        assert [entry.name for entry in listing.entries] == ["b.txt"]
        found = await guest("metadata#find-files", str(folder), "*.txt")
        assert found == [f"{folder}/a.txt", f"{folder}/sub/b.txt"]
        # They are there all the same.
        assert await guest("metadata#directory-size", f"{folder}/sub") == 7
        for call in (
            guest("filesystem#read-symlink", f"{folder}/odd"),
            guest("metadata#canonical-path", f"{folder}/odd"),
            guest("metadata#set-working-directory", f"{folder}/odd"),
        ):
            assert await failing(call) == "io-error"
        await guest("filesystem#remove-directory-recursive", f"{folder}/sub")
    assert not (folder / "sub").exists()


async def test_a_pattern_that_is_none_is_told(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        for pattern in ("", "[", "{a", "a}", "x" * 2000):
            finding = guest("metadata#find-files", str(folder), pattern)
            assert await failing(finding) == "invalid-argument"
        missing = guest("metadata#list-directory", f"{folder}/none")
        assert await failing(missing) == "not-found"
        file = guest("metadata#list-directory", f"{folder}/a.txt")
        assert await failing(file) == "not-a-directory"


# --- removing ---------------------------------------------------------------------


async def test_nothing_is_removed_where_one_entry_may_not_be(folder: Path) -> None:
    deep(folder / "sub", 2)
    (folder / "sub" / "d" / "keep").touch()
    granted = grants(delete=[f"{folder}/sub", f"{folder}/sub/**/[!k]*"])
    before = snapshot(folder)

    async with running(granted) as guest:
        removing = guest("filesystem#remove-directory-recursive", f"{folder}/sub")
        assert await failing(removing) == "permission-denied"
        (event,) = guest.denied
        assert event.needed == f"delete '{folder}/sub/d/keep'"
        assert event.resource == f"{folder}/sub"
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("function", "name"),
    [("remove-directory-recursive", "sub"), ("delete-file", "a.txt")],
)
async def test_a_removal_whose_caller_is_gone_removes_nothing_more(
    function: str, name: str, folder: Path
) -> None:
    began, may_end, ended = Event(), Event(), Event()
    pin = best_pin()

    def slow(path: str) -> int:
        began.set()
        may_end.wait(10)
        ended.set()
        return pin(path)

    before = snapshot(folder)
    async with running(everything(folder), pin=slow) as guest:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(guest, f"filesystem#{function}", f"{folder}/{name}")
                await anyio.to_thread.run_sync(began.wait, 10)
                tasks.cancel_scope.cancel()
        open_then = descriptors()
        may_end.set()
        await anyio.to_thread.run_sync(ended.wait, 10)
        await until(lambda: descriptors() <= open_then)
    assert snapshot(folder) == before


def test_what_takes_a_checked_directorys_place_is_not_emptied(folder: Path) -> None:
    (folder / "sub" / "deep").mkdir()
    (folder / "sub" / "deep" / "checked").touch()
    access = Access(Disk(Gate()), Call("acme/guest"))
    opened = os.open(folder / "sub", os.O_RDONLY)
    try:
        checked = branch(access, opened, lambda _: None)
        (folder / "sub" / "deep").rename(folder / "sub" / "moved")
        (folder / "sub" / "deep").mkdir()
        (folder / "sub" / "deep" / "new").touch()

        with pytest.raises(WitError, match="replaced meanwhile"):
            clear(access, opened, checked)
    finally:
        os.close(opened)
    assert names(folder / "sub" / "deep") == ["new"]
    assert names(folder / "sub" / "moved") == ["checked"]


async def test_only_directories_are_removed_as_such(folder: Path) -> None:
    (folder / "there").symlink_to("sub")
    async with running(everything(folder)) as guest:
        for function, name, case in (
            ("remove-directory", "sub", "directory-not-empty"),
            ("remove-directory", "a.txt", "not-a-directory"),
            ("remove-directory", "link", "not-a-directory"),
            ("remove-directory", "there/", "not-a-directory"),
            ("remove-directory", "sub/.", "invalid-argument"),
            ("remove-directory", "none", "not-found"),
            ("remove-directory-recursive", "a.txt", "not-a-directory"),
            ("remove-directory-recursive", "link", "not-a-directory"),
            ("remove-directory-recursive", "there/", "not-a-directory"),
            ("remove-directory-recursive", "there/.", "invalid-argument"),
            ("remove-directory-recursive", "none", "not-found"),
            ("delete-file", "sub", "not-a-file"),
            ("delete-file", "link/", "not-a-directory"),
            ("delete-file", "none", "not-found"),
            ("create-directory", "sub", "already-exists"),
            ("create-directory", "none/x", "not-found"),
            ("create-directory", "none/.", "not-found"),
            ("create-directory", "there/", "already-exists"),
        ):
            more = ({"mode": 0o700},) if function == "create-directory" else ()
            call = guest(f"filesystem#{function}", f"{folder}/{name}", *more)
            assert await failing(call) == case, (function, name)
    assert names(folder) == ["a.txt", "link", "sub", "there"]


# --- renaming ---------------------------------------------------------------------


async def test_a_name_takes_another_ones_place(folder: Path) -> None:
    (folder / "there").symlink_to("sub")
    async with running(everything(folder)) as guest:
        await guest("filesystem#rename", f"{folder}/link", f"{folder}/sub/b.txt")
        assert (folder / "sub" / "b.txt").is_symlink()
        for old, new, case in (
            ("none", "x", "not-found"),
            ("a.txt", "sub", "not-a-file"),
            ("sub", "a.txt", "not-a-directory"),
            ("sub", "sub/x", "invalid-argument"),
            ("a.txt", "none/x", "not-found"),
            ("a.txt", "x/", "not-a-directory"),
            ("a.txt/", "x", "not-a-directory"),
            ("there/", "x", "not-a-directory"),
            ("sub/.", "x", "invalid-argument"),
            ("a.txt", "sub/.", "invalid-argument"),
        ):
            call = guest("filesystem#rename", f"{folder}/{old}", f"{folder}/{new}")
            assert await failing(call) == case, (old, new)


@pytest.mark.parametrize(
    ("read", "lists", "case"),
    [(["open/**"], [], "read"), ([], ["open/**"], "list"), ([], [], "")],
)
async def test_what_may_not_be_read_cannot_be_renamed_to_where_it_may(
    read: list[str], lists: list[str], case: str, folder: Path
) -> None:
    (folder / "open").mkdir()
    granted = grants(
        read=[f"{folder}/{one}" for one in read],
        list=[f"{folder}/{one}" for one in lists],
        write=[f"{folder}/**"],
        delete=[f"{folder}/**"],
    )

    async with running(granted) as guest:
        renaming = guest("filesystem#rename", f"{folder}/a.txt", f"{folder}/open/a.txt")
        if case:
            assert await failing(renaming) == "permission-denied"
            assert guest.denied[0].needed == f"{case} '{folder}/a.txt'"
        else:
            await renaming
    assert (folder / "a.txt").exists() is bool(case)


def put_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def put_hard_link(path: Path) -> None:
    path.with_name("twin").write_text("kept")
    path.hardlink_to(path.with_name("twin"))


def put_set_uid(path: Path) -> None:
    path.write_text("kept")
    path.chmod(0o4755)


THERE: Mapping[str, Callable[[Path], object]] = {
    "socket": put_socket,
    "fifo": os.mkfifo,
    "hard link": put_hard_link,
    "set-uid": put_set_uid,
    "link": lambda path: path.symlink_to("nowhere"),
    "directory": Path.mkdir,
}


@pytest.mark.parametrize("there", THERE)
async def test_what_delete_file_refuses_no_rename_puts_something_in_the_place_of(
    there: str, tmp_path: Path
) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    kept = tmp_path / "out" / "kept"
    THERE[there](kept)
    if there == "directory":
        (tmp_path / "in" / "new").mkdir()
    else:
        (tmp_path / "in" / "new").write_text("new")
    own, other = [f"{tmp_path}/in/**"], [f"{tmp_path}/out/**"]
    before = snapshot(tmp_path)

    async with running(grants(write=[*own, *other], delete=own)) as guest:
        refused = guest("filesystem#rename", f"{tmp_path}/in/new", str(kept))
        assert await failing(refused) == "permission-denied"
        assert [each.needed for each in guest.denied] == [f"delete '{kept}'"]
        assert snapshot(tmp_path) == before
    async with running(grants(write=[*own, *other], delete=[*own, *other])) as guest:
        await guest("filesystem#rename", f"{tmp_path}/in/new", str(kept))
        assert guest.denied == []
    assert not (tmp_path / "in" / "new").exists()


async def test_what_a_guest_could_empty_it_may_replace(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    granted = grants(
        write=[f"{tmp_path}/in/*", f"{tmp_path}/out/*"], delete=[f"{tmp_path}/in/*"]
    )

    async with running(granted) as guest:
        await guest("filesystem#rename", f"{tmp_path}/in/file", f"{tmp_path}/out/file")
        assert guest.denied == []
    assert (tmp_path / "out" / "file").read_text() == "in"


async def test_a_denied_rename_says_each_thing_that_is_missing(folder: Path) -> None:
    (folder / "open").mkdir()
    granted = grants(read=[f"{folder}/open/**"], list=[f"{folder}/open/**"])
    old, new = f"{folder}/a.txt", f"{folder}/open/a.txt"

    async def words() -> str:
        with pytest.raises(WitError) as caught:
            await guest("filesystem#rename", old, new)
        return str(cast("Variant", caught.value.value).value)

    async with running(granted) as guest:
        told = await words()
        assert told.startswith(f"may not delete '{old}': no grant covers it (")
        assert told.endswith(f"; nor write '{old}'")
        (denied,) = guest.denied
        assert denied.needed == f"delete '{old}'"
    granted = grants(
        read=[f"{folder}/open/**"],
        list=[f"{folder}/open/**"],
        write=[f"{folder}/**"],
        delete=[f"{folder}/**"],
    )
    async with running(granted) as guest:
        told = await words()
        assert told.startswith(f"may not read '{old}': no grant covers it (")
        assert told.endswith(f"; nor list '{old}'")


@pytest.mark.parametrize("lists", [True, False])
async def test_a_denial_names_what_is_below_a_directory_that_may_be_listed(
    *, lists: bool, folder: Path
) -> None:
    (folder / "sub" / "kept").write_bytes(b"kept")
    below = [f"{folder}/*", f"{folder}/*/[!k]*"]
    shown = [f"{folder}/sub"] if lists else []
    granted = grants(read=below, write=below, delete=below, list=shown)
    named = f"{folder}/sub/kept" if lists else f"{folder}/sub"

    async with running(granted) as guest:
        for function, *more in (
            ("remove-directory-recursive",),
            ("rename", f"{folder}/other"),
        ):
            with pytest.raises(WitError) as caught:
                await guest(f"filesystem#{function}", f"{folder}/sub", *more)
            told = str(cast("Variant", caught.value.value).value)
            assert told.startswith(f"may not delete '{named}': no grant covers it")
            assert ("kept" in told) is lists
            assert guest.denied[-1].target == f"{folder}/sub/kept"


async def test_a_directory_is_renamed_only_with_all_that_is_in_it(folder: Path) -> None:
    (folder / "sub" / "kept").write_bytes(b"kept")
    below = [f"{folder}/*", f"{folder}/*/[!k]*"]
    granted = grants(read=below, write=below, delete=below)

    async with running(granted) as guest:
        renaming = guest("filesystem#rename", f"{folder}/sub", f"{folder}/other")
        assert await failing(renaming) == "permission-denied"
        assert guest.denied[0].needed == f"delete '{folder}/sub/kept'"
        (folder / "sub" / "kept").unlink()
        await guest("filesystem#rename", f"{folder}/sub/", f"{folder}/other/")
    assert names(folder / "other") == ["b.txt"]


# --- copying and linking ----------------------------------------------------------


async def test_a_copy_goes_over_the_content_of_what_is_there(folder: Path) -> None:
    (folder / "sub" / "b.txt").write_bytes(b"a longer one")
    (folder / "sub" / "b.txt").chmod(0o600)

    async with running(everything(folder)) as guest:
        await guest("filesystem#copy", f"{folder}/a.txt", f"{folder}/sub/b.txt")
        for source, destination, case in (
            ("a.txt", "link", "invalid-argument"),
            ("sub", "x", "not-a-file"),
            ("a.txt", "sub", "not-a-file"),
            ("none", "x", "not-found"),
            ("a.txt", "none/x", "not-found"),
        ):
            paths = f"{folder}/{source}", f"{folder}/{destination}"
            assert await failing(guest("filesystem#copy", *paths)) == case
    assert (folder / "sub" / "b.txt").read_bytes() == b"alpha"
    assert (folder / "sub" / "b.txt").stat().st_mode & 0o777 == 0o600
    assert names(folder) == ["a.txt", "link", "sub"]


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_copy_is_nobody_elses_until_it_is_done(
    folder: Path, *, replaced: bool
) -> None:
    (folder / "large").touch(0o644)
    os.truncate(folder / "large", 2**34)  # it has no blocks, and is never copied whole
    copy = folder / "copy"
    before = descriptors()

    async with running(everything(folder)) as guest:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                guest, "filesystem#copy", f"{folder}/large", f"{folder}/copy"
            )
            await until(copy.exists)
            assert copy.stat().st_mode & 0o777 == 0o600
            if replaced:
                (folder / "a.txt").rename(copy)
            tasks.cancel_scope.cancel()
        await until(lambda: descriptors() <= before + 3)
        # What was begun is taken back, but no file of somebody else's.
        await until(lambda: copy.exists() is replaced)
    assert not replaced or copy.read_bytes() == b"alpha"


async def test_a_link_holds_what_can_be_a_path(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        for target in ("", "a\0b", "x" * 5000):
            linking = guest("filesystem#create-symlink", target, f"{folder}/new")
            assert await failing(linking) == "invalid-path"
        assert [event.resource for event in guest.denied] == ["", "a\0b", "x" * 256]
        for path, case in (("link", "already-exists"), ("new/", "not-found")):
            linking = guest("filesystem#create-symlink", "x", f"{folder}/{path}")
            assert await failing(linking) == case
        reading = guest("filesystem#read-symlink", f"{folder}/a.txt")
        assert await failing(reading) == "invalid-argument"


# --- several paths ----------------------------------------------------------------


async def test_so_many_paths_go_into_one_call(folder: Path) -> None:
    paths = [f"{folder}/a.txt"] * 3

    async with running(everything(folder), limits=FileLimits(paths=2)) as guest:
        for function in ("batch-metadata", "all-exist", "any-exist"):
            call = guest(f"metadata#{function}", paths)
            assert await failing(call) == "resource-exhausted"
        assert await guest("metadata#batch-metadata", []) == []
        assert await guest("metadata#all-exist", []) is True
        assert await guest("metadata#any-exist", []) is False


async def test_an_error_names_the_path_it_is_about(folder: Path) -> None:
    paths = [f"{folder}/a.txt", f"{folder}/none"]

    async with running(everything(folder)) as guest:
        with pytest.raises(WitError) as caught:
            await guest("metadata#batch-metadata", paths)
    words = f"'{folder}/none': No such file or directory"
    assert caught.value.value == Variant("not-found", words)


async def test_one_path_that_is_not_granted_spoils_the_lot(folder: Path) -> None:
    paths = [f"{folder}/a.txt", f"{folder.parent}/outside/secret.txt"]

    async with running(everything(folder)) as guest:
        for function in ("batch-metadata", "all-exist", "any-exist"):
            call = guest(f"metadata#{function}", paths)
            assert await failing(call) == "permission-denied"
        call = guest("metadata#batch-metadata", [paths[0], f"{folder}/none"])
        assert await failing(call) == "not-found"
        call = guest("metadata#same-file", paths[0], f"{folder}/none")
        assert await failing(call) == "not-found"


async def test_a_slash_at_the_end_asks_for_a_directory(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        looking = guest("filesystem#get-metadata", f"{folder}/link/")
        assert await failing(looking) == "not-a-directory"
        assert await guest("filesystem#exists", f"{folder}/a.txt/.") is False
        assert await guest("filesystem#exists", f"{folder}/sub/") is True


# --- times and the working directory ----------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "nanoseconds"), [(2**64 - 1, 0), (2**33, 0), (0, 10**9)]
)
async def test_times_are_in_range(seconds: int, nanoseconds: int, folder: Path) -> None:
    odd = {"seconds": seconds, "nanoseconds": nanoseconds}
    noon = {"seconds": 43_200, "nanoseconds": 0}

    async with running(everything(folder)) as guest:
        call = guest("metadata#set-times", f"{folder}/a.txt", odd, noon)
        if seconds == 2**33:
            await call
            assert (folder / "a.txt").stat().st_mtime == 43_200
        else:
            assert await failing(call) == "invalid-argument"


async def test_what_is_older_than_1970_is_told_as_1970(folder: Path) -> None:
    os.utime(folder / "a.txt", (-5, -5))

    async with running(everything(folder)) as guest:
        about = await guest("filesystem#get-metadata", f"{folder}/a.txt")

    assert (about.modified_time.seconds, about.modified_time.nanoseconds) == (0, 0)


async def test_each_component_has_its_own_working_directory(folder: Path) -> None:
    async with running(everything(folder)) as one, running(grants(list=["/"])) as other:
        await one("metadata#set-working-directory", f"{folder}/sub/")
        await one("metadata#set-working-directory", "..")
        assert await one("metadata#get-working-directory") == str(folder)
        assert await other("metadata#get-working-directory") == "/"
        for path, case in (
            ("a.txt", "not-a-directory"),
            ("none", "not-found"),
            ("..", "permission-denied"),
        ):
            call = one("metadata#set-working-directory", path)
            assert await failing(call) == case
        assert await one("metadata#canonical-path", "link") == f"{folder}/a.txt"
        # A directory that is gone by now leads nowhere.
        (folder / "sub" / "b.txt").unlink()
        await one("metadata#set-working-directory", "sub")
        (folder / "sub").rmdir()
        assert await failing(one("filesystem#get-metadata", "x")) == "not-found"
