from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from airssys.core.errors import ManifestError
from airssys.core.manifests.manifest import parse_manifest
from airssys.core.toml.schema import LONGEST_FILE, parse_toml
from airssys.reading import open_regular, read_bytes, read_text


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"\x00\xff")

    assert read_bytes(file) == b"\x00\xff"
    with open_regular(str(file)) as opened:
        assert opened.read() == b"\x00\xff"


def test_what_may_block_or_have_no_end_is_not_opened(tmp_path: Path) -> None:
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to("/dev/zero")
    before = len(list(Path("/proc/self/fd").iterdir()))

    for path in (fifo, link, Path("/dev/null")):
        with pytest.raises(OSError, match="it is no regular file") as refused:
            read_bytes(path)
        assert refused.value.filename == str(path)
    with pytest.raises(IsADirectoryError):
        read_text(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "none")

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_that_turns_into_a_fifo_meanwhile_is_not_waited_for(
    tmp_path: Path,
) -> None:
    file, fifo, stop = tmp_path / "a", tmp_path / "fifo", threading.Event()
    file.touch()
    os.mkfifo(fifo)
    os.link(file, tmp_path / "kept")

    def swap() -> None:
        while not stop.is_set():
            for each in ("fifo", "kept"):
                os.link(tmp_path / each, tmp_path / "next")
                (tmp_path / "next").replace(file)
                (tmp_path / "next").unlink(missing_ok=True)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(2000):
            try:
                assert read_bytes(file) == b""
            except OSError as error:
                assert error.strerror == "it is no regular file"  # noqa: PT017
    finally:
        stop.set()
        swapping.join()


def test_no_more_is_read_than_may_be(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1234")

    assert read_bytes(file, most=4) == b"1234"
    with pytest.raises(OSError, match="more than 3 bytes"):
        read_bytes(file, most=3)
    with pytest.raises(OSError, match="more than 3 bytes"):
        read_bytes("/proc/self/status", most=3)  # which says that it is empty
    with file.open("r+b") as sparse:
        sparse.truncate(2**31)
    with pytest.raises(OSError, match="more than 1_073_741_824 bytes"):
        read_bytes(file)


@pytest.mark.parametrize("one", ["a", "é", "日", "😀"])
def test_a_text_is_read_as_far_as_shows_that_it_is_too_long(
    tmp_path: Path, one: str
) -> None:
    file = tmp_path / "a.toml"
    file.write_text("#" + one * LONGEST_FILE)

    with pytest.raises(ManifestError, match="more than 262144 characters"):
        parse_toml(read_text(file), source="a")
    file.write_text("#" + one * (LONGEST_FILE - 1))
    assert parse_toml(read_text(file), source="a") == {}


@pytest.mark.parametrize("content", [b"\xff", b"a = '\xe6\x97", b"\xff\xfea\0"])
def test_other_encodings_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(content)

    with pytest.raises(ManifestError, match="it is not UTF-8 text"):
        read_text(file)


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(b"\xef\xbb\xbfa = 1\n")

    assert read_text(file) == "a = 1\n"
    assert parse_toml("\ufeffa = 1", source="a") == {"a": 1}
    with pytest.raises(ManifestError):
        parse_toml("\ufeff\ufeffa = 1", source="a")


def test_a_problem_below_a_byte_order_mark_has_its_line() -> None:
    with pytest.raises(ManifestError) as refused:
        parse_manifest("\ufeffodd = 1\n", source="a")

    assert "@ odd, line 1" in str(refused.value)


def test_a_carriage_return_alone_ends_no_line(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(b"a = 1\r\nb = 2\r\n")
    assert parse_toml(read_text(file), source="a") == {"a": 1, "b": 2}

    for content in (b"a = 1\rb = 2\n", b"# a\rb = 2\n", b"a = 1\r", b"a = 'x\ry'\n"):
        file.write_bytes(content)
        with pytest.raises(ManifestError):
            parse_toml(read_text(file), source="a")
