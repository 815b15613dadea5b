"""Serve HTTP with a component, until a signal stops it."""

from __future__ import annotations

import logging
import re
import socket
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import anyio
from attrs import define, evolve, field
from cyclopts import Parameter

from ..config import load_config
from ..core.levels import LogLevel
from ..core.manifests.host import HostConfig
from ..wasi import Context, asgi
from ..wasi.surroundings import Surroundings
from .behind import Behind
from .call import given_limits, open_component
from .failure import BadInput
from .offering import as_name, open_offer, read_variable
from .screen import LogBridge, Screen
from .signals import Signals

__all__ = ("serve",)

_ACTOR: Final = "serve"
"""The id that the guest has in events."""
_TIMEOUT: Final = 60.0
"""Seconds that a request may take, where nobody says otherwise."""
_GRACE: Final = 3.0
"""Seconds that requests under way have at the end."""
_QUEUE: Final = 100
"""Connections that wait to be accepted."""
_LARGEST_PORT: Final = 65_535
_FIELDS: Final = "header_field_re"
_SPACES: Final = rb":[ \t]*(?P<field_value>"
_SPACES_AT_ONCE: Final = rb":[ \t]*+(?P<field_value>"
_ADDRESS: Final = re.compile(
    r"(?:\[(?P<six>[^]]+)\]|(?P<host>[^:]+)):(?P<port>\d{1,5})"
)


def serve(
    component: Path,
    /,
    *,
    addr: str = "127.0.0.1:8080",
    reuse: Annotated[bool, Parameter(negative="")] = False,
    size: int = 32,
    env: Annotated[
        tuple[str, ...], Parameter(negative="", n_tokens=1, show_default=False)
    ] = (),
    fuel: int | None = None,
    timeout: str | None = None,
    memory: str | None = None,
    config: Path | None = None,
    log_level: LogLevel | None = None,
    backend: Literal["trio", "asyncio"] = "trio",
) -> int:
    """Serve HTTP with a component that exports wasi:http/incoming-handler.

    Each request is answered by an instance of its own. Ctrl-C ends it: requests under
    way have 3 s; a second Ctrl-C cuts them off. SIGTERM and SIGHUP do as Ctrl-C does.

    Args:
        component: A .wasm or .wat file, or a component's folder or Component.toml,
            whose limits, quotas and capabilities then hold.
        addr: Where to listen: HOST:PORT, [ADDRESS]:PORT for IPv6. Port 0 is one that
            is free.
        reuse: Keep an instance for other requests once it has answered. What the
            component remembers of one client is then there for the next.
        size: Requests that are answered at one time; others wait.
        env: NAME=VALUE, for the component to see, or the NAME of a variable to take
            over; can be given several times.
        fuel: What a request may use, about one unit for each instruction.
        timeout: How long a request may take, such as 5s; 60s by default.
        memory: What an instance may use, such as 64MiB.
        config: The host file. The audit log that it asks for is written.
        log_level: The least important log lines to show; by default as the host file
            says, or info.
        backend: The event loop.
    """
    limits = given_limits(fuel, timeout, memory)
    if size < 1:
        raise BadInput(f"--size: {size} must be at least 1")
    settings = load_config(config)
    with _listener(addr) as listener, Signals() as signals:
        behind = Behind(sys.stderr)
        screen = Screen(behind.console(), log_level or settings.log)
        job = _Job(
            component,
            settings,
            screen,
            limits,
            dict(map(read_variable, env)),
            size,
            reuse,
            listener,
            _server(backend),
        )
        bridge = LogBridge(screen)
        logging.getLogger().addHandler(bridge)
        signals.looping = True
        try:
            anyio.run(job.run, signals, backend=backend)
        finally:
            logging.getLogger().removeHandler(bridge)
            behind.close()
    return 0 if signals.number is None else 128 + signals.number


def _listener(addr: str) -> socket.socket:
    """Listen at an address.

    Raises:
        BadInput: It is none, or is taken.
    """
    found = _ADDRESS.fullmatch(addr)
    if found is None or int(found["port"]) > _LARGEST_PORT:
        raise BadInput(f"--addr: {addr!r} is no HOST:PORT, such as 127.0.0.1:8080")
    host, port = found["six"] or found["host"], int(found["port"])
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if found["six"] else socket.AF_INET,
            backlog=_QUEUE,
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(f"--addr: cannot listen at {addr}: {reason}") from error


