"""Compile in processes that are kept for it, within limits, so that it can be cut off.

A compiler takes the guest's bytes, and what it does with them is not bounded by them: a
few kilobytes can take minutes, or more memory than there is. So it works in a process
of its own, started when it is first needed. One that dies, or that grew, is replaced.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

import wasmtime
from attrs import define, field, frozen

from ..core.errors import CannotCompile, CompileLimit, InvalidComponent
from ..core.limits import CompileLimits
from ..core.units import show_duration, show_size
from .compile_process import CODE, FRAME, MEMORY, TEXT, configured, frame

__all__ = (
    "Compilers",
    "GivenUp",
    "Job",
    "Processes",
    "Target",
    "Thread",
    "size_limit",
)

_AT_ONCE: Final = 2
"""Processes at work, so that what takes long does not hold up all else. Each computes
with several threads."""
_THREADS: Final = 4
_GROWN: Final = 4
"""A process that had this part of the memory it may have is not used again."""
_LEAST: Final = 0.1
"""Seconds that the last steps of a component have in any case."""
_SLOW: Final = 5
"""Seconds on the clock for each second of computing: where a process gets no processor,
or waits for itself, it is cut off after these."""
_DYING: Final = 5.0
"""Seconds that a process has to die, once it is at it."""
_WORDS: Final = 4096
"""Bytes of what a process said when it died."""
_SHORT: Final = ("memory allocation of", "Cannot allocate memory", "os error 11")
"""What it says when there is no memory, or no room for the stack of a thread."""

_BEGIN: Final = """
import sys, types
for name in ("airssys", "airssys.engine"):
    package = sys.modules[name] = types.ModuleType(name)
    package.__path__ = [sys.argv[1]]
sys.path.append(sys.argv.pop(2))
from airssys.engine.compile_process import main
main()
"""
"""Runs the program's module without this package's own imports: it starts quickly."""
_NO_SETTINGS: Final[Mapping[str, Any]] = {}
_PASSED: Final = ("LD_LIBRARY_PATH", "SYSTEMROOT")
"""What some Pythons need to start."""


class GivenUp(Exception):
    """Whoever wanted it does not want it any more."""


@define(eq=False)
class Job:
    """Something that is compiled, in steps, and may be given up at any moment."""

    name: str
    given_up: bool = field(default=False, init=False)
    spent: float = field(default=0.0, init=False)
    """Seconds of processor time of the steps so far."""
    _stop: Callable[[], object] | None = field(default=None, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def give_up(self) -> None:
        """End what is under way, at once. From any thread."""
        with self._lock:
            self.given_up = True
            if self._stop is not None:
                self._stop()

    def check(self) -> None:
        """Raise `GivenUp` if nobody waits any more."""
        if self.given_up:
            raise GivenUp

    @contextmanager
    def stopped_by(self, stop: Callable[[], object]) -> Iterator[None]:
        """Say how to end what is under way in the block."""
        with self._lock:
            self.check()
            self._stop = stop
        try:
            yield
        finally:
            with self._lock:
                self._stop = None


@frozen(eq=False)
class Target:
    """What code is made for: one of wasmtime's engines, and its configuration."""

    settings: Mapping[str, Any]
    """As `configured` takes them: code is made for one configuration."""
    engine: wasmtime.Engine

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Target:
        return cls(settings, wasmtime.Engine(configured(settings)))


class Compilers(Protocol):
    """Where components are compiled."""

    def binary(self, text: bytes, job: Job) -> bytes:
        """Make the binary of a component's text."""

    def code(
        self, target: Target, binary: bytes, job: Job
    ) -> tuple[wasmtime.component.Component | None, bytes]:
        """Compile a binary; return the code too, where it is in this process."""


# --- in this process ----------------------------------------------------------------

_COMPILED_IN: Final[set[int]] = set()
"""The process that compiled here first: the threads that wasmtime compiles with are
started once for a process, and are lost in one that is forked from it."""


