from __future__ import annotations

from typing import Any

import h11
import pytest

from airssys.core.errors import WitError
from airssys.wasi.http.fields import MOST_FIELDS, FieldsTooLarge
from airssys.wasi.http.framing import LARGEST_SECTION, Chunks, Section

from ...engine.lateness import turns
from .guest import answers, on_http, served

START = b"HTTP/1.1 200 OK\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"
WIDE = b"a:" + b" " * 30_000 + b"\0\r\n\r\n"
"""What takes whoever looks for fields seconds: the square of its spaces."""


def gathered(text: bytes, size: int) -> tuple[bytes, int]:
    """Gather a section that comes in pieces; return it, and what was taken."""
    section, at = Section(), 0
    while at < len(text):
        taken, whole = section.gather(memoryview(text[at : at + size]))
        at += taken
        if whole:
            assert not section.begun
            return whole, at
    return b"", at


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (b"HTTP/1.1 200 OK\r\na: b\r\n\r\n", b"body\n\n"),
        (b"HTTP/1.1 200 OK\na: b\n\n", b"\n"),
        (b"HTTP/1.1 200 OK\na: b\n\r\n", b""),
        (b"\r\n", b"\r\n\r\n"),
        (b"\n", b"a"),
    ],
)
def test_a_section_ends_with_its_empty_line(
    text: bytes, rest: bytes, size: int
) -> None:
    assert gathered(text + rest, size) == (text, len(text))


@pytest.mark.parametrize("size", [1, 1000, 2**16])
def test_a_section_is_not_too_much(size: int) -> None:
    whole = b"a: 1\r\n" * MOST_FIELDS + b"\r\n"
    assert gathered(whole, size)[0] == whole
    with pytest.raises(FieldsTooLarge):
        gathered(b"a:\n" * (MOST_FIELDS + 3), size)
    long = b"a: " + b"1" * (LARGEST_SECTION - 7) + b"\r\n\r\n"
    assert gathered(long, size)[0] == long
    with pytest.raises(FieldsTooLarge):
        gathered(b"a" + long, size)
    assert gathered(b"a:" + b" " * 255 + b"1\r\n\r\n", size)[0]
    with pytest.raises(h11.RemoteProtocolError, match="hundreds of spaces"):
        gathered(b"a:" + b" \t" * 128 + b"1\r\n\r\n", size)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_chunks_end_with_the_empty_one(size: int) -> None:
    text = b"5\r\n0\r\n\r\n\r\nA ;x=y\r\n0123456789\r\n" + b"1\r\n0\r\n" * 200
    text += b"000;z\r\n"
    chunks, at = Chunks(), 0
    while not chunks.ended:
        passed = chunks.pass_over(memoryview(text + b"a: b\r\n\r\n")[at : at + size])
        assert passed
        at += passed
    assert at == len(text)


def test_a_size_that_is_none_is_for_others_to_refuse() -> None:
    chunks = Chunks()
    assert chunks.pass_over(memoryview(b"x\r\n0\r\n")) == 6
    assert chunks.ended


@pytest.mark.guest
@pytest.mark.parametrize(
    ("text", "case"),
    [
        (START + WIDE, "HTTP-protocol-error"),
        (b"HTTP/1.1 103 Early\r\n" + WIDE, "HTTP-protocol-error"),
        (CHUNKED + b"0\r\n" + WIDE, "HTTP-protocol-error"),
        (CHUNKED + b"1\r\nx\r\n0\r\n" + WIDE, "HTTP-protocol-error"),
        (START + b"a:\r\n" * 8000, "HTTP-response-header-section-size"),
        (
            CHUNKED + b"0\r\n" + b"a:\r\n" * 8000 + b"\r\n",
            "HTTP-response-header-section-size",
        ),
        (
            START + b"a:\r\n" + b" \t\r\n" * (MOST_FIELDS - 2) + b" \0\r\n\r\n",
            "HTTP-protocol-error",
        ),
    ],
)
async def test_no_server_holds_up_the_loop_by_its_fields(
    text: bytes, case: str
) -> None:
    async with served(answers(text)) as port, on_http() as guest:
        request = await guest.request(port)
        async with turns() as measured:
            if text.startswith(CHUNKED):
                _, stream = await guest.opened(await guest.answer(request))
                with pytest.raises(WitError) as caught:
                    await guest.read(stream)
                code: Any = await guest.code(caught.value)
            else:
                code = await guest.failure(request)
    assert code.case == case
    assert measured.longest < 0.1  # it was five seconds
