"""Check what one host call does with paths, and keep the events for the audit.

The work of a call runs in a thread, where paths can be followed. What it finds is told
on the event loop's thread afterwards, a denial as well as a grant.

Work begins again from its start (`Moved`) when what it was checked by does not hold
any more: a path leads elsewhere by now, or the caller has other grants. So it checks
all before it changes anything, and looks (`go_on`) between the steps of long work.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final, Literal, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

import anyio.lowlevel
from anyio.lowlevel import EventLoopToken
from attrs import define, evolve, field

from ...core.errors import WitError
from ...core.grants.capabilities import Denial, Filesystem
from ...core.grants.grants import Grants
from ...hostcalls.call import Call, Standing
from ...hostcalls.gate import Gate
from ...witmodel.types import Variant
from ..errors import DENIED, as_wit_errors, by_the_system, permission_denied
from .aliases import banned
from .errors import failure, from_os
from .leads import Leads, first_left, leading
from .limits import FileLimits
from .linux import is_at_hand
from .pin import SUPPORTED, Pin, best_pin, look, open_folder, pinned
from .quick import QuickWrites
from .resolve import Folder, InvalidPath, Moved, Place, check_path, resolve
from .workers import Workers, hand_back

__all__ = ("Access", "Action", "Disk")

_T = TypeVar("_T")

Action: TypeAlias = Literal["read", "write", "delete", "list"]

_TRIES: Final = 5
"""How often a path is followed again that changed between its check and its use."""
_SHORT: Final = 512
"""Characters of a path that is followed on the event loop's thread."""
_FEW: Final = 24
"""Names of such a path."""
_ODD: Final = frozenset(("", ".", ".."))
"""What is no name in a path."""
_KEPT: Final = 32
"""Judgements that are kept for when the same is asked again."""
_LOOKS: Final[tuple[Action, ...]] = ("read", "list")
_SHOWN: Final = 256
"""Characters of a text that can be no path, for the audit: it can be of any length."""


@define(eq=False)
class Disk:
    """The file system as all components of one host see it."""

    gate: Gate
    limits: FileLimits = field(factory=FileLimits)
    pin: Pin = field(factory=best_pin)
    supported: bool = field(default=SUPPORTED, kw_only=True)
    """Whether the system can work relative to descriptors; else every call fails."""
    workers: Workers = field(factory=Workers, init=False)
    quick: QuickWrites = field(factory=QuickWrites, init=False)
    _starts: WeakKeyDictionary[Standing, str] = field(
        factory=WeakKeyDictionary, init=False
    )

    def start(self, call: Call) -> str:
        """Return the caller's own working directory."""
        return self._starts.get(call.standing, "/")

    def move(self, call: Call, path: str) -> None:
        """Give the caller another working directory."""
        self._starts[call.standing] = path

    async def run(
        self,
        call: Call,
        work: Callable[[Access], _T],
        undo: Callable[[_T], object] | None = None,
    ) -> _T:
        """Do the work of a call in a thread; a cancelled call does not wait for it.

        Args:
            call: Who asks.
            work: Follows paths, checks them and uses them. It may run several times.
            undo: Called with the outcome where the caller is gone.

        Raises:
            WitError: What to tell the guest.
        """
        if not self.supported:
            raise failure("io-error", "the host's system has no safe way to open files")
        access = Access(self, call)
        try:
            return await self.workers.run(
                partial(access.settle, work), undo, owner=call.standing
            )
        finally:
            access.leave()

    async def look(
        self,
        call: Call,
        work: Callable[[Access], _T],
        undo: Callable[[_T], object] | None = None,
        *,
        path: str,
    ) -> _T:
        """Do work that changes nothing, as `run` does; without a thread where it can.

        A thread takes longer than all that is to be done where the system has the path
        in memory, as it has those that are used again and again.

        Args:
            call: Who asks.
            work: Looks at what a path leads to, or opens it to be read.
            undo: As of `run`.
            path: What the work follows, absolute, as far as its text tells. Where the
                caller may neither read nor list that it is done by a thread, whether it
                is there or not: how long it takes would tell.

        Raises:
            WitError: What to tell the guest.
        """
        if not (self.supported and self._is_near(call, path)):
            return await self.run(call, work, undo)
        access = Access(self, call, near=True)
        try:
            return access.settle(work)
        finally:
            access.emit_news()

    def _is_near(self, call: Call, path: str) -> bool:
        # A long path takes as long as its names are many, twice over.
        if len(path) > _SHORT or not _ODD.isdisjoint(names := path.split("/")[1:]):
            return False
        if len(names) > _FEW or "\0" in path:
            return False
        needs = (Filesystem(action, path) for action in _LOOKS)
        return any(
            self.gate.judge(call, need) is None for need in needs
        ) and is_at_hand(path)

    def errors(self, call: Call, shown: str) -> AbstractContextManager[None]:
        """Raise the system's errors as the guest's; a denial of it is audited.

        Args:
            call: Who asks.
            shown: The path that the guest gave.
        """

        def value_of(error: OSError) -> Variant:
            value = cast("Variant", from_os(error, repr(shown)).value)
            if value.case != DENIED:
                return value
            reason = by_the_system(os.strerror(error.errno or 0))
            self.gate.refused(call, f"use {shown!r}", reason, shown)
            return permission_denied(f"{shown!r}: {reason}")

        return as_wit_errors(value_of, OSError)

    async def use(
        self, call: Call, check: Callable[[], object], work: Callable[[], _T]
    ) -> _T:
        """Do something with an open file in a thread, as `run` does.

        Args:
            call: Who asks.
            check: Was passed a moment ago, and raises where the caller may not. It is
                called again where the grants changed in the wait for a thread.
            work: What can block. It may raise.

        Raises:
            WitError: What to tell the guest.
            OSError: The system could not.
        """
        while True:
            now = self.gate.clock()
            begin = partial(_unless_changed, self.gate, call, call.grants, now, work)
            try:
                return await self.workers.run(begin, owner=call.standing)
            except Moved:
                check()


