"""Read and write what is in an open file, at once where that takes no wait."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Final, TypeVar

from ...core.errors import WitError
from ...hostcalls.call import Call
from .codes import coded
from .descriptor import SharedFile

__all__ = (
    "LAST",
    "read_at",
    "read_later",
    "read_now",
    "use",
    "write_at",
    "write_later",
    "write_now",
)

_T = TypeVar("_T")
LAST: Final = 2**63 - 1
"""Where a file can end at the most."""


def read_now(call: Call, shared: SharedFile, size: int, at: int) -> bytes | None:
    """Return what is in a file from somewhere on, where that takes no wait.

    Returns:
        Nothing: it ends before. None: `read_later` can tell.

    Raises:
        WitError: The caller may not any more.
    """
    shared.check(call, "read")
    return shared.file.at_once(min(size, shared.disk.limits.transfer), at)


async def read_later(call: Call, shared: SharedFile, size: int, at: int) -> bytes:
    """Return what is in a file from somewhere on, by a thread; nothing: it ends before.

    Raises:
        WitError: The caller may not any more, or the system could not.
    """
    size = min(size, shared.disk.limits.transfer, LAST - at)
    work = partial(shared.file.read_at, size, at)
    return await use(call, shared, partial(shared.check, call, "read"), work)


async def read_at(call: Call, shared: SharedFile, size: int, at: int) -> bytes:
    """Return what is in a file from somewhere on, with a wait where it takes one.

    Raises:
        WitError: The caller may not any more, or the system could not.
    """
    data = read_now(call, shared, size, at)
    return await read_later(call, shared, size, at) if data is None else data


def write_now(
    call: Call, shared: SharedFile, data: bytes | memoryview, at: int | None
) -> tuple[int, int] | None:
    """Write into a file where that takes no wait.

    Args:
        call: Who asks.
        shared: The file.
        data: What is written.
        at: From which byte on; None: at the end.

    Returns:
        How many bytes were written, and where they end. None: nothing was, and
        `write_later` can.

    Raises:
        WitError: The caller may not any more, or the system could not.
    """
    shared.check(call, "write")
    disk = shared.disk
    if not (shared.quick and disk.quick.may(len(data))):
        return None
    begin = perf_counter()
    try:
        return shared.file.write_at(data[: disk.limits.transfer], at)
    except OSError as error:
        raise _told(call, shared, error) from error
    finally:
        disk.quick.took(perf_counter() - begin)


def _told(call: Call, shared: SharedFile, error: OSError) -> WitError:
    """Return the guest's error for the system's; a denial of it is audited."""
    try:
        with shared.disk.errors(call, shared.file.shown):
            raise error
    except WitError as failed:
        return coded(failed)


async def write_later(
    call: Call, shared: SharedFile, data: bytes | memoryview, at: int | None
) -> tuple[int, int]:
    """Write into a file, which may take less than all, by a thread; as `write_now`.

    Raises:
        WitError: The caller may not any more, or the system could not.
    """
    work = partial(shared.file.write_at, data[: shared.disk.limits.transfer], at)
    return await use(call, shared, partial(shared.check, call, "write"), work)


async def write_at(
    call: Call, shared: SharedFile, data: bytes | memoryview, at: int | None
) -> tuple[int, int]:
    """Write into a file, with a wait where it takes one; as `write_now`.

    Raises:
        WitError: The caller may not any more, or the system could not.
    """
    done = write_now(call, shared, data, at)
    return await write_later(call, shared, data, at) if done is None else done


async def use(
    call: Call, shared: SharedFile, check: Callable[[], object], work: Callable[[], _T]
) -> _T:
    """Do something with an open file in a thread.

    Args:
        call: Who asks, and was allowed to a moment ago.
        shared: The file.
        check: Is called again where the caller's grants change in the wait.
        work: What can block.

    Raises:
        WitError: The caller may not any more, or the system could not.
    """
    try:
        return await shared.disk.use(call, check, work)
    except OSError as error:
        raise _told(call, shared, error) from error
    except WitError as error:
        raise coded(error) from error
