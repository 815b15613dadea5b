"""What host functions need: one class for each section of grants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final, Literal, TypeAlias, get_args

from attrs import field, frozen

__all__ = (
    "KINDS",
    "PHRASES",
    "Capability",
    "Custom",
    "Denial",
    "Excess",
    "Filesystem",
    "Messaging",
    "Network",
    "Process",
    "Storage",
    "uncovered",
    "without_version",
    "words",
)


@frozen
class Messaging:
    """To send to or ask an actor, to take messages from one, or to use a topic."""

    section: ClassVar[Literal["messaging"]] = "messaging"
    action: Literal["send", "request", "publish", "subscribe", "receive"]
    target: str
    """An actor's id; a topic to publish to; a topic pattern to subscribe to."""

    def __str__(self) -> str:
        return words(self.section, self.action, self.target)


@frozen
class Filesystem:
    """To use a file or a folder."""

    section: ClassVar[Literal["filesystem"]] = "filesystem"
    action: Literal["read", "write", "delete", "list"]
    target: str
    """An absolute path in normal form: no symlink, no ``..``."""

    def __str__(self) -> str:
        return words(self.section, self.action, self.target)


@frozen
class Network:
    """To reach a host, to listen on a port, or to look a name up."""

    section: ClassVar[Literal["network"]] = "network"
    action: Literal["outbound", "inbound", "resolve"]
    target: str
    """``name:443``, ``1.2.3.4:443`` or ``[2001:db8::1]:443``; a port; a name."""

    def __str__(self) -> str:
        return words(self.section, self.action, self.target)


@frozen
class Storage:
    """To use a key of the component's own."""

    section: ClassVar[Literal["storage"]] = "storage"
    action: Literal["read", "write", "delete"]
    target: str
    """``component:self/`` and the key."""

    def __str__(self) -> str:
        return words(self.section, self.action, self.target)


@frozen
class Process:
    """To start a program, to set a variable for it, or to send it signals."""

    section: ClassVar[Literal["process"]] = "process"
    action: Literal["spawn", "environment", "signal"]
    target: str
    """The program's absolute path in normal form; a variable's name; ``own`` for
    signals."""

    def __str__(self) -> str:
        return words(self.section, self.action, self.target)


def without_version(name: str) -> str:
    """Return an interface's name without its version."""
    return name.partition("@")[0]


@frozen
class Custom:
    """To do what the words of a host extension mean."""

    section: ClassVar[Literal["custom"]] = "custom"
    action: str = field(converter=without_version, alias="name")
    """The interface, such as ``acme:kv/store``; a version is dropped."""
    target: str = field(converter=str, default="", alias="argument")
    """What it is used on, as the host's ``needs=`` gives it."""

    def __str__(self) -> str:
        return words(self.section, self.action, self.target)


Capability: TypeAlias = Filesystem | Network | Storage | Messaging | Process | Custom
"""What a host function can need."""
KINDS: Final[Mapping[str, Callable[..., Capability]]] = {
    kind.section: kind for kind in get_args(Capability)
}
"""The classes of capabilities by the sections that grant them."""


@frozen
class Denial:
    """Why a capability is refused."""

    section: str
    action: str
    """Empty: any of the section."""
    target: str
    reason: str
    granted: tuple[str, ...] = ()
    """The grants of the same kind, in words."""
    attempt: str = ""
    """What was tried, in words, where those of the capability do not say it."""

    @property
    def needed(self) -> str:
        """The capability in words, such as ``send to 'acme/billing'``."""
        return self.attempt or words(self.section, self.action, self.target)


def uncovered(granted: Iterable[str] = (), *, more: int = 0) -> str:
    """Say that none of some grants, in words, covers what is needed.

    Args:
        granted: Those to name.
        more: How many others there are.
    """
    said = [*granted, *([f"{more:_} more"] if more else [])]
    return f"no grant covers it (granted: {', '.join(said) or 'nothing'})"


@frozen
class Excess:
    """What some grants allow beyond others."""

    section: str
    action: str = ""
    """Empty: any of the section."""
    target: str = ""
    """A pattern."""
    clause: str = ""
    """Which part of that, where it is not all: ``, which is forbidden``."""

    def __str__(self) -> str:
        return words(self.section, self.action, self.target) + self.clause


PHRASES: Final[Mapping[tuple[str, str], str]] = {
    ("filesystem", "read"): "read",
    ("filesystem", "write"): "write",
    ("filesystem", "delete"): "delete",
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
    ("process", "spawn"): "spawn",
    ("process", "environment"): "set variable",
    ("process", "signal"): "signal",
}
"""The verbs for actions, by section and action."""


def words(section: str, action: str, target: str) -> str:
    """Put a capability, or a grant of one, into words.

    Args:
        section: Such as ``messaging``.
        action: Such as ``send``; for ``custom`` the interface; empty: any of them.
        target: What it is done to; a pattern, in a grant.
    """
    if not action:
        return f"use {section!r}"
    if section == "custom":
        return f"use {action!r} on {target!r}" if target else f"use {action!r}"
    return f"{PHRASES.get((section, action), action)} {target!r}"
