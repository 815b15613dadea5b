from __future__ import annotations

import errno
from pathlib import Path

import pytest

from airssys.host.filesystem.resolve import Folder, Place, resolve


def beneath(folder: Path, path: str, *, follow: bool = True) -> Place:
    return resolve(path, beneath=Folder(str(folder)), follow=follow)


@pytest.mark.parametrize(
    ("path", "where"),
    [
        (".", ""),
        ("sub/..", ""),
        ("a.txt", "/a.txt"),
        ("sub/../link", "/a.txt"),
        ("sub/up", "/a.txt"),
        ("sub/none", "/sub/none"),
    ],
)
def test_what_is_inside_is_found(folder: Path, path: str, where: str) -> None:
    (folder / "sub" / "up").symlink_to("../a.txt")

    place = beneath(folder, path)

    assert (place.path, place.problem, place.outside) == (f"{folder}{where}", 0, False)


@pytest.mark.parametrize(
    ("path", "ends"),
    [
        ("..", ""),
        ("../granted/a.txt", ""),
        ("sub/../..", ""),
        ("none/../../x", ""),
        ("/", ""),
        ("away/x", "/away"),
        ("round", ""),
        ("sub/out", ""),
    ],
)
def test_what_leads_out_ends_there(folder: Path, path: str, ends: str) -> None:
    (folder / "away").symlink_to(folder)
    (folder / "round").symlink_to("../granted")
    (folder / "sub" / "out").symlink_to("../../outside")

    place = beneath(folder, path)

    assert place.outside
    assert place.path == f"{folder}{ends}"


def test_a_link_that_is_not_followed_does_not_lead_out(folder: Path) -> None:
    (folder / "away").symlink_to("/etc")

    assert not beneath(folder, "away", follow=False).outside
    assert beneath(folder, "away/", follow=False).outside


def test_the_root_is_never_left() -> None:
    assert resolve("../etc", beneath=Folder("/")).outside
    assert resolve("etc/..", beneath=Folder("/")).path == "/"


def test_another_folder_in_its_place_is_another(folder: Path) -> None:
    found = folder.stat()
    same = Folder(str(folder), (found.st_dev, found.st_ino))
    other = Folder(str(folder), (found.st_dev, found.st_ino + 1))

    assert resolve("a.txt", beneath=same).problem == 0
    assert resolve("a.txt", beneath=other).problem == errno.ENOENT
    assert resolve("a.txt", beneath=Folder(f"{folder}/none")).problem == errno.ENOENT
