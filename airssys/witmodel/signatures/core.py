"""The types of ``airssys:core``, written from its WIT text.

Not to be edited: ``python -m tests.regenerate`` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ("RESOURCES", "SIGNATURES")

SIGNATURES: Final[Mapping[str, Mapping[str, str]]] = {
    "airssys:core/host-services@1.0.0": {
        "log": "func(level: enum { trace, debug, info, warn, error }, message: string, context: list<tuple<string, string>>)",
        "current-time": "func() -> record { seconds: u64, nanoseconds: u32 }",
        "current-time-millis": "func() -> u64",
        "sleep-millis": "func(duration: u64)",
        "random-bytes": "func(count: u32) -> list<u8>",
        "get-config": "func(key: string) -> option<string>",
        "list-components": "func() -> list<record { namespace: string, name: string, instance: string }>",
        "get-component-metadata": "func(id: record { namespace: string, name: string, instance: string }) -> result<record { id: record { namespace: string, name: string, instance: string }, metadata: option<record { name: string, version: string, description: string, author: string, license: string, supported-operations: list<string>, stateful: bool, memory-requirements: u64 }>, health: variant { healthy, degraded(string), unhealthy(string), unknown(string) } }, variant { initialization-failed(string), configuration-invalid(string), resource-exhausted(string), internal-error(string), not-found(string) }>",
    },
    "airssys:core/messaging@1.0.0": {
        "self-id": "func() -> record { namespace: string, name: string, instance: string }",
        "send": "func(target: record { namespace: string, name: string, instance: string }, payload: list<u8>) -> result<_, variant { component-not-found(string), mailbox-full(string), timeout, invalid-message(string), denied(string), cycle(string), stopped(string), failed(string) }>",
        "request": "func(target: record { namespace: string, name: string, instance: string }, payload: list<u8>, timeout-ms: u64) -> result<list<u8>, variant { component-not-found(string), mailbox-full(string), timeout, invalid-message(string), denied(string), cycle(string), stopped(string), failed(string) }>",
        "send-request": "func(target: record { namespace: string, name: string, instance: string }, payload: list<u8>, timeout-ms: u64) -> result<string, variant { component-not-found(string), mailbox-full(string), timeout, invalid-message(string), denied(string), cycle(string), stopped(string), failed(string) }>",
        "cancel-request": "func(request-id: string) -> bool",
        "broadcast": "func(targets: list<record { namespace: string, name: string, instance: string }>, payload: list<u8>) -> list<result<_, variant { component-not-found(string), mailbox-full(string), timeout, invalid-message(string), denied(string), cycle(string), stopped(string), failed(string) }>>",
        "publish": "func(topic: string, payload: list<u8>) -> result<_, variant { component-not-found(string), mailbox-full(string), timeout, invalid-message(string), denied(string), cycle(string), stopped(string), failed(string) }>",
        "subscribe": "func(pattern: string) -> result<_, variant { component-not-found(string), mailbox-full(string), timeout, invalid-message(string), denied(string), cycle(string), stopped(string), failed(string) }>",
        "unsubscribe": "func(pattern: string) -> result<_, variant { component-not-found(string), mailbox-full(string), timeout, invalid-message(string), denied(string), cycle(string), stopped(string), failed(string) }>",
    },
    "airssys:core/storage@1.0.0": {
        "get": "func(key: string) -> result<option<list<u8>>, variant { not-found(string), quota-exceeded(string), invalid-key(string), denied(string), io-error(string) }>",
        "set": "func(key: string, value: list<u8>) -> result<_, variant { not-found(string), quota-exceeded(string), invalid-key(string), denied(string), io-error(string) }>",
        "delete": "func(key: string) -> result<_, variant { not-found(string), quota-exceeded(string), invalid-key(string), denied(string), io-error(string) }>",
        "exists": "func(key: string) -> result<bool, variant { not-found(string), quota-exceeded(string), invalid-key(string), denied(string), io-error(string) }>",
        "list-keys": "func(prefix: option<string>) -> result<list<string>, variant { not-found(string), quota-exceeded(string), invalid-key(string), denied(string), io-error(string) }>",
        "usage": "func() -> result<record { used-bytes: u64, quota-bytes: option<u64>, key-count: u64 }, variant { not-found(string), quota-exceeded(string), invalid-key(string), denied(string), io-error(string) }>",
        "compare-and-set": "func(key: string, expected: option<list<u8>>, value: list<u8>) -> result<bool, variant { not-found(string), quota-exceeded(string), invalid-key(string), denied(string), io-error(string) }>",
    },
    "airssys:core/permissions@1.0.0": {
        "check-file-read": "func(path: string) -> variant { granted, denied(string) }",
        "check-file-write": "func(path: string) -> variant { granted, denied(string) }",
        "check-file-delete": "func(path: string) -> variant { granted, denied(string) }",
        "check-directory-list": "func(path: string) -> variant { granted, denied(string) }",
        "check-network-outbound": "func(host: string, port: u16) -> variant { granted, denied(string) }",
        "check-storage-access": "func(namespace: string) -> variant { granted, denied(string) }",
    },
    "airssys:core/capabilities@1.0.0": {
        "granted": "func() -> list<record { section: enum { filesystem, network, storage, messaging, process, custom }, action: string, pattern: string, expires: option<record { seconds: u64, nanoseconds: u32 }> }>",
        "check": "func(section: enum { filesystem, network, storage, messaging, process, custom }, action: string, target: string) -> result<_, variant { access-denied(string), invalid-argument(string) }>",
    },
    "airssys:core/component-lifecycle@1.0.0": {
        "init": "func(config: record { env-vars: list<tuple<string, string>>, config-data: list<tuple<string, string>>, resource-limits: record { memory-bytes: u64, fuel: option<u64>, timeout-ms: option<u64>, payload-bytes: option<u64> } }) -> result<_, variant { initialization-failed(string), configuration-invalid(string), resource-exhausted(string), internal-error(string), not-found(string) }>",
        "execute": "func(operation: list<u8>, context: record { request-id: string, timeout-ms: option<u64>, caller: option<record { namespace: string, name: string, instance: string }> }) -> result<list<u8>, variant { invalid-input(string), processing-failed(string), timeout, resource-limit-exceeded(string) }>",
        "handle-message": "func(message: record { sender: record { namespace: string, name: string, instance: string }, payload: list<u8>, correlation-id: option<string>, reply-to: option<record { namespace: string, name: string, instance: string }>, topic: option<string>, content-type: option<string>, timestamp: record { seconds: u64, nanoseconds: u32 } }) -> result<option<list<u8>>, variant { initialization-failed(string), configuration-invalid(string), resource-exhausted(string), internal-error(string), not-found(string) }>",
        "handle-callback": "func(request-id: string, outcome: result<list<u8>, string>) -> result<_, variant { initialization-failed(string), configuration-invalid(string), resource-exhausted(string), internal-error(string), not-found(string) }>",
        "metadata": "func() -> record { name: string, version: string, description: string, author: string, license: string, supported-operations: list<string>, stateful: bool, memory-requirements: u64 }",
        "health": "func() -> variant { healthy, degraded(string), unhealthy(string), unknown(string) }",
        "shutdown": "func() -> result<_, variant { initialization-failed(string), configuration-invalid(string), resource-exhausted(string), internal-error(string), not-found(string) }>",
    },
}
RESOURCES: Final[Mapping[str, tuple[str, ...]]] = {}
