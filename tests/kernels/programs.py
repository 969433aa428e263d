"""Programs at random, for the tests of what keeps and runs them; and one that stays the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from random import Random

import numpy as np

from kernels import sample
from kernels.flow import Use, Value, flow
from kernels.ops import (
    Affine,
    BinaryConv,
    BinaryLinear,
    Blend,
    Curve,
    Epilogue,
    GlobalPool,
    Linear,
    Mix,
    Op,
    Pack,
    Pool,
    Pooling,
    RealConv,
    Residual,
    Resize,
    Skip,
    Stem,
)
from kernels.program import Node, Normal, Program, reads_pixels, same_form


def small() -> Program:
    """A real convolution, a binary one of 5 channels with a residual, a gate, a pool, 3 classes."""
    maps = Value(False, 1, 4, 4, 5)
    ops: list[Op] = [
        RealConv(
            height=4,
            width=4,
            channels=2,
            filters=5,
            padding=1,
            after=Epilogue(floats=True, signs=1),
        ),
        BinaryConv(
            height=4,
            width=4,
            channels=5,
            filters=5,
            padding=1,
            bases=2,
            after=Epilogue(floats=True, residual=Residual.ONE),
        ),
        Mix(kind=Blend.GATE, height=4, width=4, channels=5, inputs=2, outputs=1),
        GlobalPool(height=4, width=4, channels=5),
        Linear(channels=5, filters=3),
    ]
    nodes = (
        Node(ops[0], (Use(0, 0, 1),), None, 1, 2),
        Node(ops[1], (Use(2, 0, 1),), Use(1, 0, 1), 3, None),
        Node(ops[2], (Use(3, 0, 2),), None, 4, None),
        Node(ops[3], (Use(4, 0, 1),), None, 5, None),
        Node(ops[4], (Use(5, 0, 1),), None, 6, None),
    )
    values = (
        Value(False, 1, 4, 4, 2),
        maps,
        maps._replace(bits=True),
        maps._replace(sets=2),
        maps,
        Value(False, 1, 1, 1, 5),
        Value(False, 1, 1, 1, 3),
    )
    return Program(
        values, nodes, tuple(drawn(op) for op in ops), 6, Normal((0.1, 1 / 3), (1.0, 2.0))
    )


def alone(op: Op, image: Value) -> Program:
    """The op, and then one number of all that it wrote."""
    wrote = flow(op).floats
    assert wrote is not None
    last = GlobalPool(height=wrote.height, width=wrote.width, channels=wrote.channels)
    nodes = (
        Node(op, (Use(0, 0, 1),), None, 1, None),
        Node(last, (Use(1, 0, 1),), None, 2, None),
    )
    values = (image, wrote, Value(False, 1, 1, 1, wrote.channels))
    return Program(values, nodes, (drawn(op), {}), 2)


def drawn(op: Op) -> dict[str, np.ndarray]:
    return sample.parameters(op, np.random.default_rng(0))


def random_op(rng: Random, reads: Value) -> Op:
    """An op that reads maps like these, all of their sets: any but a stem."""
    while True:
        try:
            return _op(rng, reads)
        except ValueError:
            continue


def _op(rng: Random, reads: Value) -> Op:
    size = {"height": reads.height, "width": reads.width, "channels": reads.channels}
    window = {"kernel": rng.randint(1, 3), "stride": rng.randint(1, 2)}
    sized = {"out_height": rng.randint(1, 5), "out_width": rng.randint(1, 5)}
    spread = {"dilation": rng.randint(1, 2), "padding": rng.randint(0, 2)}
    filters, sets = rng.randint(1, 11), reads.sets
    if reads.bits:
        own = rng.random() < 0.3
        bases = {"bases": sets if own else rng.randint(1, 3), "own": own, "inputs": sets}
        after = _ending(rng)
        if reads.height == reads.width == 1 and rng.random() < 0.5:
            return BinaryLinear(channels=reads.channels, filters=filters, **bases, after=after)
        return BinaryConv(**size, **window, **spread, filters=filters, **bases, after=after)
    kinds: list[Callable[[], Op]] = [
        lambda: RealConv(
            **size,
            **window,
            **spread,
            filters=filters,
            groups=rng.choice([1, reads.channels]),
            inputs=sets,
            after=_ending(rng),
        ),
        lambda: Pool(
            **size,
            **window,
            kind=rng.choice(list(Pooling)),
            padding=rng.randint(0, 1),
            sets=sets,
        ),
        lambda: GlobalPool(**size, sets=sets),
        lambda: Mix(
            **size,
            kind=rng.choice(list(Blend)),
            inputs=sets,
            outputs=rng.randint(1, 3),
            floats=rng.random() < 0.5,
            signs=rng.randint(0, 2),
        ),
        lambda: Skip(**size, **sized, filters=filters, inputs=sets, onto=rng.randint(0, 2)),
        lambda: Resize(**size, **sized, sets=sets),
        lambda: Affine(**size, sets=sets, after=_ending(rng)),
        lambda: Pack(**size, sets=sets, signs=rng.randint(1, 2)),
        lambda: Linear(channels=reads.set_bytes // 4, filters=filters),
    ]
    return rng.choice(kinds)()


def random_stem(rng: Random, image: Value) -> Stem:
    """One that reads such an image, and writes floats."""
    kernel, pool = rng.randint(1, 3), rng.randint(0, 3)
    sliding = {"pool_stride": rng.randint(1, 2), "pool_padding": rng.randint(0, pool // 2)}
    try:
        after = dataclasses.replace(_ending(rng), floats=True, sum=False, residual=Residual.NONE)
        return Stem(
            height=image.height,
            width=image.width,
            channels=image.channels,
            filters=rng.randint(1, 11),
            kernel=kernel,
            stride=rng.randint(1, 2),
            padding=rng.randint(0, kernel - 1),
            pool=pool,
            **(sliding if pool else {}),
            after=after,
        )
    except ValueError:
        return random_stem(rng, image)


def _ending(rng: Random) -> Epilogue:
    return Epilogue(
        floats=rng.random() < 0.7,
        signs=rng.randint(0, 2),
        sum=rng.random() < 0.5,
        inner=rng.choice(list(Curve)),
        residual=rng.choice(list(Residual)),
        outer=rng.choice([None, *Curve]),
    )


def random_program(rng: Random, most: int = 6) -> Program:
    """A walk from the image: each op reads what some op before it wrote; a linear map ends it."""
    image = Value(False, 1, rng.randint(1, 6), rng.randint(1, 6), rng.randint(1, 9))
    values, nodes = {0: image}, list[Node]()
    if image.channels <= 4 and rng.random() < 0.5:
        nodes.append(_begun(rng, values))
    for _ in range(rng.randint(0, most)):
        node = _node(rng, values)
        if node is not None:
            nodes.append(node)
    number = rng.choice([n for n, value in values.items() if not value.bits])
    source = values[number]
    last = Linear(channels=source.set_bytes // 4, filters=rng.randint(1, 12))
    read = Use(number, rng.randrange(source.sets), 1)
    output = max(values) + 1
    values[output] = Value(False, 1, 1, 1, last.filters)
    nodes.append(Node(last, (read,), None, output, None))
    numbers = np.random.default_rng(rng.getrandbits(32))
    given = [sample.parameters(node.op, numbers) for node in nodes]
    for some in given:
        if "blend" in some and rng.random() < 0.5:
            some.pop("sums", None)
    rows = [tuple(rng.uniform(0.1, 300) for _ in range(image.channels)) for _ in range(2)]
    return Program(
        tuple((values | {0: image}).get(n, Value(True, 3, 2, 2, 2)) for n in range(output + 1)),
        tuple(nodes),
        tuple(given),
        output,
        None if reads_pixels(nodes) else rng.choice([None, Normal(rows[0], rows[1])]),
    )


def random_images(program: Program, batch: int, seed: int) -> np.ndarray:
    """As it takes them: pixels, or float32."""
    image, rng = program.image, np.random.default_rng(seed)
    shape = (batch, image.height, image.width, image.channels)
    if program.pixels:
        return rng.integers(0, 256, shape, np.uint8)
    return rng.standard_normal(shape).astype(np.float32)


def _begun(rng: Random, values: dict[int, Value]) -> Node:
    """A stem; nothing after it may read the image."""
    op = random_stem(rng, values[0])
    wants = flow(op)
    floats, bits = (_written(rng, values, value) for value in (wants.floats, wants.bits))
    del values[0]
    return Node(op, (Use(0, 0, 1),), None, floats, bits)


def _node(rng: Random, values: dict[int, Value]) -> Node | None:
    number = rng.choice(list(values))
    value = values[number]
    sets = rng.randint(1, min(3, value.sets))
    op = random_op(rng, value._replace(sets=sets))
    reads: tuple[Use, ...] = (Use(number, rng.randint(0, value.sets - sets), sets),)
    if isinstance(op, Linear):
        reads = (reads[0]._replace(sets=1),)
    elif not value.bits and sets > 1:  # sets of a float value may be read one by one
        reads = tuple(Use(number, rng.randrange(value.sets), 1) for _ in range(sets))
    wants, residual = flow(op), None
    if wants.residual is not None:
        residual = _added(rng, values, wants.residual)
        if residual is None:
            if isinstance(op, Skip):
                op = dataclasses.replace(op, onto=0)
            else:
                after = dataclasses.replace(op.after, residual=Residual.NONE)  # type: ignore[union-attr]
                op = dataclasses.replace(op, after=after)  # type: ignore[call-arg]
            wants = flow(op)
    if wants.floats is None and wants.bits is None:
        return None
    floats, bits = (_written(rng, values, value) for value in (wants.floats, wants.bits))
    return Node(op, reads, residual, floats, bits)


def _written(rng: Random, values: dict[int, Value], value: Value | None) -> int | None:
    if value is None:
        return None
    number = max(values) + rng.randint(1, 2)  # some numbers nothing writes
    values[number] = value
    return number


def _added(rng: Random, values: dict[int, Value], wants: Value) -> Use | None:
    fit = []
    for number, value in values.items():
        try:
            same_form(value, wants)
        except ValueError:
            continue
        if number and value.sets >= wants.sets:
            fit.append(Use(number, rng.randint(0, value.sets - wants.sets), wants.sets))
    return rng.choice(fit) if fit else None


def same(one: Program, two: Program) -> None:
    """Equal in all but what stands at numbers that nothing writes."""
    assert (one.nodes, one.output, one.normal) == (two.nodes, two.output, two.normal)
    for number in (0, *(n for node in one.nodes for n in node.writes)):
        assert one.values[number] == two.values[number]
    for mine, yours in zip(one.parameters, two.parameters, strict=True):
        assert set(mine) == set(yours)
        for name in mine:
            assert mine[name].dtype == yours[name].dtype
            assert mine[name].shape == yours[name].shape
            assert mine[name].tobytes() == yours[name].tobytes()
