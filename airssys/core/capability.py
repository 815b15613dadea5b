"""Say what a component may do: the capabilities it needs and the grants it holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Annotated, ClassVar, Final, Literal, TypeAlias, TypeVar

from attrs import field, fields, frozen

from .errors import ManifestError
from .hosts import HostPattern, PortPattern
from .pattern import AnyPattern, Kind, Pattern, covers, matcher

__all__ = (
    "INTERFACE",
    "PATTERN_KINDS",
    "Capability",
    "Custom",
    "CustomGrant",
    "Denial",
    "Filesystem",
    "FilesystemGrants",
    "Grants",
    "Messaging",
    "MessagingGrants",
    "Network",
    "NetworkGrants",
    "Process",
    "ProcessGrants",
    "Storage",
    "StorageGrants",
    "check_interface",
)

_P = TypeVar("_P")


# --- what is needed ---------------------------------------------------------------


@frozen
class Messaging:
    """To send to or ask an actor, to take messages from one, or to use a topic."""

    section: ClassVar[Literal["messaging"]] = "messaging"
    action: Literal["send", "request", "publish", "subscribe", "receive"]
    target: str
    """An actor's id; a topic to publish to; a topic pattern to subscribe to."""

    def __str__(self) -> str:
        return _words(self.section, self.action, self.target)


@frozen
class Filesystem:
    """To use a file or a folder."""

    section: ClassVar[Literal["filesystem"]] = "filesystem"
    action: Literal["read", "write", "delete", "list"]
    target: str
    """An absolute path in normal form: no symlink, no ``..``."""

    def __str__(self) -> str:
        return _words(self.section, self.action, self.target)


@frozen
class Network:
    """To reach a host, to listen on a port, or to look a name up."""

    section: ClassVar[Literal["network"]] = "network"
    action: Literal["outbound", "inbound", "resolve"]
    target: str
    """``name:443``, ``1.2.3.4:443`` or ``[2001:db8::1]:443``; a port; a name."""

    def __str__(self) -> str:
        return _words(self.section, self.action, self.target)


@frozen
class Storage:
    """To use a key of the component's own."""

    section: ClassVar[Literal["storage"]] = "storage"
    action: Literal["read", "write", "delete"]
    target: str
    """``component:self/`` and the key."""

    def __str__(self) -> str:
        return _words(self.section, self.action, self.target)


@frozen
class Process:
    """To start a program, or to send signals to what was started."""

    section: ClassVar[Literal["process"]] = "process"
    action: Literal["spawn", "signal"]
    target: str
    """The program's absolute path in normal form; ``own`` for signals."""

    def __str__(self) -> str:
        return _words(self.section, self.action, self.target)


def _without_version(name: str) -> str:
    return name.partition("@")[0]


@frozen
class Custom:
    """To do what the words of a host extension mean."""

    section: ClassVar[Literal["custom"]] = "custom"
    action: str = field(converter=_without_version, alias="name")
    """The interface, such as ``acme:kv/store``; a version is dropped."""
    target: str = field(converter=str, default="", alias="argument")
    """What it is used on, as the host's ``needs=`` gives it."""

    def __str__(self) -> str:
        return _words(self.section, self.action, self.target)


Capability: TypeAlias = (
    Filesystem | Network | Storage | Messaging | Process | Custom
)
"""What a host function can need."""


@frozen
class Denial:
    """Why a capability is refused: no grant covers it."""

    needed: str
    """The capability in words, such as ``send to 'acme/billing'``."""
    granted: tuple[str, ...]
    """The grants of the same kind, in the same words."""

    @property
    def reason(self) -> str:
        return f"no grant covers it (granted: {', '.join(self.granted) or 'nothing'})"


# --- what is granted --------------------------------------------------------------

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


