"""A program of CPython's own library, run as it is: alone, in trees, by the command."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

import airssys
from airssys.errors import GuestExited, GuestTrapped, WitError
from airssys.events import ChildExited, Logged
from airssys.testing import Recorder

from ..cli.processes import ENVIRONMENT
from ..components import write_component
from ..host.network.guest import listening, reached
from ..wasi.http.guest import OK, answers, served
from .stock import ROOMY, built, network, run

pytestmark = [pytest.mark.guest, pytest.mark.slow]

FILES = """\
read: [b'two', b'three']
size: 8 True
times: 1.0 2.5
same: True 2
link: sub/other.txt True
lines: ['one\\n', 'two\\n']
names: ['link', 'new.txt', 'sub']
folders: ['sub']
below: ['link', 'new.txt', 'other.txt']
here: True False
"""


async def test_it_has_its_arguments_and_no_variables_but_those_given() -> None:
    assert (await run("python", "args", "a b", "-x")).lines == [
        *("program", "args", "a b", "-x")
    ]
    assert (await run("python", "env")).lines == [""]
    given = {"A": "b=c", "ÜBER": "ja"}
    assert (await run("python", "env", env=given)).lines == ["A=b=c", "ÜBER=ja"]


async def test_it_reads_its_input_and_writes_its_output() -> None:
    content = bytes(range(128)) * 5_000

    ran = await run("python", "cat", stdin=content)
    assert ran.out.encode() == content
    ran = await run("python", "ask", stdin=b"Ada\n")
    assert (ran.out, ran.err) == ("name? hello Ada\n", "to stderr\n")


async def test_it_does_to_files_what_it_does_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path.resolve() / "data"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")

    ran = await run("python", "files", "/data", folder=folder)

    assert ran.out.startswith(FILES), ran
    assert ran.lines[FILES.count("\n") :] == [
        "refused: PermissionError ../secret.txt",
        "refused: FileNotFoundError /etc/hostname",
        "refused: FileNotFoundError none.txt",
        "refused: FileNotFoundError /elsewhere",
    ]
    assert list(folder.iterdir()) == []


async def test_it_sleeps_alone_and_together() -> None:
    assert (await run("python", "sleep", 0.05)).lines == ["slept", "True"]
    # asyncio wakes itself over a pair of sockets.
    granted = network("127.0.0.1:*", inbound=["*"])
    assert (await run("python", "together", 20, 0.2, grants=granted)).lines == [
        f"{list(range(20))} True"
    ]


async def test_its_clock_is_the_host_s() -> None:
    now, since_built, zone = (await run("python", "clock")).out.split()

    assert abs(float(now) - time.time()) < 60
    assert float(since_built) > 0
    assert zone in {"UTC", "GMT"}


async def test_its_random_numbers_differ_from_one_instance_to_the_next() -> None:
    first, second = [(await run("python", "draw")).lines for _ in range(2)]

    assert len(first) == 4
    assert not {*first} & {*second}
    third, fourth = [(await run("python", "draw", seed=3)).lines for _ in range(2)]
    assert third == fourth


async def test_it_speaks_http_over_its_own_sockets() -> None:
    async with served(answers(OK)) as port:
        asked = ("get", "127.0.0.1", port, "/")
        ran = await run("python", *asked, grants=network(f"127.0.0.1:{port}"))
        assert ran.lines == ["200 hello"]
        assert (await run("python", *asked)).lines == ["PermissionError"]


async def test_it_listens_where_it_was_granted_a_port() -> None:
    with listening() as (_, port):
        pass
    answered: list[bytes] = []

    async def client() -> None:
        async with await reached(port) as stream:
            await stream.send(b"shout")
            answered.append(await stream.receive())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client)
        ran = await run("python", "listen", port, grants=network(inbound=[str(port)]))
    assert (ran.lines, answered) == (["listening"], [b"SHOUT"])


@pytest.mark.parametrize(("given", "status"), [(0, 0), (1, 1), (3, 1)])
async def test_its_status_is_0_or_1_by_its_runtime(given: int, status: int) -> None:
    left = await run("python", "leave", given)

    assert isinstance(left.error, GuestExited)
    assert (left.error.status, left.err) == (status, "")


async def test_its_run_can_fail() -> None:
    failed = await run("python", "fail")

    assert isinstance(failed.error, WitError)
    assert failed.err == "it cannot be done\n"


async def test_what_nobody_catches_is_a_trap_after_its_traceback() -> None:
    ran = await run("python", "crash", "x")

    assert isinstance(ran.error, GuestTrapped)
    assert ran.err.startswith("Traceback (most recent call last):")
    assert ", in crash\n" in ran.err
    assert "ValueError: x is no number" in ran.err.splitlines()


def program(
    parent: Path, *args: str, supervision: str = 'restart = "temporary"'
) -> Path:
    """Write a folder with the program and a manifest."""
    words = ", ".join(f"'{each}'" for each in args)
    return write_component(
        parent,
        "acme/program",
        component='world = "wasi:cli/command@0.2.0"',
        wasm=built("python"),
        wasi=f"args = [{words}]",
        resources=ROOMY,
        capabilities="",
        supervision=supervision,
    )


async def test_the_traceback_of_its_crash_is_in_the_log_and_in_the_report(
    tmp_path: Path, recorder: Recorder
) -> None:
    folder = program(tmp_path, "crash", "x")
    async with airssys.open_system(instruments=[recorder]) as system:
        await system.spawn(folder)
        with anyio.fail_after(60):
            ended = await recorder.wait_for(ChildExited)

    assert ended.how == "crash"
    assert "the last lines of its stderr:\nTraceback (most recent" in ended.reason
    assert "ValueError: x is no number" in ended.reason
    logged = [(each.level, each.message) for each in recorder.of(Logged)]
    assert ("warn", "ValueError: x is no number") in logged


async def test_it_is_stopped_while_it_sleeps(
    tmp_path: Path, recorder: Recorder
) -> None:
    folder = program(tmp_path, "sleep", "1000")
    async with airssys.open_system(instruments=[recorder]) as system:
        ref = await system.spawn(folder)
        with anyio.fail_after(60):
            await recorder.wait_for(Logged)
        with anyio.fail_after(2):
            await system.stop(ref.id)

    assert [each.how for each in recorder.of(ChildExited)] == ["stopped"]


def test_the_command_runs_it_as_a_shell_runs_a_program(tmp_path: Path) -> None:
    path = built("python")

    def command(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "airssys", "run", path, *args],
            input=stdin,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    asked = command("ask", stdin="Ada\n")
    assert (asked.returncode, asked.stdout) == (0, "name? hello Ada\n")
    assert asked.stderr == "to stderr\n"
    crashed = command("crash", "x")
    assert crashed.returncode == 1
    traceback, _, trap = crashed.stderr.partition("\nairssys: ")
    assert traceback.splitlines()[0] == "Traceback (most recent call last):"
    assert "trapped in 'wasi:cli/run@0.2.12#run'" in trap
    made = command("files", "/data", "--dir", f"{tmp_path}:/data")
    assert made.stdout.startswith(FILES)
    assert command("leave", "0").returncode == 0
    assert command("leave", "3").returncode == 1
