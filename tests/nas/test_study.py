"""Batches are a function of the seed and of what was told before, whoever proposes them.

There is no Ray here: a loop asks, makes scores up, tells.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from nas.study.samplers import SAMPLERS, neighbour
from nas.study.study import WORST, Plan, Study
from nas.study.trial import Asked, Scored, Trial, front
from search_spaces.backbones import find_backbone
from search_spaces.space import Space
from search_spaces.spaces import SPACES
from search_spaces.uniform import known_genomes

every_sampler = pytest.mark.parametrize("sampler", SAMPLERS)
LARGE = SPACES["groupnet"](find_backbone("digits"))
BATCH = 6
Score = Callable[[Asked], Trial]
Scores = dict[str, Trial]


def plan(sampler: str = "nsga2", space: Space = LARGE, **more: Any) -> Plan:
    every: dict[str, Any] = {
        "objectives": ("error", "latency"), "limits": {}, "batch": BATCH, "seed": 0,
    } | more  # fmt: skip
    return Plan(space=space, sampler=sampler, **every)


def step(study: Study, scores: Scores, score: Score) -> list[Asked]:
    batch = study.ask()
    for asked in batch:
        scores.setdefault(asked.key, score(asked))
    if batch:
        study.tell(scores)
    return batch


def searched(path: Path, how: Plan, score: Score, batches: int = 4) -> list[list[Asked]]:
    study, scores = Study(how, path), Scores()
    return [step(study, scores, score) for _ in range(batches)]


def told(path: Path) -> list[tuple[Any, ...]]:
    """All that is in the journal, read by Optuna's own reader."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.load_study(study_name="search", storage=storage)
    return [
        (t.number, t.state, t.params, t.values, t.user_attrs, t.constraints)
        for t in study.get_trials()
    ]


@every_sampler
def test_a_seed_gives_the_same_batches_and_another_seed_others(
    tmp_path: Path, sampler: str, score: Score
) -> None:
    one = searched(tmp_path / "one", plan(sampler), score)
    assert searched(tmp_path / "same", plan(sampler), score) == one
    assert told(tmp_path / "one") == told(tmp_path / "same")
    other = searched(tmp_path / "other", plan(sampler, seed=1), score)
    assert all(a != b for a, b in zip(one, other, strict=True))


