"""To compile is bounded, can be cut off, and happens once for equal content."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from airssys import (
    CannotCompile,
    CompileLimit,
    CompileLimits,
    Engine,
    InvalidComponent,
    LimitExceeded,
)

from . import guests

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

MIB = 2**20


def answering(number: int) -> str:
    body = f'(func (export "n") (result i32) (i32.const {number}))'
    return guests.code(body, "n -> u32")


def calls(number: int) -> str:
    """One function of many calls: some 3 KiB of the compiler's memory for each."""
    return f"(component (core module (func) (func {'call 0 ' * number})))"


def loops(number: int, bodies: int = 1) -> str:
    """Loops nested in each other, over 200 locals that all depend on each other."""
    mix = "".join(
        f"(local.set {i} (i32.add (local.get {(i + 1) % 200}) "
        f"(local.get {i * 7 % 200})))"
        for i in range(200)
    )
    nest = "(loop " * number + mix + "(br_if 0 (local.get 0))" + ")" * number
    body = f"(func (local {'i32 ' * 200}) {nest})"
    return f"(component (core module {body * bodies}))"


def tables(targets: int, number: int) -> str:
    """Functions that are one jump to any of many places."""
    jump = f"(br_table {' '.join(map(str, range(targets)))} (local.get 0))"
    body = f"(func (param i32) {'(block ' * targets}{jump}{')' * targets})"
    return f"(component (core module {body * number}))"


def children() -> dict[int, str]:
    """Return the processes below this one, by number, with their state."""
    found = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                state, parent = (
                    (place / "stat").read_text().rsplit(")", 1)[1].split()[:2]
                )
            except OSError:
                continue
            if int(parent) == os.getpid():
                found[int(place.name)] = state
    return found


@pytest.fixture
def started() -> Callable[[], set[int]]:
    """Return the processes that were started since the test began and still run."""
    before = set(children())
    return lambda: {
        number
        for number, state in children().items()
        if state != "Z" and number not in before
    }


async def gone(started: Callable[[], set[int]]) -> None:
    with anyio.fail_after(5):
        while started():  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)


async def answer(engine: Engine, number: int) -> Any:
    component = await engine.compile(answering(number))
    with await component.instantiate() as instance:
        return await instance.call("n")


# --- limits ---------------------------------------------------------------------------


def resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("form", ["text", "file"])
async def test_what_takes_too_much_memory_is_refused_and_the_host_is_unharmed(
    tmp_path: Path, form: str
) -> None:
    engine = Engine(cache=False, compile_limits=CompileLimits(memory=256 * MIB))
    assert await answer(engine, 1) == 1
    before = resident()

    with pytest.raises(CompileLimit) as caught:
        if form == "text":
            await engine.compile(calls(160_000), name="acme/bomb")
        else:
            (tmp_path / "bomb.wat").write_text(calls(160_000))
            await engine.load(tmp_path / "bomb.wat", name="acme/bomb")

    assert resident() - before < 32 * MIB
    assert str(caught.value) == (
        "component 'acme/bomb' cannot be compiled within its memory "
        "(limit: 256MiB of memory; compile.memory in the host file)"
    )
    assert isinstance(caught.value, LimitExceeded)
    assert await answer(engine, 2) == 2


@pytest.mark.parametrize(
    "bomb", [loops(40, bodies=400), tables(2000, 300)], ids=["loops", "tables"]
)
async def test_what_takes_too_much_time_is_refused(
    bomb: str, started: Callable[[], set[int]]
) -> None:
    engine = Engine(cache=False, compile_limits=CompileLimits(time=0.5))
    begun = time.monotonic()

    with pytest.raises(CompileLimit, match=r"within its time \(limit: 500ms of proces"):
        await engine.compile(bomb)

    assert time.monotonic() - begun < 30
    await gone(started)
    assert await answer(engine, 2) == 2


