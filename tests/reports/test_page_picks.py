"""The page in a browser: what was retrained or sampled, and where times were taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nas.report import report
from reports.made_up import MadeUp, write
from reports.run import read

SEEDS = MadeUp(trials=40, backbone="digits", picks=1, seeds=2, lines=1, fidelity=True)


def test_all_seeds_of_a_pick_are_shown_with_their_mean(browse: Any, pages: Any) -> None:
    page = browse(pages(SEEDS)).page
    run = read(pages(SEEDS).parent / "run0")
    page.wait_for_selector("#front .main-svg")
    marks = page.evaluate(
        "document.querySelector('#front .plot').data.find(t => t.name === 'retrained').customdata"
    )
    assert sorted(marks) == sorted(f"0:{pick['key']}" for pick in run.picks)
    buttons = page.query_selector_all("#architecture .controls button")
    assert len(buttons) == 2 < len(run.picks) == 4
    for button in buttons:
        button.click()
        key, flag, seed = page.inner_text("#architecture article code").split()[-3:]
        assert (flag, seed) == ("--seed", "2")
        found = [100 * p["retrained"]["accuracy"] for p in run.picks if p["key"] == key]
        card = page.inner_text("#architecture article .three")
        assert f"the mean of {found[0]:.2f} % (seed 0), {found[1]:.2f} % (seed 1)" in card
        assert f"{sum(found) / 2:.2f} %" in card
    assert "retrained with 2 seeds" in page.inner_text("#front .grid")


def test_the_file_of_a_pick_is_not_taken_for_its_weights(browse: Any, pages: Any) -> None:
    page = browse(pages(SEEDS)).page
    page.click("#architecture .controls button")
    shown = page.inner_text("#architecture article .numbers")
    sizes = {line.split()[0]: float(line.split()[1]) for line in shown.splitlines()
             if line.split()[0] in ("weights", "file")}  # fmt: skip
    assert sizes["file"] > sizes["weights"] > 0
    beside = page.inner_text("#front aside .numbers")
    assert "weights" in beside
    assert "file" in beside
    for table in ("#front .grid", "#candidates .grid"):
        heads = page.inner_text(f"{table} thead").split()
        assert ("weights" in heads, "file" in heads) == (True, table.startswith("#front"))


def test_what_was_only_sampled_for_fidelity_is_drawn_when_it_is_clicked(
    browse: Any, pages: Any
) -> None:
    opened = browse(pages(SEEDS))
    opened.look()
    page = opened.page
    run = read(pages(SEEDS).parent / "run0")
    candidates = {str(trial["key"]) for trial in run.trials}
    page.evaluate(
        "document.querySelector('#fidelity .plot')"
        ".scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    places = page.evaluate(
        """() => {
        const plot = document.querySelector('#fidelity .plot'), box = plot.getBoundingClientRect();
        const {xaxis, yaxis} = plot._fullLayout, trace = plot.data[0];
        return trace.customdata.map((id, n) => [id.split(':')[1],
          box.left + xaxis._offset + xaxis.d2p(trace.x[n]),
          box.top + yaxis._offset + yaxis.d2p(trace.y[n])]);
        }"""
    )
    outside = [place for place in places if place[0] not in candidates]
    assert outside
    key, x, y = outside[0]
    for turn in range(100):  # on a busy machine a plot may hear of the first moves too late
        page.mouse.move(x + turn % 2, y)
        page.wait_for_timeout(100)
        if page.query_selector("#tip:not([hidden])"):
            break
    page.mouse.click(x, y)
    card = page.inner_text("#architecture article")
    assert f"--pick {key}" in card
    assert "cannot be read" not in card
    assert "it was no candidate" in card
    assert page.query_selector("#architecture article svg.drawing")


def test_each_runs_times_are_those_of_its_profiles_machine(browse: Any, pages: Any) -> None:
    small: dict[str, Any] = {"trials": 20, "backbone": "digits"}
    page = browse(pages(MadeUp(**small, timed_on="Pi 4"), MadeUp(**small, seed=7))).page
    assert "run0 on Pi 4, 2 threads; run1 on " in page.inner_text("#front")
    assert "of different machines: they do not compare" in page.inner_text("#states")


def test_a_pick_on_another_backbone_says_so(browse: Any, tmp_path: Path) -> None:
    run = write(MadeUp(trials=20, backbone="digits", lines=1), tmp_path / "run")
    (result,) = run.glob("picks/*/result.json")
    pick = json.loads(result.read_text())
    wide = pick["arch"].replace("digits", "digits+w2")
    result.write_text(json.dumps({**pick, "arch": wide, "key": "of-the-wide-one"}))
    page = browse(report([run], tmp_path / "report.html")).page
    page.click("#architecture .controls button")
    assert "on digits+w2" in page.inner_text("#architecture .tags").lower()
    page.click("#front .grid tbody tr")
    assert "on digits" not in page.inner_text("#architecture .tags").lower()


USUAL = {"recipe": "standard", "epochs": None, "from": "scratch", "teacher": None,
         "precision": "float32", "training-workers": 1}  # fmt: skip
LONGER = {**USUAL, "recipe": "fast", "epochs": 0.2, "from": "supernet 0123456789ab",
          "teacher": "/a teacher", "precision": "bf16", "training-workers": 2}  # fmt: skip
AS_LONG = (
    " --recipe fast --epochs 0.2 --from supernet --teacher '/a teacher' --precision bf16"
    " --training-workers 2"
)


@pytest.mark.parametrize(("asked", "options"), [(USUAL, ""), (LONGER, AS_LONG)])
def test_another_seed_is_trained_as_the_first_was(
    browse: Any, tmp_path: Path, asked: dict[str, Any], options: str
) -> None:
    run = write(MadeUp(trials=20, backbone="digits", picks=1), tmp_path / "run")
    (result,) = run.glob("picks/*/result.json")
    result.with_name("asked.json").write_text(json.dumps(asked))
    page = browse(report([run], tmp_path / "report.html")).page
    page.click("#architecture .controls button")
    said = page.inner_text("#architecture article code")
    assert said == f"python -m nas.retrain {run} --pick {result.parent.name}{options} --seed 1"


def test_a_time_that_was_taken_when_it_was_retrained_is_on_both_cards(
    browse: Any, tmp_path: Path
) -> None:
    run = write(MadeUp(trials=20, backbone="digits", lines=1), tmp_path / "run")
    (result,) = run.glob("picks/*/result.json")
    took = {"measured_ms": 0.0562, "spread_ms": 0.0011}
    result.write_text(json.dumps({**json.loads(result.read_text()), **took}))
    page = browse(report([run], tmp_path / "report.html")).page
    page.click("#architecture .controls button")
    times = [
        [line for line in page.inner_text(card).splitlines() if line.startswith("time, measured")]
        for card in ("#front aside .numbers", "#architecture article .numbers")
    ]
    assert times[0] == times[1] == ["time, measured\t56.2 ± 1.1 µs, retrained"]
