"""The phase that measures, and when it has to be done again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pandas
import pytest
import torch

import nas.search
from kernels import choice, timing
from kernels.ops import BinaryConv
from kernels.program_time import short
from kernels.timing import Timing
from nas.phases import checking
from nas.phases.checking import Checked
from nas.phases.exploring import tabled
from nas.phases.measuring import _kernel_rows
from nas.phases.standing import note
from nas.phases.work import Work
from nas.runs.run import FORMAT, Run
from nas.search import search
from nas.study.records import Records
from nas.study.trial import Asked, Scored, Trial
from reports.run import read
from reports.words import state
from search_spaces.arch import Arch
from search_spaces.text import to_text
from trainers.candidates import Candidates
from trainers.networks.network import Network

# Of the `searched` run, which was begun with these.
OPTIONS: dict[str, Any] = {"epochs": 1.0, "trials": 8, "workers": 1, "until": "measure"}


@pytest.fixture
def foreign(run_folder: Path) -> Path:
    """A run whose ops were timed on another machine: nothing is timed here."""
    moved(run_folder, "other")
    return run_folder


def moved(run: Path, machine: str) -> None:
    file = run / "profile.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "machine": {**content["machine"], "name": machine}}))


def test_what_was_checked_before_ctrl_c_is_not_checked_again(
    foreign: Path, op_times: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = Path(shutil.copytree(foreign, tmp_path / "unbroken"))
    search(run=unbroken, profile=op_times, **OPTIONS)
    done: list[str] = []
    usual = checking._checked

    def counted(work: Work, trial: Trial, candidates: Candidates) -> Checked:
        if len(done) == 1:
            done.append("Ctrl-C")
            raise KeyboardInterrupt
        done.append(trial.asked.key)
        return usual(work, trial, candidates)

    monkeypatch.setattr(checking, "_checked", counted)
    with pytest.raises(KeyboardInterrupt):
        search(run=foreign, profile=op_times, **OPTIONS)
    search(run=foreign, profile=op_times, **OPTIONS)
    assert len(done) == len({*done}) > 2
    for table in ("front.csv", "known.csv"):
        assert (foreign / table).read_text() == (unbroken / table).read_text()
    assert not (foreign / "measured").exists()


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


def test_a_front_is_timed_once_the_run_is_on_the_machine_of_its_profile(
    foreign: Path, op_times: Path
) -> None:
    search(run=foreign, profile=op_times, **OPTIONS)
    assert pandas.read_csv(foreign / "front.csv")["measured_ms"].isna().all()
    moved(foreign, str(json.loads(op_times.read_text())["machine"]["name"]))
    search(run=foreign, profile=op_times, **OPTIONS)
    timed = (foreign / "front.csv").read_text()
    assert (pandas.read_csv(foreign / "front.csv")["measured_ms"] > 0).all()
    moved(foreign, "other")  # as after an update: the times that were taken stay
    search(run=foreign, profile=op_times, **OPTIONS)
    assert (foreign / "front.csv").read_text() == timed


def scored(work: Work, records: Records, number: int, error: float) -> None:
    genome = work.space.sample(Random(number))
    arch = work.space.decode(genome)
    asked = Asked(number=number, batch=0, key=arch.key, arch=to_text(arch), genome=genome)
    records.add(asked, Scored(values={"error": error, "latency_ms": 1.0}))


def test_a_front_that_candidates_changed_is_no_longer_the_measured_one(
    work: Work, tmp_path: Path
) -> None:
    mine, records = replace(work, run=Run(tmp_path)), Records(tmp_path / "scores.jsonl")
    mine.run.put("run.json", {"format": FORMAT})
    scored(work, records, 0, error=0.3)
    mine.run.note_phase("measure", 1.0, done=True)
    note(mine.run, records.trials, [], timed=True)
    (tmp_path / "front.csv").write_text("measured")
    scored(work, records, 1, error=0.4)
    tabled(mine, records)
    assert (tmp_path / "front.csv").read_text() == "measured"
    assert mine.run.phase("measure")["done"]
    scored(work, records, 2, error=0.2)
    tabled(mine, records)
    assert mine.run.front["number"].tolist() == [2]
    assert not mine.run.phase("measure")["done"]


def test_a_phase_is_noted_when_it_begins(
    tmp_path: Path, op_times: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def profiling(work: Work) -> str:
        said.append(state(read(work.run.home)))
        return ""

    monkeypatch.setattr(nas.search, "_planned", lambda work: None)
    monkeypatch.setitem(nas.search._DO, "profile", profiling)
    search(run=tmp_path / "r", profile=op_times, until="profile")
    assert said == [said[0]]
    assert said[0].startswith("The search is not done (measuring ops)")


def test_binary_ops_take_turns_with_torchs(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of another hour, as the profile has them, say nothing beside those of now."""
    measured: list[list[Any]] = []

    def measure(runs: Mapping[Any, Any], rounds: int, **how: Any) -> dict[Any, Timing]:
        measured.append([*runs])
        ns = {"float32": 50e3, "int8": 30e3}
        return {name: Timing(ns.get(name, 10e3), 1e3, 1.0, 9, 0.0) for name in runs}

    monkeypatch.setattr(timing, "measure", measure)
    monkeypatch.setattr(choice, "chosen", lambda op, threads: choice.candidates(op, None)[0])
    plans = [work.known["groupnet-k3"], work.known["groupnet-k1"]]
    shown = [Checked(plan, engine=None) for plan in plans]  # type: ignore[arg-type]
    rows = [*_kernel_rows(work, shown)]
    binary = {op for plan in plans for op in plan.ops if isinstance(op, BinaryConv)}
    assert sorted(row["op"] for row in rows) == sorted(short(op) for op in binary)
    assert {row["median_us"] for row in rows} == {10.0}
    assert {row["float32_us"] for row in rows} == {50.0}
    together = [group for group in measured if any(op in binary for op in group)]
    assert all("float32" in group for group in together)
    assert sum(len(binary & {*group}) for group in together) == len(binary)
