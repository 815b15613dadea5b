"""Send one request and receive its answer, in a task beside the guest.

Meanwhile the guest still writes the one and reads the other.
"""

from __future__ import annotations

import logging
import ssl
from typing import Final, Literal

import anyio
import h11
from attrs import define, evolve, field, frozen

from ...core.errors import QuotaExceeded, WitError
from ...host.network.addresses import Named, Target
from ...host.network.dial import connect as dial
from ...host.network.opening import open_tcp
from ...host.network.shares import LARGEST_PIECE, Share
from ...host.network.tcp import TcpSocket
from ...host.network.tls import HANDSHAKE_BYTES
from ...hostcalls.call import Call
from ...witmodel.types import Err, Ok, Variant
from ..outside import Outside
from ..streams import StreamFailed
from .body import IncomingBody, OutgoingBody
from .connection import Connection, Route
from .errors import RequestFailed, code_of, tls_code
from .fields import Fields
from .kept import KeptConnections
from .ledger import Ledger
from .message import FutureIncomingResponse, IncomingResponse, RequestOptions
from .pipe import Pipe

__all__ = ("Exchange", "Wanted", "check_size")

_MOST_INFORMATIONAL: Final = 16
"""Answers before the answer."""
_VERSIONS: Final = (b"1.0", b"1.1")
_AT_A_STRETCH: Final = 64
"""Chunks of a body that are read without a look at other tasks."""
_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""What may be sent again where a kept connection turns out to be gone."""
_AT_ONCE: Final = 4
"""Times that a body is received from without such a look, where there is more of it."""
_BODIED: Final = frozenset(("POST", "PUT", "PATCH"))
"""What says that it has no body, where it has none (RFC 9110, 8.6)."""
_LARGEST_SENT: Final = 64 * 1024
"""Bytes of the fields of a request: to write as many as there may be takes long."""
_ENDED: Final = Variant("connection-terminated")
_log = logging.getLogger("airssys.wasi")


@frozen(kw_only=True)
class Wanted:
    """A request as it is to be sent."""

    method: str
    path: str
    authority: str
    target: Target
    tls: bool
    headers: Fields
    body: OutgoingBody | None
    options: RequestOptions

    @property
    def empty(self) -> bool:
        """Whether there is no body, and none comes."""
        pipe = None if self.body is None else self.body.pipe
        return pipe is None or (
            pipe.ended and not pipe.held and not pipe.failure and not pipe.trailers
        )

    def head(self) -> h11.Request:
        """Return the request's line and fields."""
        names = {name.lower() for name, _ in self.headers.pairs}
        headers = [
            (b"Host", self.authority.encode("ascii")),
            *_on_the_wire(self.headers),
        ]
        if "content-length" not in names:
            if not self.empty:
                headers.append((b"Transfer-Encoding", b"chunked"))
            elif self.method in _BODIED:
                headers.append((b"Content-Length", b"0"))
        return h11.Request(method=self.method, target=self.path, headers=headers)


