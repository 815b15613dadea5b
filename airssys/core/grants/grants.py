"""Check what a component needs against what it is granted."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from math import isnan
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve, field, fields, frozen

from ..errors import ManifestError
from ..steps import Meter, to_the_end
from ..texts import LONGEST_TEXT, cut
from ..units import show_moment
from .capabilities import (
    Capability,
    Denial,
    Excess,
    Messaging,
    uncovered,
    without_version,
    words,
)
from .hosts import host_matcher
from .pattern import (
    AnyPattern,
    Patterns,
    containing,
    covering,
    matcher,
    overlapping,
)
from .sections import (
    SECTIONS,
    CustomGrant,
    FilesystemGrants,
    MessagingGrants,
    NetworkGrants,
    ProcessGrants,
    Sections,
    StorageGrants,
    customs,
)
from .spelling import LONGEST_MATCHED
from .subscribing import subscription_check

__all__ = ("NO_GRANTS", "Grants")


_NEVER: Final[Mapping[str, float]] = MappingProxyType({})


def _moments(moments: Mapping[str, float]) -> Mapping[str, float]:
    if unknown := sorted(set(moments) - set(SECTIONS)):
        raise ValueError(f"{unknown[0]!r} is no section of grants")
    if nowhen := [section for section, end in moments.items() if isnan(end)]:
        raise ValueError(f"when {nowhen[0]!r} expires must be a number")
    return MappingProxyType(dict(moments))


def _plain(_: object, __: object, forbidden: Grants | None) -> None:
    if forbidden is not None and (forbidden.forbidden or forbidden.expires):
        raise ValueError("what is forbidden cannot expire, nor forbid in turn")


@frozen(kw_only=True)
class Grants:
    """All that a component may do; nothing, unless it is given here.

    >>> Grants(
    ...     messaging=MessagingGrants(send=["acme/*"]),
    ...     custom={"acme:kv/store": ["bucket-a"]},
    ... ).check(Messaging("send", "acme/billing"))
    """

    filesystem: FilesystemGrants = field(factory=FilesystemGrants)
    network: NetworkGrants = field(factory=NetworkGrants)
    storage: StorageGrants = field(factory=StorageGrants)
    messaging: MessagingGrants = field(factory=MessagingGrants)
    process: ProcessGrants = field(factory=ProcessGrants)
    custom: tuple[CustomGrant, ...] = field(default=(), converter=customs)
    expires: Mapping[str, float] = field(factory=dict, converter=_moments, hash=False)
    """By section: when its grants end, in seconds since 1970 by the wall clock."""
    forbidden: Grants | None = field(default=None, validator=_plain)
    """What is refused whatever is granted. An interface under ``custom`` that has no
    patterns is forbidden as a whole."""
    # A check is a look-up here and one run of what was compiled.
    _checks: dict[tuple[str, str], Callable[[str], object]] = field(
        init=False, factory=dict, eq=False, repr=False
    )
    _bans: dict[tuple[str, str], Callable[[str], object]] = field(
        init=False, factory=dict, eq=False, repr=False
    )
    _in_words: dict[tuple[str, str], tuple[tuple[str, ...], str]] = field(
        init=False, factory=dict, eq=False, repr=False
    )
    """The grants for an action, in words, and why they cover no more."""

    @classmethod
    def of(cls, sections: Sections, expires: Mapping[str, float] = _NEVER) -> Grants:
        """Return the grants that a file gives; of a section that is missing, none."""
        given: dict[str, Any] = dict(sections)
        return cls(**given, expires=expires)

    def check(self, capability: Capability, now: float | None = None) -> Denial | None:
        """Return why the capability is refused, or None where a grant covers it.

        Args:
            capability: What is needed.
            now: Seconds since 1970 by the wall clock. Without it nothing is granted of
                a section that expires.
        """
        section = capability.section
        key = (section, capability.action)
        allows = self._checks.get(key)
        if allows is None:
            allows = self._compile(key)
        if (
            allows(capability.target)
            and (self.forbidden is None or not self._banned(key, capability.target))
            and (not self.expires or not self._ended(section, now))
        ):
            return None
        return self._denial(capability, now)

    def hears(self, topic: str, now: float | None = None) -> Denial | None:
        """Return why a message of a topic may not be taken; None where it may.

        A subscription is checked by its pattern; this is for what it brought. Not
        every topic is a pattern as well.
        """
        allows = self._checks.get(_HEAR)
        if allows is None:
            granted = matcher(self.messaging.subscribe)
            banned = matcher(
                () if self.forbidden is None else self.forbidden.messaging.subscribe
            )
            allows = self._checks[_HEAR] = lambda topic: (
                granted(topic) and not banned(topic)
            )
        if allows(topic) and not self._ended("messaging", now):
            return None
        return self._denial(Messaging("subscribe", topic), now)

    def reaches(self, host: str, now: float | None = None) -> bool:
        """Tell whether a connection to a host is granted, at whatever port.

        What the host forbids at some ports only is not forbidden as a whole.

        Args:
            host: A name, or an address, as `Network` has it before the port.
            now: As for `check`.
        """
        allows = self._checks.get(_REACH)
        if allows is None:
            banned = () if self.forbidden is None else self.forbidden.network.outbound
            granted = host_matcher(
                evolve(each, ports=None) for each in self.network.outbound
            )
            closed = host_matcher(
                (evolve(each, ports=None) for each in banned if str(each.ports) == "*"),
                forbidding=True,
            )
            allows = self._checks[_REACH] = lambda host: (
                granted(host) and not closed(host)
            )
        return bool(allows(host)) and not self._ended("network", now)

    def forbids(self, capability: Capability) -> Denial | None:
        """Return a denial where the host forbids the capability, granted or not.

        For a capability that follows from the grant of another one: the address that a
        granted name leads to.
        """
        key = (capability.section, capability.action)
        if self._banned(key, capability.target):
            return Denial(*key, capability.target, _FORBIDDEN)
        return None

    def _compile(self, key: tuple[str, str]) -> Callable[[str], object]:
        granted = self.patterns(*key)
        if not granted:
            # Not kept: there is no end of names under ``custom``.
            return _never
        allows = self._checks[key] = (
            subscription_check(granted) if key == _SUBSCRIBE else matcher(granted)
        )
        return allows

    def _banned(self, key: tuple[str, str], target: str) -> object:
        if self.forbidden is None:
            return False
        bans = self._bans.get(key)
        if bans is None:
            if self.forbidden.closes(*key):
                return True
            patterns = self.forbidden.patterns(*key)
            if not patterns and key[0] == "custom":
                return False  # not kept, as above
            bans = self._bans[key] = (
                subscription_check(patterns, forbidding=True)
                if key == _SUBSCRIBE
                else matcher(patterns, forbidding=True)
            )
        return bans(target)

    def _ended(self, section: str, now: float | None) -> bool:
        end = self.expires.get(section)
        return end is not None and (now is None or now >= end)

    def _denial(self, capability: Capability, now: float | None) -> Denial:
        key = (capability.section, capability.action)
        granted, reason = self._in_words.get(key, (None, ""))
        if granted is None:
            held = self.patterns(*key)
            granted = tuple(_first_words(key, held))
            reason = uncovered(granted, more=len(held) - len(granted))
            if granted:
                self._in_words[key] = granted, reason
        target = capability.target
        if self._banned(key, target):
            reason = _FORBIDDEN
        elif len(target) > LONGEST_MATCHED:
            target = cut(target)
            reason = f"it has more than {LONGEST_MATCHED:_} characters"
        elif self._ended(capability.section, now) and self._compile(key)(
            capability.target
        ):
            end = show_moment(self.expires[capability.section])
            reason = f"the grant expired at {end}"
            if now is None:
                reason = f"the grant expires at {end}, and the time is not known"
        return Denial(*key, target, reason, granted)

    def reach(self, section: str, action: str, start: str) -> bool:
        """Tell whether something that begins so is granted; not for hosts or topics."""
        return self.patterns(section, action).compiled.reaches(start)

    def patterns(self, section: str, action: str) -> Patterns[AnyPattern]:
        """Return what is granted for an action; for ``custom`` that is an interface."""
        if section == "custom":
            return self._customs.get(action, _NO_PATTERNS)
        return Patterns.of(getattr(getattr(self, section), action))

    def closes(self, section: str, action: str) -> bool:
        """Tell whether these, forbidden, forbid a whole interface of ``custom``."""
        return section == "custom" and action in self._closed

    @cached_property
    def _customs(self) -> dict[str, Patterns[AnyPattern]]:
        """The patterns of each interface under ``custom``."""
        found: dict[str, list[tuple[AnyPattern, ...]]] = {}
        for grant in self.custom:
            found.setdefault(grant.name, []).append(grant.allow)
        return {
            name: Patterns.of(lists[0] if len(lists) == 1 else chain(*lists))
            for name, lists in found.items()
        }

    @cached_property
    def _closed(self) -> frozenset[str]:
        """The interfaces under ``custom`` that are there without patterns."""
        return frozenset(grant.name for grant in self.custom if not grant.allow)

    @cached_property
    def interfaces(self) -> tuple[str, ...]:
        """The interfaces granted under ``custom``, without versions."""
        closed = self.forbidden
        if closed is None:
            return tuple(self._customs)
        return tuple(
            name for name in self._customs if not closed.closes("custom", name)
        )

    def offers(self, interface: str, now: float | None = None) -> bool:
        """Tell whether an interface, with or without its version, is granted.

        Args:
            interface: Its name.
            now: As for `check`.
        """
        name, closed = without_version(interface), self.forbidden
        return (
            name in self._customs
            and not (closed is not None and closed.closes("custom", name))
            and not self._ended("custom", now)
        )

    def holds(self, section: str, now: float | None = None) -> bool:
        """Tell whether what is granted of a section holds still; ``now`` as above."""
        return not self._ended(section, now)

    def at(self, now: float) -> Grants:
        """Return these grants without the sections that have expired."""
        left = self
        for section in self.expires:
            if self._ended(section, now):
                left = left.without(section)
        return left

    def without(self, section: str, action: str | None = None) -> Grants:
        """Return these grants less a section, or one action of it, as to revoke it.

        Args:
            section: Such as ``network``.
            action: Such as ``outbound``; for ``custom`` an interface. None: all.

        Raises:
            ValueError: There is no such section or action.
        """
        if section not in SECTIONS:
            raise ValueError(
                f"{section!r} is no section of grants (known: {', '.join(SECTIONS)})"
            )
        changes: dict[str, Any]
        if section == "custom":
            name = None if action is None else without_version(action)
            kept = (one for one in self.custom if name not in (None, one.name))
            changes = {"custom": tuple(kept)}
        else:
            held = getattr(self, section)
            names = [one.name for one in fields(type(held))]
            if action is not None and action not in names:
                raise ValueError(
                    f"{action!r} is no action of {section!r} "
                    f"(known: {', '.join(names)})"
                )
            gone = names if action is None else [action]
            changes = {section: evolve(held, **dict.fromkeys(gone, ()))}
        return evolve(self, **changes)

    def covers(self, other: Grants) -> bool:
        """Tell whether the other grants allow nothing that these do not."""
        return not self.excess(other)

    def widened_by(self, other: Grants) -> tuple[str, ...]:
        """Say in words what the other grants allow beyond these."""
        return tuple(map(str, self.excess(other)))

    def excess(self, other: Grants) -> tuple[Excess, ...]:
        """Return what the other grants allow beyond these.

        What cannot be told in a few million steps counts as allowed beyond these.
        """
        return to_the_end(self.exceeding(other))

    def exceeding(self, other: Grants) -> Generator[int, None, tuple[Excess, ...]]:
        """Return what `excess` does, in pieces; yield how many steps each took."""
        meter = Meter(_MOST_STEPS)
        beyond: list[Excess] = []
        for section, action, pattern in other:
            if not (
                yield from meter.bound(
                    self._covering(section, action, pattern), otherwise=False
                )
            ):
                beyond.append(Excess(section, action, str(pattern)))
        mine = set(self.interfaces)
        beyond.extend(
            Excess("custom", name) for name in other.interfaces if name not in mine
        )
        beyond.extend(
            Excess(section, clause=f" after {show_moment(end)}")
            for section, end in self.expires.items()
            if other._has(section) and not other._ended(section, end)
        )
        for section, action, pattern in self.forbidden or ():
            if (
                yield from meter.bound(
                    other._leaving_open(section, action, pattern), otherwise=True
                )
            ):
                clause = ", which is forbidden"
                beyond.append(Excess(section, action, str(pattern), clause))
        return tuple(dict.fromkeys(beyond))

    def _has(self, section: str) -> bool:
        """Tell whether anything of a section is granted."""
        if section == "custom":
            return bool(self.custom)
        return any(here == section for here, _, _ in self)

    def _covering(
        self, section: str, action: str, pattern: AnyPattern
    ) -> Generator[int, None, bool]:
        """Tell whether one of these grants covers a pattern, in pieces."""
        granted = self.patterns(section, action)
        if pattern in granted.known:
            return True
        return (yield from covering(granted, pattern))

    def _leaving_open(
        self, section: str, action: str, pattern: AnyPattern
    ) -> Generator[int, None, bool]:
        """Tell whether something of what another forbids is allowed here."""
        if not (yield from overlapping(self.patterns(section, action), pattern)):
            return False
        mine = self.forbidden
        return mine is None or not (
            mine.closes(section, action)
            or (yield from containing(mine.patterns(section, action), pattern))
        )

    def in_force(
        self,
    ) -> Generator[int, None, tuple[tuple[str, str, AnyPattern], ...]]:
        """Return all grants but those that the host forbids as a whole, in pieces.

        Each is its section, its action and its pattern. What cannot be told in a few
        million steps counts as not forbidden.
        """
        meter = Meter(_MOST_STEPS)
        forbidden = self.forbidden
        left = []
        for section, action, pattern in self:
            yield 1
            if forbidden is None or not (
                forbidden.closes(section, action)
                or (
                    yield from meter.bound(
                        containing(forbidden.patterns(section, action), pattern),
                        otherwise=False,
                    )
                )
            ):
                left.append((section, action, pattern))
        return tuple(left)

    def attenuate(self, other: Grants, *, source: str = "capabilities") -> Grants:
        """Narrow these grants to the other ones.

        What is forbidden stays so, and a section that expires still does where the
        other grants do not say that it does so earlier.

        Args:
            other: What is to be allowed, all of it. A pattern must be covered by a
                single one of these grants.
            source: Where the other grants come from, for the error.

        Raises:
            ManifestError: The other grants would widen these; lists every one that
                would.
        """
        narrowed = evolve(
            other,
            expires={**self.expires, **other.expires},
            forbidden=_both(self.forbidden, other.forbidden),
        )
        if beyond := self.widened_by(narrowed):
            raise ManifestError(
                source,
                tuple(f"may not {words}: no grant covers it" for words in beyond),
            )
        return narrowed

    def forbidding(self, forbidden: Grants | None) -> Grants:
        """Return these grants with more that is forbidden."""
        if forbidden in (None, NO_GRANTS):
            return self
        return evolve(self, forbidden=_both(self.forbidden, forbidden))

    def __iter__(self) -> Iterator[tuple[str, str, AnyPattern]]:
        """Go through all grants: section, action, pattern."""
        for section in _WITH_ACTIONS:
            granted = getattr(self, section)
            for action in fields(type(granted)):
                for pattern in getattr(granted, action.name):
                    yield section, action.name, pattern
        for grant in self.custom:
            for pattern in grant.allow:
                yield "custom", grant.name, pattern


NO_GRANTS: Final = Grants()
"""Nothing at all; making it anew takes some 20 µs."""


def _both(one: Grants | None, other: Grants | None) -> Grants | None:
    """Return all that either forbids."""
    if one is None or other is None or one == other:
        return other if one is None else one
    joined: dict[str, Any] = {"custom": tuple(dict.fromkeys(one.custom + other.custom))}
    for section in _WITH_ACTIONS:
        mine, theirs = getattr(one, section), getattr(other, section)
        joined[section] = evolve(
            mine,
            **{
                name: tuple(dict.fromkeys(getattr(mine, name) + getattr(theirs, name)))
                for name in (action.name for action in fields(type(mine)))
            },
        )
    return Grants(**joined)


_WITH_ACTIONS: Final = tuple(name for name in SECTIONS if name != "custom")
_NO_PATTERNS: Final[Patterns[AnyPattern]] = Patterns()
_FORBIDDEN: Final = "the host forbids it"
_SUBSCRIBE: Final = ("messaging", "subscribe")
_HEAR: Final = ("messaging", "hear")
_REACH: Final = ("network", "reach")
_MOST_STEPS: Final = 2_000_000
"""Steps to compare some grants with others before the answer refuses: a second or two,
which who wants it takes in pieces, or in another thread."""


def _first_words(key: tuple[str, str], patterns: Iterable[AnyPattern]) -> Iterator[str]:
    """Put patterns into words, as many as anybody reads."""
    room = LONGEST_TEXT
    for pattern in patterns:
        said = words(*key, str(pattern))
        room -= len(said)
        if room < 0:
            return
        yield said


def _never(_: str) -> bool:
    return False
