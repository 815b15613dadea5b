"""Run a guest written in Python, under supervision: CPython inside a component.

It counts, is told to run ``while True: pass``, is cut off when its time is up, and is
restarted, while this program goes on. Then it raises an exception, whose traceback is
told here. The component is built by build.py, which needs the extra ``guests``. Run it:
``python examples/python_guest/run.py``
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import anyio

import airssys
from airssys import ActorStopped

HERE = Path(__file__).parent


def build_if_missing() -> None:
    """Build the component where it is not there; end with the reason if that fails."""
    if (HERE / "python_guest.wasm").exists():
        return
    print("python_guest.wasm is not built yet; this takes some ten seconds", flush=True)
    built = subprocess.run([sys.executable, HERE / "build.py"], check=False)
    if built.returncode != 0:
        sys.exit(f"the guest could not be built (exit status {built.returncode})")


async def tick(turns: list[float]) -> None:
    """Be the rest of the program."""
    while True:
        await anyio.sleep(0.01)
        turns.append(anyio.current_time())


async def main() -> None:
    turns: list[float] = []
    often = airssys.Intensity(restarts=3, period=5.0)
    async with airssys.open_system(intensity=often) as system:
        began = anyio.current_time()
        guest = await system.spawn(HERE)
        took = anyio.current_time() - began
        print(f"{guest.id!r} is up after {took:.2f} s (compiled once, then cached)")

        for _ in range(3):
            await guest.send("inc")
        print("counted:", (await guest.ask("get")).decode())
        print("echoed:", (await guest.ask("any other text")).decode())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick, turns)
            began = anyio.current_time()
            try:
                await guest.ask("spin", timeout=10)
            except ActorStopped as error:
                took = anyio.current_time() - began
                print(f"after {took:.2f} s: {error}")
            tasks.cancel_scope.cancel()
        print(f"the rest of the program had {len(turns)} turns meanwhile")

        print("restarted, it counts from the start:", (await guest.ask("get")).decode())

        with contextlib.suppress(ActorStopped):
            await guest.ask("fall", timeout=10)
        print("restarted again:", (await guest.ask("get")).decode())
        (child,) = system.children
        print(f"{child.id}: {child.state.value}, restarts: {child.restarts}")
        assert child.last_exit is not None
        print("how it fell:", child.last_exit.reason)


if __name__ == "__main__":
    build_if_missing()
    anyio.run(main)
