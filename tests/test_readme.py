"""The README's Python runs as it stands there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernels import model
from kernels.about import About
from kernels.case import program
from nas.runs.run import Run
from nas.runs.settings import settings
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
    exec(_with(examples, "BinaryConv"), names)
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
    exec(_with(examples, "model.load"), names)
    assert names["logits"].shape == (5, 10)


def test_the_example_of_a_search_names_what_there_is(examples: list[str]) -> None:
    """`tests/nas` runs searches; this is about names."""
    example = _with(examples, "nas.search")
    call = next(node for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Call))
    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    assert settings(given).trials == 200
    assert hasattr(Run, "front")
    assert len(examples) == 3


def _with(examples: list[str], words: str) -> str:
    (found,) = (example for example in examples if words in example)
    return found
