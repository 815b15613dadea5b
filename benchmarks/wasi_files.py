"""Files of a stock program: ours beside wasmtime-py's native WASI, which blocks."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import anyio.to_thread
import wasmtime
from attrs import frozen
from wasmtime.component import Component, Linker

from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import FilesystemGrants
from airssys.engine.component import Engine
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.wasi import BytesOutput, Context, open_interfaces

from .measure import BACKENDS, Effort, Goal, Row, Timed, compare, run_on
from .plain import engine

__all__ = ("rows",)

PROGRAM: Final = Path(__file__).parent / "files.wasm"
RUN: Final = "wasi:cli/run@0.2.12"
NATIVE: Final = "wasmtime-py's native WASI, in a thread"
MIB: Final = 2**20
_FUEL: Final = 2**62

_Run = Callable[..., Awaitable[tuple[float, str]]]
"""Runs the program with arguments: the seconds it took, and what it printed."""


@frozen
class Errand:
    """What the program is told to do."""

    what: str
    args: tuple[str, ...]
    prints: int
    slower: float
    """How many times longer than the native one it may take."""


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _errands, effort, backend)


async def _errands(effort: Effort, backend: str) -> list[Row]:
    size = MIB if effort.quick else 64 * MIB
    times = 50 if effort.quick else 10_000
    found = []
    with TemporaryDirectory() as made:
        folder = Path(made).resolve()
        (folder / "random").write_bytes(random.Random(1).randbytes(size))
        (folder / "ascii").write_bytes((b"plain sentences. " * (size // 17 + 1))[:size])
        (folder / "small").write_bytes(bytes(100))
        ours, native = _Ours(folder), _Native(folder)
        mib = str(size // MIB)
        async with open_interfaces() as offered:
            for errand in (
                Errand(
                    f"read {mib} MiB of random bytes",
                    ("read", "/data/random"),
                    size,
                    1 / 0.35,
                ),
                Errand(
                    f"read {mib} MiB of ASCII", ("read", "/data/ascii"), size, 1 / 0.6
                ),
                Errand(f"write {mib} MiB", ("write", "/data/out", mib), size, 1 / 0.6),
                Errand(
                    f"open, read and close a file {times:,} times",
                    ("open", "/data/small", str(times)),
                    100 * times,
                    3.0,
                ),
            ):
                found += await compare(
                    effort,
                    f"{errand.what} ({backend})",
                    _timed(await ours.ready(offered), errand),
                    {NATIVE: _timed(native.run, errand)},
                    goals={NATIVE: Goal(limit=errand.slower)},
                )
    return found


def _timed(run: _Run, errand: Errand) -> Timed:
    async def timed(loops: int) -> float:
        total = 0.0
        for _ in range(loops):
            took, printed = await run(*errand.args)
            assert printed.strip() == str(errand.prints)
            total += took
        return total

    return timed


@frozen
class _Ours:
    folder: Path

    async def ready(self, offered: tuple[HostInterface, ...]) -> _Run:
        component = await Engine().load(PROGRAM)
        below = [f"{self.folder}/**"]
        grants = Grants(filesystem=FilesystemGrants(read=below, write=below))

        async def run(*args: str) -> tuple[float, str]:
            stdout = BytesOutput()
            context = Context(
                args=("files", *args),
                preopens={"/data": str(self.folder)},
                stdout=stdout,
            )
            with await component.instantiate(
                offered, grants=grants, guard=Gate(), context=context
            ) as instance:
                start = perf_counter()
                await instance.call(f"{RUN}#run")
                return perf_counter() - start, stdout.content.decode()

        return run


class _Native:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = engine()
        self.component = Component.from_file(self.engine, str(PROGRAM))
        self.linker = Linker(self.engine)
        self.linker.add_wasip2()

    async def run(self, *args: str) -> tuple[float, str]:
        return await anyio.to_thread.run_sync(self._run, args)

    def _run(self, args: tuple[str, ...]) -> tuple[float, str]:
        store = wasmtime.Store(self.engine)
        store.set_fuel(_FUEL)
        given = wasmtime.WasiConfig()
        given.argv = ["files", *args]
        given.preopen_dir(str(self.folder), "/data")
        printed = self.folder / "printed"
        given.stdout_file = str(printed)
        store.set_wasi(given)
        instance: Any = self.linker.instantiate(store, self.component)
        home = instance.get_export_index(store, RUN)
        function: Any = instance.get_func(
            store, instance.get_export_index(store, "run", home)
        )
        start = perf_counter()
        function(store)
        took = perf_counter() - start
        del instance, store
        return took, printed.read_text()
