"""The types of every function of ``airssys:core``, as ``wit/core`` has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ("SIGNATURES",)

_ID: Final = "record { namespace: string, name: string, instance: string }"
_TIMESTAMP: Final = "record { seconds: u64, nanoseconds: u32 }"
_PAYLOAD: Final = "list<u8>"
_PAIRS: Final = "list<tuple<string, string>>"
_MESSAGE: Final = (
    f"record {{ sender: {_ID}, payload: {_PAYLOAD}, correlation-id: option<string>, "
    f"reply-to: option<{_ID}>, topic: option<string>, content-type: option<string>, "
    f"timestamp: {_TIMESTAMP} }}"
)
_LIMITS: Final = (
    "record { memory-bytes: u64, fuel: option<u64>, timeout-ms: option<u64>, "
    "payload-bytes: option<u64> }"
)
_CONFIG: Final = (
    f"record {{ env-vars: {_PAIRS}, config-data: {_PAIRS}, "
    f"resource-limits: {_LIMITS} }}"
)
_CONTEXT: Final = (
    f"record {{ request-id: string, timeout-ms: option<u64>, caller: option<{_ID}> }}"
)
_LEVEL: Final = "enum { trace, debug, info, warn, error }"
_HEALTH: Final = (
    "variant { healthy, degraded(string), unhealthy(string), unknown(string) }"
)
_METADATA: Final = (
    "record { name: string, version: string, description: string, author: string, "
    "license: string, supported-operations: list<string>, stateful: bool, "
    "memory-requirements: u64 }"
)
_INFO: Final = (
    f"record {{ id: {_ID}, metadata: option<{_METADATA}>, health: {_HEALTH} }}"
)
_ERROR: Final = (
    "variant { initialization-failed(string), configuration-invalid(string), "
    "resource-exhausted(string), internal-error(string), not-found(string) }"
)
_EXECUTION_ERROR: Final = (
    "variant { invalid-input(string), processing-failed(string), timeout, "
    "resource-limit-exceeded(string) }"
)
_MESSAGING_ERROR: Final = (
    "variant { component-not-found(string), mailbox-full(string), timeout, "
    "invalid-message(string), denied(string), cycle(string), stopped(string), "
    "failed(string) }"
)
_SENT: Final = f"result<_, {_MESSAGING_ERROR}>"

SIGNATURES: Final[Mapping[str, Mapping[str, str]]] = {
    "airssys:core/component-lifecycle@1.0.0": {
        "init": f"func(config: {_CONFIG}) -> result<_, {_ERROR}>",
        "execute": (
            f"func(operation: {_PAYLOAD}, context: {_CONTEXT}) "
            f"-> result<{_PAYLOAD}, {_EXECUTION_ERROR}>"
        ),
        "handle-message": (
            f"func(message: {_MESSAGE}) -> result<option<{_PAYLOAD}>, {_ERROR}>"
        ),
        "handle-callback": (
            f"func(request-id: string, outcome: result<{_PAYLOAD}, string>) "
            f"-> result<_, {_ERROR}>"
        ),
        "metadata": f"func() -> {_METADATA}",
        "health": f"func() -> {_HEALTH}",
        "shutdown": f"func() -> result<_, {_ERROR}>",
    },
    "airssys:core/host-services@1.0.0": {
        "log": f"func(level: {_LEVEL}, message: string, context: {_PAIRS})",
        "current-time": f"func() -> {_TIMESTAMP}",
        "current-time-millis": "func() -> u64",
        "sleep-millis": "func(duration: u64)",
        "random-bytes": f"func(count: u32) -> {_PAYLOAD}",
        "get-config": "func(key: string) -> option<string>",
        "list-components": f"func() -> list<{_ID}>",
        "get-component-metadata": f"func(id: {_ID}) -> result<{_INFO}, {_ERROR}>",
    },
    "airssys:core/messaging@1.0.0": {
        "self-id": f"func() -> {_ID}",
        "send": f"func(target: {_ID}, payload: {_PAYLOAD}) -> {_SENT}",
        "request": (
            f"func(target: {_ID}, payload: {_PAYLOAD}, timeout-ms: u64) "
            f"-> result<{_PAYLOAD}, {_MESSAGING_ERROR}>"
        ),
        "send-request": (
            f"func(target: {_ID}, payload: {_PAYLOAD}, timeout-ms: u64) "
            f"-> result<string, {_MESSAGING_ERROR}>"
        ),
        "cancel-request": "func(request-id: string) -> bool",
        "broadcast": (
            f"func(targets: list<{_ID}>, payload: {_PAYLOAD}) -> list<{_SENT}>"
        ),
        "publish": f"func(topic: string, payload: {_PAYLOAD}) -> {_SENT}",
        "subscribe": f"func(pattern: string) -> {_SENT}",
        "unsubscribe": f"func(pattern: string) -> {_SENT}",
    },
}
"""Interface, function, and its type with every named type spelled out."""