def _server(backend: str) -> Any:
    """Return the function of hypercorn that serves.

    Raises:
        BadInput: It is not installed.
    """
    try:
        return import_module(f"hypercorn.{backend}").serve
    except ModuleNotFoundError as error:
        words = "hypercorn is missing: pip install 'airssys[serve]'"
        raise BadInput(words) from error


def _read_spaces_once() -> None:
    """Have h11, by which hypercorn reads, take all spaces before a value at once.

    Where a line is no field it tries to end them at each one: for 60 KB, which any
    client can send at one go, that takes a minute, and nobody is served meanwhile. What
    it takes for a field stays the same. Does nothing to an h11 that reads otherwise.
    """
    readers = import_module("h11._readers")
    found = getattr(readers, _FIELDS, None)
    if isinstance(found, re.Pattern) and _SPACES in found.pattern:
        at_once = found.pattern.replace(_SPACES, _SPACES_AT_ONCE)
        setattr(readers, _FIELDS, re.compile(at_once))


@define(eq=False)
class _Job:
    """What is to be served, and how."""

    path: Path
    settings: HostConfig
    screen: Screen
    limits: Mapping[str, Any]
    env: Mapping[str, str]
    size: int
    reuse: bool
    listener: socket.socket
    server: Any
    _serving: bool = field(default=False, init=False)
    _stop: anyio.Event = field(factory=anyio.Event, init=False)

    async def run(self, signals: Signals) -> None:
        """Serve until the first signal; one that comes before ends it at once."""
        async with anyio.create_task_group() as nursery:
            nursery.start_soon(self._obey, signals, nursery.cancel_scope)
            await self._serve()
            nursery.cancel_scope.cancel()

    async def _obey(self, signals: Signals, scope: anyio.CancelScope) -> None:
        await signals.wait_heard()
        self._stop.set()
        if not self._serving:
            scope.cancel()

    async def _serve(self) -> None:
        component, terms = await open_component(self.path, self.settings)
        limits = evolve(terms.limits, timeout=terms.limits.timeout or _TIMEOUT)
        async with open_offer(terms, self.settings, self.screen, actor=_ACTOR) as offer:
            surroundings = Surroundings(
                wasi=terms.wasi,
                outside=offer.outside,
                component=component.name,
                actor=_ACTOR,
                standing=offer.standing,
            )
            app = asgi(
                component,
                offer.imports,
                limits=evolve(limits, **self.limits),
                grants=offer.standing,
                context=lambda: self._context(surroundings),
                size=self.size,
                reuse=self.reuse,
                guard=offer.gate,
                actor=_ACTOR,
                missing="trap",
            )
            await app.prepare()
            name = self.listener.getsockname()
            host = f"[{name[0]}]" if ":" in name[0] else name[0]
            self._say(LogLevel.INFO, component.name, f"on http://{host}:{name[1]}/")
            self._serving = True
            _read_spaces_once()
            await self.server(
                app, self._config(), shutdown_trigger=self._stop.wait, mode="asgi"
            )
            self._say(LogLevel.INFO, component.name, "stopped")

    def _context(self, surroundings: Surroundings) -> Context:
        """Return what an instance finds: many have no one file to write to."""
        wasi = surroundings.wasi
        return Context(
            args=(as_name(surroundings.component), *wasi.args),
            env={**wasi.env, **self.env},
            cwd=wasi.cwd,
            preopens=wasi.preopens,
            stdout=surroundings.log_lines("stdout"),
            stderr=surroundings.log_lines("stderr"),
        )

    def _say(self, level: LogLevel, name: str, text: str) -> None:
        self.screen.log(level, name, text)

    def _config(self) -> Any:
        config = import_module("hypercorn").Config()
        # Another descriptor: hypercorn closes what it serves.
        config.bind = [f"fd://{self.listener.dup().detach()}"]
        config.graceful_timeout = _GRACE
        config.include_server_header = False
        # What a component does wrong is told where it is noticed, in one line.
        config.errorlog = None
        return config
