from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.engine.values.octets import decode_octets, encode_octets


@given(st.binary().filter(bytes.isascii).filter(lambda x: x[:1] < b"\x7e"))
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
        (b"\x7e", b"\x7f\x7e\x00"),
        (b"\x7f", b"\x7f\x7f\x00"),
    ],
)
def test_other_bytes_are_two_planes(octets: bytes, text: bytes) -> None:
    assert encode_octets(octets) == text


def test_a_guests_other_bytes_are_hexadecimal() -> None:
    assert decode_octets(b"\x7eff00") == b"\xff\x00"
    assert decode_octets(b"") == b""
