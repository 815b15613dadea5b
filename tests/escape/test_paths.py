from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import field, frozen

from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.host.filesystem.linux import openat2_works
from airssys.host.filesystem.pin import Pin, pin_at_once, pin_by_walk
from airssys.witmodel.types import Variant

from ..host.filesystem.guest import (
    everything,
    grants,
    options,
    running,
    snapshot,
)

pytestmark = pytest.mark.guest

OPEN: Final = "filesystem#open"
NOON: Final = {"seconds": 43_200, "nanoseconds": 0}
TEN: Final = {"mode": 0o777}


@frozen
class Attempt:
    """Something that a guest tries, which must fail and leave a record.

    In texts ``@`` is the granted folder and ``^`` the one above it, where ``outside``
    is, which is not granted.
    """

    name: str
    call: tuple[Any, ...]
    case: str = "permission-denied"
    before: tuple[tuple[Any, ...], ...] = field(default=(), kw_only=True)
    """Calls of the guest that prepare it; they are allowed."""
    setup: Callable[[Path], object] | None = field(default=None, kw_only=True)
    """What somebody else does on the disk first."""
    granted: Callable[[Path], Grants] = field(default=everything, kw_only=True)
    recorded: bool = field(default=True, kw_only=True)
    """Whether it asks for something outside, so that there must be a record."""


def reads(name: str, path: str, **more: Any) -> Attempt:
    return Attempt(name, (OPEN, path, options()), **more)


def writes(name: str, path: str, **more: Any) -> Attempt:
    asked = options("write", create=True, truncate=True)
    return Attempt(name, (OPEN, path, asked), **more)


def links(folder: Path) -> None:
    """Make links out of the granted folder, and on from there."""
    outside = folder.parent / "outside"
    (outside / "deep").mkdir()
    (outside / "inner").symlink_to("secret.txt")
    (outside / "loop").symlink_to("loop")
    (folder / "absolute").symlink_to(outside / "secret.txt")
    (folder / "relative").symlink_to("../outside/secret.txt")
    (folder / "dir").symlink_to("../outside")
    (folder / "deep").symlink_to("../outside/deep")
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("sub/three")
    (folder / "sub" / "three").symlink_to("../relative")
    (folder / "up").symlink_to("..")
    (folder / "loop").symlink_to("../outside/loop")
    (folder / "dangling").symlink_to("../outside/new.txt")
    (folder / "proc").symlink_to(f"/proc/self/root{outside}/secret.txt")
    (folder / "root").symlink_to("/")


def hard_link(folder: Path) -> None:
    os.link(folder.parent / "outside" / "secret.txt", folder / "hard.txt")


