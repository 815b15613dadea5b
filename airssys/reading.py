"""Read files that others may have put there: nothing that blocks, or has no end."""

from __future__ import annotations

import codecs
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from .core.errors import ManifestError
from .core.toml.schema import LONGEST_FILE

__all__ = ("LARGEST", "open_regular", "read_bytes", "read_text")

LARGEST: Final = 2**30
"""Bytes that are read of a file at the most, where nothing else is said."""
_LONGEST_TEXT: Final = 4 * (LONGEST_FILE + 1)
"""Bytes that hold more characters than a file may have, whichever they are."""


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file to read it, if it is a regular one.

    Opening a FIFO waits for who writes to it, and a device may have no end.

    Raises:
        OSError: It is none, or cannot be opened.
    """
    # Looked at before too: to open a device can do something already.
    _check(Path(path).stat(), path)
    file = open(path, "rb", opener=_opener)  # noqa: SIM115 - the caller's
    try:
        _check(os.fstat(file.fileno()), path)
    except OSError:
        file.close()
        raise
    return file


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _check(found: os.stat_result, path: str | os.PathLike[str]) -> None:
    if stat.S_ISDIR(found.st_mode):
        code = errno.EISDIR
        raise IsADirectoryError(code, os.strerror(code), os.fspath(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))


def read_bytes(path: str | os.PathLike[str], *, most: int = LARGEST) -> bytes:
    """Read a regular file.

    Raises:
        OSError: It cannot be read, or is larger than ``most`` bytes.
    """
    with open_regular(path) as file:
        content = b""
        if os.fstat(file.fileno()).st_size <= most:
            content = file.read(most + 1)
            if len(content) <= most:
                return content
    reason = f"it has more than {most:_} bytes"
    raise OSError(errno.EFBIG, reason, os.fspath(path))


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a file that people write, no further than such a file can be long.

    Lines end as they do in the file. The mark that some editors put before UTF-8 text
    is no part of it.

    Raises:
        ManifestError: It is no UTF-8 text.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        # Whoever parses it says that it is too long.
        content = file.read(_LONGEST_TEXT)
    text = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        # It may have been cut within a character.
        return text.decode(content, final=len(content) < _LONGEST_TEXT)
    except UnicodeDecodeError:
        raise ManifestError(os.fspath(path), ("it is not UTF-8 text",)) from None
