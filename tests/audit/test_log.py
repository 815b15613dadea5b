from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from attrs import evolve

from airssys.audit import Report, log, open_audit, verify_audit
from airssys.audit.files import archives
from airssys.audit.record import Record
from airssys.audit.seal import Seal
from airssys.core.errors import AuditError

from .logs import denial, entries, failure, opened, records, results, stuck, write


async def test_a_log_can_be_checked_while_it_is_written(tmp_path: Path) -> None:
    path, reports = tmp_path / "audit.jsonl", list[Report]()

    async with open_audit(path, rotate=20_000, keep=3) as audit:
        for _ in range(15):
            for _ in range(20):
                audit.event(denial())
            reports.append(await anyio.to_thread.run_sync(verify_audit, path))
        await audit.flush()
        reports.append(verify_audit(path))

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

    assert verify_audit(path).problem is not None
    last = [Record.parse(line, Seal()) for line in path.read_bytes().splitlines()[-3:]]
    assert [record.result for record in last] == ["damaged", "denied", "closed"]
    assert last[1].resource == "after"
    assert "while it was written" in caplog.text or "somebody else" in caplog.text


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
    assert verify_audit(path).problem is None
    logged = [record.getMessage() for record in caplog.records]
    assert "cannot be written: [Errno 28] No space left" in logged[0]
    assert logged[1].endswith("can be written again")
    assert len(logged) == 2


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
    assert verify_audit(path).problem is None
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

    assert verify_audit(path).problem is None
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
    assert verify_audit(path).problem is None


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
    assert verify_audit(path).problem is None


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
    assert verify_audit(path).problem is None


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

    assert verify_audit(tmp_path / "audit.jsonl").problem is None
    assert not list((tmp_path / "elsewhere").iterdir())
