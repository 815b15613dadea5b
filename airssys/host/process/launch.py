"""Find the program that a guest means, hold on to it, and check the grant for it.

A path is followed as those of files are, and what it leads to is checked before it is
opened. Then the system is asked what was opened: so what is checked is what runs, and
names and links can change meanwhile as they like.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Final

from attrs import frozen

from ...core.grants.capabilities import Capability, Denial, Filesystem, Process
from ...hostcalls.gate import SHOWN
from ..filesystem.leads import Leads, first_left
from ..filesystem.resolve import InvalidPath, Moved, check_path, resolve
from .errors import failure

__all__ = ("Asker", "Judge", "Launch", "Refused", "Wanted", "prepare")

Judge = Callable[[Capability], Denial | None]
"""Tells why a capability is refused; in any thread."""

_TRIES: Final = 5
"""How often a path is followed again that changes meanwhile."""
_MOST_ARGUMENTS: Final = 1024
_MOST_BYTES: Final = 128 * 1024
_SCRIPT: Final = "/proc/self/fd/3"
_SHEBANG: Final = re.compile(rb"#![ \t]*([^ \t\n\0]+)(?:[ \t]+([^\n\0]*?))?[ \t]*\n")
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_HEAD: Final = 256
"""Bytes of a script that can name its interpreter: Linux's limit."""


@frozen
class Wanted:
    """What a guest wants to be started."""

    command: str
    arguments: Sequence[str]
    directory: str | None
    environment: Mapping[str, str]


@frozen
class Launch:
    """What is to be started, pinned: the descriptors are open."""

    program: str
    """What was granted: the canonical path of the program, or of the script."""
    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: int
    executable: int
    script: int | None = None
    needs: Sequence[tuple[Capability, str]] = ()
    """What was checked, and the guest's words for it where these are others."""


class Refused(Exception):
    """No grant covers what a guest wants."""

    def __init__(self, denial: Denial, shown: str, more: str = "") -> None:
        super().__init__(denial, shown, more)
        self.denial = denial
        self.shown = shown
        self.more = more
        """What else is missing, for the guest."""

    @classmethod
    def check(cls, needs: Iterable[tuple[Capability, str]], judge: Judge) -> None:
        """Raise it where a grant is missing."""
        for need, shown in needs:
            denial = judge(need)
            if denial is not None:
                raise cls(denial, shown)


@frozen
class _Pinned:
    path: str
    fd: int
    needs: Sequence[tuple[Capability, str]]


@frozen
class Asker:
    """What the one who wants a program may do."""

    judge: Judge
    """Knows the guest's grants."""
    leads: Leads
    """Tells which directories they lead through."""

    banned: Callable[[Capability, os.stat_result], Denial | None] = lambda *_: None
    """Tells whether the host forbids what was opened by another of its names."""

    def leave(self, directory: str | None, shown: str) -> None:
        """Refuse to leave a directory by ``..`` that no grant leads through."""
        if directory is not None:
            Refused.check([(_listing(directory), shown)], self.judge)


def prepare(
    wanted: Wanted,
    ask: Asker,
    interpreters: Collection[str],
    pins: ExitStack,
) -> Launch:
    """Find, hold and check all that is to be started; it blocks.

    Args:
        wanted: What the guest wants.
        ask: Knows the guest's grants.
        interpreters: Canonical paths of the programs that may run a script which is
            granted, without a grant of their own.
        pins: Closes what is held.

    Raises:
        Refused: A grant is missing; no other error tells of what is not granted.
        WitError: It cannot be started.
    """
    _check_text(wanted)
    found = _pin(wanted.command, os.O_PATH, ask, _spawning, pins)
    _check_program(wanted.command, found.fd)
    directory = wanted.directory
    # The root needs no grant: every process can be there.
    need = _nothing if directory is None else _listing
    flags = os.O_PATH | os.O_DIRECTORY
    at = _pin(directory or "/", flags, ask, need, pins)
    head = _head(found.fd)
    environment = wanted.environment
    if not head.startswith(b"#!"):
        argv = (found.path, *wanted.arguments)
        needs = (*found.needs, *at.needs)
        return Launch(found.path, argv, environment, at.fd, found.fd, needs=needs)
    shebang = _SHEBANG.match(head)
    if shebang is None:
        raise failure("exec-format-error", f"{wanted.command!r} names no interpreter")
    interpreter, argument = (os.fsdecode(each or b"") for each in shebang.groups())
    runs = _pin(
        interpreter,
        os.O_PATH,
        ask,
        lambda path: None if path in interpreters else Process("spawn", path),
        pins,
    )
    _check_program(interpreter, runs.fd)
    if _head(runs.fd).startswith(b"#!"):
        raise failure("exec-format-error", f"{interpreter!r} is a script itself")
    argv = (runs.path, *filter(None, [argument]), _SCRIPT, *wanted.arguments)
    needs = (*found.needs, *at.needs, *runs.needs)
    return Launch(found.path, argv, environment, at.fd, runs.fd, found.fd, needs)


