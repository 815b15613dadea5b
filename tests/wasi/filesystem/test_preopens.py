"""The folders that guests have from the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from airssys.core.grants.grants import Grants
from airssys.wasi import Context
from airssys.wasi.filesystem.preopens import granted_folders

from ...operations import operation
from .guest import everything, failing, grants, running


@pytest.mark.parametrize(
    ("granted", "folders"),
    [
        (Grants(), []),
        (grants(read=["/srv/data/**"]), ["/srv/data"]),
        (grants(read=["/srv/data/*.png"], write=["/srv/out/**"]), None),
        (grants(read=["/srv/{a,b}/**"]), ["/srv/a", "/srv/b"]),
        (grants(read=["/etc/hosts"]), ["/etc"]),
        (grants(list=["/srv/data"]), ["/srv/data"]),
        (grants(list=["/srv/data"], read=["/srv/data/**"]), ["/srv/data"]),
        (grants(delete=["/srv/img-*/x"]), ["/srv"]),
        (grants(read=["/**"]), ["/"]),
        (grants(read=["/hosts"], list=["/"]), ["/"]),
    ],
)
def test_the_folders_that_grants_name(
    granted: Grants, folders: list[str] | None
) -> None:
    found = granted_folders(granted)

    assert list(found) == (["/srv/data", "/srv/out"] if folders is None else folders)
    assert all(guest == host for guest, host in found.items())


async def test_by_default_they_are_those_of_the_grants(folder: Path) -> None:
    granted = grants(read=[f"{folder}/**", f"{folder}/none/**", f"{folder}/a.txt/**"])
    async with running(granted) as guest:
        found = await guest.preopens()
        assert list(found) == [str(folder)]
        assert await guest("get-type", found[str(folder)]) == "directory"
        assert await guest.read(await guest.open("a.txt")) == b"alpha"


async def test_there_are_none_without_grants(folder: Path) -> None:
    async with running(Grants()) as guest:
        assert await guest.preopens() == {}


async def test_the_host_may_name_them(folder: Path) -> None:
    given = {"/data": str(folder), "/none": f"{folder}/none", "/f": f"{folder}/a.txt"}
    async with running(everything(folder), preopens=given) as guest:
        assert list(await guest.preopens()) == ["/data"]
        assert await guest.read(await guest.open("sub/b.txt")) == b"beta"
        assert await failing(guest.open("none")) == "no-entry"


@operation(
    "wasi:filesystem/types@0.2.12#[method]descriptor.open-at",
    "wasi:filesystem/types@0.2.12#[method]descriptor.stat",
    allowed=False,
)
async def test_a_preopen_alone_grants_nothing(folder: Path) -> None:
    given = {"/data": str(folder)}
    async with running(Grants(), preopens=given) as guest:
        assert await failing(guest("stat", guest.root)) == "not-permitted"
        assert await failing(guest.open(".")) == "not-permitted"
        assert await failing(guest.open("a.txt")) == "not-permitted"
        assert len(guest.denied) == 3


async def test_none_are_given_where_the_host_names_none(folder: Path) -> None:
    async with running(everything(folder), preopens={}) as guest:
        assert await guest.preopens() == {}


async def test_one_that_is_a_link_is_where_it_leads(folder: Path) -> None:
    link = folder.parent / "way"
    link.symlink_to(folder)
    async with running(everything(folder), preopens={"/d": str(link)}) as guest:
        assert await guest.read(await guest.open("a.txt")) == b"alpha"
        assert await failing(guest.open("../outside/secret.txt")) == "not-permitted"
        # Wherever the link leads afterwards.
        link.unlink()
        link.symlink_to(folder.parent / "outside")
        assert await failing(guest.open("secret.txt")) == "no-entry"


@pytest.mark.parametrize(
    "wrong",
    [{"": "/srv"}, {"/a\0": "/srv"}, {"/a": "srv"}, {"/a": ""}, {"/a": "/s\0"}],
)
def test_a_context_refuses_what_is_no_folder(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"is no path for a guest|absolute path"):
        Context(preopens=wrong)


def test_a_context_takes_paths_of_any_kind() -> None:
    assert Context(preopens={"/a": Path("/srv")}).preopens == {"/a": "/srv"}
