"""The types of ``airssys:ext-process``, written from its WIT text.

Not to be edited: ``python -m tests.signatures`` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ("RESOURCES", "SIGNATURES")

SIGNATURES: Final[Mapping[str, Mapping[str, str]]] = {}
RESOURCES: Final[Mapping[str, tuple[str, ...]]] = {}
