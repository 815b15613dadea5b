"""Describe a child: what a supervisor needs to run one, and how it can end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final, TypeAlias

from attrs import converters, field, frozen, validators

from .checks import seconds
from .defaults import GRACE
from .errors import GuestExited
from .health import HealthCheck
from .texts import text_of

__all__ = (
    "LAST_WORDS",
    "ChildSpec",
    "Crashed",
    "Exit",
    "Normal",
    "Restart",
    "Stopped",
    "raised",
    "unwrap",
)


LAST_WORDS: Final = "the last lines of its stderr:"
"""What begins the note of a guest's crash that has what the guest wrote at the end."""
_MOST_NOTED: Final = 4096
"""Characters of an error's notes that are in the reason of a crash."""
_CALLED = validators.optional(validators.is_callable())


class Restart(Enum):
    """When a child that ended by itself is started again."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """After a crash."""
    TEMPORARY = "temporary"
    """Never."""

    @property
    def may_end(self) -> bool:
        """Whether such a child can end by itself for good."""
        match self:
            case Restart.PERMANENT:
                return False
            case Restart.TRANSIENT | Restart.TEMPORARY:
                return True

    @property
    def keeps_spec(self) -> bool:
        """Whether the spec of such a child outlives its end, for a restart by hand."""
        match self:
            case Restart.PERMANENT | Restart.TRANSIENT:
                return True
            case Restart.TEMPORARY:
                return False

    def starts_again(self, how: Exit) -> bool:
        """Tell whether such a child is started again after it ended so."""
        match self:
            case Restart.PERMANENT:
                return not isinstance(how, Stopped)
            case Restart.TRANSIENT:
                return isinstance(how, Crashed)
            case Restart.TEMPORARY:
                return False


@frozen
class ChildSpec:
    """All a supervisor needs to start a child, and to start it again."""

    id: str = field(
        validator=validators.and_(validators.instance_of(str), validators.min_len(1))
    )
    """Names the child; no two children of a supervisor share one."""
    run: Callable[..., Awaitable[object]] = field(validator=validators.is_callable())
    """Called as ``run(*args)``, anew for each start.

    If it has a parameter ``task_status``, the child has started when it calls
    ``task_status.started(value)``; else at once.
    """
    args: tuple[object, ...] = field(
        default=(), validator=validators.instance_of(tuple)
    )
    restart: Restart = field(default=Restart.PERMANENT, kw_only=True, converter=Restart)
    """When it is started again; given as a member or its value."""
    shutdown: float = field(
        default=GRACE,
        kw_only=True,
        converter=seconds,
        validator=validators.ge(0.0),
    )
    """Seconds from asking the child to stop to cutting it off.

    0: cut off without asking (OTP's brutal kill); ``math.inf``: wait without end.
    """
    start_timeout: float | None = field(
        default=None,
        kw_only=True,
        converter=converters.optional(seconds),
        validator=validators.optional(validators.gt(0.0)),
    )
    """Seconds that a start may take, if ``run`` has a parameter ``task_status``.

    A child that has not started by then is cut off, and its start fails with
    `StartTimeout`. None: as long as it likes; its siblings wait for it meanwhile.
    """
    significant: bool = field(default=False, kw_only=True)
    """Whether its end counts for `AutoShutdown`; never for a permanent child."""
    health: HealthCheck | None = field(
        default=None,
        kw_only=True,
        validator=validators.optional(validators.instance_of(HealthCheck)),
    )
    stop: Callable[[], object] | None = field(
        default=None, kw_only=True, validator=_CALLED
    )
    """Asks the running child to stop, and does not wait until it has.

    Without it, cancelling the child is how it is asked.
    """
    gone: Callable[[], object] | None = field(
        default=None, kw_only=True, validator=_CALLED
    )
    """Called when the child has ended and the rules will not start it again.

    Also after a first start that failed. What the child shares with its later starts,
    such as a mailbox, is given up here.
    """

    @significant.validator
    def _ends_for_good(self, _: object, significant: bool) -> None:  # noqa: FBT001
        if significant and not self.restart.may_end:
            raise ValueError(
                f"child {self.id!r} cannot be significant: it is permanent, "
                "so it never ends by itself (make it transient or temporary)"
            )


# --- how it ends ------------------------------------------------------------------


@frozen
class Normal:
    """The child returned."""

    how = "normal"
    reason = ""
    status = None


@frozen
class Crashed:
    """The child raised."""

    error: BaseException
    how = "crash"

    @property
    def reason(self) -> str:
        """The exception's type, text and notes; of a group of one, that one's."""
        error = unwrap(self.error)
        text = text_of(error)
        said = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return f"{said}{_notes_of(error)}"

    @property
    def status(self) -> int | None:
        """What a guest exited with, if it was that which ended the child."""
        error = unwrap(self.error)
        return error.status if isinstance(error, GuestExited) else None


@frozen
class Stopped:
    """The child ended because its supervisor stopped it."""

    cut_off: bool = False
    """Whether it was cut off after it had been asked in vain."""
    how = "stopped"
    status = None

    @property
    def reason(self) -> str:
        """Say if the child had to be cut off."""
        return "cut off, as it did not stop when asked" if self.cut_off else ""


Exit: TypeAlias = Normal | Crashed | Stopped


def raised(error: BaseException) -> Normal | Crashed:
    """Return how a child ended that raised this."""
    match unwrap(error):
        case GuestExited(status=0):
            return Normal()
        case leaf:
            return Crashed(leaf)


def _notes_of(error: BaseException) -> str:
    """Return the notes of an error, each from a line of its own on; not all of many."""
    given = getattr(error, "__notes__", None)
    notes = given if isinstance(given, list) else []
    text = "".join(f"\n{note}" for note in notes if isinstance(note, str))
    return text[:_MOST_NOTED]


def unwrap(error: BaseException) -> BaseException:
    """Take an exception out of groups that hold nothing else.

    Each supervisor and nursery an exception passes puts it in one more group.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
