from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from airssys.core.budget import Budget
from airssys.core.child import LAST_WORDS
from airssys.core.errors import InitFailed
from airssys.core.event import Denied, Logged
from airssys.core.grants.grants import NO_GRANTS, Grants
from airssys.core.grants.sections import FilesystemGrants
from airssys.core.limits import Quota
from airssys.core.manifests.wasi import Wasi
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder
from airssys.wasi.context import Context
from airssys.wasi.offered import open_outside
from airssys.wasi.polling import on, wait_first
from airssys.wasi.streams import InputStream, StreamClosed, StreamFailed
from airssys.wasi.surroundings import Surroundings


@asynccontextmanager
async def surrounded(
    recorder: Recorder, standing: Standing | None = None, **wasi: Any
) -> AsyncIterator[Context]:
    async with open_outside(Gate(recorder)) as outside:
        surroundings = Surroundings(
            wasi=Wasi(**wasi),
            outside=outside,
            component="acme/a",
            standing=standing or Standing(),
        )
        async with surroundings.open() as context:
            yield context


def granted(folder: Path, budget: Budget | None = None) -> Standing:
    patterns = [f"{folder}/**"]
    grants = Grants(filesystem=FilesystemGrants(read=patterns, write=patterns))
    return Standing(grants, budget)


async def all_of(stream: InputStream) -> bytes:
    got = b""
    try:
        while True:
            await wait_first((on(stream.source, stream.ready),))
            got += await stream.read(2**20)
    except StreamClosed:
        return got


async def test_by_default_nothing_is_read_and_lines_go_to_the_log(
    recorder: Recorder,
) -> None:
    async with surrounded(recorder) as context:
        assert context.args == ("acme/a",)
        assert (context.env, context.preopens, context.cwd) == ({}, None, None)
        assert context.terminals == frozenset()
        assert await all_of(context.stdin) == b""
        assert context.stdout.ready()
        await context.stdout.write(b"one\ntw")
        context.stdout.drop()  # which a guest may do, and ask for it again
        await context.stdout.write(b"o\nthree")
        await context.stdout.flush()
        await context.stderr.write(b"bad \xff\n")
        assert [each.message for each in recorder.of(Logged)][:2] == ["one", "two"]
    assert [(each.level, each.message) for each in recorder.of(Logged)] == [
        ("info", "one"),
        ("info", "two"),
        ("warn", "bad \ufffd"),
        ("info", "three"),
    ]


async def test_what_the_manifest_says_is_what_the_guest_finds(
    recorder: Recorder,
) -> None:
    async with surrounded(
        recorder,
        args=("x",),
        env={"A": "b"},
        cwd="/data",
        preopens={"/data": "/srv/data"},
        stdout="null",
    ) as context:
        await context.stdout.write(b"lost\n")
        assert context.args == ("acme/a", "x")
        assert context.env == {"A": "b"}
        assert context.preopens == {"/data": "/srv/data"}
        assert context.cwd == "/data"
    assert not recorder.of(Logged)


async def test_an_error_has_the_last_lines_of_stderr_as_a_note(
    recorder: Recorder,
) -> None:
    with pytest.raises(RuntimeError) as raised:
        async with surrounded(recorder) as context:
            for number in range(1000):
                await context.stderr.write(f"line {number}\n".encode())
            await context.stderr.write(b"the \x1b[31mend")
            raise RuntimeError("no luck")
    (note,) = raised.value.__notes__
    first, *lines = note.split("\n")
    assert first == LAST_WORDS
    assert lines[-2:] == ["line 999", r"the \x1b[31mend"]
    assert lines[0].startswith("line ")
    assert 1000 < len(note) < 2200


async def test_one_line_without_an_end_is_cut_in_the_note(recorder: Recorder) -> None:
    with pytest.raises(RuntimeError) as raised:
        async with surrounded(recorder, stderr="null") as context:
            await context.stderr.write(b"x" * 10_000)
            raise RuntimeError("no luck")
    error = raised.value
    assert error.__notes__ == [f"{LAST_WORDS}\n{'x' * 2048}"]


async def test_an_error_without_a_word_on_stderr_has_no_note(
    recorder: Recorder,
) -> None:
    with pytest.raises(RuntimeError) as raised:
        async with surrounded(recorder):
            raise RuntimeError("no luck")
    error = raised.value
    assert not hasattr(error, "__notes__")


async def test_files_that_grants_cover_are_read_and_written(
    recorder: Recorder, tmp_path: Path
) -> None:
    content = os.urandom(300_000)
    (tmp_path / "in").write_bytes(content)
    (tmp_path / "out").write_bytes(b"before,")
    async with surrounded(
        recorder,
        granted(tmp_path),
        stdin=f"{tmp_path}/in",
        stdout=f"{tmp_path}/out",
        stderr=f"{tmp_path}/new",
    ) as context:
        assert await all_of(context.stdin) == content
        await context.stdout.write(content)
        await context.stderr.write(b"a line\n")
    assert (tmp_path / "out").read_bytes() == b"before," + content
    assert (tmp_path / "new").read_bytes() == b"a line\n"
    assert not recorder.of(Denied)


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
async def test_a_file_that_no_grant_covers_is_not_opened(
    recorder: Recorder, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_bytes(b"secret")
    with pytest.raises(InitFailed) as raised:
        async with surrounded(recorder, None, **{name: f"{tmp_path}/file"}):
            pass
    error = raised.value
    assert f"its {name} cannot be opened: permission-denied: may not" in str(error)
    (denied,) = recorder.of(Denied)
    assert denied.operation == f"wasi.{name}"
    assert (tmp_path / "file").read_bytes() == b"secret"


async def test_grants_that_are_taken_back_end_the_streams(
    recorder: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(b"x")
    standing = granted(tmp_path)
    async with surrounded(
        recorder, standing, stdin=f"{tmp_path}/in", stdout=f"{tmp_path}/out"
    ) as context:
        standing.grants = NO_GRANTS
        with pytest.raises(StreamFailed, match="permission-denied"):
            await context.stdin.read(1)
        with pytest.raises(StreamFailed, match="permission-denied"):
            await context.stdout.write(b"x")
    assert (tmp_path / "out").read_bytes() == b""
    assert [each.action for each in recorder.of(Denied)] == ["read", "write"]


async def test_files_count_as_handles_and_are_given_back(
    recorder: Recorder, tmp_path: Path
) -> None:
    budget = Budget("acme/a", Quota(handles=1))
    standing = granted(tmp_path, budget)
    for _ in range(2):
        async with surrounded(recorder, standing, stdout=f"{tmp_path}/out"):
            pass
    with pytest.raises(InitFailed) as raised:
        async with surrounded(
            recorder, standing, stdout=f"{tmp_path}/out", stderr=f"{tmp_path}/err"
        ):
            pass
    error = raised.value
    assert "its stderr cannot be opened: resource-exhausted" in str(error)
    assert not (tmp_path / "err").exists()
    async with surrounded(recorder, standing, stdout=f"{tmp_path}/out"):
        pass


async def test_the_streams_of_the_process_are_closed_with_the_instance(
    recorder: Recorder,
) -> None:
    async with surrounded(
        recorder, stdin="inherit", stdout="inherit", stderr="inherit"
    ) as context:
        out, stdin = context.stdout, context.stdin
        assert out.room() > 0
    with pytest.raises(StreamClosed):
        out.room()
    with pytest.raises(StreamClosed):
        await stdin.read(1)
    with anyio.fail_after(5):
        await wait_first((on(out.source, out.ready),))
