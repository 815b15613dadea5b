"""Keep what the host knows of one program of a guest's, and ask its keeper for more."""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import anyio
from attrs import define, field, frozen

from ...core.defaults import PATIENCE
from .errors import ended, failure, not_started
from .streams import Feed, Output
from .wire import LARGEST, pack, unpack

__all__ = ("MOST_EVENTS", "Ending", "Program", "Watch", "now")

MOST_EVENTS: Final = 64
"""Events that a watch keeps; then the oldest go."""
_BY_SIGNAL: Final = 128
_SILENT: Final = "its keeper does not answer"


def now() -> int:
    """Return the wall clock, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@frozen
class Ending:
    """How a program ended."""

    code: int
    """The exit code; below zero the number of the signal that ended the program."""
    cpu_time: int
    """Milliseconds, those of the processes that it waited for included."""
    peak_memory: int
    exceeded: str
    """The limit that it broke, so that the host ended it; empty: none."""
    at: int
    lost: bool = False
    """Whether its keeper was ended from outside, so that nothing else here is known."""

    @property
    def status(self) -> Mapping[str, object]:
        """What WIT calls ``exit-status``."""
        by_signal = self.code < 0
        return {
            "code": _BY_SIGNAL - self.code if by_signal else self.code,
            "terminated_by_signal": by_signal,
            "signal_number": -self.code if by_signal else None,
        }


@define(eq=False)
class Watch:
    """Waits for news of one child: WIT's ``handler``."""

    child: Program
    ends_only: bool
    release: Callable[[], object]
    """Gives back what it holds of the quota; called once."""
    _events: deque[Mapping[str, object]] = field(
        factory=lambda: deque(maxlen=MOST_EVENTS), init=False
    )
    _news: anyio.Event = field(factory=anyio.Event, init=False)
    _over: bool = field(default=False, init=False)

    def add(self, event: Mapping[str, object], *, last: bool) -> None:
        """Keep an event until somebody waits for it."""
        if last or not self.ends_only:
            self._events.append(event)
        self._over = last
        self._news.set()
        self._news = anyio.Event()

    async def next(self) -> Mapping[str, object]:
        """Wait for the next event.

        Raises:
            WitError: The end of the program was reported already.
        """
        while not self._events:
            if self._over:
                raise ended(self.child.pid)
            await self._news.wait()
        return self._events.popleft()

    def drop(self) -> None:
        """Stop watching; whoever waits for an event gets an error."""
        if self in self.child.watches:
            self.child.watches.remove(self)
            self.release()
            self._events.clear()
            self._over = True
            self._news.set()


