"""The sections of a component's grants: which patterns each action takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice, starmap
from typing import Annotated, Final, TypeAlias, TypeVar

from attrs import field, fields, frozen

from .hosts import HostPattern, PortPattern
from .pattern import AnyPattern, Pattern, Patterns
from .spelling import MOST_PATTERNS, MOST_TOGETHER, MOST_TOPICS, Kind

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

_I = TypeVar("_I")
_P = TypeVar("_P", bound=AnyPattern)
_SHORT: Final = 64
"""Characters of a pattern that cannot be too large by itself."""

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


def _few(items: Iterable[_I], most: int = MOST_PATTERNS) -> tuple[_I, ...]:
    """Return what is in a list. Raises ValueError where that is too much."""
    if isinstance(items, str):
        raise ValueError(f"{items!r} must be in a list")  # noqa: TRY004 - of values
    found = tuple(islice(items, most + 1))
    if len(found) > most:
        raise ValueError(f"there are too many patterns in a list (at most {most:_})")
    return found


def _listed(
    parse: Callable[[str], _P], items: Iterable[str | _P], most: int = MOST_PATTERNS
) -> Patterns[_P]:
    if isinstance(items, Patterns):
        return items  # it was checked before
    few = _few(items, most)
    return Patterns(parse(item) if isinstance(item, str) else item for item in few)


def _prepared(parse: Callable[[str], _P], items: Iterable[str | _P]) -> Patterns[_P]:
    return _listed(parse, items).prepared()


def _matched(kind: Kind, items: Iterable[str | Pattern]) -> Patterns[Pattern]:
    """Read patterns that are matched all at once, which must not take too long."""
    if isinstance(items, Patterns):
        return items
    most = MOST_TOPICS if kind is Kind.TOPIC else MOST_PATTERNS
    patterns = _listed(partial(Pattern.parse, kind=kind), items, most)
    if len(patterns) > 1 or any(len(one.text) > _SHORT for one in patterns):
        held = patterns.compiled
        written = len(held.texts) + len(held.parts) - 2 * len(patterns)
        if written > MOST_TOGETHER // 2 or held.size > MOST_TOGETHER:
            raise ValueError(
                "these patterns are too large together: written out they have "
                f"{held.size:_} characters or segments from their first wildcards on "
                f"(at most {MOST_TOGETHER:_}), and {max(0, written):_} alternatives "
                f"(at most {MOST_TOGETHER // 2:_})"
            )
    return patterns.prepared()


def _names(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _matched(Kind.NAME, items)


def _topics(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _matched(Kind.TOPIC, items)


def _keys(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _matched(Kind.KEY, items)


def _paths(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _matched(Kind.PATH, items)


def _whoses(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _prepared(_whose, items)


def _hosts_and_ports(items: Iterable[str | HostPattern]) -> tuple[HostPattern, ...]:
    return _prepared(HostPattern.parse, items)


def _hosts(items: Iterable[str | HostPattern]) -> tuple[HostPattern, ...]:
    return _prepared(partial(HostPattern.parse, ports=False), items)


def _ports(items: Iterable[str | int | PortPattern]) -> tuple[PortPattern, ...]:
    if isinstance(items, Patterns):
        return items
    return Patterns(
        item if isinstance(item, PortPattern) else PortPattern.parse(item)
        for item in _few(items)
    ).prepared()


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
        items = starmap(CustomGrant, items.items())
    found: list[CustomGrant] = []
    room = MOST_PATTERNS
    for each in items:
        found.append(each)
        room -= 1 + len(each.allow)
        if room < 0:
            raise ValueError(
                "there are too many interfaces and patterns of custom grants (at most "
                f"{MOST_PATTERNS:_} together)"
            )
    return tuple(found)


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
