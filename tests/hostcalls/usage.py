"""Offer functions as a program does. Checked by mypy and pyright, never run.

Each ``type: ignore`` is a mistake that both must see: an ignore that is not needed is
an error itself.
"""

from __future__ import annotations

from typing import assert_type

from attrs import define

from airssys import Call, Component, GuestExited, HostInterface, Limits


@define
class Till:
    taken: int = 0


class Shop:
    """A host whose functions are methods."""

    def take(self, call: Call[Till], n: int) -> int:
        call.context.taken += n
        return call.context.taken


host = HostInterface("acme:shop/till@1.0.0")
host.function(Shop().take)


@host.function
async def total(call: Call[Till]) -> int:
    assert_type(call.context, Till)
    call.context.token  # type: ignore[attr-defined]  # noqa: B018
    return call.context.taken


@host.function
def name(call: Call) -> str:
    assert_type(call.context, object)
    if isinstance(call.context, Till):
        return f"{call.component}: {call.context.taken}"
    call.context.taken  # type: ignore[attr-defined]  # noqa: B018
    return call.component


def anybody(call: Call) -> str:
    return call.who


def of_tills(call: Call[Till]) -> str:
    return anybody(call)  # any call is a call of something


async def run(component: Component) -> int:
    till = Till()
    limits = Limits(computing=1.0, total_memory=2**20)
    options_that_are_none = "skip"
    await component.instantiate([host], missing=options_that_are_none)  # type: ignore[arg-type]
    with await component.instantiate(
        [host], limits=limits, context=till, missing="trap"
    ) as instance:
        try:
            await instance.call("run")
        except GuestExited as exited:
            return exited.status
    return till.taken