def special(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket"))


def literal(folder: Path) -> None:
    for name in ("[ab].txt", "{a,b}.txt", "*", "?.txt"):
        (folder / name).write_bytes(b"secret")


def device(folder: Path) -> None:
    try:
        os.mknod(folder / "device", 0o20666, os.makedev(1, 5))
    except OSError:
        pytest.skip("only root can make devices")


def only(*patterns: str) -> Callable[[Path], Grants]:
    return lambda folder: grants(read=[f"{folder}/{one}" for one in patterns])


def moving(folder: Path) -> Grants:
    """Grant all in the folder, the folder itself included, but not what is above."""
    here = [str(folder), f"{folder}/**"]
    return grants(read=here, write=here, delete=[f"{folder}/**"], list=here)


DOTS: Final = [
    reads("dots", "@/../outside/secret.txt"),
    reads("dots after a folder", "@/sub/../../outside/secret.txt"),
    reads("dots after a single dot", "@/sub/./.././../outside/secret.txt"),
    reads("doubled slashes", "@//..//outside//secret.txt"),
    reads("dots down and up again", "@/../granted/../outside/secret.txt"),
    reads("dots after a file", "@/a.txt/../../outside/secret.txt"),
    reads("dots after nothing", "@/none/../../outside/secret.txt"),
    reads("dots above the root", "/../../../../../../../../etc/passwd"),
    reads("dots after a link", "@/deep/../secret.txt", setup=links),
    reads("dots after a link up", "@/up/../etc/passwd", setup=links),
    reads("dots at the end of a file", "@/../outside/secret.txt/..", setup=links),
    reads("many dots", "@" + "/sub/.." * 300 + "/../outside/secret.txt"),
    reads("a folder that is there, left again", "^/outside/../granted/a.txt"),
    reads("a folder that is not, left again", "^/nothing/../granted/a.txt"),
    Attempt("list the folder above", ("metadata#list-directory", "@/..")),
    Attempt("list by a slash at the end", ("metadata#list-directory", "@/../outside/")),
    Attempt("list a neighbour", ("metadata#list-recursive", "@/sub/../../outside", 9)),
    Attempt(
        "dots from the working directory",
        (OPEN, "../outside/secret.txt", options()),
        before=(("metadata#set-working-directory", "@"),),
    ),
    Attempt(
        "the working directory goes up",
        ("metadata#set-working-directory", ".."),
        before=(("metadata#set-working-directory", "@"),),
    ),
    Attempt(
        "two steps up from the working directory",
        ("metadata#list-directory", "../.."),
        before=(("metadata#set-working-directory", "@/sub"),),
    ),
]

LINKS: Final = [
    reads("an absolute link", "@/absolute", setup=links),
    reads("a relative link", "@/relative", setup=links),
    reads("a link to a folder", "@/dir/secret.txt", setup=links),
    reads("a chain of links", "@/one", setup=links),
    reads("links all the way", "@/up/granted/dir/inner", setup=links),
    reads("a loop outside", "@/loop", setup=links),
    reads("a link to the root", "@/root/etc/passwd", setup=links),
    reads("a link through /proc", "@/proc", setup=links),
    reads("a link with a slash", "@/dir/", setup=links),
    writes("a link to write through", "@/relative", setup=links),
    writes("a link to nothing yet", "@/dangling", setup=links),
    writes("a new file behind a link", "@/dir/new.txt", setup=links),
    Attempt(
        "a new file of that name only",
        (OPEN, "@/dir/new.txt", options("write", create_new=True)),
        setup=links,
    ),
    Attempt(
        "delete behind a link",
        ("filesystem#delete-file", "@/dir/secret.txt"),
        setup=links,
    ),
    Attempt(
        "delete what a link leads to",
        ("filesystem#remove-directory", "@/deep/."),
        setup=links,
    ),
    Attempt(
        "delete a link as what it leads to",
        ("filesystem#remove-directory", "@/deep/"),
        "not-a-directory",
        setup=links,
        recorded=False,
    ),
    Attempt(
        "remove all behind a link",
        ("filesystem#remove-directory-recursive", "@/dir/."),
        setup=links,
    ),
    Attempt(
        "remove all of a link as what it leads to",
        ("filesystem#remove-directory-recursive", "@/dir/"),
        "not-a-directory",
        setup=links,
        recorded=False,
    ),
    Attempt(
        "a folder behind a link",
        ("filesystem#create-directory", "@/dir/n", TEN),
        setup=links,
    ),
    Attempt(
        "a link behind a link",
        ("filesystem#create-symlink", "x", "@/dir/n"),
        setup=links,
    ),
    Attempt(
        "read a link behind a link",
        ("filesystem#read-symlink", "@/dir/inner"),
        setup=links,
    ),
    Attempt("ask for metadata", ("filesystem#get-metadata", "@/relative"), setup=links),
    Attempt(
        "ask whether it is there", ("filesystem#exists", "@/dir/none"), setup=links
    ),
    Attempt("ask where it leads", ("metadata#canonical-path", "@/one"), setup=links),
    Attempt("compare", ("metadata#same-file", "@/a.txt", "@/relative"), setup=links),
    Attempt(
        "ask for several",
        ("metadata#batch-metadata", ["@/a.txt", "@/relative"]),
        setup=links,
    ),
    Attempt(
        "ask for any", ("metadata#any-exist", ["@/a.txt", "@/dangling"]), setup=links
    ),
    Attempt(
        "ask for all", ("metadata#all-exist", ["@/none", "@/dir/none"]), setup=links
    ),
    Attempt(
        "set permissions",
        ("filesystem#set-permissions", "@/absolute", TEN),
        setup=links,
    ),
    Attempt("set times", ("metadata#set-times", "@/absolute", NOON, NOON), setup=links),
    Attempt("find behind a link", ("metadata#find-files", "@/dir", "*"), setup=links),
    Attempt(
        "find types behind a link",
        ("metadata#find-by-type", "@/dir", "regular"),
        setup=links,
    ),
    Attempt("measure behind a link", ("metadata#directory-size", "@/dir"), setup=links),
    Attempt(
        "work behind a link", ("metadata#set-working-directory", "@/dir"), setup=links
    ),
    Attempt(
        "a link of its own making",
        (OPEN, "@/own", options()),
        before=(("filesystem#create-symlink", "../outside/secret.txt", "@/own"),),
    ),
    Attempt(
        "a link of its own to write through",
        (OPEN, "@/own/new.txt", options("write", create=True)),
        before=(("filesystem#create-symlink", "^/outside", "@/own"),),
    ),
    Attempt(
        "a link of its own, renamed",
        ("metadata#list-directory", "@/sub/own"),
        before=(
            ("filesystem#create-symlink", "../../outside", "@/own"),
            ("filesystem#rename", "@/own", "@/sub/own"),
        ),
    ),
    Attempt(
        "a link of its own to see whether something is there",
        ("filesystem#exists", "@/own"),
        before=(("filesystem#create-symlink", "^/outside/../granted/a.txt", "@/own"),),
    ),
    Attempt(
        "a working directory of links to see whether something is there",
        ("filesystem#exists", "../granted/a.txt"),
        before=(
            ("filesystem#create-directory", "@/own", TEN),
            ("metadata#set-working-directory", "@/own"),
            ("filesystem#remove-directory", "@/own"),
            ("filesystem#create-symlink", "^/outside", "@/own"),
        ),
    ),
]

MOVES: Final = [
    Attempt("rename out", ("filesystem#rename", "@/a.txt", "^/outside/a.txt")),
    Attempt("rename in", ("filesystem#rename", "^/outside/secret.txt", "@/s.txt")),
    Attempt(
        "rename out by a link",
        ("filesystem#rename", "@/a.txt", "@/dir/a.txt"),
        setup=links,
    ),
    Attempt(
        "rename in by a link",
        ("filesystem#rename", "@/dir/secret.txt", "@/s"),
        setup=links,
    ),
    Attempt("rename the folder", ("filesystem#rename", "@", "@/../other")),
    Attempt(
        "rename the folder into itself",
        ("filesystem#rename", "@", "@/sub/x"),
        granted=moving,
    ),
    Attempt("copy out", ("filesystem#copy", "@/a.txt", "^/outside/a.txt")),
    Attempt("copy in", ("filesystem#copy", "^/outside/secret.txt", "@/s.txt")),
    Attempt(
        "copy in by a link", ("filesystem#copy", "@/relative", "@/s.txt"), setup=links
    ),
    Attempt(
        "copy over by a link", ("filesystem#copy", "@/a.txt", "@/absolute"), setup=links
    ),
    Attempt("delete a neighbour", ("filesystem#delete-file", "^/outside/secret.txt")),
    Attempt("remove the folder itself", ("filesystem#remove-directory-recursive", "@")),
    Attempt(
        "remove the folder by dots",
        ("filesystem#remove-directory-recursive", "@/sub/.."),
    ),
    Attempt("remove the folder above", ("filesystem#remove-directory", "@/..")),
    Attempt("make a link outside", ("filesystem#create-symlink", "x", "^/outside/x")),
    Attempt("make a folder outside", ("filesystem#create-directory", "^/new", TEN)),
    writes("empty a file outside", "^/outside/secret.txt"),
]

MAGIC: Final = [
    *(
        reads(path, path)
        for path in (
            *("/proc/self/root/etc/passwd", "/proc/self/cwd/pyproject.toml"),
            *("/proc/self/environ", "/proc/self/exe", "/proc/self/maps"),
            *("/proc/self/fd/0", "/proc/self/fd/3", "/proc/1/root/etc/passwd"),
            *("/proc/thread-self/root/etc/passwd", "/proc/self/task/../environ"),
            *("/dev/stdin", "/dev/fd/3", "/dev/zero", "/dev/tty", "/etc/passwd"),
        )
    ),
    reads("the root of the process", "/proc/self/root@/a.txt"),
    writes("the memory of the host", "/proc/self/mem"),
    writes("a device", "/dev/null"),
    writes("a switch of the kernel", "/proc/sys/kernel/hostname"),
    Attempt("list descriptors", ("metadata#list-directory", "/proc/self/fd")),
    Attempt("read a magic link", ("filesystem#read-symlink", "/proc/self/cwd")),
    reads("a device with a grant", "/dev/null", case="not-a-file",
          granted=lambda _: grants(read=["/dev/**"])),
    reads("a magic link with a grant", "/proc/self/root/etc/passwd",
          granted=lambda _: grants(read=["/proc/**"])),
]  # fmt: skip

UNICODE: Final = [
    reads("fullwidth slashes", "@\uff0f..\uff0foutside\uff0fsecret.txt"),
    reads("a letter that looks the same", "^/gr\u0430nted/a.txt"),
    reads("a composed letter", "^/gr\u00e1nted/a.txt"),
    reads("a decomposed letter", "^/gra\u0301nted/a.txt"),
    reads("nothing that has width", "^/granted\u200b/a.txt"),
    reads("from right to left", "^/\u202edetnarg/a.txt"),
    reads("capitals", "^/GRANTED/a.txt"),
    reads("backslashes", "@\\..\\outside\\secret.txt"),
    reads("a space", "^/granted /a.txt"),
    reads("an encoded slash", "^/granted%2fa.txt"),
    reads("fullwidth dots", "@/\uff0e\uff0e/outside/secret.txt", case="not-found",
          recorded=False),
    reads("encoded dots", "@/%2e%2e/outside/secret.txt", case="not-found",
          recorded=False),
]  # fmt: skip

FORMS: Final = [
    reads("a NUL", "@/a.txt\0", case="invalid-path"),
    reads("a NUL before dots", "@/a.txt\0/../../outside/secret.txt",
          case="invalid-path"),
    reads("nothing", "", case="invalid-path"),
    reads("a long path", "@" + "/sub/.." * 600, case="invalid-path"),
    reads("a long name outside", "^/outside/" + "n" * 256),
    Attempt("a NUL to rename to", ("filesystem#rename", "@/a.txt", "@/\0"),
            "invalid-path"),
    Attempt("a NUL to look for", ("metadata#all-exist", ["@/a.txt", "\0"]),
            "invalid-path"),
]  # fmt: skip

PATTERNS: Final = [
    reads("a star stops at a slash", "@/sub/b.txt", granted=only("*")),
    reads("a star stops at a hidden slash", "@/sub/./b.txt", granted=only("*.txt")),
    reads("a question mark is no slash", "@/sub/b.txt", granted=only("sub?b.txt")),
    reads("a set is no slash", "@/sub/b.txt", granted=only("sub[!x]b.txt")),
    reads("a path that is a star", "@/*", granted=only("a.txt"), setup=literal),
    reads("a path of two stars", "@/**", granted=only("a.txt")),
    reads("a set by its name", "@/[ab].txt", granted=only("[ab].txt"), setup=literal),
    reads("braces by their name", "@/{a,b}.txt", granted=only("{a,b}.txt"),
          setup=literal),
    reads("more than the name", "@/a.txt.bak", granted=only("a.txt")),
    reads("less than the name", "@/a", granted=only("a.txt")),
    reads("a line break", "@/a.txt\n", granted=only("a.txt")),
]  # fmt: skip

FILES: Final = [
    writes("write to a second name", "@/hard.txt", setup=hard_link),
    Attempt("add to a second name", (OPEN, "@/hard.txt", options("append")),
            setup=hard_link),
    Attempt("copy over a second name", ("filesystem#copy", "@/a.txt", "@/hard.txt"),
            setup=hard_link),
    Attempt("open up a second name", ("filesystem#set-permissions", "@/hard.txt", TEN),
            setup=hard_link),
    reads("a pipe", "@/fifo", case="not-a-file", setup=special),
    writes("write to a pipe", "@/fifo", case="not-a-file", setup=special),
    reads("a socket", "@/socket", case="not-a-file", setup=special),
    reads("a device of its own", "@/device", case="not-a-file", setup=device),
    Attempt("copy a pipe", ("filesystem#copy", "@/fifo", "@/x"), "not-a-file",
            setup=special),
    Attempt("open up a pipe", ("filesystem#set-permissions", "@/fifo", TEN),
            "not-a-file", setup=special),
]  # fmt: skip

ATTEMPTS: Final = [*(DOTS + LINKS + MOVES + MAGIC + UNICODE + FORMS + PATTERNS + FILES)]


def filled(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return value.replace("@", str(folder)).replace("^", str(folder.parent))
    if isinstance(value, list):
        return [filled(one, folder) for one in value]
    return value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "granted"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"alpha")
    (root / "sub" / "b.txt").write_bytes(b"beta")
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_bytes(b"secret")
    return root


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)
async def test_a_guest_cannot_get_out(attempt: Attempt, folder: Path) -> None:
    if attempt.setup is not None:
        attempt.setup(folder)
    outside = snapshot(folder.parent / "outside")

    async with running(attempt.granted(folder)) as guest:
        for function, *args in attempt.before:
            await guest(function, *(filled(arg, folder) for arg in args))
        assert guest.denied == []
        function, *args = attempt.call
        with pytest.raises(WitError) as caught:
            await guest(function, *(filled(arg, folder) for arg in args))

        value = caught.value.value
        assert isinstance(value, Variant)
        assert (value.case, "secret" in value.value.replace("secret.txt", "")) == (
            attempt.case,
            False,
        )
        assert len(guest.denied) == attempt.recorded
        for event in guest.denied:
            assert event.subject == "acme/guest"
            assert event.operation.endswith(function.partition("#")[2])
            assert event.needed
            assert event.reason
    assert snapshot(folder.parent / "outside") == outside
    assert sorted(path.name for path in folder.parent.iterdir()) == [
        "granted",
        "outside",
    ]
    assert (folder / "a.txt").read_bytes() == b"alpha"


