"""Make audit logs, break them, and read them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from airssys.audit import AuditLog
from airssys.audit.files import archives
from airssys.audit.journal import Journal
from airssys.audit.record import Record
from airssys.audit.seal import Seal, canonical
from airssys.audit.statement import Result, Statement
from airssys.core.event import (
    Denied,
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


def forge(path: Path, seal: Seal, **changes: object) -> list[bytes]:
    """Make a log's lines anew, each with a hash that fits."""
    previous, lines = "", []
    for record in records(path):
        values = {**record, **changes, "previous": previous}
        del values["hash"]
        previous = values["hash"] = seal.hash(canonical(values))
        lines.append(canonical(values).encode() + b"\n")
    return lines


def whole(path: Path) -> list[Record]:
    found = []
    for line in path.read_bytes().splitlines():
        with suppress(ValueError):
            found.append(Record.parse(line, None))
    return found


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
