"""Tell which topic patterns cover which, in a time that their lengths bound.

A topic has segments between dots; in a pattern ``*`` is one segment and ``#`` any
number. There is no end of words, so one pattern covers another exactly where the words
of the wider one can be laid over equal words of the narrower one, in order, and what
lies between them fits: a gap without ``#`` over one of the same length that has none
either, a gap with one over any that is not shorter. (Suppose that different words of
the narrower one are needed for different lengths of what one ``#`` in it stands for. A
gap of the wider one without ``#`` lies over it for one length, so a gap with one must
for another; up to there one way can be taken and from there on the other, and that
holds for all lengths.) So there is nothing to try out: all places where a word can lie
are the bits of one int.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from attrs import frozen

from .automaton import Token

__all__ = ("TopicIndex", "Topics")


@frozen
class Topics:
    """What a topic pattern stands for."""

    tokens: tuple[Token, ...]

    @cached_property
    def segments(self) -> tuple[str | None, ...]:
        """Its words, and None for each ``*``."""
        return tuple(_word(token) for token in self.tokens if not token.many)

    @cached_property
    def open_places(self) -> int:
        """The places before, between and behind segments where a ``#`` is."""
        places, place = 0, 1
        for token in self.tokens:
            if token.many:
                places |= place
            else:
                place <<= 1
        return places

    @cached_property
    def places(self) -> dict[str, int]:
        """For each word: the places that it is behind."""
        found: dict[str, int] = {}
        for at, word in enumerate(self.segments):
            if word is not None:
                found[word] = found.get(word, 0) | 2 << at
        return found

    @cached_property
    def any_places(self) -> int:
        """The places that a ``*`` is behind."""
        return sum(2 << at for at, word in enumerate(self.segments) if word is None)

    @cached_property
    def gaps(self) -> tuple[tuple[int, bool, str | None], ...]:
        """For each word behind the front: how many segments lie before it, and if more.

        The last of it is the end of the topic.
        """
        return tuple(_gaps(self.tokens[len(self.front) :]))

    @cached_property
    def front(self) -> tuple[str, ...]:
        """The words that all it matches begins with."""
        words: list[str] = []
        for token in self.tokens:
            if token.many or token.negated:
                break
            words.extend(token.symbols)
        return tuple(words)

    def prepare(self) -> None:
        """Compile what is compiled at the first use otherwise."""
        assert self.gaps is not None

    def covers(self, other: Topics) -> bool:
        """Tell whether every topic that matches the other pattern matches this one."""
        length = len(self.front)
        return self.front == other.front[:length] and self.covers_behind(other, length)

    def covers_behind(self, other: Topics, here: int) -> bool:
        """Tell what `covers` does, where both begin with the same words."""
        if not other.segments:
            # A topic has a segment, so '#' is '*.#'.
            other = _SOME
        length, closed = len(other.segments), ~other.open_places
        whole = (2 << length) - 1
        here = 1 << here
        for before, more, word in self.gaps:
            if more:
                lowest = (here & -here) << before
                here = whole & -lowest
            else:
                here &= closed
                for _ in range(before):
                    here = here << 1 & closed
                here &= whole
            if word is not None:
                here = here << 1 & other.places.get(word, 0)
            if not here:
                return False
        return bool(here >> length)

    def overlaps(self, other: Topics) -> bool:
        """Tell whether a topic matches both."""
        length = len(other.segments)
        whole = (2 << length) - 1
        here = 1
        for token in self.tokens:
            if token.many:
                here = whole & -(here & -here)
                continue
            word = _word(token)
            fitting = whole - 1
            if word is not None:
                fitting = other.places.get(word, 0) | other.any_places
            here = here << 1 & fitting | here & other.open_places
            if not here:
                return False
        return bool(here >> length)


@frozen(eq=False)
class TopicIndex:
    """Topic patterns, found by the words that they begin with."""

    patterns: tuple[Topics, ...]

    @classmethod
    def of(cls, patterns: Iterable[Topics]) -> TopicIndex:
        return cls(tuple(patterns))

    @cached_property
    def _by_front(self) -> dict[tuple[str, ...], list[Topics]]:
        found: dict[tuple[str, ...], list[Topics]] = {}
        for one in sorted(self.patterns, key=lambda one: len(one.front)):
            found.setdefault(one.front, []).append(one)
        return found

    @cached_property
    def _lengths(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(map(len, self._by_front)))

    def prepare(self) -> None:
        """Compile what is compiled at the first use otherwise."""
        for one in self.patterns:
            one.prepare()
        assert self._lengths is not None

    def covers(self, wanted: Topics) -> bool:
        """Tell whether one of the patterns covers the wanted one."""
        front = wanted.front
        return any(
            one.covers_behind(wanted, length)
            for length in self._lengths
            if length <= len(front)
            for one in self._by_front.get(front[:length], ())
        )

    def overlaps(self, wanted: Topics) -> bool:
        """Tell whether a topic matches the wanted pattern and one of these."""
        front = wanted.front
        return any(
            one.front[: len(front)] == front[: len(one.front)] and one.overlaps(wanted)
            for one in self.patterns
        )


def _word(token: Token) -> str | None:
    return None if token.negated else next(iter(token.symbols))


def _gaps(tokens: Sequence[Token]) -> Iterator[tuple[int, bool, str | None]]:
    before, more = 0, False
    for token in tokens:
        word = _word(token)
        if token.many:
            more = True
        elif word is None:
            before += 1
        else:
            yield before, more, word
            before, more = 0, False
    yield before, more, None


_SOME = Topics((Token(frozenset(), negated=True), Token(frozenset(), True, True)))  # noqa: FBT003
