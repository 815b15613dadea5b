from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airssys.audit import AuditLog, Report, log, open_audit, verify
from airssys.audit.files import archives, head_of
from airssys.audit.flood import MOST, PERIOD, Flood
from airssys.audit.journal import Journal
from airssys.audit.record import LONGEST, Record
from airssys.audit.seal import Seal, canonical
from airssys.audit.statement import Result, Statement
from airssys.core.errors import AuditError
from airssys.core.event import (
    ChildStarted,
    Denied,
    Granted,
    QuotaNeared,
    Revoked,
)

KEY = b"sixteen bytes or more"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def denial(resource: str = "") -> Denied:
    return Denied(
        at=1.0,
        subject="acme/a",
        operation="fs#open",
        section="filesystem",
        action="read",
        target="/etc/passwd",
        reason="no grant covers it",
        resource=resource,
        correlation="c1",
    )


def opened(path: Path, **changes: Any) -> Journal:
    ticks = count(1_700_000_000)
    options: dict[str, Any] = {
        "seal": Seal(),
        "rotate": 10**6,
        "keep": None,
        "sync": False,
        "clock": lambda: next(ticks) + 0.25,
    }
    return Journal.open(path, **{**options, **changes})


def entries(number: int) -> list[Statement]:
    return [
        Statement(float(n), Result.DENIED, "acme/a", f"fs#{n}") for n in range(number)
    ]


def write(path: Path, number: int = 5, **changes: Any) -> Path:
    """Write a log: one record when it is opened, some denials, one in the end."""
    journal = opened(path, **changes)
    journal.write(entries(number))
    journal.close()
    return path


def records(path: Path) -> list[dict[str, Any]]:
    files = [*archives(path), path]
    return [
        json.loads(line) for file in files for line in file.read_text().splitlines()
    ]


def results(path: Path) -> list[str]:
    return [record["result"] for record in records(path)]


def crash(journal: Journal, torn: bytes = b"") -> None:
    """End as SIGKILL does: nothing more is written, the lock is given up."""
    if torn:
        os.write(journal._file, torn)
    journal._release()


# --- records ----------------------------------------------------------------------


