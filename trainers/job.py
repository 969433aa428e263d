"""A training, put together: what is learnt, from which images, by which recipe, kept where."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from search_spaces.arch import Arch
from search_spaces.backbone import Backbone
from search_spaces.backbones import find_backbone
from search_spaces.space import Space
from search_spaces.text import parse, to_text
from trainers.data.images import Images, digest
from trainers.data.sets import DataSet
from trainers.learning.calibrate import calibrate, calibration_set
from trainers.learning.checkpoint import load, load_weights, save_weights
from trainers.learning.checkpoint import replace as write
from trainers.learning.objective import Single
from trainers.learning.recipe import Recipe, from_json, to_json
from trainers.learning.sandwich import Drawn, Sampling, Sandwich
from trainers.learning.score import Score, score
from trainers.learning.state import Keep
from trainers.learning.task import Classification, Task
from trainers.learning.train import Precision, Progress, train
from trainers.networks.binarizers import binarizer
from trainers.networks.network import Network, network
from trainers.networks.supernet import Supernet

Scores = dict[str, Any]
CPU = torch.device("cpu")
TRAINING = "training.json"  # where result.json is for people: how a pick of a run was trained
FORGOTTEN = 0.01  # of the running statistics, that may be what they began with
CALIBRATED_ON = 2_000  # training images, unless there are fewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every training of one data set by one recipe shares. `home`: None keeps nothing."""

    data: DataSet
    recipe: Recipe
    seed: int = 0
    home: Path | None = None
    device: torch.device = CPU
    precision: Precision = Precision.FLOAT32

    @property
    def task(self) -> Task:
        return Classification(self.data.mean, self.data.std)

    def keep(self, what: str, teacher: Network | None) -> Keep:
        of = {
            "what": what,
            "data": f"{self.data.name} ({self.data.digest})",
            "precision": str(self.precision),
            "teacher": "none" if teacher is None else digest(*_bytes(teacher)),
        }
        file = None if self.home is None else self.home / "checkpoint.pt"
        return Keep(seed=self.seed, of=of, file=file)


def usual_backbone(data: str) -> str:
    """What a known architecture is of, where nobody says."""
    return {"digits": "digits", "mnist": "resnet8", "fashion-mnist": "resnet8"}.get(
        data, "resnet20"
    )


def fitted(backbone: Backbone, data: DataSet) -> Backbone:
    """The backbone for images and classes of this data set."""
    height, width, channels = data.train.shape
    classes = len(data.classes)
    return replace(backbone, height=height, width=width, channels=channels, classes=classes)


def suited(recipe: Recipe, data: str) -> Recipe:
    """Without flips, where the data set is of written signs: a flipped 2 is no 2."""
    if data not in ("digits", "mnist") or "flip" not in recipe.augmentation:
        return recipe
    left = tuple(name for name in recipe.augmentation if name != "flip")
    return replace(recipe, name=f"{recipe.name} without flips", augmentation=left)


def fresh(arch: Arch, job: Job) -> Network:
    if arch.task != job.task.name:
        raise ValueError(f"{arch.task!r} cannot be trained yet; {job.task.name!r} can")
    backbone = fitted(find_backbone(arch.backbone), job.data)
    net = network(arch, backbone, binarizer(job.recipe.binarizer), seed=job.seed)
    return net.to(job.device)


def train_one(
    arch: Arch, net: Network, job: Job, teacher: Network | None = None
) -> Generator[Progress]:
    """`net` in place. At the end its norms are calibrated where the statistics that they ran up are
    not of its weights: those were averaged, or there were too few steps to forget the beginning."""
    objective = Single(net, job.task, job.recipe, teacher)
    keep = job.keep(arch.key, teacher)
    yield from train(objective, job.task, job.data.train, job.recipe, keep, job.precision)
    begun_with = (1 - job.recipe.statistics) ** job.recipe.steps(len(job.data.train))
    if job.recipe.average or begun_with > FORGOTTEN:
        recalibrated(net, job)


def calibration(job: Job) -> list[NDArray[np.int64]]:
    """Training images that are the same for every candidate, in batches of about 250."""
    count = min(CALIBRATED_ON, len(job.data.train))
    chosen = calibration_set(len(job.data.train), count, job.seed)
    return np.array_split(chosen, max(1, round(count / 250)))


def recalibrated(net: Network, job: Job) -> Network:
    parts = (job.task.prepare(job.data.train.take(part)) for part in calibration(job))
    return calibrate(net, (part.to(job.device) for part in parts))


def kept(
    home: Path, arch: Arch, net: Network, job: Job, scores: Scores, file: str = "result.json"
) -> None:
    """The network with what is needed to have it again, and what it scored, both in `file`."""
    result = {"arch": to_text(arch), "key": arch.key, **said(job), **scores}
    save_weights(home / "model.safetensors", net, {"arch": to_text(arch)})
    put(home / file, result)


