"""Drive an ASGI application without a server."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, MutableMapping
from typing import Any

import anyio
from attrs import define, field

__all__ = ("Client",)


@define(eq=False)
class Client:
    """One request to an ASGI application, and what came back."""

    app: Any
    path: str = "/"
    method: str = "GET"
    headers: list[tuple[bytes, bytes]] = field(
        factory=lambda: [(b"host", b"x.example")]
    )
    body: tuple[bytes, ...] | None = (b"",)
    """Its pieces; None: it never comes."""
    extensions: Mapping[str, Any] = field(factory=dict)
    scope: dict[str, Any] = field(factory=dict)
    """What is in the scope besides."""
    gone: str = ""
    """From which kind of message on sending fails, as the client has left."""
    sent: list[Mapping[str, Any]] = field(factory=list, init=False)
    leaves: anyio.Event = field(factory=anyio.Event, init=False)
    """Set to have the client leave."""
    reads: anyio.Event | None = field(default=None, init=False)
    """Set to have the client read on; None: it reads at once."""
    _left: deque[MutableMapping[str, Any]] = field(factory=deque, init=False)

    async def run(self) -> Client:
        for place, piece in enumerate(self.body or ()):
            more = place < len(self.body or ()) - 1
            self._left.append(
                {"type": "http.request", "body": piece, "more_body": more}
            )
        path, _, query = self.path.partition("?")
        scope = {
            "type": "http",
            "method": self.method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": self.headers,
            "scheme": "http",
            "extensions": self.extensions,
            **self.scope,
        }
        await self.app(scope, self._receive, self._send)
        return self

    async def _receive(self) -> MutableMapping[str, Any]:
        if self._left:
            return self._left.popleft()
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Mapping[str, Any]) -> None:
        if self.gone and message["type"] == self.gone:
            raise ConnectionResetError
        self.sent.append(message)
        if self.reads is not None and message["type"] == "http.response.body":
            await self.reads.wait()

    @property
    def status(self) -> int:
        return next(
            int(each["status"])
            for each in self.sent
            if each["type"] == "http.response.start"
        )

    @property
    def fields(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def text(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.sent)

    @property
    def whole(self) -> bool:
        """Whether the answer came to its end."""
        last = self.sent[-1] if self.sent else {}
        return last.get("more_body") is False
