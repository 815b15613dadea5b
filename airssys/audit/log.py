"""Listen to a system's events and write those of the audit, behind its back.

`AuditLog.event` only puts an event into a queue; a thread writes, in order. So a host
call never waits for a disk, and what the disk refuses never reaches a guest.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

import anyio
import anyio.lowlevel
import anyio.to_thread
from attrs import define, field

from ..core.defaults import AUDIT_KEEP, AUDIT_ROTATE
from ..core.errors import AuditError
from ..core.event import Denied, Event, Granted, QuotaNeared, Revoked
from ..core.manifests.host import HostConfig
from .flood import MOST, PERIOD, Flood, Source, source_of
from .journal import Journal
from .record import ALERT, DENIED, GRANTED, LOST, REVOKED, Entry, Seal

__all__ = ("AuditLog", "audit_for", "open_audit", "read_key")

_QUEUE: Final = 50_000
"""Events that may wait for the thread; more are lost, and counted."""
_BATCH: Final = 1000
_LONG: Final = 2048
"""Characters; an event with more is cut before it waits."""
_RETRY: Final = 1.0
"""Seconds until a file that could not be written is tried again."""

_Told: TypeAlias = Denied | Granted | Revoked | QuotaNeared
_Waiting: TypeAlias = tuple[float, _Told] | Entry | threading.Event | None


@define(eq=False)
class AuditLog:
    """An instrument that writes an audit log; made by `open_audit`."""

    path: Path
    grants: bool
    """Whether what is granted is written too: the guard emits it only on demand."""
    problem: str = field(default="", init=False)
    """Why the file cannot be written at the moment; empty while it can."""
    lost: int = field(default=0, init=False)
    """Records that there was no room for, and that never will be written."""
    _journal: Journal = field(kw_only=True)
    _kinds: frozenset[type] = field(kw_only=True)
    _strict: bool = field(kw_only=True)
    _clock: Callable[[], float] = field(kw_only=True)
    _queue: SimpleQueue[_Waiting] = field(factory=SimpleQueue, init=False)
    _flood: Flood = field(factory=Flood, init=False)
    _told: int = field(default=0, init=False)
    """How many of the lost the log says so far."""
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
        if type(event) not in self._kinds:
            return
        assert isinstance(event, _Told)
        if type(event) is Denied:
            source = source_of(event.component, event.needed)
            admitted, before = self._flood.admit(source, event.at)
            if before:
                self._put_flood(source, before)
            if not admitted:
                return
        if self._queue.qsize() >= _QUEUE or self._closing.is_set():
            self.lost += 1
            return
        now = self._clock()
        self._queue.put(_entry(now, event) if _long(event) else (now, event))

    def _put_flood(self, source: Source, count: int) -> None:
        """Say how many denials were not written."""
        component, needed = source
        reason = f"{count} denials were not written: over {MOST:_} in {PERIOD:.0f} s"
        entry = Entry(
            self._clock(),
            LOST,
            component,
            needed=needed,
            resource=str(count),
            reason=reason,
        )
        self._queue.put(entry)

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
        """Write all that waits, and end."""
        self._put_floods()
        # From here on nothing more is put into the queue: the thread ends with it.
        self._closing.set()
        self._queue.put(None)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._thread.join)

    def _run(self) -> None:
        while not (self._closing.is_set() and self._queue.empty()):
            self._write_batch()
        self._finish()
        self._failed.set()

    def _write_batch(self) -> None:
        """Write what there is, at least one thing."""
        batch = [self._queue.get()]
        with suppress(Empty):
            while len(batch) < _BATCH:
                batch.append(self._queue.get_nowait())
        entries = [
            _entry(*each) if isinstance(each, tuple) else each
            for each in batch
            if isinstance(each, tuple | Entry)
        ]
        if more := self.lost - self._told:
            self._told += more
            entries.append(self._lost(more))
        self._write(entries)
        for each in batch:
            if isinstance(each, threading.Event):
                each.set()

    def _lost(self, count: int) -> Entry:
        reason = f"{count} records were lost: more happened than could be written"
        return Entry(self._clock(), LOST, resource=str(count), reason=reason)

    def _write(self, entries: Iterable[Entry]) -> None:
        """Write, again and again until it works or the log is closed."""
        while True:
            last = self._closing.is_set()
            try:
                self._journal.write(entries)
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread goes on
                entries = ()
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
            logging.getLogger("airssys").error(  # noqa: TRY400 - it was told
                "audit log %s: %d records could not be written", self.path, self.lost
            )

    async def watch(self) -> None:
        """Wait until a strict log fails.

        Raises:
            AuditError: It did.
        """
        await _wait(self._failed)
        if self._failure:
            raise AuditError(str(self.path), self._failure)


async def _wait(done: threading.Event) -> None:
    # A thread of its own: those that others share may all be waiting for a disk.
    limiter = anyio.CapacityLimiter(1)
    await anyio.to_thread.run_sync(done.wait, abandon_on_cancel=True, limiter=limiter)


def _long(event: _Told) -> bool:
    """Tell whether an event's texts are too long to wait in memory."""
    if isinstance(event, Denied):
        return len(event.needed) + len(event.resource) + len(event.reason) > _LONG
    if isinstance(event, Granted):
        return len(event.needed) + len(event.resource) > _LONG
    return False


