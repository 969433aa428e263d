"""The GPU's kernels on a CPU that plays one: every bit of the references and of the CPU's kernels.

The same text that a GPU compiles is built by g++ (cuda_host/host.h); `test_cuda_gpu.py` asks a GPU
the same questions, where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable

import cuda_cases
import numpy as np
import pytest
from cuda_cases import Asked
from cuda_on_cpu import Cpu, HostRoom
from cuda_ops import Question, answers

from kernels import bits, sample
from kernels.benches import check
from kernels.benches.layers import DEFAULT, parse
from kernels.cuda.alone import Alone, Ready, filled
from kernels.cuda.conv import Conv, candidates, order, shape
from kernels.cuda.launch import Constants, Field, Place, bound, launch
from kernels.cuda.tiles import SHARED, Product, Tile, products, shared_bytes, steps
from kernels.ops import (
    Affine,
    BinaryConv,
    Epilogue,
    GlobalPool,
    Linear,
    RealConv,
    Resize,
    Skip,
    Stem,
)
from kernels.real import Real

PRODUCTS = pytest.mark.parametrize("product", cuda_cases.SIGNS)


def all_hold(asked: Iterable[Asked]) -> None:
    cases = list(asked)
    got = answers(Cpu(), [question for question, _ in cases])
    wrong = [
        f"{question.tile} {question.op}: {words}"
        for (question, want), answer in zip(cases, got, strict=True)
        if (words := check.difference(answer, want))
    ]
    assert not wrong, f"{len(wrong)} of {len(cases)} are wrong: {wrong[:5]}"


def test_signs_have_every_bit_of_the_reference_by_every_product_and_tile() -> None:
    all_hold(cuda_cases.binary())


@PRODUCTS
def test_the_largest_and_smallest_counts_and_a_linear_map(product: Product) -> None:
    all_hold(cuda_cases.extremes(product))


def test_real_ops_have_every_bit_of_the_cpu() -> None:
    all_hold(cuda_cases.real())


@PRODUCTS
def test_signs_agree_with_floats_at_ties(product: Product) -> None:
    """Thresholds that many values equal exactly: the value is not below it."""
    rng = np.random.default_rng(1)
    op = BinaryConv(
        height=6, width=6, channels=32, filters=40, after=Epilogue(floats=True, signs=1)
    )
    given = sample.parameters(op, rng)
    given["scale"] = rng.choice(np.float32([0.1, -0.1, 1 / 3, 0.0]), (1, 40))
    given["shift"] = rng.choice(np.float32([0.3, -0.7, 0.0]), (1, 40))
    dots = 2 * rng.integers(-9, 9, (1, 1, 40)).astype(np.float32)
    given["thresholds"] = dots * given["scale"][:, None] + given["shift"][:, None]
    x = rng.integers(0, 256, (1, 1, 6, 6, 4), np.uint8)
    tile = cuda_cases.tiles_of(op, product)[0]
    (got,) = answers(Cpu(), [Question(op, given, x, None, tile)])
    assert got.floats is not None
    assert (got.floats == given["thresholds"][0, 0]).any(), "no ties: this would prove nothing"
    signs = np.where(got.floats < given["thresholds"][0, 0], -1, 1).astype(np.int8)
    np.testing.assert_array_equal(got.bits, bits.pack(signs)[None])


def test_what_is_no_number_is_not_below_a_threshold() -> None:
    op = Affine(height=1, width=1, channels=9, after=Epilogue(signs=1))
    given = sample.parameters(op, np.random.default_rng(0))
    x = np.full((1, 1, 1, 1, 9), np.nan, np.float32)
    (got,) = answers(Cpu(), [Question(op, given, x)])
    want = Real(op, given, isa="portable").run(x).bits
    np.testing.assert_array_equal(got.bits, want)
    assert got.bits is not None
    assert not got.bits.any()


def large(filters: int = 128) -> RealConv:
    return RealConv(height=9, width=9, channels=64, filters=filters, padding=1)


@pytest.mark.parametrize(
    "op",
    [*(layer.op() for layer in parse(DEFAULT)), large(), Linear(channels=512, filters=1000)],
    ids=str,
)
def test_every_tile_fits_a_block_and_its_filters_lie_in_it_once(op: Conv) -> None:
    of = shape(op)
    for capability in (75, 80, 90, 100):
        for tile in candidates(op, capability):
            assert shared_bytes(tile, steps(tile, of.field, of.pixel_bytes)) <= SHARED
            assert sorted(order(tile)) == list(range(tile.columns))
            assert tile.rows % 16 == 0


@pytest.mark.parametrize(
    ("capability", "field", "first"),
    [
        (75, 72, Product.POPC),
        (80, 72, Product.BITS),
        (86, 72, Product.BITS),
        (90, 18, Product.POPC),
        (100, 72, Product.BYTES),
        (120, 72, Product.BYTES),
    ],
)
def test_a_device_is_guessed_the_product_it_has(
    capability: int, field: int, first: Product
) -> None:
    among = products(capability, field)
    assert among[0] is first
    assert Product.POPC in among
    assert (Product.BITS in among) == (80 <= capability < 100)


def test_an_op_that_is_too_large_is_refused() -> None:
    op = BinaryConv(height=65536, width=1024, channels=8, filters=8, kernel=1)
    given = {"weights": np.zeros((1, 8, 1, 1, 1), np.uint8)}
    tile = candidates(op, 90)[0]
    with pytest.raises(ValueError, match="too large for a GPU kernel with 32 images"):
        Alone(op, given, 32, tile)
    largest = {"out_height": 65536, "out_width": 65536}
    for large in (
        Resize(height=1, width=1, channels=1, **largest),
        Skip(height=1, width=1, channels=1, filters=1, **largest),
        Stem(height=24000, width=24000, channels=4, filters=8),
    ):
        with pytest.raises(ValueError, match="too large for a GPU kernel with 1 images"):
            Alone(large, {}, 1, None)
    with pytest.raises(ValueError, match="at most 500 maps at once"):
        Alone(GlobalPool(height=2, width=2, channels=1, sets=600), {}, 1, None)
    with pytest.raises(ValueError, match="a tile is of a convolution"):
        Alone(op, given, 1, None)


# What the CPU that plays a GPU must see, or it proves nothing.

BROKEN = {
    "a missing barrier": (
        "SHARED(Shared, shared);\n"
        "if (threadIdx.x == 0) for (int i = 0; i < 64; ++i) shared.numbers[i] = i;\n"
        "args.out[threadIdx.x] = shared.numbers[threadIdx.x] == int(threadIdx.x);",
        "is wrong",
    ),
    "a barrier that some never reach": (
        "if (threadIdx.x < 40) __syncthreads();\nargs.out[threadIdx.x] = 1;",
        "wait for others that have ended",
    ),
    "a copy that is read too early": (
        "SHARED(Shared, shared);\n"
        "copy_later<4>(&shared.numbers[threadIdx.x], args.out, false); end_of_copies();\n"
        "__syncthreads();\n"
        "args.out[threadIdx.x] = shared.numbers[threadIdx.x] == 0;\n"
        "wait_for_copies<0>();",
        "is wrong",
    ),
    "a copy that is not aligned": (
        "SHARED(Shared, shared);\n"
        "copy_later<16>(&shared.numbers[1], args.out, true); end_of_copies();\n"
        "wait_for_copies<0>(); args.out[threadIdx.x] = 1;",
        "not aligned",
    ),
    "a write behind the end": (
        "args.out[threadIdx.x] = 1; if (threadIdx.x == 63) args.out[64] = 1;",
        "written outside of its memory",
    ),
    "nothing": (
        "SHARED(Shared, shared);\nshared.numbers[threadIdx.x ^ 1] = threadIdx.x ^ 1;\n"
        "__syncthreads();\nargs.out[threadIdx.x] = shared.numbers[threadIdx.x] == threadIdx.x;",
        "",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_cpu_that_plays_a_gpu_sees(what: str) -> None:
    body, words = BROKEN[what]
    one = launch(("item",), {"FILTERS": 8}, {"out": Field("int*", Place(0))}, (2, 1, 1), 64)
    text = (
        f"{one.kernel.text}\nstruct Shared {{ alignas(16) int numbers[64]; }};\n"
        f'extern "C" __global__ void NAME(const Args args) {{\n{body}\n}}\n'
    )
    name = f"broken_{list(BROKEN).index(what)}"
    kernel = one.kernel._replace(name=name, text=text.replace(one.kernel.name, name))
    device = Cpu()
    device.load([kernel])
    room = device.room(4 * 64)
    ready = bound(one._replace(kernel=kernel), lambda _: room.address, Constants(device, []))
    said = ""
    try:
        device.recorded([ready])()
        if not device.read(room, 0, (64,), "int32").all():
            said = "is wrong"
    except AssertionError as wrong:
        said = str(wrong)
    assert words in said
    assert bool(words) == bool(said)


def test_memory_begins_as_rubbish_so_that_nothing_is_there_by_chance() -> None:
    assert HostRoom(100).bytes.all()
    op = GlobalPool(height=2, width=2, channels=8)
    ready = Ready(Alone(op, {}, 1, None), Cpu())
    x = np.ones((1, 1, 2, 2, 8), np.float32)
    assert ready.run(x).floats is not None


def test_an_op_is_filled_and_repeated() -> None:
    op = BinaryConv(height=3, width=3, channels=9, filters=8)
    device = Cpu()
    ready = filled(op, 2, device, Tile(Product.POPC, 128, 1, 1))
    before = device.launched
    ready.repeated(5)()
    assert device.launched == before + 5
