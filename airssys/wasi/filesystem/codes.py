"""Name the cases of ``error-code``, of the system's errors and of denials."""

from __future__ import annotations

import errno
from collections.abc import Awaitable
from typing import Final, TypeVar, get_args

from attrs import frozen

from ...core.errors import WitError
from ...host.errors import DENIED, numbered
from ...host.filesystem.errors import Case
from ...witmodel.types import Variant

__all__ = ("CODES", "NOT_PERMITTED", "FileError", "code_of", "coded", "told")

_T = TypeVar("_T")

CODES: Final = numbered(
    {
        "access": ("EACCES",),
        "would-block": ("EAGAIN", "EWOULDBLOCK"),
        "already": ("EALREADY",),
        "bad-descriptor": ("EBADF",),
        "busy": ("EBUSY",),
        "deadlock": ("EDEADLK", "EDEADLOCK"),
        "quota": ("EDQUOT",),
        "exist": ("EEXIST",),
        "file-too-large": ("EFBIG",),
        "illegal-byte-sequence": ("EILSEQ",),
        "in-progress": ("EINPROGRESS",),
        "interrupted": ("EINTR",),
        "invalid": ("EINVAL",),
        "io": ("EIO",),
        "is-directory": ("EISDIR",),
        "loop": ("ELOOP",),
        "too-many-links": ("EMLINK",),
        "message-size": ("EMSGSIZE",),
        "name-too-long": ("ENAMETOOLONG",),
        "no-device": ("ENODEV",),
        "no-entry": ("ENOENT",),
        "no-lock": ("ENOLCK",),
        "insufficient-memory": ("ENOMEM", "EMFILE", "ENFILE"),
        "insufficient-space": ("ENOSPC",),
        "not-directory": ("ENOTDIR",),
        "not-empty": ("ENOTEMPTY",),
        "not-recoverable": ("ENOTRECOVERABLE",),
        "unsupported": ("ENOTSUP", "EOPNOTSUPP", "ENOSYS"),
        "no-tty": ("ENOTTY",),
        "no-such-device": ("ENXIO",),
        "overflow": ("EOVERFLOW",),
        "not-permitted": ("EPERM",),
        "pipe": ("EPIPE",),
        "read-only": ("EROFS",),
        "invalid-seek": ("ESPIPE",),
        "text-file-busy": ("ETXTBSY",),
        "cross-device": ("EXDEV",),
    }
)
"""The case of each of the system's error numbers. WASI has none of its own for too many
open files."""
NOT_PERMITTED: Final = "not-permitted"
"""What a denial is to the guest, as is a path that leads out of its folder."""
_OTHERWISE: Final = "io"
_BY_CASE: Final[dict[Case, str]] = {
    "not-found": "no-entry",
    "permission-denied": NOT_PERMITTED,
    "already-exists": "exist",
    "io-error": "io",
    "invalid-path": "invalid",
    "resource-exhausted": "insufficient-memory",
    "invalid-argument": "invalid",
    "directory-not-empty": "not-empty",
    "not-a-directory": "not-directory",
    "not-a-file": NOT_PERMITTED,
    "too-many-symlinks": "loop",
    "name-too-long": "name-too-long",
}
"""The case for each of those that the host's own file system has."""
assert set(_BY_CASE) == set(get_args(Case))


@frozen
class FileError:
    """Why a stream over a file failed, for ``filesystem-error-code``."""

    code: str


def code_of(error: OSError) -> str:
    """Return the case of an error of the system's."""
    return CODES.get(error.errno or errno.EIO, _OTHERWISE)


def coded(error: WitError, *, read_only: bool = False) -> WitError:
    """Return the error of the host's file system as WASI has it.

    Args:
        error: The host's; WASI's own is returned as it is.
        read_only: Whether all that is denied here is denied since nothing in the folder
            may be changed: WASI says ``read-only`` then.
    """
    value = error.value
    if not isinstance(value, Variant):
        return error
    if isinstance(cause := error.__cause__, OSError):
        return WitError(code_of(cause))
    if value.case == DENIED and read_only:
        return WitError("read-only")
    return WitError(_BY_CASE.get(value.case, _OTHERWISE))  # type: ignore[call-overload]


async def told(work: Awaitable[_T], *, read_only: bool = False) -> _T:
    """Wait for something; what goes wrong reaches the guest as WASI has it.

    Args:
        work: May raise the errors of the host's file system.
        read_only: As of `coded`.

    Raises:
        WitError: It went wrong.
    """
    try:
        return await work
    except WitError as error:
        raise coded(error, read_only=read_only) from error
