"""Tell a guest what went wrong, as a ``filesystem-error``."""

from __future__ import annotations

import errno
import os
from typing import Final

from ...core.errors import WitError
from ...witmodel.types import Variant

__all__ = ("denied", "failure", "from_os")

_CASES: Final = {
    errno.ENOENT: "not-found",
    errno.EACCES: "permission-denied",
    errno.EPERM: "permission-denied",
    errno.EROFS: "permission-denied",
    errno.EEXIST: "already-exists",
    errno.EINVAL: "invalid-argument",
    errno.EOVERFLOW: "invalid-argument",
    errno.EFBIG: "resource-exhausted",
    errno.EMFILE: "resource-exhausted",
    errno.ENFILE: "resource-exhausted",
    errno.ENOMEM: "resource-exhausted",
    errno.ENOTEMPTY: "directory-not-empty",
    errno.ENOTDIR: "not-a-directory",
    errno.EISDIR: "not-a-file",
    errno.ELOOP: "too-many-symlinks",
    errno.ENAMETOOLONG: "name-too-long",
}


def denied(words: str) -> Variant:
    """Return the error that says that no grant covers it."""
    return Variant("permission-denied", words)


def failure(case: str, words: str) -> WitError:
    """Return what to raise so that the guest gets an error."""
    return WitError(Variant(case, words))


def from_os(error: OSError, shown: str) -> WitError:
    """Return the guest's error for the system's.

    Args:
        error: The system's; its own text can hold paths that the guest is not told.
        shown: What the guest asked for, in its words.
    """
    number = error.errno or errno.EIO
    return failure(_CASES.get(number, "io-error"), f"{shown}: {os.strerror(number)}")
