"""A supervision tree of plain async functions, without any WebAssembly.

A feed measures, a store keeps what was measured and falls now and then, and a report
ends the tree when enough was kept. Run it: ``python examples/supervision_tree.py``
"""

from __future__ import annotations

import anyio
import anyio.abc

from airssys import (
    AutoShutdown,
    Backoff,
    ChildExited,
    ChildRestarting,
    ChildSpec,
    ChildStatus,
    Event,
    HealthCheck,
    Intensity,
    Restart,
    Strategy,
    Supervisor,
    open_supervisor,
    supervise,
)

ENOUGH = 20
POISON = 7
"""The store cannot take multiples of this."""


class Log:
    """Prints what happens in the tree."""

    def event(self, event: Event) -> None:
        match event:
            case ChildExited(how="crash"):
                print(f"{event.supervisor}/{event.subject} crashed: {event.reason}")
            case ChildRestarting(taken_along=along):
                also = f" with {', '.join(along)}" if along else ""
                print(
                    f"{event.supervisor}/{event.subject} restarts "
                    f"in {event.delay:.2f} s{also}"
                )
            case _:
                pass


class Shelf:
    """What the children share; it outlives each of them."""

    def __init__(self) -> None:
        self.measured = 0
        self.kept: list[int] = []
        self.enough = anyio.Event()

    async def feed(self) -> None:
        """Measure for ever."""
        while True:
            await anyio.sleep(0.02)
            self.measured += 1

    async def store(self, *, task_status: anyio.abc.TaskStatus[str]) -> None:
        """Keep what was measured; fall over every seventh measurement."""
        seen = self.measured
        task_status.started("ready")
        while True:
            await anyio.sleep(0.005)
            while seen < self.measured:
                seen += 1
                if seen % POISON == 0:
                    raise ValueError(f"cannot keep {seen}")
                self.kept.append(seen)
                if len(self.kept) == ENOUGH:
                    self.enough.set()

    async def is_well(self) -> bool:
        return self.measured < 10 * ENOUGH


def show(children: tuple[ChildStatus, ...], depth: int = 0) -> None:
    for child in children:
        restarts = f", restarted {child.restarts} times" if child.restarts else ""
        print(f"{'  ' * depth}{child.id}: {child.state.value}{restarts}")
        show(child.children, depth + 1)


async def report(shelf: Shelf, root: Supervisor) -> None:
    """Show the tree and return when enough was kept."""
    await shelf.enough.wait()
    show(root.children)


async def main() -> None:
    shelf = Shelf()
    health = HealthCheck(shelf.is_well, every=0.1, timeout=0.05, failures=2)
    intake = supervise(
        "intake",
        [
            ChildSpec("store", shelf.store),
            ChildSpec("feed", shelf.feed, health=health),
        ],
        strategy=Strategy.REST_FOR_ONE,
        intensity=Intensity(restarts=10, period=1.0),
        backoff=Backoff(initial=0.01, factor=2.0, maximum=0.1, jitter=0.1),
    )
    async with open_supervisor(
        name="root", auto_shutdown=AutoShutdown.ANY_SIGNIFICANT, instrument=Log()
    ) as root:
        await root.start(intake)
        await root.start(
            ChildSpec(
                "report",
                report,
                (shelf, root),
                restart=Restart.TRANSIENT,
                significant=True,
            )
        )
        show(root.children)
        await anyio.sleep_forever()  # The end of the report ends this block.
    print(f"kept {len(shelf.kept)} of {shelf.measured}: {shelf.kept}")


if __name__ == "__main__":
    anyio.run(main)
