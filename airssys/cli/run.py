"""Run a tree of actors, or one component, until it ends or is stopped."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, Literal

import anyio
import anyio.abc
from attrs import define, evolve, field, frozen
from cyclopts import Parameter
from rich.console import Console, RenderableType
from rich.live import Live

from ..artifacts.folder import load_manifest
from ..config import load_config
from ..core.defaults import ROOT
from ..core.errors import NoSuchActor
from ..core.event import ChildExited, Event
from ..core.levels import LogLevel
from ..core.manifests.host import HostConfig
from ..core.manifests.tree import SupervisorNode
from ..core.restart import AutoShutdown, SupervisorRules
from ..system.opening import open_root
from ..system.system import System
from .behind import Behind
from .call import call_under, given_limits
from .failure import BadInput, Status
from .live import view
from .program import Program, run_program
from .screen import LogBridge, Screen
from .signals import Signals
from .source import Kind, kind_of, read_tree
from .tree import names, picture
from .waiting import engine_with_progress

__all__ = ("run",)

_TICK: Final = 0.005
"""Seconds between two looks at how late the event loop is."""
_FRAME: Final = 0.25
"""Seconds between two pictures of the live view."""


def run(
    path: Path,
    export: str | None = None,
    /,
    *args: str,
    watch: Annotated[bool, Parameter(negative="")] = False,
    keep: Annotated[bool, Parameter(negative="")] = False,
    config: Path | None = None,
    audit: Path | None = None,
    log_level: LogLevel | None = None,
    backend: Literal["trio", "asyncio"] = "trio",
    dir_: Annotated[
        tuple[str, ...],
        Parameter(name="--dir", negative="", n_tokens=1, show_default=False),
    ] = (),
    env: Annotated[
        tuple[str, ...], Parameter(negative="", n_tokens=1, show_default=False)
    ] = (),
    fuel: int | None = None,
    timeout: str | None = None,
    memory: str | None = None,
) -> int:
    """Run a tree file, one component, a program, or one function of a component.

    A tree runs until its significant children have ended, its restarts run out, or
    Ctrl-C stops it in order; a second Ctrl-C cuts it off. SIGTERM and SIGHUP do as
    Ctrl-C does. The last line sums up.

    A program is a .wasm or .wat file that exports wasi:cli/run. It has the command's
    own input and output, ends with its own status, and takes all that follows it as
    its arguments; after -- those that begin with - too.

    Args:
        path: A tree file; a component's folder or Component.toml; or a .wasm or .wat
            file: a program, or one with a function to call.
        export: The first argument of a program. For another .wasm or .wat file the
            function: the same as airssys call.
        args: More arguments, of the program or the function.
        watch: In a terminal, show the tree live: states, restarts, messages, last
            exits.
        keep: Run on after the tree's significant children have ended.
        config: The host file.
        audit: Write what components are refused to this audit log; by default as the
            host file says.
        log_level: The least important log lines to show; by default as the host file
            says, or info.
        backend: The event loop, which Python actors may depend on.
        dir_: A folder for the program, as HOST[:GUEST[:ro]]: what it calls it, and
            whether it may only read there. Can be given several times.
        env: A variable for the program, as NAME=VALUE; a name alone is taken over.
            Can be given several times.
        fuel: What the program or the function may use, about one unit for each
            instruction.
        timeout: How long it may take, such as 5s or 500ms.
        memory: What it may use, such as 4MiB.
    """
    kind = kind_of(path)
    limits = given_limits(fuel, timeout, memory)
    program = Program(
        args=args, limits=limits, dirs=dir_, env=env, names_no_function=export is None
    )
    if kind is Kind.CODE:
        settings = _settings(config, audit)
        if export is not None:
            program = evolve(program, args=(export, *args))
        status = run_program(
            settings, path, program, log_level=log_level, backend=backend
        )
        if status is not None:
            return status
        program.check_unused(path)
        if export is None:
            raise BadInput(
                f"{path}: say which function to call (airssys inspect {path} lists "
                "them), or run a folder with a Component.toml"
            )
        return call_under(settings, path, export, args, limits)
    program.check_unused(path)
    if limits:
        raise BadInput(f"{path}: its limits are in its manifest")
    if export is not None:
        raise BadInput(f"{path}: only a .wasm or .wat file takes a function to call")
    prepare = _preparation(kind, path)
    with Signals() as signals:
        show = _show(_settings(config, audit), log_level, signals, watch=watch)
        return show.run(prepare, path, backend, keep=keep)


def _unshown(lost: int) -> str:
    return f", {_count(lost, 'line')} not shown" if lost else ""


def _settings(config: Path | None, audit: Path | None) -> HostConfig:
    """Return the host's settings, with the audit log that is asked for."""
    settings = load_config(config)
    if audit is None:
        return settings
    file = str(audit.absolute())
    return evolve(settings, audit=evolve(settings.audit, file=file))


