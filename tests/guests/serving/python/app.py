from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import Fields, OutgoingBody, OutgoingResponse
from wit_world.imports.types import ResponseOutparam

PIECE = 65536
count = 0


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        global count
        count += 1
        path = request.path_with_query()
        if path == "/raise":
            raise ValueError("the guest's own")
        response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain")]))
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        with body.write() as stream:
            if path == "/echo":
                echo(request, stream)
            else:
                stream.blocking_write_and_flush(f"hello {count}\n".encode())
        OutgoingBody.finish(body, None)


def echo(request, stream):
    with request.consume() as incoming, incoming.stream() as source:
        while True:
            try:
                stream.blocking_splice(source, PIECE)
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return
                raise
