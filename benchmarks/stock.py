"""Instances of stock guests: a program in C, a service in CPython."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from functools import partial
from time import perf_counter
from typing import Any

import anyio
import wasmtime
from wasmtime.component import Component as PlainComponent
from wasmtime.component import Linker

from airssys import Engine, Limits
from airssys.engine.component import Component
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.wasi import BytesOutput, Context, asgi, open_interfaces
from tests.guests.probe.build import ToolMissing
from tests.guests.serving.build import built

from .measure import BACKENDS, Effort, Goal, Row, Timed, compare, run_on
from .plain import engine
from .wasi_files import PROGRAM, RUN

__all__ = ("rows",)

NATIVE = "wasmtime-py's native WASI"
LIMITS = Limits(memories=3)
_FUEL = 2**62


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _c, effort, backend)
        try:
            service = built("python")
        except ToolMissing:
            continue
        yield from run_on(backend, _python, effort, backend, service)


async def _c(effort: Effort, backend: str) -> list[Row]:
    component = await Engine().load(PROGRAM)
    async with open_interfaces() as offered:
        stdout = BytesOutput()
        # It opens nothing, no times, and says so.
        context = Context(args=("files", "open", "/", "0"), stdout=stdout)
        with await component.instantiate(
            offered, guard=Gate(), context=context
        ) as instance:
            await instance.call(f"{RUN}#run")
        assert stdout.content.strip() == b"0"
        return await compare(
            effort,
            f"an instance of a program in C, and close ({backend})",
            partial(_instances, component, offered),
            {NATIVE: _native()},
            goals={NATIVE: Goal(limit=0.15e-3, of="ours")},
        )


async def _python(effort: Effort, backend: str, service: Any) -> list[Row]:
    component = await Engine().load(service)
    async with open_interfaces() as offered:
        assert await _answers(component, offered)
        return await compare(
            effort,
            f"an instance of a service in CPython, and close ({backend})",
            partial(_instances, component, offered),
            goals={"": Goal(limit=4e-3, of="ours")},
        )


async def _instances(
    component: Component, offered: tuple[HostInterface, ...], loops: int
) -> float:
    start = perf_counter()
    for _ in range(loops):
        instance = await component.instantiate(
            offered, limits=LIMITS, guard=Gate(), context=Context(), missing="trap"
        )
        instance.close()
    return perf_counter() - start


def _native() -> Timed:
    made = engine()
    component = PlainComponent.from_file(made, str(PROGRAM))
    linker = Linker(made)
    linker.add_wasip2()

    async def timed(loops: int) -> float:
        start = perf_counter()
        for _ in range(loops):
            store = wasmtime.Store(made)
            store.set_fuel(_FUEL)
            store.set_wasi(wasmtime.WasiConfig())
            linker.instantiate(store, component)
        return perf_counter() - start

    return timed


async def _answers(component: Component, offered: tuple[HostInterface, ...]) -> bool:
    """Tell whether a service answers a request."""
    app = asgi(component, offered, limits=LIMITS, size=1, missing="trap")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/hello",
        "raw_path": b"/hello",
        "query_string": b"",
        "headers": [(b"host", b"x.example")],
        "server": ("x.example", 80),
        "client": ("127.0.0.1", 1),
    }
    sent: list[Mapping[str, Any]] = []

    body: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": b"", "more_body": False}
    ]

    async def receive() -> MutableMapping[str, Any]:
        if not body:
            await anyio.sleep_forever()  # the client stays
        return body.pop()

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return bool(sent[0]["status"] == 200)