@every_sampler
def test_a_study_that_is_opened_anew_goes_on_as_one_that_never_was_closed(
    tmp_path: Path, sampler: str, score: Score
) -> None:
    """After each batch; and in the middle of each, with some of it scored, nothing of it told."""
    how, path = plan(sampler, limits={"latency_ms": 9.0}), tmp_path / "broken"
    wanted = searched(tmp_path / "whole", how, score)
    scores: Scores = {}
    for batch in wanted:
        killed = Study(how, path)
        killed.recall([*scores.values()])
        half = killed.ask()
        assert half == batch
        for asked in half[: BATCH // 2]:
            scores[asked.key] = score(asked)
        study = Study(how, path)
        study.recall([*scores.values()])
        assert step(study, scores, score) == batch
        assert study.batches == killed.batches + 1
    assert told(path) == told(tmp_path / "whole")


@every_sampler
def test_who_was_scored_first_changes_nothing(tmp_path: Path, sampler: str, score: Score) -> None:
    wanted = searched(tmp_path / "in order", plan(sampler), score)
    study, scores, rng = Study(plan(sampler), tmp_path / "shuffled"), Scores(), Random(0)
    for batch in wanted:
        asked = study.ask()
        assert asked == batch
        rng.shuffle(asked)
        scores |= {a.key: score(a) for a in asked}
        study.tell(dict(reversed(scores.items())))
    assert told(tmp_path / "shuffled") == told(tmp_path / "in order")


@every_sampler
def test_numbers_count_different_architectures(tmp_path: Path, sampler: str, score: Score) -> None:
    batches = searched(tmp_path / "journal", plan(sampler), score)
    every = [*itertools.chain(*batches)]
    assert [asked.number for asked in every] == [*range(4 * BATCH)]
    assert [asked.batch for asked in every] == [n // BATCH for n in range(4 * BATCH)]
    assert len({asked.key for asked in every}) == len(every)
    for asked in every:
        assert LARGE.decode(asked.genome).key == asked.key


@every_sampler
def test_a_space_of_twelve_is_exhausted_with_exactly_all_of_them(
    tmp_path: Path, sampler: str, dozen: Space, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.samplers.TRIES", 120)  # at random, of 24 genomes
    path, how = tmp_path / "journal", plan(sampler, dozen, batch=5)
    study, scores = Study(how, path), Scores()
    batches = [*itertools.takewhile(bool, iter(lambda: step(study, scores, score), None))]
    assert [len(batch) for batch in batches] == [5, 5, 2]
    every = {dozen.decode(genome).key for genome in dozen.every_genome()}
    assert {asked.key for batch in batches for asked in batch} == every
    assert len(every) == study.candidates == 12
    again = Study(how, path)
    again.recall([*scores.values()])
    assert again.ask() == []


@every_sampler
def test_a_space_of_one_is_searched(tmp_path: Path, sampler: str, score: Score) -> None:
    axes = tuple(replace(axis, choices=axis.choices[:1]) for axis in LARGE.axes)
    one = replace(LARGE, axes=axes)
    batches = searched(tmp_path / "journal", plan(sampler, one), score, 2)
    assert [len(batch) for batch in batches] == [1, 0]


@every_sampler
def test_nothing_is_told_twice(
    tmp_path: Path, sampler: str, dozen: Space, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.samplers.TRIES", 120)
    path = tmp_path / "journal"
    batches = searched(path, plan(sampler, dozen, batch=5), score, 3)
    asked = {a.key: a for a in itertools.chain(*batches)}
    *rows, last = told(path)
    assert last[1] == optuna.trial.TrialState.FAIL  # asked for when there were no more
    assert [row[4]["number"] for row in rows] == [*range(12)]
    for _, state, params, got, attributes, _ in rows:
        genome = tuple(a.choices.index(params[a.name]) for a in dozen.axes)
        mine = asked[attributes["key"]]
        assert (dozen.decode(genome).key, mine.genome) == (mine.key, genome)
        assert got == [*score(mine).scored.values.values()][:2]
        assert state == optuna.trial.TrialState.COMPLETE


@every_sampler
def test_a_failed_candidate_is_told_as_the_worst_and_the_search_goes_on(
    tmp_path: Path, sampler: str, score: Score
) -> None:
    def sometimes(asked: Asked) -> Trial:
        return Trial(asked, Scored(values={}, note="broken")) if asked.number % 3 else score(asked)

    path, how = tmp_path / "journal", plan(sampler, limits={"size_bytes": 1e9})
    batches = searched(path, how, sometimes)
    assert [len(batch) for batch in batches] == [BATCH] * 4
    for _, _, _, values, attributes, constraints in told(path):
        failed = attributes["number"] % 3 > 0
        assert constraints["failed"] == (WORST if failed else 0.0)
        assert (values == [WORST, WORST]) == failed
        assert ("size_bytes" in constraints) != failed


def test_a_failed_candidate_is_no_better_than_one_far_beyond_a_limit(
    tmp_path: Path, score: Score
) -> None:
    """Optuna's NSGA-II adds up what is exceeded: parents are those that have the least of it."""

    def odd_ones_fail(asked: Asked) -> Trial:
        return Trial(asked, Scored(values={}, note="broken")) if asked.number % 2 else score(asked)

    how = plan("nsga2", limits={"latency_ms": 0.01})
    searched(tmp_path / "journal", how, odd_ones_fail)
    exceeds = [
        (sum(constraints.values()), constraints["failed"])
        for _, _, _, _, _, constraints in told(tmp_path / "journal")
    ]
    best = sorted(exceeds)[: len(exceeds) // 2]
    assert {failed for _, failed in best} == {0.0}
    assert min(total for total, failed in exceeds if not failed) > 100


@every_sampler
def test_all_may_fail(tmp_path: Path, sampler: str) -> None:
    batches = searched(
        tmp_path / "journal",
        plan(sampler),
        lambda asked: Trial(asked, Scored(values={}, note="broken")),
    )
    assert [len(batch) for batch in batches] == [BATCH] * 4


@every_sampler
def test_limits_are_constraints_that_say_by_how_much(
    tmp_path: Path, sampler: str, score: Score
) -> None:
    limits = {"latency_ms": 8.0, "size_bytes": 70.0}
    path = tmp_path / "journal"
    batches = searched(path, plan(sampler, limits=limits), score)
    found = {a.key: score(a).scored.values for a in itertools.chain(*batches)}
    for _, _, _, values, attributes, constraints in told(path):
        mine = found[attributes["key"]]
        assert values == [mine["error"], mine["latency_ms"]]
        wanted = {name: mine[name] / limit - 1 for name, limit in limits.items()}
        assert constraints == {"failed": 0.0, **wanted}


@every_sampler
def test_known_ones_come_first_in_their_order_and_carry_their_names(
    tmp_path: Path, sampler: str, score: Score
) -> None:
    """However many there are: those that find no room in the first batch come in the next."""
    known = known_genomes(LARGE)
    first = tuple((genome, name) for name, genome in known.items())
    assert len(first) > BATCH
    rng = Random(0)
    more = [(LARGE.sample(rng), "") for _ in range(5)]
    repeated = (*first, first[0], *more, *more[:2])
    batches = searched(tmp_path / "journal", plan(sampler, first=repeated), score)
    every = [*itertools.chain(*batches)]
    wanted = [LARGE.decode(genome).key for genome, _ in (*first, *more)]
    assert [asked.key for asked in every][: len(wanted)] == wanted
    assert [asked.known for asked in every] == [*known] + [""] * (len(every) - len(known))


def test_the_front_of_one_objective_is_found_too(tmp_path: Path, score: Score) -> None:
    for sampler in SAMPLERS:
        batches = searched(tmp_path / sampler, plan(sampler, objectives=("error",)), score)
        assert sum(map(len, batches)) == 4 * BATCH


def test_a_sampler_learns_from_what_it_is_told(tmp_path: Path, score: Score) -> None:
    """Where every block should have few bases, the later batches have fewer than the first."""

    def small(asked: Asked) -> Trial:
        bases = sum(float(c) for c in asked.arch if c.isdecimal())
        return Trial(asked, Scored(values={"error": bases, "latency_ms": bases}))

    for sampler in set(SAMPLERS) - {"random"}:
        how = plan(sampler, SPACES["groupnet"](find_backbone("resnet20")), batch=10)
        batches = searched(tmp_path / sampler, how, small, 8)
        early, *_, late = (
            sum(small(a).scored.values["error"] for a in batch) / len(batch) for batch in batches
        )
        assert late < 0.75 * early, sampler


def test_a_neighbour_is_near_and_seldom_means_the_same(dozen: Space) -> None:
    rng, genome = Random(0), (0, 0, 1, 0)
    others = [neighbour(dozen, [genome], rng) for _ in range(200)]
    changed = [sum(a != b for a, b in zip(genome, other, strict=True)) for other in others]
    assert sum(changed) / len(changed) < 2
    assert sum(dozen.decode(other) == dozen.decode(genome) for other in others) < 30


def test_a_batch_is_told_before_the_next_is_asked(tmp_path: Path) -> None:
    study = Study(plan(), tmp_path / "journal")
    study.ask()
    with pytest.raises(AssertionError, match="has not been told"):
        study.ask()


def test_a_journal_without_its_scores_is_an_error(tmp_path: Path, score: Score) -> None:
    path = tmp_path / "journal"
    first, *_ = searched(path, plan(), score, 2)
    study = Study(plan(), path)
    with pytest.raises(ValueError, match=r"has 12 architectures.* 6 have a score"):
        study.recall([score(asked) for asked in first])


def test_what_was_recalled_is_the_front_that_was_told(tmp_path: Path, score: Score) -> None:
    path = tmp_path / "journal"
    study, scores = Study(plan(), path), Scores()
    for _ in range(3):
        step(study, scores, score)
    extra = replace(next(iter(scores.values())).asked, key="scored, not told", number=99)
    again = Study(plan(), path)
    again.recall([*scores.values(), score(extra)])
    assert again.trials == study.trials
    assert front(again.trials, plan().columns, {}) == front(study.trials, plan().columns, {})


def test_the_last_batch_is_no_longer_than_what_is_wanted(tmp_path: Path, score: Score) -> None:
    """And has the first of those that it would have had: more may be wanted later."""
    short, whole = (Study(plan(most=most), tmp_path / f"{most}") for most in (9, None))
    batches: list[list[list[str]]] = []
    for study in (short, whole):
        asked = []
        for _ in range(2):
            batch = study.ask()
            study.tell({one.key: score(one) for one in batch})
            asked.append([one.key for one in batch])
        batches.append(asked)
    assert [len(batch) for batch in batches[0]] == [6, 3]
    assert batches[0] == [batches[1][0], batches[1][1][:3]]
    assert short.ask() == []