@frozen
class Thread:
    """Compile in the caller's thread: without limits, and to its end."""

    def binary(self, text: bytes, job: Job) -> bytes:
        job.check()
        return bytes(wasmtime.wat2wasm(text))

    def code(
        self, target: Target, binary: bytes, job: Job
    ) -> tuple[wasmtime.component.Component | None, bytes]:
        job.check()
        if _COMPILED_IN and os.getpid() not in _COMPILED_IN:
            raise CannotCompile(
                job.name,
                "this process was forked from one that had compiled, and wasmtime's "
                'threads are not in it: use Engine(compiler="process"), or start '
                "the process by spawn or forkserver",
            )
        _COMPILED_IN.add(os.getpid())
        code = wasmtime.component.Component(target.engine, binary)
        return code, bytes(code.serialize())


# --- in processes -------------------------------------------------------------------


@frozen
class _Ended(Exception):
    status: int
    """As `subprocess.Popen.returncode`."""
    words: str


@define(eq=False)
class _Process:
    popen: subprocess.Popen[bytes]
    used: bool = False

    @classmethod
    def start(cls, memory: int) -> _Process:
        path = (Path(__file__).parent, Path(wasmtime.__file__).parent.parent)
        arguments = (*map(str, path), str(os.getpid()), str(memory))
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
        environment |= {
            "RAYON_NUM_THREADS": str(min(_THREADS, os.cpu_count() or 1)),
            "MALLOC_ARENA_MAX": "2",  # each takes address space, which is limited
        }
        # No part of this process is copied, and no descriptor of its goes along. To
        # end it with its parent by PR_SET_PDEATHSIG would end it with this thread.
        return cls(
            subprocess.Popen(  # noqa: S603 - its arguments are all our own
                [sys.executable, "-I", "-S", "-B", "-c", _BEGIN, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=os.sep,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the host to answer
            )
        )

    def ask(self, head: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        self.used = True
        try:
            self._write(frame(head, body))
            self._write(body)
            size, length = FRAME.unpack(self._read(FRAME.size))
            answer = json.loads(self._read(size))
            return answer, self._read(length)
        except (OSError, EOFError):
            words = self.end(_DYING)
            raise _Ended(self.popen.returncode, words) from None

    def _write(self, content: bytes) -> None:
        assert self.popen.stdin is not None
        view = memoryview(content)
        while view:
            view = view[self.popen.stdin.write(view) or 0 :]

    def _read(self, size: int) -> bytes:
        assert self.popen.stdout is not None
        found = bytearray(size)
        view = memoryview(found)
        while view:
            count = self.popen.stdout.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            view = view[count:]
        return bytes(found)

    def kill(self) -> None:
        """End it now, without a wait."""
        with suppress(OSError):
            self.popen.kill()

    def end(self, patience: float = 0) -> str:
        """End it and wait for that; return what it said last."""
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(patience)
        self.kill()
        self.popen.wait()
        words = b""
        for stream in (self.popen.stderr, self.popen.stdin, self.popen.stdout):
            assert stream is not None
            if stream is self.popen.stderr:
                words = stream.read(_WORDS)
            stream.close()
        return words.decode(errors="replace").strip()


@define(eq=False)
class Processes:
    """Compile in processes, each within limits of memory and processor time."""

    limits: CompileLimits
    _idle: list[_Process] = field(factory=list, init=False)
    _working: int = field(default=0, init=False)
    _turn: threading.Condition = field(factory=threading.Condition, init=False)

    def __attrs_post_init__(self) -> None:
        weakref.finalize(self, _end_all, self._idle, os.getpid())

    def binary(self, text: bytes, job: Job) -> bytes:
        return self._ask(TEXT, text, job)

    def code(
        self, target: Target, binary: bytes, job: Job
    ) -> tuple[wasmtime.component.Component | None, bytes]:
        return None, self._ask(CODE, binary, job, target.settings)

    def _ask(
        self,
        task: str,
        body: bytes,
        job: Job,
        settings: Mapping[str, Any] = _NO_SETTINGS,
    ) -> bytes:
        seconds = max(self.limits.time - job.spent, _LEAST)
        head = {"task": task, "settings": settings, "seconds": seconds}
        with self._a_turn(job):
            # What an older process died of need not be this: it is tried once more.
            for fresh in (False, True):
                process = self._take(job, fresh=fresh)
                old = process.used
                started = time.monotonic()
                try:
                    with self._watched(process, job):
                        answer, made = process.ask(head, body)
                except _Ended as ended:
                    job.check()
                    late = time.monotonic() - started >= self._patience
                    if old and not late and ended.status != -_out_of_time():
                        continue
                    raise self._meaning(ended, job, late=late) from None
                except BaseException:
                    process.end()
                    raise
                job.spent += answer["spent"]
                if answer["peak"] * _GROWN > self.limits.memory:
                    process.end()
                else:
                    self._idle.append(process)
                return self._checked(answer, made, job)
        raise AssertionError  # a new process is not tried twice

    @property
    def _patience(self) -> float:
        return self.limits.time * _SLOW

    @contextmanager
    def _a_turn(self, job: Job) -> Iterator[None]:
        def wake() -> None:
            with self._turn:
                self._turn.notify_all()

        with job.stopped_by(wake), self._turn:
            self._turn.wait_for(lambda: job.given_up or self._working < _AT_ONCE)
            job.check()
            self._working += 1
        try:
            yield
        finally:
            with self._turn:
                self._working -= 1
                self._turn.notify_all()

    def _take(self, job: Job, *, fresh: bool) -> _Process:
        with suppress(IndexError):
            while not fresh:
                process = self._idle.pop()
                if process.popen.poll() is None:
                    return process
                process.end()
        try:
            return _Process.start(self.limits.memory)
        except OSError as error:
            raise CannotCompile(
                job.name,
                f"no process can be started for it ({sys.executable!r}: "
                f'{error.strerror}); Engine(compiler="thread") compiles in this one, '
                "without limits",
            ) from error

    @contextmanager
    def _watched(self, process: _Process, job: Job) -> Iterator[None]:
        clock = threading.Timer(self._patience, process.kill)
        clock.daemon = True
        clock.start()
        try:
            with job.stopped_by(process.kill):
                yield
        finally:
            clock.cancel()

    def _checked(self, answer: Mapping[str, Any], made: bytes, job: Job) -> bytes:
        match answer:
            case {"refused": str() as words}:
                raise wasmtime.WasmtimeError(words)
            case {"failed": str() as words}:
                raise CannotCompile(job.name, words)
            case {"limit": str()}:
                raise self._too_large(job)
            case _:
                return made

    def _meaning(self, ended: _Ended, job: Job, *, late: bool) -> Exception:
        if late or ended.status == -_out_of_time():
            allowed = f"{show_duration(self.limits.time)} of processor time"
            return CompileLimit(job.name, "time", allowed)
        if any(short in ended.words for short in _SHORT):
            return self._too_large(job)
        if ended.status == -getattr(signal, "SIGKILL", 9):
            # By the system, most likely: where the machine's memory runs out, Linux
            # ends this process first.
            how = "its process was killed, perhaps as the machine had no memory left"
            return CannotCompile(job.name, how)
        words = " ".join(ended.words.split())
        if ended.status >= 0:
            how = f"its process ended with status {ended.status}: {words}"
            return CannotCompile(job.name, how)
        how = f"signal {-ended.status}"
        with suppress(ValueError):
            how = signal.Signals(-ended.status).name
        reason = f"the compiler died of it by {how}" + (f": {words}" if words else "")
        return InvalidComponent(job.name, reason)

    def _too_large(self, job: Job) -> CompileLimit:
        allowed = f"{show_size(self.limits.memory)} of memory"
        return CompileLimit(job.name, MEMORY, allowed)


def size_limit(name: str, limits: CompileLimits) -> CompileLimit:
    """Return the error for a component that is larger than it may be."""
    return CompileLimit(name, "size", show_size(limits.size))


def _out_of_time() -> int:
    return int(getattr(signal, "SIGXCPU", 0))


def _end_all(processes: list[_Process], owner: int) -> None:
    """End processes, unless this process was forked from the one that has them."""
    if os.getpid() == owner:
        while processes:
            processes.pop().end()
