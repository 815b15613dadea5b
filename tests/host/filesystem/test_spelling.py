from __future__ import annotations

import os
from pathlib import Path

import pytest

from airssys.host.filesystem.spelling import on_disk, spelled


def test_names_that_differ_on_the_disk_stay_as_they_are(folder: Path) -> None:
    (folder / "A.TXT").write_bytes(b"another")
    os.link(folder / "a.txt", folder / "sub" / "One")
    os.link(folder / "a.txt", folder / "sub" / "oNE")
    (folder / "é").touch()

    for path in ("A.TXT", "a.txt", "sub/One", "sub/oNE", "é", "sub"):
        where = folder / path
        assert spelled(str(where.parent), where.name, where.lstat()) == where.name


@pytest.mark.parametrize("written", ["A.txt", "A~1", "a.txt."])
def test_a_name_of_another_spelling_is_that_of_the_disk(
    folder: Path, written: str
) -> None:
    # As a file system says that ignores case, or has short names beside long ones.
    found = (folder / "a.txt").lstat()

    assert on_disk(str(folder), written, found) == "a.txt"


@pytest.mark.parametrize(
    ("written", "stands"), [("1~1", "1~1."), ("\u4e2d", "\u4e2d\N{ZERO WIDTH SPACE}")]
)
def test_a_name_without_letters_can_have_another_spelling_too(
    folder: Path, written: str, stands: str
) -> None:
    (folder / "a.txt").rename(folder / stands)

    assert spelled(str(folder), written, (folder / stands).lstat()) == stands


def test_a_name_that_could_be_one_of_two_is_refused(folder: Path) -> None:
    os.link(folder / "a.txt", folder / "b.txt")

    with pytest.raises(OSError, match="Invalid argument"):
        on_disk(str(folder), "A.TXT", (folder / "a.txt").lstat())
