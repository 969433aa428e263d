"""A search that is killed again and again, beside one that is left alone: are they the same?

    python tests/nas/kills.py 20

Each time the whole process group gets SIGKILL, at a random moment of a phase, of all phases in
turn; then the same command goes on. The unbroken one uses the profile of the other. `test_kills.py`
does a few, at random moments after the start.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import pandas

SMALL = ("--backbone", "digits+w0.25", "--epochs", "3", "--trials", "40", "--batch", "10")
TIMES = ("seconds", "at_seconds")
# Each phase, and within how many seconds of it: from the start of the process where it goes on.
PHASES = {"profile": 25.0, "supernet": 20.0, "explore": 14.0, "measure": 12.0}
MEASURED = ("measured_ms", "spread_ms", "trusted", "on_measured")


def command(run: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "nas.search", "--run", str(run), *SMALL, *more]


def killed(run: Path, kills: int, rng: Random, longest: float, *more: str) -> Counter[str]:
    """In which phases it was killed. Then it is left to end."""
    hit: Counter[str] = Counter()
    for _ in range(kills):
        log = run.parent / "killed.log"
        with log.open("a") as out:
            process = subprocess.Popen(
                command(run, *more), start_new_session=True, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            process.wait(rng.uniform(1, longest))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            hit[phase_of(run)] += 1
        else:
            assert process.returncode == 0, log.read_text()[-3000:]
            hit["ended before"] += 1
    left_alone(command(run, *more))
    return hit


def killed_in_all_phases(run: Path, kills: int, rng: Random) -> Counter[str]:
    """As many in each phase, one after the other. Then it is left to end."""
    hit: Counter[str] = Counter()
    order = [*PHASES]
    for n in range(kills):
        phase = order[n * len(order) // kills]
        with (run.parent / "killed.log").open("a") as out:
            process = subprocess.Popen(
                command(run), start_new_session=True, stdout=out, stderr=subprocess.STDOUT
            )
        while process.poll() is None and order.index(reached(run)) < order.index(phase):
            time.sleep(0.1)
        try:
            process.wait(rng.uniform(1, PHASES[phase]))
        except subprocess.TimeoutExpired:
            hit[phase_of(run)] += 1
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        else:
            assert process.returncode == 0, (run.parent / "killed.log").read_text()[-3000:]
            hit["ended before"] += 1
    left_alone(command(run))
    return hit


def reached(run: Path) -> str:
    phase = phase_of(run)
    return phase if phase in PHASES else "measure"


def left_alone(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def phase_of(run: Path) -> str:
    """The first that is not done."""
    phases = run / "phases.json"
    done = pandas.read_json(phases).query("done")["phase"].tolist() if phases.exists() else []
    names = ("profile", "supernet", "explore", "measure", "report")
    return next((name for name in names if name not in done), "after the last")


def same(killed_run: Path, whole: Path) -> None:
    """Trials in their order, what the sampler was told, the weights, the front. Not the seconds."""
    for name, without in (("trials.csv", TIMES), ("front.csv", MEASURED)):
        one, other = (
            pandas.read_csv(run / name).drop(columns=[*without]) for run in (killed_run, whole)
        )
        pandas.testing.assert_frame_equal(one, other)
    assert told(killed_run) == told(whole)
    weights = [(run / "supernet" / "model.safetensors").read_bytes() for run in (killed_run, whole)]
    assert weights[0] == weights[1]


def told(run: Path) -> list[tuple[object, ...]]:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(run / "study.journal")))
    study = optuna.load_study(study_name="search", storage=storage)
    return [(t.number, t.state, t.params, t.values, t.user_attrs) for t in study.get_trials()]


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    home = Path(tempfile.mkdtemp(prefix="kills-"))
    begun = time.monotonic()
    hit = killed_in_all_phases(home / "killed", kills, Random(seed))
    print(f"{kills} kills in {time.monotonic() - begun:.0f} s: {dict(hit)}", flush=True)
    profile = home / "killed" / "profile.json"
    left_alone(command(home / "whole", "--profile", str(profile)))
    same(home / "killed", home / "whole")
    print("trials, order, weights and front are those of the unbroken run")
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
