"""What the functions of `turns` do."""

# mypy: ignore-errors

from __future__ import annotations

from typing import Any

from componentize_py_types import Err, Ok, Result, Some
from wit_world.imports import shapes


def scalars(*values: Any) -> tuple[Any, ...]:
    return values


def greet(name: str) -> str:
    return f"hello, {name}"


def idle() -> None:
    pass


def reverse(data: bytes) -> bytes:
    return data[::-1]


def swap(point: shapes.Point) -> shapes.Point:
    return shapes.Point(point.y, point.x)


def turn(document: shapes.Document) -> shapes.Document:
    return shapes.Document(
        id=document.id + 1,
        title=f"{document.title}!",
        body=document.body[::-1],
        at=shapes.Point(document.at.y, document.at.x),
        tags=[*document.tags, "turned"],
    )


def change(content: shapes.Content) -> shapes.Content:
    match content:
        case shapes.Content_Nothing():
            return shapes.Content_Text("nothing")
        case shapes.Content_Text(text):
            return shapes.Content_Raw(text.encode())
        case shapes.Content_Raw(data):
            return shapes.Content_Raw(data[::-1])
        case shapes.Content_Place(place):
            return shapes.Content_Places([place, place])
        case shapes.Content_Places(places):
            sums = (sum(place.x for place in places), sum(place.y for place in places))
            return shapes.Content_Place(shapes.Point(*sums))


def next(colour: shapes.Colour) -> shapes.Colour:  # noqa: A001 - its name in WIT
    return shapes.Colour((colour.value + 1) % 3)


def others(rights: shapes.Rights) -> shapes.Rights:
    return ~rights


def toggle(data: bytes | None) -> bytes | None:
    return b"" if data is None else data[::-1] or None


def descend(depth: Some[int | None] | None) -> Some[int | None] | None:
    match depth:
        case None:
            return Some(None)
        case Some(None):
            return Some(0)
        case Some(0):
            return None
        case Some(more):
            return Some(more - 1)


def divide(a: int, b: int) -> int:
    if b == 0:
        raise Err("division by zero")
    return int(a / b)


def fetch(key: str, data: bytes) -> bytes:
    match key:
        case "data":
            return data
        case "late":
            raise Err(shapes.Fault_Timeout())
        case "broken":
            raise Err(shapes.Fault_Broken(data))
    raise Err(shapes.Fault_NotFound(key))


def accept(data: bytes) -> None:
    if not data:
        raise Err(None)


def invert(outcomes: list[Result[bytes, str]]) -> list[Result[bytes, str]]:
    return [
        Err(outcome.value.decode())
        if isinstance(outcome, Ok)
        else Ok(outcome.value.encode())
        for outcome in outcomes
    ]


def backwards(points: list[shapes.Point]) -> list[shapes.Point]:
    return points[::-1]


def turn_all(documents: list[shapes.Document]) -> list[shapes.Document]:
    return [*map(turn, documents)]


def change_all(contents: list[shapes.Content]) -> list[shapes.Content]:
    return [*map(change, contents)]


def join(words: list[str]) -> str:
    return ",".join(words)


def split(text: str) -> list[str]:
    return text.split(",")


def mirror(chunks: list[bytes]) -> list[bytes]:
    return [chunk[::-1] for chunk in reversed(chunks)]


def exchange(pair: tuple[str, bytes]) -> tuple[bytes, str]:
    text, data = pair
    return data, text
