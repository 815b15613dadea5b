"""Keep compiled components on disk, so that the next start need not compile.

An entry is a file of native code, mapped into memory when it is used, and beside it the
digest of that file. Native code runs without any sandbox, so an entry is used only from
a folder that nobody else can write to, and only when the digest agrees.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

import platformdirs
from attrs import frozen

__all__ = ("Cache", "default_folder")


def default_folder() -> Path:
    """Return the user's cache folder for airssys."""
    return platformdirs.user_cache_path("airssys") / "compiled"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


@frozen
class Cache:
    """Compiled components in a folder, by the hash of all that went into them."""

    folder: Path

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.folder / f"{key}.cwasm", self.folder / f"{key}.digest"

    def find(self, key: str) -> Path | None:
        """Return the file of a sound entry; a damaged one counts as absent."""
        code, digest = self._paths(key)
        try:
            if not self._is_ours() or digest.read_bytes() != _digest(code).encode():
                return None
        except OSError:
            return None
        return code

    def keep(self, key: str, compiled: bytes) -> None:
        """Write an entry; readers see all of it or nothing.

        A cache that cannot be written is no error: the next start compiles again.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_ours():
                return
            code, digest = self._paths(key)
            digest.unlink(missing_ok=True)
            self._write(code, compiled)
            self._write(digest, _digest(code).encode())
        except OSError:
            return

    def _write(self, path: Path, content: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _is_ours(self) -> bool:
        """Tell whether only this user can have written to the folder."""
        if not hasattr(os, "getuid"):
            return True  # Windows: the user's profile is private by default
        status = self.folder.stat()
        others = stat.S_IWGRP | stat.S_IWOTH
        return status.st_uid == os.getuid() and not status.st_mode & others
