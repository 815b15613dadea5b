"""The sections of a component's grants: which patterns each action takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import starmap
from typing import Annotated, Final, TypeAlias, TypeVar

from attrs import field, fields, frozen

from .hosts import HostPattern, PortPattern
from .pattern import AnyPattern, Pattern
from .spelling import LONGEST, Kind

__all__ = (
    "INTERFACE",
    "PATTERN_KINDS",
    "SECTIONS",
    "CustomGrant",
    "FilesystemGrants",
    "MessagingGrants",
    "NetworkGrants",
    "ProcessGrants",
    "Section",
    "Sections",
    "StorageGrants",
    "check_interface",
    "customs",
)

_P = TypeVar("_P")
_WILD: Final = frozenset("*?[{")
_MOST_TOGETHER: Final = 64 * LONGEST
"""Characters of all patterns of a list: at worst 0.2 s for the longest path."""

NamePattern: TypeAlias = Annotated[Pattern, "name"]
TopicPattern: TypeAlias = Annotated[Pattern, "topic"]
KeyPattern: TypeAlias = Annotated[Pattern, "key"]
PathPattern: TypeAlias = Annotated[Pattern, "path"]
Whose: TypeAlias = Annotated[Pattern, "whose"]
HostAndPorts: TypeAlias = Annotated[HostPattern, "host and ports"]
HostAlone: TypeAlias = Annotated[HostPattern, "host"]
Ports: TypeAlias = Annotated[PortPattern, "ports"]


def _whose(text: str) -> Pattern:
    if text != "own":
        raise ValueError(f"{text!r} is not allowed: use 'own', a component's children")
    return Pattern(text, Kind.KEY)


PATTERN_KINDS: Final[Mapping[str, Callable[[str], AnyPattern]]] = {
    "name": partial(Pattern.parse, kind=Kind.NAME),
    "topic": partial(Pattern.parse, kind=Kind.TOPIC),
    "key": partial(Pattern.parse, kind=Kind.KEY),
    "path": partial(Pattern.parse, kind=Kind.PATH),
    "whose": _whose,
    "host and ports": HostPattern.parse,
    "host": partial(HostPattern.parse, ports=False),
    "ports": PortPattern.parse,
}
"""How to read a pattern, by the word its type is annotated with."""


def _listed(parse: Callable[[str], _P], items: Iterable[str | _P]) -> tuple[_P, ...]:
    if isinstance(items, str):
        raise ValueError(f"{items!r} must be in a list")  # noqa: TRY004 - of values
    return tuple(parse(item) if isinstance(item, str) else item for item in items)


def _matched(
    parse: Callable[[str], Pattern], items: Iterable[str | Pattern]
) -> tuple[Pattern, ...]:
    """Read patterns that are matched all at once, which must not take too long."""
    patterns = _listed(parse, items)
    size = 0
    for pattern in patterns:
        if not _WILD.isdisjoint(pattern.text):  # others are looked up
            size += sum(map(len, pattern.alternatives))
        if size > _MOST_TOGETHER:
            raise ValueError(
                "these patterns are too large together: written out, those with "
                f"wildcards are more than {_MOST_TOGETHER} characters"
            )
    return patterns


def _names(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _matched(partial(Pattern.parse, kind=Kind.NAME), items)


def _topics(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _matched(partial(Pattern.parse, kind=Kind.TOPIC), items)


def _keys(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _matched(partial(Pattern.parse, kind=Kind.KEY), items)


def _paths(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _matched(partial(Pattern.parse, kind=Kind.PATH), items)


def _whoses(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _listed(_whose, items)


def _hosts_and_ports(items: Iterable[str | HostPattern]) -> tuple[HostPattern, ...]:
    return _listed(HostPattern.parse, items)


def _hosts(items: Iterable[str | HostPattern]) -> tuple[HostPattern, ...]:
    return _listed(partial(HostPattern.parse, ports=False), items)


def _ports(items: Iterable[str | int | PortPattern]) -> tuple[PortPattern, ...]:
    if isinstance(items, str):
        raise ValueError(f"{items!r} must be in a list")  # noqa: TRY004 - as above
    return tuple(
        item if isinstance(item, PortPattern) else PortPattern.parse(item)
        for item in items
    )


@frozen(kw_only=True)
class FilesystemGrants:
    """Which files may be used, and how."""

    read: tuple[PathPattern, ...] = field(default=(), converter=_paths)
    write: tuple[PathPattern, ...] = field(default=(), converter=_paths)
    delete: tuple[PathPattern, ...] = field(default=(), converter=_paths)
    list: tuple[PathPattern, ...] = field(default=(), converter=_paths)


@frozen(kw_only=True)
class NetworkGrants:
    """Which hosts may be reached, which ports listened on, which names resolved."""

    outbound: tuple[HostAndPorts, ...] = field(default=(), converter=_hosts_and_ports)
    inbound: tuple[Ports, ...] = field(default=(), converter=_ports)
    resolve: tuple[HostAlone, ...] = field(default=(), converter=_hosts)


@frozen(kw_only=True)
class StorageGrants:
    """Which keys may be used; ``component:self`` stands for the component's own."""

    read: tuple[KeyPattern, ...] = field(default=(), converter=_keys)
    write: tuple[KeyPattern, ...] = field(default=(), converter=_keys)
    delete: tuple[KeyPattern, ...] = field(default=(), converter=_keys)


