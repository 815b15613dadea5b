from __future__ import annotations

import pytest

from airssys.core.child import ChildSpec, Crashed, Normal, Stopped, unwrap

CRASH = Crashed(ValueError("boom"))


async def run() -> None: ...


def test_a_permanent_child_cannot_be_significant() -> None:
    with pytest.raises(ValueError, match="'a' cannot be significant: it is permanent"):
        ChildSpec("a", run, significant=True)


def test_exits_say_how_and_why() -> None:
    inner = ValueError("boom")
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [inner])])

    assert (Normal().how, Normal().reason) == ("normal", "")
    assert (CRASH.how, CRASH.reason) == ("crash", "ValueError: boom")
    assert Crashed(group).reason == "ValueError: boom"
    assert Crashed(KeyError()).reason == "KeyError"
    assert (Stopped().how, Stopped().reason) == ("stopped", "")
    assert "did not stop when asked" in Stopped(cut_off=True).reason
    assert unwrap(group) is inner


def test_a_group_of_several_is_left_as_it_is() -> None:
    group = ExceptionGroup("both", [ValueError(), KeyError()])

    assert unwrap(group) is group
