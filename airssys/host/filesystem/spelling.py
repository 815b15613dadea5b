"""Find how a name is spelled on the disk, where several spellings mean one file.

Some file systems ignore case, or have short names beside long ones. A grant is about
one spelling: that of the disk.
"""

from __future__ import annotations

import errno
import os
import string
import unicodedata
from typing import Final

__all__ = ("on_disk", "spelled")

_SWAPPED: Final = str.maketrans(
    string.ascii_letters, string.ascii_uppercase + string.ascii_lowercase
)


def spelled(parent: str, name: str, found: os.stat_result) -> str:
    """Return a name as the disk has it.

    To list a directory takes long, so that is done only where another spelling leads
    to the same file.

    Args:
        parent: The path of the directory it is in.
        name: As somebody wrote it.
        found: What is there.

    Raises:
        OSError: The disk tells no name for it.
    """
    for other in _others(name):
        try:
            same = os.path.samestat(os.lstat(f"{parent}/{other}"), found)
        except OSError:
            continue
        if same:
            return on_disk(parent, name, found)
    return name


def _others(name: str) -> list[str]:
    swapped = name.translate(_SWAPPED)
    if name.isascii():
        # Without a letter: some ignore a dot at the end.
        return [swapped if swapped != name else f"{name}."]
    composed = unicodedata.normalize("NFC", name)
    decomposed = unicodedata.normalize("NFD", name)
    others = dict.fromkeys((swapped, name.swapcase(), composed, decomposed))
    # Those that ignore case in all of Unicode ignore what has no width, too.
    more = (f"{name}.", f"{name}\N{ZERO WIDTH SPACE}")
    return [other for other in (*others, *more) if other != name]


def on_disk(parent: str, name: str, found: os.stat_result) -> str:
    """Look a file's name up in the list of its directory; as `spelled`."""
    meant: list[str] = []
    with os.scandir(parent or "/") as listing:
        for entry in listing:
            if entry.name == name:
                return name
            if entry.inode() == found.st_ino:
                meant.append(entry.name)
    if len(meant) != 1:
        # Whichever of several it is, a grant might tell them apart.
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return meant[0]
