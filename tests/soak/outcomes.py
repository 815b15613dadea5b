"""Count asks and what became of each."""

from __future__ import annotations

from collections import Counter

import anyio
from attrs import define, field

import airssys
from airssys.errors import (
    ActorStopped,
    AskRefused,
    MailboxFull,
    NoSuchActor,
    ReplyTimeout,
)

__all__ = ("Outcomes",)


@define(eq=False)
class Outcomes:
    """All asks, and all outcomes of asks: in the end, as many."""

    asked: int = 0
    ended: Counter[str] = field(factory=Counter)
    done: Counter[str] = field(factory=Counter)
    """How often each line of work was done."""
    problems: list[str] = field(factory=list)
    """What must not be, in words."""

    async def ask(
        self,
        ref: airssys.ActorRef,
        order: str,
        *,
        expect: bytes | None = None,
        timeout: float = 5.0,  # noqa: ASYNC109 - the ask's own
        cancel: float | None = None,
    ) -> str:
        """Ask, and return the kind of the outcome.

        Args:
            ref: Whom.
            order: What.
            expect: The reply, if there is one.
            timeout: Of the ask.
            cancel: Seconds after which the ask is cancelled from outside.
        """
        self.asked += 1
        kind = "cancelled"
        with anyio.move_on_after(cancel):
            try:
                reply = await ref.ask(order, timeout=timeout)
            except ActorStopped:
                kind = "stopped"
            except AskRefused:
                kind = "refused"
            except ReplyTimeout:
                kind = "late"
            except (MailboxFull, NoSuchActor):
                kind = "undelivered"
            else:
                kind = "replied"
                if expect is not None and reply != expect:
                    self.problems.append(f"{order!r} was answered with {reply!r}")
        self.ended[kind] += 1
        return kind

    def check(self) -> None:
        """Note where asks and outcomes are not as many."""
        if self.asked != self.ended.total():
            self.problems.append(
                f"{self.asked} asks have {self.ended.total()} outcomes: {self.ended}"
            )

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Note something that is not as it must be."""
        if found != wanted:
            self.problems.append(f"{what}: {found!r}, not {wanted!r}")
