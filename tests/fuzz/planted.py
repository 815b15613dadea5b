"""Faults that the fuzzers must find: they show that they can fail."""

from __future__ import annotations

import ctypes
import os
import threading

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from .journal import Journal

__all__ = ("abort", "fault", "hang", "ignored", "leave", "outcome")


def abort(number: int, journal: Journal) -> None:
    """End as a Rust panic does."""
    for case in range(10):
        journal.begin(f"case {case}")
        if case == 7:
            os.abort()


def fault(number: int, journal: Journal) -> None:
    """Read what is not there."""
    journal.begin("case null")
    ctypes.string_at(0)


def hang(number: int, journal: Journal) -> None:
    """Never come back."""
    journal.begin("case forever")
    threading.Event().wait()


def leave(number: int, journal: Journal) -> None:
    """End without a word."""
    journal.begin("case exit")
    os._exit(0)


def outcome(number: int, journal: Journal) -> None:
    """Take one value for another."""

    @seed(number)
    @settings(database=None, deadline=None)
    @given(st.integers())
    def law(value: int) -> None:
        journal.begin(repr(value))
        assert value < 1000

    law()


def ignored(number: int, journal: Journal) -> None:
    """Raise where nobody can catch it."""

    class Falls:
        def __del__(self) -> None:
            raise ValueError("planted")

    journal.begin("case del")
    Falls()
