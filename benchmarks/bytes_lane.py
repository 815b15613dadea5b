"""Lists of bytes, there and back, through the lane, without it and by wasmtime-py."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

from attrs import frozen

from airssys.core.limits import Limits
from airssys.engine.component import Engine
from airssys.engine.instance import Instance
from airssys.hostcalls.call import Call
from airssys.hostcalls.interface import HostInterface

from . import guests
from .measure import BACKENDS, Effort, Goal, Row, awaited, blocking, compare, run_on
from .plain import Plain

__all__ = ("rows",)

WASMTIME = "wasmtime-py's blocking call"
STRIDED = "without the lane"
KIB = 1024


@frozen
class Sample:
    """What is sent."""

    name: str
    size: int
    goals: dict[str, Goal]

    @property
    def octets(self) -> bytes:
        if "ASCII" in self.name:
            return (b"plain sentences. " * (self.size // 17 + 1))[: self.size]
        return random.Random(self.size).randbytes(self.size)


SAMPLES = (
    Sample("16 bytes of ASCII", 16, {STRIDED: Goal(limit=1.0)}),
    Sample("16 random bytes", 16, {STRIDED: Goal(limit=1.0)}),
    Sample("64 KiB of ASCII", 64 * KIB, {WASMTIME: Goal(limit=1 / 400)}),
    Sample("64 KiB of random bytes", 64 * KIB, {WASMTIME: Goal(limit=1 / 100)}),
)


def rows(effort: Effort) -> Iterator[Row]:
    for backend in BACKENDS:
        yield from run_on(backend, _calls, effort, backend)
    yield from run_on("trio", _host_calls, effort)
    yield from run_on("trio", _largest, effort)


async def _echo(**settings: Any) -> Instance:
    component = await Engine(cache=False, **settings).compile(guests.ECHO_LARGE)
    return await component.instantiate()


async def _calls(effort: Effort, backend: str) -> list[Row]:
    plain = Plain(guests.ECHO_LARGE)
    found = []
    with await _echo() as lane, await _echo(bytes_lane=False) as strided:
        assert "bytes" in lane.component.lane
        assert not strided.component.lane
        for sample in SAMPLES:
            octets = sample.octets
            found += await compare(
                effort,
                f"echo(list<u8>), {sample.name} ({backend})",
                awaited(lane.call, "bytes", octets, gives=octets),
                {
                    WASMTIME: blocking(
                        plain.function("bytes"), plain.store, octets, gives=octets
                    ),
                    STRIDED: awaited(strided.call, "bytes", octets, gives=octets),
                },
                goals=sample.goals,
            )
    return found


async def _host_calls(effort: Effort) -> list[Row]:
    """Let a guest hand bytes to a host function that returns them."""
    host = HostInterface("")

    @host.function
    def turn(_: Call, octets: bytes) -> bytes:
        return octets

    component = await Engine(cache=False).compile(guests.THROUGH_HOST)
    plain = Plain(guests.THROUGH_HOST, {"turn": lambda _store, octets: octets})
    found = []
    with await component.instantiate([host]) as instance:
        for sample in SAMPLES[2:]:
            octets = sample.octets
            found += await compare(
                effort,
                f"the same through a host function, {sample.name} (trio)",
                awaited(instance.call, "bytes", octets, gives=octets),
                {
                    WASMTIME: blocking(
                        plain.function("bytes"), plain.store, octets, gives=octets
                    )
                },
                goals=sample.goals,
            )
    return found


async def _largest(effort: Effort) -> list[Row]:
    component = await Engine(cache=False).compile(guests.ECHO_LARGE)
    found = []
    for name, octets in (
        ("ASCII", b"8 bytes." * KIB * KIB),
        ("random bytes", random.Random(8).randbytes(8 * KIB * KIB)),
    ):
        with await component.instantiate(limits=Limits(fuel=10**9)) as instance:
            call = partial(instance.call, "bytes", octets)
            found += await compare(
                effort, f"echo(list<u8>), 8 MiB of {name}", awaited(call, gives=octets)
            )
            before = instance.usage.fuel
            assert await call() == octets
            fuel = (instance.usage.fuel - before) / len(octets) * KIB
        found.append(
            Row(what=f"fuel for each KiB of that, {name}", ours=fuel, unit="fuel")
        )
    return found
