"""Part the text of a script into its directives, each at its own lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

__all__ = ("Form", "Unbalanced", "forms")

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|;;[^\n]*|\(;|[()]', re.DOTALL)
_IN_COMMENT: Final = re.compile(r"\(;|;\)")
_HEAD: Final = re.compile(
    r"\(\s*([\w-]+)(?:\s+(definition|instance))?(?:\s+\$(\S+?))?[\s)]"
)


class Unbalanced(Exception):
    """The brackets of a script do not match."""


@frozen
class Form:
    """The text of one directive."""

    line: int
    text: str

    @property
    def alone(self) -> str:
        """The directive as a script in which it stands on the same line."""
        return "\n" * (self.line - 1) + self.text

    @property
    def word(self) -> str:
        """Its first word, such as ``assert_return``."""
        return self._head(1) or "script"

    @property
    def defines(self) -> bool:
        """Whether it is a component that is only defined."""
        return self._head(2) == "definition"

    @property
    def name(self) -> str | None:
        """The name it gives to a component or an instance."""
        return self._head(3)

    def _head(self, group: int) -> str | None:
        found = _HEAD.match(self.text)
        return None if found is None else found[group]


def forms(text: str) -> Iterator[Form]:
    """Yield the directives of a script.

    Raises:
        Unbalanced: A bracket or a comment is not closed, or never opened.
    """
    depth = start = 0
    for token in _tokens(text):
        if token[0] == "(":
            if not depth:
                start = token.start()
            depth += 1
        elif token[0] == ")":
            depth -= 1
            if depth < 0:
                raise Unbalanced
            if not depth:
                line = text.count("\n", 0, start) + 1
                yield Form(line, text[start : token.end()])
    if depth:
        raise Unbalanced


def _tokens(text: str) -> Iterator[re.Match[str]]:
    """Yield brackets and strings, but nothing of comments, which nest."""
    at = comments = 0
    while token := (_IN_COMMENT if comments else _TOKEN).search(text, at):
        at = token.end()
        if token[0] == "(;":
            comments += 1
        elif token[0] == ";)":
            comments -= 1
        else:
            yield token
    if comments:
        raise Unbalanced
