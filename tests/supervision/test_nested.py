from __future__ import annotations

import functools

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from airssys.core.child import ChildSpec, Crashed, Normal, Restart
from airssys.core.errors import (
    RestartsExhausted,
)
from airssys.core.event import (
    ChildStarted,
)
from airssys.core.restart import AutoShutdown, Intensity
from airssys.supervision.nested import supervise
from airssys.supervision.opening import open_supervisor
from airssys.supervision.supervisor import Supervisor

from .support import (
    Record,
    only,
    settle,
    state,
)

# --- automatic shutdown -----------------------------------------------------------


async def test_the_end_of_a_significant_child_ends_the_block(record: Record) -> None:
    async with open_supervisor(
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT
    ) as supervisor:
        await supervisor.start(record.spec("a"))
        await supervisor.start(
            record.spec("main", restart=Restart.TRANSIENT, significant=True)
        )
        record.finish["main"].set()
        await anyio.sleep_forever()

    assert record.take() == "+a +main -main -a"


async def test_all_significant_waits_for_the_last_of_them(record: Record) -> None:
    async with open_supervisor(
        auto_shutdown=AutoShutdown.ALL_SIGNIFICANT
    ) as supervisor:
        for name in "ab":
            await supervisor.start(
                record.spec(name, restart=Restart.TRANSIENT, significant=True)
            )
        record.finish["b"].set()
        await settle()
        assert record.take() == "+a +b -b"
        record.finish["a"].set()
        await anyio.sleep_forever()

    assert record.take() == "-a"


# --- nested supervisors -----------------------------------------------------------


async def test_a_supervisor_is_a_child_like_any_other(record: Record) -> None:
    async with open_supervisor(name="top", instrument=record) as top:
        await top.start(record.spec("a"))
        branch = await top.start(
            supervise(
                "branch", [record.spec("b"), supervise("twig", [record.spec("c")])]
            )
        )
        assert isinstance(branch, Supervisor)
        assert branch.name == "top/branch"

        tree = top.children
        assert [child.id for child in tree] == ["a", "branch"]
        assert [child.id for child in tree[1].children] == ["b", "twig"]
        assert [child.id for child in tree[1].children[1].children] == ["c"]

    assert record.take() == "+a +b +c -c -b -a"
    started = [event for event in record.events if isinstance(event, ChildStarted)]
    assert [(event.supervisor, event.subject) for event in started] == [
        ("top", "a"),
        ("top/branch", "b"),
        ("top/branch/twig", "c"),
        ("top/branch", "twig"),
        ("top", "branch"),
    ]


async def test_a_nested_supervisor_that_gives_up_is_a_crash_for_its_parent(
    record: Record,
) -> None:
    async with open_supervisor(instrument=record, intensity=Intensity(1)) as top:
        await top.start(supervise("branch", [record.spec("b")], intensity=Intensity(0)))
        record.take()
        record.crash["b"].set()
        await settle()

        assert record.take() == "-b +b"
        (branch,) = top.children
        assert branch.restarts == 1
        assert isinstance(branch.last_exit, Crashed)
        assert branch.last_exit.reason.startswith(
            "RestartsExhausted: supervisor 'supervisor/branch' gave up on child 'b'"
        )


async def test_a_failure_climbs_to_the_top(record: Record) -> None:
    never = Intensity(0)
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_supervisor(intensity=never) as top:
            inner = supervise("inner", [record.spec("b")], intensity=never)
            await top.start(supervise("outer", [inner], intensity=never))
            record.crash["b"].set()
            await anyio.sleep_forever()

    error = only(caught.value)
    causes = []
    while isinstance(error, RestartsExhausted):
        causes.append(error.supervisor)
        assert error.__cause__ is not None
        error = error.__cause__
    assert causes == ["supervisor", "supervisor/outer", "supervisor/outer/inner"]
    assert isinstance(error, ValueError)


async def test_a_nested_child_that_cannot_start_fails_the_start(record: Record) -> None:
    async def fail(*, task_status: object) -> None:
        raise OSError("port in use")

    async with open_supervisor() as top:
        with pytest.raises(OSError, match="port in use"):
            await top.start(
                supervise("branch", [record.spec("a"), ChildSpec("b", fail)])
            )
        assert record.take() == "+a -a"
        assert top.children == ()


async def test_a_nested_supervisor_that_shuts_down_ends_normally(
    record: Record,
) -> None:
    main = record.spec("main", restart=Restart.TEMPORARY, significant=True)
    async with open_supervisor() as top:
        await top.start(
            supervise(
                "branch",
                [main],
                restart=Restart.TRANSIENT,
                auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
            )
        )
        record.finish["main"].set()
        await settle()

        assert state(top, "branch") == "exited"
        assert top.children[0].last_exit == Normal()
        assert top.children[0].children == ()


async def test_a_supervisor_child_runs_in_any_nursery(record: Record) -> None:
    spec = supervise("branch", [record.spec("a")])

    async with anyio.create_task_group() as nursery:
        branch = await nursery.start(functools.partial(_coroutine, spec))
        assert branch.name == "branch"
        nursery.cancel_scope.cancel()

    assert record.take() == "+a -a"


async def _coroutine(
    spec: ChildSpec, *, task_status: anyio.abc.TaskStatus[Supervisor]
) -> None:
    await spec.run(*spec.args, task_status=task_status)
