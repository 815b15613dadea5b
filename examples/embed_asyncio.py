"""Embed a component in an asyncio program, beside its own tasks.

Three guests count primes at once and report progress through a host function into an
`asyncio.Queue`, while a task of the program's own goes on. `asyncio.timeout` and
``task.cancel()`` end guests that never return. Run it:
``python examples/embed_asyncio.py``
"""

from __future__ import annotations

import asyncio

import airssys

PRIMES = """
(component
  (import "acme:jobs/progress@1.0.0" (instance $progress
    (export "found" (func (param "primes" u32) (param "up-to" u32)))))
  (core func $found (canon lower (func $progress "found")))

  (core module $program
    (import "progress" "found" (func $found (param i32 i32)))
    (func $is-prime (param $n i32) (result i32)
      (local $by i32)
      (local.set $by (i32.const 2))
      (loop $next
        (if (i32.gt_u (i32.mul (local.get $by) (local.get $by)) (local.get $n))
          (then (return (i32.const 1))))
        (if (i32.eqz (i32.rem_u (local.get $n) (local.get $by)))
          (then (return (i32.const 0))))
        (local.set $by (i32.add (local.get $by) (i32.const 1)))
        (br $next))
      (unreachable))
    ;; Count the primes below the limit; report at every 16384 numbers.
    (func (export "count") (param $limit i32) (result i32)
      (local $n i32) (local $primes i32)
      (local.set $n (i32.const 2))
      (loop $next
        (if (i32.ge_u (local.get $n) (local.get $limit))
          (then (return (local.get $primes))))
        (local.set $primes
          (i32.add (local.get $primes) (call $is-prime (local.get $n))))
        (if (i32.eqz (i32.and (local.get $n) (i32.const 16383)))
          (then (call $found (local.get $primes) (local.get $n))))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br $next))
      (unreachable)))
  (core instance $made (instantiate $program
    (with "progress" (instance (export "found" (func $found))))))

  (func (export "count") (param "limit" u32) (result u32)
    (canon lift (core func $made "count"))))
"""
FOR_EVER = 2**32 - 1
"""Counting so far takes minutes."""

Report = tuple[str, int, int]


def offer_progress(reports: asyncio.Queue[Report], job: str) -> airssys.HostInterface:
    """Make the interface for one job: host functions may be closures, and plain."""
    progress = airssys.HostInterface("acme:jobs/progress@1.0.0")

    @progress.function
    def found(_: airssys.Call, primes: int, up_to: int) -> None:
        reports.put_nowait((job, primes, up_to))

    return progress


async def count(
    primes: airssys.Component, reports: asyncio.Queue[Report], job: str, limit: int
) -> int:
    with await primes.instantiate([offer_progress(reports, job)]) as instance:
        result = await instance.call("count", limit)
        assert isinstance(result, int)
        return result


async def heartbeat(beats: list[float]) -> None:
    """Be a task of the program: note how late each of its beats comes."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.005
        await asyncio.sleep(0.005)
        beats.append(loop.time() - due)


async def main() -> None:
    engine = airssys.Engine()
    primes = await engine.compile(PRIMES, name="primes")
    reports: asyncio.Queue[Report] = asyncio.Queue()
    beats: list[float] = []
    beating = asyncio.create_task(heartbeat(beats))

    async with asyncio.TaskGroup() as group:
        tasks = {
            limit: group.create_task(count(primes, reports, f"job {limit}", limit))
            for limit in (20_000, 50_000, 100_000)
        }
    for limit, task in tasks.items():
        print(f"{task.result()} primes below {limit}")
    received = [reports.get_nowait() for _ in range(reports.qsize())]
    # The three compute at the same time, so the last report is not always the same.
    job, found, up_to = max(received, key=lambda report: report[2])
    print(f"{len(received)} reports, the furthest: {job} found {found} up to {up_to}")

    try:
        async with asyncio.timeout(0.1):
            await count(primes, reports, "too long", FOR_EVER)
    except TimeoutError:
        print("asyncio.timeout ended a guest that goes on for ever")

    task = asyncio.create_task(count(primes, reports, "cancelled", FOR_EVER))
    await asyncio.sleep(0.1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("task.cancel() ended another")

    beating.cancel()
    print(f"{len(beats)} heartbeats, at most {max(beats) * 1000:.1f} ms late")


if __name__ == "__main__":
    asyncio.run(main())
