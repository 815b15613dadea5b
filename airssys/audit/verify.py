"""Check that an audit log is whole, over all its files, and say what it holds."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Generator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import BinaryIO, Final

from attrs import define, field, frozen

from ..core.errors import AuditError
from ..reading import open_regular, read_bytes
from .files import archives, head_of, last_of, read_head
from .record import LONGEST, Head, Record
from .seal import Seal
from .statement import Result

__all__ = ("Line", "Problem", "Report", "lines_of", "verify_audit")

_TRIES: Final = 20
_TORN: Final = "is torn"


@frozen
class Line:
    """A line of a log's files; a part of one where it is longer than a record."""

    file: Path
    number: int
    """Counted from 1 in its file."""
    content: bytes
    """With its end, where it has one."""


@frozen
class Problem:
    """Where an audit log is not whole, and how."""

    file: Path
    line: int | None
    reason: str

    def __str__(self) -> str:
        place = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.reason}"


@frozen
class Report:
    """What `verify_audit` found."""

    problem: Problem | None
    """The first one; None: the log is whole."""
    count: int
    """Records that are whole, up to the problem."""
    first: Record | None
    last: Record | None
    notes: tuple[str, ...] = ()
    """What is no problem, but good to know."""


def verify_audit(path: Path, *, key: bytes | None = None, anchor: str = "") -> Report:
    """Check an audit log from its oldest record that is kept to its head.

    It may be written to meanwhile.

    Args:
        path: The current file; those before it and the head are beside it.
        key: The key it was written with, if any.
        anchor: The hash of a record that was noted elsewhere, and must be there.

    Raises:
        OSError: A file cannot be read.
        AuditError: There is no audit log.
    """
    seal = Seal(key)
    # The head first: a log that is being written goes on meanwhile.
    try:
        content = read_bytes(head_of(path))
    except FileNotFoundError:
        content = b""
    head, why = read_head(content, seal)
    chain = _Chain(seal, head, anchor)
    last_line = None
    with closing(lines_of(path)) as lines:
        for last_line in lines:
            if (problem := chain.add(last_line)) is not None:
                return chain.report(problem)
    if not content and not chain.count:
        reason = (
            "it is empty"
            if last_line is None
            else "it is no audit log, and has no head"
        )
        raise AuditError(str(path), reason)
    return chain.report(chain.ended(path, why))


def lines_of(path: Path) -> Generator[Line, None, None]:
    """Yield the lines of all files of a log, oldest first.

    Raises:
        OSError: A file cannot be read.
    """
    with ExitStack() as stack:
        for name, file in _opened(path, stack):
            number, inside = 0, False
            while content := file.readline(LONGEST):
                number += not inside
                inside = not content.endswith(b"\n")
                yield Line(name, number, content)


def _opened(path: Path, stack: ExitStack) -> list[tuple[Path, BinaryIO]]:
    """Open all files of a log at one moment, though it may turn files meanwhile."""
    for _ in range(_TRIES):
        names = _names(path)
        with ExitStack() as tried:
            try:
                files = [tried.enter_context(open_regular(name)) for name in names]
            except FileNotFoundError:
                continue
            if names and _names(path) == names:
                stack.enter_context(tried.pop_all())
                return list(zip(names, files))
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _names(path: Path) -> list[Path]:
    # A process that ends while it turns files leaves no current one.
    return [*archives(path), *([path] if path.exists() else ())]


@define(eq=False)
class _Fragment:
    """Lines that are no records, which the record after them may explain."""

    problem: Problem
    size: int = 0
    _hash: hashlib._Hash = field(factory=hashlib.sha256, init=False)
    _end: bytes = field(default=b"", init=False)

    def add(self, content: bytes) -> None:
        self._hash.update(self._end)
        self._end = content[-1:] if content.endswith(b"\n") else b""
        self._hash.update(content.removesuffix(b"\n"))
        self.size += len(content)

    def is_explained_by(self, record: Record) -> bool:
        """Tell whether a record says that these lines are a torn one.

        The line break at the end does not count: it was written with the record.
        """
        digest = f"sha256:{self._hash.hexdigest()}"
        return record.result == Result.REPAIRED and record.resource == digest


def _whole(content: bytes, seal: Seal) -> Record:
    if len(content) >= LONGEST:
        raise ValueError("is longer than a record can be")
    if not content.endswith(b"\n"):
        raise ValueError(_TORN)
    return Record.parse(content[:-1], seal)


