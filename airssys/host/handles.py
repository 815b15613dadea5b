"""Count what guests hold open against their quota of handles."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..core.errors import QuotaExceeded, WitError
from ..hostcalls.call import Call
from ..hostcalls.gate import Gate
from ..witmodel.types import Variant

__all__ = ("hold_handle",)


def hold_handle(gate: Gate, call: Call, needed: str) -> Callable[[], object]:
    """Count one more handle of the caller's.

    Args:
        gate: Tells of a refusal.
        call: Who asks.
        needed: What for, in words, such as ``open another file``.

    Returns:
        What gives it back; to be called once.

    Raises:
        WitError: The caller has as many as it may.
    """
    budget = call.budget
    if budget is None:
        return _nothing
    try:
        budget.hold("handles", 1)
    except QuotaExceeded as error:
        gate.refused(call, needed, str(error))
        raise WitError(Variant("resource-exhausted", str(error))) from error
    return partial(budget.release, "handles", 1)


def _nothing() -> None:
    pass
