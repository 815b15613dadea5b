"""Keep compiled components on disk, so that the next start need not compile.

An entry is a file of native code, mapped into memory when it is used, and beside it the
digest of that file. Native code runs without any sandbox, so an entry is used only from
a folder that nobody else can write to, and only when the digest agrees. When there are
too many bytes of them, those go that were not used for the longest time.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import platformdirs
from attrs import frozen

from ..core.limits import CACHE_SIZE
from ..trusted import POSIX, Untrusted, open_file, open_folder

__all__ = ("Cache", "Contents", "default_folder")

_CODE: Final = ".cwasm"
_DIGEST: Final = ".digest"
_NEW: Final = ".new-"
_ABANDONED: Final = 3600.0
"""Seconds after which a file that is being written belongs to a process that died."""
_LONGEST_DIGEST: Final = 256


def default_folder() -> Path:
    """Return the user's cache folder for airssys."""
    return platformdirs.user_cache_path("airssys") / "compiled"


@frozen
class Contents:
    """What a cache holds."""

    entries: int = 0
    size: int = 0
    """Bytes of all of them."""
    unused: str = ""
    """Why nothing of it is used; empty: it is."""


@frozen
class _Entry:
    key: str
    size: int
    used: float


@frozen
class Cache:
    """Compiled components in a folder, by the hash of all that went into them."""

    folder: Path
    limit: int = CACHE_SIZE
    """Bytes of all entries together."""

    @contextmanager
    def find(self, key: str) -> Iterator[str | None]:
        """Open a sound entry, whose file is under this path within the block.

        A damaged one counts as absent.
        """
        handle = None
        try:
            with suppress(OSError), self._opened() as place:
                handle = _sound(place, key)
            yield None if handle is None else self._path(handle, key)
        finally:
            if handle is not None:
                os.close(handle)

    def keep(self, key: str, compiled: bytes) -> None:
        """Write an entry; readers see all of it or nothing.

        A cache that cannot be written is no error: the next start compiles again.
        """
        if len(compiled) > self.limit:
            return
        with suppress(OSError), self._opened(make=True) as place:
            place.remove(key + _DIGEST)
            place.write(key + _CODE, compiled)
            digest = hashlib.blake2b(compiled).hexdigest()
            place.write(key + _DIGEST, digest.encode())
            _make_room(place, self.limit)

    def contents(self) -> Contents:
        """Count what is there."""
        try:
            with self._opened() as place:
                entries = list(place.entries())
        except FileNotFoundError:
            return Contents()
        except OSError as error:
            words = str(error) if isinstance(error, Untrusted) else error.strerror
            return Contents(unused=words or type(error).__name__)
        return Contents(len(entries), sum(entry.size for entry in entries))

    def clear(self) -> Contents:
        """Remove all entries; return what they were.

        Raises:
            OSError: One cannot be removed, or the folder is not ours alone.
        """
        try:
            with self._opened() as place:
                entries = list(place.entries())
                for name in place.names():
                    if name.endswith((_CODE, _DIGEST)) or name.startswith(_NEW):
                        place.remove(name)
        except FileNotFoundError:
            return Contents()
        return Contents(len(entries), sum(entry.size for entry in entries))

    @contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[_Place]:
        if not POSIX:
            if make:
                self.folder.mkdir(parents=True, exist_ok=True)
            yield _Place(self.folder, None)
            return
        handle = open_folder(self.folder, make=make)
        try:
            yield _Place(self.folder, handle)
        finally:
            os.close(handle)

    def _path(self, handle: int, key: str) -> str:
        # What was checked, not what is there under its name now.
        own = f"/proc/self/fd/{handle}"
        return own if os.path.exists(own) else str(self.folder / (key + _CODE))  # noqa: PTH110 - Path would follow it


@frozen
class _Place:
    """The folder, open."""

    folder: Path
    handle: int | None
    """None where names cannot be looked up from a descriptor."""

    def names(self) -> list[str]:
        return os.listdir(self.folder if self.handle is None else self.handle)  # noqa: PTH208 - of a descriptor

    def open(self, name: str) -> int:
        if self.handle is None:
            return os.open(self.folder / name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        return open_file(name, self.handle)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self.handle)

    def write(self, name: str, content: bytes) -> None:
        new = _NEW + secrets.token_hex(8)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            handle = os.open(self._at(new), flags, 0o600, dir_fd=self.handle)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(
                self._at(new),
                self._at(name),
                src_dir_fd=self.handle,
                dst_dir_fd=self.handle,
            )
        except BaseException:
            self.remove(new)
            raise

    def entries(self) -> Iterator[_Entry]:
        for name in self.names():
            if name.endswith(_CODE):
                with suppress(FileNotFoundError):
                    status = self.status(name)
                    key = name.removesuffix(_CODE)
                    yield _Entry(key, status.st_size, status.st_mtime)

    def status(self, name: str) -> os.stat_result:
        return os.stat(self._at(name), dir_fd=self.handle, follow_symlinks=False)

    def _at(self, name: str) -> str:
        return str(self.folder / name) if self.handle is None else name


def _sound(place: _Place, key: str) -> int | None:
    """Open an entry's code if its digest agrees, and note that it was used."""
    with os.fdopen(place.open(key + _DIGEST), "rb") as file:
        expected = file.read(_LONGEST_DIGEST)
    handle = place.open(key + _CODE)
    try:
        with os.fdopen(handle, "rb", closefd=False) as file:
            found = hashlib.file_digest(file, "blake2b").hexdigest()
        if found.encode() != expected:
            os.close(handle)
            return None
    except BaseException:
        os.close(handle)
        raise
    with suppress(OSError):
        os.utime(handle if os.utime in os.supports_fd else place.folder / (key + _CODE))
    return handle


def _make_room(place: _Place, limit: int) -> None:
    """Remove what was used longest ago, and what those who died left behind."""
    entries = sorted(place.entries(), key=lambda entry: entry.used)
    size = sum(entry.size for entry in entries)
    for entry in entries:
        if size <= limit:
            break
        place.remove(entry.key + _DIGEST)
        place.remove(entry.key + _CODE)
        size -= entry.size
    for name in place.names():
        if name.startswith(_NEW):
            with suppress(FileNotFoundError):
                status = place.status(name)
                old = time.time() - status.st_mtime > _ABANDONED
                if old and stat.S_ISREG(status.st_mode):
                    place.remove(name)
