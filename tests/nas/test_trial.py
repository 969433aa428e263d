"""A row of the search, and which rows are its front."""

from __future__ import annotations

import math
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.phases.work import Work, training
from nas.study import scoring
from nas.study.trial import Asked, Scored, Trial, checked, from_json, front

COLUMNS = ("error", "latency_ms", "size_bytes")
# Few distinct values, so that ties, the hard part, are common.
tables = st.lists(st.tuples(*[st.integers(0, 3)] * 3), max_size=12)
quick = settings(deadline=None, derandomize=True, max_examples=300)


def trial(number: int, row: tuple[float, ...], note: str = "") -> Trial:
    asked = Asked(number=number, batch=0, key=f"k{number}", arch=f"a{number}", genome=(number,))
    found = {} if note else dict(zip(COLUMNS, map(float, row), strict=False))
    return Trial(asked, Scored(values=found, note=note))


def beats(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


@quick
@given(rows=tables, limit=st.integers(1, 4), order=st.randoms(), failed=st.sets(st.integers(0, 11)))
def test_the_front_is_what_the_definition_says(
    rows: list[tuple[int, ...]], limit: int, order: object, failed: set[int]
) -> None:
    """Of those that did not fail and keep the limit: beaten by none, and of equals the first."""
    trials = [trial(n, row, "broken" if n in failed else "") for n, row in enumerate(rows)]
    fit = [n for n, row in enumerate(rows) if n not in failed and row[1] <= limit]
    wanted = {
        n
        for n in fit
        if not any(beats(rows[m], rows[n]) for m in fit)
        and not any(rows[m] == rows[n] for m in fit if m < n)
    }
    order.shuffle(trials)  # type: ignore[attr-defined]
    best = front(trials, COLUMNS, {"latency_ms": float(limit)})
    assert {t.asked.number for t in best} == wanted
    assert len(best) == len(wanted)


def test_a_front_by_error_and_time_begins_with_the_fastest() -> None:
    trials = [trial(0, (0.1, 9.0)), trial(1, (0.4, 1.0)), trial(2, (0.2, 5.0))]
    best = front(trials, COLUMNS[:2], {})
    assert [t.asked.number for t in best] == [1, 2, 0]


def test_one_column_has_one_best() -> None:
    trials = [trial(0, (0.3,)), trial(1, (0.1,)), trial(2, (0.1,))]
    assert [t.asked.number for t in front(trials, ("error",), {})] == [1]


def test_a_limit_that_is_just_met_is_kept() -> None:
    limits = {"latency_ms": 2.0}
    assert trial(0, (0.1, 2.0)).status(limits) == "ok"
    assert trial(0, (0.1, 2.0000001)).status(limits) == "infeasible"
    assert trial(0, (), "broken").status(limits) == "failed"
    assert trial(0, (0.1, 99.0)).status({}) == "ok"


@quick
@given(
    error=st.floats(allow_nan=False),
    loss=st.floats(),
    genome=st.lists(st.integers(0, 9)),
    note=st.text(),
)
def test_a_trial_is_read_as_it_was_written(
    error: float, loss: float, genome: list[int], note: str
) -> None:
    asked = Asked(number=3, batch=1, key="k", arch="a|b", genome=tuple(genome), known="real")
    scored = Scored(values={"error": error}, loss=loss, seconds=0.5, note=note)
    text = Trial(asked, scored).to_json()
    assert "\n" not in text
    again = from_json(text)
    assert again.asked == asked
    assert (again.scored.values, again.scored.note) == (scored.values, note)
    assert again.scored.loss == loss or (math.isnan(loss) and math.isnan(again.scored.loss))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None])
def test_a_score_that_cannot_be_compared_has_failed(bad: float | None) -> None:
    found = {"error": 0.5} | ({} if bad is None else {"latency_ms": bad})
    scored = checked(Scored(values=found, seconds=2.0), ("error", "latency_ms"))
    assert scored.failed
    assert scored.note == f"latency_ms is {bad}"
    assert (scored.values, scored.seconds) == ({}, 2.0)
    fine = Scored(values=found)
    assert checked(fine, ("error",)) is fine
    broken = Scored(values={}, note="broken")
    assert checked(broken, ("error",)) is broken


@pytest.mark.parametrize("loss", [math.nan, math.inf, 0.7])
def test_a_network_that_answers_no_numbers_has_failed(
    loss: float, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(share=0.1, loss=loss)
    monkeypatch.setattr(
        scoring, "Candidates", lambda *given: SimpleNamespace(score=lambda arch: found)
    )
    latency: Any = SimpleNamespace(predict_ns=lambda planned: 1e6)
    made = scoring.Scoring(
        training=training(work.asked, 0),
        space=work.asked.space,
        backbone=work.backbone,
        latency=latency,
        objectives=("error", "latency"),
    )
    genome = work.space.sample(Random(0))
    asked = Asked(number=0, batch=0, key="key", arch="arch", genome=genome)
    scored = made({})(asked)
    assert scored.failed is not math.isfinite(loss)
