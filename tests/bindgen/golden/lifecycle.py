"""Call components of the world ``lifecycle``.

Made by airssys 0.1.0: ``airssys bindgen lifecycle.wasm``. Not to be edited.
"""
# ruff: noqa

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self, TypeAlias

from airssys import Answer, Bindings, Call, Err, HostInterface, Instance, Ok
from attrs import frozen


class LogLevel(enum.StrEnum):
    """``enum log-level { trace, debug, info, warn, error }``"""

    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


@frozen
class Timestamp:
    """``record timestamp { seconds: u64, nanoseconds: u32 }``"""

    seconds: int
    nanoseconds: int


@frozen
class ComponentId:
    """``record component-id { namespace: string, name: string, instance: string }``"""

    namespace: str
    name: str
    instance: str


@frozen
class ComponentMetadata:
    """``record component-metadata { name: string, version: string, description:
    string, author: string, license: string, supported-operations: list<string>,
    stateful: bool, memory-requirements: u64 }``
    """

    name: str
    version: str
    description: str
    author: str
    license: str
    supported_operations: list[str]
    stateful: bool
    memory_requirements: int


@frozen
class HealthStatusHealthy:
    """The case ``healthy`` of `HealthStatus`."""


@frozen
class HealthStatusDegraded:
    """The case ``degraded`` of `HealthStatus`."""

    value: str


@frozen
class HealthStatusUnhealthy:
    """The case ``unhealthy`` of `HealthStatus`."""

    value: str


@frozen
class HealthStatusUnknown:
    """The case ``unknown`` of `HealthStatus`."""

    value: str


HealthStatus: TypeAlias = (
    HealthStatusHealthy
    | HealthStatusDegraded
    | HealthStatusUnhealthy
    | HealthStatusUnknown
)
"""``variant health-status { healthy, degraded(string), unhealthy(string),
unknown(string) }``
"""


@frozen
class ComponentInfo:
    """``record component-info { id: component-id, metadata:
    option<component-metadata>, health: health-status }``
    """

    id: ComponentId
    metadata: ComponentMetadata | None
    health: HealthStatus


@frozen
class ComponentErrorInitializationFailed:
    """The case ``initialization-failed`` of `ComponentError`."""

    value: str


@frozen
class ComponentErrorConfigurationInvalid:
    """The case ``configuration-invalid`` of `ComponentError`."""

    value: str


@frozen
class ComponentErrorResourceExhausted:
    """The case ``resource-exhausted`` of `ComponentError`."""

    value: str


@frozen
class ComponentErrorInternalError:
    """The case ``internal-error`` of `ComponentError`."""

    value: str


@frozen
class ComponentErrorNotFound:
    """The case ``not-found`` of `ComponentError`."""

    value: str


ComponentError: TypeAlias = (
    ComponentErrorInitializationFailed
    | ComponentErrorConfigurationInvalid
    | ComponentErrorResourceExhausted
    | ComponentErrorInternalError
    | ComponentErrorNotFound
)
"""``variant component-error { initialization-failed(string),
configuration-invalid(string), resource-exhausted(string), internal-error(string),
not-found(string) }``
"""


@frozen
class MessagingErrorComponentNotFound:
    """The case ``component-not-found`` of `MessagingError`."""

    value: str


@frozen
class MessagingErrorMailboxFull:
    """The case ``mailbox-full`` of `MessagingError`."""

    value: str


@frozen
class MessagingErrorTimeout:
    """The case ``timeout`` of `MessagingError`."""


@frozen
class MessagingErrorInvalidMessage:
    """The case ``invalid-message`` of `MessagingError`."""

    value: str


@frozen
class MessagingErrorDenied:
    """The case ``denied`` of `MessagingError`."""

    value: str


@frozen
class MessagingErrorCycle:
    """The case ``cycle`` of `MessagingError`."""

    value: str


@frozen
class MessagingErrorStopped:
    """The case ``stopped`` of `MessagingError`."""

    value: str


