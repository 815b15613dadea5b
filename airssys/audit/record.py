"""Write and read the lines of an audit log, each chained to the one before.

A line is a JSON object of ASCII text in canonical form: keys sorted, no spaces, all
else escaped. Its ``hash`` is that of the same object without ``hash``, and its
``previous`` is the hash of the record before it. So whoever changes, adds, takes away
or moves a line has to make every later line anew; with a key, nobody else can.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from attrs import Attribute, asdict, fields, frozen

from .seal import Seal, canonical
from .statement import Result, Statement

__all__ = ("LONGEST", "VERSION", "Head", "Record", "rendered")

VERSION: Final = 1
LONGEST: Final = 64 * 1024
"""Bytes of a line with its end; a `Statement` cuts texts so that none is longer."""

_quoted: Final = json.encoder.encode_basestring_ascii
"""Return a text as JSON."""


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
    """A `Result`."""
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
            ValueError: The line is no record, or not as it was written; says why.
        """
        found = _parsed(line, cls)
        if found["v"] != VERSION:
            raise ValueError(
                f"is of version {found['v']}, and this airssys knows {VERSION}"
            )
        record = cls(**found)
        try:
            unknown = record.time.tzinfo is None or record.result not in _RESULTS
        except ValueError:
            unknown = True
        if unknown:
            raise ValueError("is no record")
        if seal is not None and (why := seal.fits(_unsealed(found), record.hash)):
            raise ValueError(why)
        return record


_RESULTS: Final = frozenset(Result)
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


def rendered(said: Statement, seq: int, previous: str, seal: Seal) -> tuple[bytes, str]:
    """Return the line of a record, with its end, and its hash."""
    # Written out, since this takes a third of the time of `canonical`, which must give
    # the same: `Record.parse` checks that it does.
    at = datetime.fromtimestamp(said.time, UTC).isoformat(timespec="microseconds")
    before = (
        f'{{"at":"{at[:-6]}Z","component":{_quoted(said.component)}'
        f',"correlation":{_quoted(said.correlation)}'
    )
    after = (
        f',"needed":{_quoted(said.needed)},"operation":{_quoted(said.operation)}'
        f',"previous":{_quoted(previous)},"reason":{_quoted(said.reason)}'
        f',"resource":{_quoted(said.resource)},"result":"{said.result}"'
        f',"seq":{seq},"v":{VERSION}}}'
    )
    own = seal.hash(before + after)
    return f'{before},"hash":"{own}"{after}\n'.encode("ascii"), own


@frozen
class Head:
    """The head, a file beside the log: how far the log goes at the least."""

    last: str
    """The hash of the last record; empty before the first."""
    seq: int
    """The number of the last record; 0 before the first."""
    v: int = VERSION
    hash: str = ""
    """The hash of the other fields."""

    def rendered(self, seal: Seal) -> bytes:
        """Return the head as a line; all heads have one length."""
        values = asdict(self)
        values["hash"] = seal.hash(_unsealed(values))
        return f"{canonical(values):<254}\n".encode("ascii")

    @classmethod
    def parse(cls, content: bytes, seal: Seal) -> Head:
        """Read a head.

        Raises:
            ValueError: The content is no head, or not as it was written; says why.
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
