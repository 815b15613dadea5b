"""Whatever a guest passes to a function of the file system is answered, or refused."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest
from anyio.from_thread import start_blocking_portal
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.core.limits import Quota
from airssys.host.filesystem import FileLimits, filesystem_interfaces
from airssys.host.filesystem.open_file import OpenFile
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostFunction
from airssys.witmodel.parse import parse_world
from airssys.witmodel.types import (
    Borrow,
    FuncType,
    InstanceType,
    List,
    Own,
    Scalar,
    WitType,
)

from ...engine.made import values
from ...fuzz.made import SCALARS
from .guest import Guest, descriptors, grants, options, running

pytestmark = pytest.mark.guest

FUNCTIONS: Final = {
    f"{each.name}#{name}": function
    for each in filesystem_interfaces(Gate())
    for name, function in each.functions.items()
}
PATHS: Final = st.lists(
    st.sampled_from(
        (
            *("a.txt", "sub", "sub/", "new", "link", "away", "loop", "fifo", "odd"),
            *(
                "..",
                ".",
                "",
                "/",
                "x" * 255,
                "x" * 256,
                "\0",
                "\n",
                "\ud7ff",
                "\U0010ffff",
            ),
        )
    ),
    max_size=5,
).map("/".join)
TEXTS: Final = st.one_of(
    PATHS,
    PATHS.map(lambda path: f"@/{path}"),
    PATHS.map(lambda path: f"@/{path}"),
    st.sampled_from(
        ("*", "**/*.txt", "[", "{a,b}", "?" * 1024, "*a" * 500, "/*" * 5000)
    ),
    SCALARS["string"],
)
NUMBERS: Final = (
    *(0, 1, 9, 0o777, 0o7777, 10**9, 2**31, 2**32 - 1),
    *(2**63 - 1, 2**63, 2**64 - 1),
)


def arguments(type_: WitType) -> st.SearchStrategy[Any]:
    return values(type_, leaf, lambda each: st.lists(each, max_size=3))


def leaf(type_: WitType) -> st.SearchStrategy[Any] | None:
    match type_:
        case Scalar("string"):
            return TEXTS
        case Scalar("u32" | "u64" as name):
            most = 2 ** int(name[1:])
            return (
                st.sampled_from([one for one in NUMBERS if one < most]) | SCALARS[name]
            )
        case Scalar(name):
            return SCALARS[name]
        case List(Scalar("u8")):
            return st.sampled_from((b"", b"x", b"\xff" * 70_000))
        case Own() | Borrow():
            return st.builds(Held, st.integers(0, 9))
        case _:
            return None


@frozen
class Held:
    """Stands for one of the files that are open."""

    index: int


def type_of(function: HostFunction) -> FuncType:
    text = (
        f"world w {{ import a:b/c: interface {{ resource file; f: {function.wit}; }} }}"
    )
    extern = parse_world(text).imports["a:b/c"]
    assert isinstance(extern, InstanceType)
    ((_, found),) = extern.functions()
    return found


CALLS: Final = st.one_of(
    [
        st.tuples(
            st.just(name),
            st.tuples(*(arguments(type_) for _, type_ in type_of(one).params)),
        )
        for name, one in FUNCTIONS.items()
    ]
)


def filled(value: Any, folder: Path, files: list[OpenFile]) -> Any:
    match value:
        case str():
            return value.replace("@", str(folder))
        case list():
            return [filled(one, folder, files) for one in value]
        case Held():
            return files[value.index % len(files)]
        case _:
            return value


def build(folder: Path) -> None:
    (folder / "sub" / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"alpha")
    (folder / "link").symlink_to("a.txt")
    (folder / "away").symlink_to("..")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "fifo")
    for at in (folder, folder / "sub"):
        (at / os.fsdecode(b"\xff")).write_bytes(b"odd")
    (folder / "odd").symlink_to(os.fsdecode(b"\xff"))


def unlock(folder: Path) -> None:
    """Let whoever runs this enter, and so remove, what a guest took from them."""
    folder.chmod(0o700)
    for path in folder.iterdir():
        if not path.is_symlink() and path.is_dir():  # a link can be too long to follow
            unlock(path)


async def play(calls: list[tuple[str, tuple[Any, ...]]], folder: Path) -> None:
    below = [str(folder), f"{folder}/**"]
    standing = grants(read=below, write=below, delete=[f"{folder}/**"], list=below)
    budget = Budget("acme/a", Quota(handles=20))
    limits = FileLimits(file_size=10_000_000, entries=50, depth=5, paths=3)
    async with running(standing, budget=budget, limits=limits) as guest:
        files = [
            await guest.open(folder / "a.txt", mode) for mode in ("read", "append")
        ]
        await guest("metadata#set-working-directory", str(folder))
        for name, args in calls:
            await step(guest, name, args, folder, files)
        unlock(folder)
        guest.revoke()
        for name, args in calls:
            await step(guest, name, args, folder, files)
        for each in files:
            await guest.relay.drop(each)
        await guest.relay.drop(await make(guest, folder))
    assert budget.stores["handles"][0].used == 0


async def make(guest: Guest, folder: Path) -> Any:
    guest.standing.grants = grants(read=[f"{folder}/**"], write=[f"{folder}/**"])
    folder.chmod(0o700)
    (folder / "last").unlink(missing_ok=True)
    return await guest(
        "filesystem#open", f"{folder}/last", options("write", create_new=True)
    )


async def step(
    guest: Guest, name: str, args: tuple[Any, ...], folder: Path, files: list[OpenFile]
) -> None:
    if not files and "file." in name:
        return
    denied = len(guest.denied)
    given = [filled(arg, folder, files) for arg in args]
    none = guest.standing.grants == Grants()
    try:
        found = await guest(name, *given)
    except WitError:
        assert len(guest.denied) - denied in ((1,) if none else (0, 1)), name
    else:
        assert len(guest.denied) == denied
        # To close a file, and to ask for no path at all, takes no grant.
        assert not none or name.endswith("close") or args == ([],), name
        if isinstance(found, OpenFile):
            files.append(found)
    if name.endswith("close"):
        files.remove(given[0])


def test_whatever_is_passed_is_answered_or_refused() -> None:
    with start_blocking_portal("trio") as portal:

        @settings(
            database=None,
            deadline=None,
            derandomize=True,
            max_examples=8,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(CALLS, min_size=20, max_size=30))
        def run(calls: list[tuple[str, tuple[Any, ...]]]) -> None:
            before = descriptors()
            once(calls)
            assert descriptors() <= before + 1

        def once(calls: list[tuple[str, tuple[Any, ...]]]) -> None:
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made).resolve() / "granted"
                build(folder)
                portal.call(play, calls, folder)
                unlock(folder)

        once([])  # from then on the guest is compiled, by a process with its pipes
        run()
