"""The sample of a fidelity study: what predicts its accuracies, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from nas.console.screen import Bar
from nas.phases.learning import home_of
from nas.phases.profiling import latency_of
from nas.phases.work import Work, training
from nas.picks.product import RESULT, schedule
from nas.ranks.agreement import (
    RESAMPLES,
    Ranked,
    bootstrapped,
    equal_bands,
    spearman,
    tau,
    tau_within,
    top_third,
)
from nas.ranks.asked import Fidelity
from nas.ranks.standalone import Standalone
from nas.ranks.strata import sample
from nas.runs.run import read_json
from nas.study.corrected import Facts, facts, fitted, left_out
from nas.study.records import read
from search_spaces.arch import Arch
from search_spaces.cost import cost
from search_spaces.text import to_text
from trainers.candidates import Candidates, arrays

FREE = {"bases": "number of bases", "ops": "operations", "predicted_ms": "predicted time"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """An architecture, its accuracy with the supernet's weights, and what costs nothing."""

    arch: Arch
    supernet: float
    bases: int
    ops: float
    predicted_ms: float

    @property
    def facts(self) -> Facts:
        return facts(self.arch, self.supernet, self.predicted_ms)


def sampled(work: Work, count: int, seed: int, bar: Bar) -> list[Sampled]:
    """Scores of the search where it scored them; the others are scored now, in the same way. A
    search with `--corrected` has none: its accuracies are not the supernet's."""
    latency = latency_of(work)
    chosen = sample(work.space, lambda arch: latency.predict_ns(work.plan(arch)), count, seed)
    scores = [] if work.asked.corrected else read(work.run.home / "scores.jsonl")
    known = {trial.asked.key: trial for trial in scores}
    candidates: Candidates | None = None
    found = []
    for n, arch in enumerate(chosen, 1):
        trial = known.get(arch.key)
        if trial is None or trial.scored.failed:
            if candidates is None:
                weights = arrays(home_of(work))
                candidates = Candidates(work.space, work.job, weights, work.asked.tune_steps)
            error = 1 - candidates.score(arch).share
        else:
            error = trial.scored.values["error"]
        planned = work.plan(arch)
        found.append(
            Sampled(
                arch=arch,
                supernet=1 - error,  # equal ones stay equal, whoever scored them
                bases=bases(arch),
                ops=cost(planned).ops,
                predicted_ms=latency.predict_ns(planned) / 1e6,
            )
        )
        bar.at(n, count, f"{n} of {count} scored in the supernet")
        work.check()
    return found


def bases(arch: Arch) -> int:
    """Binary bases of all blocks together; of ABC-Net, those of weights times activations."""
    return sum(group.blocks * group.bases * group.activations for group in arch.groups)


def trainings(work: Work, asked: Fidelity, of: Sequence[Sampled]) -> list[Standalone]:
    """Of each architecture one with each seed: the images of the supernet, split as there.

    The supernet's own seed is none of them: first weights and batches would be those that it had.
    """
    search = training(work.asked, work.seed)
    length = asked.epochs if asked.recipe or asked.epochs else search.epochs
    seeds = [seed for seed in range(asked.seeds + 1) if seed != work.seed][: asked.seeds]
    made = []
    for one in of:
        for seed in seeds:
            home = (work.run.home / "fidelity" / f"{one.arch.key}-s{seed}").absolute()
            given = {
                **asdict(search),
                "data_dir": search.data_dir and search.data_dir.absolute(),
                "recipe": asked.recipe or search.recipe,
                "epochs": length,
                "seed": seed,
                "split": work.seed,
                "threads": asked.threads,
                "home": home,
            }
            one_training = type(search)(**given)
            made.append(Standalone(home=home, arch=to_text(one.arch), training=one_training))
    return made


def described(every: Sequence[Standalone]) -> str:
    job = every[0].training.job()
    return f"{len(every)} trainings by {job.recipe.name}: {schedule(job)}"


