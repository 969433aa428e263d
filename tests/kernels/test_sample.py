"""Random parameters: of every op, as it wants them."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import random_op

from kernels import parameters, reference, sample
from kernels.flow import Value
from kernels.ops import BinaryConv, BinaryLinear, Blend, Epilogue, Mix

SIZES = st.integers(1, 9)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    rng=st.randoms(use_true_random=False),
    reads=st.builds(Value, st.booleans(), st.integers(1, 4), SIZES, SIZES, SIZES),
)
def test_any_op_gets_parameters_that_it_takes(rng: Random, reads: Value) -> None:
    op = random_op(rng, reads)
    given = sample.parameters(op, np.random.default_rng(0))
    parameters.check(op, given)
    assert set(given) == set(parameters.wanted(op))
    for array in given.values():
        if isinstance(op, BinaryConv | BinaryLinear) and array.dtype == np.uint8:
            assert not np.unpackbits(array, axis=-1, bitorder="little")[..., op.channels :].any()
        else:
            assert np.isfinite(array).all()


def test_they_differ_by_the_generator_alone() -> None:
    op = Mix(kind=Blend.GATE, height=2, width=2, channels=3, inputs=4, outputs=2)
    one, two, other = (sample.parameters(op, np.random.default_rng(n)) for n in (0, 0, 1))
    np.testing.assert_array_equal(one["blend"], two["blend"])
    assert (one["blend"] != other["blend"]).all()


def test_what_comes_out_is_about_one() -> None:
    op = BinaryConv(height=4, width=4, channels=256, filters=64, after=Epilogue(floats=True))
    rng = np.random.default_rng(0)
    given = sample.parameters(op, rng)
    signs = rng.choice(np.array([-1, 1], np.int8), (1, 1, 4, 4, 256))
    weights = np.where(np.unpackbits(given["weights"], axis=-1, bitorder="little"), -1, 1)
    out = reference.dots(op, signs, weights.astype(np.int8)) * given["scale"][0] + given["shift"][0]
    assert 0.5 < float(out.std()) < 3
