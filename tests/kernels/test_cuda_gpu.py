"""The tables of `test_cuda_ops.py` and whole programs on a GPU, where there is one, through CuPy.

Without one these are skipped, in CI too: no machine of it has a GPU.
"""

from __future__ import annotations

from collections.abc import Iterable

import cuda_cases
import numpy as np
import pytest
from cuda_cases import Asked
from cuda_ops import answers
from planned_programs import STRUCTURES, planned

from kernels.benches import check
from kernels.cuda import bench
from kernels.cuda.device import Gpu, missing, open_device
from kernels.cuda.program import CudaProgram
from kernels.cuda.tiles import Product, products
from kernels.engine import Engine


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    if lacks := missing():
        pytest.skip(f"no GPU to ask; missing: {', '.join(lacks)}")
    return open_device()


def here(gpu: Gpu) -> tuple[Product, ...]:
    return tuple(p for p in cuda_cases.SIGNS if p in {*products(gpu.capability, 72)})


def all_hold(gpu: Gpu, asked: Iterable[Asked]) -> None:
    cases = list(asked)
    got = answers(gpu, [question for question, _ in cases])
    wrong = [
        f"{question}: {words}"
        for (question, want), answer in zip(cases, got, strict=True)
        if (words := check.difference(answer, want))
    ]
    assert not wrong, f"{len(wrong)} of {len(cases)} are wrong: {wrong[:3]}"


def test_signs_have_every_bit_of_the_reference(gpu: Gpu) -> None:
    all_hold(gpu, cuda_cases.binary(here(gpu)))
    for product in here(gpu):
        all_hold(gpu, cuda_cases.extremes(product))


def test_real_ops_have_every_bit_of_the_cpu(gpu: Gpu) -> None:
    all_hold(gpu, cuda_cases.real())


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("batch", [1, 3])
def test_programs_have_every_bit_of_the_cpu(gpu: Gpu, name: str, batch: int) -> None:
    program = planned(name)
    form = program.image
    shape = (7, form.height, form.width, form.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    due = Engine(program, measured=False).run(images)
    np.testing.assert_array_equal(CudaProgram(program, batch, gpu).run(images), due)


@pytest.mark.parametrize("name", STRUCTURES)
def test_values_and_the_first_batch_of_floats_have_every_bit_of_the_cpu(
    gpu: Gpu, name: str
) -> None:
    """Other values take the image's place: what ran twice would read them for the image."""
    program = planned(name)
    form = program.image
    shape = (3, form.height, form.width, form.channels)
    images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    engine = Engine(program, measured=False)
    np.testing.assert_array_equal(CudaProgram(program, 3, gpu).run(images), engine.run(images))
    due, got = engine.values(images), CudaProgram(program, 3, gpu).values(images)
    for number, value in due.items():
        np.testing.assert_array_equal(got[number], value, str(number))


def test_torch_shares_the_memory(gpu: Gpu) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    program = planned("groupnet")
    ready = CudaProgram(program, 2, gpu)
    pixels = np.random.default_rng(0).integers(0, 256, ready.images(True).shape, np.uint8)
    due = Engine(program, measured=False).run(pixels)
    with torch.cuda.stream(torch.cuda.Stream()):
        images, answer = torch.from_dlpack(ready.images(True)), torch.from_dlpack(ready.answer())
        there, other = torch.from_numpy(pixels).cuda(), torch.zeros_like(images)
        for _ in range(20):  # nobody waits: one stream's order is all there is
            images.copy_(other)
            ready.replay(True)
            images.copy_(there)
            ready.replay(True)
            got = answer.clone()
            images.copy_(other)
            ready.replay(True)
            np.testing.assert_array_equal(got.cpu().numpy(), due)


def test_limits_are_measured(gpu: Gpu) -> None:
    assert all(bench.limit(product, gpu) > 100 for product in here(gpu))
