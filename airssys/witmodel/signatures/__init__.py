"""The types of every function that airssys offers to guests, as ``wit/`` has them.

Each package has a module of its own, which is written from its WIT text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..agreement import agreement
from . import core, filesystem, network, process, wasi

__all__ = ("RESOURCES", "SIGNATURES", "is_known")

SIGNATURES: Final[Mapping[str, Mapping[str, str]]] = {
    **core.SIGNATURES,
    **filesystem.SIGNATURES,
    **network.SIGNATURES,
    **process.SIGNATURES,
    **wasi.SIGNATURES,
}
"""Interface, function, and its type with every named type spelled out.

A resource is named as its interface names it, and a function of a resource as wasmtime
does: ``[method]file.read``.
"""
RESOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    **core.RESOURCES,
    **filesystem.RESOURCES,
    **network.RESOURCES,
    **process.RESOURCES,
    **wasi.RESOURCES,
}
"""The resources that an interface defines."""


def is_known(interface: str) -> bool:
    """Tell whether airssys has an interface, in this version or a compatible one."""
    return agreement(interface) in _KNOWN


_KNOWN: Final = frozenset(map(agreement, (*SIGNATURES, *RESOURCES)))
