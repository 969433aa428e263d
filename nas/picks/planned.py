"""What is to be retrained: for each pick the training, where it begins, and the folder it gets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kernels.machine import usable_cores
from nas.phases.existing import asked_of
from nas.phases.learning import supernet_home
from nas.phases.profiling import elsewhere, read_latency
from nas.phases.work import of_images
from nas.picks import chosen
from nas.picks.asked import Retrain
from nas.picks.chosen import Pick
from nas.picks.retraining import Retraining
from nas.runs.homes import ASKED
from nas.runs.run import Run, read_json, same_images
from nas.runs.settings import USUAL, Settings, Usual
from nas.times.latency import Latency
from reports.run import read
from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.known import KNOWN, find_arch
from search_spaces.planner import plan
from search_spaces.text import parse, to_text
from trainers.asked import Asked
from trainers.data.sets import check_test, load
from trainers.job import usual_backbone
from trainers.starting import Start


def planned(asked: Retrain) -> list[Retraining]:
    """A value for each that is asked for, once, with the folder it gets."""
    if asked.run is None:
        return [_without_a_run(asked)]
    search = asked_of(asked.run)
    tables = read(asked.run)
    found = (
        chosen.all_of(tables) if asked.all else [chosen.find(tables, w) for w in asked.pick or []]
    )
    once = {pick.arch.key: pick for pick in found}
    return _of_a_run(asked, asked.run, search, [*once.values()])


def _of_a_run(
    asked: Retrain, run: Path, search: Settings, found: Sequence[Pick]
) -> list[Retraining]:
    folder = asked.data_dir or search.data_dir
    _check_images(Run(run), folder)
    latency = read_latency(Run(run)) if Run(run).has("latency.json") else None
    start = _start(asked, search) if asked.from_ == "supernet" else None
    here = elsewhere(Run(run), search.threads) is None
    training = _training(asked, search.data, folder, len(found))
    training = replace(training, recipe=asked.recipe or search.recipe or search.usual.recipe)
    made = []
    for pick in found:
        home = _home(run / "picks", pick.arch.key, asked.seed).absolute()
        predicted = pick.predicted_ms
        if predicted is None and latency is not None:
            predicted = _predicted(pick.arch, Run(run).about["data"], latency)
        made.append(
            Retraining(
                home=home,
                arch=to_text(pick.arch),
                training=replace(training, home=home),
                start=start,
                teacher=asked.teacher and asked.teacher.absolute(),
                known=pick.name,
                accuracy=pick.accuracy,
                predicted_ms=predicted,
                program_threads=search.threads if here else None,
            )
        )
    return made


def _check_images(run: Run, folder: Path | None) -> None:
    """What is trained now on all images is compared with what the search saw of the same ones."""
    data = run.about["data"]
    if "split" in data:  # older runs do not say it
        now = load(data["name"], folder, seed=data["split"], held_out=data["held_out"])
        same_images(run, of_images(now), "--data-dir names a folder that has them")


def foreign(run: Path | None, every: Sequence[Retraining]) -> list[str]:
    """A line for each that is on another backbone than the run's; it is trained all the same.

    Known ones bring variants of it, and are there to be compared with.
    """
    if run is None:
        return []
    backbone = str(Run(run).about["space"]["backbone"])
    return [
        f"{one.arch}: not on the run's backbone ({backbone}): more than its structure differs"
        for one in every
        if not one.known and parse(one.arch).backbone != backbone
    ]


def _without_a_run(asked: Retrain) -> Retraining:
    assert asked.arch is not None
    assert asked.data is not None
    assert asked.out is not None
    known = asked.arch if asked.arch in KNOWN else None
    arch = find_arch(asked.arch, usual_backbone(asked.data) if known else None)
    training = _training(asked, asked.data, asked.data_dir, 1)
    usual = USUAL.get(asked.data, Usual()).recipe
    home = asked.out.absolute()
    return Retraining(
        home=home,
        arch=to_text(arch),
        training=replace(training, recipe=asked.recipe or usual, home=home),
        teacher=asked.teacher and asked.teacher.absolute(),
        known=known,
    )


def _training(asked: Retrain, data: str, data_dir: Path | None, count: int) -> Asked:
    """On all images that there are to train with: nothing is left to choose by them. Where those to
    test with are missing, that is said now."""
    check_test(data, data_dir)
    return Asked(
        data=data,
        data_dir=data_dir and data_dir.absolute(),
        held_out=0.0,
        recipe=asked.recipe or "fast",
        epochs=asked.epochs,
        seed=asked.seed,
        device=asked.device,
        precision=asked.precision,
        threads=asked.threads or (1 if count > 1 else usable_cores()),
    )


def _home(every: Path, key: str, seed: int) -> Path:
    """KEY for the first seed that was asked for, KEY-sSEED for others."""
    first = every / key
    if not (first / ASKED).exists() or read_json(first / ASKED)["seed"] == seed:
        return first
    return every / f"{key}-s{seed}"


def _start(asked: Retrain, search: Settings) -> Start:
    assert asked.run is not None
    home = supernet_home(search.supernet or asked.run)
    backbone = str(Run(asked.run).about["space"]["backbone"])
    return Start(home=home.absolute(), space=search.space, backbone=backbone)


def _predicted(arch: Arch, data: Mapping[str, Any], latency: Latency) -> float | None:
    height, width, channels = data["shape"]
    sizes = {"height": height, "width": width, "channels": channels}
    backbone = replace(find_backbone(arch.backbone), **sizes, classes=len(data["classes"]))
    unrolled = plan(arch, backbone)
    return None if latency.missing(unrolled) else latency.predict_ns(unrolled) / 1e6


def noted(asked: Retrain, one: Retraining) -> dict[str, Any]:
    """What makes it this training and no other; device and threads may change on the way."""
    start = one.began
    if one.start is not None:
        weights = (one.start.home / "model.safetensors").read_bytes()
        start = f"supernet {hashlib.sha256(weights).hexdigest()[:12]}"
    return {
        "arch": one.arch,
        "data": one.training.data,
        "recipe": one.training.recipe,
        "epochs": one.training.epochs,
        "from": start,
        "seed": one.training.seed,
        "teacher": None if one.teacher is None else str(one.teacher),
        "precision": one.training.precision,
        "training-workers": asked.training_workers,
    }