@define(eq=False)
class Exchange:
    """One request on its way, in a task of its own."""

    outside: Outside
    kept: KeptConnections
    call: Call
    wanted: Wanted
    future: FutureIncomingResponse
    received: Ledger
    """Counts the fields of answers."""
    body: Pipe = field(factory=Pipe, init=False)
    """Of the answer."""
    _error: Exception | None = field(default=None, init=False)

    async def run(self, requests: Ledger) -> None:
        """Do it all, and tell the guest what came of it.

        Args:
            requests: Counts it, as long as its answer takes room.
        """
        self.body.on_leave = self.future.scope.cancel
        try:
            with self.future.scope:
                await self._try()
                await self.body.wait_empty()
        finally:
            requests.release(1)
            # Whatever has ended it: whoever still waits is told.
            self._end(_ENDED)

    async def _try(self) -> None:
        try:
            while not await self._exchange():
                self._error = None
        except Exception as error:  # noqa: BLE001 - it ends one request, and no others
            self._error = error
        if self._error is not None:
            code = code_of(self._error)
            if code is None:
                _log.error(
                    "a request of %s failed", self.call.who, exc_info=self._error
                )
                code = Variant("internal-error", type(self._error).__name__)
            self._end(code)

    def _end(self, code: Variant) -> None:
        self.future.settle(Err(code))
        self.body.end(code)
        self._stop_writing()

    def _stop_writing(self) -> None:
        """Tell the guest, where it still writes, that nobody reads it any more."""
        if self.wanted.body is not None:
            self.wanted.body.pipe.give_up()

    async def _exchange(self) -> bool:
        """Send and receive over one connection.

        Returns:
            False where it is to be tried again over another.
        """
        route = Route(self.call.standing, self.wanted.target, self.wanted.tls)
        connection = self._reused(route)
        again = connection is not None and (
            self.wanted.empty and self.wanted.method in _SAFE
        )
        if connection is None:
            connection = Connection(route, await self._connect())
        permits = self.outside.permits
        share = Share(
            permits.gate, self.call, permits.again(self.call, connection.socket)
        )
        whole = False
        try:
            async with anyio.create_task_group() as both:
                both.start_soon(self._send, connection, share, both.cancel_scope)
                try:
                    await self._receive(connection, share)
                except Exception as error:  # noqa: BLE001 - `_try` tells of it
                    self._error = self._error or error
                both.cancel_scope.cancel()
            whole = self._error is None and connection.renew()
        finally:
            if whole:
                self.kept.keep(connection)
            else:
                connection.close()
            self._stop_writing()
        return not (again and not connection.heard and _is_end(self._error))

    # Connect.

    def _reused(self, route: Route) -> Connection | None:
        """Return a connection that is there, and that the guest may still use."""
        permits = self.outside.permits
        while (connection := self.kept.take(route)) is not None:
            way = connection.socket.way
            if way is not None and permits.stands(self.call, way) is None:
                permits.gate.granted(self.call, way.need, str(route.target))
                return connection
            connection.close()
        return None

    async def _connect(self) -> TcpSocket:
        """Return a new connection.

        Raises:
            RequestFailed: There is none, or not in time.
        """
        target, permits = self.wanted.target, self.outside.permits
        limit = self.wanted.options.seconds("connect", permits.longest)
        try:
            with anyio.fail_after(limit):
                socket = self._open()
                socket.options = evolve(
                    socket.options, connect_timeout=max(1, int(limit * 1000))
                )
                try:
                    await dial(permits, self.call, socket, target, any_family=True)
                    if self.wanted.tls:
                        await self._secure(socket)
                except BaseException:
                    socket.close()
                    raise
        except TimeoutError as error:
            raise RequestFailed(Variant("connection-timeout")) from error
        except ssl.SSLError as error:
            raise RequestFailed(tls_code(error)) from error
        except WitError as error:
            code = code_of(error)
            assert code is not None
            if code.case == "HTTP-request-denied" and isinstance(target, Named):
                # The name itself was granted, so it is where it leads.
                code = Variant("destination-IP-prohibited")
            raise RequestFailed(code) from error
        return socket

    def _open(self) -> TcpSocket:
        budget, owner = self.call.budget, self.call.standing
        while budget is not None:
            try:
                budget.hold("handles")
            except QuotaExceeded:
                # What is only kept has to go first.
                if not self.kept.shed(owner):
                    break
            else:
                budget.release("handles")
                break
        return open_tcp(self.outside.permits, self.call, "ipv4")

    async def _secure(self, socket: TcpSocket) -> None:
        again = self.outside.permits.again(self.call, socket)
        share = Share(self.outside.gate, self.call, again)
        await share.pay()
        share.charge(HANDSHAKE_BYTES)
        client = await self.outside.tls.client(verify=True)
        again()
        await socket.begin_tls(client, self.wanted.target.host, again, verified=True)
        again()

    # Send.

    async def _send(
        self, connection: Connection, share: Share, scope: anyio.CancelScope
    ) -> None:
        try:
            await self._send_all(connection, share)
        except OSError:
            # It may have answered before it read everything, so the answer decides.
            self._stop_writing()
        except (
            WitError,
            StreamFailed,
            RequestFailed,
            h11.LocalProtocolError,
        ) as error:
            self._error = error
            scope.cancel()

    async def _send_all(self, connection: Connection, share: Share) -> None:
        empty, body = self.wanted.empty, self.wanted.body
        head = self.wanted.head()
        await connection.send(share, head)
        trailers: Fields | None = None
        if body is not None and not empty:
            while piece := await body.pipe.get():
                await connection.send(share, h11.Data(data=piece))
            if body.length is None and (trailers := body.pipe.trailers) is not None:
                check_size(trailers, "trailer")
        headers = [] if trailers is None else _on_the_wire(trailers)
        await connection.send(share, h11.EndOfMessage(headers=headers))

    # Receive.

    async def _receive(self, connection: Connection, share: Share) -> None:
        options, longest = self.wanted.options, self.outside.permits.longest
        try:
            with anyio.fail_after(options.seconds("first_byte", longest)):
                head = await self._head(connection, share, longest)
            headers = Fields.received(
                ((n.decode("latin-1"), v) for n, v in head.headers), self.received
            )
            answer = IncomingResponse(
                head.status_code, headers, IncomingBody(self.body)
            )
            self.future.settle(Ok(answer))
            limit = options.seconds("between_bytes", longest)
            await self._body(connection, share, limit)
        except TimeoutError as error:
            raise RequestFailed(Variant("connection-read-timeout")) from error

    async def _head(
        self, connection: Connection, share: Share, limit: float
    ) -> h11.Response:
        """Return the answer's line and fields."""
        informational = 0
        while informational <= _MOST_INFORMATIONAL:
            try:
                event = connection.read()
            except h11.RemoteProtocolError as error:
                if connection.ended and not connection.heard:
                    raise RequestFailed(_ENDED) from error
                raise _broken(connection, error) from error
            match event:
                case None:
                    await connection.fill(share, limit)
                case h11.Response(http_version=version) if version in _VERSIONS:
                    return event
                case h11.InformationalResponse():
                    informational += 1
                case _:
                    break
            await anyio.lowlevel.checkpoint()
        raise RequestFailed(Variant("HTTP-protocol-error"))

    async def _body(self, connection: Connection, share: Share, limit: float) -> None:
        """Pass the body on; small chunks together, as each has its price."""
        gathered = bytearray()
        stretch = fills = 0
        while True:
            try:
                event = connection.read()
            except h11.RemoteProtocolError as error:
                raise _broken(connection, error) from error
            if isinstance(event, h11.Data):
                gathered += event.data
                stretch += 1
                if len(gathered) < LARGEST_PIECE:
                    if not stretch % _AT_A_STRETCH:
                        await anyio.lowlevel.checkpoint()
                    continue
            if gathered:
                await self.body.put(gathered)
                gathered = bytearray()
            if event is None:
                await connection.fill(share, limit)
                fills += 1
                if not fills % _AT_ONCE:
                    await anyio.lowlevel.checkpoint()
            elif isinstance(event, h11.EndOfMessage):
                named = [(n.decode("latin-1"), v) for n, v in event.headers]
                trailers = Fields.received(named, self.received) if named else None
                self.body.end(trailers=trailers)
                return


def check_size(fields: Fields, part: Literal["header", "trailer"]) -> None:
    """Refuse fields that no server would read, and that take long to write.

    Raises:
        RequestFailed: They are too large.
    """
    if fields.size > _LARGEST_SENT:
        raise RequestFailed(Variant(f"HTTP-request-{part}-section-size", fields.size))


def _on_the_wire(fields: Fields) -> list[tuple[bytes, bytes]]:
    # Space around a value is no part of it (RFC 9110, 5.5).
    return [(name.encode("ascii"), value.strip()) for name, value in fields.pairs]


def _broken(connection: Connection, error: h11.RemoteProtocolError) -> Exception:
    """Return what to raise for an answer that is none."""
    if connection.ended:
        return RequestFailed(Variant("HTTP-response-incomplete"))
    return error


def _is_end(error: Exception | None) -> bool:
    """Tell whether the other side has ended the connection."""
    match error:
        case RequestFailed(code=code):
            return code == _ENDED
        case _:
            return isinstance(error, OSError)
