"""Programs run whole: any batch, from several threads, on whole numbers too; memory stays flat."""

from __future__ import annotations

import threading
from pathlib import Path
from random import Random

import numpy as np
import pytest
from programs import random_images, random_program

from kernels import _core, bits, isas, sample
from kernels.case import program
from kernels.engine import Engine, runner
from kernels.epilogue import Epilogue, Residual
from kernels.flow import Use, Value
from kernels.ops import BinaryConv, Blend, GlobalPool, Mix, Pack
from kernels.program import Node, Normal, Program
from kernels.walk import walk
from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.group import Link, branches
from search_spaces.planner import plan

BACKBONE = find_backbone("resnet20+w0.5").sized(12)
ARCH = Arch("classify", BACKBONE.name, (branches(4, 3), branches(5, 2, Link.GATE)), ())


def made(normal: Normal | None = None) -> Program:
    planned = plan(ARCH, BACKBONE)
    (output,) = planned.outputs
    nodes = [step.node for step in planned.steps]
    drawn = program(planned.values, nodes, output, np.random.default_rng(3))
    return Program(drawn.values, drawn.nodes, drawn.parameters, output, normal)


PROGRAM = made()
IMAGES = np.random.default_rng(5).standard_normal((5, 12, 12, 3)).astype(np.float32)


def test_a_batch_is_its_images_one_by_one() -> None:
    engine = Engine(PROGRAM, measured=False)
    one_by_one = np.concatenate([engine.run(image[None]) for image in IMAGES])
    np.testing.assert_array_equal(engine.run(IMAGES), one_by_one)


@pytest.mark.parametrize("isa", [isa.name for isa in isas.available()])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_and_instruction_sets_change_no_bit(isa: str, threads: int) -> None:
    wanted = Engine(PROGRAM, measured=False).run(IMAGES)
    engine = Engine(PROGRAM, threads=threads, isa=isa, measured=False)
    np.testing.assert_array_equal(engine.run(IMAGES), wanted)
    np.testing.assert_array_equal(engine.run(IMAGES[:1]), wanted[:1])


def test_node_by_node_gives_what_the_one_call_gives() -> None:
    engine = Engine(PROGRAM, measured=False)
    output = engine.values(IMAGES)[PROGRAM.output]
    np.testing.assert_array_equal(output.reshape(5, -1), engine.run(IMAGES))


def test_it_is_what_the_references_say() -> None:
    wanted = walk(PROGRAM, IMAGES)[PROGRAM.output].reshape(5, -1)
    np.testing.assert_allclose(Engine(PROGRAM, measured=False).run(IMAGES), wanted, 1e-4, 1e-4)


@pytest.mark.parametrize("seed", range(60))
def test_any_program_is_what_the_references_say(seed: int) -> None:
    drawn = random_program(Random(seed), most=12)
    images = random_images(drawn, 2, seed)
    wanted = walk(drawn, images)
    engine = Engine(drawn, measured=False)
    found = engine.values(images)
    for number, value in wanted.items():
        got = found[number]
        if drawn.values[number].bits:
            got = bits.unpack(got, drawn.values[number].channels)
        np.testing.assert_allclose(got, value.reshape(got.shape), 1e-3, 1e-3)
    output = wanted[drawn.output].reshape(2, -1)
    np.testing.assert_allclose(engine.run(images).reshape(2, -1), output, 1e-3, 1e-3)


@pytest.mark.parametrize("isa", [isa.name for isa in isas.available()])
def test_a_set_that_several_pairs_add_is_not_written_over(isa: str) -> None:
    """The second pair adds it once the first one has written."""
    size = {"height": 6, "width": 6, "channels": 8}
    one, signs, two = Value(False, 1, 6, 6, 8), Value(True, 1, 6, 6, 8), Value(False, 2, 6, 6, 8)
    after = Epilogue(floats=True, residual=Residual.ONE)
    nodes = (
        Node(Pack(**size), (Use(0, 0, 1),), None, None, 1),
        Node(Mix(**size, kind=Blend.ROUTE, inputs=1, outputs=2), (Use(0, 0, 1),), None, 2, None),
        Node(
            BinaryConv(**size, filters=8, padding=1, bases=2, after=after),
            (Use(1, 0, 1),), Use(2, 0, 1), 3, None,
        ),
        Node(Mix(**size, kind=Blend.MEAN, inputs=2), (Use(3, 0, 2),), None, 4, None),
        Node(GlobalPool(**size), (Use(4, 0, 1),), None, 5, None),
    )  # fmt: skip
    values = (one, signs, two, two, one, one._replace(height=1, width=1))
    drawn = program(values, nodes, 5, np.random.default_rng(0))
    images = np.random.default_rng(1).standard_normal((3, 6, 6, 8)).astype(np.float32)
    found = Engine(drawn, isa=isa, measured=False).run(images)
    np.testing.assert_allclose(found, walk(drawn, images)[5].reshape(3, 8), rtol=1e-4, atol=1e-5)


