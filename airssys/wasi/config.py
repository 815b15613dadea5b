"""Give guests their configuration: ``wasi:config``."""

from __future__ import annotations

from typing import ClassVar

from ..hostcalls.call import Call
from ..hostcalls.declare import Free, operation
from .context import context_of

__all__ = ("ConfigOperations",)

_OWN = Free("it was given to the instance by whoever made it")


class ConfigOperations:
    """The operations of ``wasi:config/store``."""

    interface: ClassVar[str] = "wasi:config/store@0.2.0-rc.1"

    @operation(needs=_OWN)
    def get(self, call: Call, key: str) -> str | None:
        return context_of(call).config.get(key)

    @operation(needs=_OWN)
    def get_all(self, call: Call) -> list[tuple[str, str]]:
        return list(context_of(call).config.items())
