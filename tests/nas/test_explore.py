"""Candidates that Ray's processes score: in order, tried again, given up, interrupted.

This file is also the program that is started: `python test_explore.py FOLDER`. Ray is started by
it, twice, for that takes seconds; what came of each scenario is left in the folder.
"""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas
import pytest

import nas.study.actors
from nas.processes.cluster import ray_cluster
from nas.study.actors import Maker, Means, Weights, _Candidate, explore
from nas.study.records import Records
from nas.study.searcher import StudySearcher
from nas.study.study import Plan, Study
from nas.study.trial import Asked, Scored, Trial
from search_spaces.backbones import find_backbone
from search_spaces.spaces import SPACES

PLAN = Plan(
    space=SPACES["groupnet"](find_backbone("digits")),
    objectives=("error", "latency"),
    limits={},
    sampler="nsga2",
    batch=6,
    seed=0,
)
WANTED = 12
FALLS_ONCE, ALWAYS_FALLS, RAISES, IS_NAN = 1, 3, 4, 8  # numbers of candidates
SEEN = {"w": np.arange(1000.0)}


def scored(asked: Asked) -> Scored:
    bases = sum(int(c) for c in asked.arch if c.isdecimal())
    noise = crc32(asked.arch.encode()) / 2**32
    return Scored(values={"error": 1 / (bases + noise), "latency_ms": bases + noise})


def healthy(weights: Weights) -> Callable[[Asked], Scored]:
    return scored


def overtaken(folder: Path, weights: Weights) -> Callable[[Asked], Scored]:
    """The first candidate takes until the second is scored: by another process."""

    def score(asked: Asked) -> Scored:
        if asked.number == 1:
            (folder / "second").touch()
        elif asked.number == 0:
            assert wait_for((folder / "second").exists, 60)
            time.sleep(1)
        return scored(asked)

    return score


def sick(folder: Path, weights: Weights) -> Callable[[Asked], Scored]:
    def score(asked: Asked) -> Scored:
        with (folder / f"tried{asked.number}").open("a") as tries:
            tries.write(".")
        once = folder / "fell once"
        if asked.number == ALWAYS_FALLS or (asked.number == FALLS_ONCE and not once.exists()):
            once.touch() if asked.number == FALLS_ONCE else None
            os._exit(1)
        if asked.number == RAISES:
            raise RuntimeError("no such thing")
        if asked.number == IS_NAN:
            return Scored(values={"error": math.nan, "latency_ms": 1.0})
        with pytest.raises(ValueError, match="read-only"):
            weights["w"][0] = 1.0
        assert (weights["w"] == SEEN["w"]).all()
        return scored(asked)

    return score


def cannot_begin(weights: Weights) -> Callable[[Asked], Scored]:
    raise FileNotFoundError("no images here")


def disk_is_full(weights: Weights) -> Callable[[Asked], Scored]:
    def score(asked: Asked) -> Scored:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return score


def explored(folder: Path, name: str, make: Any, scratch: Path, workers: int) -> None:
    """Leaves the journal and the scores; what was raised is left as text."""
    home = folder / name
    home.mkdir()
    study, records = Study(PLAN, home / "journal"), Records(home / "scores")
    means = Means(workers=workers, scratch=scratch / name)
    told = (lambda study, count: None, lambda: False)
    try:
        enough = explore(study, records, WANTED, make, SEEN, means, *told)
        (home / "said").write_text(str(enough))
    except Exception as error:
        (home / "said").write_text(f"{type(error).__name__}: {error}")


