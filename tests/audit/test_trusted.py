"""An audit log, or its key, that another user can write says what that user likes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import airssys
from airssys.audit.files import archives, head_of
from airssys.audit.opening import read_key
from airssys.core.errors import AuditError
from airssys.trusted import Untrusted, open_folder

from .logs import KEY, entries, opened, results, write

STRANGER = 12_345
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")


def given_away(path: Path) -> None:
    os.chown(path, STRANGER, STRANGER)


def for_all(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o002)


def for_a_group(path: Path) -> None:
    # Of the people, on most systems; there may be none of this number.
    os.chown(path, -1, STRANGER)
    path.chmod(path.stat().st_mode | 0o020)


WAYS = [
    pytest.param(given_away, marks=as_root),
    for_all,
    pytest.param(for_a_group, marks=as_root),
]


@pytest.mark.parametrize("change", WAYS)
@pytest.mark.parametrize("which", [Path, head_of])
async def test_a_log_that_another_can_write_is_refused(
    change: Callable[[Path], None], which: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = write(tmp_path / "audit.jsonl")
    change(which(path))
    before = path.read_bytes()

    with pytest.raises(AuditError, match=r"another user owns|others may write"):
        async with airssys.open_audit(path):
            raise AssertionError
    assert path.read_bytes() == before


@pytest.mark.parametrize("change", WAYS)
@pytest.mark.parametrize("depth", [1, 2])
async def test_a_log_below_a_folder_that_another_can_write_is_refused(
    change: Callable[[Path], None], depth: int, tmp_path: Path
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    path = tmp_path / "a" / "b" / "audit.jsonl"
    change(path.parents[depth - 1])

    with pytest.raises(AuditError, match=r"belongs to another|other users can write"):
        async with airssys.open_audit(path):
            raise AssertionError
    assert not path.exists()


@as_root
async def test_a_log_may_be_in_a_folder_for_all_where_nobody_takes_anothers(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    path = folder / "audit.jsonl"
    foreign = folder / "audit.jsonl.000000000001"
    foreign.write_bytes(b"{}\n")
    given_away(foreign)
    for _ in range(2):  # what others put beside it is nothing of it
        journal = opened(path, rotate=1500, keep=1)
        journal.write(entries(20))
        journal.close()

    assert foreign.read_bytes() == b"{}\n"
    assert [file for file in archives(path) if file != foreign] != []

    (folder / "other.jsonl").write_bytes(b"")
    given_away(folder / "other.jsonl")
    with pytest.raises(AuditError, match="another user owns other.jsonl"):
        opened(folder / "other.jsonl")


@as_root
def test_a_folder_of_roots_may_be_for_a_group_of_the_systems_own(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    os.chown(folder, 0, 1)  # daemon, which is no person
    folder.chmod(0o775)
    (folder / "app").mkdir()

    assert results(write(folder / "app" / "audit.jsonl"))[0] == "opened"
    with pytest.raises(Untrusted, match="other users can write"):
        open_folder(folder)


def test_a_link_on_the_way_to_a_log_is_followed_and_it_is_none_itself(
    tmp_path: Path,
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "way").symlink_to("real")

    assert results(write(tmp_path / "way" / "audit.jsonl"))[0] == "opened"
    (tmp_path / "audit.jsonl").symlink_to("real/audit.jsonl")
    with pytest.raises(AuditError, match="is a symbolic link"):
        opened(tmp_path / "audit.jsonl")


def keyed(path: Path) -> Path:
    path.write_bytes(KEY + b"\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("change", WAYS)
@pytest.mark.parametrize("which", ["key", "folder"])
def test_a_key_that_another_can_write_is_refused(
    change: Callable[[Path], None], which: str, tmp_path: Path
) -> None:
    (tmp_path / "keys").mkdir()
    path = keyed(tmp_path / "keys" / "audit.key")
    assert read_key(path) == KEY
    change(path if which == "key" else path.parent)

    with pytest.raises(AuditError, match=r"another user|other users"):
        read_key(path)


@as_root
def test_a_link_of_another_user_leads_to_no_key(tmp_path: Path) -> None:
    keyed(tmp_path / "real")
    link = tmp_path / "audit.key"
    link.symlink_to("..data")
    (tmp_path / "..data").symlink_to("real")
    assert read_key(link) == KEY

    os.lchown(link, STRANGER, STRANGER)
    with pytest.raises(AuditError, match="is a link of another user"):
        read_key(link)


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFDIR])
def test_a_key_is_a_regular_file(kind: int, tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    if kind == stat.S_IFIFO:
        os.mkfifo(path, 0o600)
    else:
        path.mkdir(0o700)

    with pytest.raises(OSError, match="it is no regular file") as raised:
        read_key(path)
    assert raised.value.filename == str(path)


def test_a_key_without_an_end_is_not_read_to_it(tmp_path: Path) -> None:
    path = keyed(tmp_path / "audit.key")
    os.truncate(path, 2**40)

    with pytest.raises(OSError, match="it has more than") as raised:
        read_key(path)
    assert raised.value.filename == str(path)


def test_a_loop_of_links_leads_to_no_key(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    path.symlink_to("audit.key")

    with pytest.raises(AuditError, match="too many links"):
        read_key(path)


async def test_a_host_with_a_key_of_others_does_not_start(tmp_path: Path) -> None:
    path = keyed(tmp_path / "audit.key")
    path.chmod(0o622)
    audit = airssys.Audit(file=str(tmp_path / "audit.jsonl"), key=str(path))

    with pytest.raises(AuditError, match="another user owns 'audit.key', or can"):
        async with airssys.open_system(airssys.HostConfig(audit=audit)):
            raise AssertionError
    assert not (tmp_path / "audit.jsonl").exists()