def kept_supernet(home: Path, net: Supernet, drawn: Drawn, job: Job, scores: Scores) -> None:
    """Its weights, and which images its candidates are calibrated on."""
    batches = calibration(job)
    result = {
        "space": net.space.name,
        "backbone": net.space.backbone.name,
        "sampling": asdict(drawn.sampling),
        "calibration": {
            "images": sum(map(len, batches)),
            "batches": len(batches),
            "digest": digest(*batches),
        },
        **said(job),
        **scores,
    }
    save_weights(home / "model.safetensors", net, {"space": net.space.name})
    put(home / "result.json", result)


def is_kept(home: Path) -> bool:
    """Not where a training was killed behind its last step: only its checkpoint is there then."""
    return all((home / name).exists() for name in ("model.safetensors", "result.json"))


def spent(home: Path) -> float:
    """The seconds of all steps, as the checkpoint has them."""
    return float(load(home / "checkpoint.pt")["spent"])


def put(file: Path, result: Scores) -> None:
    write(file, [json.dumps(result, indent=1).encode() + b"\n"])


def said(job: Job) -> Scores:
    """What belongs beside every score."""
    return {
        "data": {
            "name": job.data.name,
            "digest": job.data.digest,
            "split": job.data.seed,
            "held_out": job.data.held_out,
            "shape": job.data.train.shape,
            "classes": job.data.classes,
            "mean": job.data.mean,
            "std": job.data.std,
        },
        "recipe": json.loads(to_json(job.recipe)),
        "seed": job.seed,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": str(job.device),
        "precision": str(job.precision),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """`result`: what `file` says, of which all the rest was made."""

    arch: Arch
    network: Network
    task: Classification
    data: str
    result: dict[str, Any]
    file: Path


def trained(home: Path) -> Trained:
    """What `kept` kept, or a pick of a run."""
    file = home / TRAINING if (home / TRAINING).exists() else home / "result.json"
    if not file.exists():
        raise FileNotFoundError(f"no such training: {home} has no {file.name}")
    try:
        result = json.loads(file.read_text())
        arch, data = parse(result["arch"]), result["data"]
        height, width, channels = data["shape"]
        sizes = {"height": height, "width": width, "channels": channels}
        backbone = replace(find_backbone(arch.backbone), **sizes, classes=len(data["classes"]))
        recipe = from_json(json.dumps(result["recipe"]))
        task = Classification(tuple(data["mean"]), tuple(data["std"]))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: not the result of a training: {error!r}") from error
    net = network(arch, backbone, binarizer(recipe.binarizer))
    load_weights(home / "model.safetensors", net)
    return Trained(arch, net, task, data["name"], result, file)


def teacher_of(home: Path, job: Job) -> Network:
    """Trained on the very images that a student may see, and none of those it is chosen by."""
    found = trained(home)
    learnt = found.result["data"]
    theirs = learnt["digest"]
    if theirs != job.data.digest and not len(job.data.selection):
        raise ValueError(
            f"the teacher in {home} learnt from {found.data} ({theirs}); this is all there is to "
            f"learn from in {job.data.name} ({job.data.digest}): retrain a teacher the same way"
        )
    if theirs != job.data.digest:
        split = learnt.get("split", found.result["seed"])
        raise ValueError(
            f"the teacher in {home} learnt from {found.data} ({theirs}), split with seed {split}; "
            f"this is {job.data.name} ({job.data.digest}), split with seed {job.data.seed}: it "
            "would have seen what is held out here"
        )
    return found.network.to(job.device)


def new_supernet(space: Space, job: Job, sampling: Sampling) -> tuple[Supernet, Drawn]:
    steps = job.recipe.steps(len(job.data.train))
    net = Supernet(space, binarizer(job.recipe.binarizer), seed=job.seed)
    return net.to(job.device), Drawn(space, sampling, steps, job.seed)


def train_supernet(
    net: Supernet, drawn: Drawn, job: Job, teacher: Network | None = None
) -> Generator[Progress]:
    objective = Sandwich(net, job.task, job.recipe, drawn, teacher)
    axes = digest(repr((net.space.axes, net.space.backbone)).encode())
    what = f"{net.space.name} on {net.space.backbone.name} ({axes}), {drawn.sampling}"
    keep = job.keep(what, teacher)
    yield from train(objective, job.task, job.data.train, job.recipe, keep, job.precision)


def candidate(supernet: Supernet, arch: Arch, job: Job, images: Images) -> Score:
    """What an architecture is worth, with the weights of the supernet and statistics of its own."""
    net = recalibrated(supernet.extract(arch, copied=False), job)
    return score(net, job.task, images, device=job.device)


def device(name: str) -> torch.device:
    """The one that was asked for, or an error that says what is missing."""
    try:
        found = torch.device(name)
        torch.zeros(1, device=found).item()
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"no device {name!r} here: {str(error).splitlines()[0]}") from error
    return found


def _bytes(module: nn.Module) -> list[bytes]:
    return [t.detach().cpu().numpy().tobytes() for t in module.state_dict().values()]
