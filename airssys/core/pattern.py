"""Match topics, names, keys and paths, and tell which pattern covers which.

A pattern is checked when it is parsed. What it is matched against must be in normal
form already: no ``..``, no symlink, no doubled ``/``.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable
from enum import Enum
from functools import cached_property
from typing import Final, TypeAlias

from attrs import frozen

from .automaton import Machine, Token
from .hosts import HostPattern, PortPattern, host_matcher, port_matcher

__all__ = (
    "LONGEST",
    "AnyPattern",
    "Kind",
    "Pattern",
    "contains",
    "covers",
    "matcher",
    "overlaps",
)

_MOST_ALTERNATIVES: Final = 64
LONGEST: Final = 1024
"""Characters of a pattern."""
_FEW: Final = 5
"""Wildcards ``**`` that cannot make too many alternatives by themselves."""


class Kind(Enum):
    """What a pattern is matched against."""

    TOPIC = "topic"
    """Segments between dots: ``*`` is one segment, ``#`` any number of them."""
    NAME = "name"
    """Actor ids. A pattern without ``#`` means every instance of the name."""
    KEY = "key"
    """Keys, and the arguments of custom capabilities."""
    PATH = "path"
    """Absolute paths."""


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
            _check_topic(text)
        else:
            _check_glob(text, kind)
        return cls(text, kind)

    @cached_property
    def alternatives(self) -> tuple[tuple[Token, ...], ...]:
        """What the text stands for: any one of these lines of tokens."""
        if self.kind is Kind.TOPIC:
            return (_topic_tokens(self.text),)
        return _glob_alternatives(self.text, self.kind)

    @property
    def fronts(self) -> tuple[tuple[str, str], ...]:
        """Each way to write out the braces of a path: what is literal, and the rest.

        The literal part is a whole path, or empty: where ``/srv/img-*/x`` leads from.
        """
        return tuple(map(_front, _without_braces(self.text, self.kind)))

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

    Its answer is true or false, but no bool. It takes time linear in the text.

    Args:
        patterns: What is granted, or forbidden.
        forbidding: Whether what an answer could be no about is a match: a network's
            special addresses, and the port that the system picks.
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
    """Tell whether one of the forbidden patterns forbids all that the wanted one does.

    That is `covers`, except that networks mean the special addresses in them too.
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


# --- from text to tokens ----------------------------------------------------------


_NAME_CHARACTERS: Final = frozenset(
    string.ascii_lowercase + string.digits + "-/#*?[]{},!"
)
_BRACKETS: Final = frozenset("[]{}")
_TOPIC_WORD: Final = frozenset("*# ")
_NO_SYMBOL: Final[frozenset[str]] = frozenset()
_SLASH: Final = frozenset("/")
_ONE: Final = Token(_NO_SYMBOL, negated=True)
_ALL: Final = Token(_NO_SYMBOL, negated=True, many=True)
_ONE_INSIDE: Final = Token(_SLASH, negated=True)
_ALL_INSIDE: Final = Token(_SLASH, negated=True, many=True)


def _topic_tokens(text: str) -> tuple[Token, ...]:
    tokens: list[Token] = []
    for segment in text.split("."):
        if segment == "#":
            _add_star(tokens, _ALL)
        else:
            tokens.append(_ONE if segment == "*" else Token(frozenset((segment,))))
    return tuple(tokens)


def _add_star(tokens: list[Token], star: Token) -> None:
    """Add a star unless one is there already, which then is the wider one."""
    if not (tokens and tokens[-1].many):
        tokens.append(star)


def _check_topic(text: str) -> None:
    for segment in text.split("."):
        if segment not in {"*", "#"} and (
            not segment or not _TOPIC_WORD.isdisjoint(segment)
        ):
            raise ValueError(
                f"topic pattern {text!r} is not allowed: between its dots must be "
                "words, '*' for one segment or '#' for any number"
            )


def _check_glob(text: str, kind: Kind) -> None:
    if kind is Kind.PATH and not text.startswith("/"):
        raise ValueError(f"path pattern {text!r} is not absolute: begin it with '/'")
    if kind is Kind.NAME and not _NAME_CHARACTERS.issuperset(text):
        unfit = min(set(text) - _NAME_CHARACTERS)
        raise ValueError(
            f"name pattern {text!r} must not hold {unfit!r}: names are lowercase "
            "letters, digits and hyphens"
        )
    plain = [text]
    if not _BRACKETS.isdisjoint(text):
        plain = _without_braces(text, kind)
    if len(plain) > 1 or "[" in text or "]" in text or text.count("**") > _FEW:
        _glob_alternatives(text, kind)
    if kind is not Kind.KEY:
        for one in plain:
            _check_segments(one, text, kind)


def _check_segments(one: str, text: str, kind: Kind) -> None:
    parts = one.split("/")
    if ".." in parts or "." in parts:
        raise ValueError(
            f"{kind.value} pattern {text!r} must not hold '.' or '..' segments"
        )
    if "" in parts[1:] and one != "/":
        raise ValueError(
            f"{kind.value} pattern {text!r} must not hold '//' or end in '/'"
        )


def _glob_alternatives(text: str, kind: Kind) -> tuple[tuple[Token, ...], ...]:
    plain = _without_braces(text, kind)
    if kind is Kind.NAME:
        plain += [f"{one}#*" for one in plain if "#" not in one and one[-1:] != "*"]
    result: list[tuple[Token, ...]] = []
    for alternative in plain:
        shorter = _without_empty(alternative)
        result.extend(_tokens(one, text, kind) for one in shorter)
        # A name may come twice, with its instances and without.
        if max(len(shorter), len(result) // 2) > _MOST_ALTERNATIVES:
            raise _too_many(text, kind)
    return tuple(dict.fromkeys(result))


def _too_many(text: str, kind: Kind) -> ValueError:
    return ValueError(
        f"{kind.value} pattern {text!r} has too many alternatives "
        f"(at most {_MOST_ALTERNATIVES})"
    )


def _without_braces(text: str, kind: Kind) -> list[str]:
    """Write out every ``{a,b}``; they do not nest."""
    result = [""]
    rest = text
    while rest:
        before, brace, rest = rest.partition("{")
        if "}" in before:
            raise ValueError(f"{kind.value} pattern {text!r} has a '}}' without '{{'")
        result = [one + before for one in result]
        if brace:
            inside, end, rest = rest.partition("}")
            if not end or "{" in inside:
                raise ValueError(
                    f"{kind.value} pattern {text!r} has a '{{' that is not closed, "
                    "or one inside another"
                )
            result = [one + choice for one in result for choice in inside.split(",")]
            if len(result) > _MOST_ALTERNATIVES:
                raise _too_many(text, kind)
    return result


def _front(text: str) -> tuple[str, str]:
    wild = re.search(r"[*?\[]", text)
    end = text.rfind("/", 0, wild.start()) if wild else len(text)
    return text[:end], text[end:]


def _without_empty(text: str) -> list[str]:
    """Let each ``/**/`` also be a single ``/``."""
    before, deep, rest = text.partition("/**/")
    if not deep:
        return [text]
    tails = _without_empty(f"/{rest}")
    return [before + middle + tail for tail in tails for middle in ("", "/**")][
        : _MOST_ALTERNATIVES + 1
    ]


def _tokens(text: str, whole: str, kind: Kind) -> tuple[Token, ...]:
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            double = text.startswith("*", at)
            at += double
            _add_star(tokens, _ALL if double else _ALL_INSIDE)
        elif char == "?":
            tokens.append(_ONE_INSIDE)
        elif char == "[":
            end = text.find("]", at)
            inside = text[at:end]
            negated = inside.startswith("!")
            symbols = _set_members(inside.removeprefix("!"))
            if end < 0 or not symbols or "/" in symbols:
                raise ValueError(
                    f"{kind.value} pattern {whole!r} has a '[' that is not closed, or "
                    "a set that is empty, runs backwards or holds '/'"
                )
            tokens.append(Token(symbols | _SLASH if negated else symbols, negated))
            at = end + 1
        elif char == "]":
            raise ValueError(f"{kind.value} pattern {whole!r} has a ']' without '['")
        else:
            tokens.append(Token(frozenset((char,))))
    return tuple(tokens)


def _set_members(inside: str) -> frozenset[str]:
    """Read what stands in ``[...]``; empty if a range runs backwards or is huge."""
    members: set[str] = set()
    at = 0
    while at < len(inside):
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            first, last = ord(inside[at]), ord(inside[at + 2])
            if not first <= last < first + LONGEST:
                return _NO_SYMBOL
            members.update(map(chr, range(first, last + 1)))
            at += 3
        else:
            members.add(inside[at])
            at += 1
    return frozenset(members)


def _expression(lines: Iterable[tuple[Token, ...]]) -> Callable[[str], object]:
    written = ("".join(map(_piece, line)) for line in lines)
    return re.compile("|".join(written), re.DOTALL).fullmatch


def _piece(token: Token) -> str:
    members = "".join(map(re.escape, sorted(token.symbols)))
    piece = f"[{'^' if token.negated else ''}{members}]" if members else "."
    return f"{piece}*" if token.many else piece
