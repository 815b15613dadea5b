"""Read how patterns are written: from their text to tokens."""

from __future__ import annotations

import re
import string
from enum import Enum
from typing import Final

from .automaton import Token

__all__ = (
    "LONGEST",
    "LONGEST_MATCHED",
    "LONGEST_TOPIC",
    "MOST_PATTERNS",
    "MOST_TOGETHER",
    "MOST_TOPICS",
    "Kind",
    "check_glob",
    "check_topic_pattern",
    "front",
    "glob_alternatives",
    "is_literal",
    "lines_of",
    "longest",
    "parted",
    "topic_tokens",
    "without_braces",
)

_MOST_ALTERNATIVES: Final = 64
LONGEST: Final = 1024
"""Characters of a pattern; of one for topics, `LONGEST_TOPIC`."""
LONGEST_TOPIC: Final = 255
"""Characters of a topic, and of a pattern for topics."""
LONGEST_MATCHED: Final = 4096
"""Characters of what is held against patterns with wildcards, such as the longest path
that Linux opens. What is longer is not granted, and is forbidden where anything is."""
MOST_PATTERNS: Final = 10_000
"""Patterns in a list, whichever they are."""
MOST_TOPICS: Final = 1000
"""Patterns in a list for topics, which are held against others one by one."""
MOST_TOGETHER: Final = 8 * LONGEST
"""Characters, or segments, that all patterns of a list have from the first wildcard on:
so much is held against each character of a text. Some 5 ms for the longest path."""
_MOST_SYMBOLS: Final = 16 * LONGEST
"""Characters that all alternatives name, those in sets one by one."""
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


def longest(kind: Kind) -> int:
    """Return the characters that a pattern of a kind may have."""
    return LONGEST_TOPIC if kind is Kind.TOPIC else LONGEST


_NAME_CHARACTERS: Final = frozenset(
    string.ascii_lowercase + string.digits + "-/#*?[]{},!"
)
_BRACKETS: Final = frozenset("[]{}")
_TOPIC_WORD: Final = frozenset("*# ")
_GLOB: Final = frozenset("*?[{")
_NO_SYMBOL: Final[frozenset[str]] = frozenset()
_SLASH: Final = frozenset("/")
_ONE: Final = Token(_NO_SYMBOL, negated=True)
_ALL: Final = Token(_NO_SYMBOL, negated=True, many=True)
_ONE_INSIDE: Final = Token(_SLASH, negated=True)
_ALL_INSIDE: Final = Token(_SLASH, negated=True, many=True)


def is_literal(text: str, kind: Kind) -> bool:
    """Tell whether a pattern, of any kind but topics, matches no text but its own."""
    if kind is Kind.NAME and "#" not in text:
        return False  # its instances are meant as well
    return _GLOB.isdisjoint(text)


def topic_tokens(text: str) -> tuple[Token, ...]:
    """Return what a topic pattern stands for."""
    tokens: list[Token] = []
    known = {"*": _ONE}
    for segment in text.split("."):
        if segment == "#":
            _add_star(tokens, _ALL)
        else:
            if segment not in known:
                known[segment] = Token(frozenset((segment,)))
            tokens.append(known[segment])
    return tuple(tokens)


def _add_star(tokens: list[Token], star: Token) -> None:
    """Add a star unless one is there already, which then is the wider one."""
    if not (tokens and tokens[-1].many):
        tokens.append(star)


def check_topic_pattern(text: str) -> None:
    """Refuse what is no topic pattern. Raises ValueError."""
    for segment in text.split("."):
        if segment not in {"*", "#"} and (
            not segment or not _TOPIC_WORD.isdisjoint(segment)
        ):
            raise ValueError(
                f"topic pattern {text!r} is not allowed: between its dots must be "
                "words, '*' for one segment or '#' for any number"
            )


def check_glob(text: str, kind: Kind) -> None:
    """Refuse what is no pattern of a kind but topics. Raises ValueError."""
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
        plain = without_braces(text, kind)
    deep = text.count("**")
    if (
        len(plain) > 1
        or "[" in text
        or "]" in text
        or deep > _FEW
        or 2 * (len(text) + 2) << deep > _MOST_SYMBOLS
    ):
        glob_alternatives(text, kind)
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


def glob_alternatives(text: str, kind: Kind) -> tuple[tuple[Token, ...], ...]:
    """Return what a pattern stands for: any one of these lines of tokens."""
    plain = without_braces(text, kind)
    if kind is Kind.NAME:
        plain += [f"{one}#*" for one in plain if _has_instances(one)]
    result: list[tuple[Token, ...]] = []
    room = _MOST_SYMBOLS
    for alternative in plain:
        shorter = _without_empty(alternative)
        for one in shorter:
            line = _tokens(one, text, kind)
            room -= sum(max(1, len(token.symbols)) for token in line)
            if room < 0:
                raise ValueError(
                    f"{kind.value} pattern {text!r} is too large: its sets and "
                    f"alternatives are more than {_MOST_SYMBOLS} characters"
                )
            result.append(line)
        # A name may come twice, with its instances and without.
        if max(len(shorter), len(result) // 2) > _MOST_ALTERNATIVES:
            raise _too_many(text, kind)
    return tuple(dict.fromkeys(result))


def _too_many(text: str, kind: Kind) -> ValueError:
    return ValueError(
        f"{kind.value} pattern {text!r} has too many alternatives "
        f"(at most {_MOST_ALTERNATIVES})"
    )


def without_braces(text: str, kind: Kind) -> list[str]:
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


def parted(text: str, kind: Kind) -> list[tuple[str, str]]:
    """Return each way to write out a pattern's braces, parted before what is wild.

    A name may have its instances behind it. The second part is empty where all of it is
    literal; of a topic pattern it may begin at any dot.
    """
    if kind is Kind.TOPIC:
        wild = re.search(r"(?:^|\.)[*#]", text)
        end = wild.start() if wild else len(text)
        return [(text[:end], text[end:].removeprefix("."))]
    plain = without_braces(text, kind)
    if kind is Kind.NAME:
        plain += [f"{one}#*" for one in plain if _has_instances(one)]
    parts = []
    for one in plain:
        wild = re.search(r"[*?\[]", one)
        end = wild.start() if wild else len(one)
        # The slash before two stars and a slash goes with them.
        end -= one.startswith("/**/", end - 1) and end > 0
        parts.append((one[:end], one[end:]))
    return parts


def _has_instances(name: str) -> bool:
    return "#" not in name and name[-1:] != "*"


def lines_of(rest: str, kind: Kind) -> tuple[tuple[Token, ...], ...]:
    """Return what the second part of a pattern stands for, as `parted` has it."""
    if kind is Kind.TOPIC:
        return (topic_tokens(rest),) if rest else ((),)
    return tuple(_tokens(one, rest, kind) for one in _without_empty(rest))


def front(text: str) -> tuple[str, str]:
    """Part a path pattern where it stops being literal, at the end of a name."""
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
