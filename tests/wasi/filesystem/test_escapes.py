"""No way leads out of the folder that a guest has."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import FilesystemGrants

from ...host.filesystem.guest import descriptors, snapshot
from ...operations import operation
from .guest import FOLLOW, NO_LINKS, Guest, at, everything, failing, grants, running

Use = Callable[[Guest, str], Awaitable[Any]]

USES: dict[str, Use] = {
    "read": lambda guest, path: guest.open(path),
    "write": lambda guest, path: guest.open(path, "write", how=["create"]),
    "truncate": lambda guest, path: guest.open(path, how=["truncate"]),
    "stat": lambda guest, path: guest("stat-at", guest.root, FOLLOW, path),
    "hash": lambda guest, path: guest("metadata-hash-at", guest.root, FOLLOW, path),
    "times": lambda guest, path: guest(
        "set-times-at", guest.root, FOLLOW, path, at(1), at(1)
    ),
}
NAMES: dict[str, Use] = {
    "make": lambda guest, path: guest("create-directory-at", guest.root, path),
    "remove": lambda guest, path: guest("remove-directory-at", guest.root, path),
    "unlink": lambda guest, path: guest("unlink-file-at", guest.root, path),
    "rename from": lambda guest, path: guest(
        "rename-at", guest.root, path, guest.root, "taken"
    ),
    "rename to": lambda guest, path: guest(
        "rename-at", guest.root, "a.txt", guest.root, path
    ),
    "link from": lambda guest, path: guest(
        "link-at", guest.root, NO_LINKS, path, guest.root, "taken"
    ),
    "link to": lambda guest, path: guest(
        "link-at", guest.root, NO_LINKS, "a.txt", guest.root, path
    ),
    "symlink": lambda guest, path: guest("symlink-at", guest.root, "a.txt", path),
    "readlink": lambda guest, path: guest("readlink-at", guest.root, path),
}
WAYS = {
    "dots": "../outside/secret.txt",
    "dots from below": "sub/../../outside/secret.txt",
    "and back": "../granted/a.txt",
    "absolute": "/etc/passwd",
    "absolute inside": "{folder}/a.txt",
    "a link out": "out/secret.txt",
    "an absolute link": "away/secret.txt",
    "a link to itself by the outside": "round/a.txt",
    "a link in a link": "chain/secret.txt",
    "a process": "proc/self/root/etc/passwd",
}


@pytest.fixture
def trapped(folder: Path) -> Path:
    """Return the folder with links that lead out of it."""
    (folder / "out").symlink_to("../outside")
    (folder / "away").symlink_to(folder.parent / "outside")
    (folder / "round").symlink_to("../granted")
    (folder / "chain").symlink_to("sub/out")
    (folder / "sub" / "out").symlink_to("../../outside")
    (folder / "proc").symlink_to("/proc")
    return folder


def all_granted(folder: Path) -> Grants:
    """Grant all of the disk, so that nothing but the folder itself keeps a guest in."""
    actions = ["/**", "/"]
    return Grants(
        filesystem=FilesystemGrants(
            read=actions, write=actions, delete=actions, list=actions
        )
    )


@pytest.mark.parametrize("granted", [everything, all_granted])
@pytest.mark.parametrize("use", [*USES, *NAMES])
async def test_no_way_leads_out(
    trapped: Path, use: str, granted: Callable[[Path], Grants]
) -> None:
    before = snapshot(trapped.parent)
    found: dict[str, str] = {}
    async with running(granted(trapped), preopens={"/d": str(trapped)}) as guest:
        for way, path in WAYS.items():
            doing = {**USES, **NAMES}[use](guest, path.format(folder=trapped))
            found[way] = await failing(doing)
        denied = guest.denied

    assert found == dict.fromkeys(WAYS, "not-permitted")
    assert len(denied) == len(WAYS)
    assert snapshot(trapped.parent) == before


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("link", ["last", "lost"])
async def test_a_link_in_the_last_place_does_not_lead_out(
    folder: Path, use: str, link: str
) -> None:
    (folder / "last").symlink_to("../outside/secret.txt")
    (folder / "lost").symlink_to("../outside/none")
    before = snapshot(folder.parent)
    async with running(everything(folder)) as guest:
        assert await failing(USES[use](guest, link)) == "not-permitted"

    assert snapshot(folder.parent) == before


async def test_a_link_in_the_last_place_can_be_looked_at(folder: Path) -> None:
    (folder / "last").symlink_to("../outside/secret.txt")
    async with running(everything(folder)) as guest:
        found = await guest("stat-at", guest.root, NO_LINKS, "last")
        assert found.type == "symbolic-link"
        assert await guest("readlink-at", guest.root, "last") == "../outside/secret.txt"
        await guest("unlink-file-at", guest.root, "last")

    assert (folder.parent / "outside" / "secret.txt").exists()


async def test_a_magic_link_of_a_process_leads_nowhere(folder: Path) -> None:
    with (folder / "a.txt").open() as held:
        magic = f"self/fd/{held.fileno()}"
        async with running(all_granted(folder), preopens={"/proc": "/proc"}) as guest:
            assert await failing(guest.open(magic)) == "not-permitted"
            assert await failing(guest.open("self/root/etc")) == "not-permitted"
            assert await failing(guest.open("self/cwd")) == "not-permitted"


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.set-times-at",
    allowed=False,
)
async def test_what_has_another_name_outside_is_not_written(folder: Path) -> None:
    (folder / "hard").hardlink_to(folder.parent / "outside" / "secret.txt")
    async with running(everything(folder)) as guest:
        for how in ([], ["truncate"], ["create"]):
            opening = guest.open("hard", "write", how=how)
            assert await failing(opening) == "not-permitted"
        times = guest("set-times-at", guest.root, NO_LINKS, "hard", at(1), at(1))
        assert await failing(times) == "not-permitted"

    assert (folder.parent / "outside" / "secret.txt").read_bytes() == b"secret"


async def test_a_loop_of_links_ends(folder: Path) -> None:
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    async with running(everything(folder)) as guest:
        assert await failing(guest.open("one")) == "loop"
        assert await failing(guest.open("one", follow=False)) == "loop"


async def test_only_what_is_granted_is_reached_by_a_link_inside(folder: Path) -> None:
    (folder / "shortcut").symlink_to("sub/b.txt")
    granted = grants(read=[f"{folder}/shortcut", f"{folder}/a.txt"])
    async with running(granted, preopens={"/d": str(folder)}) as guest:
        assert await failing(guest.open("shortcut")) == "not-permitted"
        assert await guest.read(await guest.open("link")) == b"alpha"


# --- races --------------------------------------------------------------------------


@contextmanager
def swapping(folder: Path) -> Iterator[None]:
    """Put a link out in the place of a directory, and back, as fast as it goes."""
    door, kept, out = folder / "door", folder / "kept", folder / "out"
    door.mkdir()
    (door / "secret.txt").write_bytes(b"mine")
    out.symlink_to("../outside")
    ends = Event()

    def swap() -> None:
        while not ends.is_set():
            os.rename(door, kept)  # noqa: PTH104 - as fast as it goes
            os.rename(out, door)  # noqa: PTH104
            os.rename(door, out)  # noqa: PTH104
            os.rename(kept, door)  # noqa: PTH104

    thread = Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


async def test_a_folder_that_becomes_a_link_is_not_followed(folder: Path) -> None:
    secret = folder.parent / "outside" / "secret.txt"
    seen: set[object] = set()
    async with running(everything(folder)) as guest:
        with swapping(folder):
            for _ in range(60):
                try:
                    file = await guest.open("door/secret.txt")
                    seen.add(await guest.read(file))
                    await guest.relay.drop(file)
                except WitError as error:
                    seen.add(error.value)
                try:
                    file = await guest.open("door/secret.txt", "write")
                    await guest("write", file, b"mine", 0)
                    await guest.relay.drop(file)
                except WitError as error:
                    seen.add(error.value)

    assert b"secret" not in seen
    assert secret.read_bytes() == b"secret"
    assert seen <= {b"mine", "not-permitted", "no-entry", "loop"}


async def test_nothing_stays_open_of_what_was_refused(trapped: Path) -> None:
    async with running(everything(trapped)) as guest:
        await guest.relay.drop(await guest.open("a.txt"))
        before = descriptors()
        for _ in range(20):
            for path in ("out/secret.txt", "none", "a.txt/", "sub/../../x"):
                with pytest.raises(WitError):
                    await guest.open(path)
        assert descriptors() == before
