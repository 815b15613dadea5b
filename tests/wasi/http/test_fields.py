from __future__ import annotations

from typing import Any

import pytest

from airssys.core.errors import GuestTrapped, WitError
from airssys.wasi.http.fields import (
    LARGEST_FIELDS,
    MOST_FIELDS,
    Fields,
    FieldsTooLarge,
)
from airssys.wasi.http.ledger import Ledger
from airssys.witmodel.types import Variant

from ...operations import operation
from .guest import Guest, on_http

BAD = Variant("invalid-syntax")
FORBIDDEN = Variant("forbidden")
IMMUTABLE = Variant("immutable")


async def entries(guest: Guest, fields: Any) -> list[Any]:
    return [tuple(pair) for pair in await guest.method("fields.entries", fields)]


@operation(
    "wasi:http/types@0.2.12#[constructor]fields",
    "wasi:http/types@0.2.12#[method]fields.append",
    "wasi:http/types@0.2.12#[method]fields.delete",
    "wasi:http/types@0.2.12#[method]fields.has",
    "wasi:http/types@0.2.12#[method]fields.set",
    allowed=True,
)
async def test_fields_keep_their_order_and_spelling_and_compare_without_case() -> None:
    async with on_http() as guest:
        fields = await guest.types("[constructor]fields")
        await guest.method("fields.append", fields, "X-A", b"1")
        await guest.method("fields.append", fields, "b", b"2")
        await guest.method("fields.append", fields, "x-a", b"\xff\t 3")

        assert await guest.method("fields.get", fields, "x-A") == [b"1", b"\xff\t 3"]
        assert await guest.method("fields.get", fields, "c") == []
        assert await guest.method("fields.has", fields, "B") is True
        assert await guest.method("fields.has", fields, "no name") is False
        assert await entries(guest, fields) == [
            ("X-A", b"1"),
            ("b", b"2"),
            ("x-a", b"\xff\t 3"),
        ]
        await guest.method("fields.set", fields, "X-a", [b"4", b""])
        assert await entries(guest, fields) == [
            ("b", b"2"),
            ("X-a", b"4"),
            ("X-a", b""),
        ]
        await guest.method("fields.set", fields, "x-a", [])
        await guest.method("fields.delete", fields, "B")
        assert await entries(guest, fields) == []


@operation(
    "wasi:http/types@0.2.12#[method]fields.clone",
    allowed=True,
)
async def test_a_clone_is_another_and_can_be_changed() -> None:
    async with on_http() as guest:
        fields = await guest.fields(("a", b"1"))
        clone = await guest.method("fields.clone", fields)
        await guest.method("fields.append", clone, "b", b"2")

        assert await entries(guest, fields) == [("a", b"1")]
        assert await entries(guest, clone) == [("a", b"1"), ("b", b"2")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a", b"1\r\nb: 2"),
        ("a", b"1\n"),
        ("a", b"\r"),
        ("a", b"\0"),
        ("a", b"\x7f"),
        ("a\r\nb", b""),
        ("a b", b""),
        ("a:", b""),
        ("", b""),
        ("\u00e4", b""),
        ("a\0", b""),
    ],
)
async def test_what_could_end_a_line_is_no_field(name: str, value: bytes) -> None:
    async with on_http() as guest:
        fields = await guest.fields(("x", b"1"))

        assert await guest.fails("fields.append", fields, name, value) == BAD
        assert await guest.fails("fields.set", fields, name, [b"ok", value]) == BAD
        with pytest.raises(WitError) as caught:
            await guest.fields(("x", b""), (name, value))
        assert caught.value.value == BAD
        if value == b"":
            assert await guest.fails("fields.delete", fields, name) == BAD
        assert await entries(guest, fields) == [("x", b"1")]


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "host", "HTTP2-Settings", "keep-alive", "proxy-connection"),
        *("Transfer-Encoding", "upgrade", "te", "proxy-authorization"),
    ],
)
async def test_what_is_the_connections_is_not_the_guests(name: str) -> None:
    async with on_http() as guest:
        fields = await guest.types("[constructor]fields")

        assert await guest.fails("fields.append", fields, name, b"x") == FORBIDDEN
        assert await guest.fails("fields.set", fields, name, [b"x"]) == FORBIDDEN
        assert await guest.fails("fields.set", fields, name, []) == FORBIDDEN
        assert await guest.fails("fields.delete", fields, name) == FORBIDDEN
        with pytest.raises(WitError) as caught:
            await guest.fields((name, b"x"))
        assert caught.value.value == FORBIDDEN


