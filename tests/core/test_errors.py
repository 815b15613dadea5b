from __future__ import annotations

import importlib
import pickle
import pkgutil

import pytest

from airssys.core import errors

EXAMPLES: list[tuple[errors.AirssysError, str]] = [
    (
        errors.ManifestError("Component.toml", ("a @ b", "c @ d")),
        "Component.toml has 2 problems:\n  a @ b\n  c @ d",
    ),
    (
        errors.MissingExport("acme/calc", "ad", ("add", "sub")),
        "component 'acme/calc' exports no function 'ad' (it exports: 'add', 'sub')",
    ),
    (
        errors.CapabilityDenied("acme/resize", "send to 'acme/billing'"),
        (
            "component 'acme/resize' may not send to 'acme/billing': "
            "no grant covers it (granted: nothing)"
        ),
    ),
    (
        errors.CompileLimit("acme/big", "time", "1m of processor time"),
        (
            "component 'acme/big' cannot be compiled within its time "
            "(limit: 1m of processor time; compile.time in the host file)"
        ),
    ),
    (
        errors.CannotCompile("acme/calc", "no process can be started for it"),
        (
            "component 'acme/calc' cannot be compiled here: no process can be started "
            "for it"
        ),
    ),
    (
        errors.OutOfFuel("acme/calc", "mul", 1_000_000),
        "component 'acme/calc' ran out of fuel in 'mul' (limit: 1_000_000 a call)",
    ),
    (
        errors.OutOfComputing("acme/calc", "mul", 0.25),
        "component 'acme/calc' computed for longer than 0.25 s in 'mul'",
    ),
    (
        errors.OutOfMemory("a", "it grew", 300, "total_memory"),
        "component 'a' is out of memory: it grew (limit: total_memory = 300 bytes)",
    ),
    (
        errors.GuestExited("acme/app", 3),
        "component 'acme/app' exited with status 3",
    ),
    (
        errors.GuestTrapped("a", "f", "unreachable", "it was", ("m!f+0x1",), 12),
        "component 'a' trapped in 'f': unreachable: it was (in m!f+0x1)",
    ),
    (
        errors.StorageError("memory", "counts/1", "the disk is full"),
        "memory storage failed on 'counts/1': the disk is full",
    ),
    (
        errors.AskCycle(("a", "b", "a")),
        "ask would wait for itself: a -> b -> a",
    ),
    (
        errors.InvalidComponent("a.wasm", "it is a core module"),
        "'a.wasm' is no usable component: it is a core module",
    ),
    (
        errors.InitFailed("acme/a", "no configuration"),
        "component 'acme/a' did not start: no configuration",
    ),
    (
        errors.UnknownImport("a", ("x: nobody offers it", "y: has no z"), ("y",)),
        (
            "component 'a' cannot be linked: x: nobody offers it; y: has no z "
            "(offered: 'y')"
        ),
    ),
    (
        errors.ValueMismatch("f, parameter 1", "items[3].size", "u32", "-1"),
        "f, parameter 1: items[3].size: expected u32, got -1",
    ),
    (
        errors.WaveError("[1, x]", 4, "[1]", "u8", "'x'"),
        "column 5 ([1]): expected u8, got 'x'",
    ),
    (
        errors.WaveError("[1,\n x]", 5, "", "u8", "'x'"),
        "line 2, column 2: expected u8, got 'x'",
    ),
    (
        errors.InstanceClosed("a", "closed"),
        "instance of 'a' cannot be called: closed (instantiate the component again)",
    ),
    (
        errors.InstanceBusy("a", "f", "g"),
        "instance of 'a' cannot run 'f': 'g' is still running in it",
    ),
    (
        errors.NamespaceTaken("a", "b/Component.toml", "a", "a/Component.toml"),
        (
            "component 'a' (b/Component.toml) may not have the storage namespace 'a': "
            "another component of that name has it, 'a/Component.toml' (give each a "
            "name of its own, or a namespace by the tree file or spawn())"
        ),
    ),
    (
        errors.NamespaceTaken("a", "", "a", ""),
        (
            "component 'a' may not have the storage namespace 'a': another component "
            "of that name has it, one made in Python (give each a name of its own, or "
            "a namespace by the tree file or spawn())"
        ),
    ),
    (
        errors.TrustError("a.wasm", "sha256:1", "sha256:2"),
        "'a.wasm' is not trusted: expected sha256:1, found sha256:2",
    ),
    (
        errors.CapabilityDenied("a", "read '/x'", (), "the host forbids it"),
        "component 'a' may not read '/x': the host forbids it",
    ),
    (
        errors.TooManyHandles("a", "f", 10_000),
        (
            "component 'a' holds too many handles of resources in 'f' "
            "(limit: 10_000; those that it does not need any more are to be dropped)"
        ),
    ),
    (
        errors.ValuesTooLarge("a", "f", "result", 65536),
        (
            "component 'a' passes too much as result of 'f' "
            "(limit of values: 65_536 bytes in Python)"
        ),
    ),
    (
        errors.OutOfMemory("a", "it grew", 65536),
        "component 'a' is out of memory: it grew (limit: 65_536 bytes)",
    ),
    (
        errors.Overtime("a", "f", 0.5),
        "component 'a' took longer than 0.5 s in 'f'",
    ),
    (
        errors.QuotaExceeded("actor 'a'", "quota of handles", "256"),
        "actor 'a' is over its quota of handles (limit: 256)",
    ),
    (
        errors.QuotaExceeded("actor 'a'", "quota of handles", "256", "close some"),
        "actor 'a' is over its quota of handles (limit: 256; close some)",
    ),
    (
        errors.Unhealthy("a", "the disk is full"),
        "component 'a' says it is unhealthy: the disk is full",
    ),
    (errors.WitError("not-found"), "err('not-found')"),
    (
        errors.NoSuchActor("counte", ("counter",)),
        "no actor 'counte' (there are: 'counter')",
    ),
    (
        errors.MailboxFull("a", 3),
        "mailbox of actor 'a' is full (capacity: 3)",
    ),
    (
        errors.ReplyTimeout("a", 1.5),
        "actor 'a' did not reply within 1.5 s",
    ),
    (errors.ActorStopped("a"), "actor 'a' cannot answer: stopped"),
    (errors.AskRefused("a", "busy"), "actor 'a' refused: busy"),
    (
        errors.CannotReply("a", "it was sent"),
        "message from 'a' cannot be answered: it was sent",
    ),
    (
        errors.AuditError("/var/log/a", "line 3 was edited"),
        "audit log '/var/log/a': line 3 was edited",
    ),
    (
        errors.NoSuchChild("root", "x", ("a", "b")),
        ("supervisor 'root': child 'x': there is none of that id (children: 'a', 'b')"),
    ),
    (
        errors.DuplicateChild("root", "a", "running"),
        (
            "supervisor 'root' cannot start child 'a': one of that id is running "
            "(stop it first, or choose another id)"
        ),
    ),
    (
        errors.ChildRefused("root", "a", "stop", "it is starting"),
        "supervisor 'root' cannot stop child 'a': it is starting",
    ),
    (
        errors.HealthCheckFailed("a", 1, "no answer"),
        "child 'a' failed its health check once: no answer",
    ),
    (
        errors.HealthCheckFailed("a", 3, "no answer"),
        "child 'a' failed its health check 3 times in a row: no answer",
    ),
    (
        errors.StartTimeout("root", "db", 2.5),
        (
            "supervisor 'root' stopped child 'db': it had not started after 2.5 s "
            "(its start_timeout)"
        ),
    ),
    (
        errors.RestartsExhausted("root", "db", 1, 5.0, ("first", "second")),
        (
            "supervisor 'root' gave up on child 'db': more than 1 restarts within 5 s"
            "\n  first\n  second"
        ),
    ),
]


