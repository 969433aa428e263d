"""The border between Python and the core: whatever comes, an error that says so, never a crash."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kernels import _core, bits, isas
from kernels.binary import Constants, Kernel, Result, empty
from kernels.isas import Choice
from kernels.ops import BinaryConv, BinaryLinear, Curve, Epilogue, Residual

AFTER = Epilogue(floats=True, signs=1, residual=Residual.ONE, inner=Curve.PRELU)
OP = BinaryConv(height=5, width=5, channels=12, filters=20, padding=1, after=AFTER)
CHOICE = next(choice for choice in isas.choices(OP))
F = np.float32


def weights() -> Any:
    return np.zeros((1, 20, 3, 3, 2), np.uint8)


def constants(**changes: Any) -> Constants:
    ones = np.ones((1, 20), F)
    given = {"scale": ones, "shift": ones, "slope": ones, "thresholds": np.ones((1, 1, 20), F)}
    return Constants(**{**given, **changes})


def signs() -> Any:
    return np.zeros((1, 1, 5, 5, 2), np.uint8)


def residual() -> Any:
    return np.ones((1, 1, 5, 5, 20), F)


def a_kernel() -> Kernel:
    return Kernel(OP, weights(), constants(), choice=CHOICE)


def strided(array: Any) -> Any:
    return np.repeat(array, 2, axis=-1)[..., ::2]


def unaligned(array: Any) -> Any:
    room = np.zeros(array.nbytes + 1, np.uint8)
    return room[1:].view(array.dtype).reshape(array.shape)


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (lambda: weights().astype(np.int8), TypeError, r"weights is a NumPy array uint8.*got int8"),
        (lambda: weights()[:, :19], ValueError, r"\(1, 20, 3, 3, 2\); got uint8\(1, 19, 3, 3, 2\)"),
        (lambda: weights()[..., 0], ValueError, r"got uint8\(1, 20, 3, 3\)"),
        (lambda: strided(weights()), ValueError, "a strided view of it; copy it first"),
        (lambda: np.zeros((0,), np.uint8), ValueError, r"got uint8\(0,\)"),
        (lambda: None, TypeError, "got NoneType"),
        (lambda: [[1]], TypeError, "got list"),
        (
            lambda: np.full((1, 20, 3, 3, 2), 16, np.uint8)[::-1],
            ValueError,
            "past the last channel",
        ),
    ],
)
def test_weights_that_are_wrong(wrong: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Kernel(OP, wrong(), constants(), choice=CHOICE)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"scale": None}, TypeError, r"scale is a NumPy array float32\(1, 20\); got NoneType"),
        ({"scale": np.ones((1, 20))}, TypeError, "scale .* got float64"),
        ({"shift": np.ones(20, F)}, ValueError, r"shift .* got float32\(20,\)"),
        ({"slope": unaligned(np.ones((1, 20), F))}, ValueError, "slope .* not aligned"),
        ({"each": np.ones(1, F)}, ValueError, "each is not used by this epilogue"),
        ({"scale": np.full((1, 20), np.nan, F)}, ValueError, "finite numbers; found nan"),
        ({"thresholds": np.full((1, 1, 20), np.inf, F)}, ValueError, "finite numbers; found inf"),
    ],
)
def test_constants_that_are_wrong(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        Kernel(OP, weights(), constants(**changes), choice=CHOICE)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (lambda: signs().astype(F), TypeError, "signs is a NumPy array uint8.*got float32"),
        (lambda: signs()[0], TypeError, r"signs .* got uint8\(1, 5, 5, 2\)"),
        (lambda: signs()[:, :0], ValueError, "at least one image; got 0"),
        (lambda: strided(signs()), ValueError, "strided view"),
        (lambda: signs() + 128, TypeError, "got int|past the last channel"),
        (lambda: "signs", TypeError, "got str"),
    ],
)
def test_signs_that_are_wrong(wrong: Any, error: type[Exception], says: str) -> None:
    with pytest.raises((error, ValueError), match=says):
        a_kernel().run(wrong(), residual())


def test_a_set_bit_past_the_last_channel_is_refused() -> None:
    dirty = signs()
    dirty[0, 0, 4, 4, 1] = 1 << 4  # channel 12 of 12
    with pytest.raises(ValueError, match="bits of the input past the last channel"):
        a_kernel().run(dirty, residual())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: None, "residual .* got NoneType"),
        (lambda: residual()[:, :, :4], r"got float32\(1, 1, 4, 5, 20\)"),
        (lambda: residual().astype(np.float64), "got float64"),
    ],
)
def test_a_residual_that_is_wrong(wrong: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        a_kernel().run(signs(), wrong())


def test_outputs_are_checked() -> None:
    kernel, good = a_kernel(), empty(OP, 1)
    assert good.floats is not None
    assert good.bits is not None
    run = kernel.run
    with pytest.raises(ValueError, match=r"floats .* got a read-only one"):
        run(signs(), residual(), out=Result(floats=read_only(good.floats), bits=good.bits))
    with pytest.raises(TypeError, match=r"bits .* got NoneType"):
        run(signs(), residual(), out=Result(floats=empty(OP, 1).floats))
    more = dataclasses.replace(empty(OP, 1), dots=np.zeros(1, np.int32))
    with pytest.raises(ValueError, match="no use for dots"):
        run(signs(), residual(), out=more)


def test_an_output_may_not_lie_on_an_input() -> None:
    here = residual()
    memory, size = np.zeros(2 * here.size, F), here.size
    first, second = (memory[at : at + size].reshape(here.shape) for at in (0, size // 2))
    with pytest.raises(ValueError, match="floats shares memory with residual"):
        a_kernel().run(signs(), first, out=Result(floats=second, bits=empty(OP, 1).bits))
    bits = memory.view(np.uint8)[:75].reshape(1, 1, 1, 5, 5, 3)
    with pytest.raises(ValueError, match="bits shares memory with residual"):
        a_kernel().run(signs(), first, out=Result(floats=here, bits=bits))


def test_floats_may_lie_on_the_residual_and_nowhere_else() -> None:
    here = residual()
    want = a_kernel().run(signs(), here).floats
    assert (
        a_kernel().run(signs(), here, out=Result(floats=here, bits=empty(OP, 1).bits)).floats
        is here
    )
    np.testing.assert_array_equal(here, want)


def test_a_kernel_that_is_not_there_is_named(lacking: isas.Isa) -> None:
    with pytest.raises(ValueError, match="no instruction set is called 'sse9'; this CPU can run: "):
        Kernel(OP, weights(), constants(), choice=Choice("sse9", "words"))
    with pytest.raises(ValueError, match="portable has no variant 'x'; it has: words-rows"):
        Kernel(OP, weights(), constants(), choice=Choice("portable", "x"))
    with pytest.raises(
        ValueError, match=f"this CPU cannot run '{lacking}'; it can run: .*portable"
    ):
        isas.choose(lacking.name)
    for isa in isas.every():
        if not isa.runs_here and isa != lacking:  # of such a row the core knows too
            with pytest.raises(ValueError, match=f"this CPU cannot run '{isa.name}'; it can run"):
                Kernel(OP, weights(), constants(), choice=Choice(isa.name, isa.variants[0][0]))


def test_a_kernel_that_does_not_fit_says_why() -> None:
    """The counts of AVX2 and the carries of `prefix-bands` have 16 bits; all others have 32."""
    op = BinaryConv(height=7, width=7, channels=2000, filters=1, kernel=7)
    wide = [c for c in isas.choices(OP) if c not in pairs_of_neighbours()]
    misfits = {c: isas.misfit(op, c) for c in wide}
    few = {c for c, why in misfits.items() if why}
    assert {c.isa for c in few} <= {"avx2", "avx512"}
    assert {c.variant for c in few if c.isa == "avx512"} <= {"prefix-bands"}
    for choice, why in misfits.items():
        if why:
            most = 65502 if choice.isa == "avx512" else 65534
            assert why == f"counts at most {most} products, not 98000"
            with pytest.raises(ValueError, match=f"{choice} {why}"):
                Kernel(op, np.zeros((1, 1, 7, 7, 250), np.uint8), choice=choice)


def pairs_of_neighbours() -> list[Choice]:
    return [c for c in isas.choices(OP) if str(c) == "avx512 pairs-rows"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"stride": 2}, "stride 2 and 12 channels"),
        ({"channels": 8}, "stride 1 and 8 channels"),
        ({"channels": 17}, "stride 1 and 17 channels"),
    ],
)
def test_a_kernel_for_some_channels_says_which(change: dict[str, int], what: str) -> None:
    op = dataclasses.replace(OP, **change)
    for choice in pairs_of_neighbours():
        why = f"wants stride 1 and channels that fill 2 bytes, not {what}"
        assert isas.misfit(op, choice) == why
        with pytest.raises(ValueError, match=why):
            Kernel(
                op,
                bits.pack(np.ones((1, 20, 3, 3, op.channels), np.int8)),
                constants(),
                choice=choice,
            )


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_threads_have_a_range(threads: int) -> None:
    kernel = Kernel(OP, weights(), constants(), choice=CHOICE, threads=threads)
    with pytest.raises(ValueError, match=f"threads is 1 to 256; got {threads}"):
        kernel.run(signs(), residual())


def test_a_linear_map_says_which_axes_it_wants() -> None:
    op = BinaryLinear(channels=16, filters=4)
    with pytest.raises(TypeError, match="weights of a linear map have 3 axes; got uint8"):
        Kernel(op, np.zeros((4, 2), np.uint8), choice=CHOICE)
    kernel = Kernel(op, np.zeros((1, 4, 2), np.uint8), choice=CHOICE)
    with pytest.raises(TypeError, match="signs of a linear map have 3 axes; got uint8"):
        kernel.run(np.zeros((3, 2), np.uint8))


class Anything:
    """An op that passed no check of ours, as a hostile or mistaken caller may make one."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


