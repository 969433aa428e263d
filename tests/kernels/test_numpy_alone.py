"""On a machine that has NumPy and this package, nothing else, as the README says of a Pi."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from programs_command import ops_file

import kernels
from kernels import _core, model, profile
from kernels.about import About
from kernels.case import program
from kernels.program import Normal
from search_spaces.backbones import find_backbone
from search_spaces.known import find_arch
from search_spaces.planner import plan

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def alone(tmp_path: Path) -> Call:
    """Calls the command where no other package can be found."""
    there = tmp_path / "packages"
    (there / "kernels").mkdir(parents=True)
    numpy = Path(np.__file__).parent
    for folder in (numpy, *numpy.parent.glob("numpy[.-]*")):  # its libraries, its version
        (there / folder.name).symlink_to(folder)
    for file in (*Path(kernels.__file__).parent.iterdir(), Path(_core.__file__)):
        (there / "kernels" / file.name).symlink_to(file)
    cache = str(tmp_path / "cache")
    where = {**os.environ, "PYTHONPATH": str(there), "XDG_CACHE_HOME": cache}

    def call(*args: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-S", "-m", "kernels", *map(str, args)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=where
        )
        assert "Traceback" not in done.stderr
        return done

    return call


def test_every_command_tells_what_it_does(alone: Call) -> None:
    for command in ([], ["bench"], ["info"], ["profile"], ["show"], ["run"], ["time"]):
        assert alone(*command, "--help").stdout.startswith("usage: python -m kernels")


def test_ops_are_measured(alone: Call, tmp_path: Path) -> None:
    ops, out = ops_file(tmp_path), tmp_path / "here.json"
    assert alone("profile", ops, "-o", out, "--rounds", 1).returncode == 0
    assert profile.load(out).machine["torch"] is None
    assert "torch none" in alone("info").stdout


def test_a_packed_network_is_shown_run_and_timed(alone: Call, tmp_path: Path) -> None:
    file, picture = tmp_path / "model.bnn", tmp_path / "picture.npy"
    planned = plan(find_arch("groupnet-k3", "digits"), find_backbone("digits"))
    nodes = [step.node for step in planned.steps]
    made = program(planned.values, nodes, planned.outputs[0], np.random.default_rng(0))
    model.save(replace(made, normal=Normal((100.0,), (50.0,))), file, About(arch="a line"))
    np.save(picture, np.zeros((8, 8, 1), np.uint8))
    assert "a line" in alone("show", file).stdout
    assert "whole" in alone("time", file, "--rounds", 1).stdout
    assert alone("run", file, picture).returncode == 0


def test_a_bench_says_what_its_tables_want_before_it_measures(alone: Call) -> None:
    said = alone("bench", "--layers", "64@8")
    assert said.returncode == 2
    assert said.stderr == "kernels: error: the tables of bench want a package: pip install rich\n"
