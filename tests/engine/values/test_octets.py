from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.engine.lane.machine import MANY
from airssys.engine.lane.packing import GROUP, TEXT
from airssys.engine.values.coder import Coder
from airssys.engine.values.octets import coding_of, decode_octets, encode_octets

SIZES = (1, GROUP - 1, GROUP, GROUP + 1, 3 * GROUP, MANY, 65_536, 65_633, 200_000)


def others(size: int) -> bytes:
    """Return bytes of which the first is none of ASCII."""
    return b"\xff" + random.Random(size).randbytes(size - 1)


@given(st.binary().filter(bytes.isascii).filter(lambda x: x[:1] < b"\x7c"))
def test_ascii_is_its_own_text(octets: bytes) -> None:
    assert encode_octets(octets) == octets
    assert decode_octets(octets) == octets


@given(st.binary())
def test_text_is_ascii(octets: bytes) -> None:
    assert encode_octets(octets).isascii()


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\xff\x01", b"\x7f\x7f\x01\x01\x00"),
        (b"\x80", b"\x7f\x00\x01"),
        (b"\x7c", b"\x7f\x7c\x00"),
        (b"\x7d", b"\x7f\x7d\x00"),
        (b"\x7e", b"\x7f\x7e\x00"),
        (b"\x7f", b"\x7f\x7f\x00"),
    ],
)
def test_a_few_other_bytes_are_two_planes(octets: bytes, text: bytes) -> None:
    assert encode_octets(octets) == text


@pytest.mark.parametrize(
    ("size", "padded"),
    [(4087, False), (4088, True), (4096, True), (4104, True), (4105, False)],
)
def test_ascii_of_whole_pages_is_padded(size: int, *, padded: bool) -> None:
    for more in (0, 15 * 4096):
        octets = b"a" * (size + more)
        head = b"\x7c" + bytes(1023) if padded else b""
        assert encode_octets(octets) == head + octets


def test_a_few_other_bytes_of_a_guest_are_hexadecimal() -> None:
    assert decode_octets(b"\x7eff00") == b"\xff\x00"
    assert decode_octets(b"") == b""
    assert decode_octets(b"a") == b"a"


@pytest.mark.parametrize("size", [size for size in SIZES if size >= MANY])
def test_many_other_bytes_are_packed(size: int) -> None:
    octets = others(size)

    text = encode_octets(octets)

    groups = -(-size // GROUP)
    assert text.isascii()
    assert text[:2] == bytes((0x7D, size - (groups - 1) * GROUP))
    assert len(text) == 2 + groups * TEXT
    assert decode_octets(text) == octets


@pytest.mark.parametrize("size", SIZES)
def test_a_group_is_its_low_bits_and_then_its_high_bits(size: int) -> None:
    octets = others(size)
    whole = octets + bytes(-size % GROUP)
    expected = b""
    for at in range(0, len(whole), GROUP):
        group = whole[at : at + GROUP]
        high = (
            sum((group[16 * block + place] >> 7) << block for block in range(7))
            for place in range(16)
        )
        expected += bytes(byte & 0x7F for byte in group) + bytes(high)

    coder = Coder()
    text = coder.pack(whole, b"head")

    assert text == b"head" + expected
    assert coder.unpack(text[4:], size) == octets


def test_a_group_that_is_not_whole_is_no_part_of_what_is_unpacked() -> None:
    octets = others(GROUP)
    coder = Coder()
    text = coder.pack(octets, b"")

    assert coder.unpack(text + text[:-1], 2 * GROUP) == octets
    assert coder.unpack(text[:-1], GROUP) == b""


def test_a_text_can_be_read_piece_by_piece() -> None:
    for octets in (others(200_000), b"\xfe" * 100, b"a" * 5_000):
        text = encode_octets(octets) if len(octets) > 100 else b"\x7e" + b"fe" * 100
        coding = coding_of(text[:2], len(text))
        assert coding.size == len(octets)
        found = b""
        for at in range(coding.begin, len(text), 2 * TEXT):
            piece = text[at : at + 2 * TEXT]
            found += coding.decode(piece, coding.size - len(found))
        assert found == octets


def test_threads_do_not_disturb_each_other() -> None:
    def there_and_back(seed: int) -> bool:
        octets = b"\xff" + random.Random(seed).randbytes(70_000)
        return all(decode_octets(encode_octets(octets)) == octets for _ in range(50))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(there_and_back, range(8)))