numbers = st.one_of(
    st.integers(-3, 9), st.sampled_from([2**31, 2**63 - 1, 2**64, -(2**63), 1.5, None, "3", True])
)
shapes = st.fixed_dictionaries(
    {f.name: numbers for f in dataclasses.fields(BinaryConv) if f.name not in ("own", "after")}
)
flags = st.sampled_from([True, False, None, 1])
afters = st.fixed_dictionaries(
    {
        "floats": flags,
        "signs": numbers,
        "sum": flags,
        "inner": st.sampled_from(["none", "relu", "prelu", "", "bend", None]),
        "residual": st.sampled_from(["none", "one", "each", "all", None]),
        "outer": st.sampled_from([None, "none", "relu", "prelu", "x"]),
    }
)
arrays = st.one_of(
    st.none(),
    st.just("text"),
    hnp.arrays(
        st.sampled_from([np.uint8, np.float32, np.int32, np.float64, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
        elements=st.just(0),
    ),
)


@given(shape=shapes, own=flags, after=afters, given_arrays=st.lists(arrays, min_size=9, max_size=9))
@settings(
    deadline=None,
    derandomize=True,
    max_examples=1500,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_garbage_is_refused(
    shape: dict[str, Any], own: Any, after: dict[str, Any], given_arrays: list[Any]
) -> None:
    op = Anything(**shape, own=own, after=Anything(**after))
    names = [f.name for f in dataclasses.fields(Constants)]
    here = Anything(**dict(zip(names, given_arrays, strict=False)))
    try:
        kernel = _core.make(op, CHOICE.isa, CHOICE.variant, given_arrays[8], here)
    except (ValueError, TypeError):
        return
    with pytest.raises((ValueError, TypeError)):
        kernel.run(
            batch=1,
            input=given_arrays[0],
            residual=None,
            dots=None,
            floats=None,
            bits=None,
            threads=1,
        )


@given(
    array=arrays,
    which=st.sampled_from(["input", "residual", "dots", "floats", "bits"]),
    batch=st.sampled_from([-1, 0, 1, 2, 2**24, 2**40]),
    threads=st.sampled_from([-1, 1, 2, 2**20]),
)
@settings(deadline=None, derandomize=True, max_examples=600)
def test_one_wrong_argument_is_refused(array: Any, which: str, batch: int, threads: int) -> None:
    good = empty(OP, 1)
    call: dict[str, Any] = {
        "batch": batch,
        "input": signs(),
        "residual": residual(),
        "dots": None,
        "floats": good.floats,
        "bits": good.bits,
        "threads": threads,
    }
    right = batch == 1 and 1 <= threads <= 256 and which == "dots" and array is None
    call[which] = array
    core = a_kernel().core
    if right:
        core.run(**call)
    else:
        with pytest.raises((ValueError, TypeError)):
            core.run(**call)
