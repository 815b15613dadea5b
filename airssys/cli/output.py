"""Where a command prints: one rule for readers that leave and disks that are full."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TextIO, cast

__all__ = ("Unread", "Unwritable", "can_show", "checked_output", "remark")


class Unwritable(OSError):
    """The standard output does not take what is written."""


class Unread(Unwritable):
    """Whoever read the standard output has gone."""


class _Checked:
    """The standard output, as print() and rich see it.

    rich ends the process by itself where a reader has gone, and with another status.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if not can_show(text, self._stream):
            encoding = self._stream.encoding
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        with _telling():
            return self._stream.write(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        with _telling():
            self._stream.flush()


@contextmanager
def _telling() -> Iterator[None]:
    """Say of an error that it is the output's."""
    try:
        yield
    except BrokenPipeError as error:
        raise Unread(error.errno, error.strerror) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Unwritable(f"the output cannot be written: {reason}") from error


@contextmanager
def checked_output() -> Iterator[None]:
    """Let everything that is printed go through one place, to the end of it.

    Raises:
        Unwritable: Something could not be printed; nothing more is tried.
    """
    stream = sys.stdout
    if stream is None:  # it was closed from the start, so nobody wants to know
        yield
        return
    checked = _Checked(stream)
    try:
        with redirect_stdout(cast("TextIO", checked)):
            yield
            checked.flush()
    except Unwritable:
        _give_up(stream)
        raise


def _give_up(stream: TextIO) -> None:
    """Let Python not try once more, at its exit, to write what nobody takes."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def can_show(text: str, stream: TextIO | None = None) -> bool:
    """Tell whether the standard output, or another, has all characters of a text."""
    stream = sys.stdout if stream is None else stream
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def remark(text: str) -> None:
    """Print a remark, or an error, to where it does not mix with what was asked for.

    Guests' names and words, and those of files, are in many of them. Where nobody
    reads it there is nobody to tell.
    """
    from ..observe.line import printable_lines  # noqa: PLC0415 - not for --help

    stream = sys.stderr
    if stream is None:
        return
    try:
        stream.write(printable_lines(f"airssys: {text}") + "\n")
        stream.flush()
    except (OSError, ValueError):
        _give_up(stream)
