"""Write an audit log: chain records, turn files, and go on after a crash.

Nothing that was written is ever cut or overwritten. The log is written before its head,
so a head that is ahead of the log means that records were taken away.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from attrs import define, field

from ..core.errors import AuditError
from .files import (
    archive_of,
    head_of,
    last_of,
    open_locked,
    open_log,
    own_archives,
    read_head,
    read_tail,
)
from .record import Head, rendered
from .seal import Seal, digest
from .statement import Result, Statement

__all__ = ("Journal",)

_CHUNK: Final = 64 * 1024
"""Bytes that are written at once."""


@define(eq=False, kw_only=True)
class Journal:
    """An audit log that is open for writing; made by `Journal.open`."""

    path: Path
    seal: Seal
    rotate: int
    """Bytes after which the next file begins."""
    keep: int | None
    """Full files that are kept; None: all."""
    sync: bool
    """Whether to wait until the disk has what was written."""
    clock: Callable[[], float]
    _head: int
    """The descriptor of the head, which is locked."""
    _file: int = field(default=-1, init=False)
    _inode: tuple[int, int] = field(default=(0, 0), init=False)
    _size: int = field(default=0, init=False)
    """Bytes that should be in the file."""
    _seq: int = field(default=0, init=False)
    _hash: str = field(default="", init=False)
    _waiting: deque[Statement] = field(factory=deque, init=False)
    """Statements that are not in the chain yet."""
    _pending: bytearray = field(factory=bytearray, init=False)
    """Lines that are in the chain and not in the file yet."""
    _marked: int = field(default=0, init=False)
    """The last record in the file."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        seal: Seal,
        rotate: int,
        keep: int | None,
        sync: bool,
        clock: Callable[[], float],
    ) -> Journal:
        """Open a log, or begin one.

        Raises:
            OSError: A file cannot be opened, read or written.
            AuditError: Another process writes to the log, or it is no audit log.
        """
        head = open_locked(path)
        journal = cls(
            path=path,
            seal=seal,
            rotate=rotate,
            keep=keep,
            sync=sync,
            clock=clock,
            head=head,
        )
        try:
            journal._resume()
        except BaseException:
            if not os.fstat(head).st_size:
                head_of(path).unlink(missing_ok=True)
            journal._release()
            raise
        return journal

    @property
    def written(self) -> int:
        """The number of the last record in the file."""
        return self._marked

    @property
    def behind(self) -> int:
        """How many statements are not in the file yet."""
        return len(self._waiting) + self._seq - self._marked

    def write(self, statements: Iterable[Statement] = ()) -> None:
        """Add records, after those that could not be written before.

        Raises:
            OSError: Not all could be written; what is left is kept for the next time.
        """
        self._waiting.extend(statements)
        self._flush()
        if not self._waiting:
            return
        self._check_file()
        while self._waiting:
            if self._file < 0 or self._size + len(self._pending) >= self.rotate:
                self._next_file()
            self._chain(self._waiting.popleft())
            if len(self._pending) >= _CHUNK:
                self._flush()
        self._flush()
        self._write_head()

    def close(self) -> None:
        """Write that the log ends in order, and unlock it for other processes.

        Raises:
            OSError: Not all could be written.
        """
        try:
            self.write((Statement(self.clock(), Result.CLOSED),))
        finally:
            self._release()

    # --- opening ------------------------------------------------------------------

    def _resume(self) -> None:
        """Find where the chain ends, and begin after it."""
        content = os.pread(self._head, 4096, 0)
        head, why = read_head(content, self.seal)
        record, torn, problem, files = None, b"", "", own_archives(self.path)
        if os.path.lexists(self.path):
            self._file = open_log(self.path)
            files.append(self.path)
        for file in reversed(files):
            tail = read_tail(file, self.seal)
            torn, problem = torn or tail.torn, problem or tail.problem
            if tail.record is not None:
                record = tail.record
                break
        if record is None and head is None and (torn or content):
            why = f"its last line {problem}" if torn else f"its head {why}"
            raise AuditError(str(self.path), f"{why} (no audit log, or another key?)")

        damage = ""
        if record is not None:
            self._seq, self._hash = record.seq, record.hash
        if head is None:
            damage = f"the head {why}: records before this may be missing"
        elif head.seq > self._seq:
            damage = f"there were records up to {head.seq}, of which the last is gone"
        elif head.seq == self._seq and head.last != self._hash:
            damage = f"record {head.seq} is not the one that was written"
        if head is not None and damage:
            self._seq, self._hash = head.seq, head.last
        if head is None and record is None:
            damage = ""
            self._write_head()  # so that a log without a head is never only an accident
        self._marked = self._seq

        if self._file < 0:
            self._file = open_log(self.path, anew=True)
        status = os.fstat(self._file)
        self._inode, self._size = (status.st_dev, status.st_ino), status.st_size
        self._sync_folder()
        self._begin(torn, damage)
        self.write(
            (Statement(self.clock(), Result.OPENED, reason=f"process {os.getpid()}"),)
        )

    def _begin(self, torn: bytes, damage: str) -> None:
        """Begin to write: record a torn line, damage, and who opened the log."""
        now = self.clock()
        if torn and self._size:
            self._pending += b"\n"
        if damage:
            logging.getLogger("airssys").error("audit log %s: %s", self.path, damage)
            self._chain(Statement(now, Result.DAMAGED, reason=damage))
        elif torn:
            self._chain(
                Statement(
                    now,
                    Result.REPAIRED,
                    resource=digest(torn),
                    reason=f"the {len(torn)} bytes before this are a torn record: "
                    "the process or the machine ended while it was written",
                )
            )
        elif self._seq and not self._size:
            self._chain(Statement(now, Result.ROTATED))

    # --- files --------------------------------------------------------------------

    def _check_file(self) -> None:
        """Note if somebody else has touched the file since it was written."""
        if self._file < 0:
            return
        try:
            status = self.path.lstat()
            inode, size = (status.st_dev, status.st_ino), status.st_size
        except FileNotFoundError:
            inode, size = (0, 0), 0
        if inode != self._inode:
            os.close(self._file)
            self._file = -1
            self._open_anew()
            self._begin(b"", "the file was moved or removed while it was written")
        elif size != self._size:
            damage = (
                f"the file had {size} bytes and not {self._size}: "
                "somebody else wrote to it, or cut it"
            )
            self._size = size
            self._begin(b"?", damage)

    def _next_file(self) -> None:
        """Put the full file aside, begin the next, and remove what is too old."""
        self._flush()
        if self._file >= 0:
            self._write_head()
            aside = archive_of(self.path, self._seq)
            if aside.exists():
                raise FileExistsError(f"{aside} is there already")
            self.path.rename(aside)
            os.close(self._file)
            self._file = -1
        self._open_anew()
        kept = own_archives(self.path)
        removed = kept[: max(0, len(kept) - self.keep)] if self.keep is not None else []
        oldest = str(last_of(removed[-1]) + 1) if removed else ""
        self._chain(Statement(self.clock(), Result.ROTATED, resource=oldest))
        self._flush()
        self._write_head()
        # After the record that says so: what is missing without one was taken away.
        for file in removed:
            file.unlink(missing_ok=True)

    def _open_anew(self) -> None:
        self._file = open_log(self.path, anew=True)
        status = os.fstat(self._file)
        self._inode, self._size = (status.st_dev, status.st_ino), 0
        self._sync_folder()

    # --- writing ------------------------------------------------------------------

    def _chain(self, said: Statement) -> None:
        line, own = rendered(said, self._seq + 1, self._hash, self.seal)
        self._pending += line
        self._seq, self._hash = self._seq + 1, own

    def _flush(self) -> None:
        while self._pending:
            written = os.write(self._file, self._pending)
            self._size += written
            del self._pending[:written]

    def _write_head(self) -> None:
        """Write the head, in place: it is less than a sector of a disk."""
        if self.sync and self._file >= 0:
            os.fsync(self._file)
        head = Head(self._hash, self._seq).rendered(self.seal)
        os.pwrite(self._head, head, 0)
        if self.sync:
            os.fsync(self._head)
        self._marked = self._seq

    def _sync_folder(self) -> None:
        """Wait until the disk has the names of new files, too."""
        if self.sync:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _release(self) -> None:
        for descriptor in (self._file, self._head):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._head = -1
