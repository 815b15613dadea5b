from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from airssys.host.filesystem.resolve import InvalidPath, Place, resolve


def going(folder: Path, path: str, *, follow: bool = True) -> Place:
    return resolve(path.replace("@", str(folder)), follow=follow)


@pytest.fixture
def tree(folder: Path) -> Path:
    """Return the folder with links in all directions."""
    (folder / "up").symlink_to("..")
    (folder / "sub" / "back").symlink_to("../a.txt")
    (folder / "absolute").symlink_to(folder / "sub")
    (folder / "chain").symlink_to("absolute/back")
    (folder / "dangling").symlink_to("none")
    (folder / "slashed").symlink_to("sub/")
    (folder / "loop").symlink_to("pool")
    (folder / "pool").symlink_to("loop")
    (folder / "through").symlink_to("a.txt/x")
    return folder


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("@/a.txt", "@/a.txt"),
        ("@//./a.txt", "@/a.txt"),
        ("@/link", "@/a.txt"),
        ("@/sub/../a.txt", "@/a.txt"),
        ("@/sub/back", "@/a.txt"),
        ("@/absolute/b.txt", "@/sub/b.txt"),
        ("@/absolute/../a.txt", "@/a.txt"),
        ("@/chain", "@/a.txt"),
        ("@/up/granted/link", "@/a.txt"),
        ("@/dangling", "@/none"),
        ("@/none", "@/none"),
        ("/", "/"),
        ("/..", "/"),
        ("/../../..", "/"),
    ],
)
def test_a_path_leads_where_the_kernel_goes(
    tree: Path, path: str, leads_to: str
) -> None:
    place = going(tree, path)

    assert (place.path, place.problem) == (leads_to.replace("@", str(tree)), 0)
    if os.path.exists(path.replace("@", str(tree))):  # noqa: PTH110
        assert place.path == os.path.realpath(path.replace("@", str(tree)))


@pytest.mark.parametrize(
    ("path", "problem", "leads_to"),
    [
        ("@/none/x", errno.ENOENT, "@/none/x"),
        ("@/none/../a.txt", errno.ENOENT, "@/a.txt"),
        ("@/a.txt/..", errno.ENOTDIR, "@"),
        ("@/a.txt/x/../y", errno.ENOTDIR, "@/a.txt/y"),
        ("@/through", errno.ENOTDIR, "@/a.txt/x"),
        ("@/loop/x", errno.ELOOP, "@/loop/x"),
        ("@/" + "n" * 300, errno.ENAMETOOLONG, "@/" + "n" * 300),
    ],
)
def test_where_the_kernel_would_not_go_the_rest_is_kept_for_the_check(
    tree: Path, path: str, problem: int, leads_to: str
) -> None:
    place = going(tree, path)

    assert (place.path, place.problem) == (leads_to.replace("@", str(tree)), problem)
    with pytest.raises(OSError, match=r".") as caught:
        place.check()
    assert caught.value.errno == problem


def test_the_last_link_can_be_left_alone(tree: Path) -> None:
    assert going(tree, "@/link", follow=False).path == f"{tree}/link"
    assert going(tree, "@/absolute/back", follow=False).path == f"{tree}/sub/back"
    # A slash behind it asks for what it leads to.
    assert going(tree, "@/absolute/", follow=False).path == f"{tree}/sub"
    assert going(tree, "@/absolute/.", follow=False).path == f"{tree}/sub"


@pytest.mark.parametrize(
    ("path", "asks"),
    [
        *(("@/sub/", True), ("@/sub/.", True), ("@/sub/..", True), ("@/sub", False)),
        *(("@/slashed", True), ("@/slashed/b.txt", False), ("@/none/", True)),
    ],
)
def test_a_slash_at_the_end_asks_for_a_directory(
    tree: Path, path: str, *, asks: bool
) -> None:
    assert going(tree, path).folder is asks


def test_directories_that_are_left_again_are_noted(tree: Path) -> None:
    assert going(tree, "@/sub/../a.txt").left == (f"{tree}/sub",)
    assert going(tree, "@/none/../a.txt").left == (f"{tree}/none",)
    # That the directory of a link is there is plain from the link.
    assert going(tree, "@/sub/back").left == ()
    assert going(tree, "@/sub/back/../x").left == (f"{tree}/a.txt",)


def test_a_relative_path_begins_at_the_start(tree: Path) -> None:
    assert resolve("b.txt", start=f"{tree}/sub").path == f"{tree}/sub/b.txt"
    assert resolve("../link", start=f"{tree}/absolute").path == f"{tree}/a.txt"
    # Leaving the start itself tells nothing: that it is there is known.
    assert resolve("../link", start=f"{tree}/sub").left == ()
    assert resolve(".", start=f"{tree}/sub/").folder is True
    assert resolve("bin").path == os.path.realpath("/bin")


def test_a_start_that_is_a_link_by_now_is_left_like_any_other_directory(
    tree: Path,
) -> None:
    assert resolve("../link", start=f"{tree}/absolute").left == (f"{tree}/sub",)


def test_as_many_links_as_the_kernel_follows(folder: Path) -> None:
    (folder / "0").symlink_to("a.txt")
    for number in range(1, 41):
        (folder / str(number)).symlink_to(str(number - 1))

    assert resolve(f"{folder}/39").path == f"{folder}/a.txt"
    assert resolve(f"{folder}/40").problem == errno.ELOOP


def test_links_do_not_make_a_path_of_any_length(folder: Path) -> None:
    (folder / "0").symlink_to("a.txt")
    for number in range(1, 6):
        (folder / str(number)).symlink_to("sub/../" * 500 + str(number - 1))

    assert resolve(f"{folder}/4").path == f"{folder}/a.txt"
    assert resolve(f"{folder}/5").problem == errno.ENAMETOOLONG


@pytest.mark.skipif(not Path("/proc/self/root").exists(), reason="needs /proc")
def test_magic_links_are_not_followed() -> None:
    for path in ("/proc/self/root/etc", "/proc/self/cwd", "/proc/self/fd/0"):
        assert (resolve(path).problem, resolve(path).magic) == (errno.ELOOP, True)
    # This one holds nothing but its text.
    place = resolve("/proc/self/stat")
    assert (place.path, place.magic) == (f"/proc/{os.getpid()}/stat", False)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "it is empty"),
        ("/a\0b", "it holds a NUL"),
        ("/\ud800", "it cannot be written as a file name"),
        ("/" + "a/" * 2048, r"it has 4097 bytes \(at most 4095\)"),
        ("/" + "ä" * 2048, r"it has 4097 bytes"),
    ],
)
def test_what_no_path_can_be_is_refused(path: str, reason: str) -> None:
    with pytest.raises(InvalidPath, match=reason):
        resolve(path)


def test_where_the_host_may_not_go_is_a_problem(folder: Path) -> None:
    (folder / "sub").chmod(0)
    try:
        if os.access(folder / "sub", os.R_OK):
            pytest.skip("root may go everywhere")
        assert resolve(f"{folder}/sub/b.txt").problem == errno.EACCES
    finally:
        (folder / "sub").chmod(0o700)
