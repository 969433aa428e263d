"""Programs as the core takes them: what it cannot run safely is refused, op by op."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kernels import _core, isas, sample
from kernels.engine import NOWHERE, runner
from kernels.epilogue import Epilogue
from kernels.ops import BinaryConv, Blend, Mix

MEAN = Mix(kind=Blend.MEAN, height=4, width=4, channels=8, inputs=2)  # maps of 512 bytes
NOTHING = {"residual": NOWHERE, "floats": NOWHERE, "bits": NOWHERE}
IMAGE = np.ones((1, 4, 4, 8), np.float32)


def native() -> Any:
    return _core.Program(
        height=4, width=4, channels=8, image=0, mean=[], std=[], output=512, outputs=128, bytes=4096
    )


def mixing() -> Any:
    made = native()
    made.add(runner(MEAN, {}, None), **{**NOTHING, "reads": [NOWHERE] * 2, "floats": 512})
    return made


def test_a_program_that_has_run_takes_no_more_ops() -> None:
    """Memory that it left for the next run has room for what its ops read, and no more."""
    made, answer = mixing(), np.empty((1, 128), np.float32)
    more = runner(Mix(kind=Blend.MEAN, height=4, width=4, channels=8, inputs=3), {}, None)
    made.run(1, IMAGE, answer, 1)
    np.testing.assert_array_equal(answer, 1)
    with pytest.raises(ValueError, match="has run, and takes no more ops"):
        made.add(more, **{**NOTHING, "reads": [NOWHERE] * 3, "floats": 1024})
    made.run(1, IMAGE, answer, 1)


def test_a_call_that_is_refused_is_no_run() -> None:
    made, answer = native(), np.empty((1, 128), np.float32)
    with pytest.raises(ValueError, match="images"):
        made.run(1, IMAGE[:, :3], answer, 1)
    made.add(runner(MEAN, {}, None), **{**NOTHING, "reads": [NOWHERE] * 2, "floats": 512})


@pytest.mark.parametrize("reads", [[NOWHERE] * 2, [NOWHERE, 127], [512, NOWHERE]])
def test_sets_that_lie_side_by_side_are_not_the_image(reads: list[int]) -> None:
    """It is one set: of several the kernel would read on past its end."""
    after = Epilogue(signs=1)
    op = BinaryConv(height=4, width=4, channels=64, filters=8, inputs=2, kernel=1, after=after)
    one = BinaryConv(height=4, width=4, channels=64, filters=8, kernel=1, after=after)
    made = [
        runner(o, sample.parameters(o, np.random.default_rng(0)), isas.choices(o)[0])
        for o in (op, one)
    ]
    with pytest.raises(ValueError, match=r"cannot be at -1|side by side"):
        native().add(made[0], **{**NOTHING, "reads": reads, "bits": 1024})
    native().add(made[1], **{**NOTHING, "reads": [NOWHERE], "bits": 1024})


def test_an_op_that_is_refused_changes_nothing() -> None:
    """Else uint8 images would be read as the float32 that the first op wants."""
    op = BinaryConv(height=4, width=4, channels=64, filters=8, kernel=1, after=Epilogue(signs=1))
    pixels = runner(op, sample.parameters(op, np.random.default_rng(0)), isas.choices(op)[0])
    made, answer = mixing(), np.empty((1, 128), np.float32)
    with pytest.raises(ValueError, match="as pixels"):
        made.add(pixels, **{**NOTHING, "reads": [NOWHERE], "bits": 1024})
    with pytest.raises(TypeError, match="float32"):
        made.run(1, IMAGE.astype(np.uint8), answer, 1)
    made.run(1, IMAGE, answer, 1)
