"""The Python actors of the quickstart: a shop that takes orders, and a board."""

from __future__ import annotations

import anyio

from airssys import Actor, DeliveryError

COUNTER = "quickstart/counter"
TALLY = "quickstart/tally"
TRAPPER = "quickstart/trapper"
SPINNER = "quickstart/spinner"


async def board(actor: Actor) -> None:
    """Show the newest line of the tally twice a second, if there is one."""
    await actor.subscribe("tally.summary")
    shown = anyio.current_time()
    async for message in actor.inbox:
        if anyio.current_time() >= shown + 0.5:
            shown = anyio.current_time()
            actor.log("info", message.payload.decode())


async def shop(actor: Actor, orders: int) -> None:
    """Take orders while others fall over, then close: that ends the tree."""
    actor.log("info", f"round 1: {orders} orders")
    await take_orders(actor, orders)

    actor.log("info", f"round 2: {orders} orders, while the trapper traps twice")
    async with anyio.create_task_group() as nursery:
        nursery.start_soon(provoke, actor, TRAPPER, "trap", 2)
        await take_orders(actor, orders)

    actor.log("info", f"round 3: {orders} orders, while the spinner never returns")
    async with anyio.create_task_group() as nursery:
        nursery.start_soon(provoke, actor, SPINNER, "spin", 1)
        await take_orders(actor, orders)

    for troublemaker in (TRAPPER, SPINNER):
        answer = await actor.ask(troublemaker, "are you there?", timeout=5.0)
        actor.log("info", f"{troublemaker} is back and says: {answer.decode()}")

    summary = await actor.ask(TALLY, "summary")
    count = await actor.ask(COUNTER, "get")
    actor.log("info", f"the tally: {summary.decode()}; the counter: {count.decode()}")


async def take_orders(actor: Actor, orders: int) -> None:
    """Publish orders; the tally counts each with the counter's help."""
    for number in range(orders):
        await actor.publish("orders.created", f"order {number}")
        await anyio.sleep(0.001)


async def provoke(actor: Actor, target: str, word: str, times: int) -> None:
    """Tell a troublemaker to misbehave, and say what its asker sees of it."""
    for _ in range(times):
        try:
            await actor.ask(target, word)
        except DeliveryError as error:
            actor.log("info", f"asked {target} to {word}: {type(error).__name__}")
