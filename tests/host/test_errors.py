from __future__ import annotations

import errno

import pytest

from airssys.core.errors import WitError
from airssys.host.errors import ErrorCases, as_wit_errors, numbered
from airssys.witmodel.types import Variant


def test_errors_of_the_kinds_that_are_known_become_the_guests() -> None:
    mapped = as_wit_errors(lambda error: Variant("odd", str(error)), ValueError)

    for words in ("one", "two"):
        with pytest.raises(WitError) as caught, mapped:
            raise ValueError(words)
        assert caught.value.value == Variant("odd", words)
        assert isinstance(caught.value.__cause__, ValueError)


def test_other_errors_and_none_leave_as_they_are() -> None:
    mapped = as_wit_errors(str, ValueError)

    with mapped:
        pass
    with pytest.raises(KeyError), mapped:
        raise KeyError("a")


def test_numbers_that_the_system_does_not_have_are_left_out() -> None:
    assert numbered({"a": ("ENOENT", "EHASNONE"), "b": ("EPERM",)}) == {
        errno.ENOENT: "a",
        errno.EPERM: "b",
    }


def test_a_number_without_a_case_has_the_one_for_all_others() -> None:
    cases = ErrorCases({errno.ENOENT: "not-found"}, otherwise="io-error")

    assert cases.from_number(errno.ENOENT, "x").value == Variant(
        "not-found", "x: No such file or directory"
    )
    assert cases.of_number(errno.EIO) == "io-error"
