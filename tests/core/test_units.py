from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.units import (
    parse_count_rate,
    parse_duration,
    parse_moment,
    parse_share,
    parse_size,
    parse_size_rate,
    show_count_rate,
    show_duration,
    show_moment,
    show_share,
    show_size,
    show_size_rate,
)

sizes = st.integers(0, 2**63 - 1) | st.integers(0, 2**20).map(lambda n: n * 2**20)
durations = st.floats(1e-9, 1e9) | st.integers(0, 10**9).map(float)


@given(sizes)
def test_a_size_reads_what_it_prints(size: int) -> None:
    assert parse_size(show_size(size)) == size
    assert parse_size_rate(show_size_rate(size)) == size


@given(durations)
def test_a_duration_reads_what_it_prints(seconds: float) -> None:
    assert parse_duration(show_duration(seconds)) == seconds
    assert parse_share(show_share(seconds)) == seconds


@given(st.integers(0, 10**17))
def test_a_count_rate_reads_what_it_prints(rate: int) -> None:
    assert parse_count_rate(show_count_rate(rate)) == rate


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (0, 0),
        (65536, 65536),
        ("0B", 0),
        ("1KiB", 1024),
        ("1kB", 1000),
        ("1.5MiB", 1572864),
        ("2GB", 2 * 10**9),
        ("1TiB", 2**40),
    ],
)
def test_sizes_are_binary_or_decimal(value: object, size: int) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1Mib",
        "MiB",
        "-1MiB",
        "1 MiB",
        "1.5B",
        "1e3B",
        "1MiB/s",
        "\u0661KiB",
        -1,
        2**63,
        "9" * 30 + "TiB",
        "9999999999TiB",
        1.5,
        True,
        None,
        [],
        "0.1B\n",
    ],
)
def test_what_is_no_size_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="is no size: use whole bytes"):
        parse_size(value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0),
        (2, 2.0),
        (0.25, 0.25),
        ("5s", 5.0),
        ("500ms", 0.5),
        ("0.1s", 0.1),
        ("250us", 0.00025),
        ("2m", 120.0),
        ("1.5h", 5400.0),
    ],
)
def test_durations_are_seconds(value: object, seconds: float) -> None:
    assert parse_duration(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "5",
        "5 s",
        "-5s",
        "5S",
        "5sec",
        "1d",
        "infs",
        -1,
        float("inf"),
        float("nan"),
        True,
        None,
        {},
    ],
)
def test_what_is_no_duration_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="is no duration: use seconds"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0.0s"), (5.0, "5s"), (0.5, "500ms"), (90.0, "90s"), (7200.0, "2h")],
)
def test_durations_are_printed_in_the_largest_unit_that_divides_them(
    seconds: float, text: str
) -> None:
    assert show_duration(seconds) == text


def test_rates_are_each_second() -> None:
    assert parse_size_rate("10MiB/s") == 10 * 2**20
    assert parse_count_rate("1000/s") == 1000
    assert parse_share("1000ms/s") == 1.0


@pytest.mark.parametrize("parse", [parse_size_rate, parse_count_rate, parse_share])
@pytest.mark.parametrize("value", ["10", "10/m", "/s", 5, None, "x/s", "1.5.2/s"])
def test_what_is_no_rate_is_refused(parse: Any, value: Any) -> None:
    with pytest.raises(ValueError, match=r"is no (rate|size|duration)"):
        parse(value)


def test_a_count_rate_is_whole() -> None:
    with pytest.raises(ValueError, match="use a whole number"):
        parse_count_rate("1.5/s")


def test_a_count_rate_fits_where_limits_are_kept() -> None:
    with pytest.raises(ValueError, match=r"up to 2\^63 - 1"):
        parse_count_rate(f"{2**63}/s")


# --- moments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2027-01-01T00:00:00Z", 1_798_761_600.0),
        ("2027-01-01T01:00:00+01:00", 1_798_761_600.0),
        ("2027-01-01 00:00:00.25Z", 1_798_761_600.25),
        ("1969-12-31T23:59:59Z", -1.0),
    ],
)
def test_moments_are_seconds_since_1970(text: str, seconds: float) -> None:
    assert parse_moment(tomllib.loads(f"it = {text}")["it"]) == seconds


@pytest.mark.parametrize(
    "text", ["2027-01-01", "00:00:00", "'2027-01-01T00:00:00Z'", "1798761600", "true"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no moment: use a date and time without"):
        parse_moment(tomllib.loads(f"it = {text}")["it"])


def test_a_local_date_and_time_is_refused() -> None:
    with pytest.raises(ValueError, match="add 'Z', or an offset such as '\\+01:00'"):
        parse_moment(tomllib.loads("it = 2027-01-01T00:00:00")["it"])


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_reads_what_it_prints(moment: datetime) -> None:
    seconds = parse_moment(moment)
    shown = show_moment(seconds)

    assert shown.endswith("Z")
    assert parse_moment(datetime.fromisoformat(shown)) == pytest.approx(
        seconds, abs=1e-4
    )


def test_moments_beyond_the_calendar_are_printed_as_such() -> None:
    assert show_moment(inf) == "the end of time"
    assert show_moment(1e15) == "the end of time"
    assert show_moment(-1e15) == "the beginning of time"
    assert show_moment(-inf) == "the beginning of time"
