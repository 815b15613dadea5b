"""Keep the children of each component apart, and start new ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from attrs import define, evolve, field

from ...core.defaults import PATIENCE
from ...core.errors import WitError
from ...core.grants.capabilities import Denial, Process, uncovered
from ...hostcalls.call import Call, Standing
from ...hostcalls.gate import SHOWN, Gate
from ...uncut import uncut
from ..filesystem.aliases import banned
from ..filesystem.leads import PROGRAMS, leading
from ..handles import hold_handle
from .environment import is_loading, variables
from .errors import failure
from .launch import Asker, Launch, Refused, Wanted, prepare
from .launcher import Launcher
from .numbers import NUMBERS
from .program import Program, Watch
from .settings import ProcessSettings, SpawnRecord
from .streams import Feed, Output
from .wire import pack

__all__ = ("AllChildren", "Children", "seconds")

_FOREVER: Final = 1e9


@define(eq=False)
class Children:
    """The children of one component."""

    programs: list[Program] = field(factory=list)
    starting: int = 0
    _ended: anyio.Event = field(factory=anyio.Event, init=False)

    def notify(self) -> None:
        """Wake whoever waits for any child: one has ended, or is gone."""
        self.programs = [each for each in self.programs if not each.closed]
        self._ended.set()
        self._ended = anyio.Event()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count one that is being started."""
        self.starting += 1
        try:
            yield
        finally:
            self.starting -= 1

    async def room(self, most: int) -> None:
        """Wait until children that were dropped are gone, where that makes room.

        Raises:
            WitError: There are too many.
        """
        with anyio.move_on_after(PATIENCE):
            while True:
                self.programs = [each for each in self.programs if not each.closed]
                if len(self.programs) + self.starting < most:
                    return
                if not any(each.dropped for each in self.programs):
                    break
                await self._ended.wait()
        raise failure("too-many-processes", f"there are {most} children already")

    async def any_ended(
        self, may: Callable[[str], bool], again: Callable[[], object]
    ) -> Program:
        """Wait until a child has ended that no wait has told of.

        Args:
            may: Tells whether the caller may hear of a program.
            again: Asked after each wait; raises where the caller may hear of none.

        Raises:
            WitError: There is none to wait for.
        """
        while True:
            waited = [
                child
                for child in self.programs
                if not (child.reported or child.dropped) and may(child.path)
            ]
            for child in waited:
                if child.done.is_set():
                    return child
            if not waited:
                raise failure("not-found", "there is no child to wait for")
            await self._ended.wait()
            again()

    def group(self, number: int) -> list[Program] | None:
        """Return the children of a group that run; None where it is not of these."""
        own = [each for each in self.programs if not each.dropped and each.pid]
        members = [each for each in own if each.group == number]
        if not members and number not in {each.pid for each in own}:
            return None
        return [each for each in members if each.ending is None]


