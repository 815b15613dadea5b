"""Offer what a component may import to one that a command runs outside of a system."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from attrs import field, frozen

from ..actors.registry import Registry
from ..audit import audit_for
from ..core.budget import Budget
from ..core.event import Instrument
from ..core.grants.grants import Grants
from ..core.limits import Limits, Quota
from ..core.manifests.host import HostConfig
from ..core.manifests.wasi import Wasi
from ..engine.component import Component
from ..engine.instance import Instance
from ..host.offered import Facilities, open_interfaces
from ..hostcalls.call import Standing
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface, Missing
from ..observe.fan_out import FanOut
from ..wasi.offered import interfaces_over, open_outside
from ..wasi.outside import Outside
from ..wasi.streams import StreamClosed
from ..wasi.surroundings import Surroundings
from .failure import BadInput

__all__ = (
    "Offer",
    "Terms",
    "alive",
    "as_name",
    "as_text",
    "open_offer",
    "read_variable",
)

_ACTOR: Final = "call"
"""The id under which the guest meets the registry: an empty one, but for itself."""


@frozen(kw_only=True)
class Terms:
    """What a component may use and do, and what it finds around it."""

    limits: Limits = field(factory=Limits)
    grants: Grants = field(factory=Grants)
    config: Mapping[str, str] = field(factory=dict)
    quota: Quota = field(factory=Quota)
    wasi: Wasi = field(factory=Wasi)


@frozen(kw_only=True)
class Offer:
    """What a component may import, and in whose name it calls."""

    imports: tuple[HostInterface, ...]
    standing: Standing
    gate: Gate
    outside: Outside


@asynccontextmanager
async def open_offer(
    terms: Terms, settings: HostConfig, instrument: Instrument, *, actor: str
) -> AsyncIterator[Offer]:
    """Open all that airssys has for a component to import.

    Args:
        terms: What the component may use and do.
        settings: The host's. The audit log that they ask for is written.
        instrument: Gets every event.
        actor: What events call the component.
    """
    registry = Registry()
    standing = Standing(terms.grants, Budget(actor, terms.quota))
    registry.register(actor, standing=standing, config=terms.config)
    async with AsyncExitStack() as stack:
        instruments = [instrument]
        audit = await stack.enter_async_context(audit_for(settings))
        if audit is not None:
            instruments.append(audit)
        grants_too = audit is not None and audit.grants
        gate = Gate(FanOut(instruments), grants=grants_too)
        # One storage for all of them: a key of WASI's is one of airssys's own.
        facilities = Facilities()
        outside = await stack.enter_async_context(open_outside(gate, facilities))
        own = await stack.enter_async_context(
            open_interfaces(
                registry,
                gate,
                facilities,
                disk=outside.disk,
                permits=outside.permits,
                guest_log=outside.log,
            )
        )
        yield Offer(
            imports=(*own, *interfaces_over(outside)),
            standing=standing,
            gate=gate,
            outside=outside,
        )


@asynccontextmanager
async def alive(
    component: Component,
    terms: Terms,
    settings: HostConfig,
    instrument: Instrument,
    *,
    actor: str = _ACTOR,
    name: str | None = None,
    closed: Callable[[], Exception] = StreamClosed,
    missing: Missing = "refuse",
) -> AsyncIterator[Instance]:
    """Make an instance of a component, with all that airssys has for it to import.

    Args:
        component: What to run.
        terms: What it may use and do, and what it finds around it.
        settings: The host's. The audit log that they ask for is written.
        instrument: Gets every event.
        actor: What events call it.
        name: What a program is told that it is called; None: the component's name.
        closed: As for `Surroundings`.
        missing: As for `Component.instantiate`.
    """
    async with open_offer(terms, settings, instrument, actor=actor) as offer:
        surroundings = Surroundings(
            wasi=terms.wasi,
            outside=offer.outside,
            component=as_name(component.name) if name is None else name,
            actor=actor,
            standing=offer.standing,
            closed=closed,
        )
        async with surroundings.open() as context:
            with await component.instantiate(
                offer.imports,
                limits=terms.limits,
                grants=offer.standing,
                actor=actor,
                guard=offer.gate,
                context=context,
                missing=missing,
            ) as instance:
                yield instance


def read_variable(given: str) -> tuple[str, str]:
    """Read a variable of ``--env``: NAME=VALUE, or the NAME of one to take over.

    Raises:
        BadInput: It is neither.
    """
    name, is_, value = as_text("--env", given).partition("=")
    if not name or "\0" in given:
        raise BadInput(f"--env: {given!r} names no variable: use NAME=VALUE")
    if is_:
        return name, value
    if name not in os.environ:
        raise BadInput(f"--env: there is no {name!r} to take over: use NAME=VALUE")
    return name, as_text(f"--env: {name}", os.environ[name])


def as_name(given: str) -> str:
    """Return what a program is told that it is called.

    That its file's name is in another encoding is no reason not to run it.
    """
    return given.encode(errors="replace").decode()


def as_text(what: str, given: str) -> str:
    """Return what a guest is to be given of the command line.

    Args:
        what: What it is.
        given: The text, with surrogates for bytes that are none in the system's
            encoding. Where that is ASCII they may be UTF-8 all the same.

    Raises:
        BadInput: Guests cannot be given it.
    """
    try:
        given.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(given).decode()
        except UnicodeError:
            words = "is no Unicode, and components have no other texts"
            raise BadInput(f"{what}: {given!r} {words}") from None
    return given
