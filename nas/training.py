"""A supernet that several processes train together: Ray Train starts them and starts them again.

Gradients summed over processes are not, to the last bit, those of one: how many train belongs to
what a run was asked. The checkpoint is the one that a single process writes too.
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nas.cluster import ray_cluster
from nas.learning import kept, sampling, watched
from nas.work import Work, training
from trainers import ranks
from trainers.asked import Asked, space_for
from trainers.job import new_supernet, train_supernet
from trainers.sandwich import Sampling
from trainers.train import Progress

LOOK = 0.3  # seconds between two looks at where they are
RESTARTS = 2


class Board:
    """Where the processes say how far they are, and are told to stop."""

    def __init__(self) -> None:
        self._last: dict[str, Any] | None = None
        self._stop = False

    def at(self, progress: dict[str, Any]) -> bool:
        self._last = progress
        return self._stop

    def last(self) -> dict[str, Any] | None:
        return self._last

    def stop(self) -> None:
        self._stop = True


def trained_together(work: Work, home: Path) -> None:
    workers = work.asked.training_workers
    if work.job.recipe.batch % workers:
        raise ValueError(
            f"batches of {work.job.recipe.batch} cannot be shared evenly by {workers} processes"
        )
    with ray_cluster(workers + 1, work.asked.address, work.asked.verbose) as scratch:
        import ray
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        board = ray.remote(num_cpus=0)(Board).remote()
        asked = training(work.asked, work.seed, home.absolute())
        trainer = TorchTrainer(
            _learns,
            train_loop_config={
                "training": replace(asked, threads=None if work.asked.address else 1),
                "space": work.asked.space,
                "backbone": work.backbone,
                "sampling": sampling(work),
                "board": board,
            },
            scaling_config=ScalingConfig(
                num_workers=workers, use_gpu=work.asked.device.startswith("cuda")
            ),
            run_config=RunConfig(
                name="supernet",
                storage_path=str(scratch / "train"),
                failure_config=FailureConfig(max_failures=RESTARTS),
            ),
        )
        _watched(work, trainer, board)
    work.check()
    # Nothing is left to learn: the checkpoint of the last step gives the weights.
    net, drawn = new_supernet(work.space, work.job, sampling(work))
    watched(work, train_supernet(net, drawn, work.job))
    kept(work, net, drawn, None)


def _watched(work: Work, trainer: Any, board: Any) -> None:
    import ray

    failed: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=fit, daemon=True)
    thread.start()
    with work.screen.bar("supernet") as bar:
        while thread.is_alive():
            time.sleep(LOOK)
            last = ray.get(board.last.remote())
            if last is not None:
                text = f"step {last['step']:,} of {last['steps']:,}, loss {last['loss']:.3f}"
                bar.at(last["step"], last["steps"], text)
            if work.stopped():
                board.stop.remote()
    if failed and not work.stopped():
        raise ValueError(f"the processes that train together failed: {failed[0]}")


def _learns(config: dict[str, Any]) -> None:
    """In each of the processes, which are one group already."""
    import ray

    asked: Asked = config["training"]
    how: Sampling = config["sampling"]
    job = asked.job()
    net, drawn = new_supernet(space_for(config["space"], config["backbone"], job), job, how)
    steps = train_supernet(net, drawn, job)
    for at in steps:
        stop = ranks.rank() == 0 and ray.get(config["board"].at.remote(asdict(at)))
        if ranks.any_of(stop):
            steps.close()
            return
        _note(job.home, at)


def _note(home: Path | None, at: Progress) -> None:
    """What the last step came to, for who writes the weights down."""
    if at.step == at.steps and ranks.rank() == 0 and home is not None:
        from trainers.job import put

        put(home / "last.json", {"steps": at.steps, "seconds": at.spent, "loss": at.loss})
