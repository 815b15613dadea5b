from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from airssys.core.grants.grants import Grants
from airssys.host.filesystem.pin import best_pin
from airssys.witmodel.types import Record

from ...operations import operation as shows
from .guest import (
    FILES,
    META,
    Guest,
    everything,
    failing,
    names,
    options,
    running,
    snapshot,
)

pytestmark = pytest.mark.guest

_NOON: Final = {"seconds": 43_200, "nanoseconds": 5}

Does = Callable[[Guest, Path], Awaitable[None]]


async def opens(guest: Guest, folder: Path) -> None:
    file = await guest.open(folder / "new.txt", "write", create=True)

    assert (folder / "new.txt").read_bytes() == b""
    await guest.relay.drop(file)


async def reads(guest: Guest, folder: Path) -> None:
    file = await guest.open(folder / "link")

    assert await guest.read(file, 3) == b"alp"
    assert await guest.read(file) == b"ha"
    assert await guest.read(file) == b""


async def writes(guest: Guest, folder: Path) -> None:
    file = await guest.open(folder / "a.txt", "write")

    assert await guest.write(file, b"AL") == 2
    assert (folder / "a.txt").read_bytes() == b"ALpha"


async def seeks(guest: Guest, folder: Path) -> None:
    file = await guest.open(folder / "a.txt", "read-write")

    assert await guest("filesystem#[method]file.seek", file, 4) == 4
    await guest.write(file, b"A")
    assert (folder / "a.txt").read_bytes() == b"alphA"


async def tells(guest: Guest, folder: Path) -> None:
    file = await guest.open(folder / "a.txt")
    await guest.read(file, 2)

    assert await guest("filesystem#[method]file.tell", file) == 2


async def closes(guest: Guest, folder: Path) -> None:
    file = await guest.open(folder / "a.txt")

    await guest("filesystem#[static]file.close", file)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file.descriptor)


async def deletes(guest: Guest, folder: Path) -> None:
    await guest("filesystem#delete-file", str(folder / "link"))

    assert names(folder) == ["a.txt", "sub"]


async def makes_a_directory(guest: Guest, folder: Path) -> None:
    await guest("filesystem#create-directory", str(folder / "new"), {"mode": 0o700})

    assert stat.filemode((folder / "new").stat().st_mode) == "drwx------"


async def removes_a_directory(guest: Guest, folder: Path) -> None:
    (folder / "sub" / "empty").mkdir()

    await guest("filesystem#remove-directory", str(folder / "sub" / "empty"))

    assert names(folder / "sub") == ["b.txt"]


async def removes_all(guest: Guest, folder: Path) -> None:
    (folder / "sub" / "deep" / "deeper").mkdir(parents=True)
    (folder / "sub" / "deep" / "out").symlink_to(folder.parent / "outside")

    await guest("filesystem#remove-directory-recursive", str(folder / "sub"))

    assert names(folder) == ["a.txt", "link"]
    assert (folder.parent / "outside" / "secret.txt").exists()


async def renames(guest: Guest, folder: Path) -> None:
    old, new = str(folder / "sub"), str(folder / "other")

    await guest("filesystem#rename", old, new)

    assert (folder / "other" / "b.txt").read_bytes() == b"beta"
    assert not (folder / "sub").exists()


async def copies(guest: Guest, folder: Path) -> None:
    (folder / "a.txt").chmod(0o640)

    await guest("filesystem#copy", str(folder / "link"), str(folder / "copy.txt"))

    assert (folder / "copy.txt").read_bytes() == b"alpha"
    assert stat.S_IMODE((folder / "copy.txt").stat().st_mode) == 0o640


async def looks(guest: Guest, folder: Path) -> None:
    assert await guest("filesystem#exists", str(folder / "link")) is True
    assert await guest("filesystem#exists", str(folder / "none")) is False


async def learns(guest: Guest, folder: Path) -> None:
    os.utime(folder / "a.txt", ns=(1_000_000_001, 2_000_000_002))

    about = await guest("filesystem#get-metadata", str(folder / "link"))

    assert (about.path, about.file_type) == (str(folder / "link"), "regular")
    assert (about.size, about.permissions.mode & 0o600) == (5, 0o600)
    assert about.accessed_time == Record(seconds=1, nanoseconds=1)
    assert about.modified_time == Record(seconds=2, nanoseconds=2)
    if about.created_time is not None:
        assert about.created_time.seconds > 1_000_000_000


