"""Match topics, names, keys and paths, and tell which pattern covers which.

A pattern is checked when it is parsed. What it is matched against must be in normal
form already: no ``..``, no symlink, no doubled ``/``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TypeAlias

from attrs import frozen

from .automaton import Machine, Token
from .hosts import HostPattern, PortPattern, host_matcher, port_matcher
from .spelling import (
    LONGEST,
    Kind,
    check_glob,
    check_topic_pattern,
    front,
    glob_alternatives,
    topic_tokens,
    without_braces,
)

__all__ = (
    "AnyPattern",
    "Pattern",
    "contains",
    "covers",
    "matcher",
    "overlaps",
)


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
        if not 0 < len(text) <= LONGEST:
            raise ValueError(
                f"a {kind.value} pattern of {len(text)} characters is not allowed: "
                f"use 1 to {LONGEST}"
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
    def _match(self) -> Callable[[str], object]:
        return matcher((self,))

    def matches(self, text: str) -> bool:
        """Tell whether the pattern matches a text in normal form.

        Takes time linear in the text, whatever the pattern.
        """
        return bool(self._match(text))

    def covers(self, other: Pattern) -> bool:
        """Tell whether every text that matches the other pattern matches this one."""
        return self.kind is other.kind and (
            self.text == other.text
            or self._machine.includes(
                other._machine,
                empty=self.kind is not Kind.TOPIC,
            )
        )

    def overlaps(self, other: Pattern) -> bool:
        """Tell whether a text matches both."""
        return self.kind is other.kind and self._machine.meets(
            other._machine, empty=self.kind is not Kind.TOPIC
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
    patterns = tuple(patterns)
    hosts = tuple(one for one in patterns if isinstance(one, HostPattern))
    if hosts:
        return host_matcher(hosts, forbidding=forbidding)
    ports = tuple(one for one in patterns if isinstance(one, PortPattern))
    if ports:
        return port_matcher(ports, forbidding=forbidding)
    return _texts_matcher(one for one in patterns if isinstance(one, Pattern))


def _texts_matcher(patterns: Iterable[Pattern]) -> Callable[[str], object]:
    texts: set[str] = set()
    lines: list[tuple[Token, ...]] = []
    topics = False
    for pattern in patterns:
        topics = pattern.kind is Kind.TOPIC
        for line in pattern.alternatives:
            if all(not token.negated and len(token.symbols) == 1 for token in line):
                joint = "." if topics else ""
                texts.add(
                    joint.join(symbol for token in line for symbol in token.symbols)
                )
            else:
                lines.append(line)
    if not lines:
        return texts.__contains__
    run: Callable[[str], object]
    if topics:
        machine = Machine.build(lines)
        run = lambda text: machine.runs(text.split("."))  # noqa: E731
    elif all(sum(token.many for token in line) < 2 for line in lines):
        # One regular expression is quicker than the machine, and stays linear as long
        # as no line has two wildcards to try against each other.
        run = _expression(lines)
    else:
        run = Machine.build(lines).runs
    if not texts:
        return run
    return lambda text: text in texts or run(text)


def covers(granted: Iterable[AnyPattern], wanted: AnyPattern) -> bool:
    """Tell whether one of the granted patterns covers the wanted one."""
    return any(_covers_one(pattern, wanted) for pattern in granted)


def contains(forbidden: Iterable[AnyPattern], wanted: AnyPattern) -> bool:
    """Tell whether one of the forbidden patterns contains all of the wanted one.

    As `covers`, but a forbidden network contains the special addresses in it too.
    """
    return any(_contains_one(pattern, wanted) for pattern in forbidden)


def overlaps(patterns: Iterable[AnyPattern], other: AnyPattern) -> bool:
    """Tell whether something matches the other pattern and one of the patterns."""
    return any(_overlaps_one(pattern, other) for pattern in patterns)


def _covers_one(granted: AnyPattern, wanted: AnyPattern) -> bool:
    match granted, wanted:
        case (HostPattern(), HostPattern()):
            return granted.covers(wanted)
        case _:
            return _contains_one(granted, wanted)


def _contains_one(forbidden: AnyPattern, wanted: AnyPattern) -> bool:
    match forbidden, wanted:
        case (Pattern(), Pattern()):
            return forbidden.covers(wanted)
        case (HostPattern(), HostPattern()):
            return forbidden.contains(wanted)
        case (PortPattern(), PortPattern()):
            return forbidden.covers(wanted)
        case _:
            return False


def _overlaps_one(one: AnyPattern, other: AnyPattern) -> bool:
    match one, other:
        case (Pattern(), Pattern()):
            return one.overlaps(other)
        case (HostPattern(), HostPattern()):
            return one.overlaps(other)
        case (PortPattern(), PortPattern()):
            return one.overlaps(other)
        case _:
            return False


AnyPattern: TypeAlias = Pattern | HostPattern | PortPattern
"""Whatever a grant can hold."""


def _expression(lines: Iterable[tuple[Token, ...]]) -> Callable[[str], object]:
    written = ("".join(map(_piece, line)) for line in lines)
    return re.compile("|".join(written), re.DOTALL).fullmatch


def _piece(token: Token) -> str:
    members = "".join(map(re.escape, sorted(token.symbols)))
    piece = f"[{'^' if token.negated else ''}{members}]" if members else "."
    return f"{piece}*" if token.many else piece
