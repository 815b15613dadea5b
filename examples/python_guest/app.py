"""A guest in Python: an echo and a counter that can also run wild.

``inc`` counts, ``get`` is answered with the count, ``spin`` never returns, ``fall``
raises what nobody catches, and every other message is answered with itself. What it
prints is in the log. componentize-py makes it a component; build.py says how.
"""

# What it imports exists inside componentize-py only.
# mypy: ignore-errors

import time

from componentize_py_types import Err, Ok, Result
from wit_world import exports
from wit_world.imports import host_services, types


class Counter:
    def __init__(self) -> None:
        self.count = 0
        self.step = 1


counter = Counter()
"""Lives here, since componentize-py makes an object of the class for each export."""


class ComponentLifecycle(exports.ComponentLifecycle):
    def init(self, config: types.ComponentConfig) -> None:
        step = dict(config.config_data).get("step", "1")
        if not step.isdecimal():
            reason = f"step must be a decimal number, not {step!r}"
            raise Err(types.ComponentError_ConfigurationInvalid(reason))
        counter.step = int(step)
        print(f"Python is ready, {time.strftime('%H:%M:%S')} by its own clock")

    def handle_message(self, message: types.Message) -> bytes | None:
        match message.payload:
            case b"inc":
                counter.count += counter.step
                return None
            case b"get":
                return str(counter.count).encode()
            case b"spin":
                while True:
                    pass
            case b"fall":
                raise ValueError(f"told to fall at {counter.count}")
            case _:
                return message.payload

    def execute(self, operation: bytes, context: types.ExecutionContext) -> bytes:
        if operation == b"get":
            return str(counter.count).encode()
        asked = operation.decode(errors="replace")
        reason = f"request {context.request_id}: there is no operation {asked!r}"
        raise Err(types.ExecutionError_InvalidInput(reason))

    def handle_callback(self, request_id: str, outcome: Result[bytes, str]) -> None:
        kind = "ok" if isinstance(outcome, Ok) else "err"
        host_services.log(types.LogLevel.INFO, f"{request_id} ended: {kind}", [])

    def metadata(self) -> types.ComponentMetadata:
        return types.ComponentMetadata(
            name="python-guest",
            version="1.0.0",
            description="An echo and a counter in Python",
            author="airssys",
            license="Apache-2.0",
            supported_operations=["inc", "get", "spin", "fall"],
            stateful=True,
            memory_requirements=16 * 1024 * 1024,
        )

    def health(self) -> types.HealthStatus:
        return types.HealthStatus_Healthy()

    def shutdown(self) -> None:
        host_services.log(types.LogLevel.INFO, f"ended at {counter.count}", [])