def main(folder: Path) -> None:
    with ray_cluster(1, None, False) as scratch:
        explored(folder, "one", healthy, scratch, 1)
        nas.study.actors.ROUND, usual = 5, nas.study.actors.ROUND  # less than a batch
        explored(folder, "rounds", healthy, scratch, 1)
        nas.study.actors.ROUND = usual
        runs = sorted(run.name for run in (scratch / "rounds").iterdir())
        (folder / "runs of Tune").write_text(", ".join(runs))
    with ray_cluster(2, None, False) as scratch:
        explored(folder, "two", partial(overtaken, folder), scratch, 2)
        explored(folder, "sick", partial(sick, folder / "sick"), scratch, 2)
    (folder / "left").write_text(str(scratch.exists()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explore")
    subprocess.run([sys.executable, __file__, str(path)], check=True, timeout=300)
    return path


def trials(folder: Path, name: str) -> list[Trial]:
    return Records(folder / name / "scores").trials


def tries(folder: Path, number: int) -> int:
    return len((folder / "sick" / f"tried{number}").read_text())


def test_as_many_as_wanted_are_scored_and_nothing_is_left_behind(folder: Path) -> None:
    for name in ("one", "rounds", "two", "sick"):
        assert (folder / name / "said").read_text() == "True"
        assert [t.asked.number for t in trials(folder, name)] == [*range(WANTED)]
    assert (folder / "left").read_text() == "False"


def test_two_processes_try_what_one_tries_in_the_same_order(folder: Path) -> None:
    one, two = trials(folder, "one"), trials(folder, "two")
    assert [t.asked for t in one] == [t.asked for t in two]
    assert [t.scored.values for t in one] == [t.scored.values for t in two]
    assert [t.scored.values for t in one] == [scored(t.asked).values for t in one]
    told = [Study(PLAN, folder / name / "journal") for name in ("one", "two")]
    assert [study.candidates for study in told] == [WANTED, WANTED]
    came_in = [json.loads(line)["asked"]["number"]
               for line in (folder / "two" / "scores").read_text().splitlines()]  # fmt: skip
    assert came_in.index(0) > came_in.index(1)


def test_several_runs_of_tune_try_what_one_tries(folder: Path) -> None:
    assert (folder / "runs of Tune").read_text() == "explore from 0, explore from 6"
    one, rounds = trials(folder, "one"), trials(folder, "rounds")
    assert [t.asked for t in one] == [t.asked for t in rounds]
    assert [t.scored.values for t in one] == [t.scored.values for t in rounds]


def test_a_candidate_whose_process_died_is_tried_again(folder: Path) -> None:
    again = trials(folder, "sick")[FALLS_ONCE]
    assert not again.scored.failed
    assert again.scored.values == scored(again.asked).values
    assert tries(folder, FALLS_ONCE) == 2


def test_one_whose_process_always_dies_is_given_up_and_the_search_goes_on(folder: Path) -> None:
    assert trials(folder, "sick")[ALWAYS_FALLS].scored.note == (
        "its process died each time it was tried"
    )
    assert tries(folder, ALWAYS_FALLS) == 3


def test_one_that_raises_or_is_no_number_has_failed_at_once(folder: Path) -> None:
    found = trials(folder, "sick")
    assert found[RAISES].scored.note == "RuntimeError: no such thing"
    assert found[IS_NAN].scored.note == "error is nan"
    assert found[IS_NAN].scored.seconds > 0
    assert (tries(folder, RAISES), tries(folder, IS_NAN)) == (1, 1)


def test_all_others_are_scored_with_weights_that_none_can_write_to(folder: Path) -> None:
    well = set(range(WANTED)) - {ALWAYS_FALLS, RAISES, IS_NAN}
    found = trials(folder, "sick")
    assert {t.asked.number for t in found if not t.scored.failed} == well


def searcher(
    path: Path, wanted: int = WANTED, stopped: bool = False, at_once: int = 99
) -> StudySearcher:
    study, records = Study(PLAN, path / "journal"), Records(path / "scores")
    study.recall(records.trials)
    told = (lambda study, scored: None, lambda: stopped)
    return StudySearcher(study, records, wanted, *told, at_once)


def done(asked: Asked) -> dict[str, str]:
    return {"scored": json.dumps({"values": dict(scored(asked).values)})}


def test_nobody_is_asked_for_the_next_batch_before_this_one_is_scored(tmp_path: Path) -> None:
    mine = searcher(tmp_path)
    batch = [Asked(**mine.suggest(f"t{n}")["asked"]) for n in range(6)]
    assert [a.batch for a in batch] == [0] * 6
    for n in (5, 3, 1, 0, 2):
        assert mine.suggest("other") is None
        mine.on_trial_complete(f"t{n}", done(batch[n]))
    assert mine.suggest("other") is None
    mine.on_trial_complete("t4", done(batch[4]))
    assert mine.suggest("t6")["asked"]["number"] == 6


def test_no_more_are_on_their_way_than_score_at_once(tmp_path: Path) -> None:
    """Also on a cluster that has room for many more."""
    mine = searcher(tmp_path, at_once=2)
    batch = [Asked(**mine.suggest(f"t{n}")["asked"]) for n in range(2)]
    assert mine.suggest("t2") is None
    mine.on_trial_complete("t0", done(batch[0]))
    assert mine.suggest("t2")["asked"]["number"] == 2
    assert mine.suggest("t3") is None


def test_scores_of_a_search_that_was_killed_are_not_computed_again(tmp_path: Path) -> None:
    mine = searcher(tmp_path)
    batch = [Asked(**mine.suggest(f"t{n}")["asked"]) for n in range(6)]
    for n in (5, 1):
        mine.on_trial_complete(f"t{n}", done(batch[n]))
    again = searcher(tmp_path)
    left = [again.suggest(f"t{n}")["asked"]["number"] for n in range(4)]
    assert left == [0, 2, 3, 4]
    assert again.suggest("t4") is None


@pytest.mark.parametrize("when", ["a batch is told", "a batch is asked"])
def test_a_journal_that_cannot_be_written_ends_the_search_with_that_error(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = searcher(tmp_path)
    batch = [Asked(**mine.suggest(f"t{n}")["asked"]) for n in range(6)]
    for n in range(5):
        mine.on_trial_complete(f"t{n}", done(batch[n]))
    if when == "a batch is asked":  # all of it was scored before
        Records(tmp_path / "scores").add(batch[5], scored(batch[5]))
        mine = searcher(tmp_path)
    (tmp_path / "journal").mkdir()
    if when == "a batch is told":
        mine.on_trial_complete("t5", done(batch[5]))
    assert mine.suggest("next") == StudySearcher.FINISHED
    assert isinstance(mine.failure, IsADirectoryError)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (cannot_begin, "cannot begin: FileNotFoundError: no images here"),
        (disk_is_full, "cannot go on: OSError: [Errno 28] No space left on device"),
    ],
)
def test_what_is_of_no_candidate_ends_the_search(make: Maker, said: str, tmp_path: Path) -> None:
    """Else all candidates would be marked failed, for good."""
    mine = searcher(tmp_path)
    process = object.__new__(_Candidate)
    process.setup(mine.suggest("t"), make, SEEN)
    mine.on_trial_complete("t", process.step())
    assert mine.suggest("next") == StudySearcher.FINISHED
    assert str(mine.failure) == f"the processes that score {said}"
    assert len(Records(tmp_path / "scores")) == 0


def test_who_is_asked_to_stop_hands_out_nothing(tmp_path: Path) -> None:
    assert searcher(tmp_path, stopped=True).suggest("t") == StudySearcher.FINISHED


ENERGY = "def energy(candidate):\n    return candidate.cost.ops * 2.0\n"


def test_ctrl_c_leaves_no_process_and_the_same_command_goes_on(
    tmp_path: Path, op_times: Path
) -> None:
    (tmp_path / "energies.py").write_text(ENERGY)
    words = "--run r --backbone digits+w0.25 --epochs 1 --workers 1 --batch 5 --until explore"
    program = [sys.executable, "-m", "nas.search", *words.split(), "--profile", str(op_times)]
    program += ["--objectives", "error,latency,energies:energy"]
    marked = {**os.environ, "MARKED_BY_TEST": str(tmp_path)}
    scores = tmp_path / "r" / "scores.jsonl"
    process = subprocess.Popen(
        [*program, "--trials", "500"],
        cwd=tmp_path, env=marked, start_new_session=True, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and not (scores.exists() and scores.read_text().count("\n") > 1):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "nas.search: stopped; the same command goes on from here"
    assert wait_for(lambda: not marked_processes(tmp_path), 15), marked_processes(tmp_path)
    kept = scores.read_text()
    assert all(not t.scored.failed for t in Records(scores).trials)
    subprocess.run(
        [*program, "--trials", "7"], cwd=tmp_path, check=True, capture_output=True, timeout=300
    )
    assert scores.read_text().startswith(kept)
    table = pandas.read_csv(tmp_path / "r" / "trials.csv")
    assert table["number"].tolist() == [*range(len(table))]
    assert len(table) == max(10, 5 * math.ceil(kept.count("\n") / 5))
    assert table["key"].is_unique
    assert set(table["status"]) == {"ok"}
    assert (table["energies:energy"] == 2 * table["ops"]).all()
    assert [*(tmp_path / "r").glob(".*")] == []


def marked_processes(mark: Path) -> list[str]:
    """Those that a test has started, and all that they have."""
    found = []
    for home in Path("/proc").glob("[0-9]*"):
        try:
            if f"MARKED_BY_TEST={mark}".encode() in (home / "environ").read_bytes():
                found.append((home / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in found if line]


def wait_for(what: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.2)
    return what()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
