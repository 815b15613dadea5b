"""Tell what a child does, and what its supervisor knows of it at one moment."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from ..core.child import Exit, Restart

__all__ = ("ChildState", "ChildStatus")


class ChildState(Enum):
    """What a child does."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    RESTARTING = "restarting"
    """It ended and waits to be started again."""
    EXITED = "exited"
    """It ended by itself and is not started again by itself."""
    STOPPED = "stopped"
    """It was stopped; `Supervisor.restart` starts it again."""

    @property
    def has_task(self) -> bool:
        """Whether there is a task of the child, which may be about to end."""
        match self:
            case ChildState.STARTING | ChildState.RUNNING | ChildState.STOPPING:
                return True
            case ChildState.RESTARTING | ChildState.EXITED | ChildState.STOPPED:
                return False

    @property
    def active(self) -> bool:
        """Whether the child has a task, or will get one."""
        return self.has_task or self is ChildState.RESTARTING


@frozen
class ChildStatus:
    """What a supervisor knows of a child at one moment."""

    id: str
    state: ChildState
    restarts: int
    """How often it was started again."""
    last_exit: Exit | None
    """How it ended last; None if it never did."""
    restart: Restart
    children: tuple[ChildStatus, ...] = ()
    """Its own children, if the child started with a `Supervisor` as its value."""
