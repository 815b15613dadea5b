"""Tell a guest why something failed on the network, as a ``network-error``."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal, TypeAlias

from ...core.errors import WitError
from ...witmodel.types import Variant

__all__ = ("PASSING", "Case", "denied", "failure", "told")

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
"""What another try to connect may not meet again."""

_CASES: Final[Mapping[Case, tuple[str, ...]]] = {
    "connection-refused": ("ECONNREFUSED",),
    "connection-reset": ("ECONNRESET", "ECONNABORTED", "EPIPE", "ENETRESET"),
    "connection-timeout": ("ETIMEDOUT",),
    "host-unreachable": ("EHOSTUNREACH", "EHOSTDOWN"),
    "network-unreachable": ("ENETUNREACH", "ENETDOWN"),
    "invalid-address": ("EADDRNOTAVAIL", "EAFNOSUPPORT", "EDESTADDRREQ"),
    "address-in-use": ("EADDRINUSE",),
    "permission-denied": ("EACCES", "EPERM"),
    "would-block": ("EAGAIN", "EWOULDBLOCK"),
    "protocol-error": ("EPROTO", "ENOPROTOOPT", "EPROTONOSUPPORT", "EPROTOTYPE"),
    "resource-exhausted": ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"),
    "invalid-argument": (
        *("EINVAL", "EISCONN", "ENOTCONN", "EALREADY", "EBADF", "EMSGSIZE"),
        *("EOPNOTSUPP", "EDOM"),
    ),
}
_BY_NUMBER: Final[Mapping[int, Case]] = {
    getattr(errno, name): case
    for case, names in _CASES.items()
    for name in names
    if hasattr(errno, name)
}


def failure(case: Case, words: str) -> WitError:
    """Return the error that gives a guest this case."""
    return WitError(Variant(case, words))


def denied(words: str) -> Variant:
    """Return what a guest gets for a denial."""
    return Variant("permission-denied", words)


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Turn what the system raises into the guest's error.

    Args:
        doing: What the guest wants, such as ``connecting``.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        case, words = _explained(error)
        raise failure(case, f"{doing}: {words}") from error


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
            return _BY_NUMBER.get(number, "io-error"), os.strerror(number).lower()
        case _:
            return "io-error", str(error)


def _reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's own words, such as ``wrong version number``."""
    reason: str | None = getattr(error, "reason", None)
    return (reason or "the peer breaks its rules").lower().replace("_", " ")
