"""Serve HTTP with a component that exports ``wasi:http/incoming-handler``, as ASGI."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final

import anyio
from attrs import define, field

from ...core.errors import AirssysError, InvalidComponent
from ...core.grants.grants import Grants
from ...core.limits import Limits
from ...hostcalls.call import Standing
from ...hostcalls.interface import HostInterface
from ...witmodel.agreement import agreement
from ...witmodel.types import Err, Ok, Variant
from ..context import Context
from .body import IncomingBody, Pipe
from .fields import Fields
from .message import IncomingRequest, OutgoingResponse, ResponseOutparam

__all__ = ("Application", "asgi")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_HANDLER: Final = "wasi:http/incoming-handler@0.2.0"
_METHODS: Final = frozenset(
    ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")
)
_FAILED: Final = 500
_log = logging.getLogger("airssys.wasi")


def asgi(
    component: Any,
    imports: Sequence[HostInterface],
    *,
    limits: Limits | None = None,
    grants: Grants | Standing | None = None,
    context: Callable[[], object] = Context,
) -> Application:
    """Return an ASGI application that answers each request by an instance of its own.

    It runs under any server of trio or asyncio, such as hypercorn and uvicorn.

    Args:
        component: A `Component` that exports ``wasi:http/incoming-handler``.
        imports: The interfaces to offer, those of `open_interfaces` among them.
        limits: What a request may use; `Limits()` by default.
        grants: What the component may do.
        context: Makes the context of each instance.

    Raises:
        InvalidComponent: The component does not export it.
    """
    wanted = agreement(_HANDLER)
    for name in component.functions():
        interface, _, function = name.partition("#")
        if function == "handle" and agreement(interface) == wanted:
            return Application(component, name, tuple(imports), limits, grants, context)
    reason = "it does not export 'wasi:http/incoming-handler', so it serves no HTTP"
    raise InvalidComponent(component.name, reason)


@define(eq=False)
class Application:
    """An ASGI application. Made by `asgi`."""

    _component: Any
    _export: str
    _imports: tuple[HostInterface, ...]
    _limits: Limits | None
    _grants: Grants | Standing | None
    _context: Callable[[], object]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await _live(receive, send)
            case "http":
                await _Exchange(self, scope, receive, send).run()
            case kind:
                raise NotImplementedError(f"components do not serve {kind!r}")

    async def handle(self, request: IncomingRequest, param: ResponseOutparam) -> None:
        """Have one instance answer one request."""
        instance = await self._component.instantiate(
            self._imports,
            limits=self._limits,
            grants=self._grants,
            context=self._context(),
        )
        with instance:
            await instance.call(self._export, request, param)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


@define(eq=False)
class _Exchange:
    """One request and its answer."""

    app: Application
    scope: Scope
    receive: Receive
    send: Send
    body: Pipe = field(factory=Pipe, init=False)
    param: ResponseOutparam = field(factory=ResponseOutparam, init=False)
    error: Exception | None = field(default=None, init=False)
    answered: bool = field(default=False, init=False)
    """Whether the answer has gone out whole."""

    async def run(self) -> None:
        async with anyio.create_task_group() as nursery:
            nursery.start_soon(self._feed, nursery.cancel_scope)
            nursery.start_soon(self._work)
            await self._answer()
            self.answered = True
            # What the guest did not read, nobody will.
            self.body.give_up()
            nursery.cancel_scope.cancel()

    async def _feed(self, scope: anyio.CancelScope) -> None:
        """Pass the body on as it comes; a client that leaves ends the guest."""
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                if not self.answered:
                    scope.cancel()
                return
            if not await self.body.put(message.get("body", b"")):
                continue  # the guest does not want it: wait for the client to leave
            if not message.get("more_body", False):
                self.body.end()

    async def _work(self) -> None:
        try:
            await self.app.handle(_request(self.scope, self.body), self.param)
        except AirssysError as error:
            self.error = error
        finally:
            self.param.answered.set()
            # It has ended, so a body that it has not finished never will be.
            match self.param.answer:
                case Ok(value=OutgoingResponse(body=body)) if body is not None:
                    body.drop()
                case _:
                    pass

    async def _answer(self) -> None:
        await self.param.answered.wait()
        match self.param.answer:
            case Ok(value=response):
                await self._send_all(response)
            case Err(value=code):
                await self._fail(f"it answered with the error {code}")
            case None:
                await self._fail(str(self.error or "it gave no answer"))

    async def _send_all(self, response: OutgoingResponse) -> None:
        headers = [
            (name.lower().encode(), value) for name, value in response.headers.pairs
        ]
        start = {"type": "http.response.start", "status": response.status}
        body = response.body
        await self.send({**start, "headers": headers})
        while body is not None and (piece := await body.pipe.get()):
            await self.send(_piece(piece, more=True))
        await self.send(_piece(b"", more=False))

    async def _fail(self, reason: str) -> None:
        _log.error("%s: %s", self.app._component.name, reason)  # noqa: SLF001 - its own
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"0")]
        start = {"type": "http.response.start", "status": _FAILED, "headers": headers}
        await self.send(start)
        await self.send(_piece(b"", more=False))


def _piece(piece: bytes, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": piece, "more_body": more}


def _request(scope: Scope, body: Pipe) -> IncomingRequest:
    method = scope["method"].lower()
    headers = [(name.decode("latin-1"), value) for name, value in scope["headers"]]
    host = next((value for name, value in headers if name == "host"), b"")
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    return IncomingRequest(
        Variant(method) if method in _METHODS else Variant("other", scope["method"]),
        Variant("HTTPS" if scope.get("scheme") == "https" else "HTTP"),
        host.decode("latin-1") or None,
        f"{path}?{query}" if query else path,
        Fields.received(headers),
        IncomingBody(body),
    )
