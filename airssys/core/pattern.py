"""Match topics, names, keys, paths and hosts, and tell which pattern covers which.

A pattern is checked when it is parsed. What it is matched against must be in normal
form already: no ``..``, no symlink, no doubled ``/``. Hosts and ports are only parsed
and compared here.
"""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import cached_property
from typing import Final, TypeAlias

from attrs import frozen

__all__ = ("HostPattern", "Kind", "Pattern", "PortPattern", "covers", "matcher")

_MOST_ALTERNATIVES: Final = 64
_LONGEST: Final = 1024
_FEW: Final = 5
"""Wildcards ``**`` that cannot make too many alternatives by themselves."""
_MOST_STEPS: Final = 200_000
"""Steps of two automatons that `covers` tries before it says no: some 0.1 s."""
_MOST_SETS: Final = 100
"""Sets of states `covers` keeps beside one state before it says no."""


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
        if not 0 < len(text) <= _LONGEST:
            raise ValueError(
                f"a {kind.value} pattern of {len(text)} characters is not allowed: "
                f"use 1 to {_LONGEST}"
            )
        if not text.isprintable():
            raise ValueError(f"{kind.value} pattern {text!r} must be printable")
        if kind is Kind.TOPIC:
            _check_topic(text)
        else:
            _check_glob(text, kind)
        return cls(text, kind)

    @cached_property
    def alternatives(self) -> tuple[tuple[_Token, ...], ...]:
        """What the text stands for: any one of these lines of tokens."""
        if self.kind is Kind.TOPIC:
            return (_topic_tokens(self.text),)
        return _glob_alternatives(self.text, self.kind)

    @cached_property
    def _machine(self) -> _Machine:
        return _Machine.build(self.alternatives)

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

    def __str__(self) -> str:
        return self.text


def matcher(patterns: Iterable[Pattern]) -> Callable[[str], object]:
    """Compile patterns of one kind to one function that tells whether any matches.

    Its answer is true or false, but no bool. It takes time linear in the text.
    """
    texts: set[str] = set()
    lines: list[tuple[_Token, ...]] = []
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
        machine = _Machine.build(lines)
        run = lambda text: machine.runs(text.split("."))  # noqa: E731
    elif all(sum(token.many for token in line) < 2 for line in lines):
        # One regular expression is quicker than the machine, and stays linear as long
        # as no line has two wildcards to try against each other.
        run = _expression(lines)
    else:
        run = _Machine.build(lines).runs
    if not texts:
        return run
    return lambda text: text in texts or run(text)


def covers(granted: Iterable[AnyPattern], wanted: AnyPattern) -> bool:
    """Tell whether one of the granted patterns covers the wanted one."""
    return any(_covers_one(pattern, wanted) for pattern in granted)


def _covers_one(granted: AnyPattern, wanted: AnyPattern) -> bool:
    match granted, wanted:
        case (Pattern(), Pattern()):
            return granted.covers(wanted)
        case (HostPattern(), HostPattern()):
            return granted.covers(wanted)
        case (PortPattern(), PortPattern()):
            return granted.covers(wanted)
        case _:
            return False


# --- hosts and ports --------------------------------------------------------------

_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_LAST_PORT: Final = 65535


