from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from airssys.audit import verify_audit
from airssys.audit.files import head_of
from airssys.audit.record import LONGEST
from airssys.audit.seal import Seal

from .logs import ENVIRONMENT, crash, entries, forge, opened, whole, write


@pytest.mark.parametrize("length", [1, 40, 300])
def test_a_torn_record_is_told_and_the_log_goes_on(tmp_path: Path, length: int) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path)
    journal.write(entries(2))
    line = path.read_bytes().splitlines()[-1]
    crash(journal, line[:length])

    report = verify_audit(path)
    assert report.problem is None
    assert report.count == 3
    assert any(f":4: is torn: {length} bytes at the end" in n for n in report.notes)

    write(path, 1)
    report = verify_audit(path)
    assert report.problem is None
    assert report.count == 7
    assert f"record 4: the {length} bytes before this are a torn" in report.notes[0]
    # What was torn is kept, and is under the chain's protection like all else.
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\n" + line[:length] + b"\n", b"\nx\n"))
    assert ":4: is no record" in str(verify_audit(path).problem)


def test_a_crash_during_the_repair_is_repaired_too(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    crash(opened(path), b'{"at":"torn\n{"at":"20')
    assert verify_audit(path).problem is not None

    write(path)

    assert verify_audit(path).problem is None


def test_records_after_the_head_are_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path)
    head = head_of(path).read_bytes()
    journal.write(entries(3))
    crash(journal)
    head_of(path).write_bytes(head)

    report = verify_audit(path)

    assert report.problem is None
    assert "the last 3 of the records came after the head" in report.notes[-1]
    write(path)
    assert verify_audit(path).problem is None


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
    assert not path.exists() or verify_audit(path).problem is not None

    write(path, 1)

    assert [record.result for record in whole(path)][-4:] == [
        *("damaged", "opened", "denied", "closed")
    ]
    if harm is not replace_the_last:
        assert words in str(verify_audit(path).problem)
    assert verify_audit(path).problem is not None
    assert "audit log" in caplog.text


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

    report = verify_audit(path)
    assert report.problem is None
    assert report.count >= said[-1]
    assert any("was not closed" in note for note in report.notes)

    write(path, 2)
    after = verify_audit(path)
    assert after.problem is None
    assert after.last is not None
    assert after.last.result == "closed"
    assert after.count in {report.count + 4, report.count + 5}


def test_a_long_torn_text_hides_no_record(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path)
    journal.write(entries(2))
    crash(journal, b"\0" * 5 * LONGEST)

    write(path, 1)

    assert verify_audit(path).problem is None
    assert [record.result for record in whole(path)] == [
        *("opened", "denied", "denied", "repaired", "opened", "denied", "closed")
    ]
