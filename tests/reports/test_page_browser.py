"""The page in a real browser: what it shows, and that hover, click and keys do what they say."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from reports.made_up import MadeUp
from reports.page import plotly_script
from reports.run import read

EVIL = "</script><script>alert(1)</script><b>bold</b>"
FULL = MadeUp(trials=80, backbone="digits", picks=2, fidelity=True, max_latency=0.017)
SEEDS = MadeUp(trials=40, backbone="digits", picks=1, seeds=2, lines=1, fidelity=True)
RESNET = MadeUp(trials=60, picks=2)
STATES = {
    "nothing": MadeUp(told=0, backbone="digits"),
    "one": MadeUp(trials=1, backbone="digits"),
    "two": MadeUp(trials=2, backbone="digits"),
    "infeasible": MadeUp(trials=60, backbone="digits", max_latency=1e-6),
    "failed": MadeUp(trials=60, backbone="digits", failing=1.0),
    "killed": MadeUp(trials=60, told=25, backbone="digits"),
    "another machine": MadeUp(trials=60, backbone="digits", measured=False),
    "three objectives": MadeUp(
        trials=60, backbone="digits", objectives=("error", "latency", "memory", "mine:power")
    ),
    "names from outside": MadeUp(
        trials=60, backbone="digits", data=EVIL, classes=(EVIL, "b"), objectives=("error", EVIL)
    ),
    "everything": FULL,
    "picks of two seeds, and of a line": SEEDS,
}
NEEDS = {
    "nothing": "No candidate has been scored yet",
    "infeasible": "None of 60 candidates is within the limits (time up to 1e-06 ms)",
    "failed": "All of 60 candidates failed",
    "killed": "The search is not done (exploring): 25 of 60",
    "another machine": "the times of ops come from another machine",
    "one": "Nothing was retrained yet",
    "two": "No knee is marked",
}


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_a_page_without_an_empty_plot(state: str, browse: Any, pages: Any) -> None:
    opened = browse(pages(STATES[state]))
    opened.look()
    page = opened.page
    points = page.evaluate(
        "[...document.querySelectorAll('.js-plotly-plot')].map("
        "p => p.data.reduce((sum, trace) => sum + trace.x.length, 0))"
    )
    assert all(points)
    assert bool(points) == (state != "nothing")
    assert NEEDS.get(state, "") in page.inner_text("body")
    assert opened.complaints == []
    for section in page.query_selector_all("main section .body"):
        assert section.inner_text().strip()
    assert "undefined" not in page.inner_text("body")
    assert "NaN" not in page.inner_text("body")


def test_names_from_outside_are_text(browse: Any, pages: Any) -> None:
    opened = browse(pages(STATES["names from outside"]))
    opened.look()
    page = opened.page
    assert page.inner_text("h1") == f"Binary networks for {EVIL} on digits"
    assert EVIL in page.inner_text("#run")
    bold = page.evaluate("[...document.querySelectorAll('b')].map(b => b.textContent)")
    assert "bold" not in bold
    page.select_option("#front select", EVIL)
    titles = page.evaluate("document.querySelector('#front .xtitle').textContent")
    assert titles == EVIL
    assert opened.complaints == []


def front_place(page: Any, n: int) -> tuple[float, float, str]:
    """Where the n-th point of the front is on the screen, and its architecture's key."""
    page.wait_for_selector("#front .main-svg")
    page.evaluate(
        "document.querySelector('#front .plot')"
        ".scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    found = page.evaluate(
        """n => {
        const plot = document.querySelector('#front .plot'), box = plot.getBoundingClientRect();
        const trace = plot.data.find(t => t.name === 'front'), {xaxis, yaxis} = plot._fullLayout;
        const x = box.left + xaxis._offset + xaxis.d2p(trace.x[n]);
        const y = box.top + yaxis._offset + yaxis.d2p(trace.y[n]);
        return [x, y, trace.customdata[n].split(':')[1]];
        }""",
        n,
    )
    x, y, key = found
    return float(x), float(y), str(key)


