"""A host extension that awaits something real: a store behind TCP, through a pool.

Eight guests call the extension at once, and all their calls share a pool of two
connections. Which keys a guest may touch is granted to each guest: the extension says
with ``needs=`` what a call needs, and airssys refuses what is not granted before the
extension runs. Run it: ``python examples/host_extension.py``
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import define, field

import airssys
from airssys import CapabilityDenied

GUESTS = 8
VISITS = 5

VISITOR = """
(component
  (import "acme:kv/store@1.0.0" (instance $store
    (export "increment" (func (param "key" string) (result u64)))))

  (core module $memory
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 16))
    ;; One call in each life of a visitor is all there is to allocate for.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free (i32.add (global.get $free) (local.get 3)))))
  (core instance $memory (instantiate $memory))
  (core func $increment
    (canon lower (func $store "increment") (memory (core memory $memory "memory"))))

  (core module $program
    (import "store" "increment" (func $increment (param i32 i32) (result i64)))
    (func (export "visit")
      (param $page i32) (param $length i32) (param $times i32) (result i64)
      (local $count i64)
      (loop $again
        (local.set $count (call $increment (local.get $page) (local.get $length)))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (local.get $times)))
      (local.get $count)))
  (core instance $made (instantiate $program
    (with "store" (instance (export "increment" (func $increment))))))

  (func (export "visit") (param "page" string) (param "times" u32) (result u64)
    (canon lift (core func $made "visit")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
"""


# --- something real: a store that speaks lines over TCP ---------------------------


@define
class Store:
    """A server: ``key`` on a line is answered with how often it was sent."""

    counts: Counter[str] = field(factory=Counter)
    open: int = 0
    most: int = 0

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        lines = BufferedByteReceiveStream(stream)
        async with stream:
            try:
                while True:
                    key = (await lines.receive_until(b"\n", 200)).decode()
                    await anyio.sleep(0.005)
                    self.counts[key] += 1
                    await stream.send(b"%d\n" % self.counts[key])
            except (anyio.EndOfStream, anyio.IncompleteRead):
                self.open -= 1


# --- the pool ---------------------------------------------------------------------


@define
class Connection:
    stream: anyio.abc.SocketStream
    lines: BufferedByteReceiveStream

    async def ask(self, line: str) -> str:
        await self.stream.send(f"{line}\n".encode())
        return (await self.lines.receive_until(b"\n", 200)).decode()


@define
class Pool:
    """Connections that calls of all guests share. Who finds none free waits."""

    port: int
    room: anyio.Semaphore
    idle: list[Connection] = field(factory=list)
    opened: int = 0

    async def ask(self, line: str) -> str:
        async with self.room:
            connection = self.idle.pop() if self.idle else await self._connect()
            answer = None
            try:
                answer = await connection.ask(line)
            finally:
                # A guest may be cut off while it waits for the answer. The next one
                # must not get that answer, so such a connection is not used again.
                if answer is None:
                    await anyio.aclose_forcefully(connection.stream)
                else:
                    self.idle.append(connection)
            return answer

    async def _connect(self) -> Connection:
        self.opened += 1
        stream = await anyio.connect_tcp("127.0.0.1", self.port)
        return Connection(stream, BufferedByteReceiveStream(stream))


@asynccontextmanager
async def open_pool(port: int, size: int) -> AsyncIterator[Pool]:
    pool = Pool(port, anyio.Semaphore(size))
    try:
        yield pool
    finally:
        for connection in pool.idle:
            await anyio.aclose_forcefully(connection.stream)


# --- the extension ----------------------------------------------------------------


def offer_store(pool: Pool) -> airssys.HostInterface:
    """Make the interface that guests import; its functions close over the pool."""
    store = airssys.HostInterface("acme:kv/store@1.0.0")

    @store.function(needs=lambda key: airssys.Custom("acme:kv/store", key))
    async def increment(_: airssys.Call, key: str) -> int:
        return int(await pool.ask(key))

    return store


# --- the program ------------------------------------------------------------------


async def visit(
    visitor: airssys.Component, store: airssys.HostInterface, guest: int, page: str
) -> None:
    """Run a guest that may count pages, and nothing else."""
    grants = airssys.Grants(custom={"acme:kv/store": ["pages/*"]})
    with await visitor.instantiate([store], grants=grants) as instance:
        try:
            count = await instance.call("visit", page, VISITS)
        except CapabilityDenied as error:
            print(f"guest {guest} was refused: {error}")
        else:
            print(f"guest {guest} saw {page!r} at {count} last")


async def main() -> None:
    server = Store()
    engine = airssys.Engine()
    visitor = await engine.compile(VISITOR, name="visitor")
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django
        tasks.start_soon(listener.serve, server.serve)

        async with open_pool(port, size=2) as pool:
            store = offer_store(pool)
            async with anyio.create_task_group() as guests:
                for guest in range(GUESTS):
                    guests.start_soon(visit, visitor, store, guest, "pages/home")
                guests.start_soon(visit, visitor, store, GUESTS, "secrets/key")
        print(f"the store counted {dict(server.counts)}")
        print(f"{pool.opened} connections were opened, {server.most} at most at once")
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main)
