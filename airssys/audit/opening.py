"""Open audit logs, as a program or the settings of a host ask for them."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from threading import Lock

import anyio
import anyio.to_thread

from ..core.defaults import AUDIT_KEEP, AUDIT_ROTATE
from ..core.errors import AuditError
from ..core.manifests.host import HostConfig
from ..reading import read_bytes
from ..trusted import POSIX, Untrusted, read_file
from ..uncut import uncut
from .journal import Journal
from .log import AuditLog
from .seal import Seal

__all__ = ("audit_for", "open_audit", "read_key")


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
    journal = await _opened(
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
    log = AuditLog(
        place, grants, journal=journal, alerts=alerts, strict=strict, clock=clock
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


async def _opened(opening: Callable[[], Journal]) -> Journal:
    """Open a journal in a thread; close it again if the caller is cancelled."""
    journals: list[Journal] = []
    one = Lock()

    def work() -> None:
        with one:
            if not journals:
                journals.append(opening())

    taken = False
    try:
        await uncut(anyio.to_thread.run_sync, work)
        taken = True
    finally:
        if not taken:
            for journal in journals:
                journal.close()
    return journals[0]


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
        AuditError: Its content is too short for a key, or another user owns it or can
            write to it.
    """
    try:
        key = (read_file if POSIX else read_bytes)(path).removesuffix(b"\n")
    except Untrusted as error:
        raise AuditError(str(path), str(error)) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        return Seal(key).key or b""
    except ValueError as error:
        raise AuditError(str(path), str(error)) from None
