"""Hold what a guest has opened: a file, or a directory."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from attrs import define, field, frozen

from ...core.errors import WitError
from ...core.grants.capabilities import Filesystem
from ...core.grants.grants import Grants
from ...host.filesystem.access import Action, Disk
from ...host.filesystem.open_file import OpenFile, drop
from ...host.filesystem.resolve import Folder
from ...hostcalls.call import Call
from .codes import NOT_PERMITTED

__all__ = ("Descriptor", "Directory", "SharedFile")

_CHANGES: Final = ("write", "delete")
_SYNC: Final = ("file-integrity-sync", "data-integrity-sync", "requested-write-sync")


@define(eq=False)
class SharedFile:
    """An open file, closed once its descriptor and all streams over it are gone."""

    disk: Disk
    file: OpenFile
    identity: tuple[int, int]
    """Its device and number."""
    flags: frozenset[str]
    """What it was opened for, in WASI's words."""
    _allowed: dict[Action, Grants] = field(factory=dict, init=False)
    """By what grants the caller was allowed something last."""
    _holders: int = field(default=1, init=False)

    @property
    def quick(self) -> bool:
        """Whether small things can be done to it without a thread."""
        return self.file.at_hand and self.flags.isdisjoint(_SYNC)

    def hold(self) -> SharedFile:
        """Count one more who must let go of it."""
        self._holders += 1
        return self

    def let_go(self) -> None:
        """Close it where nobody else holds it; on the event loop's thread."""
        self._holders -= 1
        if not self._holders:
            drop(self.disk.workers, self.file)

    def __del__(self) -> None:
        if self._holders > 0:  # made, and never handed to a guest
            with suppress(OSError):
                self.file.give_back()
                self.file.close()

    def check(self, call: Call, action: Action) -> None:
        """Let a call go on that may still do that with the file.

        Raises:
            WitError: It may not.
        """
        gate, grants = self.disk.gate, call.grants
        if self._allowed.get(action) is grants:
            return
        need = Filesystem(action, self.file.path)
        if gate.allowed(call, need, self.file.shown):
            raise WitError(NOT_PERMITTED)
        # The same grants say the same again, unless they can expire; and where each
        # use is told of, each is to be told of.
        if not grants.expires and not gate.grants:
            self._allowed[action] = grants

    def check_one(self, call: Call, *more: Action) -> None:
        """Let a call go on that may still do something that the file was opened for.

        Raises:
            WitError: It may not.
        """
        actions = (*self.file.mode.actions, *more)
        judge, path = self.disk.gate.judge, self.file.path
        allowed = (one for one in actions if judge(call, Filesystem(one, path)) is None)
        self.check(call, next(allowed, actions[0]))


@frozen
class Directory:
    """A directory that was opened: where it is, and what it is.

    Nothing is held open: a path is followed from here each time it is used, and is
    judged by where it leads then.
    """

    folder: Folder
    shown: str
    """What the guest calls it."""
    _changes: dict[int, tuple[Grants, bool]] = field(
        factory=dict, init=False, eq=False, repr=False
    )
    """What the grants said that were asked last."""

    def changes(self, grants: Grants, now: float) -> bool:
        """Tell whether grants let anything below it be changed at a moment."""
        known = self._changes.get(id(grants))
        if known is not None:
            return known[1]
        changes = self._reached(grants, now)
        if not grants.expires:  # the same grants say the same again
            self._changes.clear()
            self._changes[id(grants)] = grants, changes
        return changes

    def _reached(self, grants: Grants, now: float) -> bool:
        if grants.expires.get("filesystem", math.inf) <= now:
            return False
        below = self.folder.path.rstrip("/") + "/"
        return any(grants.reach("filesystem", action, below) for action in _CHANGES)


@define(eq=False)
class Descriptor:
    """The resource ``descriptor``."""

    of: SharedFile | Directory
    give_back: Callable[[], object] | None = None
    """Takes a directory off its owner's quota of handles; a file does so itself."""
    _dropped: bool = field(default=False, init=False)

    @property
    def file(self) -> SharedFile:
        """The file.

        Raises:
            WitError: It is a directory.
        """
        if isinstance(self.of, Directory):
            raise WitError("bad-descriptor")
        return self.of

    @property
    def directory(self) -> Directory:
        """The directory.

        Raises:
            WitError: It is a file.
        """
        if isinstance(self.of, SharedFile):
            raise WitError("not-directory")
        return self.of

    @property
    def identity(self) -> tuple[int, int] | None:
        """Device and number."""
        match self.of:
            case SharedFile(identity=identity):
                return identity
            case Directory(folder=folder):
                return folder.identity

    def drop(self) -> None:
        """Let go of it: the guest has no handle of it any more."""
        if self._dropped:
            return
        self._dropped = True
        if isinstance(self.of, SharedFile):
            self.of.let_go()
        elif self.give_back is not None:
            self.give_back()
