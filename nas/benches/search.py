"""How the search does: what it costs beside the scoring, what it finds beside random search.

    python -m nas.benches.search overhead
    python -m nas.benches.search samplers runs/groupnet-fashion-mnist --trials 300 --seeds 5
    python -m nas.benches.search beside

overhead   Ray, Optuna and our books, of candidates that take no time to score
samplers   searches of one budget on one supernet, that of a run, by hypervolume
beside     medians of whole programs, alone and beside a training that keeps to the gate
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from kernels import machine
from nas.benches.samplers import samplers
from nas.study.trial import Asked, Scored
from search_spaces.spaces import find_space

SIZES = (100, 1000, 5000)


def overhead(args: argparse.Namespace) -> Iterator[str]:
    from nas.processes.cluster import ray_cluster
    from nas.study.actors import Means, explore
    from nas.study.records import Records
    from nas.study.study import Plan, Study

    space = find_space("groupnet", "resnet20")
    for wanted in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            plan = Plan(
                space=space,
                objectives=("error", "latency"),
                limits={},
                sampler=args.sampler,
                batch=20,
                seed=0,
            )
            study = Study(plan, Path(folder) / "study.journal")
            records = Records(Path(folder) / "scores.jsonl")
            begun = time.monotonic()
            with ray_cluster(args.workers, None, False) as scratch:
                means, seen = Means(workers=args.workers, scratch=scratch), _Seen(wanted)
                explore(study, records, wanted, _made_up, {}, means, seen, lambda: False)
                found = seen.said()
            took = time.monotonic() - begun
            yield (
                f"{wanted:6,} candidates: {found}; {took:.1f} s in all, with Ray's start and end: "
                f"{1e3 * took / wanted:.1f} ms each"
            )


def _made_up(weights: object) -> Callable[[Asked], Scored]:
    """Values out of the key, in no time."""

    def score(asked: Asked) -> Scored:
        share = int(hashlib.sha256(asked.key.encode()).hexdigest()[:8], 16) / 2**32
        return Scored(values={"error": share, "latency_ms": sum(asked.genome) + share})

    return score


class _Seen:
    """Milliseconds for each candidate once the actors stand, and memory, over the search."""

    def __init__(self, wanted: int) -> None:
        self._marks = [max(20, wanted * n // 4 // 20 * 20) for n in range(5)]
        self._times: dict[int, tuple[float, int, int]] = {}

    def __call__(self, study: object, scored: int) -> None:
        done = int(study.candidates)  # type: ignore[attr-defined]
        if scored == 0 and done in self._marks:
            self._times[done] = (time.monotonic(), *_megabytes())

    def said(self) -> str:
        rows = sorted(self._times.items())
        pairs = pairwise(rows)
        each = [1e3 * (b[1][0] - a[1][0]) / (b[0] - a[0]) for a, b in pairs]
        driver, worker = ([row[1][n] for row in rows] for n in (1, 2))
        return (
            f"{', '.join(f'{ms:.1f}' for ms in each)} ms each by quarters; MiB by quarters: "
            f"driver {', '.join(map(str, driver))}, worker {', '.join(map(str, worker))}"
        )


def _megabytes() -> tuple[int, int]:
    """Resident memory of this process, and of the largest actor that scores."""
    workers = [0]
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and b"_Candidate" in (folder / "cmdline").read_bytes():
                workers.append(_resident(folder))
        except OSError:
            continue
    return _resident(Path("/proc/self")), max(workers)


def _resident(folder: Path) -> int:
    return int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20


def beside(args: argparse.Namespace) -> Iterator[str]:
    """In turn: alone, and with a training of ours on the other core."""
    from kernels.profile import Asked as How
    from nas.times.whole import engine_of, timed
    from search_spaces.known import known
    from search_spaces.planner import plan

    backbone = find_space("groupnet", "resnet20").backbone
    names = ("groupnet-k1", "groupnet-k3", "groupnet-k5", "bireal")
    from search_spaces.backbones import find_backbone

    archs = {name: known(name, backbone) for name in names}
    engines = {
        name: engine_of(plan(arch, find_backbone(arch.backbone)), How())
        for name, arch in archs.items()
    }
    context = multiprocessing.get_context("spawn")
    ratios: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(args.rounds):
        alone = [*timed(engines)][-1].copy()
        trainer = context.Process(target=_trains, daemon=True)
        trainer.start()
        time.sleep(args.warm)
        assert trainer.is_alive()
        with_it = [*timed(engines)][-1].copy()
        trainer.kill()
        trainer.join()
        for name in names:
            ratios[name].append(with_it[name].median_ns / alone[name].median_ns)
    for name, found in ratios.items():
        yield (
            f"{name:12} beside / alone: {np.median(found):.3f} "
            f"({min(found):.3f} to {max(found):.3f}, {args.rounds} rounds)"
        )


def _trains() -> None:
    from trainers.asked import Asked as Training
    from trainers.asked import space_for
    from trainers.job import new_supernet, train_supernet
    from trainers.learning.sandwich import Sampling

    job = Training(data="digits", recipe="smoke", epochs=10_000, threads=1).job()
    net, drawn = new_supernet(space_for("groupnet", "digits", job), job, Sampling())
    for _ in train_supernet(net, drawn, job):
        pass


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    print(f"{machine.here()}")
    for line in args.bench(args):
        print(line, flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m nas.benches.search", None, __doc__, "", [], raw)
    benches = parser.add_subparsers(metavar="BENCH", required=True)
    one = benches.add_parser("overhead", help="of a candidate that takes no time")
    one.set_defaults(bench=overhead)
    one.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="(%(default)s)")
    one.add_argument("--sampler", default="nsga2", help="(%(default)s)")
    one.add_argument("--workers", type=int, default=2, help="(%(default)s)")
    two = benches.add_parser("samplers", help="against random search, on one supernet")
    two.set_defaults(bench=samplers)
    two.add_argument("run", type=Path, metavar="RUN", help="whose supernet and profile are used")
    two.add_argument("--samplers", nargs="+", default=["nsga2", "random"], help="(%(default)s)")
    two.add_argument("--trials", type=int, default=300, help="(%(default)s)")
    two.add_argument("--seeds", type=int, default=5, help="(%(default)s)")
    two.add_argument("--workers", type=int, default=2, help="(%(default)s)")
    two.add_argument("--scores", default="scores.jsonl", help="kept, and read again (%(default)s)")
    three = benches.add_parser("beside", help="measured medians beside a training")
    three.set_defaults(bench=beside)
    three.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    three.add_argument("--warm", type=float, default=15.0, help="seconds (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