@frozen
class MessagingErrorFailed:
    """The case ``failed`` of `MessagingError`."""

    value: str


MessagingError: TypeAlias = (
    MessagingErrorComponentNotFound
    | MessagingErrorMailboxFull
    | MessagingErrorTimeout
    | MessagingErrorInvalidMessage
    | MessagingErrorDenied
    | MessagingErrorCycle
    | MessagingErrorStopped
    | MessagingErrorFailed
)
"""``variant messaging-error { component-not-found(string), mailbox-full(string),
timeout, invalid-message(string), denied(string), cycle(string), stopped(string),
failed(string) }``
"""


@frozen
class ResourceLimits:
    """``record resource-limits { memory-bytes: u64, fuel: option<u64>, timeout-ms:
    option<u64>, payload-bytes: option<u64> }``
    """

    memory_bytes: int
    fuel: int | None
    timeout_ms: int | None
    payload_bytes: int | None


@frozen
class ComponentConfig:
    """``record component-config { env-vars: list<tuple<string, string>>,
    config-data: list<tuple<string, string>>, resource-limits: resource-limits }``
    """

    env_vars: list[tuple[str, str]]
    config_data: list[tuple[str, str]]
    resource_limits: ResourceLimits


@frozen
class ExecutionContext:
    """``record execution-context { request-id: string, timeout-ms: option<u64>,
    caller: option<component-id> }``
    """

    request_id: str
    timeout_ms: int | None
    caller: ComponentId | None


@frozen
class ExecutionErrorInvalidInput:
    """The case ``invalid-input`` of `ExecutionError`."""

    value: str


@frozen
class ExecutionErrorProcessingFailed:
    """The case ``processing-failed`` of `ExecutionError`."""

    value: str


@frozen
class ExecutionErrorTimeout:
    """The case ``timeout`` of `ExecutionError`."""


@frozen
class ExecutionErrorResourceLimitExceeded:
    """The case ``resource-limit-exceeded`` of `ExecutionError`."""

    value: str


ExecutionError: TypeAlias = (
    ExecutionErrorInvalidInput
    | ExecutionErrorProcessingFailed
    | ExecutionErrorTimeout
    | ExecutionErrorResourceLimitExceeded
)
"""``variant execution-error { invalid-input(string), processing-failed(string),
timeout, resource-limit-exceeded(string) }``
"""


@frozen
class Message:
    """``record message { sender: component-id, payload: list<u8>, correlation-id:
    option<string>, reply-to: option<component-id>, topic: option<string>,
    content-type: option<string>, timestamp: timestamp }``
    """

    sender: ComponentId
    payload: bytes
    correlation_id: str | None
    reply_to: ComponentId | None
    topic: str | None
    content_type: str | None
    timestamp: Timestamp


Payload: TypeAlias = bytes


RequestId: TypeAlias = str


CorrelationId: TypeAlias = str


class HostServices(Protocol):
    """What a host offers as ``airssys:core/host-services@1.0.0``: see
    `offer_host_services`.
    """

    def log(
        self,
        call: Call[Any],
        level: LogLevel,
        message: str,
        context: list[tuple[str, str]],
        /,
    ) -> Answer[None]:
        """``log: func(level: log-level, message: string, context: list<tuple<string,
        string>>)``
        """
        ...

    def current_time(self, call: Call[Any], /) -> Answer[Timestamp]:
        """``current-time: func() -> timestamp``"""
        ...

    def current_time_millis(self, call: Call[Any], /) -> Answer[int]:
        """``current-time-millis: func() -> u64``"""
        ...

    def sleep_millis(self, call: Call[Any], duration: int, /) -> Answer[None]:
        """``sleep-millis: func(duration: u64)``"""
        ...

    def random_bytes(self, call: Call[Any], count: int, /) -> Answer[bytes]:
        """``random-bytes: func(count: u32) -> list<u8>``"""
        ...

    def get_config(self, call: Call[Any], key: str, /) -> Answer[str | None]:
        """``get-config: func(key: string) -> option<string>``"""
        ...

    def list_components(self, call: Call[Any], /) -> Answer[Sequence[ComponentId]]:
        """``list-components: func() -> list<component-id>``"""
        ...

    def get_component_metadata(
        self, call: Call[Any], id: ComponentId, /
    ) -> Answer[ComponentInfo]:
        """``get-component-metadata: func(id: component-id) -> result<component-info,
        component-error>``

        Raises:
            WitError: Its value is of type ``ComponentError``.
        """
        ...


