from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from ..components import write_component
from ..engine.test_compiling import loops

if TYPE_CHECKING:
    from .conftest import Command

pytestmark = pytest.mark.guest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
"""So that another process finds the same package, wherever it is started."""

ACTORS = """
import logging
import os
import signal
import anyio
import anyio.lowlevel
import airssys

async def returns(actor):
    actor.log("info", "hello")
    logging.getLogger("plain").warning("from logging")

async def crashes(actor):
    raise RuntimeError("no luck")

async def leaves(actor):
    raise airssys.GuestExited("c", 9)

async def done(actor):
    raise airssys.GuestExited("c", 0)

async def listens(actor):
    async for message in actor.inbox:
        actor.log("info", f"got {message.payload.decode()}")

async def deaf(actor):
    actor.log("info", "deaf")
    await anyio.sleep_forever()

async def backend(actor):
    actor.log("info", f"on {anyio.get_cancelled_exc_class().__module__}")

async def interrupts(actor):
    os.kill(os.getpid(), signal.SIGINT)
    await anyio.sleep_forever()

async def raises_interrupt(actor):
    await anyio.sleep(0.05)
    raise KeyboardInterrupt

async def floods(actor):
    print("flooding", flush=True)
    while True:
        actor.log("info", "x" * 1000)
        await anyio.lowlevel.checkpoint()

async def waits(actor):
    await anyio.sleep(0.4)
"""
SUMMARY = re.compile(
    r"(\d+) messages?, (\d+) restarts?, (\d+) calls? cut off, "
    r"worst loop lateness (\d+\.\d) ms, (\d+\.\d) s"
)


