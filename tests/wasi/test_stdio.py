from __future__ import annotations

import time

import anyio
import pytest

from airssys.wasi import BytesInput, BytesOutput, Context, Lines, StreamClosed

from .chosen import chosen

WRITE = "streams#[method]output-stream.blocking-write-and-flush"


async def lines(*written: bytes, drop: bool = True) -> list[str]:
    seen: list[str] = []
    output = Lines(seen.append)
    for each in written:
        await output.write(each)
    if drop:
        output.drop()
    return seen


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"b", b"\n", b"c"], ["ab", "c"]),
        ([b"a\r\nb\r", b"\nc\rd\n"], ["a", "b", "c\\rd"]),
        ([b"\n\n"], ["", ""]),
        ([b"a\tb\n"], ["a       b"]),
        ([b"\x1b[2J\x07\0\x9b\n"], ["\\x1b[2J\\x07\\x00\ufffd"]),
        (["\u202eevil\u2028x\x85\n".encode()], ["\\u202eevil\\u2028x\\x85"]),
        ([b"\xff\xfe\n"], ["\ufffd\ufffd"]),
        ([b"gr\xc3", b"\xbc\xc3", b"\x9f", b"e\n"], ["grüße"]),
        ([b"\xf0\x9f", b"\x98", b"\n"], ["\ufffd"]),
        ([b"\xf0\x9f"], ["\ufffd"]),
        ([b""], []),
    ],
)
async def test_lines_are_whole_and_printable(
    written: list[bytes], expected: list[str]
) -> None:
    assert await lines(*written) == expected


async def test_a_line_that_is_not_ended_is_kept_until_the_end() -> None:
    assert await lines(b"a\nb", drop=False) == ["a"]


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_long_line_comes_as_several(end: bytes) -> None:
    text = "ü" * 40_000

    assert await lines(text.encode() + end) == [
        "ü" * 16_384,
        "ü" * 16_384,
        "ü" * (40_000 - 2 * 16_384),
    ]
    assert await lines(*(b"a" * 1000 for _ in range(33)), end) == [
        "a" * 16_384,
        "a" * 16_384,
        "a" * 232,
    ]


@pytest.mark.parametrize("flood", [b"\x1b", b"\t", "\U000f0000".encode()])
async def test_no_line_is_longer_for_what_is_written_in_its_place(flood: bytes) -> None:
    seen = await lines(flood * 16_384)

    assert len(seen) > 1
    assert {len(each) for each in seen[:-1]} == {16_384}


async def test_a_flood_of_lines_holds_nobody_up() -> None:
    longest = 0.0

    async def others() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await anyio.lowlevel.checkpoint()
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    seen: list[str] = []
    output = Lines(seen.append)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(others)
        await output.write(b"\n" * output.room())
        tasks.cancel_scope.cancel()

    assert len(seen) == output.room()
    assert longest < 0.2  # all at one go takes longer on no machine that is as quick


@pytest.mark.guest
async def test_what_a_guest_prints_is_lines() -> None:
    seen: list[str] = []
    context = Context(stdout=Lines(seen.append))
    async with chosen("wasi:io", "wasi:cli/std", context=context) as guest:
        stdout = await guest("stdout#get-stdout")
        await guest(WRITE, stdout, b"one\ntw")
        await guest(WRITE, stdout, b"o\nthree")
        assert seen == ["one", "two"]
        await guest.drop(stdout)

    assert seen == ["one", "two", "three"]


@pytest.mark.guest
async def test_a_guest_prints_as_much_as_it_likes_at_once() -> None:
    seen: list[str] = []
    context = Context(stdout=Lines(seen.append))
    async with chosen("wasi:io", "wasi:cli/std", context=context) as guest:
        await guest(WRITE, await guest("stdout#get-stdout"), b"abc\n" * 50_000)

    assert seen == ["abc"] * 50_000


async def test_bytes_are_read_to_their_end() -> None:
    stream = BytesInput(b"abc")

    assert stream.ready()
    assert await stream.read(2) == b"ab"
    assert await stream.read(2) == b"c"
    with pytest.raises(StreamClosed):
        await stream.read(2)


async def test_an_output_of_bytes_is_closed_when_it_is_full() -> None:
    output = BytesOutput(limit=4)

    assert output.room() == 4
    await output.write(b"abcd")
    with pytest.raises(StreamClosed):
        output.room()
    assert output.ready()


async def test_what_steers_a_terminal_is_spelled_in_every_piece() -> None:
    lines: list[str] = []
    output = Lines(lines.append)
    await output.write(b"\0\x07" * 32768)
    output.drop()

    assert "".join(lines) == "\\x00\\x07" * 32768