async def test_what_gets_no_processor_is_cut_off_by_the_clock(
    started: Callable[[], set[int]],
) -> None:
    engine = Engine(cache=False, compile_limits=CompileLimits(time=0.2))
    assert await answer(engine, 1) == 1
    (number,) = started()
    os.kill(number, signal.SIGSTOP)

    with pytest.raises(CompileLimit, match="time"):
        await engine.compile(answering(2))

    assert number not in children()


async def test_what_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    engine = Engine(cache=False, compile_limits=CompileLimits(size=100))
    file = tmp_path / "large.wasm"
    with file.open("wb") as out:
        out.truncate(2**40)  # takes no room, and more than there is to read it

    with pytest.raises(CompileLimit) as caught:
        await engine.load(file)
    assert "'large' cannot be compiled within its size (limit: 100B;" in str(
        caught.value
    )
    with pytest.raises(CompileLimit, match="size"):
        await engine.compile(bytes(101))


async def test_a_process_that_died_is_replaced(started: Callable[[], set[int]]) -> None:
    engine = Engine(cache=False)
    assert await answer(engine, 1) == 1
    (first,) = started()
    os.kill(first, signal.SIGKILL)
    assert await answer(engine, 2) == 2

    (second,) = started()
    assert second != first
    assert await answer(engine, 3) == 3
    assert started() == {second}


async def test_what_an_old_process_died_of_is_tried_in_a_new_one(
    started: Callable[[], set[int]],
) -> None:
    engine = Engine(cache=False)
    assert await answer(engine, 1) == 1
    (first,) = started()
    os.kill(first, signal.SIGSTOP)  # it still runs when it is given something

    async with anyio.create_task_group() as nursery:

        async def kill() -> None:
            await anyio.sleep(0.2)
            os.kill(first, signal.SIGKILL)

        nursery.start_soon(kill)
        assert await answer(engine, 2) == 2


async def test_how_large_the_host_is_does_not_count_against_a_process(
    started: Callable[[], set[int]],
) -> None:
    held = bytearray(b"x" * 400 * MIB)
    engine = Engine(cache=False)
    assert await answer(engine, 1) == 1

    (first,) = started()
    assert await answer(engine, 2) == 2
    assert started() == {first}
    assert len(held) == 400 * MIB


async def test_a_process_that_grew_is_replaced(started: Callable[[], set[int]]) -> None:
    engine = Engine(cache=False, compile_limits=CompileLimits(memory=800 * MIB))
    assert await answer(engine, 1) == 1
    before = started()
    await engine.compile(calls(80_000))  # takes some 230 MiB

    assert await answer(engine, 2) == 2
    assert not before & started()


async def test_an_error_of_the_compiler_is_told_in_its_words() -> None:
    told = []
    for engine in (Engine(cache=False), Engine(cache=False, compiler="thread")):
        for broken in ("(component (export))", b"\0asm\x0d\0\1\0\xff"):
            with pytest.raises(InvalidComponent) as caught:
                await engine.compile(broken, name="acme/bad")
            told.append(str(caught.value))

    assert told[:2] == told[2:]
    assert "expected a string" in told[0]


# --- cut off --------------------------------------------------------------------------


async def test_a_cancelled_compile_ends_at_once_and_leaves_no_process(
    started: Callable[[], set[int]],
) -> None:
    engine = Engine(cache=False)
    begun = time.monotonic()
    with anyio.move_on_after(1) as scope:
        await engine.compile(loops(40, bodies=400))

    assert scope.cancelled_caught
    assert time.monotonic() - begun < 30
    await gone(started)
    assert await answer(engine, 1) == 1


async def test_a_compile_that_waits_for_its_turn_can_be_cancelled(
    started: Callable[[], set[int]],
) -> None:
    engine = Engine(cache=False)
    with anyio.move_on_after(1):
        async with anyio.create_task_group() as nursery:
            for number in range(5):
                nursery.start_soon(engine.compile, loops(40 + number, bodies=400))

    await gone(started)
    # None of those that waited is at it now.
    await anyio.sleep(0.2)
    assert not started()


