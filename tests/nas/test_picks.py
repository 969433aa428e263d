"""From a word to an architecture of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nas import export, retrain
from nas.picks import chosen, planned
from nas.picks.asked import Retrain
from reports.data import knee_of
from reports.made_up import MadeUp, write
from reports.run import Run
from search_spaces.known import find_arch
from search_spaces.text import parse, to_text


def row(line: str, error: float | None, ms: float, measured: float | None = None) -> dict[str, Any]:
    arch = parse(line, "digits")
    return {
        "key": arch.key, "arch": to_text(arch), "known": None, "error": error,
        "latency_ms": ms, "measured_ms": measured, "status": "ok",
    }  # fmt: skip


# On measured time the order is another than on predicted: the second is the fastest.
FRONT = [
    row("3x1 mean", 0.30, 1.0, 1.5),
    row("1x1 mean | 2x2 mean", 0.25, 1.2, 1.1),
    row("2x2 mean | 1x3 mean", 0.12, 2.0, 2.0),
    row("3x3 mean", 0.10, 4.0, 4.0),
    row("3x4 mean", 0.09, 6.0, 6.0),
]
TRIAL = row("2x1 mean | 1x2 mean", 0.4, 1.4)


def run_of(front: list[dict[str, Any]] | None = None) -> Run:
    return Run(
        folder=Path("r"),
        about={"space": {"backbone": "digits"}, "command": "python -m nas.search", "asked": {}},
        phases=[],
        trials=[{**TRIAL}, {**row("3*1x3 mean", 0.10, 4.0), "known": "groupnet-k3"}],
        front=FRONT if front is None else front,
        known=[{**row("3*1x5 mean", None, 9.0), "known": "groupnet-k5", "name": "groupnet-k5"}],
        ops=[], kernels=[], picks=[], fidelity=None, latency=None, tables=[],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("fastest", "1x1 mean | 2x2 mean"),
        ("best", "3x4 mean"),
        ("knee", "2x2 mean | 1x3 mean"),
        ("under 1.2ms", "1x1 mean | 2x2 mean"),
        ("under 5ms", "3x3 mean"),
        ("under 2000us", "2x2 mean | 1x3 mean"),
        (str(TRIAL["key"]), "2x1 mean | 1x2 mean"),
        (str(TRIAL["key"])[:5], "2x1 mean | 1x2 mean"),
        ("groupnet-k3", "3*1x3 mean"),
        ("digits | 1x7 mean | 2x1 mean", "1x7 mean | 2x1 mean"),
    ],
)
def test_a_word_means_an_architecture(word: str, line: str) -> None:
    assert chosen.find(run_of(), word).arch == parse(line, "digits")


def test_what_the_search_gave_comes_along() -> None:
    best = chosen.find(run_of(), "best")
    assert (best.accuracy, best.predicted_ms, best.name) == (pytest.approx(0.91), 6.0, None)
    k3, k5 = chosen.find(run_of(), "groupnet-k3"), chosen.find(run_of(), "groupnet-k5")
    assert (k3.name, k3.accuracy) == ("groupnet-k3", pytest.approx(0.9))
    assert (k5.name, k5.accuracy, k5.predicted_ms) == ("groupnet-k5", None, 9.0)
    bireal = chosen.find(run_of(), "bireal")
    assert bireal.arch == find_arch("bireal", "digits")
    assert (bireal.name, bireal.accuracy, bireal.predicted_ms) == ("bireal", None, None)


def test_what_was_no_candidate_is_found_where_it_was_sampled_or_retrained() -> None:
    sampled, line = parse("1x1 mean | 2x4 mean", "digits"), parse("1x6 mean | 2x1 mean", "digits")
    one = {"key": sampled.key, "arch": to_text(sampled), "supernet": 0.8, "predicted_ms": 3.0}
    pick = {"key": line.key, "arch": to_text(line), "known": None, "search": None}
    trial = {**pick, "key": TRIAL["key"], "arch": TRIAL["arch"], "search": {"accuracy": 0.1}}
    picks = [{**pick, "predicted_ms": 5.0}, {**trial, "predicted_ms": 9.0}]
    run = replace(run_of(), fidelity={"archs": [one]}, picks=picks)
    found = chosen.find(run, sampled.key)
    assert (found.arch, found.accuracy, found.predicted_ms) == (sampled, None, 3.0)
    for word in (line.key, line.key[:6], to_text(line)):
        found = chosen.find(run, word)
        assert (found.arch, found.accuracy, found.predicted_ms) == (line, None, 5.0)
    found = chosen.find(run, str(TRIAL["key"]))
    assert (found.accuracy, found.predicted_ms) == (pytest.approx(0.6), 1.4)


def test_the_knee_is_the_one_of_the_page() -> None:
    predicted = [{**one, "measured_ms": None} for one in FRONT]
    for front in (FRONT, predicted, FRONT[1:]):
        assert chosen.find(run_of(front), "knee").arch.key == knee_of(front)


def test_all_of_the_front_is_fastest_first() -> None:
    keys = [pick.arch.key for pick in chosen.all_of(run_of())]
    assert keys == [FRONT[n]["key"] for n in (1, 0, 2, 3, 4)]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("under 1ms", "takes 1 ms or less; the fastest takes 1.1 ms"),
        ("under 2", "a number and a unit"),
        ("best!", "did you mean 'best'"),
        ("groupnet-k33", "did you mean 'groupnet-k3'"),
        (str(TRIAL["key"])[:3], "is not one of"),
    ],
)
def test_what_is_not_there_is_said(word: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        chosen.find(run_of(), word)


def test_a_front_may_have_no_knee_or_not_be_there() -> None:
    with pytest.raises(ValueError, match="has no knee"):
        chosen.find(run_of(FRONT[:2]), "knee")
    with pytest.raises(ValueError, match=r"no front yet; .*python -m nas\.search"):
        chosen.find(replace(run_of(), front=[]), "best")


def test_a_line_of_another_backbone_than_the_runs_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def job() -> None:
        raise ValueError("enough")

    known = {
        "digits | 3x1 mean": None,
        "digits+w0.25 | 3x1 mean": None,
        "digits+w0.25+real-down+no-relu | 3x1 mean": "bireal",
    }
    lines = [*known]
    training = SimpleNamespace(job=job)
    every = [SimpleNamespace(arch=line, training=training, known=known[line]) for line in lines]
    monkeypatch.setattr(planned, "planned", lambda asked: every)
    run = write(MadeUp(trials=4, backbone="digits+w0.25"), tmp_path / "run")
    said: list[str] = []
    screen = SimpleNamespace(say=lambda name, text: said.append(text))
    with pytest.raises(ValueError, match="enough"):
        retrain._retrain(Retrain(run=run, pick=lines), screen)
    assert said == [
        "digits | 3x1 mean: not on the run's backbone (digits+w0.25): "
        "more than its structure differs"
    ]


@pytest.fixture
def spaced(tmp_path: Path) -> Path:
    return write(MadeUp(trials=20, backbone="digits", picks=1), tmp_path / "a run")


def test_the_command_that_retrains_what_is_exported_can_be_copied(
    spaced: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export.main([str(spaced), "--pick", "best", "--c", str(spaced / "c")]) == 2
    assert f"`python -m nas.retrain '{spaced}' --pick " in capsys.readouterr().err


@pytest.mark.parametrize("word", ["", ".", "../picks"])
def test_a_folder_of_a_run_that_is_no_pick_is_not_exported(
    word: str, spaced: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="is not one of knee") as said:
        planned.planned(Retrain(run=spaced, pick=[word]))
    assert export.main([str(spaced), "--pick", word, "--c", str(spaced / "c")]) == 2
    assert capsys.readouterr().err == f"nas.export: error: {said.value}\n"
