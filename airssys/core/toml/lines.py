"""Find the line of each key and list element in a TOML text.

`tomllib` tells no places. This goes through the same text once more, when there is
something to report, and reads no values. What it does not understand it leaves out.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, TypeAlias

from attrs import define, field

__all__ = ("KeyPath", "find_lines")

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the top, as ``("child", 0, "id")``."""

_DEEPEST: Final = 100
_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR: Final = re.compile(r"[^,\]}\n#]*")
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"((?:[^"\\\n]|\\.)*)"'
    r"|'([^'\n]*)'",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_ESCAPED: Final[Mapping[str, str]] = {
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "f": "\f",
    "r": "\r",
}


def find_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, counted from 1, of each table, key and list element."""
    scan = _Scan(text)
    # Where it gets stuck, what was found until there is still right.
    with suppress(_Puzzled, RecursionError):
        scan.document()
    return scan.lines


class _Puzzled(Exception):
    """The text is not TOML as the scan knows it."""


@define
class _Scan:
    text: str
    at: int = 0
    lines: dict[KeyPath, int] = field(factory=dict)
    # How many tables each array of tables has so far.
    tables: dict[KeyPath, int] = field(factory=dict)
    ends: list[int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.ends = [found.start() for found in re.finditer("\n", self.text)]

    def document(self) -> None:
        prefix: KeyPath = ()
        while self.skip(_BLANK) < len(self.text):
            if self.text[self.at] == "[":
                prefix = self.header()
            else:
                self.pair(prefix)

    def header(self) -> KeyPath:
        start = self.at
        double = self.text.startswith("[[", start)
        self.at += 1 + double
        *outer, last = self.key()
        self.expect("]]" if double else "]")
        path: KeyPath = ()
        for part in outer:
            path = self.entered((*path, part))
            self.note(path, start)
        path = (*path, last)
        if double:
            self.note(path, start)
            index = self.tables[path] = self.tables.get(path, -1) + 1
            path = (*path, index)
        self.note(path, start)
        return path

    def entered(self, path: KeyPath) -> KeyPath:
        """Go on to the last table where the path is an array of tables."""
        return (*path, self.tables[path]) if path in self.tables else path

    def pair(self, prefix: KeyPath) -> None:
        start = self.at
        path = prefix
        for part in self.key():
            path = (*path, part)
            self.note(path, start)
        self.expect("=")
        self.skip(_SPACE)
        self.value(path)

    def key(self) -> list[str]:
        parts = []
        while True:
            self.skip(_SPACE)
            if found := _BARE_KEY.match(self.text, self.at):
                parts.append(found[0])
            elif found := _STRING.match(self.text, self.at):
                basic, plain = found.groups()
                parts.append(plain if basic is None else _unescaped(basic))
            else:
                raise _Puzzled
            self.at = found.end()
            self.skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return parts
            if len(parts) > _DEEPEST:
                raise _Puzzled
            self.at += 1

    def value(self, path: KeyPath) -> None:
        start = self.at
        opening = self.text[start : start + 1]
        if opening == "[":
            self.elements(path)
        elif opening == "{":
            self.fields(path)
        elif found := _STRING.match(self.text, self.at):
            self.at = found.end()
        elif self.skip(_SCALAR) == start:
            raise _Puzzled

    def elements(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while self.skip(_BLANK) < len(self.text) and self.text[self.at] != "]":
            self.note((*path, index), self.at)
            self.value((*path, index))
            index += 1
            self.skip(_BLANK)
            if not self.text.startswith(",", self.at):
                break
            self.at += 1
        self.expect("]")

    def fields(self, path: KeyPath) -> None:
        self.at += 1
        while self.skip(_BLANK) < len(self.text) and self.text[self.at] != "}":
            self.pair(path)
            self.skip(_BLANK)
            if not self.text.startswith(",", self.at):
                break
            self.at += 1
        self.expect("}")

    def expect(self, mark: str) -> None:
        if not self.text.startswith(mark, self.at):
            raise _Puzzled
        self.at += len(mark)

    def skip(self, blank: re.Pattern[str]) -> int:
        """Go past the text that matches, which may be empty; return the place after."""
        found = blank.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return self.at

    def note(self, path: KeyPath, at: int) -> None:
        """Remember where a path was seen first."""
        self.lines.setdefault(path, bisect_left(self.ends, at) + 1)


def _unescaped(text: str) -> str:
    def char(found: re.Match[str]) -> str:
        code = found[1]
        if len(code) > 1:
            return chr(min(int(code[1:], 16), 0x10FFFF))
        return _ESCAPED.get(code, code)

    return _ESCAPE.sub(char, text)
