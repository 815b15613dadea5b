"""A program of componentize-js, with SpiderMonkey inside, run as it is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from airssys.errors import GuestExited, WitError

from ..wasi.http.guest import OK, answers, served
from .stock import network, run

pytestmark = [pytest.mark.guest, pytest.mark.slow]


async def test_it_has_its_arguments_and_variables() -> None:
    assert (await run("javascript", "args", "a b", "-x")).lines == ["a b", "-x"]
    assert (await run("javascript", "env", env={"A": "b=c"})).lines == ["A=b=c"]


async def test_it_reads_its_input_and_writes_its_output() -> None:
    content = bytes(range(128)) * 500

    ran = await run("javascript", "cat", stdin=content)
    assert (ran.out.encode(), ran.error) == (content, None)
    ran = await run("javascript", "both")
    assert (ran.out, ran.err) == ("to stdout\n", "to stderr\n")


async def test_it_uses_files_by_the_names_of_wasi(tmp_path: Path) -> None:
    folder = tmp_path.resolve() / "data"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")

    ran = await run("javascript", "files", folder=folder)

    assert ran.lines == [
        "in /data: two false",
        "size 8, a regular-file",
        "changed 2",
        "link to sub/other.txt",
        "names link,sub",
        "refused ../secret.txt: not-permitted",
        "refused /etc/hostname: not-permitted",
        "refused none.txt: no-entry",
    ]
    assert (folder / "link").read_text() == "one\ntwo\n"


async def test_it_sleeps_and_tells_the_time() -> None:
    assert (await run("javascript", "sleep", 50)).lines == ["true"]
    now = int((await run("javascript", "clock")).out)
    assert abs(now / 1000 - time.time()) < 60


async def test_its_random_numbers_differ_from_one_instance_to_the_next() -> None:
    first, second = [(await run("javascript", "draw")).lines for _ in range(2)]

    assert len(first) == 3
    assert not {*first} & {*second}


async def test_it_fetches_what_it_was_granted() -> None:
    async with served(answers(OK)) as port:
        url = f"http://127.0.0.1:{port}/"
        ran = await run("javascript", "get", url, grants=network(f"127.0.0.1:{port}"))
        assert ran.lines == ["200 hello"]
        assert (await run("javascript", "get", url)).lines == ["failed: Error"]


async def test_it_ends_with_its_own_status() -> None:
    left = await run("javascript", "exit", 3)

    assert isinstance(left.error, GuestExited)
    assert left.error.status == 3


async def test_what_nobody_catches_fails_it() -> None:
    ran = await run("javascript", "crash", "x")

    assert isinstance(ran.error, WitError)
