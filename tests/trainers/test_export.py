"""A packed program decides as its network does, and nothing is written where it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kernels import model
from kernels.about import About
from kernels.engine import Engine
from kernels.program import Program
from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.group import Link, branches
from trainers.export import compared, packed, written
from trainers.learning.task import Classification
from trainers.networks.network import Network, network

TASK = Classification((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
BACKBONE = find_backbone("resnet20+w0.5").sized(12)
ARCH = Arch("classify", BACKBONE.name, (branches(4, 2), branches(5, 3, Link.ROUTE)), ())
PIXELS = np.random.default_rng(2).integers(0, 256, (64, 12, 12, 3), np.uint8)


@pytest.fixture(scope="module")
def net() -> Network:
    made = network(ARCH, BACKBONE, seed=4)
    rng = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, tensor in made.state_dict().items():
            off = torch.rand(tensor.shape, generator=rng)
            tensor.copy_(50 * (off + 0.5) if name.endswith("variance") else tensor + off - 0.5)
    return made


@pytest.fixture(scope="module")
def program(net: Network) -> Program:
    return packed(net, TASK)


def test_a_program_decides_as_its_network_does(net: Network, program: Program) -> None:
    agreement = compared(net, Engine(program, measured=False), TASK, [PIXELS[:40], PIXELS[40:]])
    assert agreement.images == 64
    assert agreement.decisions == 0
    assert agreement.signs > 64 * 20 * 8 * 9
    assert agreement.flips <= 1e-4 * agreement.signs
    assert agreement.largest < 0.1


def test_flips_and_decisions_that_differ_are_counted(net: Network, program: Program) -> None:
    first = dict(program.parameters[0])
    first["thresholds"] = first["thresholds"] + 1
    head = dict(program.parameters[-1])
    head["bias"] = head["bias"] + 100 * np.arange(10, dtype=np.float32)
    other = replace(program, parameters=(first, *program.parameters[1:-1], head))
    agreement = compared(net, Engine(other, measured=False), TASK, [PIXELS])
    assert agreement.flips > 1000
    assert agreement.decisions > 30
    assert agreement.largest > 500


def test_nothing_is_written_where_more_decisions_differ_than_is_allowed(
    net: Network, program: Program, tmp_path: Path
) -> None:
    good = compared(net, Engine(program, measured=False), TASK, [PIXELS])
    bad = replace(good, decisions=7)
    file = tmp_path / "model.bnn"
    with pytest.raises(ValueError, match=r"that is 10\.94%, and 5\.00%"):
        written(program, file, About(), bad, allowed=0.05)
    assert not file.exists()
    written(program, file, About(), bad, allowed=0.11)
    assert file.exists()


def test_the_file_runs_as_the_program_does(program: Program, tmp_path: Path) -> None:
    model.save(program, tmp_path / "model.bnn", About(arch="x"))
    read, about = model.load(tmp_path / "model.bnn")
    assert about.arch == "x"
    wanted = Engine(program, measured=False).run(PIXELS)
    np.testing.assert_array_equal(Engine(read, measured=False).run(PIXELS), wanted)


def test_there_have_to_be_images(net: Network, program: Program) -> None:
    with pytest.raises(ValueError, match="no images"):
        compared(net, Engine(program, measured=False), TASK, [])
