from __future__ import annotations

import pickle

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
        errors.OutOfFuel("acme/calc", "mul", 1_000_000),
        "component 'acme/calc' ran out of fuel in 'mul' (limit: 1_000_000 a call)",
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
        errors.RestartsExhausted("root", "db", 1, 5.0, ("first", "second")),
        (
            "supervisor 'root' gave up on child 'db': more than 1 restarts within 5 s"
            "\n  first\n  second"
        ),
    ),
]


@pytest.mark.parametrize(
    ("error", "text"), EXAMPLES, ids=lambda each: type(each).__name__
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
