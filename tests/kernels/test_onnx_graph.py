"""Programs as ONNX: the graph decides as the program does, wherever it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import other_cpus
import pytest
from c_builds import images_of, prepared
from numpy.typing import NDArray
from planned_programs import STRUCTURES, grouped, of_backbone, planned, tied
from programs import random_program, small

from kernels import as_onnx
from kernels.about import About
from kernels.engine import Engine, Floats, Images
from kernels.program import Program
from kernels.walk import walk
from search_spaces.backbones import BACKBONES


@pytest.fixture
def runtime() -> Any:
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as missing:
        other_cpus.absent(f"not installed: {missing.name}")
    return onnxruntime


def answers(runtime: Any, program: Program, images: Images, file: Path) -> Floats:
    as_onnx.write(program, About(arch="x"), file)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    (answer,) = session.run(["answer"], {"image": images})
    return np.asarray(answer)


def same(got: Floats, due: Floats) -> NDArray[np.bool_]:
    """Image by image: in its decision and, but for rounding, in all numbers."""
    assert got.shape == due.shape
    got, due = (all_of.reshape(len(all_of), -1) for all_of in (got, due))
    near = np.abs(got - due).max(1) <= 1e-4 * np.maximum(1, np.abs(due).max(1))
    agree: NDArray[np.bool_] = near & (got.argmax(1) == due.argmax(1))
    return agree


def close(got: Floats, due: Floats, least: float = 0.75) -> None:
    """For so many of the images: of some, a number next to its threshold may have fallen over it.

    Of 8 images through a deep network that happens to one (resnet32) or none.
    """
    assert same(got, due).mean() >= least, f"{got} instead of {due}"


def test_any_program_answers_as_the_engine_does(runtime: Any, tmp_path: Path) -> None:
    """For most images of each, and for nearly all of all; all 600 were seen to be the same."""
    every = []
    for seed in range(200):
        program = random_program(Random(seed), most=12)
        images = images_of(program, 3, seed)
        got = answers(runtime, program, images, tmp_path / "net.onnx")
        every.append(same(got, Engine(program, measured=False).run(images)))
        assert every[-1].mean() > 0.5, f"seed {seed}"
    assert np.mean(every) >= 0.98


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_decides_as_the_references_say(
    runtime: Any, name: str, tmp_path: Path
) -> None:
    program = planned(name)
    images = images_of(program, 8, seed=1)
    wanted = walk(program, prepared(program, images))[program.output].reshape(8, -1)
    close(answers(runtime, program, images, tmp_path / "net.onnx"), wanted)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_decides_as_the_engine_does(runtime: Any, name: str, tmp_path: Path) -> None:
    program = of_backbone(name)
    images = images_of(program, 8, seed=1)
    got = answers(runtime, program, images, tmp_path / "net.onnx")
    close(got, Engine(program, measured=False).run(images))


def test_real_convolutions_in_groups_give_their_maps(runtime: Any, tmp_path: Path) -> None:
    program = grouped()
    images = images_of(program, 3, seed=0)
    due = Engine(program, measured=False).run(images)
    close(answers(runtime, program, images, tmp_path / "net.onnx"), due, 1.0)


def test_what_is_on_its_threshold_is_plus_one(runtime: Any, tmp_path: Path) -> None:
    program = tied()
    images = images_of(program, 2, seed=0)
    due = Engine(program, measured=False).run(images)
    close(answers(runtime, program, images, tmp_path / "net.onnx"), due, 1.0)
    assert not np.allclose(Engine(tied(above=True), measured=False).run(images), due)


def test_a_file_says_what_it_is_of(runtime: Any, tmp_path: Path) -> None:
    import onnx

    about = About(arch="resnet8 | 3x2 mean", labels=("Katze", "ねこ", "chat"), accuracy=0.5)
    as_onnx.write(small(), about, tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    assert {prop.key: prop.value for prop in model.metadata_props} == {
        "arch": "resnet8 | 3x2 mean",
        "labels": "Katze\nねこ\nchat",
        "accuracy": "0.5",
    }
    assert [node.name for node in model.graph.node][-1] == "answer"


def test_without_onnx_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r"want the package onnx, which is not installed: pip"):
        as_onnx.write(small(), About(), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
