from __future__ import annotations

import ssl
from typing import Any

import h11
import pytest

from airssys.core.errors import WitError
from airssys.wasi.http import exchange
from airssys.wasi.http.errors import RequestFailed, code_of
from airssys.wasi.http.fields import FieldsTooLarge
from airssys.wasi.streams import StreamFailed
from airssys.witmodel.types import Variant

from .guest import on_http

CODE = Variant("HTTP-response-incomplete")
TOO_LARGE = h11.RemoteProtocolError("too much", error_status_hint=431)


@pytest.mark.parametrize(
    ("error", "case"),
    [
        (RequestFailed(CODE), "HTTP-response-incomplete"),
        (StreamFailed("x", CODE), "HTTP-response-incomplete"),
        (WitError(Variant("host-unreachable", "x")), "destination-unavailable"),
        (WitError(Variant("network-unreachable", "x")), "destination-IP-unroutable"),
        (WitError(Variant("invalid-port", "x")), "HTTP-request-URI-invalid"),
        (WitError(Variant("tls-error", "x")), "TLS-protocol-error"),
        (WitError(Variant("io-error", "x")), "internal-error"),
        (FieldsTooLarge(), "HTTP-response-header-section-size"),
        (TOO_LARGE, "HTTP-response-header-section-size"),
        (h11.RemoteProtocolError("no"), "HTTP-protocol-error"),
        (h11.LocalProtocolError("no"), "internal-error"),
        (ssl.SSLError(1, "bad record"), "TLS-protocol-error"),
        (ssl.SSLEOFError(8, "eof"), "connection-terminated"),
        (ConnectionResetError(), "connection-terminated"),
    ],
)
def test_each_error_has_its_code(error: Exception, case: str) -> None:
    code = code_of(error)
    assert code is not None
    assert code.case == case


def test_what_nobody_expects_has_none() -> None:
    assert code_of(KeyError("x")) is None
    assert code_of(StreamFailed("x")) is None
    assert code_of(WitError(3)) is None


async def test_a_mistake_of_the_hosts_ends_one_request_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def dial(*_: Any, **__: Any) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr(exchange, "dial", dial)
    async with on_http() as guest:
        for _ in range(2):
            code = await guest.failure(await guest.request(80))
            assert code == Variant("internal-error", "KeyError")
    assert "a request of acme/guest failed" in caplog.text
