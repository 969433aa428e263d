"""The README's Python runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernels import model
from kernels.about import About
from kernels.case import program
from search_spaces.backbones import find_backbone
from search_spaces.known import find_arch
from search_spaces.planner import plan

ROOT = Path(__file__).parents[1]


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # what is measured here is not kept
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_example_of_a_kernel_runs(examples: list[str]) -> None:
    names: dict[str, Any] = {}
    exec(examples[0], names)
    result = names["result"]
    assert result.floats.shape == (1, 1, 56, 56, 64)
    assert result.bits.shape == (1, 1, 1, 56, 56, 8)


def test_the_example_of_a_packed_program_runs(
    examples: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    planned = plan(find_arch("groupnet-k3", "digits"), find_backbone("digits"))
    nodes = [step.node for step in planned.steps]
    made = program(planned.values, nodes, planned.outputs[0], np.random.default_rng(0))
    model.save(made, Path("k3.bnn"), About())
    names: dict[str, Any] = {"images": np.zeros((5, 8, 8, 1), np.float32)}
    exec(examples[1], names)
    assert names["logits"].shape == (5, 10)
    assert len(examples) == 2