class Messaging(Protocol):
    """What a host offers as ``airssys:core/messaging@1.0.0``: see `offer_messaging`."""

    def self_id(self, call: Call[Any], /) -> Answer[ComponentId]:
        """``self-id: func() -> component-id``"""
        ...

    def send(
        self, call: Call[Any], target: ComponentId, payload: bytes, /
    ) -> Answer[None]:
        """``send: func(target: component-id, payload: list<u8>) -> result<_,
        messaging-error>``

        Raises:
            WitError: Its value is of type ``MessagingError``.
        """
        ...

    def request(
        self, call: Call[Any], target: ComponentId, payload: bytes, timeout_ms: int, /
    ) -> Answer[bytes]:
        """``request: func(target: component-id, payload: list<u8>, timeout-ms: u64)
        -> result<list<u8>, messaging-error>``

        Raises:
            WitError: Its value is of type ``MessagingError``.
        """
        ...

    def send_request(
        self, call: Call[Any], target: ComponentId, payload: bytes, timeout_ms: int, /
    ) -> Answer[str]:
        """``send-request: func(target: component-id, payload: list<u8>, timeout-ms:
        u64) -> result<string, messaging-error>``

        Raises:
            WitError: Its value is of type ``MessagingError``.
        """
        ...

    def cancel_request(self, call: Call[Any], request_id: str, /) -> Answer[bool]:
        """``cancel-request: func(request-id: string) -> bool``"""
        ...

    def broadcast(
        self, call: Call[Any], targets: list[ComponentId], payload: bytes, /
    ) -> Answer[Sequence[Ok[None] | Err[MessagingError]]]:
        """``broadcast: func(targets: list<component-id>, payload: list<u8>) ->
        list<result<_, messaging-error>>``
        """
        ...

    def publish(self, call: Call[Any], topic: str, payload: bytes, /) -> Answer[None]:
        """``publish: func(topic: string, payload: list<u8>) -> result<_,
        messaging-error>``

        Raises:
            WitError: Its value is of type ``MessagingError``.
        """
        ...

    def subscribe(self, call: Call[Any], pattern: str, /) -> Answer[None]:
        """``subscribe: func(pattern: string) -> result<_, messaging-error>``

        Raises:
            WitError: Its value is of type ``MessagingError``.
        """
        ...

    def unsubscribe(self, call: Call[Any], pattern: str, /) -> Answer[None]:
        """``unsubscribe: func(pattern: string) -> result<_, messaging-error>``

        Raises:
            WitError: Its value is of type ``MessagingError``.
        """
        ...


