"""Say which proposals of WebAssembly guests may use, and who may switch one on.

Each that is on is bounded by a limit: docs/architecture.md has the list. What nobody
has asked for, or what no limit holds, is off.
"""

from __future__ import annotations

from typing import Final

__all__ = ("hint", "proposals")

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


def proposals(
    *, exceptions: bool, tasks: bool = True
) -> tuple[dict[str, bool], dict[str, bool]]:
    """Return what is on and off.

    Args:
        exceptions: Whether guests may throw. What a callee burned before it throws is
            given back to the fuel of the call: that is a fault of wasmtime's.
        tasks: Whether functions may be asynchronous, which gives each call a task.

    Returns:
        Attributes of a configuration of wasmtime-py's, and the arguments of functions
        of the C API that it does not wrap, by what stands between ``wasmtime_config_``
        and ``_set``.
    """
    attributes = {
        "wasm_component_model": True,
        "wasm_component_model_map": True,
        "wasm_component_model_implements": True,
    }
    switches = {
        # Some of what these use cannot be passed.
        "wasm_component_model_async": tasks,
        "wasm_component_model_more_async_builtins": tasks,
        "wasm_component_model_async_stackful": tasks,
        "wasm_exceptions": exceptions,
    }
    if not tasks:
        switches["concurrency_support"] = False
    return attributes, switches


def hint(reason: str) -> str:
    """Return what to do about a proposal that is off, for an error; or nothing."""
    return next((f" ({advice})" for words, advice in _HINTS if words in reason), "")
