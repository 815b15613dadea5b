"""Serve HTTP with a component that exports ``wasi:http/incoming-handler``, as ASGI."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import anyio
from attrs import define

from ...core.errors import AirssysError, InvalidComponent
from ...core.grants.grants import Grants
from ...core.limits import Limits
from ...hostcalls.call import Standing, standing_of
from ...hostcalls.interface import Guard, HostInterface, Missing, check_missing
from ...witmodel.agreement import agreement
from ..context import Context
from .answer import Answering, Receive, Scope, Send
from .instances import Instances

__all__ = ("Application", "asgi")

_HANDLER: Final = "wasi:http/incoming-handler@0.2.0"
_LIMITS: Final = Limits(timeout=60.0)


def asgi(
    component: Any,
    imports: Sequence[HostInterface],
    *,
    limits: Limits | None = None,
    grants: Grants | Standing | None = None,
    context: Callable[[], object] = Context,
    size: int = 32,
    reuse: bool = False,
    guard: Guard | None = None,
    actor: str = "",
    missing: Missing = "refuse",
) -> Application:
    """Return an ASGI application that has a component answer requests.

    It runs under any server of trio or asyncio, such as hypercorn and uvicorn. A server
    that tells it of its start (ASGI's lifespan) gets instances made ahead.

    A request that fails before its answer has begun is answered with 500, or with 504
    where it took too long and 503 where the host has no room. One that fails later
    raises: the server then cuts the connection, and no client takes the answer for
    whole.

    Args:
        component: A `Component` that exports ``wasi:http/incoming-handler``.
        imports: The interfaces to offer, those of `open_interfaces` among them.
        limits: What a request may use: fuel and timeout hold for each, the others for
            an instance. By default `Limits` with a timeout of 60 seconds.
        grants: What the component may do; a `Standing` can be changed later.
        context: Makes the context of each instance.
        size: Requests that are answered at one time, each by an instance of its own;
            others wait for their turn.
        reuse: Whether an instance that has answered is kept for another request. What a
            guest remembers of one client is then there for the next. An instance that
            trapped, or was cancelled, is not kept.
        guard: What stands before the host functions; by default a `Gate` that emits no
            events.
        actor: Under which name the host functions know the callers.
        missing: What to do where some imports are not offered; as of
            `Component.instantiate`.

    Raises:
        InvalidComponent: The component does not export it.
        TypeError: ``context`` cannot be called, such as a `Context` that all instances
            would share; or ``grants`` are none, or ``size`` is no whole number.
        ValueError: ``size`` is less than 1, or ``missing`` is another word.
    """
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"size: {size!r} is no whole number of requests")
    if size < 1:
        raise ValueError(f"size: {size} is less than 1 request at a time")
    if not callable(context):
        raise TypeError(
            f"context: a {type(context).__name__} cannot be called to make one for "
            "each instance: use a function, such as lambda: Context(...)"
        )
    check_missing(missing)
    wanted = agreement(_HANDLER)
    for name in component.functions():
        interface, _, function = name.partition("#")
        if function == "handle" and agreement(interface) == wanted:
            standing = standing_of(Grants() if grants is None else grants)
            instances = Instances(
                component=component,
                imports=tuple(imports),
                limits=limits or _LIMITS,
                standing=standing,
                context=context,
                guard=guard,
                actor=actor,
                missing=missing,
                size=size,
                reuse=reuse,
            )
            return Application(instances, name)
    reason = "it does not export 'wasi:http/incoming-handler', so it serves no HTTP"
    raise InvalidComponent(component.name, reason)


@define(eq=False)
class Application:
    """An ASGI application. Made by `asgi`."""

    _instances: Instances
    _export: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await self._live(receive, send)
            case "http":
                await Answering(self._instances, self._export, scope, send).run(receive)
            case kind:
                raise NotImplementedError(f"components do not serve {kind!r}")

    async def prepare(self) -> None:
        """Make the first instance, where there is none yet.

        Raises:
            AirssysError: It cannot be made.
        """
        await self._instances.prepare()

    async def _live(self, receive: Receive, send: Send) -> None:
        """Make instances ahead from the start of the server to its end."""
        await receive()
        try:
            await self.prepare()
        except AirssysError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        async with anyio.create_task_group() as nursery:
            nursery.start_soon(self._instances.refill)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            nursery.cancel_scope.cancel()
        await send({"type": "lifespan.shutdown.complete"})