@frozen
class _Job:
    """What is to be run."""

    root: SupervisorNode
    """The supervisor at the top; its children are started by ``start``."""
    start: Callable[[System], Awaitable[object]]
    names: list[str]
    significant: frozenset[str] = frozenset()
    """Children of the root whose end ends it."""
    picture: RenderableType = ""


_Prepare = Callable[[Path, bool, HostConfig], Awaitable[_Job]]


def _preparation(kind: Kind, path: Path) -> _Prepare:
    match kind:
        case Kind.TREE:
            return _prepare_tree
        case Kind.COMPONENT:
            return _prepare_component
        case Kind.HOST | Kind.CODE:
            raise BadInput(
                f"{path}: it is no tree file; give a host file with --config"
            )


async def _prepare_tree(path: Path, keep: bool, settings: HostConfig) -> _Job:  # noqa: FBT001
    tree = read_tree(path)
    drawn = await picture(tree, path.parent, settings)
    if keep:
        tree = evolve(tree, root=_never_ending(tree.root))

    async def start(system: System) -> None:
        await system.start_tree(tree, folder=path.parent)

    significant = (child.id for child in tree.root.children if child.significant)
    return _Job(tree.root, start, names(tree.root), frozenset(significant), drawn)


def _never_ending(root: SupervisorNode) -> SupervisorNode:
    children = tuple(evolve(child, significant=False) for child in root.children)
    rules = evolve(root.rules, auto_shutdown=AutoShutdown.NEVER)
    return evolve(root, rules=rules, children=children)


async def _prepare_component(path: Path, keep: bool, settings: HostConfig) -> _Job:  # noqa: FBT001
    _, manifest = await load_manifest(path, ceiling=settings.ceiling)
    name = str(manifest.name)
    ends = manifest.supervision.restart.may_end and not keep

    async def start(system: System) -> None:
        await system.spawn(path, significant=ends)

    when = AutoShutdown.ANY_SIGNIFICANT if ends else AutoShutdown.NEVER
    significant = frozenset((name,)) if ends else frozenset[str]()
    rules = SupervisorRules(auto_shutdown=when)
    root = SupervisorNode(id=ROOT, children=(), rules=rules)
    return _Job(root, start, [name], significant)


def _show(
    settings: HostConfig, log_level: LogLevel | None, signals: Signals, *, watch: bool
) -> _Show:
    out = Console(highlight=False, markup=False)
    watch = watch and out.is_terminal
    behind = Behind(sys.stdout if watch else sys.stderr)
    shown = behind.console()
    if watch:
        signals.last_words = b"\x1b[?25h"  # the cursor, which the live view hides
    live = Live(console=shown if watch else out, auto_refresh=False)
    screen = Screen(shown, log_level or settings.log)
    return _Show(settings, screen, live, signals, behind, out, watch=watch)