def test_the_front_is_sketched_and_answers_before_plotly_is_there(
    browse: Any, pages: Any, tmp_path: Path
) -> None:
    text = pages(RESNET).read_text(encoding="utf-8")
    head, rest = text.split('id="plotly">', 1)
    slow = tmp_path / "slow.html"
    slow.write_text(head + 'id="plotly">' + rest[rest.index("</script>") :], encoding="utf-8")
    opened = browse(slow)
    page = opened.page
    marks = page.evaluate("document.querySelector('#front .sketch').marks")
    assert len(marks) > 50
    before = page.inner_text("#front aside")
    for mark in (marks[0], marks[-1]):  # one that is beaten, and one that was retrained
        page.click("#front .sketch", position={"x": mark["left"], "y": mark["top"]})
        key = mark["id"].split(":")[1]
        assert key in page.inner_text("#architecture .body")
        assert page.inner_text("#front aside") != before
        before = page.inner_text("#front aside")
    assert opened.complaints == []


def test_plotly_is_read_beside_the_page_and_within_it_where_that_is_forbidden(
    chromium: Any, pages: Any, tmp_path: Path
) -> None:
    file, strict = pages(RESNET), tmp_path / "strict.html"
    text = file.read_text(encoding="utf-8")
    strict.write_text(text.replace("'unsafe-inline' blob:;", "'unsafe-inline';"), encoding="utf-8")
    for shown, sources in ((file, ["blob:"]), (strict, ["blob:", ""])):
        page = chromium.new_page()
        page.goto(shown.as_uri())
        page.wait_for_selector("#front .main-svg")
        scripts = "[...document.head.querySelectorAll('script')].map(one => one.src.slice(0, 5))"
        assert page.evaluate(scripts) == sources
        page.close()


def test_plotly_stands_in_the_page_as_a_browser_reads_it_soonest() -> None:
    script = plotly_script()
    assert script.isascii()
    assert "Licensed under the MIT license" in script[:300]
    assert script.index('"use strict";var Plotly=') < 300


def test_hovering_tells_and_a_click_selects_everywhere(browse: Any, pages: Any) -> None:
    file = pages(RESNET)
    page = browse(file).page
    run = read(file.parent / "run0")
    x, y, key = front_place(page, 0)
    arch = next(str(row["arch"]) for row in run.trials if row["key"] == key)
    assert page.inner_text("#front aside h3") != key
    page.mouse.move(x, y)
    page.wait_for_selector("#tip:not([hidden])")
    assert arch in page.inner_text("#tip")
    page.mouse.click(x, y)
    assert page.inner_text("#front aside h3") == key
    assert page.inner_text("#architecture article h3") == key
    assert arch in page.inner_text("#architecture article")
    chosen = page.eval_on_selector_all("tr.chosen", "rows => rows.map(r => r.dataset.id)")
    assert f"0:{key}" in chosen
    assert f"--pick {key}" in page.inner_text("#architecture article code")
    ring = page.evaluate("document.querySelector('#front .plot').layout.shapes[0].yanchor")
    row = next(row for row in run.trials if row["key"] == key)
    assert ring == pytest.approx(100 * (1 - float(row["error"] or 0)), abs=0.01)
    page.mouse.move(5, 5)
    page.wait_for_selector("#tip", state="hidden")


def test_points_and_rows_are_reached_by_keys(browse: Any, pages: Any) -> None:
    page = browse(pages(FULL)).page
    page.wait_for_selector("#front .main-svg")
    page.focus("#front .plot")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#tip:not([hidden])")
    told = page.inner_text("#tip b")
    page.keyboard.press("Enter")
    assert page.inner_text("#front aside h3") == told
    page.focus("#candidates tbody tr[tabindex='0']")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    focused = page.evaluate("document.activeElement.dataset.id")
    page.keyboard.press("Enter")
    chosen = page.eval_on_selector_all(
        "#candidates tr.chosen", "rows => rows.map(r => r.dataset.id)"
    )
    assert chosen == [focused]


