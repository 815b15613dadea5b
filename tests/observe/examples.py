"""An example of every event, with its level, its subject and its line."""

from __future__ import annotations

from airssys.core.event import (
    CallCut,
    ChildExited,
    ChildRestarting,
    ChildStarted,
    DeadLettered,
    Delivered,
    Denied,
    Event,
    Granted,
    HealthChecked,
    Logged,
    QuotaNeared,
    Revoked,
    SupervisorGaveUp,
)

EVENTS: list[tuple[Event, tuple[str, str, str]]] = [
    (
        ChildStarted(at=0, supervisor="top", subject="a", restarts=0),
        ("info", "a", "started"),
    ),
    (
        ChildStarted(at=0, supervisor="top", subject="a", restarts=2),
        ("info", "a", "started again (restart 2)"),
    ),
    (
        ChildExited(at=0, supervisor="top", subject="a", how="normal"),
        ("info", "a", "ended: normal"),
    ),
    (
        ChildExited(
            at=0, supervisor="top", subject="a", how="crash", reason="ValueError: no"
        ),
        ("error", "a", "ended: crash: ValueError: no"),
    ),
    (
        ChildRestarting(at=0, supervisor="top", subject="a", delay=0.25),
        ("info", "a", "restarts in 0.25 s by 'top'"),
    ),
    (
        ChildRestarting(
            at=0, supervisor="top", subject="a", delay=0, taken_along=("b", "c")
        ),
        ("info", "a", "restarts in 0 s by 'top', taking along b, c"),
    ),
    (
        SupervisorGaveUp(at=0, subject="top", child="a", history=("x", "y")),
        ("error", "top", "gave up on 'a' after 2 exits"),
    ),
    (
        HealthChecked(at=0, supervisor="top", subject="a", healthy=True, failures=0),
        ("info", "a", "is well again"),
    ),
    (
        HealthChecked(
            at=0,
            supervisor="top",
            subject="a",
            healthy=False,
            failures=2,
            reason="slow",
        ),
        ("warn", "a", "failed health check 2: slow"),
    ),
    (
        Delivered(at=0, subject="a", sender="b", size=3),
        ("trace", "a", "took 3 bytes from 'b'"),
    ),
    (
        Delivered(at=0, subject="a", sender="b", size=3, topic="t"),
        ("trace", "a", "took 3 bytes from 'b' on 't'"),
    ),
    (
        DeadLettered(at=0, subject="a", sender="b", reason="gone", size=3, topic="t"),
        ("warn", "a", "lost a message of 3 bytes from 'b' on 't': gone"),
    ),
    (
        DeadLettered(at=0, subject="a", sender="b", reason="gone", size=3),
        ("warn", "a", "lost a message of 3 bytes from 'b': gone"),
    ),
    (
        Denied(
            at=0,
            subject="a",
            operation="kv#drop",
            attempt="drop 'x'",
            reason="no grant covers it",
        ),
        ("warn", "a", "kv#drop: may not drop 'x': no grant covers it"),
    ),
    (
        Denied(
            at=0,
            subject="a",
            operation="fs#open",
            section="filesystem",
            action="read",
            target="/b",
            reason="forbidden",
            resource="x/../b",
        ),
        ("warn", "a", "fs#open: may not read '/b': forbidden (asked for 'x/../b')"),
    ),
    (
        Granted(
            at=0,
            subject="a",
            operation="fs#open",
            section="filesystem",
            action="read",
            target="/srv/a",
            resource="./a",
        ),
        ("trace", "a", "fs#open: may read '/srv/a' (asked for './a')"),
    ),
    (
        Granted(
            at=0,
            subject="a",
            operation="fs#open",
            section="filesystem",
            action="read",
            target="/srv/a",
        ),
        ("trace", "a", "fs#open: may read '/srv/a'"),
    ),
    (
        Revoked(
            at=0, subject="a", section="filesystem", action="write", target="/srv/**"
        ),
        ("info", "a", "may not write '/srv/**' any more"),
    ),
    (
        Revoked(
            at=0,
            subject="a",
            section="filesystem",
            action="write",
            target="/srv/**",
            reason="it is too curious",
        ),
        ("info", "a", "may not write '/srv/**' any more: it is too curious"),
    ),
    (
        QuotaNeared(at=0, subject="a", quota="storage", level="warning", share=0.812),
        ("warn", "a", "used 81% of its quota of storage"),
    ),
    (
        QuotaNeared(at=0, subject="a", quota="storage", level="critical", share=0.95),
        ("error", "a", "used 95% of its quota of storage"),
    ),
    (
        CallCut(at=0, subject="a", export="run", why="fuel"),
        ("warn", "a", "call of 'run' was cut: fuel"),
    ),
    (
        Logged(
            at=0,
            subject="a",
            level="debug",
            message="hi",
            fields=(("k", "v"), ("l", "w")),
        ),
        ("debug", "a", "hi k='v' l='w'"),
    ),
    (Logged(at=0, subject="a", level="shout", message="hi"), ("info", "a", "hi")),
]