@define(eq=False)
class _Chain:
    """How far the check has come."""

    seal: Seal
    head: Head | None
    anchor: str
    count: int = field(default=0, init=False)
    first: Record | None = field(default=None, init=False)
    last: Record | None = field(default=None, init=False)
    notes: list[str] = field(factory=list, init=False)
    _kept: int = field(default=1, init=False)
    """The oldest record that should be there."""
    _fragment: _Fragment | None = field(default=None, init=False)
    _line: Line | None = field(default=None, init=False)

    def add(self, line: Line) -> Problem | None:
        """Check one more line."""
        before, self._line = self._line, line
        begins = before is None or before.file != line.file
        if begins and before is not None and (problem := self._name(before.file)):
            return problem
        try:
            record = _whole(line.content, self.seal)
        except ValueError as error:
            if self._fragment is None:
                self._fragment = _Fragment(Problem(line.file, line.number, str(error)))
            self._fragment.add(line.content)
            return None
        fragment = self._fragment
        if fragment is not None and not fragment.is_explained_by(record):
            return fragment.problem
        if reason := self._reason(record, begins=begins):
            return Problem(line.file, line.number, reason)
        if fragment is not None:
            self.notes.append(f"record {record.seq}: {record.reason}")
            self._fragment = None
        self._keep(record)
        return None

    def _reason(self, record: Record, *, begins: bool) -> str:
        """Say why a record cannot stand here."""
        last = self.last
        if last is not None and record.seq != last.seq + 1:
            return f"is record {record.seq}, and record {last.seq + 1} should be here"
        if last is not None and record.previous != last.hash:
            return f"does not follow on record {last.seq} as it stands before it"
        if last is None and (record.seq == 1) != (not record.previous):
            return f"record {record.seq} cannot be the first"
        if record.result == Result.DAMAGED:
            return f"record {record.seq} of {record.at} says: {record.reason}"
        starts = record.seq == 1 or record.result == Result.ROTATED
        if begins and not starts and self._fragment is None:
            return f"no file begins with a record such as {record.seq}"
        head = self.head
        if head and record.seq == head.seq and record.hash != head.last:
            return f"record {record.seq} is not the one that was written"
        return ""

    def _keep(self, record: Record) -> None:
        self.first = self.first or record
        self.last = record
        self.count += 1
        if record.result == Result.ROTATED and record.resource.isdigit():
            self._kept = max(self._kept, int(record.resource))
        if record.hash == self.anchor:
            self.anchor = ""

    def _name(self, file: Path) -> Problem | None:
        """Check that a full file ends where its name says."""
        seq = self.last.seq if self.last is not None else 0
        if seq != last_of(file):
            return Problem(
                file, None, f"ends with record {seq}, and not as its name says"
            )
        return None

    def ended(self, path: Path, why: str) -> Problem | None:
        """Check what only the end can tell."""
        first, last, fragment = self.first, self.last, self._fragment
        if fragment is not None:
            place, line = fragment.problem, self._line
            at_end = line and (line.file, line.number) == (path, place.line)
            if place.reason != _TORN or not at_end:
                return place
            self.notes.append(
                f"{place}: {fragment.size} bytes at the end, which a process is "
                "writing, or was ended over; the next to open the log will say so"
            )
        begun, ends = (first.seq, last.seq) if first and last else (1, 0)
        if begun > self._kept:
            return Problem(
                path,
                None,
                f"the first record is {begun}, and those from {self._kept} on "
                "should be there: older files are missing",
            )
        head = head_of(path)
        if self.head is None:
            return Problem(
                head, None, f"the head {why}: records may be missing at the end"
            )
        if self.head.seq > ends:
            gone = f"records {ends + 1} to {self.head.seq} are"
            if self.head.seq == ends + 1:
                gone = f"record {self.head.seq} is"
            return Problem(path, None, f"{gone} missing at the end")
        if self.head.seq < begun - 1:
            return Problem(head, None, "the head is older than the oldest record")
        if self.anchor:
            return Problem(path, None, f"there is no record {self.anchor}")
        self._note(ends)
        return None

    def _note(self, ends: int) -> None:
        if self.first is not None and self.first.seq > 1:
            self.notes.append(
                f"records 1 to {self.first.seq - 1} were removed by rotation"
            )
        if self.last is not None and self.last.result != Result.CLOSED:
            self.notes.append(
                "the log was not closed: a process is writing it, or was ended"
            )
        if self.head is not None and ends > self.head.seq:
            self.notes.append(
                f"the last {ends - self.head.seq} of the records came after the head, "
                "which cannot vouch for them"
            )

    def report(self, problem: Problem | None) -> Report:
        """Return what was found."""
        return Report(problem, self.count, self.first, self.last, tuple(self.notes))
