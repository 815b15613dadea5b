"""Embed a component in a trio program.

Shows an engine, a component from text, limits, a host function that awaits something of
the program's own, and a trio cancel scope that ends a guest in an endless loop while
the program's other tasks go on. Run it: ``python examples/embed_trio.py``
"""

from __future__ import annotations

import trio

import airssys
from airssys import InstanceClosed, OutOfFuel

PLUGIN = """
(component
  (import "acme:shop/prices@1.0.0" (instance $prices
    (export "price" (func (param "item" u32) (result u32)))))
  (core func $price (canon lower (func $prices "price")))

  (core module $program
    (import "prices" "price" (func $price (param i32) (result i32)))
    (func (export "quote") (param $item i32) (param $count i32) (result i32)
      (i32.mul (call $price (local.get $item)) (local.get $count)))
    (func (export "spin")
      (loop $again (br $again))))
  (core instance $made (instantiate $program
    (with "prices" (instance (export "price" (func $price))))))

  (func (export "quote") (param "item" u32) (param "count" u32) (result u32)
    (canon lift (core func $made "quote")))
  (func (export "spin") (canon lift (core func $made "spin"))))
"""

prices = airssys.HostInterface("acme:shop/prices@1.0.0")


@prices.function
async def price(call: airssys.Call, item: int) -> int:
    """Look a price up, which takes a while. Only this guest waits meanwhile."""
    await trio.sleep(0.05)
    print(f"{call.component!r} asked for the price of item {item}")
    return 100 + item


async def tick(ticks: list[float]) -> None:
    """Be another task of the program: note each turn it has."""
    while True:
        await trio.sleep(0.01)
        ticks.append(trio.current_time())


async def main() -> None:
    engine = airssys.Engine()
    plugin = await engine.compile(PLUGIN, name="shop-plugin")
    for name, type_ in (*plugin.imports.items(), *plugin.exports.items()):
        print(f"{name}: {' '.join(str(type_).split())}")

    # Fuel bounds how much a call computes, the timeout how long it takes.
    limits = airssys.Limits(memory=2**20, fuel=10_000_000, timeout=5.0)
    with await plugin.instantiate([prices], limits=limits) as instance:
        print("7 of item 3 cost", await instance.call("quote", 3, 7))
        try:
            await instance.call("spin")
        except OutOfFuel as error:
            print(error)
        print("used:", instance.usage)

    ticks: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick, ticks)
        with await plugin.instantiate([prices]) as instance:
            began = trio.current_time()
            with trio.move_on_after(0.2) as scope:
                await instance.call("spin")  # no fuel, no timeout: trio ends it
            took = trio.current_time() - began
            print(f"cancelled: {scope.cancelled_caught}, after {took:.2f} s")
            print(f"the other task had {len(ticks)} turns meanwhile")
            try:
                await instance.call("quote", 3, 7)
            except InstanceClosed as error:
                print(error)
        nursery.cancel_scope.cancel()

    with await plugin.instantiate([prices]) as instance:
        print("a fresh instance works:", await instance.call("quote", 1, 2))


if __name__ == "__main__":
    trio.run(main)
