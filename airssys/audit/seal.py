"""Hash what an audit log holds, with a key or without one."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

__all__ = ("Seal", "canonical", "digest")

_LEAST_KEY: Final = 16
_ENCODER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
)


def canonical(values: Mapping[str, object]) -> str:
    """Return the one text that stands for a JSON object."""
    return _ENCODER.encode(values)


def digest(content: bytes) -> str:
    """Return the digest of bytes, as ``sha256:...``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _long_enough(_: object, __: object, key: bytes | None) -> None:
    if key is not None and len(key) < _LEAST_KEY:
        raise ValueError(
            f"a key of {len(key)} bytes is too short: give at least {_LEAST_KEY}"
        )


@frozen
class Seal:
    """How records are hashed: SHA-256, or HMAC-SHA-256 where there is a key."""

    key: bytes | None = field(default=None, repr=False, validator=_long_enough)

    @property
    def method(self) -> str:
        """Stands before each hash."""
        return "sha256" if self.key is None else "hmac-sha256"

    def hash(self, text: str) -> str:
        """Return the hash of a text, which is ASCII."""
        content = text.encode("ascii")
        if self.key is None:
            return digest(content)
        return f"hmac-sha256:{hmac.digest(self.key, content, 'sha256').hex()}"

    def fits(self, text: str, found: str) -> str:
        """Say why a hash is not that of a text; empty if it is."""
        method = found.partition(":")[0]
        if method != self.method and method in {"sha256", "hmac-sha256"}:
            if self.key is None:
                return "was written with a key, which is needed to check it"
            return "was written without the key"
        # A byte that differs must not be found by trying.
        if not hmac.compare_digest(self.hash(text).encode(), found.encode("utf-8")):
            return "does not fit its own hash"
        return ""