def test_a_native_cancel_ends_a_compile(started: Callable[[], set[int]]) -> None:
    engine = Engine(cache=False)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.compile(loops(40, bodies=400)), 1)
        await gone(started)

    begun = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - begun < 15


async def test_no_process_is_left_of_an_engine_that_is_gone(
    started: Callable[[], set[int]],
) -> None:
    engine = Engine(cache=False)
    assert await answer(engine, 1) == 1
    assert started()

    del engine
    import gc  # noqa: PLC0415 - the engine, its component and its links are a circle

    gc.collect()
    await gone(started)


def script(text: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


HEAD = """
import anyio, os, sys
from airssys import Engine
from tests.engine.test_compiling import answer, children, loops
"""


def compilers_of(number: int) -> list[int]:
    path = Path(f"/proc/{number}/task")
    found: list[int] = []
    for task in path.iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_host_that_ends_takes_the_compiler_along(
    backend: str, how: signal.Signals
) -> None:
    text = f"""{HEAD}
async def main():
    print("ready", flush=True)
    await Engine(cache=False).compile(loops(40, bodies=400))
anyio.run(main, backend={backend!r})
"""
    with script(text) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "ready\n"
        with time_limit(20):
            while not (compiling := compilers_of(host.pid)):
                time.sleep(0.01)
        time.sleep(0.5)
        host.send_signal(how)
        begun = time.monotonic()
        host.communicate(timeout=20)
        assert time.monotonic() - begun < 15
    with time_limit(10):
        while any(alive(number) for number in compiling):
            time.sleep(0.01)


def alive(number: int) -> bool:
    try:
        text = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return text.rsplit(")", 1)[1].split()[0] != "Z"


class time_limit:  # noqa: N801 - reads as a function
    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        assert time.monotonic() < self.until


# --- one flight -----------------------------------------------------------------------


async def test_equal_content_is_compiled_once_for_all_who_want_it(
    tmp_path: Path,
) -> None:
    engine = Engine(cache=tmp_path)
    made: list[Any] = []

    async def load(name: str) -> None:
        made.append(await engine.compile(loops(40, bodies=5), name=name))

    async with anyio.create_task_group() as nursery:
        for name in ("one", "two", "three"):
            nursery.start_soon(load, name)

    assert {component.name for component in made} == {"one", "two", "three"}
    assert len({component.pointer for component in made}) == 1


async def test_one_who_is_cancelled_does_not_cut_off_the_others() -> None:
    engine = Engine(cache=False)
    text = loops(40, bodies=30)
    made: list[Any] = []

    async def stay() -> None:
        made.append(await engine.compile(text))

    async with anyio.create_task_group() as nursery:
        nursery.start_soon(stay)
        await anyio.sleep(0.1)
        with anyio.move_on_after(0.1) as scope:
            await engine.compile(text)
        assert scope.cancelled_caught
        assert not made

    assert made


async def test_each_is_told_of_its_own_component() -> None:
    engine = Engine(cache=False)
    told: set[str] = set()

    async def load(name: str) -> None:
        with pytest.raises(InvalidComponent) as caught:
            await engine.compile("(component (export))", name=name)
        told.add(caught.value.component)

    async with anyio.create_task_group() as nursery:
        for name in ("one", "two"):
            nursery.start_soon(load, name)

    assert told == {"one", "two"}


def test_loops_of_several_threads_share_an_engine() -> None:
    engine = Engine(cache=False)
    found: list[Any] = []

    def work(backend: str) -> None:
        found.append(anyio.run(answer, engine, 7, backend=backend))

    threads = [
        threading.Thread(target=work, args=(backend,))
        for backend in ("trio", "asyncio") * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [7] * 6


# --- what it is like for the host -----------------------------------------------------


async def test_progress_is_told_each_second_and_at_the_end() -> None:
    told: list[tuple[str, float | None]] = []
    engine = Engine(
        cache=False,
        progress=lambda name, seconds: told.append((name, seconds)),
        compile_limits=CompileLimits(time=1.5),
    )
    assert await answer(engine, 1) == 1
    assert not told

    with pytest.raises(CompileLimit):
        await engine.compile(loops(40, bodies=400), name="acme/slow")

    assert {name for name, _ in told} == {"acme/slow"}
    assert told.pop()[1] is None
    passed = [seconds for _, seconds in told if seconds is not None]
    assert len(passed) == len(told) > 0
    assert passed == sorted(passed)
    assert passed[0] == pytest.approx(1, abs=0.8)


async def test_the_process_sees_nothing_of_the_host(
    started: Callable[[], set[int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET", "word")
    monkeypatch.chdir(tmp_path)
    # Modules of these names would be imported from the folder, if it were looked in.
    for name in ("wasmtime", "json", "threading"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken')")
    kept, other = os.pipe()
    os.set_inheritable(other, True)  # noqa: FBT003 - positional only
    try:
        engine = Engine(cache=False)
        assert await answer(engine, 1) == 1
        (number,) = started()
        place = Path(f"/proc/{number}")
        opened = {each.name: str(each.readlink()) for each in (place / "fd").iterdir()}
        # Some builds of libffi keep their own file open.
        assert {n for n, to in opened.items() if "libffi" not in to} == {"0", "1", "2"}
        assert b"SECRET" not in (place / "environ").read_bytes()
        assert (place / "cwd").readlink() == Path("/")
    finally:
        os.close(kept)
        os.close(other)


async def test_a_host_that_can_start_no_process_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(CannotCompile, match=r'Engine\(compiler="thread"\)'):
        await Engine(cache=False).compile(answering(1))

    assert await answer(Engine(cache=False, compiler="thread"), 1) == 1


def test_an_unknown_place_to_compile_is_refused() -> None:
    with pytest.raises(ValueError, match="'process' or 'thread'"):
        Engine(compiler="elsewhere")  # type: ignore[arg-type]


@pytest.mark.parametrize("compiler", ["process", "thread"])
def test_a_process_that_was_forked_compiles_or_says_why_not(compiler: str) -> None:
    text = f"""{HEAD}
engine = Engine(cache=False, compiler={compiler!r})
print(anyio.run(answer, engine, 1), flush=True)
number = os.fork()
if not number:
    for each in engine, Engine(cache=False, compiler={compiler!r}):
        try:
            print(anyio.run(answer, each, 2), flush=True)
        except Exception as error:
            print(type(error).__name__, error, flush=True)
    os._exit(0)
os.waitpid(number, 0)
print(anyio.run(answer, engine, 3), flush=True)
"""
    with script(text) as host:
        out, errors = host.communicate(timeout=60)

    first, *forked, last = out.splitlines()
    assert (first, last) == ("1", "3"), errors
    if compiler == "process":
        assert forked == ["2", "2"]
    else:
        said = (
            "CannotCompile component 'component' cannot be compiled here: this process "
            "was forked from one that had compiled"
        )
        assert len(forked) == 2
        assert all(line.startswith(said) for line in forked)


async def test_what_is_compiled_elsewhere_is_kept_in_the_cache(tmp_path: Path) -> None:
    assert await answer(Engine(cache=tmp_path), 1) == 1
    (code,) = tmp_path.glob("*.cwasm")
    digest = code.with_suffix(".digest").read_text()
    assert hashlib.blake2b(code.read_bytes()).hexdigest() == digest

    # Nothing is left to compile.
    none = CompileLimits(size=1)
    assert await answer(Engine(cache=tmp_path, compiler="thread"), 1) == 1
    with pytest.raises(CompileLimit):
        await answer(Engine(cache=False, compile_limits=none), 1)
