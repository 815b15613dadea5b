"""A pipeline over topics: Python actors and components, none of which knows the next.

    source ──incoming──▶ check ──orders.created──▶ tally ──tally.summary──▶ this program
                           └─────rejected──────▶ this program     tally asks counter

``source`` and ``check`` are Python functions, ``tally`` (in C) and ``counter`` (in
component text) are the guests of the quickstart. A topic waits for nobody unless a
subscription says so: the source waits for ``check``, whose mailbox is small, and what
waits for the tally has room in its own. Run it: ``python examples/pipeline.py``
"""

from __future__ import annotations

from pathlib import Path

import anyio

import airssys

QUICKSTART = Path(__file__).parent / "quickstart"
INCOMING = [
    "3 apples",
    "12 pears",
    "some plums",
    "1 melon",
    "-4 grapes",
    "7 quinces",
] * 20


async def source(actor: airssys.Actor, lines: list[str]) -> None:
    """Publish what comes in; return when nothing is left."""
    for line in lines:
        await actor.publish("incoming", line)


async def check(actor: airssys.Actor) -> None:
    """Pass good orders on and bad ones out."""
    # Publishers wait while it is busy; otherwise the oldest line would be lost.
    await actor.subscribe("incoming", overflow=airssys.Overflow.WAIT)
    async for message in actor.inbox:
        count, _, fruit = message.text.partition(" ")
        if count.isdecimal() and fruit:
            await actor.publish("orders.created", message.payload)
        else:
            await actor.publish("rejected", message.payload)


async def main() -> None:
    good = sum(line.partition(" ")[0].isdecimal() for line in INCOMING)
    async with (
        airssys.open_system() as system,
        system.subscribe("tally.*") as summaries,
        system.subscribe("rejected") as rejected,
    ):
        await system.spawn(QUICKSTART / "counter")
        tally = await system.spawn(QUICKSTART / "tally")
        await system.spawn(check, mailbox=4)
        # It returns when it is done, and that is no reason to start it again.
        await system.spawn(source, INCOMING, restart=airssys.Restart.TRANSIENT)

        with anyio.fail_after(10):
            async for message in summaries:
                if message.text.startswith(f"orders {good},"):
                    break
        print("last summary:", message.text)
        print("asked again: ", (await tally.ask("summary")).decode())
        refused = [(await anext(rejected)).text for _ in range(len(rejected))]
        print(f"rejected {len(refused)}: {', '.join(sorted(set(refused)))}")
        for child in system.children:
            print(f"  {child.id}: {child.state.value}")
        print(
            f"{system.messages} messages taken, "
            f"{system.tally.dead_letters} lost, {system.tally.restarts} restarts"
        )


if __name__ == "__main__":
    anyio.run(main)