@define(eq=False)
class AllChildren:
    """All children there are."""

    gate: Gate
    settings: ProcessSettings
    tasks: TaskGroup
    _launcher: Launcher = field(factory=Launcher)
    _children: WeakKeyDictionary[Standing, Children] = field(
        factory=WeakKeyDictionary, init=False
    )
    _running: set[Program] = field(factory=set, init=False)

    def of(self, call: Call) -> Children:
        """Return the caller's children."""
        own = self._children.get(call.standing)
        if own is None:
            own = self._children[call.standing] = Children()
        return own

    def own(self, call: Call, child: Program) -> Program:
        """Return a child that is the caller's own.

        Raises:
            WitError: It is another's.
        """
        if child.owner is not self.of(call):
            words = f"process {child.pid} is another component's child"
            self.gate.refused(call, f"use process {child.pid}", words)
            raise failure("permission-denied", words)
        return child

    def alive(self, call: Call, child: Program) -> Program:
        """Return a child of the caller's own that runs.

        Raises:
            WitError: It is another's, or has ended.
        """
        if self.own(call, child).ending is not None:
            raise failure("already-terminated", f"process {child.pid} has ended")
        return child

    def members(self, call: Call, group: int) -> list[Program]:
        """Return the running children of a group of the caller's own.

        Raises:
            WitError: The group is not the caller's own, or all in it have ended.
        """
        members = self.of(call).group(group)
        if members is None:
            # No grant but `own` exists, so this check fails: it words the denial and
            # emits the event.
            words = self.gate.allowed(call, Process("signal", f"group {group}"))
            raise failure("permission-denied", words)
        if not members:
            raise failure("already-terminated", f"nothing runs in group {group}")
        return members

    def any_program(self, call: Call) -> None:
        """Check that the caller may start any program at all.

        Raises:
            WitError: It may not.
        """
        programs = [child.path for child in self.of(call).programs]
        # A pattern covers itself, as long as it has not expired and is not forbidden.
        patterns = call.grants.patterns("process", "spawn")
        programs = programs or [str(pattern) for pattern in patterns]
        if not programs:
            attempt = "spawn any program"
            denial = Denial("process", "spawn", "", uncovered(), attempt=attempt)
            self.gate.report(call, denial)
            raise failure("permission-denied", self.gate.words(denial))
        if not any(self.may(call, program) for program in programs):
            words = self.gate.allowed(call, Process("spawn", programs[0]))
            raise failure("permission-denied", words)

    def still(self, call: Call, need: Process) -> None:
        """Let a call go on, after a wait, that was granted something before it.

        Raises:
            WitError: It is not any more; there is an event of it.
        """
        if self.gate.judge(call, need) is not None:
            words = self.gate.allowed(call, need)
            raise failure("permission-denied", words)

    def may(self, call: Call, program: str) -> bool:
        """Tell whether the caller may start a program, without an event."""
        return self.gate.judge(call, Process("spawn", program)) is None

    async def any_ended(self, call: Call) -> Program:
        """Wait until a child of the caller's own has ended, of a granted program.

        Raises:
            WitError: There is none to wait for.
        """
        return await self.of(call).any_ended(
            partial(self.may, call), partial(self.any_program, call)
        )

    async def send(self, call: Call, child: Program, signal: str) -> None:
        """Send a signal to a child of the caller's own.

        Raises:
            WitError: It is another's, or has ended.
        """
        await self.alive(call, child).ask("signal", NUMBERS[signal])

    def watch(self, call: Call, child: Program, *, ends_only: bool) -> Watch:
        """Hear what becomes of a child.

        Raises:
            WitError: It has ended, or the caller holds all that it may.
        """
        self.alive(call, child)
        watch = Watch(
            child, ends_only, hold_handle(self.gate, call, "hold another process")
        )
        child.watches.append(watch)
        return watch

    async def spawn(self, call: Call, options: SpawnRecord) -> Program:
        """Start a program.

        Raises:
            WitError: It is not granted, or cannot be started.
        """
        siblings, shown = self.of(call), options.command[:SHOWN]
        with ExitStack() as pins:
            with self._refusing(call, shown):
                found = await self._prepare(call, options, pins)
            self.gate.granted(call, Process("spawn", found.program), shown)
            limits = self.settings.limits.lowered(options.limits)
            with self._refusing(call, shown):
                await siblings.room(self.settings.children)
            try:
                with siblings.one_more():
                    child = await self._launch(call, options, found, pins)
            except OSError as error:
                words = f"the host: {error.strerror}"
                raise failure("resource-exhausted", words) from error
        siblings.programs.append(child)
        self._running.add(child)
        self.tasks.start_soon(self._run, siblings, child)
        try:
            message = pack(
                "start",
                *limits,
                len(found.argv),
                *found.argv,
                *(f"{name}={value}" for name, value in found.environment.items()),
            )
            with self._refusing(call, shown):
                # A grant can be gone meanwhile.
                Refused.check(found.needs, partial(self.gate.judge, call))
            await child.start(message, shown)
            with self._refusing(call, shown):
                Refused.check(found.needs, partial(self.gate.judge, call))
        except BaseException:
            child.drop()
            raise
        return child

    async def close(self) -> None:
        """End all children, and wait until nothing is left of them."""
        await uncut(self._close)

    async def _close(self) -> None:
        for child in tuple(self._running):
            child.drop()
        self._launcher.finish()
        # What hangs inside the kernel ends when that lets it: nobody waits for it.
        with anyio.move_on_after(PATIENCE):
            for child in tuple(self._running):
                await child.done.wait()
        await self._launcher.close()

    # --- refuse and launch --------------------------------------------------------

    @contextmanager
    def _refusing(self, call: Call, shown: str) -> Iterator[None]:
        """Raise a refused spawn as the guest's error, and emit one event of it."""
        try:
            yield
        except Refused as refused:
            self.gate.report(call, refused.denial, refused.shown)
            words = self.gate.words(refused.denial, refused.shown) + refused.more
            raise failure("permission-denied", words) from refused
        except WitError as error:
            problem: Any = error.value
            if problem.case not in {"not-found", "permission-denied"}:
                self.gate.refused(call, f"spawn {shown!r}", problem.value)
            raise

    async def _prepare(
        self, call: Call, options: SpawnRecord, pins: ExitStack
    ) -> Launch:
        if sys.platform != "linux":
            raise failure("spawn-failed", "programs are started on Linux only")
        settings = self.settings
        environment, own = variables(
            options.environment,
            settings.environment if options.inherit_environment else {},
        )
        names = [name for name in own if name not in settings.variables]
        self._may_set(call, names)
        wanted = Wanted(
            options.command, options.arguments, options.working_directory, environment
        )
        # To its end: what the thread opens would be nobody's.
        found = await uncut(
            anyio.to_thread.run_sync,
            partial(prepare, wanted, self._asker(call), settings.interpreters, pins),
        )
        named = tuple((Process("environment", name), "") for name in names)
        return evolve(found, needs=(*found.needs, *named))

    def _may_set(self, call: Call, names: Sequence[str]) -> None:
        """Check the variables that a guest sets for a program.

        Raises:
            Refused: Some are not granted.
        """
        missing = [
            (name, denial) for name in names if (denial := self._unset(call, name))
        ]
        if missing:
            (_, denial), *more = missing
            also = ", ".join(repr(name) for name, _ in more)
            raise Refused(denial, "", f"; nor {also}" if more else "")

    def _unset(self, call: Call, name: str) -> Denial | None:
        """Return why a guest may not set a variable."""
        need = Process("environment", name)
        denial = self.gate.judge(call, need)
        if denial is None and is_loading(name):
            patterns = call.grants.patterns("process", "environment")
            if name not in map(str, patterns):
                reason = (
                    "it changes what programs load or start, so that only a grant of "
                    "its very name covers it"
                )
                return Denial(need.section, need.action, name, reason)
        return denial

    def _asker(self, call: Call) -> Asker:
        judge = partial(self.gate.judge, call)
        return Asker(
            judge, leading(call.grants, judge, PROGRAMS), partial(banned, call.grants)
        )

    async def _launch(
        self,
        call: Call,
        options: SpawnRecord,
        found: Launch,
        pins: ExitStack,
    ) -> Program:
        """Make the pipes and the keeper; the program does not run yet."""
        with ExitStack() as mine:
            release = hold_handle(self.gate, call, "hold another process")
            mine.callback(release)
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            pins.callback(os.close, null)

            def pipe(*, wanted: bool, writes: bool) -> tuple[int, int]:
                """Return the program's end, and the host's own, which never blocks."""
                if not wanted:
                    return null, -1
                read, write = os.pipe()
                its, own = (write, read) if writes else (read, write)
                pins.callback(os.close, its)
                mine.callback(os.close, own)
                os.set_blocking(own, False)
                return its, own

            stdin, feed = pipe(wanted=options.inherit_stdin, writes=False)
            stdout, out = pipe(wanted=options.capture_stdout, writes=True)
            stderr, err = pipe(wanted=options.capture_stderr, writes=True)
            descriptors = [found.directory, found.executable, stdin, stdout, stderr]
            if found.script is not None:
                descriptors.append(found.script)
            control = await self._launcher.keeper(descriptors)
            mine.pop_all()
        room, overflow = self.settings.capture, options.overflow
        return Program(
            found.program,
            control,
            None if out < 0 else Output(out, room, overflow),
            None if err < 0 else Output(err, room, overflow),
            None if feed < 0 else Feed(feed),
            release,
            lambda limit: self._exceeded(call, found.program, limit),
            self.of(call),
        )

    async def _run(self, siblings: Children, child: Program) -> None:
        try:
            await child.run()
        finally:
            self._running.discard(child)
            siblings.notify()

    def _exceeded(self, call: Call, program: str, limit: str) -> None:
        words = f"it went beyond the limit of {limit}, and was ended"
        self.gate.refused(call, f"use more {limit} for {program!r}", words)


def seconds(given: float) -> float:
    """Return a guest's timeout.

    Raises:
        WitError: It is below zero, or not a number.
    """
    if not given >= 0:
        raise failure("invalid-argument", f"{given!r} is no number of seconds")
    return min(given, _FOREVER)
