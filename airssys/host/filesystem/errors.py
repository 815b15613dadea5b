"""Name the cases of a ``filesystem-error``."""

from __future__ import annotations

import errno
from typing import Final, Literal, TypeAlias

from ...core.errors import WitError
from ..errors import ErrorCases, numbered

__all__ = ("Case", "failure", "from_os")

Case: TypeAlias = Literal[
    "not-found",
    "permission-denied",
    "already-exists",
    "io-error",
    "invalid-path",
    "resource-exhausted",
    "invalid-argument",
    "directory-not-empty",
    "not-a-directory",
    "not-a-file",
    "too-many-symlinks",
    "name-too-long",
]

_CASES: Final = ErrorCases[Case](
    numbered(
        {
            "not-found": ("ENOENT",),
            "permission-denied": ("EACCES", "EPERM", "EROFS"),
            "already-exists": ("EEXIST",),
            "invalid-argument": ("EINVAL", "EOVERFLOW"),
            "resource-exhausted": ("EFBIG", "EMFILE", "ENFILE", "ENOMEM"),
            "directory-not-empty": ("ENOTEMPTY",),
            "not-a-directory": ("ENOTDIR",),
            "not-a-file": ("EISDIR",),
            "too-many-symlinks": ("ELOOP",),
            "name-too-long": ("ENAMETOOLONG",),
        }
    ),
    otherwise="io-error",
)
failure: Final = _CASES.failure


def from_os(error: OSError, shown: str) -> WitError:
    """Return the guest's error for the system's.

    Args:
        error: The system's.
        shown: What the guest asked for, in its words.
    """
    return _CASES.from_number(error.errno or errno.EIO, shown)