async def permits(guest: Guest, folder: Path) -> None:
    await guest("filesystem#set-permissions", str(folder / "link"), {"mode": 0o604})

    assert stat.S_IMODE((folder / "a.txt").stat().st_mode) == 0o604


async def links(guest: Guest, folder: Path) -> None:
    await guest("filesystem#create-symlink", "../nowhere", str(folder / "new"))

    assert os.readlink(folder / "new") == "../nowhere"  # noqa: PTH115


async def reads_a_link(guest: Guest, folder: Path) -> None:
    assert await guest("filesystem#read-symlink", str(folder / "link")) == "a.txt"


async def lists(guest: Guest, folder: Path) -> None:
    listing = await guest("metadata#list-directory", str(folder))

    assert (listing.directory_path, listing.entry_count) == (str(folder), 3)
    assert [(entry.name, entry.entry_type) for entry in listing.entries] == [
        *(("a.txt", "regular"), ("link", "symlink"), ("sub", "directory"))
    ]


async def lists_all(guest: Guest, folder: Path) -> None:
    found = await guest("metadata#list-recursive", str(folder), 2)
    shallow = await guest("metadata#list-recursive", str(folder), 1)

    assert [entry.name for entry in found] == ["a.txt", "link", "sub", "sub/b.txt"]
    assert [entry.name for entry in shallow] == ["a.txt", "link", "sub"]


async def finds(guest: Guest, folder: Path) -> None:
    async def find(pattern: str) -> list[str]:
        found = await guest("metadata#find-files", str(folder), pattern)
        return [path.removeprefix(f"{folder}/") for path in found]

    assert await find("*.txt") == ["a.txt", "sub/b.txt"]
    assert await find("*/[ab].txt") == ["sub/b.txt"]
    assert await find("**/*") == ["sub/b.txt"]


async def finds_by_type(guest: Guest, folder: Path) -> None:
    found = await guest("metadata#find-by-type", f"{folder}/", "symlink")

    assert found == [str(folder / "link")]


async def measures(guest: Guest, folder: Path) -> None:
    os.link(folder / "a.txt", folder / "sub" / "again.txt")

    assert await guest("metadata#directory-size", str(folder)) == 9


async def compares(guest: Guest, folder: Path) -> None:
    async def same(one: str, other: str) -> bool:
        found = await guest(
            "metadata#same-file", f"{folder}/{one}", f"{folder}/{other}"
        )
        return bool(found)

    assert await same("a.txt", "link")
    assert not await same("a.txt", "sub/b.txt")


async def straightens(guest: Guest, folder: Path) -> None:
    path = f"{folder}/sub/.././/link"

    assert await guest("metadata#canonical-path", path) == str(folder / "a.txt")


async def learns_of_many(guest: Guest, folder: Path) -> None:
    paths = [str(folder / "sub" / "b.txt"), str(folder)]

    found = await guest("metadata#batch-metadata", paths)

    assert [(about.path, about.file_type) for about in found] == [
        (paths[0], "regular"),
        (paths[1], "directory"),
    ]


async def looks_for_all(guest: Guest, folder: Path) -> None:
    here, missing = str(folder / "a.txt"), str(folder / "none")

    assert await guest("metadata#all-exist", [here, str(folder)]) is True
    assert await guest("metadata#all-exist", [here, missing]) is False


async def looks_for_any(guest: Guest, folder: Path) -> None:
    here, missing = str(folder / "a.txt"), str(folder / "none")

    assert await guest("metadata#any-exist", [missing, here]) is True
    assert await guest("metadata#any-exist", [missing]) is False


async def sets_times(guest: Guest, folder: Path) -> None:
    later = {"seconds": 86_400, "nanoseconds": 0}

    await guest("metadata#set-times", str(folder / "link"), _NOON, later)

    found = (folder / "a.txt").stat()
    assert (found.st_atime_ns, found.st_mtime_ns) == (
        43_200_000_000_005,
        86_400 * 10**9,
    )


async def has_a_directory(guest: Guest, folder: Path) -> None:
    await guest("metadata#set-working-directory", str(folder / "sub"))

    assert await guest("metadata#get-working-directory") == str(folder / "sub")


