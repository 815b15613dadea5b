from __future__ import annotations

import os
from pathlib import Path

import pytest

from airssys.audit import open_audit, verify_audit
from airssys.audit.files import archives, head_of
from airssys.audit.seal import Seal
from airssys.core.errors import AuditError

from .logs import KEY, crash, denial, entries, opened, results, write


def test_the_chain_goes_on_over_files_and_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path, rotate=1500, keep=2)

    for entry in entries(30):
        journal.write([entry])
    journal.close()

    files = archives(path)
    assert len(files) == 2
    report = verify_audit(path)
    assert report.problem is None
    assert report.first is not None
    assert report.last is not None
    assert report.first.seq > 1
    assert report.count == report.last.seq - report.first.seq + 1
    assert f"records 1 to {report.first.seq - 1} were removed by rotation" in (
        report.notes
    )
    assert all(file.stat().st_size < 1500 + 600 for file in files)

    files[0].unlink()
    assert "older files are missing" in str(verify_audit(path).problem)
    journal = opened(path, rotate=1500, keep=0)
    journal.write(entries(5))
    journal.close()
    assert archives(path) == []
    assert verify_audit(path).problem is None


def test_a_file_cannot_be_renamed_to_hide_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl", rotate=1500)
    first = archives(path)[0]
    first.rename(first.with_suffix(".000000000001"))

    assert "not as its name says" in str(verify_audit(path).problem)


@pytest.mark.parametrize("when", ["renamed", "begun"])
def test_a_crash_between_two_files_harms_nothing(tmp_path: Path, when: str) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path)
    journal.write(entries(3))
    crash(journal)
    path.rename(path.with_name("audit.jsonl.000000000004"))
    if when == "begun":
        path.touch(0o600)

    write(path, 1)

    assert verify_audit(path).problem is None
    assert results(path)[4:] == ["rotated", "opened", "denied", "closed"]


def test_files_belong_to_their_owner(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl")

    for file in (path, head_of(path)):
        assert file.stat().st_mode & 0o777 == 0o600
    path.chmod(0o622)
    with pytest.raises(AuditError, match="others may write to audit.jsonl"):
        opened(path)
    assert verify_audit(path).problem is None, "what was refused has changed nothing"


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    target = write(tmp_path / "target.jsonl")
    (tmp_path / "link.jsonl").symlink_to(target)
    (tmp_path / "link.jsonl.head").symlink_to(head_of(target))
    os.mkfifo(tmp_path / "pipe.jsonl.head")
    os.mkfifo(tmp_path / "fifo.jsonl")
    (tmp_path / "note.txt").write_text("a note\n")
    before = target.read_bytes()

    with pytest.raises(OSError, match="No such device"):
        opened(tmp_path / "fifo.jsonl")
    for name, words in (
        ("link.jsonl", "is a symbolic link"),
        ("pipe.jsonl", "pipe.jsonl.head is no regular file"),
        ("note.txt", "its last line is no record"),
    ):
        with pytest.raises(AuditError, match=words):
            opened(tmp_path / name)

    assert target.read_bytes() == before
    assert (tmp_path / "note.txt").read_text() == "a note\n"
    assert not (tmp_path / "note.txt.head").exists()


async def test_one_process_writes_to_a_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    async with open_audit(path) as audit:
        with pytest.raises(AuditError, match="it is open already; one at a time may"):
            async with open_audit(path):
                raise AssertionError
        audit.event(denial())

    assert results(path) == ["opened", "denied", "closed"]


def test_a_log_needs_the_key_it_has(tmp_path: Path) -> None:
    keyed = write(tmp_path / "keyed.jsonl", seal=Seal(KEY))
    plain = write(tmp_path / "plain.jsonl")

    for path, seal, words in (
        (keyed, Seal(), "was written with a key"),
        (keyed, Seal(b"another key of mine"), "does not fit its own hash"),
        (plain, Seal(KEY), "was written without the key"),
    ):
        before = path.read_bytes()
        with pytest.raises(AuditError, match=words):
            opened(path, seal=seal)
        assert path.read_bytes() == before
    with pytest.raises(ValueError, match="a key of 5 bytes is too short"):
        Seal(b"short")
