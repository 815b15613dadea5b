"""A service in Python: it counts, it echoes, and it fails when it is told to."""

# What it imports exists inside componentize-py only.
# mypy: ignore-errors

from __future__ import annotations

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import InputStream, OutputStream, StreamError_Closed
from wit_world.imports.types import (
    Fields,
    IncomingRequest,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

PIECE = 65536
answered: list[str] = []


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        path = request.path_with_query() or "/"
        if path == "/raise":
            raise ValueError("the guest's own")
        answered.append(path)
        response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain")]))
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        with body.write() as stream:
            if path == "/echo":
                echo(request, stream)
            else:
                text = f"hello {len(answered)}\n"
                stream.blocking_write_and_flush(text.encode())
        OutgoingBody.finish(body, None)


def echo(request: IncomingRequest, stream: OutputStream) -> None:
    with request.consume() as incoming, incoming.stream() as source:
        while pass_on(source, stream):
            pass


def pass_on(source: InputStream, stream: OutputStream) -> bool:
    try:
        stream.blocking_splice(source, PIECE)
    except Err as error:
        if isinstance(error.value, StreamError_Closed):
            return False
        raise
    return True
