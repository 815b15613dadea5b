"""Offer all that guests may import, over nothing in particular."""

from __future__ import annotations

from airssys.actors.registry import Registry
from airssys.host.offered import open_interfaces
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.wasi.offered import open_interfaces as open_wasi

__all__ = ("offered",)


async def offered() -> list[HostInterface]:
    """Return every interface that airssys offers to guests, WASI's after its own."""
    gate = Gate()
    async with open_interfaces(Registry(), gate) as own, open_wasi(gate) as wasi:
        return [*own, *wasi]
