"""Offer all that guests may import, over nothing in particular."""

from __future__ import annotations

from airssys.actors.registry import Registry
from airssys.host.offered import open_interfaces
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface

__all__ = ("offered",)


async def offered() -> list[HostInterface]:
    """Return every interface that a system offers to guests."""
    async with open_interfaces(Registry(), Gate()) as interfaces:
        return list(interfaces)
