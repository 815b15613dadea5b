"""Check audit logs, and show what they hold."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final

from attrs import define, field, frozen
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..audit import Record, Report, verify_audit
from ..audit.opening import read_key
from ..audit.statement import Result
from ..audit.verify import lines_of
from ..core.units import parse_duration
from ..observe.line import printable
from .failure import BadInput, Status
from .output import remark

__all__ = ("check", "show")

_LIMIT: Final = 200
"""Rows of a table, where nothing else is said."""
_WIDEST: Final = 100_000
"""Characters of a line that no terminal has to fit."""
_WIDE: Final = 110
"""Columns of a terminal that has room for correlations."""
_NAMES: Final = 36
"""Columns of a name at the most."""


def check(
    file: Path, *, key_file: Path | None = None, anchor: str | None = None
) -> int:
    """Check that an audit log is whole: nothing changed, moved, added or cut off.

    The files before it, FILE.000000000123, and its head, FILE.head, are checked with
    it. It exits with 1, and says where, if something is wrong.

    Args:
        file: The current file of the log.
        key_file: The file with the key that the log is sealed with.
        anchor: The hash of a record that was noted elsewhere, and must be there: as
            this command prints it for the last one.
    """
    key = None if key_file is None else read_key(key_file)
    report = verify_audit(file, key=key, anchor=anchor or "")
    for line in _summary(file, report):
        print(printable(line))
    return Status.DONE if report.problem is None else Status.FAILED


def _summary(file: Path, report: Report) -> Iterator[str]:
    records = f"{report.count} record{'' if report.count == 1 else 's'}"
    if report.problem is None:
        yield f"{file}: whole, {records}"
    else:
        yield f"{file}: not whole"
        yield f"  {report.problem}"
        yield f"  before that: {records}"
    for word, record in (("from", report.first), ("to", report.last)):
        if record is not None:
            yield f"  {word:4} {record.at}, record {record.seq}"
    if report.last is not None:
        yield f"  hash of record {report.last.seq}: {report.last.hash}"
    for note in report.notes:
        yield f"  note: {note}"


def show(
    file: Path,
    *,
    component: str = "*",
    operation: str = "*",
    result: Annotated[tuple[Result, ...] | None, Parameter(negative="")] = None,
    since: str | None = None,
    until: str | None = None,
    correlation: str | None = None,
    limit: int | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Show what an audit log holds, the oldest first, over all its files.

    Whether it is whole is not checked: airssys audit verify does that.

    Args:
        file: The current file of the log; those before it are found beside it.
        component: Only components whose name, or actor's id, is like this: * is any
            text, ? any character.
        operation: Only operations like this: *filesystem*, or the function's name
            alone, such as send.
        result: Only records of this result; it can be given several times.
        since: Only what happened since: 2030-01-31T12:00:00Z, or 1h for the last hour.
            UTC, where the time says nothing else.
        until: Only what happened until then, likewise.
        correlation: Only what belongs to this call or request.
        limit: Show the last so many; by default 200 in a table; 0: all.
        json: Print the records as they are in the file, one JSON object a line.
    """
    if limit is not None and limit < 0:
        raise BadInput("--limit must be at least 0")
    wanted = _Wanted(
        component,
        operation,
        frozenset(result or ()),
        _moment("--since", since),
        _moment("--until", until),
        correlation,
    )
    found = _Found(file)
    if json and not limit:
        for line, _ in found.lines(wanted):
            print(line)
    else:
        rows = _LIMIT if limit is None and not json else limit
        kept = deque(found.lines(wanted), maxlen=rows or None)
        if json:
            for line, _ in kept:
                print(line)
        elif kept:
            _print_table([record for _, record in kept])
        if found.matches > len(kept):
            found.remark(f"the last {len(kept)} of {found.matches} (see: --limit)")
    if found.strange and not found.records:
        raise BadInput(f"{file}: it is no audit log")
    if found.strange:
        lines = "line is" if found.strange == 1 else "lines are"
        found.remark(
            f"{found.strange} {lines} no record (see: airssys audit verify {file})"
        )
    elif not found.matches:
        found.remark(f"no such record among {found.records}")
    return Status.DONE


@frozen
class _Wanted:
    """Which records are to be shown."""

    component: str
    operation: str
    results: frozenset[str]
    since: datetime | None
    until: datetime | None
    correlation: str | None

    def has(self, record: Record) -> bool:
        """Tell whether a record is one of them."""
        names = (record.operation, record.operation.rpartition("#")[2])
        return (
            (not self.results or record.result in self.results)
            and (self.correlation is None or record.correlation == self.correlation)
            and fnmatchcase(record.component, self.component)
            and any(fnmatchcase(name, self.operation) for name in names)
            and (self.since is None or record.time >= self.since)
            and (self.until is None or record.time <= self.until)
        )


@define(eq=False)
class _Found:
    """What there was in a log."""

    file: Path
    records: int = field(default=0, init=False)
    matches: int = field(default=0, init=False)
    strange: int = field(default=0, init=False)
    """Lines that are no records."""

    def lines(self, wanted: _Wanted) -> Iterator[tuple[str, Record]]:
        """Yield those that are wanted, each as it is in the file too."""
        with closing(lines_of(self.file)) as lines:
            for line in lines:
                content = line.content.removesuffix(b"\n")
                try:
                    record = Record.parse(content, None)
                except ValueError:
                    self.strange += 1
                    continue
                self.records += 1
                if wanted.has(record):
                    self.matches += 1
                    yield content.decode("ascii"), record

    def remark(self, text: str) -> None:
        """Print what is no record to where it does not mix with the records."""
        remark(f"{self.file}: {text}")


def _moment(option: str, text: str | None) -> datetime | None:
    """Read a time, or how long ago it was."""
    if text is None:
        return None
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            f"{option}: {text!r} is no time: use 2030-01-31T12:00:00Z, or 1h for "
            "one hour ago"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _print_table(records: list[Record]) -> None:
    out = Console(highlight=False, markup=False)
    if not out.is_terminal:
        out = Console(highlight=False, markup=False, width=_WIDEST)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("time (UTC)", no_wrap=True)
    table.add_column("result", no_wrap=True)
    for title in ("component", "operation"):
        table.add_column(title, overflow="fold", max_width=_NAMES)
    table.add_column("what and why", overflow="fold")
    correlations = out.width >= _WIDE and any(each.correlation for each in records)
    if correlations:
        table.add_column("correlation", overflow="fold", max_width=_NAMES)
    for record in records:
        style = _style(Result(record.result))
        cells = (
            f"{record.time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3],
            record.result,
            record.component,
            _short(record.operation),
            ": ".join(filter(None, (_what(record), record.reason))),
            *((record.correlation,) if correlations else ()),
        )
        table.add_row(*(Text(printable(cell), style=style) for cell in cells))
    out.print(table)


def _short(operation: str) -> str:
    """Return ``messaging#send`` for ``airssys:core/messaging@1.0.0#send``."""
    interface, mark, function = operation.rpartition("#")
    return f"{interface.rpartition('/')[2].partition('@')[0]}{mark}{function}"


def _what(record: Record) -> str:
    if not record.resource or not record.needed:
        return record.needed or record.resource
    return f"{record.needed} (asked for {record.resource!r})"


def _style(result: Result) -> str:
    match result:
        case Result.GRANTED:
            return "green"
        case Result.DENIED:
            return "red"
        case Result.REVOKED | Result.ALERT:
            return "yellow"
        case Result.DAMAGED | Result.LOST:
            return "bold red"
        case Result.OPENED | Result.CLOSED | Result.ROTATED | Result.REPAIRED:
            return ""