def ranking(of: Sequence[Sampled], every: Sequence[Standalone], asked: Fidelity) -> dict[str, Any]:
    """What fidelity.json says. All is held against the first training of each."""
    results = [read_json(one.home / RESULT) for one in every]
    alone = np.array([one["accuracy"] for one in results]).reshape(len(of), asked.seeds)
    target, supernet = alone[:, 0].tolist(), [one.supernet for one in of]
    times = [one.predicted_ms for one in of]
    bands, seed = equal_bands(times), asked.seed
    top = top_third(target)
    job = every[0].training.job()
    rows, means = [one.facts for one in of], alone.mean(axis=1).tolist()
    corrected = left_out(rows, means)
    predictors = [
        {"name": name, **_said(tau([getattr(one, field) for one in of], target, seed))}
        for field, name in FREE.items()
    ]
    return {
        "archs": [
            {
                "key": one.arch.key, "arch": to_text(one.arch), "supernet": one.supernet,
                "standalone": target[n], "seeds": alone[n].tolist(), "bases": one.bases,
                "ops": one.ops, "predicted_ms": one.predicted_ms, "band": bands[n],
                "corrected": corrected[n],
            }
            for n, one in enumerate(of)
        ],
        **_flat("tau", tau(supernet, target, seed)),
        **_flat("spearman", spearman(supernet, target, seed)),
        "top_third": _flat("tau", tau([supernet[n] for n in top], [target[n] for n in top], seed)),
        "bands": {"count": max(bands) + 1, **_said(tau_within(bands, supernet, target, seed))},
        "corrected": {
            **_said(tau(corrected, target, seed)),
            "bands": _said(tau_within(bands, corrected, target, seed)),
        },
        "correction": asdict(fitted(rows, means)),
        "predictors": predictors,
        "ceiling": _said(ceiling(alone, seed)) if asked.seeds > 1 else None,
        "recipe": job.recipe.name, "schedule": schedule(job), "images": results[0]["count"],
        "seconds": sum(one["seconds"] for one in results), "resamples": RESAMPLES,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip


def ceiling(alone: NDArray[np.float64], seed: int) -> Ranked:
    """Tau between two trainings of the same architectures, a mean over all pairs of seeds."""
    from scipy.stats import kendalltau

    pairs = [*combinations(range(alone.shape[1]), 2)]

    def mean(some: NDArray[np.int64]) -> float:
        drawn = alone[some]
        found = [kendalltau(drawn[:, a], drawn[:, b]).statistic for a, b in pairs]
        return float(np.mean(found))

    return bootstrapped(mean, len(alone), seed)


def _said(found: Ranked) -> dict[str, float | None]:
    return {"tau": found.value, "low": found.low, "high": found.high}


def _flat(name: str, found: Ranked) -> dict[str, float | None]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def table(found: dict[str, Any]) -> Table:
    """What ranks how well, the supernet first and the ceiling last."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    made.add_column("what ranks them")
    for name in ("tau", "from", "to"):
        made.add_column(name, justify="right")
    top, bands, most = found["top_third"], found["bands"], found["ceiling"]
    corrected, count = found["corrected"], bands["count"]
    within = f"in {count} {'band' if count == 1 else 'bands'} of equal time"
    rows = [
        ("supernet", found["tau"], found["tau_low"], found["tau_high"]),
        ("supernet, best third", top["tau"], top["tau_low"], top["tau_high"]),
        (f"supernet, {within}", *_three(bands)),
        ("supernet, each corrected by the others", *_three(corrected)),
        (f"so corrected, {within}", *_three(corrected["bands"])),
        *((one["name"], *_three(one)) for one in found["predictors"]),
        *([("another training, the ceiling", *_three(most))] if most else []),
    ]
    for name, *numbers in rows:
        made.add_row(name, *("" if one is None else f"{one:.2f}" for one in numbers))
    return made


def _three(of: dict[str, Any]) -> tuple[float | None, ...]:
    return of["tau"], of["low"], of["high"]
