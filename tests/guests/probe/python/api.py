"""The guest's resource: componentize-py looks for it in a module named like its WIT."""

# mypy: ignore-errors

from __future__ import annotations

from typing import Self

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.shapes import Fault_NotFound

ended: list[str] = []
"""The names of sessions that are no more, in order."""


class Session(exports.api.Session):
    def __init__(self, name: str) -> None:
        self._name = name
        self._data = b""

    def __del__(self) -> None:
        # componentize-py 0.25 keeps a reference for ever, so this is never called.
        ended.append(self._name)

    @classmethod
    def open(cls, name: str) -> Self:
        if not name:
            raise Err(Fault_NotFound("no name"))
        return cls(name)

    @classmethod
    def merge(cls, first: Self, second: Self) -> Self:
        merged = cls(first.name())
        merged.append(first.contents() + second.contents())
        return merged

    def name(self) -> str:
        return self._name

    def append(self, data: bytes) -> int:
        self._data += data
        return len(self._data)

    def contents(self) -> bytes:
        return self._data
