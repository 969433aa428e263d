"""How far off predictions are, on random architectures that were not used for fitting."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from random import Random

import numpy as np

from kernels import machine, profile
from kernels.profile import Asked
from kernels.progress import Progress
from kernels.timing import Timing
from nas.times.latency import Latency, Sample, errors, fit
from nas.times.whole import engine_of, timed, turns
from search_spaces.plan import Plan
from search_spaces.planner import plan
from search_spaces.space import Space
from search_spaces.spaces import find_space

FITTED = 32  # programs to fit on


def drawn(space: Space, count: int, seed: int) -> list[Plan]:
    """Different architectures, at random."""
    rng = Random(seed)
    found: dict[str, Plan] = {}
    while len(found) < count:
        arch = space.decode(space.sample(rng))
        found.setdefault(arch.key, plan(arch, space.backbone))
    return list(found.values())


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    space = find_space(args.space, args.backbone)
    asked = Asked(threads=args.threads, rounds=args.rounds)
    plans = drawn(space, FITTED + args.count, args.seed)
    ops = list(dict.fromkeys(op for planned in plans for op in planned.ops))
    print(f"{space.name} on {space.backbone.name}, {machine.here()}, {args.threads} thread(s)")
    bar = Progress(profile.PASSES * -(-len(ops) // profile.GROUP), "groups of ops measured")
    found = profile.empty(asked)
    for done, entries in enumerate(profile.measure(ops, asked), 1):
        found = found.with_entries(entries)
        bar.at(done)
    bar.end()
    engines = {n: engine_of(planned, asked) for n, planned in enumerate(plans)}
    bar = Progress(turns(len(plans)), "groups of programs measured")
    times: dict[int, Timing] = {}
    for done, times in enumerate(timed(engines, asked.rounds), 1):  # noqa: B007
        bar.at(done)
    bar.end()
    samples = [Sample(planned, times[n].median_ns) for n, planned in enumerate(plans)]
    print(f"{len(ops)} ops" + (f", {found.doubt}" if found.doubt else ""))
    latency = fit(found, samples[:FITTED])
    for name, predicting in (("sum of ops", Latency(found)), ("fitted", latency)):
        off = errors(predicting, samples[FITTED:])
        print(
            f"{name:10} of {args.count} programs, none used for fitting: {off.within(0.05):.1%} "
            f"within 5 %, {off.within(0.1):.1%} within 10 %, tau {off.tau:.3f}, "
            f"median error {np.median(off.relative):+.1%}"
        )
    print(
        f"fitted on {FITTED}: {latency.overhead_ns / 1e3:.1f} us + {latency.node_ns:.0f} ns for "
        f"each of the ops + {latency.factor:.3f} x their times"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nas.benches.latency", description=__doc__)
    parser.add_argument("--space", default="groupnet", help="(%(default)s)")
    parser.add_argument("--backbone", default="resnet20", help="(%(default)s)")
    for name, default, what in (
        ("count", 200, "architectures to predict"),
        ("rounds", 12, "turns of each"),
        ("threads", 1, "of the CPU"),
        ("seed", 0, "of the drawing"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what} (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
