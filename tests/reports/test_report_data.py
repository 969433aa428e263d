"""From runs to what the page shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reports import words
from reports.data import front_of, growth, knee_of, page_data, time_errors
from reports.made_up import MadeUp, write
from reports.page import as_json
from reports.run import Row, Run, read
from reports.twin import markdown

DIGITS = "digits"


def made(folder: Path, **asked: object) -> Run:
    return read(write(MadeUp(**{"backbone": DIGITS, "trials": 60, **asked}), folder))  # type: ignore[arg-type]


def keys(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(row["key"]) for row in rows}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("runs") / "full", picks=2, lines=1, fidelity=True)


def test_columns_and_choices_are_those_of_the_trials(full: Run) -> None:
    run = page_data([full])["runs"][0]
    axes = {axis["name"]: axis["choices"] for axis in run["axes"]}
    for n, trial in enumerate(full.trials):
        assert run["trials"]["key"][n] == trial["key"]
        for axis, choices in axes.items():
            assert choices[run["trials"]["choices"][axis][n]] == trial[f"axis.{axis}"]


def test_every_architecture_is_there_to_be_drawn(full: Run) -> None:
    data = page_data([full])
    sampled = (full.fidelity or {})["archs"]
    assert keys(sampled) - keys(full.trials)
    assert keys(full.picks) - keys(full.trials)
    every = keys((*full.trials, *full.known, *full.picks, *sampled))
    assert set(data["arches"]) == every
    assert all(groups for _, groups, _ in data["arches"].values())
    text, groups, skips = next(a for a in data["arches"].values() if a[2])
    blocks = sum(data["groups"][n]["blocks"] for n in groups)
    assert blocks == 3
    assert all(f"+{source}" in text for source, _ in skips)


def test_a_line_that_cannot_be_read_is_kept_as_text(full: Run) -> None:
    rows = [{**full.trials[0], "arch": "who | knows"}, *full.trials[1:]]
    data = page_data([replace(full, trials=rows)])
    assert data["arches"][full.trials[0]["key"]] == ["who | knows", [], []]


def test_before_the_search_wrote_its_front_it_is_that_of_the_candidates(full: Run) -> None:
    unfinished = replace(full, front=None)
    assert full.front is not None
    assert {r["key"] for r in front_of(unfinished)} == {r["key"] for r in full.front}
    assert page_data([unfinished])["runs"][0]["front_is_final"] is False


def test_of_candidates_that_are_equal_in_all_the_first_is_on_the_front(full: Run) -> None:
    first, second = ({**full.trials[n], "error": 0.0, "latency_ms": 0.0} for n in (3, 7))
    twins = [*full.trials[:3], first, *full.trials[4:7], second]
    found = front_of(replace(full, front=None, trials=twins))
    assert [row["key"] for row in found] == [first["key"]]


def test_a_front_is_final_once_it_is_measured(full: Run) -> None:
    assert page_data([full])["runs"][0]["front_is_final"] is True
    phases = [{**phase, "done": phase["phase"] != "measure"} for phase in full.phases]
    exploring = replace(full, phases=phases)  # on, after it was done
    assert page_data([exploring])["runs"][0]["front_is_final"] is False


def test_the_knee_is_taken_by_measured_time_where_all_have_one() -> None:
    rows: list[Row] = [
        {"key": "a", "latency_ms": 1.0, "measured_ms": 1.0, "error": 0.9},
        {"key": "b", "latency_ms": 1.1, "measured_ms": 3.0, "error": 0.3},
        {"key": "c", "latency_ms": 2.0, "measured_ms": 2.0, "error": 0.35},
        {"key": "d", "latency_ms": 5.0, "measured_ms": 5.0, "error": 0.1},
    ]
    assert knee_of(rows) == "c"
    assert knee_of([{**row, "measured_ms": None} for row in rows]) == "b"


def test_shares_of_time_errors_are_of_programs_that_were_measured() -> None:
    rows: list[Row] = [
        {"key": "a", "latency_ms": 1.04, "measured_ms": 1.0, "trusted": True},
        {"key": "b", "latency_ms": 0.92, "measured_ms": 1.0, "trusted": False},
        {"key": "c", "latency_ms": 1.5, "measured_ms": 1.0, "trusted": True},
        {"key": "d", "latency_ms": 1.0, "measured_ms": None, "trusted": None},
        {"key": "a", "latency_ms": 1.04, "measured_ms": 1.0, "trusted": True},
    ]
    found = time_errors(rows)
    assert found is not None
    assert found["keys"] == ["a", "b", "c"]
    assert found["within"] == pytest.approx({"0.05": 1 / 3, "0.1": 2 / 3})
    assert found["median"] == pytest.approx(0.04)
    assert found["untrusted"] == 1
    assert time_errors(rows[3:4]) is None
    even = time_errors(rows[:2])
    assert even is not None
    assert even["median"] == pytest.approx((0.04 - 0.08) / 2)


def test_programs_that_the_time_was_fitted_on_do_not_judge_it(tmp_path: Path) -> None:
    run = made(tmp_path / "run", measured=True)
    keys = [str(row["key"]) for row in run.front or ()]
    said = page_data([replace(run, latency={"fitted_on": 16, "fitted": keys[:1]})])["runs"][0]
    assert keys[0] not in said["time"]["keys"]
    assert keys[1] in said["time"]["keys"]
    assert said["fitted_apart"] is True
    every = [*keys, *(str(row["key"]) for row in run.known)]
    said = page_data([replace(run, latency={"fitted_on": 16, "fitted": every})])["runs"][0]
    assert set(said["time"]["keys"]) >= set(keys)
    assert said["fitted_apart"] is False


def test_what_is_slower_than_asked_for_is_marked(tmp_path: Path) -> None:
    run = made(tmp_path / "run", measured=True)
    times = sorted(float(row["measured_ms"] or 0) for row in run.front or ())
    asked = {**run.about["asked"], "max_latency": times[-2]}
    data = page_data([replace(run, about={**run.about, "asked": asked})])
    assert [row["too_slow"] for row in data["runs"][0]["front"]].count(True) == 1
    slow = [row for row in data["runs"][0]["known"] if row["too_slow"]]
    assert markdown(data, "title", {}).count("(too slow)") == 1 + len(slow)
    assert "(too slow)" not in markdown(page_data([run]), "title", {})


def test_corrected_accuracies_are_told_apart_from_the_supernets(tmp_path: Path) -> None:
    one, two = made(tmp_path / "one", seed=1), made(tmp_path / "two", seed=2)
    asked = {**two.about["asked"], "corrected": "/a/run"}
    other = replace(two, about={**two.about, "asked": asked})
    assert growth([one, two])["left_out"] == 0
    assert growth([one, other])["left_out"] == 1
    assert growth([other, other])["left_out"] == 0
    assert page_data([one, two])["apart"] == []
    (said,) = page_data([one, other])["apart"]
    assert said.startswith("Accuracies in the search of two are corrected")


def test_runs_are_held_against_one_reference_point(tmp_path: Path) -> None:
    one, two = made(tmp_path / "one", seed=1), made(tmp_path / "two", seed=2, sampler="random")
    grown = growth([one, two])
    slowest = max(float(t["latency_ms"] or 0) for run in (one, two) for t in run.trials)
    assert [r["value"] for r in grown["reference"]] == [pytest.approx(0.9), slowest]
    assert [curve["run"] for curve in grown["curves"]] == [0, 1]
    assert [band["run"] for band in grown["bands"]] == [1]
    assert grown["curves"][0]["seen"][-1] == 60
    assert grown["curves"][0]["seconds"][-1] == pytest.approx(one.trials[-1]["at_seconds"])
    assert grown["curves"][0]["share"] == sorted(grown["curves"][0]["share"])


def test_a_limit_that_was_asked_for_is_the_reference(tmp_path: Path) -> None:
    grown = growth([made(tmp_path / "r", max_latency=0.015)])
    assert grown["reference"][1]["value"] == 0.015


@pytest.mark.parametrize("off", [-5.0, -1.0, 0.0])
def test_an_objective_below_nothing_is_covered_from_its_least(tmp_path: Path, off: float) -> None:
    """Made up, it lies between 0 and 1: what is covered does not hang on where it lies."""
    run = made(tmp_path / "r", objectives=("error", "mine:gain"))
    moved = [{**t, "mine:gain": float(t["mine:gain"] or 0) + off} for t in run.trials]
    grown = growth([replace(run, trials=moved)])
    values = [float(t["mine:gain"]) for t in moved]
    reference = grown["reference"][1]
    assert (reference["least"], reference["value"]) == (min(0.0, *values), max(values))
    shares = grown["curves"][0]["share"]
    assert 0 < shares[0] <= shares[-1] < 1
    same = growth([replace(run, trials=[{**t, "mine:gain": off} for t in run.trials])])
    assert 0 <= same["curves"][0]["share"][-1] <= 1


def test_runs_with_other_objectives_are_left_out_of_the_hypervolume(tmp_path: Path) -> None:
    one, two = made(tmp_path / "a"), made(tmp_path / "b", objectives=("error", "size"))
    assert growth([one, two])["left_out"] == 1


@pytest.mark.parametrize(
    ("asked", "state", "missing"),
    [
        ({"told": 0}, "not done (training the supernet): 0 of 60", {"candidates", "front"}),
        ({"told": 20}, "not done (exploring): 20 of 60 candidates so far", {"measured"}),
        ({"max_latency": 1e-6}, "is done: 60 candidates, 60 beyond the limits", {"front"}),
        ({"failing": 1.0}, "60 candidates, 60 failed", {"front"}),
        ({"failing": 0.5, "max_latency": 1e-6}, "beyond the limits and ", {"front"}),
        ({"measured": False}, "is done: 60 candidates", {"measured", "kernels"}),
        ({"trials": 1}, "is done: 1 candidate.", {"picks", "fidelity"}),
        ({"picks": 1, "fidelity": True}, "is done", set()),
    ],
)
def test_every_state_of_a_run_is_said(
    tmp_path: Path, asked: dict[str, object], state: str, missing: set[str]
) -> None:
    run = made(tmp_path / "run", **asked)
    data = page_data([run])
    shown = data["runs"][0]
    assert state in shown["state"]
    assert set(shown["missing"]) >= missing
    if not missing:
        assert shown["missing"] == {}
    if "front" in missing and "max_latency" in asked:
        assert "time up to 1e-06 ms" in shown["missing"]["front"]
    if asked.get("failing") == 1:
        assert shown["missing"]["front"].startswith("All of 60 candidates failed")
    json.loads(as_json(data))


def test_a_folder_with_spaces_is_quoted_in_commands(tmp_path: Path) -> None:
    run = made(tmp_path / "my run", told=0)
    commands = page_data([run])["runs"][0]["commands"]
    assert commands["retrain"].startswith("python -m nas.retrain '")
    assert commands["report"].endswith("my run'")


def test_json_in_a_page_ends_nothing_and_has_no_odd_numbers() -> None:
    text = as_json({"name": "</script><!--<script>", "lost": float("nan"), "far": float("inf")})
    assert "<" not in text
    assert json.loads(text) == {"name": "</script><!--<script>", "lost": None, "far": None}


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        ({}, "has hardly begun"),
        ({"plan": True, "profile": False}, "not done (measuring ops)"),
        ({"plan": True}, "not done (measuring ops)"),
        ({"profile": True}, "not done (training the supernet)"),
        ({"profile": True, "supernet": False}, "not done (training the supernet)"),
        ({"explore": True}, "is done: 60 candidates"),  # with a profile and weights of others
        ({"supernet": True}, "not done (exploring)"),
        ({"explore": True, "measure": False}, "not done (measuring the front)"),
        ({"explore": True, "measure": True, "report": False}, "is done"),
    ],
)
def test_how_far_a_search_is_follows_from_its_phases(
    full: Run, phases: dict[str, bool], said: str
) -> None:
    noted = [{"phase": name, "seconds": 1.0, "done": done} for name, done in phases.items()]
    assert said in words.state(replace(full, phases=noted))


def test_times_are_of_the_machine_of_the_profile(tmp_path: Path, full: Run) -> None:
    searched = str(full.about["machine"]["cpu"])
    pi, xeon = (made(tmp_path / name, timed_on=name) for name in ("Pi 4", "Xeon"))
    assert page_data([full])["times"] == f"Times are of one image, on {searched}."
    data = page_data([pi])
    assert data["times"] == "Times are of one image, on Pi 4, 2 threads."
    assert data["apart"] == []
    assert "times are of one image, on Pi 4, 2 threads\n" in markdown(data, "T", {})
    both = page_data([pi, xeon])
    assert both["times"] == (
        "Times are of one image: Pi 4 on Pi 4, 2 threads; Xeon on Xeon, 2 threads."
    )
    assert both["apart"] == [
        "The times of these runs are of different machines: they do not compare."
    ]
    assert both["apart"][0] in markdown(both, "T", {})
    other = replace(pi, latency={**(pi.latency or {}), "threads": 1})
    assert "with different threads" in page_data([pi, other])["apart"][0]
