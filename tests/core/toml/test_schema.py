from __future__ import annotations

from airssys.core.toml.schema import Problem, refuse


def test_a_place_without_a_line_has_that_of_what_is_around_it() -> None:
    error = refuse("x.toml", [Problem(("a", "b", 0), "bad")], "\na = 1")

    assert error.problems == ("bad @ a.b[0], line 2",)


def test_a_place_that_is_nowhere_has_no_line() -> None:
    error = refuse("x.toml", [Problem(("z",), "bad"), Problem(("z",), "bad")], "a = 1")

    assert error.problems == ("bad @ z",)
