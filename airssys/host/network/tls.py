"""Speak TLS as a client: whom to trust, and what was agreed on."""

from __future__ import annotations

import ssl
from typing import Final

import anyio.to_thread
from attrs import define, field, frozen

__all__ = ("HANDSHAKE_BYTES", "Agreed", "Tls")

HANDSHAKE_BYTES: Final = 8192
"""What a handshake is charged: certificates and keys of both sides, roughly."""

_DHE: Final = "DHE-"


def _safe(_: object, __: object, context: ssl.SSLContext | None) -> None:
    if context is not None and (
        context.minimum_version < ssl.TLSVersion.TLSv1_2
        or not context.check_hostname
        or context.verify_mode != ssl.CERT_REQUIRED
    ):
        raise ValueError(
            "the context must ask for TLS 1.2 or newer and check certificates and "
            "their names, as ssl.create_default_context() has it"
        )


def _quick(context: ssl.SSLContext) -> ssl.SSLContext:
    """Have a context of our own do nothing that the peer can make long.

    In DHE the peer chooses the numbers, of 10,000 bits if it likes. And it could ask
    for another handshake in the midst of a stream.
    """
    names = [each["name"] for each in context.get_ciphers()]
    context.set_ciphers(":".join(each for each in names if not each.startswith(_DHE)))
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def _trusting() -> ssl.SSLContext:
    return _quick(ssl.create_default_context())


@define(eq=False)
class Tls:
    """How a host lets its guests speak TLS."""

    context: ssl.SSLContext | None = field(default=None, validator=_safe)
    """Whom to trust; None: the authorities of the system. It must check certificates
    and names, and ask for TLS 1.2 at the least. Ciphers with DHE are best left out of
    it, as they are here: a peer can make them take seconds."""
    unverified: bool = field(default=False, kw_only=True)
    """Whether guests may do without the check of a certificate. Whoever stands between
    a guest and its peer can then read and change what they say."""
    _unchecked: ssl.SSLContext | None = field(default=None, init=False)

    async def client(self, *, verify: bool) -> ssl.SSLContext:
        """Return the settings for a connection; reading the authorities takes long."""
        if not verify:
            if self._unchecked is None:
                unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                unchecked.minimum_version = ssl.TLSVersion.TLSv1_2
                unchecked.check_hostname = False
                unchecked.verify_mode = ssl.CERT_NONE
                self._unchecked = _quick(unchecked)
            return self._unchecked
        if self.context is None:
            self.context = await anyio.to_thread.run_sync(_trusting)
        return self.context


@frozen
class Agreed:
    """What was agreed on in a handshake."""

    hostname: str
    verified: bool

    def to_record(self, raw: ssl.SSLSocket) -> dict[str, object]:
        """Write a ``tls-info``."""
        cipher, _, bits = raw.cipher() or ("", "", 0)
        return {
            "version": "tls1-3" if raw.version() == "TLSv1.3" else "tls1-2",
            "cipher": cipher,
            "key-bits": bits,
            "hostname": self.hostname,
            "verified": self.verified,
            "certificate": raw.getpeercert(binary_form=True) or b"",
        }
