"""The static picture of the front, and the page's twin in Markdown."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from reports.data import page_data
from reports.made_up import MadeUp, write
from reports.picture import Scale, picture
from reports.run import read
from reports.twin import _spread, markdown

SVG = "{http://www.w3.org/2000/svg}"


def shown(folder: Path, **asked: object) -> dict[str, object]:
    made = MadeUp(**{"backbone": "digits", "trials": 60, **asked})  # type: ignore[arg-type]
    return page_data([read(write(made, folder))])


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 0.017), (61.2, 68.4), (0, 3.1e6), (5, 5.001)]
)
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    ticks = Scale(low, high, 0, 100).ticks()
    assert 3 <= len(ticks) <= 9
    assert all(low <= tick <= high for tick in ticks)
    assert ticks == sorted(set(ticks))


def test_the_picture_has_a_mark_for_everything(tmp_path: Path) -> None:
    data = shown(tmp_path / "r", picks=2)
    text = picture(data)
    assert text is not None
    root = ET.fromstring(text)
    run = data["runs"][0]  # type: ignore[index]
    words = [node.text for node in root.iter(f"{SVG}text")]
    fixed = {row["name"] for row in run["known"] if row["error"] is not None}
    assert fixed <= set(words)
    diamonds = [p for p in root.iter(f"{SVG}path") if p.get("fill") == "#e69f00"]
    assert len(diamonds) == 2
    large = [
        c for c in root.iter(f"{SVG}circle") if c.get("r") == "4" and c.get("fill") == "#0072b2"
    ]
    assert len(large) == len(run["front"]) + 1  # and the legend's
    places = [(float(c.get("cx", 0)), float(c.get("cy", 0))) for c in root.iter(f"{SVG}circle")]
    assert all(0 <= x <= 640 and 0 <= y <= 420 for x, y in places)


@pytest.mark.parametrize("asked", [{"trials": 1}, {"told": 5}, {"max_latency": 1e-6}])
def test_the_picture_is_drawn_of_whatever_there_is(
    tmp_path: Path, asked: dict[str, object]
) -> None:
    text = picture(shown(tmp_path / "r", **asked))
    assert text is not None
    ET.fromstring(text)
    assert "nan" not in text


@pytest.mark.parametrize(
    ("ms", "unit", "last"), [(0.019, "µs", "20"), (0.19, "ms", "0.2"), (19.0, "ms", "20")]
)
def test_time_is_written_in_units_that_fit_it(ms: float, unit: str, last: str) -> None:
    front = [{"latency_ms": ms * n, "error": 0.2 - 0.1 * n, "key": n} for n in (0.5, 1)]
    run = {"metric": "accuracy", "front": front, "known": [], "picks": [], "trials": {}}
    text = picture({"runs": [{**run, "name": "r"}]})
    assert text is not None
    words = [str(node.text) for node in ET.fromstring(text).iter(f"{SVG}text")]
    assert f"time of one image, {unit}" in words
    assert words[words.index(f"time of one image, {unit}") - 1] == last


def test_there_is_no_picture_of_nothing(tmp_path: Path) -> None:
    assert picture(shown(tmp_path / "r", told=0)) is None


def test_the_twin_has_a_row_for_each_of_the_front_and_each_known(tmp_path: Path) -> None:
    data = shown(tmp_path / "r", picks=1)
    run = data["runs"][0]  # type: ignore[index]
    text = markdown(data, "Title", {run["folder"]: ["front.csv"]})
    rows = [
        line for line in text.splitlines() if line.startswith("| ") and "architecture" not in line
    ]
    assert len(rows) == len(run["front"]) + len(run["known"]) + len(run["picks"])
    assert all(row.replace("\\|", "").count("|") in (7, 8) for row in rows)
    assert "`front.csv`" in text
    assert run["state"] in text


def test_the_twin_calls_what_was_retrained_by_its_name(tmp_path: Path) -> None:
    data = shown(tmp_path / "r", picks=1)
    run = data["runs"][0]  # type: ignore[index]
    known = run["known"][0]
    run["picks"] = [{**run["picks"][0], "key": known["key"]}]
    text = markdown(data, "Title", {}).split("### Retrained")[1]
    assert f"\n| {known.get('name') or known['known']} `" in text


def test_the_twin_has_a_row_for_each_seed_and_their_mean(tmp_path: Path) -> None:
    data = shown(tmp_path / "r", picks=1, seeds=3, seed=4)
    run = data["runs"][0]  # type: ignore[index]
    text = markdown(data, "Title", {}).split("### Retrained")[1]
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    assert [row[-6] for row in rows] == ["4", "5", "6", "mean of 3"]
    found = [100 * pick["retrained"]["accuracy"] for pick in run["picks"]]
    assert len(set(found)) == 3
    assert "| measured, ms | file, bytes |" in text
    assert rows[0][-1].rstrip(" |") == f"{run['picks'][0]['file_bytes']:,}"
    assert [float(row[-4]) for row in rows] == pytest.approx([*found, sum(found) / 3], abs=0.006)


def test_names_are_text_in_the_twin_and_in_the_picture(tmp_path: Path) -> None:
    data = shown(tmp_path / "<b> & co", data="<img src=x>|`")
    assert "<b>" not in (picture({**data, "runs": data["runs"] * 2}) or "")  # type: ignore[operator]
    text = markdown(data, "<script>", {})
    assert "\\<script\\>" in text
    assert "data \\<img src=x\\>\\|\\`" in text


@pytest.mark.parametrize(
    ("value", "spread", "written"),
    [
        (0.19, 0.0034, "0.190 ± 0.003"),
        (12.34, 0.5, "12.3 ± 0.5"),
        (1234.4, 7.2, "1234 ± 7"),
        (0.0126, 0.00003, "0.0126 ± 0.00003"),
        (0.45, None, "0.450"),
        (0.45, 0.0, "0.450 ± 0.000"),
        (None, None, "-"),
    ],
)
def test_a_spread_has_the_digits_of_its_value(
    value: float | None, spread: float | None, written: str
) -> None:
    assert _spread(value, spread) == written
