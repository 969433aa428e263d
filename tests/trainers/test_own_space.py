"""A space of one's own, as the README of the spaces brings one, trains like those with names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import search_spaces
from search_spaces.backbone import Backbone
from search_spaces.backbones import find_backbone
from search_spaces.space import Space
from search_spaces.spaces import find_space, layerwise
from trainers.__main__ import main
from trainers.asked import space_for
from trainers.data.sets import load
from trainers.job import Job
from trainers.learning.recipes import RECIPES

README = (Path(search_spaces.__file__).parent / "README.md").read_text()


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of the README, and a function that makes a space, where Python finds them."""
    code = README.split("```python\n")[1].split("```")[0]
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    find_backbone.cache_clear()


def made(backbone: Backbone) -> Space:
    return layerwise(backbone, bases=(1, 2))


def test_the_space_of_the_readme_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    line = next(line for line in README.splitlines() if "trainers supernet mine:space" in line)
    command = line.split()[3:]
    short = ["--epochs", "0.05", "--threads", "1", "--others", "0"]
    assert main([*command, *short]) == 0, capsys.readouterr().err
    assert "largest" in capsys.readouterr().out


def test_the_usual_backbone_is_of_spaces_that_do_not_bring_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "made", sys.modules[__name__])
    job = Job(data=load("digits"), recipe=RECIPES["smoke"])
    for name, of_the_data, given in (
        ("groupnet", "digits", "resnet8"),
        ("made:made", "digits", "resnet8"),
        ("mine:space", "mine:net", "mine:net"),
    ):
        assert space_for(name, None, job).backbone.name == of_the_data
        assert space_for(name, None, job, usual="resnet8").backbone.name == given
        assert find_space(name, None, "resnet8").backbone.name == given
    with pytest.raises(ValueError, match="mine:space is a space of mine:net; got backbone 'digi"):
        space_for("mine:space", "digits", job)
