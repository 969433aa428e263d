"""A sample is trained stand-alone, each once, and everything is held against that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scipy.stats import kendalltau

import nas.retrain
from nas.console.screen import Screen
from nas.fidelity import _advice, fidelity, main
from nas.phases.existing import asked_of, work_on
from nas.ranks import agreement
from nas.ranks.asked import Fidelity
from nas.ranks.ranking import bases, sampled, table, trainings
from reports.run import read
from search_spaces.text import parse
from trainers.candidates import Candidates


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "RESAMPLES", 60)


def test_a_line_that_a_search_is_writing_meanwhile_is_left_to_it(run_folder: Path) -> None:
    scores = run_folder / "scores.jsonl"
    text = scores.read_text() + '{"asked": {"number": 8,'
    scores.write_text(text)
    screen = Screen(quiet=True)
    work = work_on(run_folder, asked_of(run_folder), screen, lambda: False)
    with screen.bar("sample") as bar:
        assert len(sampled(work, 4, 0, bar)) == 4
    assert scores.read_text() == text


def test_a_sample_is_trained_and_ranked_and_gone_on_with(run_folder: Path) -> None:
    given: dict[str, Any] = {"run": run_folder, "archs": 4, "epochs": 0.5, "workers": 1}
    found = fidelity(**given)
    assert json.loads((run_folder / "fidelity.json").read_text()) == found
    assert read(run_folder).fidelity == found
    archs = found["archs"]
    assert len({one["key"] for one in archs}) == 4
    alone = [one["standalone"] for one in archs]
    assert [one["seeds"][0] for one in archs] == alone
    assert all(len(one["seeds"]) == 2 for one in archs)
    wanted = kendalltau([one["supernet"] for one in archs], alone).statistic
    assert found["tau"] == pytest.approx(wanted)
    assert found["tau_low"] <= found["tau"] <= found["tau_high"]
    names = {one["name"]: one["tau"] for one in found["predictors"]}
    assert set(names) == {"number of bases", "operations", "predicted time"}
    times = [one["predicted_ms"] for one in archs]
    assert times == sorted(times)
    assert names["predicted time"] == pytest.approx(kendalltau(times, alone).statistic)
    again = kendalltau(*zip(*(one["seeds"] for one in archs), strict=True)).statistic
    assert found["ceiling"]["tau"] == pytest.approx(again)
    assert found["images"] == 434, "of the selection split: the test split stays closed"
    _each_is_kept_and_not_done_again(run_folder, given, found)


def _each_is_kept_and_not_done_again(
    run: Path, given: dict[str, Any], found: dict[str, Any]
) -> None:
    results = sorted(run.glob("fidelity/*/result.json"))
    assert len(results) == 8
    before = {path: path.stat().st_mtime_ns for path in results}
    lost = results[3]
    lost.unlink()
    again = fidelity(**given)
    after = {path: path.stat().st_mtime_ns for path in results}
    assert [path for path in results if before[path] != after[path]] == [lost]
    assert again["archs"] == found["archs"], "the same seed gives the same"
    with pytest.raises(ValueError, match=r"epochs was 0\.5, is 0\.25\. To begin anew, delete"):
        fidelity(**{**given, "epochs": 0.25})


def test_what_the_search_scored_is_not_scored_again(run_folder: Path) -> None:
    """A row is added for one of the sample: its score is the one that counts."""
    given: dict[str, Any] = {"run": run_folder, "archs": 4, "epochs": 0.01, "seeds": 1}
    given["workers"] = 1
    before = {one["key"]: one for one in fidelity(**given)["archs"]}
    chosen = [*before][2]
    file = run_folder / "scores.jsonl"
    row = json.loads(file.read_text().splitlines()[0])
    row["asked"]["key"] = chosen
    row["scored"]["values"]["error"] = 0.125
    with file.open("a") as lines:
        lines.write(json.dumps(row) + "\n")
    found = fidelity(**given)
    scores = {one["key"]: one["supernet"] for one in found["archs"]}
    assert scores == {
        key: 0.875 if key == chosen else one["supernet"] for key, one in before.items()
    }
    assert found["ceiling"] is None, "with one seed nobody can say"


@pytest.mark.parametrize(
    ("plain", "corrected", "advised"),
    [
        (0.4, 0.5, True),
        (0.5, 0.5, False),
        (0.5, 0.4, False),
        (0.5, None, False),
        (None, 0.1, True),
        (-0.5, -0.1, False),
    ],
)
def test_a_correction_is_advised_only_where_it_ranks_better(
    plain: float | None, corrected: float | None, advised: bool
) -> None:
    said = _advice(Fidelity(run=Path("r")), {"tau": plain, "corrected": {"tau": corrected}})
    assert ("--supernet r --corrected r" in said) is advised


def test_seeds_are_others_than_the_supernets(run_folder: Path) -> None:
    work = work_on(run_folder, asked_of(run_folder), Screen(quiet=True), lambda: False)
    asked = Fidelity(run=run_folder, archs=4)
    with work.screen.bar("sample") as bar:
        sample = sampled(work, 4, 0, bar)
    for own, wanted in ((0, {1, 2}), (1, {0, 2}), (5, {0, 1})):
        every = trainings(replace(work, seed=own), asked, sample)
        assert {one.training.seed for one in every} == wanted
        assert {one.training.split for one in every} == {own}


def test_what_the_search_scored_and_what_is_scored_now_tie_where_they_are_equal(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`1 - (1 - x)` is not x: of two that get as many images right neither was the better."""
    share = 0.3
    monkeypatch.setattr(Candidates, "score", lambda self, arch: SimpleNamespace(share=share))
    work = work_on(run_folder, asked_of(run_folder), Screen(quiet=True), lambda: False)
    with work.screen.bar("sample") as bar:
        one, *_ = sampled(work, 4, 0, bar)
    scores = run_folder / "scores.jsonl"
    line = json.loads(scores.read_text().splitlines()[0])
    line["asked"]["key"], line["scored"]["values"]["error"] = one.arch.key, 1 - share
    with scores.open("a") as file:
        file.write(json.dumps(line) + "\n")
    with work.screen.bar("sample") as bar:
        found = sampled(work, 4, 0, bar)
    assert [one.supernet for one in found] == [1 - (1 - share)] * 4


