from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from airssys.host.filesystem.linux import is_at_hand, is_local, openat2_works

linux = pytest.mark.skipif(
    sys.platform != "linux" or not openat2_works(), reason="it is Linux that tells"
)


@linux
def test_a_path_that_was_just_used_is_at_hand(folder: Path) -> None:
    (folder / "a.txt").stat()

    assert is_at_hand(str(folder / "a.txt"))
    assert is_at_hand(str(folder / "sub"))


@linux
@pytest.mark.parametrize("path", ["link", "none", "a.txt/b", "way/a.txt"])
def test_what_is_a_link_or_is_not_there_is_not_at_hand(folder: Path, path: str) -> None:
    (folder / "way").symlink_to(".")

    assert not is_at_hand(str(folder / path))


@linux
def test_what_is_no_disk_is_not_at_hand() -> None:
    assert not is_at_hand("/proc/self")


def test_nobody_knows_elsewhere(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        assert not is_local(descriptor, "darwin")
    finally:
        os.close(descriptor)
    assert not is_local(descriptor)  # it is closed