async def goes_to_a_directory(guest: Guest, folder: Path) -> None:
    before = Path.cwd()

    await guest("metadata#set-working-directory", str(folder))

    assert await guest("filesystem#exists", "a.txt") is True
    assert await guest("filesystem#exists", "../granted/sub/./b.txt") is True
    assert Path.cwd() == before


ALLOWED: Final[dict[str, Does]] = {
    f"{FILES}#open": opens,
    f"{FILES}#[method]file.read": reads,
    f"{FILES}#[method]file.write": writes,
    f"{FILES}#[method]file.seek": seeks,
    f"{FILES}#[method]file.tell": tells,
    f"{FILES}#[static]file.close": closes,
    f"{FILES}#delete-file": deletes,
    f"{FILES}#create-directory": makes_a_directory,
    f"{FILES}#remove-directory": removes_a_directory,
    f"{FILES}#remove-directory-recursive": removes_all,
    f"{FILES}#rename": renames,
    f"{FILES}#copy": copies,
    f"{FILES}#exists": looks,
    f"{FILES}#get-metadata": learns,
    f"{FILES}#set-permissions": permits,
    f"{FILES}#create-symlink": links,
    f"{FILES}#read-symlink": reads_a_link,
    f"{META}#list-directory": lists,
    f"{META}#list-recursive": lists_all,
    f"{META}#find-files": finds,
    f"{META}#find-by-type": finds_by_type,
    f"{META}#directory-size": measures,
    f"{META}#same-file": compares,
    f"{META}#canonical-path": straightens,
    f"{META}#batch-metadata": learns_of_many,
    f"{META}#all-exist": looks_for_all,
    f"{META}#any-exist": looks_for_any,
    f"{META}#set-times": sets_times,
    f"{META}#get-working-directory": has_a_directory,
    f"{META}#set-working-directory": goes_to_a_directory,
}


@shows(*ALLOWED, allowed=True)
@pytest.mark.parametrize("operation", ALLOWED)
async def test_a_guest_may_with_a_grant(operation: str, folder: Path) -> None:
    async with running(everything(folder)) as guest:
        await ALLOWED[operation](guest, folder)

        assert guest.denied == []


PATHS: Final[dict[str, Callable[[str], tuple[Any, ...]]]] = {
    f"{FILES}#open": lambda at: (f"{at}/new", options("write", create=True)),
    f"{FILES}#delete-file": lambda at: (f"{at}/a.txt",),
    f"{FILES}#create-directory": lambda at: (f"{at}/new", {"mode": 0o7777}),
    f"{FILES}#remove-directory": lambda at: (f"{at}/empty",),
    f"{FILES}#remove-directory-recursive": lambda at: (f"{at}/sub",),
    f"{FILES}#rename": lambda at: (f"{at}/a.txt", f"{at}/b.txt"),
    f"{FILES}#copy": lambda at: (f"{at}/a.txt", f"{at}/b.txt"),
    f"{FILES}#exists": lambda at: (f"{at}/a.txt",),
    f"{FILES}#get-metadata": lambda at: (f"{at}/a.txt",),
    f"{FILES}#set-permissions": lambda at: (f"{at}/a.txt", {"mode": 0}),
    f"{FILES}#create-symlink": lambda at: ("a.txt", f"{at}/new"),
    f"{FILES}#read-symlink": lambda at: (f"{at}/link",),
    f"{META}#list-directory": lambda at: (at,),
    f"{META}#list-recursive": lambda at: (at, 3),
    f"{META}#find-files": lambda at: (at, "["),
    f"{META}#find-by-type": lambda at: (at, "regular"),
    f"{META}#directory-size": lambda at: (at,),
    f"{META}#same-file": lambda at: (f"{at}/a.txt", f"{at}/link"),
    f"{META}#canonical-path": lambda at: (f"{at}/link",),
    f"{META}#batch-metadata": lambda at: ([f"{at}/a.txt", at],),
    f"{META}#all-exist": lambda at: ([f"{at}/a.txt"],),
    f"{META}#any-exist": lambda at: ([f"{at}/a.txt"],),
    f"{META}#set-times": lambda at: (f"{at}/a.txt", _NOON, _NOON),
    f"{META}#get-working-directory": lambda _: (),
    f"{META}#set-working-directory": lambda at: (at,),
}


