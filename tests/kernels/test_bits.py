"""Packing: a law, a probe, and every instruction set against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import bits
from kernels.isas import Isa, available

ISAS = pytest.mark.parametrize("isa", available(), ids=str)


@given(st.lists(st.sampled_from([-1, 1]), min_size=1, max_size=200))
@settings(deadline=None, derandomize=True)
def test_what_is_unpacked_is_what_was_packed(values: list[int]) -> None:
    signs = np.array(values, np.int8)
    assert bits.unpack(bits.pack(signs), len(values)).tolist() == values


@pytest.mark.parametrize("place", [0, 1, 7, 8, 63, 64, 129])
def test_one_minus_sets_one_bit_in_its_place(place: int) -> None:
    signs = np.ones(130, np.int8)
    signs[place] = -1
    packed = bits.pack(signs)
    (byte,) = np.flatnonzero(packed)
    assert (int(byte), int(packed[byte])) == (place // 8, 1 << place % 8)


def test_only_signs_are_packed() -> None:
    with pytest.raises(ValueError, match="only \\+1 and -1; found 0"):
        bits.pack(np.array([1, 0, -1], np.int8))


def test_unpack_says_how_many_bytes_it_wants() -> None:
    with pytest.raises(ValueError, match="9 signs take 2 bytes; got 1"):
        bits.unpack(np.zeros(1, np.uint8), 9)


# Fewer than a vector of 4, 8 or 16; a full word of 64 and one more or less; many words.
@ISAS
@pytest.mark.parametrize("channels", [1, 3, 8, 15, 16, 24, 63, 64, 65, 130, 577])
@pytest.mark.parametrize("signs", [1, 3])
def test_pack_below_is_a_comparison(isa: Isa, channels: int, signs: int) -> None:
    rng = np.random.default_rng(channels)
    values = rng.integers(-2, 3, (2, 3, channels)).astype(np.float32)  # few values: many ties
    thresholds = rng.integers(-1, 2, (signs, channels)).astype(np.float32)
    expected = bits.pack(np.where(values < thresholds[:, None, None], -1, 1).astype(np.int8))
    np.testing.assert_array_equal(bits.pack_below(values, thresholds, isa.name), expected)


@ISAS
def test_zero_minus_zero_and_nan_are_plus_one(isa: Isa) -> None:
    values = np.array([[0.0, -0.0, np.nan, np.inf, -np.inf, -1e-45]], np.float32)
    packed = bits.pack_below(values, np.zeros((1, 6), np.float32), isa.name)
    assert bits.unpack(packed[0, 0], 6).tolist() == [1, 1, 1, 1, -1, -1]


def test_more_pixels_than_are_packed_at_once() -> None:
    values = np.random.default_rng(0).normal(size=(1000, 16)).astype(np.float32)
    packed = bits.pack_below(values, np.zeros((2, 16), np.float32))
    expected = bits.pack(np.where(values < 0, -1, 1).astype(np.int8))
    np.testing.assert_array_equal(packed, np.stack([expected, expected]))


@pytest.mark.parametrize(
    ("values", "thresholds", "says"),
    [
        (np.zeros((2, 8)), np.zeros((1, 8), np.float32), "float32.*got float64"),
        (
            np.zeros((2, 8), np.float32),
            np.zeros((1, 7), np.float32),
            r"\(1, 8\); got float32\(1, 7",
        ),
        (np.zeros((0, 8), np.float32), np.zeros((1, 8), np.float32), "none of them empty"),
        (np.zeros((2, 8), np.float32), np.zeros((8,), np.float32), r"got \(2, 8\) and \(8,\)"),
        ([[1.0]], np.zeros((1, 1), np.float32), "values is a NumPy array of float32; got list"),
    ],
)
def test_bad_input_is_named(values: object, thresholds: object, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        bits.pack_below(values, thresholds)  # type: ignore[arg-type]
