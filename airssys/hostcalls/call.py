"""Carry who calls a host function, and what the caller may do and use right now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from attrs import define, field, frozen

from ..core.budget import Budget
from ..core.grants.grants import NO_GRANTS, Grants

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    _C_co = TypeVar("_C_co", covariant=True, default=object)
else:
    from typing import TypeVar

    _C_co = TypeVar("_C_co", covariant=True)

__all__ = ("Call", "Standing", "standing_of")


@define(eq=False)
class Standing:
    """What a caller may do and use at this moment.

    All calls of an actor share one, also after a restart: what is changed here holds
    from the next check on, within a host call that is under way as well.
    """

    grants: Grants = NO_GRANTS
    budget: Budget | None = None
    """What is left of its quota; None: it may use as much as it likes."""
    correlation: str = ""
    """Names what the guest works on: the request, or the number of its call."""
    namespace: str = ""
    """Where it keeps its keys; empty: under the component's name."""


def standing_of(given: Standing | Grants) -> Standing:
    """Return a standing, which grants alone make one of.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(given, Standing):
        return given
    if isinstance(given, Grants):
        return Standing(given)
    raise TypeError(f"grants are Grants or a Standing, not a {type(given).__name__}")


@frozen
class Call(Generic[_C_co]):
    """Who calls a host function, and with what grants.

    Identity is passed explicitly, never in thread or context variables. ``Call[Shop]``
    is a call of an instance whose context is a ``Shop``.
    """

    component: str
    """The component's name."""
    actor: str = ""
    """The id of the actor the instance belongs to; empty outside a system."""
    function: str = ""
    """The host function, such as ``acme:kv/store@1.0.0#get``."""
    standing: Standing = field(
        factory=Standing, converter=standing_of, alias="grants", repr=False
    )
    context: _C_co = field(default=None, repr=False)
    """What the instance was given as ``instantiate(context=...)``, for the host
    functions that keep something for each instance; None: nothing."""

    @property
    def who(self) -> str:
        """The actor's id; outside a system the component's name."""
        return self.actor or self.component

    @property
    def namespace(self) -> str:
        """Where the caller keeps what outlives it: the component's name, or another.

        Actors that share it are one component to the host, whatever they are called.
        """
        return self.standing.namespace or self.component

    @property
    def grants(self) -> Grants:
        """What the caller may do at this moment."""
        return self.standing.grants

    @property
    def budget(self) -> Budget | None:
        """What is left of the caller's quota; None: there is no limit."""
        return self.standing.budget

    @property
    def correlation(self) -> str:
        """Names what the caller works on, for the audit."""
        return self.standing.correlation