class ComponentLifecycle:
    """What a component exports as ``airssys:core/component-lifecycle@1.0.0``."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    async def init(self, config: ComponentConfig) -> None:
        """``init: func(config: component-config) -> result<_, component-error>``

        Raises:
            WitError: Its value is of type ``ComponentError``.
        """
        await self.instance.call("airssys:core/component-lifecycle@1.0.0#init", config)

    async def execute(self, operation: bytes, context: ExecutionContext) -> bytes:
        """``execute: func(operation: list<u8>, context: execution-context) ->
        result<list<u8>, execution-error>``

        Raises:
            WitError: Its value is of type ``ExecutionError``.
        """
        _result: bytes = await self.instance.call(
            "airssys:core/component-lifecycle@1.0.0#execute", operation, context
        )
        return _result

    async def handle_message(self, message: Message) -> bytes | None:
        """``handle-message: func(message: message) -> result<option<list<u8>>,
        component-error>``

        Raises:
            WitError: Its value is of type ``ComponentError``.
        """
        _result: bytes | None = await self.instance.call(
            "airssys:core/component-lifecycle@1.0.0#handle-message", message
        )
        return _result

    async def handle_callback(
        self, request_id: str, outcome: Ok[bytes] | Err[str]
    ) -> None:
        """``handle-callback: func(request-id: string, outcome: result<list<u8>,
        string>) -> result<_, component-error>``

        Raises:
            WitError: Its value is of type ``ComponentError``.
        """
        await self.instance.call(
            "airssys:core/component-lifecycle@1.0.0#handle-callback",
            request_id,
            outcome,
        )

    async def metadata(self) -> ComponentMetadata:
        """``metadata: func() -> component-metadata``"""
        _result: ComponentMetadata = await self.instance.call(
            "airssys:core/component-lifecycle@1.0.0#metadata"
        )
        return _result

    async def health(self) -> HealthStatus:
        """``health: func() -> health-status``"""
        _result: HealthStatus = await self.instance.call(
            "airssys:core/component-lifecycle@1.0.0#health"
        )
        return _result

    async def shutdown(self) -> None:
        """``shutdown: func() -> result<_, component-error>``

        Raises:
            WitError: Its value is of type ``ComponentError``.
        """
        await self.instance.call("airssys:core/component-lifecycle@1.0.0#shutdown")


_WIT = """\
world lifecycle {
  import airssys:core/types@1.0.0: interface {
    enum log-level { trace, debug, info, warn, error }
    record timestamp { seconds: u64, nanoseconds: u32 }
    type payload = list<u8>;
    record component-id { namespace: string, name: string, instance: string }
    record component-metadata { name: string, version: string, description: string, author: string, license: string, supported-operations: list<string>, stateful: bool, memory-requirements: u64 }
    variant health-status { healthy, degraded(string), unhealthy(string), unknown(string) }
    record component-info { id: component-id, metadata: option<component-metadata>, health: health-status }
    variant component-error { initialization-failed(string), configuration-invalid(string), resource-exhausted(string), internal-error(string), not-found(string) }
    variant messaging-error { component-not-found(string), mailbox-full(string), timeout, invalid-message(string), denied(string), cycle(string), stopped(string), failed(string) }
    type request-id = string;
    record resource-limits { memory-bytes: u64, fuel: option<u64>, timeout-ms: option<u64>, payload-bytes: option<u64> }
    record component-config { env-vars: list<tuple<string, string>>, config-data: list<tuple<string, string>>, resource-limits: resource-limits }
    record execution-context { request-id: string, timeout-ms: option<u64>, caller: option<component-id> }
    variant execution-error { invalid-input(string), processing-failed(string), timeout, resource-limit-exceeded(string) }
    type correlation-id = string;
    record message { sender: component-id, payload: list<u8>, correlation-id: option<string>, reply-to: option<component-id>, topic: option<string>, content-type: option<string>, timestamp: timestamp }
  }
  import airssys:core/host-services@1.0.0: interface {
    use airssys:core/types@1.0.0.{log-level, timestamp, payload, component-id, component-info, component-error};
    log: func(level: log-level, message: string, context: list<tuple<string, string>>);
    current-time: func() -> timestamp;
    current-time-millis: func() -> u64;
    sleep-millis: func(duration: u64);
    random-bytes: func(count: u32) -> list<u8>;
    get-config: func(key: string) -> option<string>;
    list-components: func() -> list<component-id>;
    get-component-metadata: func(id: component-id) -> result<component-info, component-error>;
  }
  import airssys:core/messaging@1.0.0: interface {
    use airssys:core/types@1.0.0.{component-id, payload, messaging-error, request-id};
    self-id: func() -> component-id;
    send: func(target: component-id, payload: list<u8>) -> result<_, messaging-error>;
    request: func(target: component-id, payload: list<u8>, timeout-ms: u64) -> result<list<u8>, messaging-error>;
    send-request: func(target: component-id, payload: list<u8>, timeout-ms: u64) -> result<string, messaging-error>;
    cancel-request: func(request-id: string) -> bool;
    broadcast: func(targets: list<component-id>, payload: list<u8>) -> list<result<_, messaging-error>>;
    publish: func(topic: string, payload: list<u8>) -> result<_, messaging-error>;
    subscribe: func(pattern: string) -> result<_, messaging-error>;
    unsubscribe: func(pattern: string) -> result<_, messaging-error>;
  }
  export airssys:core/component-lifecycle@1.0.0: interface {
    use airssys:core/types@1.0.0.{component-config, component-error, component-metadata, execution-context, execution-error, health-status, message, payload, request-id};
    init: func(config: component-config) -> result<_, component-error>;
    execute: func(operation: list<u8>, context: execution-context) -> result<list<u8>, execution-error>;
    handle-message: func(message: message) -> result<option<list<u8>>, component-error>;
    handle-callback: func(request-id: string, outcome: result<list<u8>, string>) -> result<_, component-error>;
    metadata: func() -> component-metadata;
    health: func() -> health-status;
    shutdown: func() -> result<_, component-error>;
  }
}
"""
_BINDINGS = Bindings(
    _WIT,
    {
        "import airssys:core/types@1.0.0#log-level": LogLevel,
        "import airssys:core/types@1.0.0#timestamp": Timestamp,
        "import airssys:core/types@1.0.0#component-id": ComponentId,
        "import airssys:core/types@1.0.0#component-metadata": ComponentMetadata,
        "import airssys:core/types@1.0.0#health-status": (
            HealthStatusHealthy,
            HealthStatusDegraded,
            HealthStatusUnhealthy,
            HealthStatusUnknown,
        ),
        "import airssys:core/types@1.0.0#component-info": ComponentInfo,
        "import airssys:core/types@1.0.0#component-error": (
            ComponentErrorInitializationFailed,
            ComponentErrorConfigurationInvalid,
            ComponentErrorResourceExhausted,
            ComponentErrorInternalError,
            ComponentErrorNotFound,
        ),
        "import airssys:core/types@1.0.0#messaging-error": (
            MessagingErrorComponentNotFound,
            MessagingErrorMailboxFull,
            MessagingErrorTimeout,
            MessagingErrorInvalidMessage,
            MessagingErrorDenied,
            MessagingErrorCycle,
            MessagingErrorStopped,
            MessagingErrorFailed,
        ),
        "import airssys:core/types@1.0.0#resource-limits": ResourceLimits,
        "import airssys:core/types@1.0.0#component-config": ComponentConfig,
        "import airssys:core/types@1.0.0#execution-context": ExecutionContext,
        "import airssys:core/types@1.0.0#execution-error": (
            ExecutionErrorInvalidInput,
            ExecutionErrorProcessingFailed,
            ExecutionErrorTimeout,
            ExecutionErrorResourceLimitExceeded,
        ),
        "import airssys:core/types@1.0.0#message": Message,
    },
)


def offer_host_services(implementation: HostServices, /) -> HostInterface:
    """Offer an object's methods as ``airssys:core/host-services@1.0.0``."""
    return _BINDINGS.offer("airssys:core/host-services@1.0.0", implementation)


def offer_messaging(implementation: Messaging, /) -> HostInterface:
    """Offer an object's methods as ``airssys:core/messaging@1.0.0``."""
    return _BINDINGS.offer("airssys:core/messaging@1.0.0", implementation)


class Exports:
    """What a component of the world ``lifecycle`` exports."""

    __airssys__: ClassVar[Bindings] = _BINDINGS

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.component_lifecycle = ComponentLifecycle(instance)

    def close(self) -> None:
        """Free the instance."""
        self.instance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()
