"""What a supernet does not know of a kind of architecture is learnt from a few trained alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import pytest
from scipy.stats import kendalltau

from nas.fidelity import fidelity
from nas.search import search
from nas.study.corrected import Correction, Facts, facts, fitted, left_out
from nas.study.records import read
from search_spaces.text import parse


def test_facts_are_the_accuracy_the_time_and_the_kind() -> None:
    found = facts(parse("digits | 2x3 mean | 1x2 gate"), 0.75, 2.0)
    assert found == (0.75, math.log(2), 2, 0, 2, 1, 0, 3, 0, 0, 0)
    other = facts(parse("digits | 1x3x2 abc | 1x2 mean | 1x2 route +0"), 0.5, 1.0)
    assert other == (0.5, 0, 3, 1, 2, 0, 1, 2, 0, 1, 0)


def _off_by_kind(count: int) -> tuple[list[Facts], list[float]]:
    """Accuracies alone, and rows whose first number is the supernet's: a kind is 4 % too low."""
    rng, rows, alone = Random(0), list[Facts](), list[float]()
    for n in range(count):
        true, kind = rng.uniform(0.70, 0.75), n % 2
        rows.append((true - 0.04 * kind + rng.gauss(0, 0.002), float(kind), 1.0))
        alone.append(true)
    return rows, alone


def test_what_is_off_by_kind_is_put_right_from_the_others() -> None:
    rows, alone = _off_by_kind(20)
    before = kendalltau([row[0] for row in rows], alone).statistic
    after = kendalltau(left_out(rows, alone), alone).statistic
    assert before < 0.6
    assert after > 0.8


def test_none_helps_with_itself() -> None:
    rows, alone = _off_by_kind(8)
    changed = [*alone[:3], 0.0, *alone[4:]]
    assert left_out(rows, alone)[3] == left_out(rows, changed)[3]
    assert left_out(rows, alone)[4] != left_out(rows, changed)[4]


def test_a_correction_is_a_line_between_0_and_1() -> None:
    one = Correction(mean=[0.5, 2.0], spread=[0.1, 1.0], weights=[0.02, -0.01], offset=0.7)
    assert one((0.5, 2.0)) == 0.7
    assert one((0.6, 3.0)) == pytest.approx(0.71)
    assert (one((9.0, 2.0)), one((-9.0, 2.0))) == (1.0, 0.0)
    rows, alone = _off_by_kind(6)
    assert fitted(rows, alone).weights[2] == 0, "what is the same for all says nothing"


def test_a_search_chooses_by_corrected_accuracies(run_folder: Path, tmp_path: Path) -> None:
    found = fidelity(run=run_folder, archs=4, epochs=0.01, seeds=1, workers=1)
    correct = Correction(**found["correction"])
    asked: dict[str, Any] = {
        "supernet": run_folder, "profile": run_folder / "profile.json", "trials": 8, "workers": 1,
        "until": "explore",
    }  # fmt: skip
    search(run=tmp_path / "corrected", corrected=run_folder, **asked)
    plain = {trial.asked.key: trial.scored for trial in read(run_folder / "scores.jsonl")}
    rows = [t for t in read(tmp_path / "corrected" / "scores.jsonl") if t.asked.key in plain]
    assert len(rows) > 3
    for trial in rows:
        before = plain[trial.asked.key].values
        wanted = correct(facts(parse(trial.asked.arch), 1 - before["error"], before["latency_ms"]))
        assert trial.scored.values["error"] == pytest.approx(1 - wanted)
        assert trial.scored.values["latency_ms"] == before["latency_ms"]
    file = run_folder / "fidelity.json"  # learnt anew: the search keeps to what it began with
    file.write_text(json.dumps({**found, "correction": {**found["correction"], "offset": 0.1}}))
    search(run=tmp_path / "corrected", corrected=run_folder, **{**asked, "trials": 16})
    more = read(tmp_path / "corrected" / "scores.jsonl")
    kept = json.loads((tmp_path / "corrected" / "correction.json").read_text())
    assert kept == found["correction"]
    assert len(more) == 16
    _of_other_weights_it_is_an_error(run_folder, tmp_path, asked)


def _of_other_weights_it_is_an_error(run: Path, tmp_path: Path, asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"corrects .* tuned for 0 steps; .* 3 steps"):
        search(run=tmp_path / "a", corrected=run, tune_steps=3, **asked)
    with pytest.raises(ValueError, match=r"corrects accuracies .* --supernet .* takes them"):
        search(run=tmp_path / "a", corrected=run, **{**asked, "supernet": None})
    for name, value in (("core", "0123"), ("machine", {"name": "pi", "cpu": "Pi"})):
        other = tmp_path / "other.json"
        other.write_text(json.dumps({**json.loads(asked["profile"].read_text()), name: value}))
        with pytest.raises(ValueError, match=r"corrects by times of .*; this search has .* --prof"):
            search(run=tmp_path / "a", corrected=run, **{**asked, "profile": other})
    file = run / "fidelity.json"
    file.write_text(json.dumps({"tau": 0.5}))
    with pytest.raises(ValueError, match="has no correction; make it again"):
        search(run=tmp_path / "a", corrected=run, **asked)
    file.unlink()
    with pytest.raises(ValueError, match=r"no fidelity\.json; python -m nas\.fidelity writes one"):
        search(run=tmp_path / "a", corrected=run, **asked)
    assert not (tmp_path / "a").exists()
