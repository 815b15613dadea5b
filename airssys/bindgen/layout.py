"""Lay out Python source so that ruff's formatter finds nothing to change."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

__all__ = (
    "WIDTH",
    "annotated",
    "assigned",
    "docstring",
    "in_tuple",
    "indented",
    "listed",
)

WIDTH: Final = 88
_STEP: Final = "    "


def indented(lines: Sequence[str], steps: int = 1) -> list[str]:
    """Move lines to the right."""
    return [f"{_STEP * steps}{line}" if line else "" for line in lines]


def listed(head: str, parts: Sequence[str], tail: str, *, steps: int = 0) -> list[str]:
    """Write parts between brackets: on one line, on a line of their own, or on many.

    Args:
        head: What ends with the opening bracket.
        parts: What commas part.
        tail: What begins with the closing bracket.
        steps: How far the lines will be indented.
    """
    width = WIDTH - len(_STEP) * steps
    joined = ", ".join(parts)
    if not parts or len(head) + len(joined) + len(tail) <= width:
        return [f"{head}{joined}{tail}"]
    if len(_STEP) + len(joined) <= width:
        # A sole parameter gets a comma; a sole argument does not.
        comma = "," if "def " in head and len(parts) == 1 else ""
        return [head, f"{_STEP}{joined}{comma}", *_returning(tail, width)]
    inside = [
        line for part in parts for line in _member(part, width=width - len(_STEP))
    ]
    return [head, *indented(inside), *_returning(tail, width)]


def in_tuple(head: str, parts: Sequence[str], *, steps: int) -> list[str]:
    """Write a tuple and a comma behind it: on one line or on many."""
    comma = "," if len(parts) == 1 else ""
    line = f"{head}({', '.join(parts)}{comma}),"
    if len(line) + len(_STEP) * steps <= WIDTH:
        return [line]
    return [f"{head}(", *indented([f"{part}," for part in parts]), "),"]


def annotated(
    head: str, annotation: str, tail: str = "", *, steps: int = 0, bare: bool = False
) -> list[str]:
    """Write an annotation, on several lines where it is too long for one.

    Args:
        head: What stands before it.
        annotation: The annotation.
        tail: What stands behind it.
        steps: How far the lines will be indented.
        bare: Write a union without brackets around it, as in a list of parameters.
    """
    width = WIDTH - len(_STEP) * steps
    parts = _parts(annotation, "|")
    if len(head) + len(annotation) + len(tail) <= width:
        return [f"{head}{annotation}{tail}"]
    if len(parts) > 1:
        within = steps if bare else steps + 1
        lines = []
        for at, part in enumerate(parts):
            start = "| " if at else head if bare else ""
            end = tail if bare and at == len(parts) - 1 else ""
            lines += annotated(start, part, end, steps=within)
        if bare:
            return lines
        fits = len(annotation) + len(_STEP) <= width
        return [f"{head}(", *indented([annotation] if fits else lines), f"){tail}"]
    outer, bracket, rest = annotation.partition("[")
    if not bracket:
        if head.endswith("= ") and len(_STEP) + len(annotation) <= width:
            return [f"{head}(", f"{_STEP}{annotation}", f"){tail}"]
        return [f"{head}{annotation}{tail}"]
    inner = rest.removesuffix("]")
    inside = [inner]
    if len(inner) + len(_STEP) > width:
        parts = _parts(inner, ",")
        comma = "," if len(parts) > 1 else ""
        inside = [
            line
            for part in parts
            for line in annotated("", part, comma, steps=steps + 1, bare=True)
        ]
    return [f"{head}{outer}[", *indented(inside), f"]{tail}"]


def assigned(annotation: str, call: str, parts: Sequence[str]) -> list[str]:
    """Write ``_result: annotation = call(parts)``, inside of a method."""
    *first, last = annotated("_result: ", annotation, f" = {call}(", steps=2)
    return [*first, *listed(last, parts, ")", steps=2)]


def _member(part: str, *, width: int) -> list[str]:
    """Write one of the parts between brackets on lines of its own."""
    name, colon, annotation = part.partition(": ")
    if not colon or len(part) + 1 <= width:
        return [f"{part},"]
    steps = (WIDTH - width) // len(_STEP)
    return annotated(f"{name}: ", annotation, ",", steps=steps, bare=True)


def _returning(tail: str, width: int) -> list[str]:
    """Write the end of a function's head."""
    annotation = tail.removeprefix(") -> ").removesuffix(":")
    if annotation == tail or len(tail) <= width:
        return [tail]
    steps = (WIDTH - width) // len(_STEP)
    return annotated(") -> ", annotation, ":", steps=steps)


def _parts(text: str, mark: str) -> list[str]:
    """Part text at the marks that are in no brackets."""
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter in "[(") - (letter in "])")
        if letter == mark and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def docstring(*paragraphs: str, steps: int = 1) -> list[str]:
    """Write a docstring; lines after a paragraph's first keep their indent."""
    width = WIDTH - len(_STEP) * steps
    lines: list[str] = []
    for paragraph in paragraphs:
        if lines:
            lines.append("")
        for line in paragraph.split("\n"):
            indent = line[: len(line) - len(line.lstrip())]
            filled = textwrap.wrap(
                line,
                # The first line has the quotes before it; a single one, both.
                width if lines else width - 6,
                subsequent_indent=indent,
                break_on_hyphens=False,
                break_long_words=False,
            )
            lines += filled or [""]
    lines[0] = f'"""{lines[0]}'
    if len(lines) == 1:
        return [f'{lines[0]}"""']
    return [*lines, '"""']