async def test_each_event_of_the_audit_is_one_record(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    async with open_audit(path, grants=True, clock=lambda: 1.5) as audit:
        audit.event(denial("../etc/passwd"))
        audit.event(
            Granted(
                at=1,
                subject="acme/a",
                operation="fs#open",
                section="filesystem",
                action="read",
                target="/srv/a",
                resource="a",
                correlation="c2",
            )
        )
        audit.event(
            Revoked(
                at=1,
                subject="acme/a",
                section="filesystem",
                action="read",
                target="/srv/a",
                reason="it is too curious",
            )
        )
        audit.event(
            QuotaNeared(
                at=1, subject="acme/a", quota="storage", level="warning", share=0.8
            )
        )
        audit.event(ChildStarted(at=1, supervisor="root", subject="acme/a", restarts=0))

    first, denied, granted, revoked, alert, last = records(path)
    chained = {"hash", "previous", "seq", "v", "at"}
    assert {**denied, **dict.fromkeys(chained)} == {
        **dict.fromkeys(chained),
        "component": "acme/a",
        "operation": "fs#open",
        "needed": "read '/etc/passwd'",
        "resource": "../etc/passwd",
        "result": "denied",
        "reason": "no grant covers it",
        "correlation": "c1",
    }
    assert denied["at"] == "1970-01-01T00:00:01.500000Z"
    assert [granted[key] for key in ("result", "resource", "reason")] == [
        *("granted", "a", "")
    ]
    assert (revoked["result"], revoked["reason"]) == ("revoked", "it is too curious")
    assert (alert["component"], alert["needed"]) == ("acme/a", "quota storage")
    assert alert["reason"] == "warning: 80% are in use"
    assert (first["result"], last["result"]) == ("opened", "closed")
    assert [record["seq"] for record in records(path)] == [1, 2, 3, 4, 5, 6]
    assert verify(path).problem is None


async def test_grants_and_alerts_are_written_only_where_it_is_said(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"

    async with open_audit(path, alerts=False) as audit:
        audit.event(
            Granted(
                at=1,
                subject="acme/a",
                operation="fs#open",
                section="filesystem",
                action="read",
                target="/srv/a",
            )
        )
        audit.event(
            QuotaNeared(
                at=1, subject="acme/a", quota="storage", level="warning", share=0.8
            )
        )

    assert results(path) == ["opened", "closed"]


GUEST_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)


@settings(max_examples=60, deadline=None)
@given(GUEST_TEXT, st.sampled_from([None, KEY]), st.integers(1, 30))
def test_whatever_guests_write_stays_one_line(
    text: str, key: bytes | None, times: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        journal = opened(path, seal=Seal(key))
        entry = Statement(
            1.0, Result.DENIED, text, text, text * times, text, text, text
        )
        journal.write([entry])
        journal.close()

        lines = path.read_bytes().split(b"\n")

        assert len(lines) == 4
        assert lines[1].isascii()
        assert lines[1].decode().isprintable()
        record = Record.parse(lines[1], Seal(key))
        assert (record.component, record.resource) == (text, text)
        assert verify(path, key=key).problem is None


def test_a_line_that_a_guest_forges_is_text_of_its_own_record(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl")
    forged = path.read_text().splitlines()[1]
    journal = opened(path)

    journal.write([Statement(1.0, Result.DENIED, resource=f"x\n{forged}\n")])
    journal.close()

    assert len(path.read_text().splitlines()) == 7 + 3
    assert verify(path).problem is None


@pytest.mark.parametrize("one", ["x", "\x00", "\U0001f600", "\ud800", "\n", '"'])
def test_texts_of_megabytes_are_cut(tmp_path: Path, one: str) -> None:
    path, long = tmp_path / "audit.jsonl", one * 300_000
    journal = opened(path)

    journal.write([Statement(1.0, Result.DENIED, long, long, long, long, long, long)])
    journal.close()

    assert max(len(line) for line in path.read_bytes().splitlines()) < LONGEST
    assert records(path)[1]["resource"] == one * 1024 + "… (and 298976 characters)"
    assert verify(path).problem is None


async def test_long_texts_do_not_wait_in_memory(tmp_path: Path) -> None:
    long = "x" * 100_000
    async with open_audit(tmp_path / "audit.jsonl", grants=True) as audit:
        with stuck(audit):
            await failure(audit)
            audit.event(denial(long))
            audit.event(
                Granted(
                    at=1,
                    subject="acme/a",
                    operation="fs#open",
                    section="filesystem",
                    action="read",
                    target="/",
                    resource=long,
                )
            )
            denied, granted = audit._queue.get(), audit._queue.get()

    assert isinstance(denied, Statement)
    assert isinstance(granted, Statement)
    assert denied.resource == granted.resource
    assert len(denied.resource) < 1100


# --- verify -----------------------------------------------------------------------


@st.composite
def edits(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Draw one edit of a file."""
    kind = draw(st.sampled_from(["flip", "cut", "drop", "twice", "swap", "insert"]))
    where = draw(st.floats(0, 1, exclude_max=True))
    bit = draw(st.integers(0, 7))
    more = draw(st.binary(min_size=1, max_size=30))

    def edit(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        at, line = int(where * len(content)), int(where * len(lines))
        match kind:
            case "flip":
                changed = content[at] ^ 1 << bit
                return content[:at] + bytes([changed]) + content[at + 1 :]
            case "cut":
                return content[:at]
            case "drop":
                del lines[line]
            case "twice":
                lines.insert(line, lines[line])
            case "swap" if len(lines) > 1:
                other = (line + 1 + bit % (len(lines) - 1)) % len(lines)
                lines[line], lines[other] = lines[other], lines[line]
            case _:
                return content[:at] + more + content[at:]
        return b"".join(lines)

    return edit


@pytest.fixture(scope="module")
def sound() -> Iterator[Path]:
    """Write a log of three files, in two runs of a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "audit.jsonl", 4, rotate=1500)
        write(path, 3, rotate=1500)
        assert len(archives(path)) == 2
        assert verify(path).problem is None
        yield path


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits(), st.integers(0, 3))
def test_any_single_edit_is_found(
    sound: Path, edit: Callable[[bytes], bytes], which: int
) -> None:
    file = [*archives(sound), sound, head_of(sound)][which]
    before = file.read_bytes()
    try:
        file.write_bytes(edit(before))

        report = verify(sound)
    finally:
        file.write_bytes(before)

    torn = any("bytes at the end" in note for note in report.notes)
    # Bytes after the end that are no line say themselves that they are no record.
    assert report.problem is not None or (torn and file == sound)


def test_a_log_cut_at_any_byte_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl", 1)
    content = path.read_bytes()
    ends = [at for at, byte in enumerate(content) if byte == ord("\n")]
    near = {end + beside for end in ends for beside in (-1, 0, 1)}

    for length in sorted(near.union(range(0, len(content), 11)) - {len(content)}):
        path.write_bytes(content[:length])
        problem = verify(path).problem
        assert problem is not None, length
        assert "missing at the end" in str(problem)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda lines: lines[:2] + lines[3:], "record 4, and record 3 should be here"),
        (lambda lines: lines[1:], "no file begins with a record such as 2"),
        (lambda lines: lines[:-1], "record 7 is missing at the end"),
        (lambda lines: lines[:-2], "records 6 to 7 are missing at the end"),
        (
            lambda lines: [lines[0], lines[1].replace(b"fs#0", b"fs#9"), *lines[2:]],
            "audit.jsonl:2: does not fit its own hash",
        ),
        (lambda lines: [*lines[:2], b"\n", *lines[2:]], "audit.jsonl:3: is no record"),
        (
            lambda lines: [lines[0].replace(b",", b", "), *lines[1:]],
            "audit.jsonl:1: is no record",
        ),
        (
            lambda lines: [lines[0].replace(b"opened", rb"\u006fpened"), *lines[1:]],
            ".jsonl:1: is no record",
        ),
        (lambda lines: [*lines[:2], b"[" * 50_000 + b"\n"], ":3: is no record"),
        (lambda lines: [*lines[:2], b"x" * 200_000 + b"\n"], "3: is longer than a"),
        (
            lambda lines: [lines[0].replace(b'"v":1', b'"v":2'), *lines[1:]],
            "audit.jsonl:1: is of version 2, and this airssys knows 1",
        ),
    ],
)
def test_the_first_problem_is_told_with_its_place(
    tmp_path: Path, edit: Callable[[list[bytes]], list[bytes]], words: str
) -> None:
    path = write(tmp_path / "audit.jsonl")
    path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))

    assert words in str(verify(path).problem)