def _entry(time: float, event: _Told) -> Entry:
    match event:
        case Denied(_, component, operation, needed, reason, resource, correlation):
            return Entry(
                time,
                DENIED,
                component,
                operation,
                needed,
                resource,
                reason,
                correlation,
            )
        case Granted(_, component, operation, needed, resource, correlation):
            return Entry(
                time,
                GRANTED,
                component,
                operation,
                needed,
                resource,
                correlation=correlation,
            )
        case Revoked(_, component, needed, reason):
            return Entry(time, REVOKED, component, needed=needed, reason=reason)
        case QuotaNeared(_, owner, quota, level, share):
            reason = f"{level}: {share:.0%} are in use"
            return Entry(time, ALERT, owner, needed=f"quota {quota}", reason=reason)


@asynccontextmanager
async def open_audit(
    path: str | os.PathLike[str],
    *,
    grants: bool = False,
    alerts: bool = True,
    rotate: int = AUDIT_ROTATE,
    keep: int | None = AUDIT_KEEP,
    key: bytes | None = None,
    sync: bool = False,
    strict: bool = False,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[AuditLog]:
    """Open an audit log, or begin one; leaving the block writes all that waits.

    Every denial and every revocation is a record. The log is an instrument: pass it to
    `open_system`.

    Args:
        path: The file. Beside it are its head, ``.head``, and full files, which end in
            the number of their last record.
        grants: Whether what is granted is written too.
        alerts: Whether quotas that are nearly used up are written too.
        rotate: Bytes after which the next file begins.
        keep: Full files that are kept; None: all.
        key: At least 16 bytes that whoever could change the file must not know.
        sync: Whether to wait, after each batch of records, until the disk has them.
            Without it a power cut loses what the kernel had not written yet, some 30
            seconds on Linux; the end of the process never does.
        strict: Whether a file that cannot be written ends the block, with `AuditError`
            in an ExceptionGroup. Without it that is logged, and tried again.
        clock: Gives seconds since 1970.

    Raises:
        OSError: A file cannot be opened.
        AuditError: Another process writes to it, or it is no audit log, or it was
            written with another key.
        ValueError: An option is out of range.
    """
    if rotate < 1 or (keep is not None and keep < 0):
        raise ValueError("rotate must be at least 1, and keep at least 0")
    place = Path(os.path.abspath(path))  # noqa: ASYNC240, PTH100 - reads no file; resolve() follows links
    journal = await anyio.to_thread.run_sync(
        partial(
            Journal.open,
            place,
            seal=Seal(key),
            rotate=rotate,
            keep=keep,
            sync=sync,
            clock=clock,
        )
    )
    kinds = {Denied, Revoked}
    kinds |= {Granted} if grants else set()
    kinds |= {QuotaNeared} if alerts else set()
    log = AuditLog(
        place,
        grants,
        journal=journal,
        kinds=frozenset(kinds),
        strict=strict,
        clock=clock,
    )
    log.start()
    try:
        if strict:
            async with anyio.create_task_group() as nursery:
                nursery.start_soon(log.watch)
                yield log
                nursery.cancel_scope.cancel()
        else:
            yield log
    finally:
        await log.close()


@asynccontextmanager
async def audit_for(config: HostConfig) -> AsyncIterator[AuditLog | None]:
    """Open the audit log that a host's settings ask for; None where they ask for none.

    Raises:
        OSError: A file cannot be opened; likewise whatever else `open_audit` raises.
    """
    given = config.audit
    if given.file is None:
        yield None
        return
    key = None
    if given.key is not None:
        key = await anyio.to_thread.run_sync(read_key, Path(given.key))
    async with open_audit(
        given.file,
        grants=given.grants,
        rotate=given.rotate,
        keep=given.keep,
        key=key,
        sync=given.sync,
        strict=given.strict,
    ) as log:
        yield log


def read_key(path: Path) -> bytes:
    """Read the key of an audit log: what is in a file, without the end of its line.

    Raises:
        OSError: It cannot be read.
        AuditError: It is too short for a key.
    """
    key = path.read_bytes().removesuffix(b"\n")
    try:
        return Seal(key).key or b""
    except ValueError as error:
        raise AuditError(str(path), str(error)) from None
