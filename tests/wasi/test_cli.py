from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen

from airssys.core.errors import GuestExited
from airssys.wasi import BytesInput, BytesOutput, Context
from airssys.witmodel.types import Err, Ok

from ..operations import operation
from .chosen import chosen

pytestmark = pytest.mark.guest

ENVIRONMENT = [
    f"wasi:cli/environment@0.2.12#{name}"
    for name in ("get-environment", "get-arguments", "initial-cwd")
]
STREAMS = [
    f"wasi:cli/{name}@0.2.12#get-{name}" for name in ("stdin", "stdout", "stderr")
]
TERMINALS = [
    f"wasi:cli/terminal-{name}@0.2.12#get-terminal-{name}"
    for name in ("stdin", "stdout", "stderr")
]
EXITS = [f"wasi:cli/exit@0.2.12#{name}" for name in ("exit", "exit-with-code")]
READ = "streams#[method]input-stream.read"
WRITE = "streams#[method]output-stream.write"


@operation(*ENVIRONMENT, allowed=True)
async def test_a_guest_finds_what_it_was_given() -> None:
    given = Context(args=["app", "-v"], env={"A": "1", "Ü": "ß"}, cwd="/data")
    async with chosen("wasi:cli/environment", context=given) as guest:
        assert await guest("environment#get-arguments") == ["app", "-v"]
        assert await guest("environment#get-environment") == [("A", "1"), ("Ü", "ß")]
        assert await guest("environment#initial-cwd") == "/data"


async def test_a_guest_finds_nothing_of_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET", "1")
    for context in (None, Context()):
        async with chosen("wasi:cli/environment", context=context) as guest:
            assert await guest("environment#get-arguments") == []
            assert await guest("environment#get-environment") == []
            assert await guest("environment#initial-cwd") is None


@operation(*STREAMS, allowed=True)
async def test_a_guest_uses_its_streams() -> None:
    out, err = BytesOutput(), BytesOutput()
    given = Context(stdin=BytesInput(b"hello"), stdout=out, stderr=err)
    async with chosen("wasi:io", "wasi:cli/std", context=given) as guest:
        stdin = await guest("stdin#get-stdin")
        assert await guest(READ, stdin, 9) == b"hello"
        for name, text in (("stdout", b"out"), ("stderr", b"err")):
            await guest(WRITE, await guest(f"{name}#get-{name}"), text)

    assert bytes(out.content + err.content) == b"outerr"


async def test_a_guest_that_lets_go_of_a_stream_can_have_it_again() -> None:
    out = BytesOutput()
    async with chosen("wasi:io", "wasi:cli/std", context=Context(stdout=out)) as guest:
        for text in (b"a", b"b"):
            stream = await guest("stdout#get-stdout")
            await guest(WRITE, stream, text)
            await guest.drop(stream)

    assert out.content == b"ab"


@operation(*TERMINALS, allowed=True)
async def test_no_stream_of_a_guest_is_a_terminal() -> None:
    async with chosen("wasi:cli/terminal") as guest:
        for name in ("stdin", "stdout", "stderr"):
            assert await guest(f"terminal-{name}#get-terminal-{name}") is None


@operation(*EXITS, allowed=True)
async def test_a_guest_ends_itself() -> None:
    for exit_, argument in zip(EXITS, (Ok(), 0), strict=True):
        async with chosen("wasi:cli/exit") as guest:
            with pytest.raises(GuestExited):
                await guest(exit_, argument)


@pytest.mark.parametrize(
    ("function", "argument", "status"),
    [
        (EXITS[0], Ok(), 0),
        (EXITS[0], Err(), 1),
        (EXITS[1], 0, 0),
        (EXITS[1], 3, 3),
        (EXITS[1], 255, 255),
    ],
)
async def test_a_guest_ends_itself_with_a_status(
    function: str, argument: Any, status: int
) -> None:
    async with chosen("wasi:cli/exit") as guest:
        with pytest.raises(GuestExited) as ended:
            await guest(function, argument)

    assert (ended.value.component, ended.value.status) == ("acme/guest", status)


@frozen
class Own:
    """A context of a program's own."""

    wasi: Context


async def test_a_context_can_be_within_a_programs_own() -> None:
    async with chosen(
        "wasi:cli/environment", context=Own(Context(args=["a"]))
    ) as guest:
        assert await guest("environment#get-arguments") == ["a"]
    async with chosen("wasi:cli/environment", context="another") as guest:
        assert await guest("environment#get-arguments") == []