@pytest.mark.parametrize("command", ["fidelity", "retrain"])
def test_other_images_than_those_of_the_run_are_an_error(
    command: str, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = json.loads((run_folder / "run.json").read_text())
    about["data"]["digest"] = "another"
    (run_folder / "run.json").write_text(json.dumps(about))
    given = {"fidelity": ["--archs", "4"], "retrain": ["--pick", "best"]}[command]
    does = {"fidelity": main, "retrain": nas.retrain.main}[command]
    assert does([str(run_folder), *given]) == 2
    assert "digits are no longer those that" in capsys.readouterr().err
    assert not [*run_folder.glob("picks/*"), *run_folder.glob("fidelity/*")]


def test_one_band_is_one_band() -> None:
    nothing = {"tau": None, "low": None, "high": None}
    flat = {"tau": None, "tau_low": None, "tau_high": None}
    found = {**flat, "top_third": flat, "predictors": [], "ceiling": None}
    found |= {"bands": {"count": 1, **nothing}, "corrected": {**nothing, "bands": nothing}}
    assert "supernet, in 1 band of equal time" in [*table(found).columns[0].cells]


def test_bases_are_counted_block_by_block() -> None:
    assert bases(parse("digits | 2x3 mean | 1x2 gate")) == 8
    assert bases(parse("digits | 1x3x2 abc | 2x1 mean")) == 8


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("RUN --archs 3", "fewer than 4"),
        ("RUN --seeds 0", "seeds is at least 1"),
        ("RUN --recipe fastt", "did you mean 'fast'"),
        ("nowhere", "there is no nowhere"),
    ],
)
def test_what_cannot_be_done_is_a_line(
    words: str, wanted: str, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run_folder) if word == "RUN" else word for word in words.split()]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("nas.fidelity: error: ")
    assert wanted in said
