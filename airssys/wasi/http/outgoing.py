"""Let guests send requests: ``wasi:http/outgoing-handler``, over the host's dial.

A name is judged, looked up once, and each address judged, as for every connection of a
guest's. A redirect is an answer like any other: to follow it is the guest's to ask.
"""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import define, field

from ...core.errors import WitError
from ...hostcalls.call import Call
from ...hostcalls.declare import Inside, operation
from ...witmodel.types import Variant
from ..outside import Outside
from .errors import RequestFailed, code_of
from .exchange import Exchange, Wanted, check_size
from .kept import KeptConnections
from .ledger import Ledger, Ledgers
from .message import FutureIncomingResponse, OutgoingRequest, RequestOptions
from .syntax import BadLength, authority_of, content_length

__all__ = ("MOST_REQUESTS", "OutgoingHandler")

MOST_REQUESTS: Final = 128
"""Requests of one guest that are under way, or whose answers it has not read yet."""
_RECEIVED: Final = 16 * 2**20
"""Bytes of the fields of all answers that a guest holds."""
_PORTS: Final = {"HTTP": 80, "HTTPS": 443}
_TUNNEL: Final = "CONNECT"


@define(eq=False)
class OutgoingHandler:
    """The operation of ``wasi:http/outgoing-handler``."""

    interface: ClassVar[str] = "wasi:http/outgoing-handler@0.2.12"
    outside: Outside
    _kept: KeptConnections = field(init=False)
    _requests: Ledgers = field(factory=lambda: Ledgers(MOST_REQUESTS), init=False)
    _received: Ledgers = field(factory=lambda: Ledgers(_RECEIVED), init=False)

    def __attrs_post_init__(self) -> None:
        self._kept = KeptConnections(self.outside.work)

    @operation(
        needs=Inside(
            ("network.outbound", "network.resolve"),
            "outbound for the authority's name or address; "
            "both where only looking up is granted",
        )
    )
    def handle(
        self, call: Call, request: OutgoingRequest, options: RequestOptions | None
    ) -> FutureIncomingResponse:
        requests = self._requests.of(call)
        try:
            wanted = self._wanted(call, request, options or RequestOptions())
            self._count(call, requests)
        except BaseException:
            if request.body is not None:
                request.body.pipe.give_up()
            raise
        future = FutureIncomingResponse()
        exchange = Exchange(
            self.outside, self._kept, call, wanted, future, self._received.of(call)
        )
        self.outside.work.start_soon(exchange.run, requests)
        return future

    def _count(self, call: Call, requests: Ledger) -> None:
        if not requests.hold(1):
            words = f"{MOST_REQUESTS} requests of it are under way"
            self.outside.gate.refused(call, "send another request", words)
            raise WitError(Variant("connection-limit-reached"))

    def _wanted(
        self, call: Call, request: OutgoingRequest, options: RequestOptions
    ) -> Wanted:
        """Read a request, and let it go on if its target is granted.

        Raises:
            WitError: It cannot be sent, or may not; an ``error-code``.
        """
        scheme = "HTTPS" if request.scheme is None else request.scheme.case
        if scheme not in _PORTS:
            raise WitError(Variant("HTTP-protocol-error"))
        method = request.method.case.upper()
        if request.method.case == "other":
            method = str(request.method.value)
        if method.upper() == _TUNNEL:  # what goes through a tunnel is no HTTP
            raise WitError(Variant("HTTP-protocol-error"))
        authority = authority_of(request.authority or "")
        if authority is None:
            raise WitError(Variant("HTTP-request-URI-invalid"))
        _check_length(request)
        try:
            check_size(request.headers, "header")
        except RequestFailed as error:
            raise WitError(error.code) from error
        port = _PORTS[scheme] if authority.port is None else authority.port
        permits = self.outside.permits
        try:
            target = permits.target(call, Variant("name", (authority.host, port)))
            permits.require_target(call, target)
        except WitError as error:
            raise WitError(code_of(error)) from error
        path = request.path or "/"
        return Wanted(
            method=method,
            path=f"/{path}" if path.startswith("?") else path,
            authority=request.authority or "",
            target=target,
            tls=scheme == "HTTPS",
            headers=request.headers,
            body=request.body,
            options=options,
        )


def _check_length(request: OutgoingRequest) -> None:
    try:
        length = content_length(request.headers)
    except BadLength as error:
        raise WitError(Variant("HTTP-request-body-size", None)) from error
    if length and request.body is None:
        raise WitError(Variant("HTTP-request-body-size", 0))
