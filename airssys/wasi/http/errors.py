"""Say in the words of ``wasi:http`` why a request failed: its ``error-code``."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

import h11
from attrs import define

from ...core.errors import WitError
from ...witmodel.types import Variant
from ..streams import StreamFailed
from .fields import FieldsTooLarge

__all__ = ("RequestFailed", "code_of", "tls_code")

_CASES: Final[Mapping[str, str]] = {
    "connection-refused": "connection-refused",
    "connection-reset": "connection-terminated",
    "connection-timeout": "connection-timeout",
    "host-unreachable": "destination-unavailable",
    "network-unreachable": "destination-IP-unroutable",
    "invalid-address": "destination-not-found",
    "invalid-hostname": "HTTP-request-URI-invalid",
    "invalid-port": "HTTP-request-URI-invalid",
    "permission-denied": "HTTP-request-denied",
    "resource-exhausted": "connection-limit-reached",
    "tls-error": "TLS-protocol-error",
}
"""What the cases of a ``network-error`` are here, but for those that carry words."""
_TOO_LARGE: Final = 431
"""h11's hint for a head that is too large."""


@define(eq=False)
class RequestFailed(Exception):
    """A request came to nothing."""

    code: Variant
    """As an ``error-code``."""


def code_of(error: Exception) -> Variant | None:
    """Return the ``error-code`` of what went wrong; None: nobody expects it."""
    match error:
        case RequestFailed():
            return error.code
        case WitError(value=Variant(case=str(case), value=words)):
            return _of_network(case, words)
        case StreamFailed(code=Variant() as code):
            return code
        case FieldsTooLarge():
            return Variant("HTTP-response-header-section-size", None)
        case h11.RemoteProtocolError(error_status_hint=hint) if hint == _TOO_LARGE:
            return Variant("HTTP-response-header-section-size", None)
        case h11.RemoteProtocolError():
            return Variant("HTTP-protocol-error")
        case h11.LocalProtocolError():
            return Variant("internal-error", str(error))
        case ssl.SSLError() if not isinstance(error, ssl.SSLEOFError):
            return tls_code(error)
        case OSError():
            return Variant("connection-terminated")
        case _:
            return None


def tls_code(error: ssl.SSLError) -> Variant:
    """Return the ``error-code`` of a handshake that failed, or of what came later."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Variant("TLS-certificate-error")
    reason: str = getattr(error, "reason", None) or ""
    if "ALERT" not in reason:
        return Variant("TLS-protocol-error")
    words = reason.lower().replace("_", " ")
    return Variant("TLS-alert-received", {"alert-id": None, "alert-message": words})


def _of_network(case: str, words: Any) -> Variant:
    if case == "dns-resolution-failed":
        return Variant("DNS-error", {"rcode": str(words), "info-code": None})
    found = _CASES.get(case)
    return Variant("internal-error", str(words)) if found is None else Variant(found)