@pytest.fixture
def actors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module of actors and return its name."""
    name = f"actors_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(ACTORS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def child(actors: str, function: str, restart: str = "", id_: str = "") -> str:
    lines = ["[[child]]", f'id = "{id_ or function}"', f'actor = "{actors}:{function}"']
    if restart:
        lines += [f'restart = "{restart}"', "significant = true"]
    return "\n".join((*lines, ""))


ENDS = '[supervisor]\nauto_shutdown = "any_significant"\n'


def written(folder: Path, *parts: str) -> Path:
    file = folder / "tree.toml"
    file.write_text("\n".join(parts))
    return file


def test_a_tree_ends_with_its_significant_child(
    airssys: Command, tmp_path: Path, actors: str
) -> None:
    tree = written(
        tmp_path, ENDS, child(actors, "listens"), child(actors, "returns", "transient")
    )

    ran = airssys("run", tree)

    assert ran.status == 0
    assert ran.out.startswith("root  one_for_one, ")
    assert SUMMARY.fullmatch(ran.out.splitlines()[-1])
    said = [line.split(maxsplit=2)[1:] for line in ran.err.splitlines()]
    assert ["info", "returns   hello"] in said
    assert ["warn", "plain     from logging"] in said
    assert said[-2:] == [
        ["info", "returns   ended: normal"],
        ["info", "listens   ended: stopped"],
    ]


def test_a_tree_whose_significant_child_crashes_for_good_failed(
    airssys: Command, tmp_path: Path, actors: str
) -> None:
    tree = written(tmp_path, ENDS, child(actors, "crashes", "temporary"))

    ran = airssys("run", tree)

    assert ran.status == 1
    assert "crash: RuntimeError: no luck" in ran.err


@pytest.mark.parametrize(("leaves", "status"), [("leaves", 9), ("done", 0)])
def test_a_tree_exits_with_what_its_significant_child_exited_with(
    airssys: Command, tmp_path: Path, actors: str, leaves: str, status: int
) -> None:
    tree = written(tmp_path, ENDS, child(actors, leaves, "temporary"))

    ran = airssys("run", tree)

    assert ran.status == status
    assert ("crash: GuestExited: component 'c' exited with" in ran.err) == bool(status)


def test_restarts_that_run_out_are_told_with_their_history(
    airssys: Command, tmp_path: Path, actors: str
) -> None:
    tree = written(tmp_path, child(actors, "crashes"))

    ran = airssys("run", tree)

    assert ran.status == 1
    assert "Traceback" not in ran.err
    message = ran.err[ran.err.index("airssys: ") :].splitlines()
    assert message[0] == (
        "airssys: supervisor 'root' gave up on child 'crashes': "
        "more than 1 restarts within 5 s"
    )
    assert len(message) == 3
    assert message[2].endswith("child 'crashes': crash: RuntimeError: no luck")


def test_the_log_level_comes_from_the_option_or_the_host_file(
    airssys: Command, tmp_path: Path, actors: str
) -> None:
    tree = written(tmp_path, ENDS, child(actors, "returns", "transient"))
    (tmp_path / "host.toml").write_text('log = "error"\n')

    by_file = airssys("run", tree, "--config", tmp_path / "host.toml")
    by_option = airssys("run", tree, "--log-level", "warn")

    assert by_file.err == ""
    assert len(by_option.err.splitlines()) == 1


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_the_backend_can_be_chosen(
    airssys: Command, tmp_path: Path, actors: str, backend: str
) -> None:
    tree = written(tmp_path, ENDS, child(actors, "backend", "transient"))

    ran = airssys("run", tree, "--backend", backend)

    assert f"on {backend}" in ran.err


def test_code_with_a_function_is_a_call(airssys: Command, calculator: Path) -> None:
    ran = airssys("run", calculator, "add", "3", "4")

    assert (ran.status, ran.out) == (0, "7\n")


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("calculator.wat", [], "say which function to call (airssys inspect "),
        ("tree.toml", ["add"], "only a .wasm or .wat file takes a function"),
        ("host.toml", [], "it is no tree file; give a host file with --config"),
        ("gone.toml", [], "no such file or folder"),
        ("bad.toml", [], "bad.toml has 2 problems:\n  a child needs one of"),
        ("tree.toml", ["--config", "gone.toml"], "gone.toml: No such file"),
        ("syntax.toml", [], "actor 'broken_actors:run': invalid syntax"),
    ],
)
def test_what_cannot_be_run_is_refused(
    airssys: Command,
    tmp_path: Path,
    calculator: Path,
    name: str,
    more: list[str],
    words: str,
) -> None:
    assert calculator.exists()
    written(tmp_path, "child = []")
    (tmp_path / "host.toml").write_text('name = "here"\n')
    (tmp_path / "bad.toml").write_text('[[child]]\nid = "a"\n[[child]]\nid = "b"\n')
    (tmp_path / "broken_actors.py").write_text("def (")
    (tmp_path / "syntax.toml").write_text(
        '[[child]]\nid = "a"\nactor = "broken_actors:run"\n'
    )

    ran = airssys("run", tmp_path / name, *more)

    assert ran.status == 2
    assert words in ran.err
    assert ran.err.startswith("airssys: ")
    assert "messages" not in ran.out, "what never started is not summed up"


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_signal_stops_the_children_and_is_left_as_it_was(
    airssys: Command, tmp_path: Path, actors: str, backend: str
) -> None:
    before = signal.getsignal(signal.SIGINT)
    deaf = child(actors, "interrupts") + 'shutdown = "10ms"\n'
    tree = written(tmp_path, ENDS, child(actors, "listens"), deaf)

    ran = airssys("run", tree, "--keep", "--backend", backend)

    assert ran.status == 130
    assert "stopping in order (again: cut off)" in ran.err
    assert ran.err.splitlines()[-1].split()[2:] == ["listens", "ended:", "stopped"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_terminal_can_watch_the_tree(
    airssys: Command, tmp_path: Path, actors: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = written(
        tmp_path, ENDS, child(actors, "listens"), child(actors, "waits", "transient")
    )

    monkeypatch.setenv("FORCE_COLOR", "1")
    ran = airssys("run", tree, "--watch")

    assert ran.status == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", ran.out)
    assert re.search(r"├── listens +running +0 ", text)
    assert re.search(r"└── waits +exited +normal", text)
    assert SUMMARY.search(text)
    assert ran.err == "", "log lines stand above the tree"


# --- signals, in a process of its own ---------------------------------------------


class Process:
    """A running command, whose log lines are read as they come."""

    def __init__(self, *tokens: object, cwd: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "airssys", *map(str, tokens)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=ENVIRONMENT,
        )
        self.lines: list[str] = []

    def wait_for(self, words: str) -> None:
        """Read the log until a line holds the words."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if words in line:
                return
        raise AssertionError(f"{words!r} never came: {self.lines}")

    def wait_caught(self, number: int) -> None:
        """Wait until the command sees to a signal itself."""
        status = Path(f"/proc/{self.process.pid}/status")
        while True:
            found = re.search(r"SigCgt:\s*(\w+)", status.read_text())
            if found is not None and int(found[1], 16) >> (number - 1) & 1:
                return
            time.sleep(0.005)

    def finish(self) -> tuple[int, str]:
        """Wait for the end and return the status and the rest of the output."""
        out, err = self.process.communicate(timeout=30)
        self.lines += err.splitlines()
        return self.process.returncode, out


