from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import FilesystemGrants, NetworkGrants, StorageGrants
from airssys.host.filesystem import FILESYSTEM, METADATA, Disk, filesystem_interfaces
from airssys.host.permissions import PERMISSIONS, permissions_interface
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder
from airssys.witmodel.signatures import SIGNATURES
from airssys.witmodel.types import Variant

from ..operations import operation
from ..relay import Relay, relay

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(sys.platform != "linux", reason="files are opened on Linux"),
]

GRANTED = Variant("granted")
PATHS = {
    "check-file-read": "read",
    "check-file-write": "write",
    "check-file-delete": "delete",
    "check-directory-list": "list",
}


def full(*functions: str) -> list[str]:
    return [f"{PERMISSIONS}#{function}" for function in functions]


@asynccontextmanager
async def asking(grants: Grants | Standing) -> AsyncIterator[Relay]:
    recorder = Recorder()
    gate = Gate(recorder)
    disk = Disk(gate)
    offered = [
        permissions_interface(gate, disk),
        *filesystem_interfaces(gate, disk=disk),
    ]
    async with relay(offered, grants=grants, guard=gate, recorder=recorder) as guest:
        yield guest


def on_files(**granted: list[str]) -> Grants:
    some: Any = granted
    return Grants(filesystem=FilesystemGrants(**some))


async def denied(guest: Relay, function: str, *args: object) -> str:
    """Ask, and return why it is denied, which is no event."""
    before = len(guest.denied)
    answer = await guest(f"permissions#{function}", *args)
    assert isinstance(answer, Variant)
    assert answer.case == "denied"
    assert len(guest.denied) == before
    return str(answer.value)


@operation(*full(*PATHS), allowed=True)
@pytest.mark.parametrize("operation", full(*PATHS))
async def test_a_path_may_be_used_as_it_is_granted(
    operation: str, tmp_path: Path
) -> None:
    function = operation.partition("#")[2]
    root = tmp_path.resolve()
    action = PATHS[function]
    async with asking(on_files(**{action: [f"{root}/in/*"]})) as guest:
        (root / "in").mkdir()
        (root / "in" / "a").touch()
        assert await guest(f"permissions#{function}", f"{root}/in/a") == GRANTED
        assert await guest(f"permissions#{function}", f"{root}/in/not") == GRANTED
        words = await denied(guest, function, f"{root}/a")
        assert "no grant covers it" in words
        for other in set(PATHS) - {function}:
            await denied(guest, other, f"{root}/in/a")


async def test_links_are_followed_as_they_are_in_use(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    (root / "in").mkdir()
    (root / "out").touch()
    (root / "in" / "link").symlink_to("../out")
    inside = [f"{root}/in/*"]
    async with asking(on_files(read=inside, write=inside, delete=inside)) as guest:
        words = await denied(guest, "check-file-read", f"{root}/in/link")
        await denied(guest, "check-file-write", f"{root}/in/../out")
        # To delete it deletes the link itself.
        assert await guest("permissions#check-file-delete", f"{root}/in/link") == (
            GRANTED
        )
        for path in ("", "a\0b"):
            await denied(guest, "check-file-read", path)

    assert f"{root}/out" not in words


async def test_relative_paths_begin_at_the_callers_directory(tmp_path: Path) -> None:
    root = str(tmp_path.resolve())
    async with asking(on_files(read=[f"{root}/*"], list=[root])) as guest:
        await denied(guest, "check-file-read", "a")
        await guest("metadata#set-working-directory", root)
        assert await guest("permissions#check-file-read", "a") == GRANTED


@operation(*full("check-network-outbound"), allowed=True)
async def test_a_connection_is_granted_by_name_or_address() -> None:
    outbound = ["*.example.org:443", "10.0.0.0/8:1-99", "[::1]:80"]
    check = "permissions#check-network-outbound"
    async with asking(Grants(network=NetworkGrants(outbound=outbound))) as guest:
        assert await guest(check, "api.example.org", 443) == GRANTED
        assert await guest(check, "API.example.ORG.", 443) == GRANTED
        assert await guest(check, "10.1.2.3", 7) == GRANTED
        assert await guest(check, "::1", 80) == GRANTED
        for host, port in (
            ("example.org", 443),
            ("evilexample.org", 443),
            ("api.example.org", 80),
            ("10.1.2.3", 0),
            ("10.1.2.3", 100),
            ("011.1.2.3", 7),
            ("not a host", 443),
        ):
            await denied(guest, "check-network-outbound", host, port)


@operation(*full("check-storage-access"), allowed=True)
@pytest.mark.parametrize("action", ["read", "write", "delete"])
async def test_storage_is_there_for_who_has_any_grant_of_it(action: str) -> None:
    some: Any = {action: ["component:self/a/*"]}
    check = "permissions#check-storage-access"
    async with asking(Grants(storage=StorageGrants(**some))) as guest:
        assert await guest(check, "component:self") == GRANTED
        for other in ("acme/b", "component:acme/b", "", "*", "component:self/a"):
            await denied(guest, "check-storage-access", other)


async def test_nothing_is_granted_without_grants_or_after_their_end() -> None:
    everything = Grants(
        storage=StorageGrants(read=["**"]),
        network=NetworkGrants(outbound=["*.example.org:*"]),
        filesystem=FilesystemGrants(read=["/**"]),
        expires={"storage": 1, "network": 1, "filesystem": 1},
    )
    for grants in (Grants(), everything):
        async with asking(grants) as guest:
            await denied(guest, "check-storage-access", "component:self")
            await denied(guest, "check-network-outbound", "a.example.org", 1)
            await denied(guest, "check-file-read", "/a")


async def test_an_answer_holds_until_the_grant_is_revoked() -> None:
    standing = Standing(on_files(read=["/a"]))
    async with asking(standing) as guest:
        assert await guest("permissions#check-file-read", "/a") == GRANTED
        standing.grants = Grants()
        await denied(guest, "check-file-read", "/a")


def test_all_functions_are_offered_with_their_types() -> None:
    for interface in (permissions_interface(Gate()), *filesystem_interfaces(Gate())):
        types = {name: one.wit for name, one in interface.functions.items()}
        assert types == SIGNATURES[interface.name]
        assert interface.name in {PERMISSIONS, FILESYSTEM, METADATA}
