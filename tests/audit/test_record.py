from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airssys.audit import open_audit, verify_audit
from airssys.audit.record import LONGEST, Record
from airssys.audit.seal import Seal
from airssys.audit.statement import Result, Statement
from airssys.core.event import (
    ChildStarted,
    Granted,
    QuotaNeared,
    Revoked,
)

from .logs import KEY, denial, failure, opened, records, results, stuck, write


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
    assert verify_audit(path).problem is None


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
        assert verify_audit(path, key=key).problem is None


def test_a_line_that_a_guest_forges_is_text_of_its_own_record(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl")
    forged = path.read_text().splitlines()[1]
    journal = opened(path)

    journal.write([Statement(1.0, Result.DENIED, resource=f"x\n{forged}\n")])
    journal.close()

    assert len(path.read_text().splitlines()) == 7 + 3
    assert verify_audit(path).problem is None


@pytest.mark.parametrize("one", ["x", "\x00", "\U0001f600", "\ud800", "\n", '"'])
def test_texts_of_megabytes_are_cut(tmp_path: Path, one: str) -> None:
    path, long = tmp_path / "audit.jsonl", one * 300_000
    journal = opened(path)

    journal.write([Statement(1.0, Result.DENIED, long, long, long, long, long, long)])
    journal.close()

    assert max(len(line) for line in path.read_bytes().splitlines()) < LONGEST
    assert records(path)[1]["resource"] == one * 1024 + "… (and 298976 characters)"
    assert verify_audit(path).problem is None


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
