"""Say what a line of an audit log is, and how each is chained to the one before.

A line is a JSON object of ASCII text in canonical form: keys sorted, no spaces, all
else escaped. Its ``hash`` is that of the same object without ``hash``, and its
``previous`` is the hash of the record before it. So whoever changes, adds, takes away
or moves a line has to make every later line anew; with a key, nobody else can.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from attrs import Attribute, asdict, field, fields, frozen

__all__ = (
    "ALERT",
    "CLOSED",
    "DAMAGED",
    "DENIED",
    "GRANTED",
    "LONGEST",
    "LOST",
    "OPENED",
    "REPAIRED",
    "RESULTS",
    "REVOKED",
    "ROTATED",
    "VERSION",
    "Entry",
    "Head",
    "Record",
    "Seal",
    "canonical",
    "digest",
    "rendered",
)

VERSION: Final = 1
LONGEST: Final = 64 * 1024
"""Bytes of a line with its end; `Entry` cuts texts so that none is longer."""

GRANTED: Final = "granted"
DENIED: Final = "denied"
REVOKED: Final = "revoked"
ALERT: Final = "alert"
"""A quota was nearly used up."""
OPENED: Final = "opened"
"""This, and those below, the log says of itself: a process began to write to it."""
CLOSED: Final = "closed"
"""The process ended in order."""
ROTATED: Final = "rotated"
"""A new file begins; ``resource`` is the oldest record kept, if some were removed."""
REPAIRED: Final = "repaired"
"""A torn line stands before this; ``resource`` is its digest."""
DAMAGED: Final = "damaged"
"""What had been written was not there any more, or was not as it was written."""
LOST: Final = "lost"
"""Records could not be written; ``resource`` is how many."""
RESULTS: Final = (
    *(GRANTED, DENIED, REVOKED, ALERT),
    *(OPENED, CLOSED, ROTATED, REPAIRED, DAMAGED, LOST),
)

_LEAST_KEY: Final = 16
_ENCODER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
)
_quoted: Final = json.encoder.encode_basestring_ascii
"""Return a text as JSON."""


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


def _cut(longest: int) -> Any:
    """Declare a text that is cut, and says so, where it is longer."""

    def bounded(text: str) -> str:
        if len(text) <= longest:
            return text
        return f"{text[:longest]}… (and {len(text) - longest} characters)"

    return field(default="", converter=bounded)


@frozen
class Entry:
    """What a record says. Texts may hold whatever a guest put into them."""

    time: float
    """Seconds since 1970."""
    result: str
    """One of `RESULTS`."""
    component: str = _cut(256)
    operation: str = _cut(256)
    needed: str = _cut(1024)
    resource: str = _cut(1024)
    reason: str = _cut(1024)
    correlation: str = _cut(256)


@frozen
class Record:
    """One line of an audit log, version 1."""

    at: str
    """When, as RFC 3339 in UTC with microseconds."""
    component: str
    """The actor's id; outside a system the component's name. Empty where the log
    speaks of itself."""
    correlation: str
    """Names the guest's call, or the request it worked on."""
    hash: str
    """Of this record without this field: ``sha256:...`` or ``hmac-sha256:...``."""
    needed: str
    """The capability in words, or the quota."""
    operation: str
    """The host function, such as ``airssys:core/messaging@1.0.0#send``."""
    previous: str
    """The hash of the record before; empty in the first."""
    reason: str
    resource: str
    """What the guest asked for, where `needed` has other words."""
    result: str
    """One of `RESULTS`."""
    seq: int
    """1 for the first record, and then one more for each."""
    v: int = VERSION

    @property
    def time(self) -> datetime:
        """When it was."""
        return datetime.fromisoformat(self.at)

    @classmethod
    def parse(cls, line: bytes, seal: Seal | None) -> Record:
        """Read a line without its end.

        Args:
            line: The line.
            seal: Checks its hash; None: it is not checked.

        Raises:
            ValueError: It is no record, or not as it was written; says why.
        """
        found = _parsed(line, cls)
        if found["v"] != VERSION:
            raise ValueError(
                f"is of version {found['v']}, and this airssys knows {VERSION}"
            )
        record = cls(**found)
        try:
            unknown = record.time.tzinfo is None or record.result not in RESULTS
        except ValueError:
            unknown = True
        if unknown:
            raise ValueError("is no record")
        if seal is not None and (why := seal.fits(_unsealed(found), record.hash)):
            raise ValueError(why)
        return record


_KINDS: Final[Mapping[str, type]] = {"int": int, "str": str}


def _parsed(line: bytes, made: type) -> dict[str, Any]:
    """Read a canonical JSON object that has just the fields of a class."""
    if len(line) >= LONGEST:
        raise ValueError("is longer than a record can be")
    try:
        text = line.decode("ascii")
        found = json.loads(text)
        right = isinstance(found, dict) and canonical(found) == text
    except (ValueError, RecursionError):
        raise ValueError("is no record") from None
    known: tuple[Attribute[Any], ...] = fields(made)
    if (
        not right
        or len(found) != len(known)
        or any(type(found.get(key.name)) is not _KINDS[str(key.type)] for key in known)
    ):
        raise ValueError("is no record")
    return dict(found)


def _unsealed(values: Mapping[str, object]) -> str:
    return canonical({key: value for key, value in values.items() if key != "hash"})


def rendered(entry: Entry, seq: int, previous: str, seal: Seal) -> tuple[bytes, str]:
    """Return the line of a record, with its end, and its hash."""
    # Written out, since this takes a third of the time of `canonical`, which must give
    # the same: `Record.parse` checks that it does.
    at = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="microseconds")
    before = (
        f'{{"at":"{at[:-6]}Z","component":{_quoted(entry.component)}'
        f',"correlation":{_quoted(entry.correlation)}'
    )
    after = (
        f',"needed":{_quoted(entry.needed)},"operation":{_quoted(entry.operation)}'
        f',"previous":{_quoted(previous)},"reason":{_quoted(entry.reason)}'
        f',"resource":{_quoted(entry.resource)},"result":"{entry.result}"'
        f',"seq":{seq},"v":{VERSION}}}'
    )
    own = seal.hash(before + after)
    return f'{before},"hash":"{own}"{after}\n'.encode("ascii"), own


@frozen
class Head:
    """What the file beside a log says: how far the log went at the least."""

    last: str
    """The hash of the last record; empty before the first."""
    seq: int
    """Its number; 0 before the first."""
    v: int = VERSION
    hash: str = ""
    """Of the other fields."""

    def rendered(self, seal: Seal) -> bytes:
        """Return it as a line, all of one length."""
        values = asdict(self)
        values["hash"] = seal.hash(_unsealed(values))
        return f"{canonical(values):<254}\n".encode("ascii")

    @classmethod
    def parse(cls, content: bytes, seal: Seal) -> Head:
        """Read a head.

        Raises:
            ValueError: It is none, or not as it was written; says why.
        """
        try:
            found = _parsed(content.rstrip(b" \n"), cls)
        except ValueError:
            raise ValueError("is no head of an audit log") from None
        if why := seal.fits(_unsealed(found), found["hash"]):
            raise ValueError(why)
        head = cls(**found)
        if head.rendered(seal) != content:
            raise ValueError("is not as it was written")
        return head
