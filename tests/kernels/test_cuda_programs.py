"""Whole programs on a CPU that plays a GPU: what the engine computes, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from random import Random

import numpy as np
import pytest
from cuda_on_cpu import Cpu
from planned_programs import STRUCTURES, grouped, of_backbone, planned, tied
from programs import random_images, random_program, small

from kernels import bits
from kernels.cuda.launch import Kernel
from kernels.cuda.program import CudaProgram
from kernels.engine import Engine, Images
from kernels.program import Normal, Program
from kernels.walk import walk

SEEDS = range(16)
BATCH = 2
NAMED = {name: (lambda name=name: planned(name)) for name in STRUCTURES} | {
    "small": small,
    "grouped": grouped,
    "tied": tied,
    "tied, just below": lambda: tied(above=True),
    "resnet18": lambda: of_backbone("resnet18"),
}
CAPABILITIES = (90, 100, 75)  # in turn: products of every kind


@cache
def programs() -> dict[str, Program]:
    named = {name: make() for name, make in NAMED.items()}
    return named | {f"random {seed}": random_program(Random(seed), most=12) for seed in SEEDS}


def device_of(name: str) -> Cpu:
    return Cpu(CAPABILITIES[list(programs()).index(name) % len(CAPABILITIES)])


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """All kernels of all programs are compiled together."""

    class Collects(Cpu):
        def load(self, kernels: Iterable[Kernel]) -> None:
            found.extend(kernels)

    found: list[Kernel] = []
    for name, program in programs().items():
        CudaProgram(program, BATCH, Collects(device_of(name).capability))
    Cpu().load(found)


def images_of(program: Program, count: int) -> Images:
    return random_images(program, count, seed=3)


@pytest.mark.parametrize("name", [*NAMED, *(f"random {seed}" for seed in SEEDS)])
def test_every_bit_is_that_of_the_cpu(name: str) -> None:
    """Three images in batches of two; the decisions follow."""
    program = programs()[name]
    images = images_of(program, 3)
    engine, device = Engine(program, measured=False), device_of(name)
    ready = CudaProgram(program, BATCH, device)
    due = engine.run(images)
    got = ready.run(images)
    assert got.shape == due.shape
    if not np.array_equal(got.view(np.uint32), due.view(np.uint32)):
        first_difference(ready, engine, images)
        pytest.fail("only the answers differ")
    assert device.launched > len(program.nodes)


def first_difference(ready: CudaProgram, engine: Engine, images: Images) -> None:
    due, got = engine.values(images[:BATCH]), ready.values(images[:BATCH])
    for node in engine.program.nodes:
        for number in node.writes:
            np.testing.assert_array_equal(got[number], due[number], err_msg=str(node.op))


@pytest.mark.parametrize("name", ["small", "groupnet", *(f"random {seed}" for seed in range(8))])
def test_every_value_is_what_the_references_say(name: str) -> None:
    program = programs()[name]
    images = images_of(program, BATCH)
    floats = images
    if images.dtype == np.uint8 and program.normal is not None:
        mean, std = (np.array(row, np.float32) for row in program.normal)
        floats = (images.astype(np.float32) - mean) / std
    wanted = walk(program, floats)
    found = CudaProgram(program, BATCH, device_of(name)).values(images)
    for number, value in found.items():
        if program.values[number].bits:
            value = bits.unpack(value, program.values[number].channels)
        np.testing.assert_allclose(value, wanted[number].reshape(value.shape), 1e-3, 1e-3)


def test_whole_numbers_are_normalised_there_as_here() -> None:
    program = planned("groupnet")
    assert program.normal is not None
    form = program.image
    pixels = np.random.default_rng(1).integers(
        0, 256, (3, form.height, form.width, form.channels), np.uint8
    )
    ready = CudaProgram(program, BATCH, device_of("groupnet"))
    due = Engine(program, measured=False).run(pixels)
    np.testing.assert_array_equal(ready.run(pixels), due)
    mean, std = (np.array(row, np.float32) for row in program.normal)
    prepared = (pixels.astype(np.float32) - mean) / std
    np.testing.assert_array_equal(ready.run(prepared), due)


def test_images_can_be_written_and_the_answer_read_in_place() -> None:
    program = planned("groupnet")
    ready = CudaProgram(program, BATCH, device_of("groupnet"))
    pixels = np.random.default_rng(2).integers(0, 256, ready.images(True).shape, np.uint8)
    ready.images(True)[...] = pixels
    ready.replay(True)
    np.testing.assert_array_equal(
        np.from_dlpack(ready.answer()), Engine(program, measured=False).run(pixels)
    )


def test_no_images_give_no_answers_and_wrong_ones_are_refused() -> None:
    program = small()
    ready = CudaProgram(program, 1, Cpu())
    assert ready.run(np.empty((0, 4, 4, 2), np.float32)).shape == (0, 3)
    for wrong, words in (
        (np.zeros((4, 4, 2), np.float32), r"images are \(batch, 4, 4, 2\); got \(4, 4, 2\)"),
        (np.zeros((1, 4, 4, 2)), "uint8 or float32; got float64"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            ready.run(wrong)
    plain = Program(program.values, program.nodes, program.parameters, program.output)
    with pytest.raises(TypeError, match="how to normalise uint8"):
        CudaProgram(plain, 1, Cpu()).run(np.zeros((1, 4, 4, 2), np.uint8))
    with pytest.raises(ValueError, match="at least one image; got 0"):
        CudaProgram(program, 0, Cpu())
    assert isinstance(program.normal, Normal)


def test_the_clock_runs_the_program_each_time() -> None:
    program, device = small(), Cpu()
    ready = CudaProgram(program, 1, device)
    images = images_of(program, 1)
    before = device.launched
    took = ready.clock(images, 4)
    assert len(took) == 4
    assert min(took) > 0
    assert device.launched - before == 5 * len(program.nodes)
    assert ready.clock_nodes(images, 3).shape == (3, len(program.nodes))
