from __future__ import annotations

import errno
import os

import pytest

from airssys.host.filesystem.errors import from_os
from airssys.witmodel.types import Variant


@pytest.mark.parametrize(
    ("number", "case"),
    [
        (errno.ENOENT, "not-found"),
        (errno.EACCES, "permission-denied"),
        (errno.EPERM, "permission-denied"),
        (errno.EROFS, "permission-denied"),
        (errno.EEXIST, "already-exists"),
        (errno.EINVAL, "invalid-argument"),
        (errno.EMFILE, "resource-exhausted"),
        (errno.EFBIG, "resource-exhausted"),
        (errno.ENOTEMPTY, "directory-not-empty"),
        (errno.ENOTDIR, "not-a-directory"),
        (errno.EISDIR, "not-a-file"),
        (errno.ELOOP, "too-many-symlinks"),
        (errno.ENAMETOOLONG, "name-too-long"),
        (errno.ENOSPC, "io-error"),
        (errno.EIO, "io-error"),
    ],
)
def test_the_systems_errors_are_told_in_the_guests_words(
    number: int, case: str
) -> None:
    error = OSError(number, os.strerror(number), "/a/path/of/the/host")

    assert from_os(error, "'a.txt'").value == Variant(
        case, f"'a.txt': {os.strerror(number)}"
    )


def test_an_error_without_a_number_is_told_as_well() -> None:
    value = from_os(OSError("odd"), "'a.txt'").value

    assert isinstance(value, Variant)
    assert value.case == "io-error"