def forge(path: Path, seal: Seal, **changes: object) -> list[bytes]:
    """Make a log's lines anew, each with a hash that fits."""
    previous, lines = "", []
    for record in records(path):
        values = {**record, **changes, "previous": previous}
        del values["hash"]
        previous = values["hash"] = seal.hash(canonical(values))
        lines.append(canonical(values).encode() + b"\n")
    return lines


def test_a_chain_made_anew_fails_at_the_head_or_at_the_anchor(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl")
    noted = records(path)[2]["hash"]

    path.write_bytes(b"".join(forge(path, Seal(), component="innocent")))
    report = verify(path)

    assert "record 7 is not the one that was written" in str(report.problem)
    head_of(path).unlink()
    assert "the head is missing" in str(verify(path).problem)
    # With a head made anew, too, only what was noted elsewhere tells.
    mine = write(tmp_path / "mine.jsonl")
    assert verify(mine).problem is None
    assert f"no record {noted}x" in str(verify(mine, anchor=f"{noted}x").problem)
    assert verify(mine, anchor=records(mine)[2]["hash"]).problem is None


def test_a_line_made_anew_does_not_fit_the_next(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    values = {**records(path)[1], "component": "innocent"}
    del values["hash"]
    forged = canonical({**values, "hash": Seal().hash(canonical(values))})

    path.write_bytes(b"".join([lines[0], forged.encode() + b"\n", *lines[2:]]))

    assert "audit.jsonl:3: does not follow on record 2" in str(verify(path).problem)


@pytest.mark.parametrize("changes", [{"seq": 2, "previous": ""}, {"previous": "x"}])
def test_only_the_first_record_has_none_before_it(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    path = write(tmp_path / "audit.jsonl", 0)
    values = {**records(path)[0], "result": "rotated", **changes}
    del values["hash"]
    forged = canonical({**values, "hash": Seal().hash(canonical(values))})

    path.write_text(f"{forged}\n")

    assert "cannot be the first" in str(verify(path).problem)


def test_a_head_of_long_ago_is_found(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path, rotate=1000, keep=0)
    old = head_of(path).read_bytes()
    journal.write(entries(9))
    journal.close()

    head_of(path).write_bytes(old)

    assert "older than the oldest record" in str(verify(path).problem)


def test_without_the_key_a_chain_cannot_be_made_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl", seal=Seal(KEY))
    head = head_of(path).read_bytes()
    assert verify(path, key=KEY).problem is None
    assert "was written with a key" in str(verify(path).problem)
    assert "does not fit" in str(verify(path, key=b"another key of mine").problem)

    for seal in (Seal(), Seal(b"the key of the forger")):
        path.write_bytes(b"".join(forge(path, seal, component="innocent")))
        assert verify(path, key=KEY).problem is not None

    write(tmp_path / "plain.jsonl")
    assert "without the key" in str(verify(tmp_path / "plain.jsonl", key=KEY).problem)
    assert KEY not in head + repr(Seal(KEY)).encode()


def test_files_of_another_log_are_found(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one = write(tmp_path / "one" / "audit.jsonl", rotate=2000)
    other = write(tmp_path / "other" / "audit.jsonl", rotate=2000, clock=lambda: 5.0)

    for mine, theirs in zip([*archives(one), one], [*archives(other), other]):
        before = mine.read_bytes()
        mine.write_bytes(theirs.read_bytes())
        assert verify(one).problem is not None
        mine.write_bytes(before)
    assert verify(one).problem is None


def test_what_is_no_log_is_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with pytest.raises(FileNotFoundError):
        verify(path)
    path.touch()
    with pytest.raises(AuditError, match="it is empty"):
        verify(path)
    path.write_text("hello\nworld\n")
    with pytest.raises(AuditError, match="it is no audit log, and has no head"):
        verify(path)
    head_of(path).write_text("hello\n")
    assert "audit.jsonl:1: is no record" in str(verify(path).problem)


# --- files ------------------------------------------------------------------------


def test_the_chain_goes_on_over_files_and_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path, rotate=1500, keep=2)

    for entry in entries(30):
        journal.write([entry])
    journal.close()

    files = archives(path)
    assert len(files) == 2
    report = verify(path)
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
    assert "older files are missing" in str(verify(path).problem)
    journal = opened(path, rotate=1500, keep=0)
    journal.write(entries(5))
    journal.close()
    assert archives(path) == []
    assert verify(path).problem is None


def test_a_file_cannot_be_renamed_to_hide_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl", rotate=1500)
    first = archives(path)[0]
    first.rename(first.with_suffix(".000000000001"))

    assert "not as its name says" in str(verify(path).problem)


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

    assert verify(path).problem is None
    assert results(path)[4:] == ["rotated", "opened", "denied", "closed"]


def test_files_belong_to_their_owner(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl")

    for file in (path, head_of(path)):
        assert file.stat().st_mode & 0o777 == 0o600
    path.chmod(0o622)
    with pytest.raises(AuditError, match="others may write to audit.jsonl"):
        opened(path)
    assert verify(path).problem is None, "what was refused has changed nothing"


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


# --- after a crash ----------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 40, 300])
def test_a_torn_record_is_told_and_the_log_goes_on(tmp_path: Path, length: int) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path)
    journal.write(entries(2))
    line = path.read_bytes().splitlines()[-1]
    crash(journal, line[:length])

    report = verify(path)
    assert report.problem is None
    assert report.count == 3
    assert any(f":4: is torn: {length} bytes at the end" in n for n in report.notes)

    write(path, 1)
    report = verify(path)
    assert report.problem is None
    assert report.count == 7
    assert f"record 4: the {length} bytes before this are a torn" in report.notes[0]
    # What was torn is kept, and is under the chain's protection like all else.
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\n" + line[:length] + b"\n", b"\nx\n"))
    assert ":4: is no record" in str(verify(path).problem)


def test_a_crash_during_the_repair_is_repaired_too(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    crash(opened(path), b'{"at":"torn\n{"at":"20')
    assert verify(path).problem is not None

    write(path)

    assert verify(path).problem is None


def test_records_after_the_head_are_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path)
    head = head_of(path).read_bytes()
    journal.write(entries(3))
    crash(journal)
    head_of(path).write_bytes(head)

    report = verify(path)

    assert report.problem is None
    assert "the last 3 of the records came after the head" in report.notes[-1]
    write(path)
    assert verify(path).problem is None


def cut(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))


def change_the_last(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20] + b"0" * 19 + b"\n")


def replace_the_last(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-1], forge(path, Seal(), reason="x")[-1]]))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (cut, "record 8, and record 6 should be here"),
        (change_the_last, "audit.jsonl:7: is no record"),
        (replace_the_last, "record 7 is not the one that was written"),
        (lambda path: path.unlink(), "there were records up to 7, of which the last"),
        (lambda path: head_of(path).unlink(), "says: the head is missing"),
        (lambda path: head_of(path).write_text("x"), "says: the head is no head of"),
    ],
)
def test_opening_a_log_again_does_not_hide_what_was_done_to_it(
    tmp_path: Path,
    harm: Callable[[Path], None],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = write(tmp_path / "audit.jsonl")
    harm(path)
    assert not path.exists() or verify(path).problem is not None

    write(path, 1)

    assert [record.result for record in whole(path)][-4:] == [
        *("damaged", "opened", "denied", "closed")
    ]
    if harm is not replace_the_last:
        assert words in str(verify(path).problem)
    assert verify(path).problem is not None
    assert "audit log" in caplog.text


def whole(path: Path) -> list[Record]:
    found = []
    for line in path.read_bytes().splitlines():
        with suppress(ValueError):
            found.append(Record.parse(line, None))
    return found


KILLED = """
import sys
from itertools import count
from pathlib import Path
import anyio
from airssys.audit import open_audit
from airssys.core.event import Denied

async def main():
    async with open_audit(Path(sys.argv[1]), rotate=300_000) as audit:
        for turn in count():
            event = Denied(
                at=9.0 * turn,
                subject="acme/a",
                operation="open",
                section="filesystem", action="read", target="x",
                reason="no",
                resource="y" * 900,
            )
            for _ in range(200):
                audit.event(event)
            await audit.flush()
            print(audit.written, flush=True)

anyio.run(main)
"""


def test_a_process_that_is_killed_while_it_writes_loses_nothing_whole(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGKILL)
        said += [int(line) for line in process.stdout.read().split()]

    report = verify(path)
    assert report.problem is None
    assert report.count >= said[-1]
    assert any("was not closed" in note for note in report.notes)

    write(path, 2)
    after = verify(path)
    assert after.problem is None
    assert after.last is not None
    assert after.last.result == "closed"
    assert after.count in {report.count + 4, report.count + 5}


# --- while it is written ----------------------------------------------------------


async def test_a_log_can_be_checked_while_it_is_written(tmp_path: Path) -> None:
    path, reports = tmp_path / "audit.jsonl", list[Report]()

    async with open_audit(path, rotate=20_000, keep=3) as audit:
        for _ in range(15):
            for _ in range(20):
                audit.event(denial())
            reports.append(await anyio.to_thread.run_sync(verify, path))
        await audit.flush()
        reports.append(verify(path))

    assert [report.problem for report in reports] == [None] * 16
    assert reports[-1].last is not None
    assert reports[-1].last.seq >= 301
    assert len(archives(path)) == 3


async def test_what_happens_in_one_order_is_written_in_that_order(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"

    async with open_audit(path) as audit:
        for number in range(3000):
            audit.event(evolve(denial(str(number)), subject=f"a{number % 3}"))

    assert [record["resource"] for record in records(path)[1:-1]] == [
        str(number) for number in range(3000)
    ]
    assert audit.written == 3002


@pytest.mark.parametrize("harm", ["moved", "cut", "written to"])
async def test_whoever_touches_the_file_meanwhile_is_found(
    tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "audit.jsonl"

    async with open_audit(path) as audit:
        audit.event(denial("before"))
        await audit.flush()
        if harm == "moved":
            path.rename(tmp_path / "elsewhere")
        elif harm == "cut":
            os.truncate(path, 100)
        else:
            with path.open("a") as file:
                file.write("a line\n")
        audit.event(denial("after"))

    assert verify(path).problem is not None
    last = [Record.parse(line, Seal()) for line in path.read_bytes().splitlines()[-3:]]
    assert [record.result for record in last] == ["damaged", "denied", "closed"]
    assert last[1].resource == "after"
    assert "while it was written" in caplog.text or "somebody else" in caplog.text


@contextmanager
def stuck(audit: AuditLog) -> Iterator[None]:
    """Let the disk be full for a while."""
    file = audit._journal._file
    whole, full = os.dup(file), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file)
    audit.event(denial("first"))
    try:
        yield
    finally:
        os.dup2(whole, file)
        for each in (whole, full):
            os.close(each)


async def failure(audit: AuditLog) -> None:
    """Wait until the thread has seen that it cannot write."""
    with anyio.fail_after(5):
        while not audit.problem:  # noqa: ASYNC110 - a thread sets it
            await anyio.sleep(0.001)


async def test_a_file_that_cannot_be_written_is_told_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_RETRY", 0.001)
    path = tmp_path / "audit.jsonl"

    async with open_audit(path) as audit:
        with stuck(audit):
            for number in range(10):
                audit.event(denial(str(number)))
            await failure(audit)
        await audit.flush()
        assert not audit.problem

    assert [record["resource"] for record in records(path)[2:-1]] == [
        str(number) for number in range(10)
    ]
    assert verify(path).problem is None
    told = [record.getMessage() for record in caplog.records]
    assert "cannot be written: [Errno 28] No space left" in told[0]
    assert told[1].endswith("can be written again")
    assert len(told) == 2


async def test_what_never_could_be_written_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "audit.jsonl"

    async with open_audit(path) as audit:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, audit._journal._file)
        os.close(full)
        audit.event(denial())
        audit.event(denial())

    assert audit.lost == 3  # and that it was closed
    assert "3 records could not be written" in caplog.text
    assert results(path) == ["opened"]
    write(path)
    assert verify(path).problem is None
    audit.event(denial())
    assert audit.lost == 4, "a closed log writes nothing"
    await audit.flush()


async def test_a_strict_log_that_fails_ends_the_block(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with open_audit(tmp_path / "audit.jsonl", strict=True) as audit:
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, audit._journal._file)
            os.close(full)
            audit.event(denial())
            await anyio.sleep(5)

    (error,) = caught.value.exceptions
    assert isinstance(error, AuditError)
    assert "No space left" in str(error)


async def test_a_strict_log_that_works_is_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    async with open_audit(path, strict=True, sync=True, rotate=1000) as audit:
        for _ in range(5):
            audit.event(denial())

    assert verify(path).problem is None
    assert results(path).count("denied") == 5


async def test_who_waits_for_a_log_takes_no_thread_of_others(tmp_path: Path) -> None:
    shared = anyio.to_thread.current_default_thread_limiter()

    async with (
        open_audit(tmp_path / "audit.jsonl") as audit,
        open_audit(tmp_path / "strict.jsonl", strict=True),
        anyio.create_task_group() as tasks,
    ):
        with stuck(audit):
            tasks.start_soon(audit.flush)
            await anyio.wait_all_tasks_blocked()
            assert shared.borrowed_tokens == 0
            tasks.cancel_scope.cancel()


async def test_more_than_can_wait_is_counted_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_QUEUE", 3)
    monkeypatch.setattr(log, "_RETRY", 0.001)
    path = tmp_path / "audit.jsonl"

    async with open_audit(path) as audit:
        with stuck(audit):
            await failure(audit)
            for number in range(10):
                audit.event(denial(str(number)))
            assert audit.lost == 7

    (lost,) = [record for record in records(path) if record["result"] == "lost"]
    assert lost["resource"] == "7"
    assert results(path).count("denied") == 1 + 3
    assert verify(path).problem is None


async def test_a_guest_that_tries_without_end_pushes_out_nobody_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    loud, quiet = denial(), evolve(denial(), subject="acme/quiet")

    async with open_audit(path) as audit:
        for _ in range(MOST + 5):
            audit.event(loud)
        audit.event(quiet)
        await audit.flush()
        audit.event(loud)
        for number in range(MOST + 1):
            audit.event(evolve(loud, at=loud.at + PERIOD, resource=str(number)))
        audit.event(evolve(loud, at=loud.at + 2 * PERIOD))
        assert audit.lost == 0

    found = records(path)
    lost = [
        (one["component"], one["resource"]) for one in found if one["result"] == "lost"
    ]
    denied = Counter(one["component"] for one in found if one["result"] == "denied")
    assert lost == [("acme/a", "5"), ("acme/a", "1"), ("acme/a", "1")]
    assert denied == {"acme/a": 2 * MOST + 1, "acme/quiet": 1}
    assert verify(path).problem is None


async def test_no_sender_uses_up_the_records_of_its_receiver(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sent = evolve(denial(), section="messaging", action="receive", target="acme/loud")

    async with open_audit(path) as audit:
        for _ in range(MOST + 1):
            audit.event(sent)
        audit.event(denial("its own"))

    *_, own, lost, _ = records(path)
    assert own["resource"] == "its own"
    assert (lost["result"], lost["component"], lost["needed"]) == (
        "lost",
        "acme/a",
        "receive from 'acme/loud'",
    )


def test_who_is_quiet_is_forgotten_and_who_was_loud_is_not() -> None:
    flood = Flood()
    for _ in range(MOST + 1):
        flood.admit(("loud", ""), 0.0)
    for number in range(10_000):
        assert flood.admit((f"a{number}", ""), PERIOD * (1 + number // 1000)) == (
            True,
            0,
        )

    assert len(flood._periods) < 6000
    assert flood.admit(("loud", ""), 1000.0) == (True, 1)
    assert list(flood.rest()) == []


async def test_a_record_that_cannot_be_harms_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_RETRY", 0.001)
    path, times = tmp_path / "audit.jsonl", iter([1.0, 1.0, 1e20, 2.0])

    async with open_audit(path, clock=lambda: next(times, 3.0)) as audit:
        audit.event(denial("in the far future"))
        audit.event(denial("now"))
        await audit.flush()

    assert audit.lost == 1
    assert "cannot be written: " in caplog.text
    assert [record["resource"] for record in records(path)[1:]] == ["now", "1", ""]
    assert verify(path).problem is None


@pytest.mark.parametrize("step", ["aside", "next"])
def test_a_file_that_cannot_be_turned_is_turned_later(
    tmp_path: Path, step: str
) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path, rotate=400)
    journal.write(entries(1))
    if step == "aside":
        obstacle = path.with_name("audit.jsonl.000000000002")
        obstacle.mkdir()
        with pytest.raises(FileExistsError, match="is there already"):
            journal.write(entries(2))
    else:
        # As where the next file cannot be opened once the full one is put aside.
        obstacle = path
        os.close(journal._file)
        journal._file = -1
        path.rename(path.with_name("audit.jsonl.000000000002"))
        obstacle.mkdir()
        with pytest.raises(FileExistsError):
            journal.write(entries(2))
    assert journal.behind == 2

    obstacle.rmdir()
    journal.write()
    journal.close()

    assert results(path).count("denied") == 3
    assert verify(path).problem is None


def test_a_long_torn_text_hides_no_record(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path)
    journal.write(entries(2))
    crash(journal, b"\0" * 5 * LONGEST)

    write(path, 1)

    assert verify(path).problem is None
    assert [record.result for record in whole(path)] == [
        *("opened", "denied", "denied", "repaired", "opened", "denied", "closed")
    ]


async def test_options_out_of_range_are_refused(tmp_path: Path) -> None:
    refused: list[dict[str, Any]] = [{"rotate": 0}, {"keep": -1}]
    for options in refused:
        with pytest.raises(ValueError, match="at least"):
            async with open_audit(tmp_path / "audit.jsonl", **options):
                raise AssertionError


async def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    async with open_audit("audit.jsonl", rotate=500) as audit:
        monkeypatch.chdir(tmp_path / "elsewhere")
        for _ in range(3):
            audit.event(denial())

    assert verify(tmp_path / "audit.jsonl").problem is None
    assert not list((tmp_path / "elsewhere").iterdir())