# --- while somebody changes the disk ----------------------------------------------


@contextmanager
def swapping(one: Path, other: Path, place: Path) -> Iterator[None]:
    """Put one and the other under a name by turns, as fast as it goes.

    At the end the other one stands there.
    """
    over = threading.Event()
    aside = place.with_name("aside")

    def swap() -> None:
        while not over.is_set():
            for each in (one, other):
                each.rename(place)
                place.rename(aside)
                aside.rename(each)
        other.rename(place)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(interval)


PINS: Final = [
    pytest.param(
        pin_at_once,
        marks=pytest.mark.skipif(not openat2_works(), reason="needs openat2"),
    ),
    pin_by_walk,
]


@pytest.mark.parametrize("pin", PINS)
@pytest.mark.parametrize("path", ["place/secret.txt", "place"])
async def test_a_link_that_comes_and_goes_leads_nowhere(
    path: str, pin: Pin, folder: Path
) -> None:
    real, link = folder / "real", folder / "away"
    if path == "place":
        real.write_bytes(b"fine")
        link.symlink_to("../outside/secret.txt")
    else:
        real.mkdir()
        (real / "secret.txt").write_bytes(b"fine")
        link.symlink_to("../outside")
    outside = snapshot(folder.parent / "outside")
    found: set[bytes] = set()
    cases: set[str] = set()

    async with running(everything(folder), pin=pin) as guest:
        with swapping(real, link, folder / "place"):
            for turn in range(100):
                mode = "read-write" if turn % 2 else "read"
                try:
                    file = await guest.open(folder / path, mode)
                except WitError as error:
                    cases.add(getattr(error.value, "case", ""))
                    continue
                found.add(await guest.read(file))
                if turn % 2:
                    await guest("filesystem#[method]file.seek", file, 0)
                    await guest.write(file, b"fine")
                await guest.relay.drop(file)
        before = len(guest.denied)
        with pytest.raises(WitError):
            await guest.open(folder / path)
        assert len(guest.denied) == before + 1

    assert found <= {b"fine"}
    assert cases <= {"permission-denied", "not-found"}
    assert snapshot(folder.parent / "outside") == outside