@define(eq=False)
class _Show:
    """Runs a job and shows it: events, the live view, the summary at the end."""

    settings: HostConfig
    screen: Screen
    live: Live
    signals: Signals
    behind: Behind
    """What the screen, and the live view, are written through."""
    out: Console
    """Where the summary goes, once nothing waits behind any more."""
    watch: bool = field(kw_only=True)
    summary: str = field(default="", init=False)
    """Empty if the job never started."""
    _significant: frozenset[str] = field(default=frozenset(), init=False)
    _ended_with: int = field(default=Status.DONE, init=False)
    """What the end of the significant child that ended last means for ours."""
    _late: float = field(default=0.0, init=False)
    """Seconds the event loop was late at the worst."""

    @property
    def status(self) -> int:
        """What to exit with, where no error says it."""
        if self.signals.number is not None:
            return 128 + self.signals.number
        return self._ended_with

    def event(self, event: Event) -> None:
        """Note how significant children end."""
        if (
            isinstance(event, ChildExited)
            and event.subject in self._significant
            and event.how != "stopped"
        ):
            crashed = event.how == "crash"
            self._ended_with = event.status or Status.FAILED if crashed else Status.DONE

    def run(
        self,
        prepare: _Prepare,
        path: Path,
        backend: Literal["trio", "asyncio"],
        *,
        keep: bool,
    ) -> int:
        """Run the job to its end, and say what there is to say."""
        bridge = LogBridge(self.screen)
        logging.getLogger().addHandler(bridge)
        self.signals.looping = True
        try:
            anyio.run(self._perform, prepare, path, keep, backend=backend)
        finally:
            logging.getLogger().removeHandler(bridge)
            self.behind.close()
            if self.summary:
                if self.out.is_terminal:
                    self.out.print()
                summary = f"{self.summary}{_unshown(self.behind.lost)}"
                self.out.print(summary, style="bold", soft_wrap=True)
        return self.status

    async def _perform(self, prepare: _Prepare, path: Path, keep: bool) -> None:  # noqa: FBT001
        async with anyio.create_task_group() as nursery:
            with anyio.CancelScope() as scope:
                nursery.start_soon(self._obey_signals, scope)
                job = await prepare(path, keep, self.settings)
                self._significant = job.significant
                self.screen.make_room(job.names)
                if job.picture and not self.watch:
                    self.live.console.print(job.picture)
                    self.live.console.print()
                await self._run(job, nursery)
            nursery.cancel_scope.cancel()

    async def _run(self, job: _Job, nursery: anyio.abc.TaskGroup) -> None:
        instruments = (self.screen, self)
        system = None
        begun = anyio.current_time()
        try:
            async with open_root(
                job.root,
                self.settings,
                engine=engine_with_progress(self.settings),
                instruments=instruments,
            ) as system:
                await job.start(system)
                self.summary = "started"
                nursery.start_soon(self._measure)
                if self.watch:
                    nursery.start_soon(self._refresh, system)
                await anyio.sleep_forever()
        finally:
            if self.summary and system is not None:
                seconds = anyio.current_time() - begun
                log = self.settings.audit.file
                self.summary = _summary(system, self._late, seconds, log)

    async def _obey_signals(self, scope: anyio.CancelScope) -> None:
        """Stop the job in order at the first signal; the second needs nobody."""
        await self.signals.wait_heard()
        scope.cancel()
        note = "stopping in order (again: cut off)"
        self.screen.log(LogLevel.INFO, "airssys", note)

    async def _measure(self) -> None:
        """Note how late the event loop is."""
        while True:
            due = anyio.current_time() + _TICK
            await anyio.sleep_until(due)
            self._late = max(self._late, anyio.current_time() - due)

    async def _refresh(self, system: System) -> None:
        """Draw the live view again and again, and once more in the end."""

        def taken(name: str) -> int | None:
            try:
                return system.registry.entry(name).mailbox.statistics().taken
            except NoSuchActor:
                return None

        def draw() -> None:
            drawn = view(system.supervisor.name, system.children, taken)
            self.live.update(drawn, refresh=True)

        with self.live:
            try:
                while True:
                    draw()
                    await anyio.sleep(_FRAME)
            finally:
                draw()


def _summary(system: System, late: float, seconds: float, log: str | None) -> str:
    tally = system.tally
    denials = _count(tally.denials, "denial")
    where = "" if log is None else f" (see: airssys audit show {log})"
    return ", ".join(
        (
            _count(system.messages, "message"),
            _count(tally.restarts, "restart"),
            f"{_count(tally.calls_cut, 'call')} cut off",
            f"worst loop lateness {late * 1000:.1f} ms",
            f"{seconds:.1f} s",
            *((denials + where,) if tally.denials else ()),
        )
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