@frozen(kw_only=True)
class MessagingGrants:
    """Which actors may be sent to, asked or listened to, and which topics used."""

    send: tuple[NamePattern, ...] = field(default=(), converter=_names)
    request: tuple[NamePattern, ...] = field(default=(), converter=_names)
    publish: tuple[TopicPattern, ...] = field(default=(), converter=_topics)
    subscribe: tuple[TopicPattern, ...] = field(default=(), converter=_topics)
    receive: tuple[NamePattern, ...] = field(default=(), converter=_names)


@frozen(kw_only=True)
class ProcessGrants:
    """Which programs may be started, with which variables, and whose be signalled."""

    spawn: tuple[PathPattern, ...] = field(default=(), converter=_paths)
    environment: tuple[KeyPattern, ...] = field(default=(), converter=_keys)
    """Names of variables that the component may set for its programs."""
    signal: tuple[Whose, ...] = field(default=(), converter=_whoses)


INTERFACE: Final = "[a-z][a-z0-9-]*(:[a-z][a-z0-9-]*)+(/[a-z][a-z0-9-]*)*"


def check_interface(_: object, __: object, name: str) -> None:
    """Refuse what names no interface, as an attrs validator does."""
    if not re.fullmatch(INTERFACE, name):
        raise ValueError(
            f"{name!r} is no name of an interface: use 'namespace:package/interface', "
            "without a version"
        )


@frozen
class CustomGrant:
    """That an interface of the host may be used, and on what."""

    name: Annotated[str, "interface"] = field(validator=check_interface)
    """The interface, such as ``acme:kv/store``."""
    allow: tuple[KeyPattern, ...] = field(default=(), converter=_keys)
    """Patterns over what the host's ``needs=`` gives."""


def customs(
    items: Mapping[str, Iterable[str | Pattern]] | Iterable[CustomGrant],
) -> tuple[CustomGrant, ...]:
    """Read custom grants: ready made, or the patterns of each interface."""
    if isinstance(items, Mapping):
        # Not made a tuple here: of a string that would be its characters.
        return tuple(starmap(CustomGrant, items.items()))
    return tuple(items)


@frozen(kw_only=True)
class Sections:
    """The sections of grants that a file gives; one that is None is not given.

    These fields are the one list of sections, which `SECTIONS` is made of.
    """

    filesystem: FilesystemGrants | None = None
    network: NetworkGrants | None = None
    storage: StorageGrants | None = None
    messaging: MessagingGrants | None = None
    process: ProcessGrants | None = None
    custom: tuple[CustomGrant, ...] | None = None

    def __iter__(self) -> Iterator[tuple[str, object]]:
        """Go through the sections that are given: name, grants."""
        for name in SECTIONS:
            section = getattr(self, name)
            if section is not None:
                yield name, section


SECTIONS: Final = tuple(key.name for key in fields(Sections))
"""The names of all sections, in the order in which they are shown."""
Section: TypeAlias = Annotated[str, "section"]
"""The name of a section, as a key of a table."""