async def test_the_working_directory_can_become_a_link(folder: Path) -> None:
    async with running(everything(folder)) as guest:
        await guest("metadata#set-working-directory", str(folder / "sub"))
        (folder / "sub").rename(folder / "old")
        (folder / "sub").symlink_to("../outside")

        with pytest.raises(WitError):
            await guest.open("secret.txt")
        (event,) = guest.denied
        assert event.needed == f"read '{folder.parent}/outside/secret.txt'"


@pytest.mark.parametrize("pin", PINS)
async def test_a_folder_that_becomes_a_link_is_not_emptied(
    pin: Pin, folder: Path
) -> None:
    # The folder is replaced between the check of its path and its use, every time.
    there: list[str] = []

    def late(path: str) -> int:
        if path == str(folder) and not there:
            there.append(path)
            (folder / "sub").rename(folder / "old")
            (folder / "sub").symlink_to("../outside")
        return pin(path)

    outside = snapshot(folder.parent / "outside")
    async with running(everything(folder), pin=late) as guest:
        with pytest.raises(WitError):
            await guest("filesystem#remove-directory-recursive", f"{folder}/sub")
    assert there
    assert snapshot(folder.parent / "outside") == outside
    assert (folder / "old" / "b.txt").exists()


@pytest.mark.parametrize("pin", PINS)
@pytest.mark.parametrize("mode", ["read", "write"])
async def test_a_file_that_becomes_a_link_is_not_opened(
    mode: str, pin: Pin, folder: Path
) -> None:
    def late(path: str) -> int:
        found = pin(path)
        if not (folder / "a.txt").is_symlink():
            (folder / "a.txt").unlink()
            (folder / "a.txt").symlink_to("../outside/secret.txt")
        return found

    async with running(everything(folder), pin=late) as guest:
        with pytest.raises(WitError):
            await guest.open(folder / "a.txt", mode, truncate=mode == "write")
        (event,) = guest.denied
        assert event.needed == f"{mode} '{folder.parent}/outside/secret.txt'"
    assert (folder.parent / "outside" / "secret.txt").read_bytes() == b"secret"


@pytest.mark.parametrize("pin", PINS)
async def test_a_path_that_never_stays_is_refused_and_recorded(
    pin: Pin, folder: Path
) -> None:
    def late(path: str) -> int:
        # Once it was checked it is a link, and a folder again when it is checked.
        (folder / "sub").rename(folder / "old")
        (folder / "sub").symlink_to("../outside")
        try:
            return pin(path)
        finally:
            (folder / "sub").unlink()
            (folder / "old").rename(folder / "sub")

    async with running(everything(folder), pin=late) as guest:
        with pytest.raises(WitError, match="keeps changing"):
            await guest.open(folder / "sub" / "secret.txt", "write", create=True)
        (event,) = guest.denied
        assert event.reason == "what it leads to keeps changing"
    assert (folder.parent / "outside" / "secret.txt").read_bytes() == b"secret"
