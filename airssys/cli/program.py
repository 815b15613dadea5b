"""Run a program that was built for WASI, as the shell runs one of the machine's own."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import anyio
from attrs import evolve, field, frozen

from ..artifacts.runnable import command_of, other_use
from ..core.errors import GuestExited, InvalidComponent, WitError
from ..core.grants.grants import Grants
from ..core.grants.sections import FilesystemGrants
from ..core.levels import LogLevel
from ..core.limits import Limits
from ..core.manifests.host import HostConfig
from ..core.manifests.wasi import INHERIT, Wasi
from ..core.message import HOST
from ..core.names import LONGEST_WORD
from .behind import Behind
from .failure import BadInput, Status
from .offering import Terms, alive, as_name, as_text, read_variable
from .output import Unread
from .screen import Screen
from .signals import Signals
from .waiting import engine_with_progress

__all__ = ("Program", "run_program", "surroundings_of")

_READ_ONLY: Final = "ro"
_NAMELESS: Final = frozenset("{}]")
"""What stands for no character of a path in any pattern."""
_WORDS: Final = re.compile(r"[a-z0-9]+")
"""What an actor's id has of a name, with hyphens between."""
_NAMELESS_ID: Final = "program"
_SPECIAL: Final = re.compile(r"[*?\[]")


@frozen(kw_only=True)
class Program:
    """What a program is run with."""

    args: Sequence[str] = ()
    """Without its own name."""
    limits: Mapping[str, Any] = field(factory=dict)
    """By the names in `Limits`."""
    dirs: Sequence[str] = ()
    """Of each folder ``HOST[:GUEST[:ro]]``."""
    env: Sequence[str] = ()
    """``NAME=VALUE``; a name alone is taken over from the command's own."""

    names_no_function: bool = False
    """Whether there is nothing that a component which is none could be asked for."""

    def check_unused(self, path: Path) -> None:
        """Refuse what only a program has a use for."""
        if self.dirs or self.env:
            raise BadInput(
                f"{path}: --dir and --env are for a program: a .wasm or .wat file that "
                "exports wasi:cli/run"
            )


def run_program(
    settings: HostConfig,
    path: Path,
    program: Program,
    *,
    log_level: LogLevel | None,
    backend: Literal["trio", "asyncio"],
) -> int | None:
    """Run a program to its end and return its status; None where it is no program.

    Its standard streams are those of the process. What it is refused is told on
    standard error.

    Args:
        settings: The host's.
        path: The .wasm or .wat file.
        program: What it is run with.
        log_level: The least important events that are shown; by default as the host
            says.
        backend: The event loop.

    Raises:
        BadInput: An option cannot be read.
        Unread: Nobody reads what it prints any more.
    """
    terms = _terms(program)
    with Signals() as signals, Behind(sys.stderr) as behind:
        screen = Screen(behind.console(), log_level or settings.log)
        signals.looping = True
        ending = _Ending(path, program, terms, settings, screen, signals)
        status = anyio.run(ending.run, backend=backend)
        return status if signals.number is None else 128 + signals.number


@frozen
class _Ending:
    """A program that a signal ends."""

    path: Path
    program: Program
    terms: Terms
    settings: HostConfig
    screen: Screen
    signals: Signals

    async def run(self) -> int | None:
        """Run the program; None where it is none, or a signal has ended it."""
        status: int | None = None
        problem: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._heed_signals, tasks.cancel_scope)
            try:
                status = await self._run()
            except Exception as error:  # noqa: BLE001 - not within the group's own
                problem = error
            tasks.cancel_scope.cancel()
        if problem is not None:
            raise problem
        return status

    async def _heed_signals(self, scope: anyio.CancelScope) -> None:
        await self.signals.wait_heard()
        scope.cancel()

    async def _run(self) -> int | None:
        component = await engine_with_progress(self.settings).load(self.path)
        export = command_of(component)
        if export is None:
            if self.program.names_no_function and (use := other_use(component)):
                raise InvalidComponent(component.name, use)
            return None
        async with alive(
            component,
            self.terms,
            self.settings,
            self.screen,
            actor=_id_of(component.name),
            name=as_name(self.path.name),
            closed=Unread,
            missing="trap",  # most of a program may do without
        ) as instance:
            try:
                await instance.call(export)
            except WitError:
                return Status.FAILED
            except GuestExited as exited:
                return exited.status
        return Status.DONE


def _terms(program: Program) -> Terms:
    grants, preopens = surroundings_of(program.dirs)
    wasi = Wasi(
        args=tuple(as_text("an argument", each) for each in program.args),
        env=dict(map(read_variable, program.env)),
        preopens=preopens,
        stdin=INHERIT,
        stdout=INHERIT,
        stderr=INHERIT,
    )
    limits = evolve(Limits(), **program.limits)
    return Terms(limits=limits, grants=grants, wasi=wasi)


def _id_of(name: str) -> str:
    """Return the id by which events call a program, whatever its file is called.

    Compilers name files as they like: ``My_App.wasm`` is ``my-app``.
    """
    words = "-".join(_WORDS.findall(name.lower()))[:LONGEST_WORD].strip("-")
    return words if words not in {"", HOST} else _NAMELESS_ID


def surroundings_of(dirs: Iterable[str]) -> tuple[Grants, dict[str, str]]:
    """Return what folders of a command line grant, and what the guest calls them.

    Args:
        dirs: Of each ``HOST[:GUEST[:ro]]``.

    Raises:
        BadInput: One of them is no folder, or cannot be granted.
    """
    read: list[str] = []
    changed: list[str] = []
    preopens: dict[str, str] = {}
    for given in dirs:
        host, guest, read_only = _parts(given)
        as_text("--dir", guest)
        if not host.is_dir():
            raise BadInput(f"--dir: {str(host)!r} is no folder")
        real = os.path.realpath(host)
        if guest in preopens:
            raise BadInput(f"--dir: two folders are to be {guest!r}")
        preopens[guest] = real
        patterns = _patterns(given, real)
        read += patterns
        if not read_only:
            changed += patterns
    granted = FilesystemGrants(read=read, list=read, write=changed, delete=changed)
    return Grants(filesystem=granted), preopens


def _parts(given: str) -> tuple[Path, str, bool]:
    host, *rest = given.split(":")
    read_only = len(rest) > 1 and rest[-1] == _READ_ONLY
    guest = ":".join(rest[:-1] if read_only else rest)
    # Other runtimes have two colons before it.
    guest = guest.removeprefix(":") or host
    if not host:
        raise BadInput(f"--dir: {given!r} names no folder: use HOST[:GUEST[:ro]]")
    return Path(host), guest, read_only


def _patterns(given: str, real: str) -> tuple[str, str]:
    """Return the patterns that grant a folder and all in it."""
    if not _NAMELESS.isdisjoint(real):
        reason = f"no grant can name {real!r}, for its braces or brackets"
        raise BadInput(f"--dir: {given!r}: {reason}")
    plain = _SPECIAL.sub(lambda found: f"[{found[0]}]", real)
    return plain, f"{plain.rstrip('/')}/**"
