from __future__ import annotations

from pathlib import Path

import anyio
import pytest

import airssys
from airssys.core.child import LAST_WORDS, Crashed
from airssys.core.errors import ActorStopped, GuestExited, InitFailed, InvalidComponent
from airssys.core.event import CallCut, ChildExited, ChildStarted, Denied, Logged
from airssys.core.manifests.tree import parse_tree
from airssys.testing import Recorder

from ..components import PROGRAM_WASM, write_component, write_program
from .support import Open

pytestmark = pytest.mark.guest


def lines(recorder: Recorder) -> list[tuple[str, str]]:
    return [(each.level, each.message) for each in recorder.of(Logged)]


async def ended(recorder: Recorder, count: int = 1) -> ChildExited:
    with anyio.fail_after(20):
        return await recorder.wait_for(ChildExited, count=count)


async def test_a_program_runs_once_with_what_its_manifest_says(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    args = write_program(tmp_path, "args", "two words")
    env = write_program(tmp_path, "env", name="acme/env", wasi="env = { A = 'b' }")
    async with open_() as system:
        ref = await system.spawn(args)
        assert (await ended(recorder)).how == "normal"
        assert ref.id == "acme/program"
        await system.spawn(env)
        assert (await ended(recorder, 2)).how == "normal"
    said = ["acme/program", "args", "two words", "A=b"]
    assert lines(recorder) == [("info", each) for each in said]
    assert {each.subject for each in recorder.of(Logged)} == {
        "acme/program",
        "acme/env",
    }


async def test_a_compiled_component_is_a_program_too(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    folder = write_program(tmp_path, "args")
    async with open_() as system:
        component = await system.engine.compile(PROGRAM_WASM.read_bytes(), name="c")
        wasi = airssys.Wasi(args=("args", "two words"), env={"A": "b"})
        await system.spawn(component, id="plain", wasi=wasi)
        assert (await ended(recorder)).how == "normal"
        with pytest.raises(TypeError, match="takes no 'wasi'"):
            await system.spawn(folder, wasi=wasi)

    assert [text for _, text in lines(recorder)] == ["c", "args", "two words"]


async def test_what_a_program_prints_is_in_the_log_to_its_last_byte(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    async with open_() as system:
        await system.spawn(write_program(tmp_path, "both", "no end of a line"))
        await ended(recorder)
    assert sorted(lines(recorder)) == [
        ("info", "no end of a line"),
        ("info", "to stdout"),
        ("warn", "to stderr"),
    ]


async def test_a_status_that_is_not_0_is_a_crash_and_starts_it_again(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    folder = write_program(tmp_path, "exit", "3", supervision='restart = "transient"')
    async with open_() as system:
        await system.spawn(folder)
        await ended(recorder, 2)
        (child,) = system.children
        assert isinstance(child.last_exit, Crashed)
        assert isinstance(child.last_exit.error, GuestExited)
        assert child.last_exit.error.status != 0
    assert recorder.of(ChildStarted)[1].restarts == 1
    assert not recorder.of(CallCut)


async def test_the_end_of_its_stderr_is_in_the_report_of_a_crash(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    async with open_() as system:
        await system.spawn(write_program(tmp_path, "abort", "good"))
        how = await ended(recorder)
    assert how.how == "crash"
    assert how.reason.startswith("GuestTrapped: ")
    assert how.reason.endswith(f"\n{LAST_WORDS}\nit cannot go on\nfor: good")
    assert ("warn", "for: good") in lines(recorder)
    (cut,) = recorder.of(CallCut)
    assert cut.why == "trap"


async def test_a_program_that_waits_is_stopped_by_a_cancel(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    folder = write_program(tmp_path, "sleep", "100000")
    async with open_() as system:
        ref = await system.spawn(folder)
        with pytest.raises(ActorStopped, match="takes no messages"):
            await ref.send("hello")
        with anyio.fail_after(5):
            await system.stop(ref.id)
        again = await system.spawn(folder)
        assert again.id == ref.id
    assert {each.how for each in recorder.of(ChildExited)} == {"stopped"}


async def test_a_program_that_takes_too_long_is_cut_off(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    folder = write_program(tmp_path, "sleep", "100000", resources='timeout = "100ms"')
    async with open_() as system:
        await system.spawn(folder)
        how = await ended(recorder)
    assert how.reason.startswith("Overtime: ")


async def test_files_are_streams_as_far_as_grants_cover_them(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(b"from a file")
    (tmp_path / "out").write_bytes(b"before, ")
    wasi = f"stdin = '{tmp_path}/in'\nstdout = '{tmp_path}/out'"
    granted = f"filesystem = {{ read = ['{tmp_path}/in'], write = ['{tmp_path}/out'] }}"
    copies = write_program(tmp_path, "cat", wasi=wasi, capabilities=granted)
    refused = write_program(tmp_path, "cat", name="acme/refused", wasi=wasi)
    async with open_() as system:
        await system.spawn(copies)
        assert (await ended(recorder)).how == "normal"
        assert not recorder.of(Denied)
        with pytest.raises(InitFailed, match=r"stdin cannot be opened: permission-"):
            await system.spawn(refused)
    assert (tmp_path / "out").read_bytes() == b"before, from a file"
    (denied,) = recorder.of(Denied)
    assert (denied.operation, denied.action) == ("wasi.stdin", "read")


async def test_streams_can_be_those_of_the_process(
    open_: Open, recorder: Recorder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wasi = 'stdin = "inherit"\nstdout = "inherit"\nstderr = "inherit"'
    both = write_program(tmp_path, "both", "word", wasi=wasi)
    cat = write_program(tmp_path, "cat", name="acme/cat", wasi=wasi)
    async with open_() as system:
        await system.spawn(both)
        await ended(recorder)
        await system.spawn(cat)  # whose input is at its end
        assert (await ended(recorder, 2)).how == "normal"
    assert capfd.readouterr() == ("to stdout\nword", "to stderr\n")


async def test_what_goes_to_null_is_lost(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    wasi = 'stdout = "null"\nstderr = "null"'
    async with open_() as system:
        await system.spawn(write_program(tmp_path, "both", "word", wasi=wasi))
        assert (await ended(recorder)).how == "normal"
    assert lines(recorder) == []


async def test_a_flood_of_lines_is_bound_by_the_quota_of_the_log(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    quota = 'log = "1kB/s"\ntimeout = "500ms"\nhost_calls = "100000/s"'
    folder = write_program(tmp_path, "yes", "x" * 50, resources=quota)
    async with open_() as system:
        await system.spawn(folder)
        await ended(recorder)
    assert 10 < len(recorder.of(Logged)) < 100


async def test_a_tree_gives_a_program_other_surroundings(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    write_program(tmp_path, "args", "one")
    tree = parse_tree(
        """
[[child]]
id = "other"
component = "acme-program"
wasi = { args = ["args", "two"] }
""",
        source=str(tmp_path / "tree.toml"),
    )
    async with open_() as system:
        await system.start_tree(tree)
        assert (await ended(recorder)).how == "normal"
    assert [text for _, text in lines(recorder)] == ["acme/program", "args", "two"]


async def test_what_is_neither_an_actor_nor_a_command_is_refused(
    open_: Open, tmp_path: Path
) -> None:
    folder = write_component(tmp_path, code="(component)", component="# no world")
    command = write_component(
        tmp_path,
        "acme/b",
        code="(component)",
        component='world = "wasi:cli/command@0.2.9"',
    )
    async with open_() as system:
        with pytest.raises(InvalidComponent, match="as an actor must, nor 'wasi:cli/r"):
            await system.spawn(folder)
        with pytest.raises(InvalidComponent, match="as a command must"):
            await system.spawn(command)


async def test_an_actor_of_python_may_crash_with_notes(
    open_: Open, recorder: Recorder
) -> None:
    async def falls(_: airssys.Actor) -> None:
        error = RuntimeError("no luck")
        error.add_note("nor reason")
        raise error

    async with open_() as system:
        await system.spawn(falls, restart=airssys.Restart.TEMPORARY)
        assert (await ended(recorder)).reason == "RuntimeError: no luck\nnor reason"


def text(run: str) -> str:
    """Return a command in component text, which runs this core code."""
    return f"""(component
  (import "wasi:cli/exit@0.2.0" (instance $exit
    (export "exit" (func (param "status" (result))))))
  (core func $exit (canon lower (func $exit "exit")))
  (core module $m (import "" "exit" (func $exit (param i32)))
    (func (export "run") (result i32) {run}))
  (core instance $i (instantiate $m (with "" (instance
    (export "exit" (func $exit))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $r)))"""


@pytest.mark.parametrize(
    ("run", "how", "reason"),
    [
        ("i32.const 0", "normal", ""),
        (
            "i32.const 1",
            "crash",
            "GuestExited: component 'acme/a' exited with status 1",
        ),
        ("(call $exit (i32.const 0)) i32.const 1", "normal", ""),
    ],
)
async def test_what_run_returns_decides_unless_the_command_exits_before(
    open_: Open, recorder: Recorder, tmp_path: Path, run: str, how: str, reason: str
) -> None:
    folder = write_component(
        tmp_path,
        code=text(run),
        component='world = "wasi:cli/command@0.2.7"',
        supervision='restart = "temporary"',
    )
    async with open_() as system:
        await system.spawn(folder)
        exited = await ended(recorder)
    assert (exited.how, exited.reason) == (how, reason)
