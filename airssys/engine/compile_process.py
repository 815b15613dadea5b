"""Compile in a process of its own: its program, which needs wasmtime and no more.

The host writes what is to be compiled to the standard input and reads the outcome from
the standard output. The process ends when its input ends, which is when the host is
gone, when its parent is another one, and when nobody needed it for a while.

Its limits are the system's own. So what takes too much memory ends this process, and
not the host's, whatever the compiler does when memory runs out.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from math import ceil
from pathlib import Path
from queue import SimpleQueue
from struct import Struct
from threading import Thread
from typing import Any, Final

import wasmtime
from wasmtime import _ffi as _library
from wasmtime.component import Component

__all__ = ("CODE", "FRAME", "MEMORY", "TEXT", "configured", "frame", "main")

TEXT: Final = "text"
"""The task to make a binary of a component's text."""
CODE: Final = "code"
"""The task to compile a binary."""
MEMORY: Final = "memory"
"""The outcome that the memory was not enough, where the process lives to tell it."""

FRAME: Final = Struct(">IQ")
"""What each message begins with: the bytes of its head, which is JSON, and its body."""
_IDLE: Final = 30.0
"""Seconds without anything to compile after which the process ends."""
_LOOK: Final = 5.0
"""Seconds between two looks whether the host is still there."""
_ENGINES: Final = 4
"""Sets of settings whose engine is kept."""
_SHORT: Final = ("Cannot allocate memory", "os error 12", "out of memory")
"""How wasmtime says that the system gave it no memory."""


def configured(settings: Mapping[str, Any]) -> wasmtime.Config:
    """Make a configuration, here as in the host: code must be made for its engine.

    Args:
        settings: What the configuration has as attributes, and under ``switches`` the
            arguments of functions of the C API that wasmtime-py does not wrap.
    """
    config = wasmtime.Config()
    for name, value in settings.items():
        if name != "switches":
            setattr(config, name, value)
    for name, value in settings["switches"].items():
        getattr(_library, f"wasmtime_config_{name}_set")(config.ptr(), value)
    return config


def frame(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """Return a message up to its body."""
    text = json.dumps(head).encode()
    return FRAME.pack(len(text), len(body)) + text


def main() -> None:
    """Compile what comes in until nothing can come any more."""
    _, _, parent, memory = sys.argv
    _bound(int(memory))
    os.set_blocking(2, False)
    tasks: SimpleQueue[tuple[dict[str, Any], bytes]] = SimpleQueue()
    worker = _Worker(tasks)
    # While a task runs, this thread waits for the end of the input, which ends both.
    Thread(target=worker.run, daemon=True).start()
    while _wait(worker, int(parent)):
        size, length = FRAME.unpack(_read(FRAME.size))
        head = json.loads(_read(size))
        worker.given += 1
        tasks.put((head, _read(length)))
    os._exit(0)


class _Worker:
    def __init__(self, tasks: SimpleQueue[tuple[dict[str, Any], bytes]]) -> None:
        self.tasks = tasks
        self.given = 0
        self.done = 0
        self.engines: dict[str, wasmtime.Engine] = {}

    @property
    def busy(self) -> bool:
        return self.given != self.done

    def run(self) -> None:
        while True:
            head, body = self.tasks.get()
            begun = time.process_time()
            try:
                outcome, made = self.work(head, body)
            except MemoryError:
                outcome, made = {"limit": MEMORY}, b""
            except BaseException as error:  # noqa: BLE001 - the host is to know
                words = f"{type(error).__name__}: {error}"
                if not isinstance(error, wasmtime.WasmtimeError):
                    outcome, made = {"failed": words}, b""
                elif any(short in str(error) for short in _SHORT):
                    outcome, made = {"limit": MEMORY}, b""
                else:
                    outcome, made = {"refused": str(error)}, b""
            spent = time.process_time() - begun
            _write(frame({**outcome, "peak": _peak(), "spent": spent}, made))
            _write(made)
            self.done += 1
            del head, body, made

    def work(
        self, head: Mapping[str, Any], body: bytes
    ) -> tuple[dict[str, Any], bytes]:
        _give_time(head["seconds"])
        if head["task"] == TEXT:
            return {}, bytes(wasmtime.wat2wasm(body))
        key = json.dumps(head["settings"])
        if key not in self.engines:
            if len(self.engines) >= _ENGINES:
                del self.engines[next(iter(self.engines))]
            self.engines[key] = wasmtime.Engine(configured(head["settings"]))
        return {}, bytes(Component(self.engines[key], body).serialize())


def _wait(worker: _Worker, parent: int) -> bool:
    """Wait for a message; False: none will come."""
    if sys.platform == "win32":
        return True
    since = time.monotonic()
    while not select.select([0], [], [], _LOOK)[0]:
        # A process that the host forked may hold the other end of the input open.
        idle = 0.0 if worker.busy else time.monotonic() - since
        if os.getppid() != parent or idle > _IDLE:
            return False
        since = time.monotonic() if worker.busy else since
    return True


def _read(size: int) -> bytes:
    """Read from the host, or end where it has ended."""
    found = bytearray(size)
    view, source = memoryview(found), FileIO(0, closefd=False)
    while view:
        count = source.readinto(view)
        if not count:
            os._exit(0)
        view = view[count:]
    return bytes(found)


def _write(content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(1, view) :]


def _bound(memory: int) -> None:
    """Set limits that the process cannot raise, where the system has such."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - pathlib takes long to import
        # Where the machine itself runs out of memory, this process is to go first.
        file.write("1000")
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    for kind, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (limit, limit))


def _give_time(seconds: float) -> None:
    """Let the process compute so long from now on."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - not on every system

        used = resource.getrusage(resource.RUSAGE_SELF)
        until = ceil(used.ru_utime + used.ru_stime + seconds)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


def _peak() -> int:
    """Return the most memory that this program had at once, in bytes."""
    # Linux counts what the host had when it started this process into `ru_maxrss`.
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
