"""The phase that measures, and when it has to be done again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch

from nas.search import search
from search_spaces.arch import Arch
from trainers.candidates import Candidates
from trainers.networks.network import Network


# Of the `searched` run, which was begun with these.
OPTIONS: dict[str, Any] = {"epochs": 1.0, "trials": 8, "workers": 1, "until": "measure"}


@pytest.fixture
def foreign(run_folder: Path) -> Path:
    """A run whose ops were timed on another machine: nothing is timed here."""
    file = run_folder / "profile.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "machine": {**content["machine"], "name": "other"}}))
    return run_folder


def test_networks_that_lie_elsewhere_are_held_against_programs_on_the_cpu(
    foreign: Path, op_times: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`meta` stands for a GPU: what lies there can neither be packed nor compared."""
    weights: list[dict[str, torch.Tensor]] = []
    usual = Candidates.network

    def elsewhere(self: Candidates, arch: Arch) -> Network:
        net = usual(self, arch)
        weights.append(net.state_dict())
        return net.to("meta")

    def brought(net: Network) -> Network:
        net.to_empty(device="cpu").load_state_dict(weights[-1])
        return net

    monkeypatch.setattr(Candidates, "network", elsewhere)
    monkeypatch.setattr(Network, "cpu", brought)
    search(run=foreign, profile=op_times, **OPTIONS)
    front = pandas.read_csv(foreign / "front.csv")
    assert len(weights) >= len(front) > 0
    assert front["same_path"].all()
    assert (front["images"] > 0).all()
