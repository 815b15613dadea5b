"""Answer one request of ASGI with an instance: hand it over, stream, see it through."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import anyio
import anyio.lowlevel
from attrs import define, field

from ...core.errors import AirssysError, GuestTrapped, Overtime, QuotaExceeded
from ...witmodel.types import Err, Ok, Variant
from ..streams import StreamFailed
from .body import IncomingBody
from .fields import Fields, FieldsTooLarge, Pair
from .instances import Instances
from .message import IncomingRequest, OutgoingResponse, ResponseOutparam
from .pipe import Pipe
from .syntax import BadLength, authority_of, content_length

__all__ = ("Answering", "Receive", "Scope", "Send")

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]

_METHODS: Final = frozenset(
    ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")
)
_BODILESS: Final = frozenset((204, 205, 304))
"""Statuses of answers that have no body, whatever the guest writes."""
_FIRST_FINAL: Final = 200
"""The least status of an answer: what is less comes before one."""
_NO_LENGTH: Final = 304
"""What may say of a length without a body, as answers to HEAD do."""
_LARGE_FIELDS, _FAILED, _NO_ROOM, _TOO_LATE = 431, 500, 503, 504
_HINTS: Final = "http.response.early_hint"
_TRAILERS: Final = "http.response.trailers"
_EARLY_HINTS: Final = 103
_GONE: Final = Variant("connection-terminated")
_log = logging.getLogger("airssys.wasi")


@define(eq=False)
class Answering:
    """One request and its answer."""

    _instances: Instances
    _export: str
    _scope: Scope
    _send: Send
    _body: Pipe = field(factory=Pipe, init=False)
    """Of the request."""
    _param: ResponseOutparam = field(factory=ResponseOutparam, init=False)
    _error: Exception | None = field(default=None, init=False)
    """Why the guest has ended, if not as it should."""
    _ended: anyio.Event = field(factory=anyio.Event, init=False)
    """Set once the guest has ended."""
    _begun: bool = field(default=False, init=False)
    """Whether the answer's status has gone out."""
    _answered: bool = field(default=False, init=False)
    """Whether all of the answer has been handed over. Servers may say that the client
    has left as soon as they have it, before `_send` returns."""
    _cut: Exception | None = field(default=None, init=False)
    """What to raise where it has not, and cannot any more."""

    async def run(self, receive: Receive) -> None:
        """Do it all.

        Raises:
            AirssysError: The answer broke off, so the connection is to be cut.
        """
        try:
            request = _request(self._scope, self._body)
        except FieldsTooLarge:
            with suppress(OSError):
                await self._refuse(_LARGE_FIELDS)
            return
        if _HINTS in self._extensions:
            self._param.informational = self._hint
        async with anyio.create_task_group() as nursery:
            nursery.start_soon(self._feed, receive, nursery.cancel_scope)
            nursery.start_soon(self._work, request)
            # ASGI has servers raise it where the client has left.
            with suppress(OSError):
                await self._answer()
                if self._cut is None:
                    # It may have something to do still, within its time limit.
                    await self._ended.wait()
            nursery.cancel_scope.cancel()
        if self._cut is not None:
            raise self._cut

    @property
    def _extensions(self) -> Mapping[str, Any]:
        return self._scope.get("extensions") or {}

    async def _feed(self, receive: Receive, scope: anyio.CancelScope) -> None:
        """Pass the body on as it comes; a client that leaves ends the guest."""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._body.end(_GONE)
                if not self._answered:
                    scope.cancel()
                return
            # What the guest does not want is passed over: the client may still leave.
            await self._body.put(message.get("body", b""))
            if not message.get("more_body", False):
                self._body.end()

    async def _work(self, request: IncomingRequest) -> None:
        try:
            async with self._instances.lend() as instance:
                await instance.call(self._export, request, self._param)
                if self._param.answer is None:
                    # It would hardly answer the next one, as those that can but once.
                    instance.close()
        except AirssysError as error:
            self._error = error
        finally:
            self._ended.set()
            self._param.answered.set()
            # A kept instance may hold on to this body, but no more comes of it.
            self._body.give_up()
            # What it has not finished by now, it never will.
            match self._param.answer:
                case Ok(value=OutgoingResponse(body=body)) if body is not None:
                    body.drop()
                case _:
                    pass

    async def _answer(self) -> None:
        await self._param.answered.wait()
        await self._check_wanted()
        match self._param.answer:
            case Ok(value=response):
                await self._answer_with(response)
            case Err(value=code):
                await self._fail(f"it answered with the error {_words(code)}")
            case None:
                kept = self._instances.reuse and self._error is None
                hint = " (not every component can answer again: try without reuse)"
                await self._fail(f"it gave no answer{hint if kept else ''}")

    async def _check_wanted(self) -> None:
        """Go no further where nobody wants the answer any more.

        The guest is cancelled then, and what it leaves unfinished looks like its fault
        to whoever runs before it hears of its own cancellation.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()

    async def _answer_with(self, response: OutgoingResponse) -> None:
        if response.status < _FIRST_FINAL:
            # To a client it would be no answer yet: it would wait for one.
            await self._fail(f"its answer has the status {response.status}")
            return
        bodiless = self._scope["method"] == "HEAD" or response.status in _BODILESS
        try:
            length = content_length(response.headers)
        except BadLength:
            await self._fail("its answer has a content-length that is none")
            return
        if response.body is None and length and not bodiless:
            await self._fail(
                f"its answer has no body, but a content-length of {length}"
            )
            return
        trailers = (
            not bodiless
            and _TRAILERS in self._extensions
            and bool(response.headers.get("trailer"))
        )
        keep = self._scope["method"] == "HEAD" or response.status == _NO_LENGTH
        headers = response.headers.pairs
        if bodiless and not keep:
            headers = response.headers.without("content-length")
        await self._begin(response.status, headers, trailers=trailers)
        try:
            if response.body is not None:
                await self._stream(response.body.pipe, bodiless=bodiless)
        except StreamFailed as error:
            await self._check_wanted()
            why = self._error or error.text
            _log.error("%s: its answer broke off: %s", self._name, why)
            self._cut = self._error or GuestTrapped(
                self._name, self._export, "misuse", error.text
            )
            return
        await self._finish()
        if trailers:
            named = response.body.pipe.trailers if response.body else None
            fields = [] if named is None else _on_the_wire(named.pairs)
            await self._send({"type": _TRAILERS, "headers": fields})

    async def _stream(self, pipe: Pipe, *, bodiless: bool) -> None:
        if bodiless:
            # The guest need not know that nobody wants it.
            pipe.discard()
        while piece := await pipe.get():
            await self._send(_piece(piece, more=True))

    async def _begin(
        self, status: int, headers: tuple[Pair, ...], *, trailers: bool
    ) -> None:
        self._begun = True
        start = {"type": "http.response.start", "status": status}
        more = {"trailers": True} if trailers else {}
        await self._send({**start, "headers": _on_the_wire(headers), **more})

    async def _hint(self, status: int, headers: Fields) -> bool:
        links = headers.get("link")
        if status != _EARLY_HINTS or not links or self._begun:
            return False
        try:
            await self._send({"type": _HINTS, "links": links})
        except OSError:  # as in `run`, which comes to it by itself
            return False
        return True

    async def _fail(self, reason: str) -> None:
        """Answer for the guest, which did not. What went wrong is not for clients."""
        _log.error("%s: %s", self._name, self._error or reason)
        match self._error:
            case Overtime():
                status = _TOO_LATE
            case QuotaExceeded():
                status = _NO_ROOM
            case _:
                status = _FAILED
        await self._refuse(status)

    async def _refuse(self, status: int) -> None:
        await self._begin(status, (("content-length", b"0"),), trailers=False)
        await self._finish()

    async def _finish(self) -> None:
        self._answered = True
        await self._send(_piece(b"", more=False))

    @property
    def _name(self) -> str:
        name: str = self._instances.component.name
        return name


def _words(code: Variant) -> str:
    return code.case if code.value is None else f"{code.case}: {code.value}"


def _on_the_wire(pairs: tuple[Pair, ...]) -> list[tuple[bytes, bytes]]:
    # Space around a value is no part of it (RFC 9110, 5.5).
    return [(name.lower().encode("ascii"), value.strip()) for name, value in pairs]


def _piece(piece: bytes, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": piece, "more_body": more}


def _request(scope: Scope, body: Pipe) -> IncomingRequest:
    """Read a request from ASGI.

    Raises:
        FieldsTooLarge: Its fields are too many or too large.
    """
    method = scope["method"].lower()
    headers = [(name.decode("latin-1"), value) for name, value in scope["headers"]]
    host = next((value for name, value in headers if name.lower() == "host"), b"")
    authority = host.decode("latin-1")
    raw = scope.get("raw_path")
    path = quote(scope["path"]) if raw is None else raw.decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    return IncomingRequest(
        Variant(method) if method in _METHODS else Variant("other", scope["method"]),
        Variant("HTTPS" if scope.get("scheme") == "https" else "HTTP"),
        authority if authority_of(authority) else None,
        f"{path}?{query}" if query else path,
        Fields.received(headers),
        IncomingBody(body),
    )