def column(page: Any, name: str) -> list[float]:
    return [
        float(text.split()[0])
        for text in page.evaluate(
            """name => {
            const table = document.querySelector('#candidates table');
            const heads = [...table.querySelectorAll('th')];
            const n = heads.findIndex(head => head.textContent.startsWith(name));
            return [...table.querySelectorAll('tbody tr')].map(r => r.children[n].textContent);
            }""",
            name,
        )
    ]


def test_a_heading_sorts_and_again_turns_round(browse: Any, pages: Any) -> None:
    page = browse(pages(FULL)).page
    page.click("#candidates th button:text('predicted')")
    rising = column(page, "predicted")
    assert len(rising) == 50
    assert rising == sorted(rising)
    page.click("#candidates th button:text('predicted')")
    falling = column(page, "predicted")
    assert falling == sorted(falling, reverse=True)
    assert falling[0] > rising[-1]
    assert page.get_attribute("#candidates th:has-text('predicted')", "aria-sort") == "descending"


def test_filters_narrow_the_table_and_what_is_saved(
    browse: Any, pages: Any, tmp_path: Path
) -> None:
    file = pages(FULL)
    opened = browse(file)
    page = opened.page
    trials = read(file.parent / "run0").trials
    late = [t for t in trials if t["status"] == "infeasible" and "gate" in str(t["arch"])]
    assert 0 < len(late) < len(trials)
    page.click("#candidates th:first-child button")  # in order of number
    page.select_option("#candidates select", "infeasible")
    page.fill("#candidates input[type=search]", "gate")
    said = "document.querySelector('#candidates [role=status]').textContent"
    opened.until(f"{said} === '{len(late)} of 80'")
    with page.expect_download() as saved:
        page.click("#candidates button:text('Save as CSV')")
    saved.value.save_as(tmp_path / "saved.csv")
    with (tmp_path / "saved.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == [t["key"] for t in late]
    assert [row["arch"] for row in rows] == [t["arch"] for t in late]
    assert [row["axis.bases0"] for row in rows] == [t["axis.bases0"] for t in late]
    page.fill("#candidates input[type=search]", "no such thing")
    opened.until(f"{said} === '0 of 80'")
    page.fill("#candidates input[type=search]", "")
    page.select_option("#candidates select", "")
    opened.until(f"{said} === '80 of 80'")


def test_two_are_compared_with_their_differences_marked(browse: Any, pages: Any) -> None:
    page = browse(pages(FULL)).page
    rows = "#front .grid tbody tr"
    page.click(f"{rows}:nth-child(1)")
    page.click("#front aside button:text('Compare')")
    page.click(f"{rows}:nth-child(2)")
    cards = page.query_selector_all("#architecture article")
    ids = page.eval_on_selector_all(
        rows, "rows => rows.slice(0, 2).map(r => r.dataset.id.split(':')[1])"
    )
    assert [ids[0] in cards[0].inner_text(), ids[1] in cards[1].inner_text()] == [True, True]
    said = [card.inner_text() for card in cards]
    differ = int(said[0].split("orange: ")[1].split(" of 3 blocks")[0])
    assert 1 <= differ <= 3
    for card in cards:
        stripes = card.query_selector_all("svg.drawing rect[height='3']")
        assert len(stripes) == differ
    assert "points" in said[1]
    assert "\N{MULTIPLICATION SIGN}" in cards[1].query_selector(".numbers").inner_text()
    cards[0].query_selector("button:text('Remove')").click()
    assert len(page.query_selector_all("#architecture article")) == 1


def test_the_slider_selects_the_best_within_a_limit(browse: Any, pages: Any) -> None:
    file = pages(FULL)
    page = browse(file).page
    page.wait_for_selector("#front .main-svg")
    front = read(file.parent / "run0").front or []
    times = sorted(float(row["measured_ms"] or 0) for row in front)
    cap = times[0] + (times[-1] - times[0]) * 0.4
    best = min(
        (r for r in front if float(r["measured_ms"] or 0) <= cap), key=lambda r: r["error"] or 0
    )
    page.evaluate(
        "s => { s.value = 40; s.dispatchEvent(new Event('input')); }",
        page.query_selector("#front input[type=range]"),
    )
    chosen = page.evaluate("document.querySelector('#front tr.chosen').dataset.id")
    assert chosen == f"0:{best['key']}"
    assert page.evaluate("document.querySelector('#front .plot').layout.shapes.length") == 2


def test_a_choice_keeps_the_lines_through_it(browse: Any, pages: Any) -> None:
    file = pages(FULL)
    page = browse(file).page
    trials = read(file.parent / "run0").trials
    assert "orange what is selected" in page.inner_text("#choices")
    through = sum(t["axis.bases0"] == "2" for t in trials)
    page.evaluate("document.querySelector('#choices').scrollIntoView()")
    page.focus("#choices [data-at='0/1']")
    page.keyboard.press("Enter")
    assert f"bases0 = 2: {through} of 80 candidates" in page.inner_text("#choices")


def test_two_runs_are_told_apart(browse: Any, pages: Any) -> None:
    second = MadeUp(trials=60, backbone="digits", seed=7, sampler="random")
    opened = browse(pages(FULL, second))
    opened.look()
    page = opened.page
    names = page.evaluate(
        "document.querySelector('#front .plot').data"
        ".filter(t => t.name === 'front').map(t => t.marker.color)"
    )
    assert len(set(names)) == 2
    assert "random search: 80 % of 40 orders" in page.inner_text("#growth")
    first = page.inner_text("#candidates th:nth-child(2)")
    assert first == "run"


def test_a_phone_scrolls_in_one_direction(browse: Any, pages: Any) -> None:
    size = {"width": 360, "height": 740}
    opened = browse(pages(RESNET), viewport=size, has_touch=True, is_mobile=True)
    opened.look()
    width = opened.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360


def test_colours_follow_the_reader(browse: Any, pages: Any) -> None:
    opened = browse(pages(FULL))
    page = opened.page
    page.wait_for_selector("#front .main-svg")
    colours = (
        "[getComputedStyle(document.body).backgroundColor, "
        "document.querySelector('#front .plot').data.find(t => t.name === 'front').marker.color]"
    )
    light = page.evaluate(colours)
    page.emulate_media(color_scheme="dark")
    opened.until(f"{colours}[1] !== '{light[1]}'")
    dark = page.evaluate(colours)
    page.emulate_media(color_scheme="light")
    assert light[0] == "rgb(252, 252, 251)"
    assert sum(map(int, dark[0][4:-1].split(","))) < 100


def test_a_command_is_copied(browse: Any, pages: Any) -> None:
    page = browse(pages(FULL)).page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#architecture article .command button")
    page.wait_for_selector("#architecture article .command button:text('Copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.inner_text("#architecture article .command code")


def test_times_far_below_a_millisecond_are_in_microseconds(browse: Any, pages: Any) -> None:
    small, large = browse(pages(FULL)).page, browse(pages(RESNET)).page
    shown = [page.inner_text("#front aside .numbers") for page in (small, large)]
    assert ["\N{MICRO SIGN}s" in text for text in shown] == [True, False]
    assert [" ms" in text for text in shown] == [False, True]
    assert "time of one image, \N{MICRO SIGN}s" in small.inner_text("#front .plot")
    run = read(pages(FULL).parent / "run0")
    key = small.inner_text("#architecture article code").split()[-1]
    row = next(row for row in run.front or () if row["key"] == key)
    assert f"{float(row['latency_ms'] or 0) * 1e3:.1f} \N{MICRO SIGN}s" in shown[0]