@shows(*PATHS, allowed=False)
@pytest.mark.parametrize("operation", PATHS)
async def test_a_guest_without_grants_is_refused(operation: str, folder: Path) -> None:
    (folder / "empty").mkdir()
    before = snapshot(folder.parent)

    async with running(Grants()) as guest:
        case = await failing(guest(operation, *PATHS[operation](str(folder))))

        assert case == "permission-denied"
        (event,) = guest.denied
        assert (event.subject, event.operation) == ("acme/guest", operation)
        assert event.reason == "no grant covers it (granted: nothing)"
    assert snapshot(folder.parent) == before


OPENED: Final[dict[str, tuple[Any, ...]]] = {
    f"{FILES}#[method]file.read": (10,),
    f"{FILES}#[method]file.write": (b"x",),
    f"{FILES}#[method]file.seek": (1,),
    f"{FILES}#[method]file.tell": (),
}


@shows(*OPENED, allowed=False)
@pytest.mark.parametrize("operation", OPENED)
async def test_an_open_file_is_of_no_use_when_its_grant_is_gone(
    operation: str, folder: Path
) -> None:
    before = snapshot(folder.parent)

    async with running(everything(folder)) as guest:
        file = await guest.open(folder / "a.txt", "read-write")
        guest.revoke()

        assert await failing(guest(operation, file, *OPENED[operation])) == (
            "permission-denied"
        )
        assert [event.operation for event in guest.denied] == [operation]
        await guest("filesystem#[static]file.close", file)
    assert snapshot(folder.parent) == before


USED: Final = [name for name in PATHS if not name.endswith("get-working-directory")]
"""Those that open a directory between the check and the use."""


@pytest.mark.parametrize("anyio_backend", ["trio"])  # decided in a thread
@pytest.mark.parametrize("operation", USED)
async def test_a_grant_that_goes_between_check_and_use_is_gone(
    operation: str, folder: Path
) -> None:
    (folder / "empty").mkdir()
    open_folder = best_pin()

    def late(path: str) -> int:
        guest.revoke()
        return open_folder(path)

    before = snapshot(folder.parent)
    async with running(everything(folder), pin=late) as guest:
        args = PATHS[operation](str(folder))
        if operation.endswith("find-files"):
            args = (str(folder), "*")
        if operation.endswith("create-directory"):
            args = (f"{folder}/new", {"mode": 0o700})

        assert await failing(guest(operation, *args)) == "permission-denied"
        assert [event.operation for event in guest.denied] == [operation]
    assert snapshot(folder.parent) == before


@pytest.mark.parametrize("anyio_backend", ["trio"])  # decided in a thread
@pytest.mark.parametrize("operation", PATHS)
async def test_what_is_not_granted_is_denied_whether_it_exists_or_not(
    operation: str, folder: Path
) -> None:
    async with running(everything(folder / "sub")) as guest:
        for missing in (folder / "none", folder / "a.txt" / "none", folder):
            args = PATHS[operation](str(missing))
            assert await failing(guest(operation, *args)) == "permission-denied"


@pytest.mark.parametrize("anyio_backend", ["trio"])  # decided in a thread
@pytest.mark.parametrize("name", ["etc", "none", "etc/passwd", "none/none"])
async def test_a_path_is_followed_to_the_first_part_that_no_grant_leads_through(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = "/".join([".."] * (name.count("/") + 1))
    long = f"/{name}/{up}" * (4000 // len(f"/{name}/{up}"))
    looked_at: list[str] = []
    lstat = os.lstat

    def counting(path: Any, **more: Any) -> os.stat_result:
        looked_at.append(path)
        return lstat(path, **more)

    monkeypatch.setattr(os, "lstat", counting)
    async with running(everything(folder)) as guest:
        path = f"{long}{folder}/a.txt"
        case = await failing(guest("filesystem#exists", path))
        assert await guest("filesystem#exists", f"{folder}/sub/../a.txt") is True

    assert case == "permission-denied"
    assert sum(f"/{name}".startswith(each) for each in looked_at) <= 2
    (event,) = guest.denied
    assert event.needed == f"list '/{name}'"