def test_whole_numbers_are_normalised_as_float32_is() -> None:
    mean, std = np.float32([120.5, 99.25, 7]), np.float32([60, 3.5, 77.7])
    normal = Normal(tuple(mean.tolist()), tuple(std.tolist()))
    engine = Engine(made(normal), measured=False)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 12, 12, 3), np.uint8)
    prepared = (pixels.astype(np.float32) - mean) / std
    np.testing.assert_array_equal(engine.run(pixels), engine.run(prepared))
    values = engine.values(pixels)
    np.testing.assert_array_equal(values[0][0], prepared)
    np.testing.assert_array_equal(values[PROGRAM.output].reshape(3, -1), engine.run(pixels))


def test_images_of_another_form_are_refused() -> None:
    engine = Engine(PROGRAM, measured=False)
    with pytest.raises(ValueError, match=r"images are \(batch, 12, 12, 3\); got \(5, 12, 12\)"):
        engine.run(IMAGES[..., 0])
    with pytest.raises(TypeError, match="how to normalise uint8"):
        engine.run(IMAGES.astype(np.uint8))
    with pytest.raises(TypeError, match="float32"):
        engine.run(IMAGES.astype(np.float64))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch is 1"):
        engine.run(IMAGES[:0])
    with pytest.raises(TypeError, match="how to normalise uint8"):
        engine.values(IMAGES.astype(np.uint8))


def native(size: int = 4096) -> _core.Program:
    return _core.Program(
        height=4, width=4, channels=8, image=0, mean=[], std=[], output=0, outputs=1, bytes=size
    )


def test_the_core_trusts_no_place() -> None:
    mean = Mix(kind=Blend.MEAN, height=4, width=4, channels=8, inputs=2)  # maps of 512 bytes
    mixes = runner(mean, {}, None)
    good = {"reads": [512, 1024], "residual": -1, "floats": 1536, "bits": -1}
    native().add(mixes, **good)
    for change in (
        {"reads": [512]},
        {"reads": [512, 3588]},
        {"reads": [512, -2]},
        {"reads": [512, 1026]},
        {"reads": [512, 1 << 62]},
        {"residual": 0},
        {"floats": -1},
        {"floats": 3588},
        {"bits": 0},
    ):
        with pytest.raises(ValueError, match=r"place|cannot be at"):
            native().add(mixes, **{**good, **change})
    for wrong in ({"bytes": 0}, {"image": 3600}, {"image": 4}, {"output": 4096}, {"mean": [0.5]}):
        size = {"height": 4, "width": 4, "channels": 8, "image": 0, "output": 0, "outputs": 1}
        with pytest.raises(ValueError):  # noqa: PT011
            _core.Program(**{**size, "mean": [], "std": [], "bytes": 4096, **wrong})


def test_signs_that_are_read_together_lie_side_by_side() -> None:
    after = Epilogue(signs=1)
    op = BinaryConv(height=4, width=4, channels=8, filters=8, inputs=2, kernel=1, after=after)
    given = sample.parameters(op, np.random.default_rng(0))
    binary = runner(op, given, isas.choices(op)[0])  # sets of 16 bytes
    native().add(binary, reads=[512, 528], residual=-1, floats=-1, bits=1024)
    with pytest.raises(ValueError, match="side by side"):
        native().add(binary, reads=[512, 544], residual=-1, floats=-1, bits=1024)


def resident_kib() -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_ten_thousand_runs_from_four_threads_answer_the_same_and_memory_stays_flat() -> None:
    engine = Engine(PROGRAM, measured=False)
    wanted = engine.run(IMAGES)
    wrong: list[int] = []

    def work(first: int, runs: int) -> None:
        for n in range(first, first + runs):
            i = n % len(IMAGES)
            if not np.array_equal(engine.run(IMAGES[i : i + 1]), wanted[i : i + 1]):
                wrong.append(n)

    def from_four_threads(runs: int) -> None:
        threads = [threading.Thread(target=work, args=(t, runs)) for t in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    from_four_threads(250)
    before = resident_kib()
    from_four_threads(2250)
    assert wrong == []
    assert resident_kib() - before < 1024


def test_times_are_taken_of_the_whole_and_of_each_node() -> None:
    # Not one of those that may be emulated: some take a second for a run.
    engine = Engine(PROGRAM, isa="portable", measured=False)
    assert len(engine.clock(IMAGES[:1], 3)) == 3
    nodes = engine.clock_nodes(IMAGES[:1], 50)
    assert nodes.shape == (50, len(PROGRAM.nodes))
    assert (nodes >= 0).all()
    whole = np.median(engine.clock(IMAGES[:1], 50))
    assert 0.2 * whole < np.median(nodes.sum(1)) < 5 * whole