def _names(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _listed(partial(Pattern.parse, kind=Kind.NAME), items)


def _topics(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _listed(partial(Pattern.parse, kind=Kind.TOPIC), items)


def _keys(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _listed(partial(Pattern.parse, kind=Kind.KEY), items)


def _paths(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _listed(partial(Pattern.parse, kind=Kind.PATH), items)


def _whoses(items: Iterable[str | Pattern]) -> tuple[Pattern, ...]:
    return _listed(_whose, items)


def _hosts_and_ports(items: Iterable[str | HostPattern]) -> tuple[HostPattern, ...]:
    return _listed(HostPattern.parse, items)


def _hosts(items: Iterable[str | HostPattern]) -> tuple[HostPattern, ...]:
    return _listed(partial(HostPattern.parse, ports=False), items)


def _ports(items: Iterable[str | int | PortPattern]) -> tuple[PortPattern, ...]:
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
    """Which programs may be started, and whose processes be sent signals."""

    spawn: tuple[PathPattern, ...] = field(default=(), converter=_paths)
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


def _customs(
    items: Mapping[str, Iterable[str | Pattern]] | Iterable[CustomGrant],
) -> tuple[CustomGrant, ...]:
    if isinstance(items, Mapping):
        return tuple(CustomGrant(name, tuple(allow)) for name, allow in items.items())
    return tuple(items)


@frozen(kw_only=True)
class Grants:
    """All that a component may do; nothing, unless told otherwise.

    >>> Grants(
    ...     messaging=MessagingGrants(send=["acme/*"]),
    ...     custom={"acme:kv/store": ["bucket-a"]},
    ... ).check(Messaging("send", "acme/billing"))
    """

    filesystem: FilesystemGrants = FilesystemGrants()
    network: NetworkGrants = NetworkGrants()
    storage: StorageGrants = StorageGrants()
    messaging: MessagingGrants = MessagingGrants()
    process: ProcessGrants = ProcessGrants()
    custom: tuple[CustomGrant, ...] = field(default=(), converter=_customs)
    # A check is a look-up here and one run of what was compiled.
    _checks: dict[tuple[str, str], Callable[[str], object]] = field(
        init=False, factory=dict, eq=False, repr=False
    )

    def check(
        self, capability: Capability, now: float | None = None
    ) -> Denial | None:
        """Return why the capability is refused, or None where a grant covers it.

        Args:
            capability: What is needed.
            now: The wall clock, in seconds since 1970, for grants that expire.
        """
        key = (capability.section, capability.action)
        allows = self._checks.get(key)
        if allows is None:
            granted = self.patterns(*key)
            if not granted:
                return Denial(str(capability), ())
            allows = self._checks[key] = _compiled(*key, granted)
        if allows(capability.target):
            return None
        return Denial(
            str(capability),
            tuple(_words(*key, str(pattern)) for pattern in self.patterns(*key)),
        )

    def patterns(self, section: str, action: str) -> tuple[AnyPattern, ...]:
        """Return what is granted for an action; for ``custom`` that is an interface."""
        if section == "custom":
            return tuple(
                pattern
                for grant in self.custom
                if grant.name == action
                for pattern in grant.allow
            )
        granted: tuple[AnyPattern, ...] = getattr(getattr(self, section), action)
        return granted

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The interfaces granted under ``custom``, without versions."""
        return tuple(dict.fromkeys(grant.name for grant in self.custom))

    def offers(self, interface: str) -> bool:
        """Tell whether an interface, with or without its version, is granted."""
        return _without_version(interface) in self.interfaces

    def covers(self, other: Grants) -> bool:
        """Tell whether the other grants allow nothing that these do not."""
        return not self.widened_by(other)

    def widened_by(self, other: Grants) -> tuple[str, ...]:
        """Say in words what the other grants allow beyond these."""
        beyond = [
            _words(section, action, str(pattern))
            for section, action, pattern in other
            if not covers(self.patterns(section, action), pattern)
        ]
        beyond.extend(
            f"use {name!r}" for name in other.interfaces if name not in self.interfaces
        )
        return tuple(beyond)

    def attenuate(self, other: Grants, *, source: str = "capabilities") -> Grants:
        """Narrow these grants to the other ones.

        Args:
            other: What is to be allowed, all of it. A pattern must be covered by a
                single one of these grants.
            source: Where the other grants come from, for the error.

        Raises:
            ManifestError: The other grants would widen these; lists every one that
                would.
        """
        if beyond := self.widened_by(other):
            raise ManifestError(
                source,
                tuple(f"may not {words}: no grant covers it" for words in beyond),
            )
        return other

    def __iter__(self) -> Iterator[tuple[str, str, AnyPattern]]:
        """Go through all grants: section, action, pattern."""
        for section in _SECTIONS:
            granted = getattr(self, section)
            for action in fields(type(granted)):
                for pattern in getattr(granted, action.name):
                    yield section, action.name, pattern
        for grant in self.custom:
            for pattern in grant.allow:
                yield "custom", grant.name, pattern


_REMEMBERED: Final = 256
"""Topic patterns whose answer is kept: telling what covers what takes some 20 µs."""
_SECTIONS: Final = ("filesystem", "network", "storage", "messaging", "process")


def _compiled(
    section: str, action: str, granted: tuple[AnyPattern, ...]
) -> Callable[[str], object]:
    if section == "messaging" and action == "subscribe":
        return lru_cache(_REMEMBERED)(partial(_allows_pattern, granted))
    return matcher(one for one in granted if isinstance(one, Pattern))


def _allows_pattern(granted: Iterable[AnyPattern], text: str) -> bool:
    try:
        wanted = Pattern.parse(text, Kind.TOPIC)
    except ValueError:
        return False
    return covers(granted, wanted)


_PHRASES: Final[Mapping[tuple[str, str], str]] = {
    ("filesystem", "list"): "list",
    ("network", "outbound"): "connect to",
    ("network", "inbound"): "listen on",
    ("network", "resolve"): "resolve",
    ("storage", "read"): "read key",
    ("storage", "write"): "write key",
    ("storage", "delete"): "delete key",
    ("messaging", "send"): "send to",
    ("messaging", "request"): "request from",
    ("messaging", "publish"): "publish to",
    ("messaging", "subscribe"): "subscribe to",
    ("messaging", "receive"): "receive from",
    ("process", "signal"): "signal",
}


def _words(section: str, action: str, target: str) -> str:
    if section == "custom":
        return f"use {action!r} on {target!r}" if target else f"use {action!r}"
    return f"{_PHRASES.get((section, action), action)} {target!r}"
