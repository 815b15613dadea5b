"""Leaks that a soak must find: they show that it can fail."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Awaitable, Callable
from typing import IO, Any, Final

import anyio

from ..engine.test_resources import Buckets
from .work import Work, front

__all__ = ("PLANTED", "Plant")

Plant = Callable[[Work, anyio.abc.TaskGroup], Awaitable[None]]
"""Leaks a bit more, once for each round."""

_kept: Final[list[Any]] = []


async def memory(work: Work, tasks: anyio.abc.TaskGroup) -> None:
    _kept.append(b"x" * 6 * 2**20)


async def objects(work: Work, tasks: anyio.abc.TaskGroup) -> None:
    _kept.extend([number] for number in range(3000))


async def thread(work: Work, tasks: anyio.abc.TaskGroup) -> None:
    forever = threading.Event()
    threading.Thread(target=forever.wait, name="planted", daemon=True).start()


async def descriptor(work: Work, tasks: anyio.abc.TaskGroup) -> None:
    _kept.append((work.folder / "planted").open("wb"))


async def mapping(work: Work, tasks: anyio.abc.TaskGroup) -> None:
    file: IO[bytes] = (work.folder / "mapped").open("w+b")
    with file:
        file.truncate(4096)
        _kept.extend(mmap.mmap(file.fileno(), 4096) for _ in range(20))


async def task(work: Work, tasks: anyio.abc.TaskGroup) -> None:
    tasks.start_soon(anyio.sleep_forever, name="planted")


async def actor(work: Work, tasks: anyio.abc.TaskGroup) -> None:
    await work.system.spawn(front, id=work.new("planted"))


async def instance(work: Work, tasks: anyio.abc.TaskGroup) -> None:
    """Forget to close instances of a component."""
    _kept.extend(
        [await work.buckets.instantiate([Buckets().interface]) for _ in range(30)]
    )


async def ask(work: Work, tasks: anyio.abc.TaskGroup) -> None:
    work.outcomes.asked += 1


PLANTED: Final[dict[str, tuple[Plant, str]]] = {
    "memory": (memory, "memory grew: "),
    "objects": (objects, "more list"),
    "thread": (thread, "more planted"),
    "descriptor": (descriptor, "/planted"),
    "mapping": (mapping, "/mapped"),
    "task": (task, "more planted"),
    "actor": (actor, "more soak/planted"),
    "instance": (instance, "more Linked"),
    "ask": (ask, "asks have"),
}
"""Each with what the report must say."""
