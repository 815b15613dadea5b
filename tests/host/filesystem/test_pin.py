from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from airssys.host.filesystem.about import born_at
from airssys.host.filesystem.linux import created, openat2, openat2_works
from airssys.host.filesystem.pin import (
    Pin,
    best_pin,
    look,
    pin_at_once,
    pin_by_walk,
    pinned,
)
from airssys.host.filesystem.resolve import Moved

from .guest import descriptors

needs_openat2 = pytest.mark.skipif(not openat2_works(), reason="needs openat2")
both = pytest.mark.parametrize(
    "pin", [pytest.param(pin_at_once, marks=needs_openat2), pin_by_walk]
)


@both
def test_a_directory_is_held_by_a_descriptor(pin: Pin, folder: Path) -> None:
    with pinned(pin, f"{folder}/sub/b.txt") as (directory, name):
        assert name == "b.txt"
        assert os.path.samestat(os.fstat(directory), (folder / "sub").stat())
        assert not os.get_inheritable(directory)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(directory)


@both
def test_the_root_holds_itself(pin: Pin) -> None:
    for path, name in (("/", "."), ("/etc", "etc")):
        with pinned(pin, path) as (directory, found):
            assert found == name
            assert os.path.samestat(os.fstat(directory), Path("/").stat())


@both
@pytest.mark.parametrize("path", ["link/x", "away/secret.txt", "none/x", "a.txt/x"])
def test_what_is_no_directory_without_links_is_not_opened(
    pin: Pin, folder: Path, path: str
) -> None:
    (folder / "away").symlink_to("../outside")
    before = descriptors()

    with pytest.raises(Moved), pinned(pin, f"{folder}/{path}"):
        pytest.fail("opened")

    assert descriptors() == before


@both
def test_other_failures_are_the_systems_own(pin: Pin, folder: Path) -> None:
    with (
        pytest.raises(OSError, match="too long") as caught,
        pinned(pin, f"{folder}/{'n' * 300}/x"),
    ):
        pytest.fail("opened")

    assert caught.value.errno == errno.ENAMETOOLONG


def test_an_opening_that_a_signal_ends_is_tried_again(folder: Path) -> None:
    def interrupted(_: str) -> int:
        raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))

    with pytest.raises(Moved), pinned(interrupted, f"{folder}/a.txt"):
        pytest.fail("opened")


def test_a_name_that_is_a_link_by_now_is_not_looked_at(folder: Path) -> None:
    with pinned(pin_by_walk, f"{folder}/link") as (directory, name):
        with pytest.raises(Moved):
            look(directory, name)
        assert look(directory, "a.txt").st_size == 5


@needs_openat2
def test_openat2_follows_no_link_at_all(folder: Path) -> None:
    root = os.open(folder, os.O_RDONLY)
    try:
        os.close(openat2(root, "sub/b.txt", os.O_RDONLY))
        for path, number in (("link", errno.ELOOP), ("../outside", errno.EXDEV)):
            with pytest.raises(OSError, match=r".") as caught:
                openat2(root, path, os.O_RDONLY)
            assert caught.value.errno == number
    finally:
        os.close(root)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_where_openat2_is_missing_or_refused_the_walk_is_taken() -> None:
    def refusing(number: int) -> bool:
        def refused(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        return openat2_works("linux", refused)

    assert refusing(errno.ENOSYS) is False
    assert refusing(errno.EPERM) is False
    with pytest.raises(OSError, match="Too many open files"):
        refusing(errno.EMFILE)
    assert best_pin(at_once=False) is pin_by_walk
    assert best_pin() is (pin_at_once if openat2_works() else pin_by_walk)


def test_other_systems_are_not_asked_for_what_linux_has() -> None:
    def asked(*_: object) -> int:
        pytest.fail("asked")

    assert openat2_works("darwin", asked) is False
    assert created(0, "none", "darwin") is None


def test_when_a_file_came_to_be_is_told_where_it_is_known(folder: Path) -> None:
    with pinned(pin_by_walk, f"{folder}/a.txt") as (directory, name):
        born = created(directory, name)
        assert created(directory, "none") is None

    if born is not None:
        assert abs(born - (folder / "a.txt").stat().st_mtime_ns) < 10**9


def test_other_systems_tell_it_with_all_else() -> None:
    assert born_at(SimpleNamespace(st_birthtime=1.5)) == 1_500_000_000
    assert born_at(SimpleNamespace()) is None
