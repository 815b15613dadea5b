"""Describe requests and responses: the resources of ``wasi:http/types``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, Literal

import anyio
from attrs import define, field

from ...core.errors import WitError
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, operation
from ...witmodel.types import Err, Ok, Variant
from ..misuse import misuse
from ..polling import Pollable, Source, on
from ..streams import IoError
from .body import IncomingBody, OutgoingBody
from .fields import TYPES, Fields, is_token
from .ledger import Ledger, Ledgers
from .pipe import Pipe
from .syntax import BadLength, authority_of, content_length, is_path, is_scheme

__all__ = (
    "FutureIncomingResponse",
    "IncomingRequest",
    "IncomingResponse",
    "MessageOperations",
    "OutgoingRequest",
    "OutgoingResponse",
    "RequestOptions",
    "ResponseOutparam",
)

_NANO: Final = 1_000_000_000
_BODIES: Final = 16 * 2**20
"""Bytes of all bodies that a guest has written and nobody has read yet."""
_TEXTS: Final = 16 * 2**20
"""Characters of what all requests that a guest has made say of where they go."""
_INFORMATIONAL: Final = range(100, 200)
_SWITCHING: Final = 101
"""The one of them that would end HTTP."""
_MEMORY = Free("it is a value of the guest's own")
_GIVEN = Free("the request was made for the guest to answer")


@define(eq=False)
class IncomingRequest:
    """The resource ``incoming-request``."""

    method: Variant
    scheme: Variant | None
    authority: str | None
    path: str | None
    headers: Fields
    body: IncomingBody | None

    def drop(self) -> None:
        """Let the other side go: nobody reads its body."""
        if self.body is not None:
            self.body.drop()


@define(eq=False)
class OutgoingRequest:
    """The resource ``outgoing-request``."""

    part: ClassVar[Literal["request"]] = "request"
    headers: Fields
    method: Variant = field(factory=lambda: Variant("get"))
    scheme: Variant | None = None
    authority: str | None = None
    path: str | None = None
    body: OutgoingBody | None = None
    """Once the guest has asked for it."""
    ledger: Ledger | None = field(default=None, repr=False)
    """Counts what it says of where it goes; None: nobody does."""
    _size: int = field(default=0, init=False, repr=False)

    def count(self, before: object, text: object) -> None:
        """Count one text of it in place of another.

        Raises:
            WitError: That would be more than there may be; nothing has changed.
        """
        more = _length(text) - _length(before)
        if self.ledger is not None and not self.ledger.hold(more):
            raise WitError(None)
        self._size += more

    def __del__(self) -> None:
        if self.ledger is not None:
            self.ledger.release(self._size)


def _length(text: object) -> int:
    """Count the characters of a text, or of a variant's."""
    if isinstance(text, Variant):
        text = text.value
    return len(text) if isinstance(text, str) else 0


@define(eq=False)
class RequestOptions:
    """The resource ``request-options``: time limits, in nanoseconds."""

    connect: int | None = None
    first_byte: int | None = None
    between_bytes: int | None = None

    def seconds(self, name: str, most: float) -> float:
        """Return a limit in seconds, and the host's where it is longer, or none."""
        asked = getattr(self, name)
        return most if asked is None else min(asked / _NANO, most)


@define(eq=False)
class OutgoingResponse:
    """The resource ``outgoing-response``."""

    part: ClassVar[Literal["response"]] = "response"
    headers: Fields
    status: int = 200
    body: OutgoingBody | None = None


@define(eq=False)
class ResponseOutparam:
    """The resource ``response-outparam``: where a guest puts its answer, once."""

    answered: anyio.Event = field(factory=anyio.Event)
    answer: Ok[OutgoingResponse] | Err[Variant] | None = None
    informational: Callable[[int, Fields], Awaitable[bool]] | None = None
    """Sends what comes before the answer, and tells whether it could; None: there is no
    way to."""

    def drop(self) -> None:
        """Note that no answer comes any more, where none has."""
        self.answered.set()


@define(eq=False)
class IncomingResponse:
    """The resource ``incoming-response``."""

    status: int
    headers: Fields
    body: IncomingBody | None

    def drop(self) -> None:
        """Let the other side go: nobody reads its body."""
        if self.body is not None:
            self.body.drop()


