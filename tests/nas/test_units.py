"""Amounts: a number, a unit, nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.console.units import BYTES, COUNTS, TIMES, amount


@pytest.mark.parametrize(
    ("text", "units", "wanted"),
    [
        ("2ms", TIMES, 2.0),
        (" 50 us ", TIMES, 0.05),
        ("0.5s", TIMES, 500.0),
        ("1e3us", TIMES, 1.0),
        ("500kB", BYTES, 500_000.0),
        ("500KB", BYTES, 500_000.0),
        ("1KiB", BYTES, 1024.0),
        ("1.5MiB", BYTES, 1.5 * 2**20),
        ("17B", BYTES, 17.0),
        ("3M", COUNTS, 3e6),
        ("17", COUNTS, 17.0),
        (17, COUNTS, 17.0),
    ],
)
def test_an_amount_is_a_number_of_units(
    text: str | float, units: dict[str, float], wanted: float
) -> None:
    assert amount(text, units) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "ms", "2", "2 m", "2 MS", "2ms 3", "two ms", "2,5ms", "0x2ms"]
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"a number and a unit \(us, ms, s\).*2ms; got"):
        amount(text, TIMES)


@pytest.mark.parametrize("text", ["0ms", "-1ms", "0e5ms", "1e999ms", "1-2ms", "..ms"])
def test_an_amount_is_above_nothing_and_below_infinity(text: str) -> None:
    with pytest.raises(ValueError, match="above 0; got"):
        amount(text, TIMES)


def test_a_bare_number_needs_units_that_have_no_name() -> None:
    assert amount(3, COUNTS) == 3
    with pytest.raises(ValueError, match="a unit"):
        amount(3, TIMES)


@settings(deadline=None, derandomize=True)
@given(number=st.integers(1, 10**12))
def test_no_digit_of_a_number_is_lost(number: int) -> None:
    assert amount(number, COUNTS) == number
    assert amount(float(number), COUNTS) == number