_HEADERS = [
    f"wasi:http/types@0.2.12#[method]outgoing-{kind}.headers"
    for kind in ("request", "response")
]


@operation(*_HEADERS, allowed=True)
@pytest.mark.parametrize("operation", _HEADERS)
async def test_the_fields_of_a_message_cannot_be_changed(operation: str) -> None:
    kind = operation.partition("]")[2].removesuffix(".headers")
    async with on_http() as guest:
        message = await guest.types(
            f"[constructor]{kind}", await guest.fields(("a", b"1"))
        )
        fields = await guest.method(f"{kind}.headers", message)

        assert await guest.fails("fields.append", fields, "b", b"") == IMMUTABLE
        assert await guest.fails("fields.set", fields, "a", [b""]) == IMMUTABLE
        assert await guest.fails("fields.delete", fields, "a") == IMMUTABLE
        assert await entries(guest, fields) == [("a", b"1")]
        clone = await guest.method("fields.clone", fields)
        await guest.method("fields.delete", clone, "a")
        assert await entries(guest, clone) == []


async def test_a_message_has_no_more_fields_than_there_may_be() -> None:
    async with on_http() as guest:
        fields = await guest.fields(*[("a", b"")] * MOST_FIELDS)
        assert await guest.fails("fields.append", fields, "a", b"") == BAD
        with pytest.raises(WitError):
            await guest.fields(*[("a", b"")] * (MOST_FIELDS + 1))
        large = await guest.fields(("a", bytes(b" " * (LARGEST_FIELDS // 2))))
        half = b" " * (LARGEST_FIELDS // 2)
        assert await guest.fails("fields.append", large, "a", half) == BAD
        # What did not fit has not cost what was there.
        assert await guest.fails("fields.set", large, "a", [half, half]) == BAD
        assert len(await guest.method("fields.get", large, "a")) == 1
        with pytest.raises(WitError):
            await guest.fields(("a", half), ("a", half))


async def test_a_guest_holds_no_more_fields_than_it_may_and_gets_room_again() -> None:
    value = b" " * 120_000
    async with on_http() as guest:
        held = [await guest.fields(("a", value)) for _ in range(139)]
        with pytest.raises(WitError) as caught:
            await guest.fields(("a", value))
        assert caught.value.value == BAD
        held.pop()
        again = await guest.fields(("a", value))
        with pytest.raises(GuestTrapped, match="its fields are more than 16_777_216"):
            await guest.method("fields.clone", again)


def test_received_fields_leave_out_what_is_the_connections_and_what_is_none() -> None:
    ledger = Ledger(200)
    made = Fields.received(
        [
            ("Host", b"a"),
            ("Transfer-Encoding", b"chunked"),
            ("x-a", b"1"),
            ("x\n", b""),
            ("x-b", b"\r\n"),
        ],
        ledger,
    )

    assert made.pairs == (("x-a", b"1"),)
    assert made.fixed
    assert ledger.used == 36
    view = made.view()
    del made
    assert ledger.used == 36, "there is still a view of it"
    del view
    assert ledger.used == 0


def test_received_fields_can_be_too_many() -> None:
    with pytest.raises(FieldsTooLarge):
        Fields.received([("a", b"")] * (MOST_FIELDS + 1))
    ledger = Ledger(60)
    with pytest.raises(FieldsTooLarge):
        Fields.received([("a", b"")] * 2, ledger)
    assert ledger.used == 0


async def test_fields_that_are_too_many_or_too_long_are_refused_by_their_size() -> None:
    long = "a" * 2**20
    async with on_http() as guest:
        fields = await guest.fields(("b", b"1"))
        request = await guest.request(80)

        assert await guest.fails("fields.set", fields, "a", [b""] * 100_000) == BAD
        assert await guest.fails("fields.set", fields, "a", [long.encode()]) == BAD
        assert await guest.fails("fields.append", fields, long, b"") == BAD
        assert await guest.fails("fields.delete", fields, long) == BAD
        assert await guest.method("fields.get", fields, long) == []
        assert await guest.method("fields.has", fields, long) is False
        assert await entries(guest, fields) == [("b", b"1")]
        other = Variant("other", long)
        assert await guest.fails("outgoing-request.set-method", request, other) is None
        kept = await guest.method("outgoing-request.method", request)
        assert kept == Variant("get")
