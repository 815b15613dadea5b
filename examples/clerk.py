"""A guest in C that works with files, the network, programs and storage, as granted.

The clerk's manifest lists what it may do; all else is refused: the guest gets an
error it can deal with, and an audit log gets a record, chained by hashes.
Grants can be taken away while it runs. Run it: ``python examples/clerk.py``
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import anyio
import anyio.abc

import airssys
from airssys import Audit, verify_audit

CLERK = Path(__file__).parent / "clerk" / "clerk.wasm"

MANIFEST = """
[package]
name = "acme/clerk"
version = "1.0.0"

[component]
wasm = "clerk.wasm"

[resources]
memory = "2MiB"
fuel = 100_000_000
timeout = "5s"
handles = 4

[capabilities]
filesystem = {{ read = ["{desk}/*.txt"], write = ["{desk}/out/*"] }}
network = {{ outbound = ["localhost:{port}", "127.0.0.1:{port}"] }}
process = {{ spawn = ["{echo}"] }}
storage = {{ read = ["component:self/**"], write = ["component:self/todo-*"] }}
"""


async def shout(stream: anyio.abc.SocketStream) -> None:
    """Serve one connection: send back in capitals what comes."""
    async with stream:
        await stream.send((await stream.receive()).upper())


async def ask(clerk: airssys.ActorRef, *orders: str) -> None:
    for order in orders:
        answer = (await clerk.ask(order, timeout=5.0)).decode().strip()
        # What was granted is in the words of a refusal, and is long.
        print(f"{order.partition(' ')[0]:>7}: {answer.partition(' (granted')[0]}")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Path(folder).resolve()  # grants are about real paths
        (desk / "notes.txt").write_text("buy paper")
        (desk / "secret.key").write_text("hunter2")
        (desk / "link.txt").symlink_to("secret.key")
        (desk / "out").mkdir()
        shutil.copy(CLERK, desk)
        echo = Path(shutil.which("echo") or "/bin/echo").resolve()
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610
        manifest = MANIFEST.format(desk=desk, port=port, echo=echo)
        (desk / "Component.toml").write_text(manifest)
        config = airssys.HostConfig(audit=Audit(file=str(desk / "audit.jsonl")))

        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, shout)
            async with airssys.open_system(config) as system:
                clerk = await system.spawn(desk)
                print("what it was granted:")
                await ask(
                    clerk,
                    f"read {desk}/notes.txt",
                    f"write {desk}/out/list.txt one sheet",
                    f"fetch localhost {port} hello",
                    f"run {echo} $HOME;ls",
                    "keep todo-1 sharpen pencils",
                    "recall todo-1",
                )
                print("what it was not:")
                await ask(
                    clerk,
                    f"read {desk}/secret.key",
                    f"read {desk}/link.txt",
                    f"read {desk}/out/../secret.key",
                    "fetch localhost 22 hello",
                    "run /bin/sh -c",
                    "keep diary secrets",
                )
                system.revoke("acme/clerk")
                print("after all of it was revoked:")
                await ask(clerk, f"read {desk}/notes.txt", "recall todo-1")
            tasks.cancel_scope.cancel()

        print("list.txt:", (desk / "out" / "list.txt").read_text())
        report = verify_audit(desk / "audit.jsonl")
        whole = "whole" if report.problem is None else report.problem
        print(f"audit log: {report.count} records, {whole}")


if __name__ == "__main__":
    anyio.run(main)
