"""Match topics, names, keys and paths, and tell which pattern covers which.

A pattern is checked when it is parsed. What it is matched against must be in normal
form already: no ``..``, no symlink, no doubled ``/``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import cached_property
from typing import Final, TypeAlias, TypeVar

from attrs import frozen

from ..steps import to_the_end
from .automaton import Machine, Token
from .hosts import HostPattern, PortPattern, host_matcher, port_matcher
from .index import Index
from .spelling import (
    LONGEST_MATCHED,
    Kind,
    check_glob,
    check_topic_pattern,
    front,
    glob_alternatives,
    is_literal,
    lines_of,
    longest,
    parted,
    topic_tokens,
    without_braces,
)
from .topics import TopicIndex, Topics

__all__ = (
    "AnyPattern",
    "Pattern",
    "Patterns",
    "containing",
    "contains",
    "covering",
    "covers",
    "index",
    "matcher",
    "overlapping",
    "overlaps",
)


_P = TypeVar("_P", bound="AnyPattern")
_MANY: Final = 32
"""Patterns that take more than a moment to compile."""
_TO_COMPARE: Final = 4
"""Steps that it takes to begin to compare two patterns."""


@frozen
class Pattern:
    """A pattern over topics, names, keys or paths.

    In all but topics ``*`` is any run of characters and ``?`` any one character, both
    without ``/``; ``**`` is any run with ``/``, and ``/**/`` may be a single ``/``;
    ``[abc]``, ``[a-z]`` and ``[!abc]`` are one character out of, or not out of, a set;
    ``{a,b}`` is one of the alternatives.
    """

    text: str
    kind: Kind

    @classmethod
    def parse(cls, text: str, kind: Kind) -> Pattern:
        """Check a pattern. It is compiled when it is first used.

        Raises:
            ValueError: The text is no pattern of that kind; says what is allowed.
        """
        most = longest(kind)
        if not 0 < len(text) <= most:
            raise ValueError(
                f"a {kind.value} pattern of {len(text)} characters is not allowed: "
                f"use 1 to {most}"
            )
        if not text.isprintable():
            raise ValueError(f"{kind.value} pattern {text!r} must be printable")
        if kind is Kind.TOPIC:
            check_topic_pattern(text)
        else:
            check_glob(text, kind)
        return cls(text, kind)

    @cached_property
    def alternatives(self) -> tuple[tuple[Token, ...], ...]:
        """What the text stands for: any one of these lines of tokens."""
        if self.kind is Kind.TOPIC:
            return (topic_tokens(self.text),)
        return glob_alternatives(self.text, self.kind)

    @property
    def fronts(self) -> tuple[tuple[str, str], ...]:
        """Each way to write out the braces of a path: what is literal, and the rest.

        The literal part is a whole path, or empty: where ``/srv/img-*/x`` leads from.
        """
        return tuple(map(front, without_braces(self.text, self.kind)))

    @cached_property
    def _machine(self) -> Machine:
        return Machine.build(self.alternatives)

    @cached_property
    def topics(self) -> Topics:
        """What the text of a topic pattern stands for."""
        return Topics(self.alternatives[0])

    @cached_property
    def _match(self) -> Callable[[str], object]:
        return matcher((self,))

    def matches(self, text: str) -> bool:
        """Tell whether the pattern matches a text in normal form.

        Takes time linear in the text, whatever the pattern.
        """
        return bool(self._match(text))

    def covers(self, other: Pattern) -> bool:
        """Tell whether every text that matches the other pattern matches this one."""
        return to_the_end(self.covering(other))

    def covering(self, other: Pattern) -> Generator[int, None, bool]:
        """Tell what `covers` does, in pieces."""
        if self.kind is not other.kind:
            return False
        if self.text == other.text:
            return True
        if not self._may_meet(other):
            return False
        if self.kind is Kind.TOPIC:
            return self.topics.covers(other.topics)
        if is_literal(other.text, other.kind):
            return self.matches(other.text)
        return (yield from self._machine.including(other._machine))

    def overlaps(self, other: Pattern) -> bool:
        """Tell whether a text matches both."""
        return to_the_end(self.overlapping(other))

    def overlapping(self, other: Pattern) -> Generator[int, None, bool]:
        """Tell what `overlaps` does, in pieces."""
        if self.kind is not other.kind or not self._may_meet(other):
            return False
        if self.kind is Kind.TOPIC:
            return self.topics.overlaps(other.topics)
        return (yield from self._machine.meeting(other._machine))

    @cached_property
    def _start(self) -> str:
        """What all that it matches begins with; nothing, for topics."""
        if self.kind is Kind.TOPIC:
            return ""
        starts = [start for start, _ in parted(self.text, self.kind)]
        first, last = min(starts), max(starts)
        end = 0
        while end < min(len(first), len(last)) and first[end] == last[end]:
            end += 1
        return first[:end]

    def _may_meet(self, other: Pattern) -> bool:
        """Tell whether both can match a text by what it begins with."""
        return self._start.startswith(other._start) or other._start.startswith(
            self._start
        )

    def __str__(self) -> str:
        return self.text


def matcher(
    patterns: Iterable[AnyPattern], *, forbidding: bool = False
) -> Callable[[str], object]:
    """Compile patterns of one kind to one function that tells whether any matches.

    The function's answer is truthy or falsy, not always a bool. It takes time linear in
    the text.

    Args:
        patterns: What is granted, or forbidden.
        forbidding: Whether cases of doubt match: the special addresses in a network,
            and port 0, for which the system picks one.
    """
    held = Patterns.of(patterns)
    return held.banning if forbidding else held.granting


class Patterns(tuple[_P, ...]):  # noqa: SLOT001 - what is compiled is kept
    """The patterns of a list, all of one kind, compiled once for whoever has them."""

    @classmethod
    def of(cls, patterns: Iterable[_P]) -> Patterns[_P]:
        """Return patterns as a list; a list as it is."""
        return patterns if isinstance(patterns, Patterns) else cls(patterns)

    @cached_property
    def compiled(self) -> Index:
        """Those that match texts, to be matched all at once."""
        return index(one for one in self if isinstance(one, Pattern))

    @cached_property
    def topics(self) -> TopicIndex:
        """Those for topics, to be compared with others."""
        return TopicIndex.of(
            one.topics
            for one in self
            if isinstance(one, Pattern) and one.kind is Kind.TOPIC
        )

    @cached_property
    def granting(self) -> Callable[[str], object]:
        """Tells whether a text is granted by one of them."""
        return self._matcher(forbidding=False)

    @cached_property
    def banning(self) -> Callable[[str], object]:
        """Tells whether a text is forbidden by one of them."""
        return self._matcher(forbidding=True)

    @cached_property
    def known(self) -> frozenset[_P]:
        """Tells whether a pattern is one of them."""
        return frozenset(self)

    def prepared(self) -> Patterns[_P]:
        """Compile many now, and not in the turn of whoever checks something first."""
        if len(self) > _MANY:
            assert self.granting is not self.banning
            self.compiled.prepare()
            self.topics.prepare()
        return self

    def _matcher(self, *, forbidding: bool) -> Callable[[str], object]:
        hosts = tuple(one for one in self if isinstance(one, HostPattern))
        if hosts:
            return host_matcher(hosts, forbidding=forbidding)
        ports = tuple(one for one in self if isinstance(one, PortPattern))
        if ports:
            return port_matcher(ports, forbidding=forbidding)
        texts, run = self.compiled.texts, self.compiled.run
        if not self.compiled.parts:
            return texts.__contains__
        if forbidding:
            return lambda text: (
                text in texts or len(text) > LONGEST_MATCHED or run(text)
            )
        if not texts:
            return lambda text: len(text) <= LONGEST_MATCHED and run(text)
        return lambda text: (
            text in texts or (len(text) <= LONGEST_MATCHED and run(text))
        )


def index(patterns: Iterable[Pattern]) -> Index:
    """Compile patterns of one kind to be matched all at once."""
    parts: list[tuple[str, tuple[Token, ...]]] = []
    known: dict[str, tuple[tuple[Token, ...], ...]] = {}
    topics = False
    for pattern in patterns:
        topics = pattern.kind is Kind.TOPIC
        for start, rest in parted(pattern.text, pattern.kind):
            # Not token by token where they are alike, or literal: they may be many.
            if rest not in known:
                known[rest] = lines_of(rest, pattern.kind)
            parts += ((start, line) for line in known[rest])
    return Index.of(parts, topics=topics)


def covers(granted: Iterable[AnyPattern], wanted: AnyPattern) -> bool:
    """Tell whether one of the granted patterns covers the wanted one."""
    return to_the_end(covering(granted, wanted))


def covering(
    granted: Iterable[AnyPattern], wanted: AnyPattern
) -> Generator[int, None, bool]:
    """Tell what `covers` does, in pieces; yield how many steps each took."""
    for pattern in granted:
        yield _TO_COMPARE
        if (yield from _covers_one(pattern, wanted)):
            return True
    return False


def contains(forbidden: Iterable[AnyPattern], wanted: AnyPattern) -> bool:
    """Tell whether one of the forbidden patterns contains all of the wanted one.

    As `covers`, but a forbidden network contains the special addresses in it too.
    """
    return to_the_end(containing(forbidden, wanted))


def containing(
    forbidden: Iterable[AnyPattern], wanted: AnyPattern
) -> Generator[int, None, bool]:
    """Tell what `contains` does, in pieces; yield how many steps each took."""
    for pattern in forbidden:
        yield _TO_COMPARE
        if (yield from _contains_one(pattern, wanted)):
            return True
    return False


def overlaps(patterns: Iterable[AnyPattern], other: AnyPattern) -> bool:
    """Tell whether something matches the other pattern and one of the patterns."""
    return to_the_end(overlapping(patterns, other))


def overlapping(
    patterns: Iterable[AnyPattern], other: AnyPattern
) -> Generator[int, None, bool]:
    """Tell what `overlaps` does, in pieces; yield how many steps each took."""
    for pattern in patterns:
        yield _TO_COMPARE
        if (yield from _overlaps_one(pattern, other)):
            return True
    return False


def _covers_one(granted: AnyPattern, wanted: AnyPattern) -> Generator[int, None, bool]:
    match granted, wanted:
        case (HostPattern(), HostPattern()):
            return granted.covers(wanted)
        case _:
            return (yield from _contains_one(granted, wanted))


def _contains_one(
    forbidden: AnyPattern, wanted: AnyPattern
) -> Generator[int, None, bool]:
    match forbidden, wanted:
        case (Pattern(), Pattern()):
            return (yield from forbidden.covering(wanted))
        case (HostPattern(), HostPattern()):
            return forbidden.contains(wanted)
        case (PortPattern(), PortPattern()):
            return forbidden.covers(wanted)
        case _:
            return False


def _overlaps_one(one: AnyPattern, other: AnyPattern) -> Generator[int, None, bool]:
    match one, other:
        case (Pattern(), Pattern()):
            return (yield from one.overlapping(other))
        case (HostPattern(), HostPattern()):
            return one.overlaps(other)
        case (PortPattern(), PortPattern()):
            return one.overlaps(other)
        case _:
            return False


AnyPattern: TypeAlias = Pattern | HostPattern | PortPattern
"""Whatever a grant can hold."""