@define(eq=False)
class Program:
    """A program that a component has started, with all that it starts in turn.

    WIT calls it ``child``.
    """

    path: str
    """The canonical path, which was granted."""
    control: socket.socket
    """The host's end of the socket to its keeper."""
    stdout: Output | None
    stderr: Output | None
    stdin: Feed | None
    release: Callable[[], object]
    """Gives back what it holds of the quota; called once."""
    refuse: Callable[[str], object]
    """Tells the audit that a limit was broken, in words."""
    owner: object
    """The children of the component that started it: no other may use it."""
    pid: int = 0
    group: int = 0
    """The pid of the child that its group is named after."""
    started: int = 0
    """In milliseconds since 1970."""
    stopped: bool = False
    ending: Ending | None = None
    joined: bool = False
    """Whether a `join` has taken its result, so that nothing more is kept."""
    reported: bool = False
    """Whether a wait has reported its end."""
    dropped: bool = False
    done: anyio.Event = field(factory=anyio.Event)
    """Set when the program, and all that it started, has ended."""
    ready: anyio.Event = field(factory=anyio.Event)
    """Set when it runs, or could not be started."""
    problem: tuple[int, str] | None = None
    """Why it could not be started: the error number, and what was being done."""
    watches: list[Watch] = field(factory=list)
    _answers: dict[str, _Asked] = field(factory=dict, init=False)
    _numbers: Iterator[int] = field(factory=itertools.count, init=False)
    _held: bool = field(default=True, init=False)

    # --- its life -----------------------------------------------------------------

    async def run(self) -> None:
        """Listen to the keeper, and take the output, until all has ended."""
        outputs = [each for each in (self.stdout, self.stderr) if each is not None]
        try:
            async with anyio.create_task_group() as pumps:
                for each in outputs:
                    pumps.start_soon(each.pump)
                await self._listen()
                pumps.cancel_scope.cancel()
        finally:
            for each in outputs:
                each.finish()
            if self.stdin is not None:
                self.stdin.close()
            self._end()

    async def _listen(self) -> None:
        while True:
            try:
                message = self.control.recv(LARGEST)
            except BlockingIOError:
                await anyio.wait_readable(self.control)
                continue
            except ConnectionResetError:
                # The keeper ended before it took what it was asked last; what it has
                # said before is still to come.
                continue
            if not message:
                return
            self._hear(*unpack(message))

    def _hear(self, kind: str, *fields: str) -> None:
        match kind:
            case "started":
                self.pid, self.started = map(int, fields)
                self.group = self.pid
                self.ready.set()
            case "failed":
                self.problem = (int(fields[0]), fields[1])
            case "state":
                self.stopped = fields[0] == "stopped"
                self._notify()
            case "exit":
                code, cpu_time, peak = map(int, fields[:3])
                self.ending = Ending(code, cpu_time, peak, fields[3], now())
            case _:
                number, *answer = fields
                asked = self._answers.pop(number, None)
                if asked is not None:  # who asked was not cancelled meanwhile
                    asked.answer, asked.failed = answer, kind == "error"
                    asked.done.set()

    def _end(self) -> None:
        self.control.close()
        if self.ending is None:
            self.ending = Ending(0, 0, 0, "", now(), lost=True)
        if self.ending.exceeded in {"memory", "processes"}:
            self.refuse(self.ending.exceeded)
        for asked in self._answers.values():
            asked.done.set()
        self.ready.set()
        self.done.set()
        self._notify(last=True)
        if self.dropped:
            self.forget()

    def _notify(self, *, last: bool = False) -> None:
        ending = self.ending
        event = {
            "pid": self.pid,
            "state": self.state,
            "time": now(),
            "exit_status": None if ending is None or ending.lost else ending.status,
        }
        for watch in self.watches:
            watch.add(event, last=last)

    def drop(self) -> None:
        """End it all, without waiting: the guest has no handle any more."""
        self.dropped = True
        for watch in tuple(self.watches):
            watch.drop()
        self.end_soon()
        self._give_back()
        if self.ending is not None:
            self.forget()

    def end_soon(self) -> None:
        """Have the keeper end it all; nothing where it has ended."""
        with suppress(OSError):
            # The keeper finds itself without a host. A message could find no room.
            self.control.shutdown(socket.SHUT_WR)

    def forget(self) -> None:
        """Keep no output of it any more."""
        for each in (self.stdout, self.stderr):
            if each is not None:
                each.forget()

    def hand_over(self) -> None:
        """Forget the program: its end was reported for the last time."""
        self.joined = True
        self.forget()
        self._give_back()

    def _give_back(self) -> None:
        if self._held:
            self._held = False
            self.release()

    # --- what is known of it ------------------------------------------------------

    @property
    def state(self) -> str:
        """What it is doing, as far as the host has heard."""
        if self.ending is not None:
            return "error" if self.ending.lost else "terminated"
        return "stopped" if self.stopped else "running"

    @property
    def closed(self) -> bool:
        """Whether neither a program nor a handle is left."""
        return self.ending is not None and (self.dropped or self.joined)

    def result(self) -> Mapping[str, object]:
        """Return how it ended and what it left: ``wait-result``.

        Raises:
            WitError: Nobody knows, or it was handed over before.
        """
        ending = self.ending
        assert ending is not None, f"{self.path} runs"
        self.reported = True
        if self.joined:
            raise ended(self.pid)
        if ending.lost:
            raise failure("io-error", "its keeper was ended from outside")
        return {
            "pid": self.pid,
            "exit_status": ending.status,
            "cpu_time_ms": ending.cpu_time,
            "peak_memory_bytes": ending.peak_memory,
            "stdout": b"" if self.stdout is None else self.stdout.kept,
            "stdout_truncated": self.stdout is not None and self.stdout.truncated,
            "stderr": b"" if self.stderr is None else self.stderr.kept,
            "stderr_truncated": self.stderr is not None and self.stderr.truncated,
            "exceeded": ending.exceeded or None,
        }

    # --- what its keeper is asked -------------------------------------------------

    async def ask(self, kind: str, *fields: str | int) -> list[str]:
        """Ask the keeper something, and wait for the answer.

        Raises:
            WitError: The program has ended, or the system reported an error.
        """
        number = str(next(self._numbers))
        asked = self._answers[number] = _Asked()
        try:
            with anyio.move_on_after(PATIENCE):
                await self._send(pack(kind, number, *fields))
                await asked.done.wait()
        finally:
            self._answers.pop(number, None)
        if not asked.done.is_set():
            raise failure("io-error", f"process {self.pid}: {_SILENT}")
        if asked.answer is None:
            raise ended(self.pid)
        if asked.failed:
            words = os.strerror(int(asked.answer[0]))
            raise failure("io-error", f"process {self.pid}: {words}")
        return asked.answer

    async def _send(self, message: bytes) -> None:
        while self.ending is None:
            try:
                self.control.send(message)
            except BlockingIOError:
                await anyio.wait_writable(self.control)
            except OSError:
                break  # the keeper is done; `run` hears of it
            else:
                return
        await self.done.wait()

    async def start(self, message: bytes, command: str) -> None:
        """Have the keeper start it, and wait until it runs.

        Raises:
            WitError: It does not.
        """
        with anyio.move_on_after(PATIENCE):
            await self._send(message)
            await self.ready.wait()
        if not self.ready.is_set():
            raise failure("spawn-failed", f"{command!r}: {_SILENT}")
        if self.pid == 0:
            raise not_started(command, *(self.problem or (0, "keep")))


@define(eq=False)
class _Asked:
    """A question to a keeper."""

    done: anyio.Event = field(factory=anyio.Event)
    answer: list[Any] | None = None
    failed: bool = False
