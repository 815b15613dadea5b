"""Say which proposals of WebAssembly guests may use, and who may switch one on.

Each that is on is bounded by a limit: docs/architecture.md has the list. What nobody
has asked for, or what no limit holds, is off.
"""

from __future__ import annotations

from typing import Final

import wasmtime

from . import _ffi

__all__ = ("hint", "set_proposals")

_HINTS: Final = (
    # wasmtime's words for what is off, then how to have it, or why not.
    ("exceptions support is not enabled", "allow them with Engine(exceptions=True)"),
    (
        "exception refs not supported without the exception handling feature",
        "allow them with Engine(exceptions=True)",
    ),
    (
        "exceptions proposal not enabled",
        "allow them with Engine(exceptions=True)",
    ),
)


def set_proposals(config: wasmtime.Config, *, exceptions: bool) -> None:
    """Switch proposals on and off.

    Args:
        config: The engine's settings.
        exceptions: Whether guests may throw. What a callee burned before it throws is
            given back to the fuel of the call: that is a fault of wasmtime's.
    """
    config.wasm_component_model = True
    config.wasm_component_model_map = True
    config.wasm_component_model_implements = True
    pointer = _ffi.address(config.ptr())
    for switch in _ffi.CONFIG_ASYNC:
        switch(pointer, True)  # noqa: FBT003
    _ffi.config_exceptions(pointer, exceptions)


def hint(reason: str) -> str:
    """Return what to do about a proposal that is off, for an error; or nothing."""
    return next((f" ({advice})" for words, advice in _HINTS if words in reason), "")
