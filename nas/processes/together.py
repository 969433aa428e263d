"""A training that several processes share: Ray Train starts them and starts them again.

Gradients summed over processes are not, to the last bit, those of one: how many train belongs to
what was asked. The checkpoint is the one that a single process writes too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nas.console.screen import Bar
from nas.processes.board import Telling, new_board, watched
from nas.processes.cluster import ray_cluster
from trainers.learning import ranks
from trainers.learning.train import Progress

RESTARTS = 2
Learns = Callable[[dict[str, Any]], None]  # in each process; config["board"] is where it tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """How many processes, of which cluster, and what is seen of them."""

    workers: int
    address: str | None = None
    cuda: bool = False
    verbose: bool = False
    bar: Bar
    stopped: Callable[[], bool]


def together(learns: Learns, config: Mapping[str, Any], how: Together) -> None:
    """Until all of it is learnt, or it was stopped."""
    with ray_cluster(how.workers + 1, how.address, how.verbose) as scratch:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        board = new_board()
        trainer = TorchTrainer(
            learns,
            train_loop_config={**config, "board": board},
            scaling_config=ScalingConfig(num_workers=how.workers, use_gpu=how.cuda),
            run_config=RunConfig(
                name="training",
                storage_path=str(scratch / "train"),
                failure_config=FailureConfig(max_failures=RESTARTS),
            ),
        )

        def show(last: Mapping[str, dict[str, Any]]) -> None:
            for at in last.values():
                text = f"step {at['step']:,} of {at['steps']:,}, loss {at['loss']:.3f}"
                how.bar.at(at["step"], at["steps"], text)

        watched(trainer.fit, board, show, how.stopped)


def shareable(batch: int, workers: int) -> None:
    if batch % workers:
        raise ValueError(f"batches of {batch} cannot be shared evenly by {workers} processes")


def told(steps: Iterator[Progress], board: Any, each: Callable[[Progress], object]) -> None:
    """In each of the processes, which are one group already. The first tells, all of them stop."""
    telling = Telling(board, "training")
    for at in steps:
        stop = False
        if ranks.rank() == 0:
            each(at)
            stop = telling(at)
        if ranks.any_of(stop):
            steps.close()  # type: ignore[attr-defined]
            return
