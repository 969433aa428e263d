"""Stems: what they compute on pixels, and programs that are made to begin with one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray
from programs import same

from kernels import _core, bits, isas, memory, model, real_reference, reference, sample
from kernels.about import About
from kernels.binary import Constants
from kernels.engine import EPILOGUE, Engine
from kernels.flow import Use, Value, flow
from kernels.model import ModelError
from kernels.ops import (
    Affine,
    Curve,
    Epilogue,
    GlobalPool,
    Linear,
    Op,
    Pool,
    Pooling,
    RealConv,
    Residual,
    Stem,
)
from kernels.program import Node, Normal, Program
from kernels.real import Real
from kernels.stem import quantised, with_stem
from kernels.walk import walk

ISAS = [isa.name for isa in isas.available()]
BOTH = Epilogue(floats=True, signs=1)
POOLED = {"pool": 3, "pool_stride": 2, "pool_padding": 1}


def stem(size: tuple[int, int], channels: int, filters: int, **more: Any) -> Stem:
    height, width = size
    return Stem(height=height, width=width, channels=channels, filters=filters, **more)


SHAPES = [
    stem((33, 29), 3, 64, kernel=7, stride=2, padding=3, **POOLED, after=BOTH),
    stem((32, 40), 3, 16, kernel=7, stride=2, padding=3, **POOLED, after=Epilogue(signs=2)),
    stem((16, 16), 3, 17, kernel=3, padding=1, after=BOTH),
    stem((9, 14), 1, 70, kernel=5, stride=3, padding=4, after=BOTH),
    stem((12, 7), 4, 1, kernel=5, padding=2, pool=2, pool_stride=2, after=BOTH),
    stem((10, 11), 2, 5, kernel=3, pool=2, pool_stride=3, pool_padding=1, after=BOTH),
    stem((8, 9), 3, 20, kernel=1, pool=5, pool_stride=1, pool_padding=2),
    stem((2, 3), 3, 16, kernel=7, padding=6, pool=3, pool_stride=1, pool_padding=1, after=BOTH),
    stem((6, 6), 3, 8, padding=1, after=replace(BOTH, inner=Curve.PRELU, outer=Curve.RELU)),
    stem((1, 1), 4, 33, kernel=1, after=BOTH),
    stem((41, 300), 4, 16, kernel=7, stride=2, padding=3, **POOLED, after=BOTH),  # several strips
    stem((3, 700), 1, 2, kernel=3, padding=1, after=BOTH),  # long rows
    stem((9, 127), 1, 64, kernel=7, padding=3, after=BOTH),  # a window fits a line of the cache
    stem((4, 103), 4, 32, kernel=4, padding=3, after=BOTH),
    stem((7, 150), 3, 35, kernel=3, padding=1, pool=5, pool_stride=2, pool_padding=2, after=BOTH),
    stem((40, 150), 3, 16, kernel=3, pool=40, pool_stride=7, pool_padding=20, after=BOTH),
    stem((9, 80), 1, 16, kernel=3, padding=2, pool=1, pool_stride=2, after=BOTH),
    stem((9, 80), 1, 16, kernel=7, padding=6, pool=2, pool_stride=1, after=BOTH),
]


def drawn(op: Op, seed: int = 0) -> dict[str, Any]:
    return sample.parameters(op, np.random.default_rng(seed))


def pixels(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def images_for(op: Stem, batch: int) -> NDArray[np.uint8]:
    return pixels(1, batch, op.height, op.width, op.channels)


def wanted(op: Stem, given: dict[str, Any], x: NDArray[np.uint8]) -> NDArray[np.float32]:
    constants = Constants(**{name: given[name] for name in EPILOGUE if name in given})
    pooled = real_reference.stem(op, x, given["weights"], given["mean"])
    return reference.epilogue(op, pooled, constants)


@pytest.mark.parametrize("op", SHAPES, ids=str)
@pytest.mark.parametrize("isa", ISAS)
def test_a_whole_mean_gives_every_bit_of_the_reference(isa: str, op: Stem) -> None:
    given = drawn(op)
    given["weights"] = given["weights"] // 256  # their sums are exact as float32
    given["mean"] = np.round(given["mean"])
    given["scale"] = given["scale"] * np.float32(256)
    x = images_for(op, 2)
    expected, got = wanted(op, given, x), Real(op, given, isa=isa).run(x)
    if op.after.floats:
        np.testing.assert_array_equal(got.floats, expected)
    if op.after.signs:
        constants = Constants(thresholds=given["thresholds"])
        signs = reference.signs(op, expected, constants)  # type: ignore[arg-type]
        np.testing.assert_array_equal(got.bits, bits.pack(signs))


@pytest.mark.parametrize("op", [op for op in SHAPES if op.after.floats], ids=str)
def test_any_mean_and_weights_are_two_roundings_from_the_reference(op: Stem) -> None:
    plain = replace(op, after=Epilogue(floats=True))
    given = drawn(plain)
    given["scale"] = np.ones_like(given["scale"])
    given["shift"] = np.zeros_like(given["shift"])
    x = images_for(op, 1)
    got = Real(plain, given, isa=ISAS[0]).run(x).floats
    np.testing.assert_allclose(got, wanted(plain, given, x), 2**-22, 2**-22)


@pytest.mark.parametrize("op", SHAPES, ids=str)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_instruction_sets_batches_and_threads_change_no_bit(threads: int, op: Stem) -> None:
    given, x = drawn(op), images_for(op, 3)
    singles = [np.ascontiguousarray(x[:, n : n + 1]) for n in range(3)]
    alone = [Real(op, given, isa=ISAS[-1]).run(single) for single in singles]
    for isa in ISAS:
        real = Real(op, given, isa=isa, threads=threads)
        for got, ones in ((real.run(x), alone), (real.run(singles[1]), alone[1:2])):
            if op.after.floats:
                floats = np.concatenate([one.floats for one in ones], 1)
                np.testing.assert_array_equal(got.floats, floats)
            if op.after.signs:
                signs = np.concatenate([one.bits for one in ones], 2)
                np.testing.assert_array_equal(got.bits, signs)


@st.composite
def stems(draw: st.DrawFn) -> Stem:
    """Often with rows of several tiles, windows that fit no line, and pools that overlap."""
    kernel, pool = draw(st.integers(1, 7)), draw(st.sampled_from([0, 0, 1, 2, 3, 3, 5, 9]))
    more: dict[str, Any] = {}
    if pool:
        more = {"pool": pool, "pool_stride": draw(st.integers(1, 3))}
        more["pool_padding"] = draw(st.integers(0, pool // 2))
    return stem(
        (draw(st.integers(30, 40)), draw(st.integers(30, 180))),
        draw(st.integers(1, 4)),
        draw(st.sampled_from([1, 16, 17, 40])),
        kernel=kernel,
        stride=draw(st.sampled_from([1, 1, 2])),
        padding=draw(st.integers(0, kernel - 1)),
        after=draw(st.sampled_from([BOTH, Epilogue(floats=True), Epilogue(signs=2)])),
        **more,
    )


@hypothesis.given(op=stems(), threads=st.integers(1, 3))
@hypothesis.settings(max_examples=80, deadline=None, derandomize=True)
def test_any_stem_has_the_same_bits_on_all_instruction_sets(op: Stem, threads: int) -> None:
    given, x = drawn(op), images_for(op, 2)
    wanted, *others = (Real(op, given, isa=isa, threads=threads).run(x) for isa in ISAS)
    for got in others:
        np.testing.assert_array_equal(got.floats, wanted.floats)
        np.testing.assert_array_equal(got.bits, wanted.bits)


@pytest.mark.parametrize("isa", ISAS)
def test_the_largest_weights_and_pixels_do_not_overflow(isa: str) -> None:
    op = stem((7, 7), 4, 2, kernel=7)
    given = drawn(op)
    given["weights"] = np.stack([np.full((7, 7, 4), w, np.int16) for w in (-32768, 32767)])
    given["mean"] = np.zeros(4, np.float32)
    given |= {"scale": np.ones((1, 2), np.float32), "shift": np.zeros((1, 2), np.float32)}
    x = np.full((1, 1, 7, 7, 4), 255, np.uint8)
    got = Real(op, given, isa=isa).run(x).floats
    np.testing.assert_array_equal(got.ravel(), np.float32([-255 * 196 * 32768, 255 * 196 * 32767]))


def test_what_no_stem_can_be_is_refused() -> None:
    for more, text in [
        ({"kernel": 3, "padding": 3}, "padding is 0 to 2; got 3"),
        ({"pool_stride": 2}, "without a pool"),
        ({"after": Epilogue(floats=True, residual=Residual.ONE)}, "adds nothing"),
        ({"after": Epilogue(floats=True, sum=True)}, "adds nothing"),
        ({"after": Epilogue()}, "writes floats or signs"),
        ({"kernel": 8}, "kernel is 1 to 7"),
        ({"kernel": 7}, "does not fit an image"),
        ({"pool": 5, "pool_stride": 1}, "does not fit an image"),
    ]:
        with pytest.raises(ValueError, match=text):
            stem((6, 6), 3, 8, **more)
    with pytest.raises(ValueError, match="channels is 1 to 4; got 5"):
        stem((6, 6), 5, 8)


def test_the_core_refuses_what_a_stem_cannot_be_given() -> None:
    op = stem((6, 6), 3, 8)
    given, x = drawn(op), pixels(1, 1, 6, 6, 3)
    with pytest.raises(ValueError, match="a mean of pixels is 0 to 255; got -1"):
        Real(op, {**given, "mean": np.float32([-1, 0, 0])}, isa=ISAS[0])
    with pytest.raises(ValueError, match="0 to 255; got nan"):
        Real(op, {**given, "mean": np.float32([0, np.nan, 0])}, isa=ISAS[0])
    with pytest.raises(TypeError, match="weights is a NumPy array int16"):
        Real(op, {**given, "weights": given["weights"].astype(np.float32)}, isa=ISAS[0])
    with pytest.raises(TypeError, match="reads is a NumPy array uint8"):
        Real(op, given, isa=ISAS[0]).run(x.astype(np.float32))
    with pytest.raises(ValueError, match="reads is a NumPy array uint8"):
        Real(op, given, isa=ISAS[0]).run(x[:, :, :5])


def test_the_core_reads_pixels_or_floats_of_an_image_and_not_both() -> None:
    op = stem((6, 6), 3, 8, kernel=1)
    on_pixels = Real(op, drawn(op), isa=ISAS[0]).core
    on_floats = Real(op.as_conv(), drawn(op.as_conv()), isa=ISAS[0]).core
    place = {"reads": [-1], "residual": -1, "floats": 0, "bits": -1}

    def core(*rules: float) -> _core.Program:
        size = {"height": 6, "width": 6, "channels": 3, "bytes": 1 << 13}
        return _core.Program(
            **size, image=0, mean=list(rules), std=list(rules), output=0, outputs=1
        )

    for first, second in ((on_pixels, on_floats), (on_floats, on_pixels)):
        program = core()
        program.add(first, **place)
        with pytest.raises(ValueError, match="what is read as pixels is not read as float32"):
            program.add(second, **place)
    with pytest.raises(ValueError, match="what is read as pixels is not read as float32"):
        core(1.0, 1.0, 1.0).add(on_pixels, **place)


# Programs

NORMAL = Normal((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


def begun(*ops: Op, normal: Normal | None = NORMAL, classes: int = 10) -> Program:
    """These in a row from the image, and a linear classifier at the end."""
    first = flow(ops[0]).reads
    values, nodes, given = [first], list[Node](), list[Any]()

    def add(op: Op) -> None:
        wrote = flow(op).floats
        assert wrote is not None
        signs = flow(op).bits
        read = Use(nodes[-1].floats or 0 if nodes else 0, 0, 1)
        number = len(values)
        values.extend(v for v in (wrote, signs) if v is not None)
        nodes.append(Node(op, (read,), None, number, None if signs is None else number + 1))
        given.append(drawn(op, seed=number))

    for op in ops:
        add(op)
    last = values[nodes[-1].floats or 0]
    add(Linear(channels=last.set_bytes // 4, filters=classes))
    if isinstance(ops[0], RealConv) and len(ops) > 1:
        given[0] |= {name: np.zeros_like(given[0][name]) for name in ("shift",)}
    return Program(tuple(values), tuple(nodes), tuple(given), nodes[-1].floats or 0, normal)


CONV = RealConv(height=33, width=37, channels=3, filters=20, kernel=7, stride=2, padding=3)
MAX = Pool(kind=Pooling.MAX, height=17, width=19, channels=20, kernel=3, stride=2, padding=1)
AFFINE = Affine(height=9, width=10, channels=20, after=replace(BOTH, outer=Curve.PRELU))
POOLED_PROGRAM = begun(CONV, MAX, AFFINE)
SMALL = replace(CONV, kernel=3, stride=1, padding=1, after=replace(BOTH, inner=Curve.PRELU))
PROGRAMS = {
    "convolution, pool, affine": (POOLED_PROGRAM, 2),
    "a convolution that ends itself": (begun(SMALL), 2),
    "a convolution and an average": (begun(CONV, replace(MAX, kind=Pooling.AVERAGE), AFFINE), 4),
    "a convolution and a global pool": (
        begun(CONV, GlobalPool(height=17, width=19, channels=20)),
        3,
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_with_a_stem_decides_as_it_did(name: str) -> None:
    program, nodes = PROGRAMS[name]
    on_pixels = with_stem(program)
    assert len(on_pixels.nodes) == nodes
    assert isinstance(on_pixels.nodes[0].op, Stem)
    x = pixels(200, 33, 37, 3)
    before, after = (Engine(p, measured=False).run(x) for p in (program, on_pixels))
    margin = np.diff(np.sort(before, 1)[:, -2:], axis=1).min()
    apart = np.abs(after - before).max()
    assert apart < 1e-4 * np.abs(before).max()
    assert margin < 2 * apart or (before.argmax(1) == after.argmax(1)).all()
    assert (before.argmax(1) != after.argmax(1)).sum() <= 1


def test_a_pool_that_a_stem_cannot_take_stays() -> None:
    first, *others = POOLED_PROGRAM.parameters
    shifted = {**first, "shift": np.ones_like(first["shift"])}
    nodes = POOLED_PROGRAM.nodes
    again = (*nodes[:3], nodes[3]._replace(reads=nodes[2].reads))  # the pool's map is read twice
    for changed_nodes, given in ((nodes, (shifted, *others)), (again, (first, *others))):
        values, output = POOLED_PROGRAM.values, POOLED_PROGRAM.output
        program = Program(values, changed_nodes, given, output, NORMAL)
        on_pixels = with_stem(program)
        assert len(on_pixels.nodes) == 4
        x = pixels(5, 33, 37, 3)
        before, after = (Engine(p, measured=False).run(x) for p in (program, on_pixels))
        assert np.abs(after - before).max() < 1e-4 * np.abs(before).max()


def test_a_program_with_a_stem_is_what_the_references_say() -> None:
    program, x = with_stem(POOLED_PROGRAM), pixels(2, 33, 37, 3)
    engine, expected = Engine(program, measured=False), walk(program, x)
    found = engine.values(x)
    first = program.nodes[0]
    assert first.floats is not None
    np.testing.assert_allclose(found[first.floats], expected[first.floats], 1e-5, 1e-5)
    np.testing.assert_array_equal(engine.run(x), found[program.output].reshape(2, -1))
    for threads in (2, 3):
        again = Engine(program, threads=threads, measured=False)
        np.testing.assert_array_equal(again.run(x), engine.run(x))
        np.testing.assert_array_equal(again.run(x[:1]), engine.run(x)[:1])


def test_the_image_takes_no_memory_where_its_pixels_are_read() -> None:
    on_pixels = with_stem(POOLED_PROGRAM)
    alive = memory.lives(on_pixels.values, on_pixels.nodes, on_pixels.output)
    assert not any(0 in live.values for live in alive)
    assert Engine(on_pixels, measured=False).layout.bytes < 4 * 17 * 19 * 20


def test_a_program_with_a_stem_takes_pixels_alone() -> None:
    engine = Engine(with_stem(POOLED_PROGRAM), measured=False)
    x = np.zeros((1, 33, 37, 3), np.float32)
    with pytest.raises(TypeError, match="takes pixels, as uint8; got float32"):
        engine.run(x)
    with pytest.raises(TypeError, match="uint8"):
        engine._core.run(1, x, np.empty((1, 10), np.float32), 1)


def test_weights_are_whole_numbers_of_steps() -> None:
    real = (
        np.random.default_rng(0).normal(size=(5, 3, 3, 2))
        * np.array([1, 7, 1e-9, 0, 1e9])[:, None, None, None]
    )
    weights, steps = quantised(real)
    off = np.abs(weights * steps[:, None, None, None] - real).max((1, 2, 3))
    assert (off <= 0.5001 * steps).all()
    assert np.abs(weights).max((1, 2, 3)).tolist() == [32767, 32767, 32767, 0, 32767]


def test_what_cannot_begin_with_a_stem_says_why() -> None:
    refused = [
        (replace_normal(POOLED_PROGRAM, None), "does not say how pixels become"),
        (replace_normal(POOLED_PROGRAM, Normal((0, 0, 256), (1, 1, 1))), "0 to 255; got"),
        (begun(replace(MAX, channels=3)), "begins with Pool"),
        (begun(replace(CONV, groups=1, dilation=2, padding=6)), "a plain convolution"),
        (begun(replace(CONV, padding=7)), "padding is 0 to 6; got 7"),
        (with_stem(POOLED_PROGRAM), "does not say how pixels become"),
    ]
    for program, text in refused:
        with pytest.raises(ValueError, match=text):
            with_stem(program)


def replace_normal(program: Program, normal: Normal | None) -> Program:
    return Program(program.values, program.nodes, program.parameters, program.output, normal)


def test_an_image_that_is_read_again_keeps_its_floats() -> None:
    twice = begun(replace(CONV, kernel=1, stride=1, padding=0, filters=3))
    last = twice.nodes[-1]
    nodes = (*twice.nodes[:-1], last._replace(reads=(Use(0, 0, 1),)))
    again = Program(twice.values, nodes, twice.parameters, twice.output, NORMAL)
    with pytest.raises(ValueError, match="the image is read again"):
        with_stem(again)


def test_nothing_else_reads_the_image_of_a_stem_and_a_stem_nothing_else() -> None:
    program = with_stem(begun(replace(CONV, kernel=1, stride=1, padding=0, filters=3)))
    first, last = program.nodes
    with pytest.raises(ValueError, match="node 1: a stem reads the image as pixels"):
        changed(program, first, last._replace(reads=(Use(0, 0, 1),)))
    other = Node(first.op, (Use(1, 0, 1),), None, 2, None)
    values = (*program.values[:2], program.values[1], program.values[2])
    with pytest.raises(ValueError, match="node 1: a stem reads the image"):
        Program(
            values,
            (first, other, last._replace(reads=(Use(2, 0, 1),), floats=3)),
            (program.parameters[0], program.parameters[0], program.parameters[1]),
            3,
        )
    with pytest.raises(ValueError, match="its program has no mean and std"):
        replace_normal(program, NORMAL)


def changed(program: Program, *nodes: Node) -> Program:
    return Program(program.values, nodes, program.parameters, program.output)


ABOUT = About()


def test_a_program_with_a_stem_is_kept_in_a_file(tmp_path: Path) -> None:
    program, path, x = with_stem(POOLED_PROGRAM), tmp_path / "model.bnn", pixels(2, 33, 37, 3)
    model.save(program, path, ABOUT)
    read, _ = model.load(path)
    same(program, read)
    assert read.parameters[0]["weights"].ctypes.data % 2 == 0
    found, expected = (Engine(p, measured=False).run(x) for p in (read, program))
    np.testing.assert_array_equal(found, expected)


def test_a_file_with_a_mean_that_no_pixel_has_is_refused(tmp_path: Path) -> None:
    program = with_stem(POOLED_PROGRAM)
    given = {**program.parameters[0], "mean": np.float32([0, 0, 256])}
    wrong = Program(program.values, program.nodes, (given, *program.parameters[1:]), program.output)
    with pytest.raises(ModelError, match="0/mean of pixels is 0 to 255"):
        model.save(wrong, tmp_path / "model.bnn", ABOUT)


def test_the_value_of_a_stem_is_the_image() -> None:
    op = SHAPES[0]
    assert flow(op).reads == Value(False, 1, op.height, op.width, op.channels)
    assert flow(op).floats == Value(False, 1, 9, 8, 64)
