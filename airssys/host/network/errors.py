"""Name the cases of a ``network-error``."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Literal, TypeAlias

from ...witmodel.types import Variant
from ..errors import DENIED, ErrorCases, as_wit_errors, by_the_system, numbered

__all__ = ("PASSING", "Case", "as_network_errors", "failure")

Case: TypeAlias = Literal[
    "connection-refused",
    "connection-reset",
    "connection-timeout",
    "host-unreachable",
    "network-unreachable",
    "invalid-address",
    "invalid-port",
    "address-in-use",
    "permission-denied",
    "would-block",
    "io-error",
    "dns-resolution-failed",
    "invalid-hostname",
    "tls-error",
    "protocol-error",
    "resource-exhausted",
    "invalid-argument",
]

PASSING: Final[frozenset[Case]] = frozenset(
    (
        "connection-refused",
        "connection-reset",
        "connection-timeout",
        "host-unreachable",
        "network-unreachable",
    )
)
"""The errors after which another try to connect may succeed."""

_CASES: Final = ErrorCases[Case](
    numbered(
        {
            "connection-refused": ("ECONNREFUSED",),
            "connection-reset": ("ECONNRESET", "ECONNABORTED", "EPIPE", "ENETRESET"),
            "connection-timeout": ("ETIMEDOUT",),
            "host-unreachable": ("EHOSTUNREACH", "EHOSTDOWN"),
            "network-unreachable": ("ENETUNREACH", "ENETDOWN"),
            "invalid-address": ("EADDRNOTAVAIL", "EAFNOSUPPORT", "EDESTADDRREQ"),
            "address-in-use": ("EADDRINUSE",),
            "permission-denied": ("EACCES", "EPERM"),
            "would-block": ("EAGAIN", "EWOULDBLOCK"),
            "protocol-error": (
                *("EPROTO", "ENOPROTOOPT", "EPROTONOSUPPORT", "EPROTOTYPE"),
            ),
            "resource-exhausted": ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"),
            "invalid-argument": (
                *("EINVAL", "EISCONN", "ENOTCONN", "EALREADY", "EBADF", "EMSGSIZE"),
                *("EOPNOTSUPP", "EDOM"),
            ),
        }
    ),
    otherwise="io-error",
)
_KINDS: Final[tuple[type[OSError | ValueError], ...]] = (OSError, ValueError)
failure: Final = _CASES.failure


def as_network_errors(
    doing: str, denied: Callable[[str, str], object] | None = None
) -> AbstractContextManager[None]:
    """Raise what the system and Python raise as the guest's error.

    Args:
        doing: What the guest wants, such as ``connecting``.
        denied: Told that, and why not, where the system denies it.
    """

    def value_of(error: OSError | ValueError) -> Variant:
        case, words = _explained(error)
        if case == DENIED:
            words = by_the_system(words)
            if denied is not None:
                denied(doing, words)
        return Variant(case, f"{doing}: {words}")

    return as_wit_errors(value_of, *_KINDS)


def _explained(error: OSError | ValueError) -> tuple[Case, str]:
    match error:
        case socket.gaierror():
            return "dns-resolution-failed", error.strerror or "the look-up failed"
        case ssl.SSLCertVerificationError():
            return "tls-error", error.verify_message
        case ssl.SSLEOFError():
            return "connection-reset", "the peer broke off in the middle of TLS"
        case ssl.SSLError():
            return "tls-error", _reason(error)
        case TimeoutError() if error.errno is None:
            return "connection-timeout", "it took too long"
        case OSError(errno=int(number)):
            return _CASES.of_number(number), os.strerror(number).lower()
        case OSError() | ValueError():
            return "io-error", str(error)


def _reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's own words, such as ``wrong version number``."""
    reason: str | None = getattr(error, "reason", None)
    return (reason or "the peer breaks its rules").lower().replace("_", " ")
