"""What the host forbids is forbidden by whatever name it is reached."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import (
    FilesystemGrants,
    NetworkGrants,
    ProcessGrants,
)
from airssys.host.permissions import permissions_interface
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder
from airssys.witmodel.types import Variant

from ...relay import relay
from ..network import guest as net
from ..process.guest import ENV, FULL, MARK, TRUE, open_guest
from .guest import everything, failing, options, running

pytestmark = pytest.mark.guest


def forbidding(granted: Grants, **sections: Any) -> Grants:
    return evolve(granted, forbidden=Grants(**sections))


def no_files(folder: Path, *paths: str) -> Grants:
    banned = [f"{folder}/{path}" for path in paths]
    return forbidding(
        everything(folder), filesystem=FilesystemGrants(read=banned, write=banned)
    )


@pytest.mark.parametrize("link", ["sub/c.txt", "c.txt"])
async def test_a_forbidden_file_is_so_by_its_hard_links(
    link: str, folder: Path
) -> None:
    (folder / link).hardlink_to(folder / "a.txt")
    (folder / "other").write_text("other")
    async with running(no_files(folder, "a.txt", "none", "*/b*")) as guest:
        for name in (link, "a.txt"):
            path = f"{folder}/{name}"
            for function, *more in (
                ("open", options()),
                ("copy", f"{folder}/copy"),
            ):
                call = guest(f"filesystem#{function}", path, *more)
                assert await failing(call) == "permission-denied"
                denied = guest.denied[-1]
                assert denied.target == f"{folder}/a.txt"
                assert denied.reason == "the host forbids it"
                assert denied.resource == path
        # What is forbidden is to read and to write it.
        assert await guest("metadata#list-directory", str(folder))
        await guest("filesystem#delete-file", f"{folder}/{link}")
        await guest.read(await guest.open(f"{folder}/other"))


@pytest.fixture
def mounted(folder: Path) -> Iterator[Path]:
    """Mount a directory a second time, where that can be done."""
    (folder / "again").mkdir()
    command = shutil.which("mount")
    done = (
        command is not None
        and not subprocess.run(
            [command, "--bind", str(folder / "sub"), str(folder / "again")],
            capture_output=True,
            check=False,
        ).returncode
    )
    if not done:
        pytest.skip("only who may mount can")
    try:
        yield folder
    finally:
        subprocess.run(
            [shutil.which("umount") or "", "-l", folder / "again"], check=True
        )


@pytest.mark.parametrize("banned", ["sub/**", "sub/b*", "sub/{a,b}.txt"])
async def test_a_forbidden_directory_is_so_by_its_bind_mounts(
    banned: str, mounted: Path
) -> None:
    async with running(no_files(mounted, banned)) as guest:
        for name in ("b.txt", "b-new"):
            path = f"{mounted}/again/{name}"
            opening = guest.open(path, "read-write", create=True)
            if name == "b-new" and banned == "sub/{a,b}.txt":
                await opening
                continue
            assert await failing(opening) == "permission-denied"
            assert guest.denied[-1].target == f"{mounted}/sub/{name}"


async def test_a_forbidden_directory_is_not_listed_by_its_bind_mounts(
    mounted: Path,
) -> None:
    granted = forbidding(
        everything(mounted),
        filesystem=FilesystemGrants(list=[f"{mounted}/sub", f"{mounted}/sub/**"]),
    )
    again = f"{mounted}/again"
    async with running(granted) as guest:
        call = guest("metadata#list-directory", again)
        assert await failing(call) == "permission-denied"
        assert guest.denied[-1].target == f"{mounted}/sub"
        found = await guest("metadata#list-recursive", str(mounted), 9)
        assert not any("b.txt" in str(each) for each in found)
        assert any("again" in str(each) for each in found)
    directory = evolve(granted, process=FULL.process)
    async with open_guest(directory) as started:
        spawn = "lifecycle#spawn-in-directory"
        await started.fails("permission-denied", spawn, TRUE, [], again)
        assert started.denied[-1].target == f"{mounted}/sub"


async def test_a_guest_that_asks_hears_of_bans_by_other_names(folder: Path) -> None:
    (folder / "c.txt").hardlink_to(folder / "a.txt")
    gate = Gate(recorder := Recorder())
    granted = no_files(folder, "a.txt")
    async with relay(
        [permissions_interface(gate)], grants=granted, recorder=recorder, guard=gate
    ) as guest:
        asked = "permissions#check-file-read"
        assert await guest(asked, f"{folder}/sub/b.txt") == Variant("granted")
        told = await guest(asked, f"{folder}/c.txt")

    words = f"may not read '{folder}/c.txt': the host forbids it"
    assert told == Variant("denied", words)


async def test_a_forbidden_program_is_so_by_its_hard_links(tmp_path: Path) -> None:
    real, link = tmp_path.resolve() / "env", tmp_path.resolve() / "link"
    shutil.copy(ENV, real)
    os.link(real, link)
    granted = evolve(
        FULL,
        process=ProcessGrants(spawn=[f"{tmp_path.resolve()}/*"], environment=["*"]),
    )
    banned = forbidding(granted, process=ProcessGrants(spawn=[str(real)]))
    spawn = "lifecycle#spawn-with-environment"
    async with open_guest(granted) as guest:
        child = await guest(spawn, str(link), [], [(MARK, guest.mark)])
        assert MARK in await guest.output(child)
    async with open_guest(banned) as guest:
        for path in (str(link), str(real)):
            await guest.fails("permission-denied", spawn, path, [], [])
            assert guest.denied[-1].target == str(real)
            assert guest.denied[-1].reason == "the host forbids it"


BOOKS = "xn--bcher-kva.example"
SPELLINGS = (
    *("127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1."),
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::7f00:1"),
    "0.0.0.0",  # noqa: S104 - to be refused
    *("0", "::", "0:0:0:0:0:0:0:1", "127.0.0.2", "\uff11\uff12\uff17.0.0.1"),
    *("Forbidden.Example", "forbidden.example.", "FORBIDDEN.example", "bücher.example"),
    *("BÜCHER.Example.", "bücher。example", BOOKS),
)


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_a_host_passes_a_ban(host: str) -> None:
    granted = Grants(
        network=NetworkGrants(
            outbound=[
                *("127.0.0.0/8:*", "[::1]:*", "forbidden.example:*"),
                *("*.example:*", "0.0.0.0:*"),
            ]
        )
    )
    banned = ["127.0.0.1:1-65535", "forbidden.example.:*", f"{BOOKS}:*"]
    granted = forbidding(granted, network=NetworkGrants(outbound=banned))
    with net.listening() as (server, port):
        names = {name: ["127.0.0.1"] for name in ("forbidden.example", BOOKS)}
        async with net.on_network(granted, names=names) as guest:
            end = await guest.tcp()
            case = await guest.case(
                "connection#connect", end, Variant("name", (host, port))
            )

            assert case in {"permission-denied", "invalid-hostname", "invalid-address"}
            assert len(guest.denied) == 1
        assert net.nobody(server)
