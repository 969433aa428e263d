"""The phase that explores: what comes first, what is noted of time, what is kept of an error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pandas
import pytest
import torch

from kernels.ops import BinaryConv
from nas.phases import exploring as phase
from nas.phases import planning
from nas.phases.exploring import exploring, plan_of, tabled
from nas.phases.work import Work
from nas.processes import cluster
from nas.runs.run import FORMAT, Run
from nas.runs.settings import to_data
from nas.study import actors
from nas.study.records import Records
from nas.study.trial import Asked, Scored
from search_spaces.text import to_text

Beginning = Callable[..., Work]


@pytest.fixture
def begun(work: Work, tmp_path: Path) -> Beginning:
    """A run that is noted, and nothing more."""

    def of(**more: Any) -> Work:
        asked = replace(work.asked, **more)
        run = Run(tmp_path / "begun")
        about = {"format": FORMAT, "asked": to_data(asked), "batch": asked.told_together}
        run.put("run.json", about)
        return replace(work, run=run, asked=asked)

    return of


def test_the_front_that_a_search_begins_with_is_that_of_its_beginning(
    begun: Beginning, run_folder: Path
) -> None:
    mine = begun(warm_start=run_folder)
    first = plan_of(mine).first
    warm = [genome for genome, name in first if not name]
    keys = {mine.space.decode(genome).key for genome in warm}
    assert keys == set(pandas.read_csv(run_folder / "front.csv")["key"])
    (run_folder / "scores.jsonl").unlink()
    assert plan_of(mine).first == first
    (run_folder / "run.json").unlink()
    assert plan_of(mine).first == first


def test_time_is_divided_by_as_many_as_score_at_once(begun: Beginning) -> None:
    mine = begun(workers=64, batch=2)
    records = Records(mine.run.home / "scores.jsonl")
    for n in range(4):
        genome = mine.space.sample(Random(n))
        arch = mine.space.decode(genome)
        asked = Asked(number=n, batch=0, key=arch.key, arch=to_text(arch), genome=genome)
        records.add(asked, Scored(values={"error": 0.5, "latency_ms": 1.0 + n}, seconds=3.0))
    tabled(mine, records)
    table = pandas.read_csv(mine.run.home / "trials.csv")
    assert table["at_seconds"].tolist() == [1.5, 3.0, 4.5, 6.0]


def test_what_processes_said_is_kept_where_exploring_failed(
    begun: Beginning, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mine = begun()
    logs = mine.run.home / "scratch" / "ray" / "session_latest" / "logs"
    logs.mkdir(parents=True)
    (logs / "worker-1.err").write_text("it burns\n")

    @contextmanager
    def nowhere(*means: Any) -> Iterator[Path]:
        yield mine.run.home / "scratch"

    def fails(*means: Any) -> bool:
        raise ValueError("the processes that score cannot begin")

    monkeypatch.setattr(cluster, "ray_cluster", nowhere)
    monkeypatch.setattr(actors, "explore", fails)
    for name in ("latency_of", "arrays"):
        monkeypatch.setattr(phase, name, lambda of: None)
    with caplog.at_level(logging.INFO), pytest.raises(ValueError, match="cannot begin"):
        exploring(mine)
    assert "it burns" in caplog.text


@pytest.mark.parametrize(("enough", "tried"), [(60.0, 3), (0.0, 1)])
def test_a_plan_tries_candidates_as_processes_will_score_them(
    enough: float, tried: int, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one thread each: so many at once share the cores. Slow ones it tries once."""
    threads: list[int] = []

    class Tried:
        def __init__(self, *given: Any) -> None:
            pass

        def score(self, arch: Any) -> None:
            threads.append(torch.get_num_threads())

    monkeypatch.setattr(planning, "Candidates", Tried)
    monkeypatch.setattr(planning, "ENOUGH", enough)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        planning._candidate_seconds(work, {})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert threads == [1] * tried


@pytest.mark.parametrize(
    ("images", "steps", "supernet", "said"),
    [
        (199, 200, None, "only 199 images to choose by: "),
        (200, 199, None, "only 199 steps of training: "),
        (150, 90, None, "only 150 images to choose by and 90 steps of training: "),
        (200, 90, Path("trained"), None),
        (200, 200, None, None),
    ],
)
def test_a_plan_warns_where_there_is_little_to_learn_or_to_choose_by(
    images: int, steps: int, supernet: Path | None, said: str | None
) -> None:
    space = {"exact": True, "name": "s", "backbone": "b", "architectures": 3, "axes": []}
    data = {"name": "d", "train": 9, "selection": images}
    recipe = SimpleNamespace(steps=lambda count: steps)
    work: Any = SimpleNamespace(
        run=SimpleNamespace(about={"space": space, "data": data}),
        job=SimpleNamespace(recipe=recipe, data=SimpleNamespace(train=range(9))),
        asked=SimpleNamespace(supernet=supernet),
    )
    lines = [*planning.described(work, planning.Estimate(1.0, 1.0, 1.0, 1.0, 9.0, ()))]
    few = [line for line in lines if line.startswith("few ")]
    assert len(few) == (said is not None)
    if said is not None:
        assert said in few[0]
        assert "--held-out, --epochs and --recipe" in few[0]


@pytest.mark.parametrize("known", [0, 30, 40])
def test_a_plan_counts_kernels_to_choose_once_and_ops_in_each_pass(
    known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    ops = [BinaryConv(height=8, width=8, channels=n, filters=8) for n in range(1, 41)]
    chosen = set(ops[:known])

    def choose(op: Any, threads: int) -> None:
        clock.now += 0 if op in chosen else 5.5
        planning.choice.patience.left -= 0 if op in chosen else 0.5  # it waited
        chosen.add(op)

    def measure(tried: Any, *given: Any, waiting: bool) -> Iterator[None]:
        assert chosen.issuperset(tried)
        assert not waiting
        clock.now += 2.0 * len(tried)
        yield None

    monkeypatch.setattr(planning.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(planning.choice, "known", lambda op, threads: op in chosen)
    monkeypatch.setattr(planning.choice, "chosen", choose)
    monkeypatch.setattr(planning.choice.patience, "left", 9.0)
    monkeypatch.setattr(planning.profile, "measure", measure)
    took = planning._profile_seconds(ops, 1)
    assert took == 5.0 * (40 - known) + 2.0 * 40 * planning.profile.PASSES
