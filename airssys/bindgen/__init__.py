"""Typed bindings: write a module for a world, and tie its classes to a component.

The names here are what such modules import; ``airssys bindgen`` writes them.
"""

from __future__ import annotations

from ..engine.resource import Handle
from .bindings import Answer, Bindings

__all__ = ("Answer", "Bindings", "Handle")