def _check_text(wanted: Wanted) -> None:
    if len(wanted.arguments) > _MOST_ARGUMENTS:
        raise failure("invalid-argument", f"more than {_MOST_ARGUMENTS} arguments")
    texts = (*wanted.arguments, *wanted.environment, *wanted.environment.values())
    try:
        os.fsencode("".join((wanted.command, wanted.directory or "", *texts)))
    except UnicodeEncodeError as error:
        words = f"the host's system has no character {error.object[error.start]!a}"
        raise failure("invalid-argument", words) from error
    if any("\0" in argument for argument in wanted.arguments):
        raise failure("invalid-argument", "an argument has a NUL character")
    if sum(len(os.fsencode(text)) + 1 for text in texts) > _MOST_BYTES:
        words = f"arguments and variables have more than {_MOST_BYTES} bytes"
        raise failure("resource-exhausted", words)


def _check_program(shown: str, fd: int) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise failure("spawn-failed", f"{shown!r} is no regular file")
    if not os.access(f"/proc/self/fd/{fd}", os.X_OK):
        raise failure("spawn-failed", f"{shown!r} is not executable")


def _spawning(path: str) -> Capability:
    return Process("spawn", path)


def _listing(path: str) -> Capability:
    return Filesystem("list", path)


def _nothing(_: str) -> None:
    return None


def _pin(
    shown: str,
    flags: int,
    ask: Asker,
    need: Callable[[str], Capability | None],
    pins: ExitStack,
) -> _Pinned:
    """Find where a path leads, check that, and open it."""
    if not shown.startswith("/"):
        words = f"{shown[:SHOWN]!r} is not an absolute path"
        raise failure("invalid-argument", words)
    try:
        check_path(shown)
    except InvalidPath as error:
        words = f"{shown[:SHOWN]!r} has a NUL, or is too long for a path"
        raise failure("invalid-argument", words) from error
    for _ in range(_TRIES):
        with suppress(Moved):
            return _pin_once(shown, flags, ask, need, pins)
    raise failure("not-found", f"{shown!r}: what it leads to keeps changing")


def _pin_once(
    shown: str,
    flags: int,
    ask: Asker,
    need: Callable[[str], Capability | None],
    pins: ExitStack,
) -> _Pinned:
    # As with files: nothing is said, nor opened, before it is known to be granted.
    ask.leave(first_left(shown, ask.leads), shown)
    place = resolve(shown, leads=ask.leads)
    for directory in place.left:
        ask.leave(None if ask.leads(directory) else directory, shown)
    path = place.path
    needed = need(path)
    needs = () if needed is None else ((needed, "" if shown == path else shown),)
    Refused.check(needs, ask.judge)
    problem = os.strerror(place.problem) if place.problem else ""
    if place.folder and not flags & os.O_DIRECTORY:
        problem = problem or os.strerror(errno.ENOTDIR)
    if problem:
        raise failure("not-found", f"{shown!r}: {problem}")
    try:
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        problem = os.strerror(error.errno or 0)
        if error.errno in _EXHAUSTED:
            raise failure("resource-exhausted", f"the host: {problem}") from error
        raise failure("not-found", f"{shown!r}: {problem}") from error
    pins.callback(os.close, fd)
    if needed is not None and (denial := ask.banned(needed, os.fstat(fd))):
        raise Refused(denial, shown)
    opened = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - text in, text out
    if opened != path or not _is_at(path, fd):
        raise Moved(path)
    return _Pinned(path, fd, needs)


def _is_at(path: str, fd: int) -> bool:
    """Tell whether a file still has the name that the system knows it by."""
    try:
        named = os.lstat(path)
    except OSError:
        return False
    return path.startswith("/") and os.path.samestat(named, os.fstat(fd))


def _head(fd: int) -> bytes:
    """Return how a program begins; nothing where it cannot be read, only run."""
    try:
        # Nobody who holds a lease on the file makes this wait.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        copy = os.open(f"/proc/self/fd/{fd}", flags)
    except OSError:
        return b""
    try:
        return os.pread(copy, _HEAD, 0)
    finally:
        os.close(copy)
