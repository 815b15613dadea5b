"""Listen to a system's events and write those of the audit, in a thread.

`AuditLog.event` only puts an event into a queue; a thread writes, in order. So a host
call never waits for a disk, and what the disk refuses never reaches a guest.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

import anyio
import anyio.lowlevel
import anyio.to_thread
from attrs import define, field

from ..core.errors import AuditError
from ..core.event import (
    Audited,
    Denied,
    Event,
    Granted,
    QuotaNeared,
    Revoked,
)
from ..core.grants.capabilities import words
from ..uncut import uncut
from .flood import MOST, PERIOD, Flood, Source, source_of
from .journal import Journal
from .statement import Result, Statement, is_audited, is_long, statement

__all__ = ("AuditLog",)

_QUEUE: Final = 50_000
"""Events that may wait for the thread; more are lost, and counted."""
_BATCH: Final = 1000
_RETRY: Final = 1.0
"""Seconds until a file that could not be written is tried again."""

_Waiting: TypeAlias = tuple[float, Audited] | Statement | threading.Event | None


@define(eq=False)
class AuditLog:
    """An instrument that writes an audit log; made by `open_audit`."""

    path: Path
    grants: bool
    """Whether what is granted is written too: the gate emits that only on demand."""
    problem: str = field(default="", init=False)
    """Why the file cannot be written at the moment; empty while it can."""
    lost: int = field(default=0, init=False)
    """Records that there was no room for, and that never will be written."""
    _journal: Journal = field(kw_only=True)
    _alerts: bool = field(kw_only=True)
    _strict: bool = field(kw_only=True)
    _clock: Callable[[], float] = field(kw_only=True)
    _queue: SimpleQueue[_Waiting] = field(factory=SimpleQueue, init=False)
    _flood: Flood = field(factory=Flood, init=False)
    _lost_on_record: int = field(default=0, init=False)
    """How many of the lost records the log has a record about so far."""
    _closing: threading.Event = field(factory=threading.Event, init=False)
    _failed: threading.Event = field(factory=threading.Event, init=False)
    """Set when a strict log fails, and at the end."""
    _failure: str = field(default="", init=False)
    """Why a strict log failed for the first time."""
    _thread: threading.Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = threading.Thread(
            target=self._run, name=f"audit {self.path.name}", daemon=True
        )

    @property
    def written(self) -> int:
        """The number of the last record in the file."""
        return self._journal.written

    def event(self, event: Event) -> None:
        """Let the thread write the event, if it is one of the audit's."""
        if not is_audited(event):
            return
        match event:
            case Denied():
                if self._admits(event):
                    self._put(event)
            case Revoked():
                self._put(event)
            case Granted():
                if self.grants:
                    self._put(event)
            case QuotaNeared():
                if self._alerts:
                    self._put(event)

    def _admits(self, denied: Denied) -> bool:
        """Tell whether a denial is written, or is one too many of its source."""
        source = source_of(denied)
        admitted, before = self._flood.admit(source, denied.at)
        if before:
            self._put_flood(source, before)
        return admitted

    def _put(self, event: Audited) -> None:
        if self._queue.qsize() >= _QUEUE or self._closing.is_set():
            self.lost += 1
            return
        now = self._clock()
        self._queue.put(statement(now, event) if is_long(event) else (now, event))

    def _put_flood(self, source: Source, count: int) -> None:
        """Say how many denials were not written."""
        component, sender = source
        reason = f"{count} denials were not written: over {MOST:_} in {PERIOD:.0f} s"
        said = Statement(
            self._clock(),
            Result.LOST,
            component,
            needed=words("messaging", "receive", sender) if sender else "",
            resource=str(count),
            reason=reason,
        )
        self._queue.put(said)

    def _put_floods(self) -> None:
        for source, count in self._flood.rest():
            self._put_flood(source, count)

    async def flush(self) -> None:
        """Wait until all that has happened so far is in the file.

        As long as the file cannot be written, this does not return.
        """
        if self._closing.is_set():
            await anyio.lowlevel.checkpoint()
            return
        self._put_floods()
        done = threading.Event()
        self._queue.put(done)
        await _wait(done)

    # --- the thread ---------------------------------------------------------------

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    async def close(self) -> None:
        """Write all that waits in the queue, and end the thread."""
        self._put_floods()
        # From here on nothing more is put into the queue: the thread ends with it.
        self._closing.set()
        self._queue.put(None)
        await uncut(self._join)

    async def _join(self) -> None:
        await anyio.to_thread.run_sync(self._thread.join)

    def _run(self) -> None:
        while not (self._closing.is_set() and self._queue.empty()):
            self._write_batch()
        self._finish()
        self._failed.set()

    def _write_batch(self) -> None:
        """Write all that waits in the queue; wait where it is empty."""
        batch = [self._queue.get()]
        with suppress(Empty):
            while len(batch) < _BATCH:
                batch.append(self._queue.get_nowait())
        statements = [
            statement(*each) if isinstance(each, tuple) else each
            for each in batch
            if isinstance(each, tuple | Statement)
        ]
        if more := self.lost - self._lost_on_record:
            self._lost_on_record += more
            statements.append(self._record_of_lost(more))
        self._write(statements)
        for each in batch:
            if isinstance(each, threading.Event):
                each.set()

    def _record_of_lost(self, count: int) -> Statement:
        reason = f"{count} records were lost: more happened than could be written"
        return Statement(self._clock(), Result.LOST, resource=str(count), reason=reason)

    def _write(self, statements: Iterable[Statement]) -> None:
        """Write, again and again until it works or the log is closed."""
        while True:
            last = self._closing.is_set()
            try:
                self._journal.write(statements)
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread goes on
                statements = ()
                self._fail(error)
            else:
                self._recover()
                return
            if last:
                return
            self._closing.wait(_RETRY)

    def _fail(self, error: Exception) -> None:
        if not self.problem:
            logging.getLogger("airssys").error(
                "audit log %s cannot be written: %s", self.path, error
            )
        self.problem = str(error)
        if not isinstance(error, OSError):
            self.lost += 1  # a record that cannot be; the others are tried again
        if self._strict and not self._failure:
            self._failure = self.problem
            self._failed.set()

    def _recover(self) -> None:
        if self.problem:
            logging.getLogger("airssys").warning(
                "audit log %s can be written again", self.path
            )
            self.problem = ""

    def _finish(self) -> None:
        try:
            self._journal.close()
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)
            self.lost += self._journal.behind
            logging.getLogger("airssys").error(  # noqa: TRY400 - it was logged
                "audit log %s: %d records could not be written", self.path, self.lost
            )

    async def watch(self) -> None:
        """Wait until a strict log fails.

        Raises:
            AuditError: The log failed; says why.
        """
        await _wait(self._failed)
        if self._failure:
            raise AuditError(str(self.path), self._failure)


async def _wait(done: threading.Event) -> None:
    # A thread of its own: all shared worker threads may be waiting for a disk.
    limiter = anyio.CapacityLimiter(1)
    await anyio.to_thread.run_sync(done.wait, abandon_on_cancel=True, limiter=limiter)
