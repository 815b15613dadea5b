"""Take the text of a WAVE value apart: marks, labels, numbers, strings and chars."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from typing import Final

from attrs import define, field

from ..core.errors import WaveError
from .types import WitType

__all__ = ("WaveTokens",)

_GAP: Final = re.compile(r"(?:\s+|//[^\n]*)*")
_LABEL: Final = r"%?[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*"
_TOKENS: Final = re.compile(
    rf"""
      (?P<number> -inf\b | -?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?
                  (?![\w.]) )
    | (?P<label> {_LABEL} (?!\w) )
    | (?P<block> \"\"\"\r?\n(?s:.*?)(?<!\\)\"\"\" )
    | (?P<string> \"(?:[^\"\\\n]|\\.)*\" )
    | (?P<char> '(?:[^'\\\n]|\\.[^']*)' )
    | (?P<mark> [\[\](){{}}:,] )
    """,
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|([\"'\\tnr])|.|$)")
_PLAIN: Final = {"t": "\t", "n": "\n", "r": "\r"}


@define
class WaveTokens:
    """A text, and the token that comes next in it."""

    text: str
    at: int = 0
    """Where the next token begins."""
    kind: str = ""
    """``number``, ``label``, ``string``, ``char``, ``mark``; empty at the end."""
    token: str = ""
    path: list[str] = field(factory=list)
    """The way to the value that is read, for errors."""

    def __attrs_post_init__(self) -> None:
        self.step()

    def step(self) -> str:
        """Go to the next token and return the one before."""
        token = self.token
        gap = _GAP.match(self.text, self.at + len(token))
        assert gap is not None
        self.at = gap.end()
        found = _TOKENS.match(self.text, self.at)
        if found is not None:
            self.kind, self.token = str(found.lastgroup), found.group()
        elif self.at == len(self.text):
            self.kind = self.token = ""
        else:
            self.kind, self.token = "", self.text[self.at :]
            raise self.refusal("a value")
        return token

    def refusal(
        self, expected: str, *, at: int | None = None, got: str = ""
    ) -> WaveError:
        """Make the error that says where, and what was expected."""
        token = got or self.token
        if len(token) > 30:
            token = f"{token[:27]}..."
        at = self.at if at is None else at
        path = "".join(self.path).removeprefix(".")
        return WaveError(self.text, at, path, expected, token or "the end")

    def sees(self, mark: str) -> bool:
        return self.kind == "mark" and self.token == mark

    def take(self, mark: str) -> None:
        if not self.sees(mark):
            raise self.refusal(f"{mark!r}")
        self.step()

    def sequence(self, close: str) -> Iterator[int]:
        """Count the elements up to the closing mark; a comma may follow the last."""
        index = 0
        while not self.sees(close):
            if index:
                if not self.sees(","):
                    raise self.refusal(f"',' or {close!r}")
                self.step()
                if self.sees(close):
                    break
            yield index
            index += 1
        self.step()

    # Labels, strings, chars.

    def open(self, mark: str, type_: WitType) -> None:
        """Take the mark that a value of the type begins with."""
        if not self.sees(mark):
            raise self.refusal(str(type_))
        self.step()

    def keyword(self, word: str) -> bool:
        """Take a keyword, if it is the next token."""
        if self.kind != "label" or self.token != word:
            return False
        self.step()
        return True

    def one_of(self, names: Collection[str], type_: WitType) -> str:
        """Take a label that is one of the names."""
        name = self.token.removeprefix("%")
        if self.kind != "label":
            raise self.refusal(str(type_))
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise self.refusal(f"{near[0]!r}" if near else f"one of {', '.join(names)}")
        self.step()
        return name

    def char(self) -> str:
        at, token = self.at, self.token
        text = self.unescaped(token[1:-1], at + 1)
        if len(text) != 1:
            raise self.refusal("a single char")
        self.step()
        return text

    def string(self) -> str:
        at, token = self.at, self.token
        if self.kind == "block":
            text = self.block(token)
        else:
            text = self.unescaped(token[1:-1], at + 1)
        self.step()
        return text

    def block(self, token: str) -> str:
        """Read a string of several lines, indented as its last line is."""
        first, *lines, last = token.split("\n")
        indent = last.removesuffix('"""')
        if not lines or indent.strip(" "):
            raise self.refusal('a line break and spaces before the closing """')
        at = self.at + len(first) + 1
        read = []
        for raw in lines:
            if not raw.startswith(indent):
                raise self.refusal(
                    f"a line indented by {len(indent)} spaces", at=at, got=raw
                )
            line = raw.removesuffix("\r")[len(indent) :]
            read.append(self.unescaped(line, at + len(indent)))
            at += len(raw) + 1
        return "\n".join(read)

    def unescaped(self, text: str, at: int) -> str:
        def plain(found: re.Match[str]) -> str:
            code, letter = found.groups()
            if letter:
                return _PLAIN.get(letter, letter)
            number = int(code, 16) if code else -1
            if not 0 <= number <= 0x10FFFF or 0xD800 <= number <= 0xDFFF:
                escape = r"an escape: one of \\ \' \" \n \r \t \u{hex}"
                raise self.refusal(escape, at=at + found.start(), got=found.group())
            return chr(number)

        return _ESCAPE.sub(plain, text)