@frozen
class PortPattern:
    """One port, a range of ports such as ``8000-8099``, or ``*``."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str | int) -> PortPattern:
        """Read a port, a range or ``*``.

        Raises:
            ValueError: The text is no port pattern.
        """
        text = str(text)
        if text == "*":
            return cls(1, _LAST_PORT)
        ends = text.split("-")
        if len(ends) <= 2 and all(end.isascii() and end.isdigit() for end in ends):
            first, last = int(ends[0]), int(ends[-1])
            if 1 <= first <= last <= _LAST_PORT:
                return cls(first, last)
        raise ValueError(
            f"port {text!r} is not allowed: use 1 to {_LAST_PORT}, "
            "a range such as '8000-8099', or '*'"
        )

    def covers(self, other: PortPattern) -> bool:
        """Tell whether every port of the other is one of this."""
        return self.first <= other.first and other.last <= self.last

    def __str__(self) -> str:
        if (self.first, self.last) == (1, _LAST_PORT):
            return "*"
        if self.first == self.last:
            return str(self.first)
        return f"{self.first}-{self.last}"


@frozen
class HostPattern:
    """A host, ``*.`` and a domain, or a network, each with ports where they matter."""

    host: str
    """In lowercase, without a final dot; empty for a network."""
    network: _Network | None = None
    ports: PortPattern | None = None

    @classmethod
    def parse(cls, text: str, *, ports: bool = True) -> HostPattern:
        """Read ``host:ports``, or a host alone where there are no ports.

        Args:
            text: Such as ``api.example.com:443``, ``*.example.org:*``,
                ``10.0.0.0/8:8000-8099`` or ``[2001:db8::/32]:443``.
            ports: Whether the pattern must have, or must not have, ports.

        Raises:
            ValueError: The text is no host pattern.
        """
        host, found = text, None
        if ports:
            host, colon, tail = text.rpartition(":")
            if not colon or not host or tail.endswith("]"):
                raise ValueError(
                    f"host pattern {text!r} names no port: add ':443', a range or ':*'"
                )
            found = PortPattern.parse(tail)
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        network = _network(host)
        if network is not None:
            return cls("", network, found)
        name = host.lower().removesuffix(".")
        labels = name.removeprefix("*.").split(".")
        if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
            raise ValueError(
                f"host {host!r} is not allowed: use a host name, '*.' and a domain, "
                "an address or a network such as '10.0.0.0/8'"
            )
        if labels[-1].isdigit():
            raise ValueError(f"host {host!r} is neither a name nor an address")
        return cls(name, None, found)

    def covers(self, other: HostPattern) -> bool:
        """Tell whether every host and port of the other is one of this.

        A name never covers a network nor the other way round, since the name may come
        to mean another address.
        """
        if (self.ports is None) != (other.ports is None) or (
            self.ports and other.ports and not self.ports.covers(other.ports)
        ):
            return False
        match self.network, other.network:
            case (ipaddress.IPv4Network() as mine, ipaddress.IPv4Network() as theirs):
                return theirs.subnet_of(mine)
            case (ipaddress.IPv6Network() as mine, ipaddress.IPv6Network() as theirs):
                return theirs.subnet_of(mine)
            case (None, None):
                return (
                    self.host == other.host
                    or (
                        self.host.startswith("*.")
                        # The star is one label: neither the bare domain nor two labels.
                        and other.host.partition(".")[2] == self.host[2:]
                    )
                )
            case _:
                return False

    def __str__(self) -> str:
        host = self.host
        if self.network is not None:
            host = str(self.network)
            if self.network.prefixlen == self.network.max_prefixlen:
                host = str(self.network.network_address)
            if ":" in host and self.ports is not None:
                host = f"[{host}]"
        return host if self.ports is None else f"{host}:{self.ports}"


def _network(host: str) -> _Network | None:
    try:
        return ipaddress.ip_network(host)
    except ValueError as error:
        if "/" in host:
            raise ValueError(f"network {host!r} is not allowed: {error}") from None
        return None


AnyPattern: TypeAlias = Pattern | HostPattern | PortPattern
"""Whatever a grant can hold."""


# --- from text to tokens ----------------------------------------------------------


@frozen
class _Token:
    """One place of a pattern: which symbols fit, and whether any number of them do."""

    symbols: frozenset[str]
    negated: bool = False
    many: bool = False

    def accepts(self, symbol: str) -> bool:
        return (symbol in self.symbols) is not self.negated


_NAME_CHARACTERS: Final = frozenset(
    string.ascii_lowercase + string.digits + "-/#*?[]{},!"
)
_BRACKETS: Final = frozenset("[]{}")
_TOPIC_WORD: Final = frozenset("*# ")
_NO_SYMBOL: Final[frozenset[str]] = frozenset()
_SLASH: Final = frozenset("/")
_ONE: Final = _Token(_NO_SYMBOL, negated=True)
_ALL: Final = _Token(_NO_SYMBOL, negated=True, many=True)
_ONE_INSIDE: Final = _Token(_SLASH, negated=True)
_ALL_INSIDE: Final = _Token(_SLASH, negated=True, many=True)


def _topic_tokens(text: str) -> tuple[_Token, ...]:
    tokens: list[_Token] = []
    for segment in text.split("."):
        if segment == "#":
            _add_star(tokens, _ALL)
        else:
            tokens.append(_ONE if segment == "*" else _Token(frozenset((segment,))))
    return tuple(tokens)


def _add_star(tokens: list[_Token], star: _Token) -> None:
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


def _glob_alternatives(text: str, kind: Kind) -> tuple[tuple[_Token, ...], ...]:
    plain = _without_braces(text, kind)
    if kind is Kind.NAME:
        plain += [f"{one}#*" for one in plain if "#" not in one and one[-1:] != "*"]
    result: list[tuple[_Token, ...]] = []
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


def _without_empty(text: str) -> list[str]:
    """Let each ``/**/`` also be a single ``/``."""
    before, deep, rest = text.partition("/**/")
    if not deep:
        return [text]
    tails = _without_empty(f"/{rest}")
    return [before + middle + tail for tail in tails for middle in ("", "/**")][
        : _MOST_ALTERNATIVES + 1
    ]


def _tokens(text: str, whole: str, kind: Kind) -> tuple[_Token, ...]:
    tokens: list[_Token] = []
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
            tokens.append(_Token(symbols | _SLASH if negated else symbols, negated))
            at = end + 1
        elif char == "]":
            raise ValueError(f"{kind.value} pattern {whole!r} has a ']' without '['")
        else:
            tokens.append(_Token(frozenset((char,))))
    return tuple(tokens)


def _set_members(inside: str) -> frozenset[str]:
    """Read what stands in ``[...]``; empty if a range runs backwards or is huge."""
    members: set[str] = set()
    at = 0
    while at < len(inside):
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            first, last = ord(inside[at]), ord(inside[at + 2])
            if not first <= last < first + _LONGEST:
                return _NO_SYMBOL
            members.update(map(chr, range(first, last + 1)))
            at += 3
        else:
            members.add(inside[at])
            at += 1
    return frozenset(members)


def _expression(lines: Iterable[tuple[_Token, ...]]) -> Callable[[str], object]:
    written = ("".join(map(_piece, line)) for line in lines)
    return re.compile("|".join(written), re.DOTALL).fullmatch


def _piece(token: _Token) -> str:
    members = "".join(map(re.escape, sorted(token.symbols)))
    piece = f"[{'^' if token.negated else ''}{members}]" if members else "."
    return f"{piece}*" if token.many else piece


# --- from tokens to answers -------------------------------------------------------


@frozen(eq=False)
class _Machine:
    """A non-deterministic automaton whose set of states is the bits of one int.

    A state is a place before a token, or the end of an alternative. Symbols are
    characters, or the segments of a topic. A symbol that no token names acts like every
    other such symbol, so one stands for them all.
    """

    edges: dict[str, tuple[int, int]]
    """For each symbol that a token names: the states it moves on, those it keeps."""
    others: tuple[int, int]
    """The same for any other symbol."""
    stars: int
    """The states before a star, which may be passed by."""
    start: int
    ends: int

    @classmethod
    def build(cls, alternatives: Sequence[tuple[_Token, ...]]) -> _Machine:
        names = {
            name for line in alternatives for token in line for name in token.symbols
        }
        edges = dict.fromkeys(names, (0, 0))
        others = (0, 0)
        stars = start = ends = 0
        state = 1
        for line in alternatives:
            start |= state
            for token in line:
                add = (0, state) if token.many else (state, 0)
                stars |= state if token.many else 0
                others = _with_edge(others, add) if token.negated else others
                for name in names if token.negated else token.symbols:
                    if token.accepts(name):
                        edges[name] = _with_edge(edges[name], add)
                state <<= 1
            ends |= state
            state <<= 1
        return cls(edges, others, stars, start | (start & stars) << 1, ends)

    def step(self, states: int, symbol: str) -> int:
        moves, keeps = self.edges.get(symbol, self.others)
        states = (states & moves) << 1 | states & keeps
        # No two stars are neighbours, so passing by one star is enough.
        return states | (states & self.stars) << 1

    def runs(self, symbols: Iterable[str]) -> bool:
        """Tell whether the symbols lead from the start to an end."""
        states = self.start
        for symbol in symbols:
            states = self.step(states, symbol)
            if not states:
                return False
        return bool(states & self.ends)

    def includes(self, other: _Machine, *, empty: bool) -> bool:
        """Tell whether every run of the other is also a run of this one.

        Walks both machines at once: one state of the other beside all states this one
        can be in. Of two walks to one state, the one that leaves this machine fewer
        states is the harder, so the easier one is dropped. Inclusion can take
        exponentially many steps in the end; then the answer is no, which refuses
        rather than grants.

        Args:
            other: The machine whose runs are looked for.
            empty: Whether the run over no symbol at all counts.
        """
        if empty and other.start & other.ends and not self.start & self.ends:
            return False
        alphabet = self._alphabet(other)
        waiting = [(state, self.start) for state in _bits(other.start)]
        seen = {state: [self.start] for state in _bits(other.start)}
        for _ in range(_MOST_STEPS // len(alphabet)):
            if not waiting:
                return True
            state, mine = waiting.pop()
            for symbol in alphabet:
                theirs = other.step(state, symbol)
                after = self.step(mine, symbol)
                if theirs & other.ends and not after & self.ends:
                    return False
                for next_ in _bits(theirs):
                    harder = seen.setdefault(next_, [])
                    if any(known & after == known for known in harder):
                        continue
                    harder[:] = [known for known in harder if known & after != after]
                    harder.append(after)
                    if len(harder) > _MOST_SETS:
                        return False
                    waiting.append((next_, after))
        return False

    def _alphabet(self, other: _Machine) -> tuple[str, ...]:
        """Return one symbol out of each set that both machines treat alike."""
        symbols = [*self.edges.keys() | other.edges.keys(), ""]
        return tuple(
            {
                (self.edges.get(symbol), other.edges.get(symbol)): symbol
                for symbol in symbols
            }.values()
        )


def _with_edge(edge: tuple[int, int], more: tuple[int, int]) -> tuple[int, int]:
    return edge[0] | more[0], edge[1] | more[1]


def _bits(states: int) -> Iterable[int]:
    while states:
        lowest = states & -states
        yield lowest
        states ^= lowest