@contextmanager
def started(*tokens: object, cwd: Path) -> Iterator[Process]:
    running = Process(*tokens, cwd=cwd)
    # Whatever goes wrong, no test waits for ever.
    watchdog = threading.Timer(60, running.process.kill)
    watchdog.start()
    try:
        yield running
    finally:
        watchdog.cancel()
        running.process.kill()
        running.process.wait()
        for pipe in (running.process.stdout, running.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_stops_the_children_in_reverse_order(
    tmp_path: Path,
    actors: str,
    quickstart: Path,
    backend: str,
    number: int,
    status: int,
) -> None:
    tree = written(
        tmp_path,
        child(actors, "listens", id_="first"),
        f'[[child]]\nid = "second"\ncomponent = "{quickstart / "counter"}"\n',
        child(actors, "listens", id_="third"),
    )

    with started("run", tree, "--backend", backend, cwd=tmp_path) as running:
        running.wait_for("third     started")
        family = psutil.Process(running.process.pid)
        running.process.send_signal(number)
        ended, out = running.finish()

        assert ended == status
        assert not family.is_running()
    stops = [line.split()[2] for line in running.lines if "ended: stopped" in line]
    assert stops == ["third", "second", "first"]
    summary = SUMMARY.fullmatch(out.splitlines()[-1])
    assert summary is not None
    assert summary.group(2, 3) == ("0", "0")


def test_a_second_signal_cuts_off(tmp_path: Path, actors: str) -> None:
    tree = written(
        tmp_path,
        child(actors, "deaf").replace("[[child]]", '[[child]]\nshutdown = "1h"'),
    )

    with started("run", tree, cwd=tmp_path) as running:
        running.wait_for("deaf      deaf")
        running.process.send_signal(signal.SIGINT)
        running.wait_for("stopping in order (again: cut off)")
        running.process.send_signal(signal.SIGINT)
        ended, _ = running.finish()

    assert ended == 130
    assert running.lines[-1] == "airssys: cut off"


def test_a_second_signal_cuts_off_though_nobody_reads_stderr(
    tmp_path: Path, actors: str
) -> None:
    tree = written(tmp_path, child(actors, "floods"))

    with started("run", tree, cwd=tmp_path) as running:
        assert running.process.stdout is not None
        while "flooding" not in running.process.stdout.readline():
            pass
        time.sleep(0.5)  # until the pipe is full
        for _ in range(2):
            running.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        # Nothing is read before it has ended.
        assert running.process.wait(10) == 143


@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_cuts_off_what_is_being_compiled(tmp_path: Path, times: int) -> None:
    folder = write_component(tmp_path, "acme/slow", code=loops(40, bodies=400))

    with started("run", folder, cwd=tmp_path) as running:
        running.wait_caught(signal.SIGTERM)
        family = psutil.Process(running.process.pid)
        while not (compiling := family.children(recursive=True)):
            time.sleep(0.01)
        time.sleep(0.3)
        begun = time.monotonic()
        for _ in range(times):
            # It may have ended in order at the first already.
            with suppress(ProcessLookupError):
                running.process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        ended, _ = running.finish()
        took = time.monotonic() - begun

    assert ended == 143
    assert took < 20
    assert psutil.wait_procs(compiling, timeout=3)[1] == []


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("delay", [0.3, 0.6, 0.9, 1.2])
def test_a_signal_in_the_first_second_ends_in_order_what_has_begun(
    tmp_path: Path, actors: str, backend: str, number: int, delay: float
) -> None:
    tree = written(
        tmp_path,
        child(actors, "listens", id_="first"),
        child(actors, "listens", id_="second"),
    )

    with started("run", tree, "--backend", backend, cwd=tmp_path) as running:
        time.sleep(delay)
        running.process.send_signal(number)
        ended, _ = running.finish()

    began = [line.split()[2] for line in running.lines if line.endswith(" started")]
    stops = [line.split()[2] for line in running.lines if "ended: stopped" in line]
    assert stops == began[::-1]
    # Python itself, still at its imports, ends by the signal.
    assert ended in ({128 + number} if began else {128 + number, -number, 1})


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_an_interrupt_inside_a_child_stops_its_siblings_in_order(
    tmp_path: Path, actors: str, backend: str
) -> None:
    tree = written(
        tmp_path,
        child(actors, "listens", id_="first"),
        child(actors, "listens", id_="second"),
        child(actors, "raises_interrupt", id_="raises"),
    )

    with started("run", tree, "--backend", backend, cwd=tmp_path) as running:
        ended, _ = running.finish()

    assert ended == 130
    stops = [line.split()[2] for line in running.lines if "ended: stopped" in line]
    assert stops == ["second", "first"]


def test_keep_runs_on_after_the_significant_child(tmp_path: Path, actors: str) -> None:
    tree = written(
        tmp_path, ENDS, child(actors, "listens"), child(actors, "returns", "transient")
    )

    with started("run", tree, "--keep", cwd=tmp_path) as running:
        running.wait_for("returns   ended: normal")
        running.process.send_signal(signal.SIGINT)
        ended, _ = running.finish()

    assert ended == 130
    assert any("listens   ended: stopped" in line for line in running.lines)


def test_one_component_runs_until_it_is_stopped(
    tmp_path: Path, quickstart: Path
) -> None:
    with started("run", quickstart / "tally", cwd=tmp_path) as running:
        running.wait_for("quickstart/tally  started")
        running.process.send_signal(signal.SIGINT)
        ended, out = running.finish()

    assert ended == 130
    assert SUMMARY.fullmatch(out.splitlines()[-1])


def test_a_call_that_never_ends_is_stopped_by_ctrl_c(
    tmp_path: Path, calculator: Path
) -> None:
    # The log line of the start says that the call is under way.
    with started("call", calculator, "spin", cwd=tmp_path) as running:
        psutil.Process(running.process.pid).cpu_percent(2.0)
        running.process.send_signal(signal.SIGINT)
        ended, _ = running.finish()

    assert ended == 130
    assert "Traceback" not in "".join(running.lines)


def test_a_temporary_component_that_crashes_ends_the_run(
    airssys: Command, tmp_path: Path, quickstart: Path
) -> None:
    manifest = (quickstart / "trapper" / "Component.toml").read_text()
    manifest = manifest.replace(
        'restart = "permanent"', 'restart = "temporary"\nhealth = { every = "50ms" }'
    )
    code = (quickstart / "trapper" / "trapper.wat").read_text()
    healthy = '(func $health (export "health") (result i32) (call $ok))'
    assert healthy in code
    (tmp_path / "Component.toml").write_text(manifest)
    (tmp_path / "trapper.wat").write_text(
        code.replace(healthy, healthy.replace("(call $ok)", "unreachable"))
    )

    ran = airssys("run", tmp_path)

    assert ran.status == 1
    assert "crash: GuestTrapped: " in ran.err


@pytest.mark.parametrize("keep", [False, True])
def test_watch_shows_the_tree_live_in_a_terminal(
    tmp_path: Path, actors: str, *, keep: bool
) -> None:
    tree = written(
        tmp_path, ENDS, child(actors, "listens"), child(actors, "returns", "transient")
    )
    options = ["--watch", "--keep"] if keep else ["--watch"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "airssys", "run", str(tree), *options],
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    shown = b""
    with suppress(OSError):  # which Linux raises where the other end is closed
        while read := os.read(ours, 4096):
            shown += read
            if keep and b"exited" in shown:
                process.send_signal(signal.SIGTERM)
                keep = False
    watchdog.cancel()
    os.close(ours)

    assert process.wait() == (143 if "--keep" in options else 0)
    text = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).decode()
    assert "last exit" in text
    assert re.search(r"└── returns +(exited|stopped)", text)
    assert SUMMARY.search(text)
    assert b"\x1b[?25h" in shown, "the cursor is back"
