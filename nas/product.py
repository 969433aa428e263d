"""From a trained network to what is handed over: weights, the packed file, and what it is worth.

What was searched, retrained and packed are three accuracies; predicted and measured two times.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels import files, model
from kernels.engine import Engine
from kernels.timing import Timing
from nas.homes import Losses
from nas.judging import decided, part_to_test
from nas.whole import timed
from search_spaces.arch import to_json
from search_spaces.cost import cost
from search_spaces.text import parse, to_text
from trainers import decided as trained_network
from trainers.export import about, packed
from trainers.job import TRAINING, Job, kept, put, trained
from trainers.network import Network
from trainers.recipes import describe

if TYPE_CHECKING:
    from nas.retraining import Retraining

RESULT, PACKED, WEIGHTS = "result.json", "model.bnn", "model.safetensors"
APART = 0.01  # of the decisions; where more differ, something is wrong with us


def made(of: Retraining, net: Network, job: Job, losses: Losses) -> None:
    """Leaves all files of a pick, result.json the last of them. Here the test split is opened."""
    home, arch = of.home, parse(of.arch)
    test = part_to_test(job.data.name, of.training.data_dir, job.data.classes, str(home))
    labels = test.images.labels
    theirs = trained_network.decided(net.cpu(), job.task, test.images)
    right, count = int((theirs == labels).sum()), len(labels)
    seconds = losses.seconds
    files.replace(home / "arch.json", to_json(arch) + "\n")
    scores = {"test": {"correct": right, "count": count}, "seconds": seconds}
    kept(home, arch, net, job, scores, TRAINING)
    found = trained(home)  # what is packed is what lies there
    engine = Engine(packed(found.network, found.task), threads=of.program_threads or 1)
    ours = decided(engine, test.images)
    apart = int((ours != theirs).sum())
    if apart > APART * count:
        raise ValueError(
            f"{home / PACKED} is not written: it decides otherwise than its network on {apart} of "
            f"{count:,} images. This is a defect of ours"
        )
    model.save(engine.program, home / PACKED, about(found))
    losses.by_epoch(len(job.data.train) / job.recipe.batch)
    took = measured(engine) if of.program_threads else None
    planned = cost(found.network.plan)
    put(home / RESULT, {
        "arch": to_text(arch), "key": arch.key, "known": of.known, "data": job.data.name,
        "seed": job.seed, "start": of.began, "recipe": job.recipe.name,
        "schedule": schedule(job), "seconds": seconds,
        "search": None if of.accuracy is None else {"accuracy": of.accuracy},
        "retrained": {"accuracy": right / count, "count": count},
        "packed": {"accuracy": float(np.mean(ours == labels)), "count": count, "decisions": apart},
        "predicted_ms": of.predicted_ms, **times(took),
        "memory_bytes": planned.peak_bytes,
        "size_bytes": (planned.weight_bits + planned.constant_bits) / 8,
        "file_bytes": (home / PACKED).stat().st_size,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    })  # fmt: skip
    losses.drop()
    (home / "checkpoint.pt").unlink(missing_ok=True)


def measured(engine: Engine) -> Timing:
    """As the front of a search is measured, with nothing else of ours running."""
    *_, found = timed({"it": engine})
    return found["it"]


def times(took: Timing | None) -> dict[str, Any]:
    if took is None:
        return {"measured_ms": None, "spread_ms": None, "trusted": None}
    return {
        "measured_ms": took.median_ns / 1e6,
        "spread_ms": took.spread_ns / 1e6,
        "trusted": took.trusted,
    }


def schedule(job: Job) -> str:
    """In a line, without the recipe's name."""
    said = describe(job.recipe, len(job.data.train)).removeprefix(f"{job.recipe.name}: ")
    return "; ".join(line.strip() for line in said.splitlines())


def packed_of(home: Path) -> Path:
    """The packed file of a pick, or an error that says how it is made."""
    if not (home / PACKED).exists():
        run, key = home.parents[1], home.name.partition("-s")[0]
        raise ValueError(
            f"{home.name} is not retrained yet; `python -m nas.retrain {run} --pick {key}` does it"
        )
    return home / PACKED