@pytest.mark.parametrize(
    ("error", "text"), EXAMPLES, ids=[text for _, text in EXAMPLES]
)
def test_an_error_says_who_what_and_why_and_survives_pickling(
    error: errors.AirssysError, text: str
) -> None:
    error.add_note("on the way")

    assert str(error) == text
    assert str(pickle.loads(pickle.dumps(error))) == text  # noqa: S301 - our own
    assert type(error).__name__ in repr(error)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ManifestError("f", ()), ValueError),
        (errors.ValueMismatch("f", "a", "u32", "-1"), TypeError),
        (errors.CapabilityDenied("c", "send"), PermissionError),
        (errors.Overtime("c", "f", 1.0), TimeoutError),
        (errors.ReplyTimeout("a", 1.0), TimeoutError),
        (errors.StorageError("m", "k", "r"), OSError),
        (errors.NoSuchChild("s", "c", ()), LookupError),
    ],
)
def test_an_error_is_also_the_builtin_a_caller_would_name(
    error: errors.AirssysError, builtin: type[Exception]
) -> None:
    assert isinstance(error, builtin)


def test_every_error_has_the_one_root() -> None:
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.AirssysError)


def test_the_list_of_errors_has_those_of_every_module() -> None:
    modules = [name for _, name, _ in pkgutil.iter_modules(errors.__path__)]
    named = {
        each
        for name in modules
        for each in importlib.import_module(f"{errors.__name__}.{name}").__all__
    }
    missing = sorted(named - {"listed"} - set(errors.__all__))

    assert not missing, f"core/errors/__init__.py lacks {missing}"


def test_every_error_that_is_raised_has_an_example() -> None:
    raised = {
        getattr(errors, name)
        for name in errors.__all__
        if "__str__" in vars(getattr(errors, name))
    }

    assert raised <= {type(error) for error, _ in EXAMPLES}
