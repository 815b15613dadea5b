from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import wasmtime
from attrs import define, field
from wasmtime.component import Component, Linker, LinkerInstance, Record, Variant

if TYPE_CHECKING:
    from pathlib import Path

LIFECYCLE = "airssys:core/component-lifecycle@1.0.0"
FUEL = 20_000_000_000


def record(**fields: Any) -> Any:
    """Make what wasmtime-py takes for a record: attributes in kebab case."""
    made = Record()
    for name, value in fields.items():
        setattr(made, name.rstrip("_").replace("_", "-"), value)
    return made


def actor(name: str) -> Any:
    return record(namespace="test", name=name, instance="")


@cache
def engine() -> wasmtime.Engine:
    settings = wasmtime.Config()
    settings.consume_fuel = True
    return wasmtime.Engine(settings)


@cache
def compiled(source: Path) -> Component:
    code = source.read_bytes()
    if source.suffix == ".wat":
        code = bytes(wasmtime.wat2wasm(code.decode()))
    return Component(engine(), code)


@define(eq=False)
class PlainHost:
    """Run a guest on wasmtime-py alone, so that a failure here is the guest's own."""

    source: Path
    config: dict[str, str] = field(factory=dict)
    heard: list[tuple[Any, ...]] = field(factory=list)
    """What the guest asked of its host, in order: function, arguments."""
    answers: dict[str, Any] = field(factory=dict)
    """What to answer instead, by function."""
    store: wasmtime.Store = field(init=False)
    functions: dict[str, Any] = field(factory=dict)

    def start(self) -> Any:
        """Instantiate and call ``init``; return what ``init`` returns."""
        component = compiled(self.source)
        linker = Linker(engine())
        with linker.root() as root:
            for name in ("host-services", "messaging"):
                with root.add_instance(f"airssys:core/{name}@1.0.0") as interface:
                    self._offer(interface, name)
        self.store = wasmtime.Store(engine())
        self.store.set_fuel(FUEL)
        instance = linker.instantiate(self.store, component)
        exports = instance.get_export_index(self.store, LIFECYCLE)
        assert exports is not None
        for name in (
            "init",
            "execute",
            "handle-message",
            "handle-callback",
            "metadata",
            "health",
            "shutdown",
        ):
            index = instance.get_export_index(self.store, name, exports)
            assert index is not None
            self.functions[name] = instance.get_func(self.store, index)
        limits = record(
            memory_bytes=1 << 20, fuel=FUEL, timeout_ms=None, payload_bytes=1 << 20
        )
        return self.call(
            "init",
            record(
                env_vars=[],
                config_data=[*self.config.items()],
                resource_limits=limits,
            ),
        )

    def call(self, name: str, *args: Any) -> Any:
        function = self.functions[name]
        result = function(self.store, *args)
        function.post_return(self.store)
        return result

    def tell(self, payload: bytes | str, topic: str | None = None) -> Any:
        """Hand the guest a message and return what ``handle-message`` returns."""
        return self.call(
            "handle-message",
            record(
                sender=actor("sender"),
                payload=payload.encode() if isinstance(payload, str) else payload,
                correlation_id=None,
                reply_to=None,
                topic=topic,
                content_type=None,
                timestamp=record(seconds=1, nanoseconds=2),
            ),
        )

    def execute(self, operation: bytes | str) -> Any:
        return self.call(
            "execute",
            operation.encode() if isinstance(operation, str) else operation,
            record(request_id="r1", timeout_ms=250, caller=actor("caller")),
        )

    def _offer(self, interface: LinkerInstance, name: str) -> None:
        offered: dict[str, Any] = {
            "host-services": {
                "log": None,
                "current-time": record(seconds=12, nanoseconds=34),
                "current-time-millis": 12_345,
                "sleep-millis": None,
                "random-bytes": lambda count: bytes(range(count)),
                "get-config": self.config.get,
                "list-components": [actor("one"), actor("two")],
                "get-component-metadata": Variant("not-found", "there is none"),
            },
            "messaging": {
                "self-id": actor("self"),
                "send": None,
                "request": b"the answer",
                "send-request": "request-1",
                "cancel-request": True,
                "broadcast": [None, Variant("denied", "not you")],
                "publish": None,
                "subscribe": None,
                "unsubscribe": None,
            },
        }[name]
        for function, answer in offered.items():
            interface.add_func(function, self._answering(function, answer))

    def _answering(self, function: str, usual: Any) -> Any:
        def called(_store: object, *args: Any) -> Any:
            self.heard.append((function, *args))
            answer = self.answers.get(function, usual)
            return answer(*args) if callable(answer) else answer

        return called


@pytest.fixture
def plain_host() -> type[PlainHost]:
    return PlainHost
