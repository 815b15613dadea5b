"""Name the cases of WASI's ``error-code`` for what goes wrong on the network."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final, Literal, NoReturn, TypeAlias, cast

from attrs import frozen

from ...core.errors import WitError
from ...host.errors import ErrorCases, as_wit_errors, by_the_system, numbered
from ...hostcalls.call import Call
from ...hostcalls.gate import Gate
from ...witmodel.types import Variant

__all__ = ("ErrorCode", "SocketFailure", "as_error_codes", "explained", "refuse")

ErrorCode: TypeAlias = Literal[
    "unknown",
    "access-denied",
    "not-supported",
    "invalid-argument",
    "out-of-memory",
    "timeout",
    "concurrency-conflict",
    "not-in-progress",
    "would-block",
    "invalid-state",
    "new-socket-limit",
    "address-not-bindable",
    "address-in-use",
    "remote-unreachable",
    "connection-refused",
    "connection-reset",
    "connection-aborted",
    "datagram-too-large",
    "name-unresolvable",
    "temporary-resolver-failure",
    "permanent-resolver-failure",
]

_Problem: TypeAlias = OSError | ValueError | WitError
_CODES: Final = ErrorCases[ErrorCode](
    numbered(
        {
            "access-denied": ("EACCES", "EPERM"),
            "not-supported": (
                *("EOPNOTSUPP", "EPROTONOSUPPORT", "ENOPROTOOPT", "EAFNOSUPPORT"),
                "ESOCKTNOSUPPORT",
            ),
            "invalid-argument": ("EINVAL", "EDOM", "EDESTADDRREQ"),
            "out-of-memory": ("ENOMEM", "ENOBUFS"),
            "timeout": ("ETIMEDOUT",),
            "concurrency-conflict": ("EALREADY",),
            "would-block": ("EAGAIN", "EWOULDBLOCK", "EINPROGRESS"),
            "invalid-state": ("EISCONN", "ENOTCONN", "EBADF"),
            "new-socket-limit": ("EMFILE", "ENFILE"),
            "address-not-bindable": ("EADDRNOTAVAIL",),
            "address-in-use": ("EADDRINUSE",),
            "remote-unreachable": (
                *("EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN", "ENONET"),
            ),
            "connection-refused": ("ECONNREFUSED",),
            "connection-reset": ("ECONNRESET", "ENETRESET", "EPIPE"),
            "connection-aborted": ("ECONNABORTED",),
            "datagram-too-large": ("EMSGSIZE",),
        }
    ),
    otherwise="unknown",
)
_LOOK_UPS: Final[Mapping[ErrorCode, tuple[str, ...]]] = {
    "name-unresolvable": ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY"),
    "temporary-resolver-failure": ("EAI_AGAIN",),
    "out-of-memory": ("EAI_MEMORY",),
}
"""The names of the resolver's numbers, as far as a system has them."""
_OF_THE_HOST: Final[Mapping[str, ErrorCode]] = {
    "permission-denied": "access-denied",
    "resource-exhausted": "out-of-memory",
    "would-block": "would-block",
    "invalid-hostname": "invalid-argument",
    "invalid-address": "address-not-bindable",
    "dns-resolution-failed": "name-unresolvable",
}
"""The codes of what `host.network` refuses in the words of its own interface."""


@frozen
class SocketFailure:
    """Why a connection's stream failed, for the guest's ``network-error-code``."""

    code: ErrorCode


def refuse(code: ErrorCode) -> NoReturn:
    """Give a guest an error."""
    raise WitError(code)


def explained(
    gate: Gate, call: Call, doing: str, error: _Problem
) -> tuple[ErrorCode, str]:
    """Return what a guest is told of an error, as a code and in words.

    What the system denies is told to the audit as well.

    Args:
        gate: Tells of a denial.
        call: Who asks.
        doing: What the guest wants, such as ``connecting``.
        error: Of the system's, or of `host.network`.
    """
    match error:
        case WitError(value=Variant() as value):
            return _OF_THE_HOST.get(value.case, "unknown"), str(value.value)
        case WitError(value=code):
            return cast("ErrorCode", code), f"{doing}: {code}"
        case socket.gaierror(errno=number):
            return _of_resolver(
                number
            ), f"{doing}: {error.strerror or 'the look-up failed'}"
        case TimeoutError(errno=None):
            return "timeout", f"{doing}: it took too long"
        case OSError(errno=int(number)):
            code, words = _CODES.of_number(number), os.strerror(number).lower()
            if code == "access-denied":
                words = by_the_system(words)
                gate.refused(call, doing, words)
            return code, f"{doing}: {words}"
        case OSError() | ValueError():
            return "unknown", f"{doing}: {error}"


def as_error_codes(
    gate: Gate, call: Call, doing: str, *, exhausted: ErrorCode = "out-of-memory"
) -> AbstractContextManager[None]:
    """Raise what goes wrong as the guest's error.

    Args:
        gate: As for `explained`.
        call: As for `explained`.
        doing: As for `explained`.
        exhausted: What it is that a quota of the guest's is used up.

    Raises:
        WitError: Whatever went wrong.
    """

    def value_of(error: Exception) -> ErrorCode:
        value = error.value if isinstance(error, WitError) else None
        if isinstance(value, Variant) and value.case == "resource-exhausted":
            return exhausted
        return explained(gate, call, doing, cast("_Problem", error))[0]

    return as_wit_errors(value_of, OSError, ValueError, WitError)


def _of_resolver(number: int | None) -> ErrorCode:
    for code, names in _LOOK_UPS.items():
        if any(number == getattr(socket, name, None) for name in names):
            return code
    return "permanent-resolver-failure"
