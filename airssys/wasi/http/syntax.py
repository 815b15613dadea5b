"""Read the parts of a request as RFC 9110, 9112 and 3986 have them, and nothing else.

What a guest could end a line with, and begin another message, is in none of them.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from .fields import Fields

__all__ = (
    "Authority",
    "BadLength",
    "authority_of",
    "content_length",
    "is_path",
    "is_scheme",
)

_LONGEST: Final = 8192
"""Characters of an authority or a path. RFC 9112, 3, asks for 8000 at the least."""
_LARGEST_PORT: Final = 65_535
_MOST_DIGITS: Final = 18
"""Of a content-length: what fits a number of 64 bits."""
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
"""RFC 3986, 3.1."""
_PATH: Final = re.compile(r"(?:/|\?|\*$)[\x21-\x22\x24-\x7e]*")
"""A path with its query as a request line has it: no space, no fragment, no control
character."""
_AUTHORITY: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::(?P<port>[0-9]*))?"
)
"""RFC 3986, 3.2, without what names a user."""


@frozen
class Authority:
    """Whom a request is for."""

    host: str
    """A name, or an address without brackets."""
    port: int | None
    """None: the scheme's own."""


class BadLength(ValueError):
    """A message says several things of its body's length, or none that can be read."""


def authority_of(text: str) -> Authority | None:
    """Read a host with or without a port; None: it is none."""
    found = _AUTHORITY.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    port = found["port"] or ""
    if port and (len(port) > len(str(_LARGEST_PORT)) or int(port) > _LARGEST_PORT):
        return None
    return Authority(found["host"].strip("[]"), int(port) if port else None)


def is_path(text: str) -> bool:
    """Tell whether a text is a path with its query; the empty one stands for ``/``."""
    return not text or (len(text) <= _LONGEST and _PATH.fullmatch(text) is not None)


def is_scheme(text: str) -> bool:
    """Tell whether a text names a scheme."""
    return len(text) <= _LONGEST and _SCHEME.fullmatch(text) is not None


def content_length(headers: Fields) -> int | None:
    """Return what a message says of its body's length; None: it says nothing.

    Raises:
        BadLength: Two readers could take it for different lengths.
    """
    found = headers.get("content-length")
    if not found:
        return None
    (text, *others) = found
    if others or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise BadLength
    return int(text)