@define(eq=False)
class Access:
    """One call's way to the disk."""

    disk: Disk
    call: Call
    near: bool = False
    """Whether what it is about is known to be on a disk of this system."""
    gone: bool = field(default=False, init=False)
    """Whether the caller was cancelled: then nothing more is begun."""
    _grants: Grants = field(init=False)
    """What the caller was granted when the work began."""
    _since: float = field(init=False)
    """When that was, by the wall clock."""
    _asked: list[str] = field(factory=list, init=False)
    _judged: dict[str, tuple[str, tuple[Action, ...]]] = field(factory=dict, init=False)
    """Of each path that was asked for: what the guest calls it, and what for."""
    _judgements: dict[tuple[Action, str], Denial | None] = field(
        factory=dict, init=False
    )
    """What was judged last, by these grants: mostly the same is asked again."""
    _news: list[Callable[[], None]] = field(factory=list, init=False)
    _token: EventLoopToken | None = field(default=None, init=False)
    """The event loop of the call, once that has ended."""

    def __attrs_post_init__(self) -> None:
        self._grants, self._since = self.call.grants, self.disk.gate.clock()

    @property
    def limits(self) -> FileLimits:
        return self.disk.limits

    def settle(self, work: Callable[[Access], _T]) -> _T:
        """Do the work until no path changes under it; give up after a few times.

        Raises:
            WitError: What to tell the guest.
        """
        # Who can change a path as fast as it is followed could keep a thread for ever.
        for _ in range(_TRIES):
            self._asked, self._news = [], []
            self._judgements.clear()
            self._grants, self._since = self.call.grants, self.disk.gate.clock()
            try:
                return work(self)
            except Moved:
                continue
            except OSError as error:
                raise self._by_the_system(error) from error
            finally:
                if self.gone:
                    self._hand_over()
        shown = " and ".join(self._asked)
        reason, attempt = "what it leads to keeps changing", f"use {shown!r}"
        denial = Denial("filesystem", "", "", reason, attempt=attempt)
        raise self._denied(denial, shown)

    def emit_news(self) -> None:
        """Emit the events of what was found so far, on the event loop's thread."""
        # The thread of a cancelled call may still add to it.
        news, self._news = self._news, []
        for emit in news:
            emit()

    def leave(self) -> None:
        """Emit what was found; what a thread still finds is handed over when it ends.

        On the event loop's thread, when the call ends, cancelled or not.
        """
        self._token = anyio.lowlevel.current_token()
        self.gone = True
        self.emit_news()

    def _hand_over(self) -> None:
        """Have news emitted of a call that was cancelled, in its thread."""
        if self._news and self._token is not None:
            hand_back(self._token, self.emit_news)

    def go_on(self) -> None:
        """Stop the work where its caller is gone, or has other grants by now.

        Raises:
            WitError: It is gone.
            Moved: All is to be checked again.
        """
        if self.gone:
            raise failure("io-error", "the call was cancelled")
        if _changed(self.disk.gate, self.call, self._grants, self._since):
            raise Moved

    def each(self, paths: Sequence[str]) -> Iterator[str]:
        """Go through the paths of a call; an error names the one it is about.

        Raises:
            WitError: There are more than the limit.
        """
        most = self.limits.paths
        if len(paths) > most:
            words = f"{len(paths)} paths at once (at most {most})"
            raise failure("resource-exhausted", words)
        for path in paths:
            self._asked = []
            yield path

    @property
    def _shown(self) -> str:
        return " and ".join(map(repr, self._asked))

    # --- check --------------------------------------------------------------------

    def ask(
        self,
        path: str,
        *actions: Action,
        follow: bool = True,
        either: bool = False,
        folders: bool = False,
        beneath: Folder | None = None,
    ) -> Place:
        """Follow a path and check that the caller may do all that with it.

        Nothing is said of the path before it is known to be granted: whether it exists
        is no business of a caller that may not use it.

        Args:
            path: As the guest gave it.
            actions: What it is to be used for.
            follow: Whether a link in the last place is followed.
            either: Whether one of the actions is enough.
            folders: Where one of the actions is enough: whether a directory needs none
                that grants lead through. A caller walks there to use what they name, so
                that there is one is no secret. What is found there is for
                `check_folder`.
            beneath: Where a relative path starts, and must stay; None: at the caller's
                working directory.

        Raises:
            WitError: No grant covers it, it leads out, or it cannot be a path.
            OSError: It is granted, and the kernel would not go there.
        """
        self.go_on()
        self._asked.append(path)
        leads = self._leads
        start = self.disk.start(self.call) if beneath is None else beneath.path
        try:
            check_path(path)
            left = first_left(path, leads, start)
            if left is not None:
                self.demand("list", left, path)
            place = resolve(
                path, start=start, follow=follow, leads=leads, beneath=beneath
            )
        except InvalidPath as error:
            raise self.invalid(actions[0], path, str(error)) from error
        if place.outside:
            reason = "it leads out of the folder that it starts in"
            raise self.refused(actions[0], place.path, path, reason)
        # First whether the caller may know of the path, then what is wrong with it.
        for directory in place.left:
            if not leads(directory):
                self.demand("list", directory, path)
        if either:
            allowed = next((one for one in actions if self.may(one, place.path)), None)
            actions = (allowed or actions[0],)
            if folders and allowed is None and leads(place.path):
                place = evolve(place, through=True)
            else:
                self.demand(actions[0], place.path, path)
        else:
            self.demand_all([(action, place.path, path) for action in actions])
        if place.magic:
            reason = "it goes through a link of a process"
            raise self.refused(actions[0], place.path, path, reason)
        place.check()
        self._judged[place.path] = (path, actions)
        return place

    def demand(self, action: Action, path: str, shown: str) -> None:
        """Check one thing.

        Args:
            action: What is to be done.
            path: On what; canonical.
            shown: The path that the guest gave.

        Raises:
            WitError: No grant covers it.
        """
        denial = self._judge(action, path)
        if denial is not None:
            raise self._denied(denial, shown)
        if self.disk.gate.grants:
            need = Filesystem(action, path)
            self._news.append(partial(self.disk.gate.granted, self.call, need, shown))

    def check_folder(self, place: Place, found: os.stat_result, shown: str) -> None:
        """Check that a caller may know of what it found on its way to other things.

        Args:
            place: Where it looked.
            found: What is there.
            shown: The path that the guest gave.

        Raises:
            WitError: It is no directory, and no grant covers it.
        """
        if place.through and not stat.S_ISDIR(found.st_mode):
            self.demand("read", place.path, shown)

    def demand_all(self, needs: Iterable[tuple[Action, str, str]]) -> None:
        """Check several things; the error says each that is missing.

        Args:
            needs: Of each what `demand` takes.

        Raises:
            WitError: No grant covers some of it.
        """
        needs = tuple(needs)
        missing = [need for need in needs if not self.may(need[0], need[1])]
        if missing:
            (action, path, shown), *more = missing
            denial = self._judge(action, path)
            if denial is None:
                raise Moved(path)  # it was granted meanwhile
            also = ", ".join(f"{each} {name!r}" for each, _, name in more)
            raise self._denied(denial, shown, f"; nor {also}" if more else "")
        for need in needs:
            self.demand(*need)

    def named(self, place: Place, shown: str, below: str) -> str:
        """Return what to call something below a directory, to the guest.

        Args:
            place: The directory.
            shown: What the guest calls it.
            below: The path below it, such as ``/a/b``; its names are the guest's to
                know only where it may list what they are in.
        """
        folder = (place.path + below).rpartition("/")[0]
        if not below or not self.may("list", folder or "/"):
            return shown
        return shown.rstrip("/") + below

    def may(self, action: Action, path: str) -> bool:
        """Tell whether the caller might do it; it has not tried, so nobody is told."""
        return self._judge(action, path) is None

    def _judge(self, action: Action, path: str) -> Denial | None:
        key = action, path
        try:
            return self._judgements[key]
        except KeyError:
            denial = self.disk.gate.judge(self.call, Filesystem(action, path))
        if len(self._judgements) >= _KEPT:
            self._judgements.clear()
        self._judgements[key] = denial
        return denial

    @property
    def _leads(self) -> Leads:
        judge = partial(self.disk.gate.judge, self.call)
        return leading(self.call.grants, judge)

    # --- refuse -------------------------------------------------------------------

    def refused(self, action: str, path: str, shown: str, reason: str) -> WitError:
        """Return what to raise where no grant helps, and have the audit told.

        Args:
            action: What was to be done.
            path: On what; canonical.
            shown: The path that the guest gave.
            reason: Why not.
        """
        return self._denied(Denial("filesystem", action, path, reason), shown)

    def special(self, shown: str) -> WitError:
        """Return what to raise for a device, a pipe or a socket; audited."""
        self._report("open", shown, "it is no regular file")
        return failure("not-a-file", f"{shown!r} is a device, a pipe or a socket")

    def invalid(self, action: str, shown: str, reason: str) -> WitError:
        """Return what to raise for a text that can be no path; audited."""
        self._report(action, shown[:_SHOWN], reason)
        return failure("invalid-path", reason)

    def _denied(self, denial: Denial, shown: str, more: str = "") -> WitError:
        gate = self.disk.gate
        self._news.append(partial(gate.report, self.call, denial, shown))
        return WitError(permission_denied(gate.words(denial, shown) + more))

    def _by_the_system(self, error: OSError) -> WitError:
        """Return what to raise for an error of the system's; a denial is audited."""
        failed = from_os(error, self._shown)
        if cast("Variant", failed.value).case != DENIED:
            return failed
        reason = by_the_system(os.strerror(error.errno or 0))
        self._told(f"use {self._shown}", reason)
        return WitError(permission_denied(f"{self._shown}: {reason}"))

    def malformed(self, action: str, shown: str, reason: str) -> WitError:
        """Return what to raise for an argument that nobody may give; audited."""
        self._report(action, shown, reason)
        return failure("invalid-argument", reason)

    def _report(self, action: str, shown: str, reason: str) -> None:
        self._told(f"{action} {shown!r}", reason, shown)

    def _told(self, words: str, reason: str, shown: str = "") -> None:
        self._news.append(
            partial(self.disk.gate.refused, self.call, words, reason, shown)
        )

    # --- use ----------------------------------------------------------------------

    @contextmanager
    def held(self, place: Place) -> Iterator[tuple[int, str]]:
        """Hold the directory of a place that was asked for, and the name in it.

        Raises:
            Moved: The place is another one meanwhile.
        """
        with pinned(self.disk.pin, place.path) as (directory, name):
            self.go_on()
            self._check_names(place.path, directory, name)
            yield directory, name

    def _check_names(self, path: str, directory: int, name: str) -> None:
        """Refuse what the host forbids by another name than the one that was judged.

        Raises:
            WitError: It does.
        """
        grants = self.call.grants
        if grants.forbidden is None or path not in self._judged:
            return
        shown, actions = self._judged[path]
        try:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except OSError:
            found = None
        for action in actions:
            if denial := banned(grants, Filesystem(action, path), found):
                raise self._denied(denial, shown)

    def may_enter(self, path: str, directory: int) -> bool:
        """Tell whether the host lets a directory be listed that was just opened.

        Its path was judged; this is for what the host forbids by another name.
        """
        grants = self.call.grants
        if grants.forbidden is None:
            return True
        return banned(grants, Filesystem("list", path), os.fstat(directory)) is None

    @contextmanager
    def inside(self, place: Place) -> Iterator[int]:
        """Hold a directory itself, to list it.

        Raises:
            Moved: The place is another one meanwhile.
            OSError: It is no directory.
        """
        with self.held(place) as (directory, name):
            look(directory, name)
            opened = open_folder(directory, name)
        try:
            yield opened
        finally:
            os.close(opened)


def _unless_changed(
    gate: Gate, call: Call, grants: Grants, since: float, work: Callable[[], _T]
) -> _T:
    if _changed(gate, call, grants, since):
        raise Moved
    return work()


def _changed(gate: Gate, call: Call, grants: Grants, since: float) -> bool:
    """Tell whether the caller may do other things than it might at a moment."""
    if call.grants is not grants:
        return True
    end = grants.expires.get("filesystem")
    return end is not None and since < end <= gate.clock()
