"""Amounts: a number, a unit, nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.console.screen import spoken
from nas.console.units import BYTES, TIMES, amount


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


def test_a_bare_number_has_no_unit() -> None:
    with pytest.raises(ValueError, match="a unit"):
        amount(3, TIMES)


@settings(deadline=None, derandomize=True)
@given(number=st.integers(1, 10**12))
def test_no_digit_of_a_number_is_lost(number: int) -> None:
    assert amount(f"{number}B", BYTES) == number


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0.0 s"), (0.0994, "99 ms"), (0.0996, "0.1 s"), (9.94, "9.9 s"), (9.96, "10 s"),
        (59.4, "59 s"), (59.6, "1 min 00 s"), (119.7, "2 min 00 s"), (119.4, "1 min 59 s"),
        (3599.7, "1 h 00 min"), (3600, "1 h 00 min"), (7199, "2 h 00 min"), (7160, "1 h 59 min"),
    ],
)  # fmt: skip
def test_seconds_are_rounded_before_they_are_cut_into_minutes(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
