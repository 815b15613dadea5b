"""Let a file of the host be a guest's standard input or output.

Whoever makes the instance has chosen the file, so that no grant is asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from attrs import define, field

from ...core.errors import WitError
from ...host.filesystem.limits import FileLimits
from ...host.filesystem.open_file import Mode, OpenFile
from ...host.filesystem.workers import Workers
from ..streams import InputStream, OutputStream, StreamClosed, StreamFailed
from .codes import FileError, code_of, coded

__all__ = ("FileInput", "FileOutput")

_T = TypeVar("_T")
_NEW: Final = 0o666


def _absolute(_: object, __: object, path: Path) -> None:
    if not path.is_absolute():
        raise ValueError(f"{os.fspath(path)!r} is no absolute path: a stream needs one")
    if "\0" in os.fspath(path):
        raise ValueError(f"{os.fspath(path)!r} holds a NUL, which no path does")


@define(eq=False)
class _Lazy:
    """A file that is opened when it is first used, and again after it was closed.

    A guest may let go of its input and ask for it again: then it goes on from there.
    """

    path: Path
    flags: int
    """How it is opened the first time."""
    workers: Workers = field(factory=Workers)
    at: int = 0
    _file: OpenFile | None = field(default=None, init=False)
    _opened: bool = field(default=False, init=False)

    async def use(self, work: Callable[[OpenFile], _T]) -> _T:
        """Do something with the file in a thread.

        Raises:
            StreamFailed: The system could not.
        """
        try:
            if self._file is None:
                opened = await self.workers.run(self._open, OpenFile.close, owner=self)
                self._file, self._opened = opened, True
            file = self._file
            return await self.workers.run(lambda: work(file), owner=self)
        except OSError as error:
            code = code_of(error)
            raise StreamFailed(
                f"{self.path.name!r}: {code}", FileError(code)
            ) from error
        except WitError as error:
            code = str(coded(error).value)
            raise StreamFailed(
                f"{self.path.name!r}: {code}", FileError(code)
            ) from error

    def _failed(self, code: str) -> StreamFailed:
        return StreamFailed(f"{self.path.name!r}: {code}", FileError(code))

    def _open(self) -> OpenFile:
        flags = self.flags & ~os.O_TRUNC if self._opened else self.flags
        descriptor = os.open(self.path, flags | os.O_CLOEXEC, _NEW)
        name = os.fspath(self.path)
        return OpenFile(descriptor, name, name, Mode((), flags), FileLimits())

    def close(self) -> None:
        """Close it, now or when the thread that uses it has done."""
        file, self._file = self._file, None
        if file is not None:
            self.workers.later(lambda: _close(file), self)


def _close(file: OpenFile) -> None:
    # Nobody is there to hear of an error.
    with suppress(OSError):
        file.close()


@define(eq=False)
class FileInput(InputStream):
    """A file of the host as what a guest reads, from its beginning on.

    Raises:
        ValueError: The path is not absolute, or holds a NUL.
    """

    path: Path = field(converter=Path, validator=_absolute)
    _lazy: _Lazy = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._lazy = _Lazy(self.path, os.O_RDONLY)

    def ready(self) -> bool:
        return True

    async def read(self, most: int) -> bytes:
        at = self._lazy.at
        data = await self._lazy.use(lambda file: file.read_at(most, at))
        if not data:
            raise StreamClosed
        self._lazy.at += len(data)
        return data

    def drop(self) -> None:
        self._lazy.close()


@define(eq=False)
class FileOutput(OutputStream):
    """A file of the host as what a guest writes: made anew, or written on.

    Raises:
        ValueError: The path is not absolute, or holds a NUL.
    """

    path: Path = field(converter=Path, validator=_absolute)
    append: bool = field(default=False, kw_only=True)
    """Whether what is in the file stays, and the guest writes behind it."""
    _lazy: _Lazy = field(init=False)

    def __attrs_post_init__(self) -> None:
        how = os.O_APPEND if self.append else os.O_TRUNC
        self._lazy = _Lazy(self.path, os.O_WRONLY | os.O_CREAT | how)

    async def write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            written = await self._lazy.use(self._writing(left))
            left = left[written:]

    def _writing(self, content: memoryview) -> Callable[[OpenFile], int]:
        at = None if self.append else self._lazy.at

        def work(file: OpenFile) -> int:
            written, end = file.write_at(content, at)
            self._lazy.at = end
            return written

        return work

    def drop(self) -> None:
        self._lazy.close()