@define(eq=False)
class FutureIncomingResponse:
    """The resource ``future-incoming-response``: an answer that is on its way."""

    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    """Of what sends the request; it ends when nobody wants the answer any more."""
    source: Source = field(factory=Source)
    outcome: Ok[IncomingResponse] | Err[Variant] | None = field(
        default=None, init=False
    )
    taken: bool = field(default=False, init=False)

    def settle(self, outcome: Ok[IncomingResponse] | Err[Variant]) -> None:
        """Note what came of it."""
        if self.outcome is None:
            self.outcome = outcome
            self.source.touch()

    def drop(self) -> None:
        """End the request, where its answer has not been taken."""
        if not self.taken:
            self.scope.cancel()


@define(eq=False)
class MessageOperations:
    """The operations of requests and responses in ``wasi:http/types``."""

    interface: ClassVar[str] = TYPES
    _bodies: Ledgers = field(factory=lambda: Ledgers(_BODIES), init=False)
    _texts: Ledgers = field(factory=lambda: Ledgers(_TEXTS), init=False)

    @operation(needs=_MEMORY)
    def http_error_code(self, _: Call, error: IoError) -> Variant | None:
        return error.code if isinstance(error.code, Variant) else None

    # What came in.

    @operation(
        "[method]incoming-request.method",
        "[method]outgoing-request.method",
        needs=_MEMORY,
    )
    def method(self, _: Call, request: IncomingRequest | OutgoingRequest) -> Variant:
        return request.method

    @operation(
        "[method]incoming-request.path-with-query",
        "[method]outgoing-request.path-with-query",
        needs=_MEMORY,
    )
    def path(self, _: Call, request: IncomingRequest | OutgoingRequest) -> str | None:
        return request.path

    @operation(
        "[method]incoming-request.scheme",
        "[method]outgoing-request.scheme",
        needs=_MEMORY,
    )
    def scheme(
        self, _: Call, request: IncomingRequest | OutgoingRequest
    ) -> Variant | None:
        return request.scheme

    @operation(
        "[method]incoming-request.authority",
        "[method]outgoing-request.authority",
        needs=_MEMORY,
    )
    def authority(
        self, _: Call, request: IncomingRequest | OutgoingRequest
    ) -> str | None:
        return request.authority

    @operation(
        "[method]incoming-request.headers",
        "[method]outgoing-request.headers",
        "[method]incoming-response.headers",
        "[method]outgoing-response.headers",
        needs=_MEMORY,
    )
    def headers(self, _: Call, message: Any) -> Fields:
        # A view of its own: the guest gives it back without the message.
        view: Fields = message.headers.view()
        return view

    @operation(
        "[method]incoming-request.consume",
        "[method]incoming-response.consume",
        needs=_GIVEN,
    )
    def consume(
        self, _: Call, message: IncomingRequest | IncomingResponse
    ) -> IncomingBody:
        body, message.body = message.body, None
        if body is None:
            raise WitError(None)
        return body

    @operation("[method]incoming-response.status", needs=_MEMORY)
    def status(self, _: Call, response: IncomingResponse) -> int:
        return response.status

    @operation("[method]future-incoming-response.subscribe", needs=_MEMORY)
    def subscribe(self, _: Call, future: FutureIncomingResponse) -> Pollable:
        return on(future.source, lambda: future.outcome is not None)

    @operation("[method]future-incoming-response.get", needs=_MEMORY)
    def get(self, _: Call, future: FutureIncomingResponse) -> object:
        if future.outcome is None:
            return None
        if future.taken:
            return Err(None)
        future.taken = True
        return Ok(future.outcome)

    # What goes out.

    @operation("[constructor]outgoing-request", needs=_MEMORY)
    def make_request(self, call: Call, headers: Fields) -> OutgoingRequest:
        headers.fixed = True
        return OutgoingRequest(headers, ledger=self._texts.of(call))

    @operation("[method]outgoing-request.set-method", needs=_MEMORY)
    def set_method(self, _: Call, request: OutgoingRequest, method: Variant) -> None:
        if method.case == "other" and not is_token(str(method.value)):
            raise WitError(None)
        request.count(request.method, method)
        request.method = method

    @operation("[method]outgoing-request.set-path-with-query", needs=_MEMORY)
    def set_path(self, _: Call, request: OutgoingRequest, path: str | None) -> None:
        if path is not None and not is_path(path):
            raise WitError(None)
        request.count(request.path, path)
        request.path = path

    @operation("[method]outgoing-request.set-scheme", needs=_MEMORY)
    def set_scheme(
        self, _: Call, request: OutgoingRequest, scheme: Variant | None
    ) -> None:
        other = scheme is not None and scheme.case == "other"
        if scheme is not None and other and not is_scheme(str(scheme.value)):
            raise WitError(None)
        request.count(request.scheme, scheme)
        request.scheme = scheme

    @operation("[method]outgoing-request.set-authority", needs=_MEMORY)
    def set_authority(
        self, _: Call, request: OutgoingRequest, authority: str | None
    ) -> None:
        if authority is not None and authority_of(authority) is None:
            raise WitError(None)
        request.count(request.authority, authority)
        request.authority = authority

    @operation(
        "[method]outgoing-request.body",
        "[method]outgoing-response.body",
        needs=_MEMORY,
    )
    def body(
        self, call: Call, message: OutgoingRequest | OutgoingResponse
    ) -> OutgoingBody:
        if message.body is not None:
            raise WitError(None)
        try:
            length = content_length(message.headers)
        except BadLength:
            length = None  # it is refused when it is to be sent
        pipe = Pipe(self._bodies.of(call))
        message.body = body = OutgoingBody(message.part, length, pipe)
        return body

    @operation("[constructor]outgoing-response", needs=_MEMORY)
    def make_response(self, _: Call, headers: Fields) -> OutgoingResponse:
        headers.fixed = True
        return OutgoingResponse(headers)

    @operation("[method]outgoing-response.status-code", needs=_MEMORY)
    def status_code(self, _: Call, response: OutgoingResponse) -> int:
        return response.status

    @operation("[method]outgoing-response.set-status-code", needs=_MEMORY)
    def set_status_code(self, _: Call, response: OutgoingResponse, status: int) -> None:
        if not 100 <= status <= 599:  # RFC 9110, 15
            raise WitError(None)
        response.status = status

    @operation("[static]response-outparam.set", needs=_GIVEN)
    def set_response(
        self,
        call: Call,
        param: ResponseOutparam,
        response: Ok[OutgoingResponse] | Err[Variant],
    ) -> None:
        if param.answer is not None:
            raise misuse(call, "the request was answered already")
        param.answer = response
        param.answered.set()

    @operation("[method]response-outparam.send-informational", needs=_GIVEN)
    async def send_informational(
        self, _: Call, param: ResponseOutparam, status: int, headers: Fields
    ) -> None:
        headers.fixed = True
        if status not in _INFORMATIONAL or status == _SWITCHING:
            words = f"{status} is no status of what comes before an answer"
            raise WitError(Variant("internal-error", words))
        if param.informational is None or not await param.informational(
            status, headers
        ):
            raise WitError(Variant("internal-error", "the server cannot send it"))

    # Options.

    @operation("[constructor]request-options", needs=_MEMORY)
    def make_options(self, _: Call) -> RequestOptions:
        return RequestOptions()

    @operation("[method]request-options.connect-timeout", needs=_MEMORY)
    def connect_timeout(self, _: Call, options: RequestOptions) -> int | None:
        return options.connect

    @operation("[method]request-options.set-connect-timeout", needs=_MEMORY)
    def set_connect_timeout(
        self, _: Call, options: RequestOptions, duration: int | None
    ) -> None:
        options.connect = duration

    @operation("[method]request-options.first-byte-timeout", needs=_MEMORY)
    def first_byte_timeout(self, _: Call, options: RequestOptions) -> int | None:
        return options.first_byte

    @operation("[method]request-options.set-first-byte-timeout", needs=_MEMORY)
    def set_first_byte_timeout(
        self, _: Call, options: RequestOptions, duration: int | None
    ) -> None:
        options.first_byte = duration

    @operation("[method]request-options.between-bytes-timeout", needs=_MEMORY)
    def between_bytes_timeout(self, _: Call, options: RequestOptions) -> int | None:
        return options.between_bytes

    @operation("[method]request-options.set-between-bytes-timeout", needs=_MEMORY)
    def set_between_bytes_timeout(
        self, _: Call, options: RequestOptions, duration: int | None
    ) -> None:
        options.between_bytes = duration
