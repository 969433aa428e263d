"""Architectures to train by themselves: over the whole range of predicted time, and at random."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from search_spaces.arch import Arch
from search_spaces.extremes import extremes
from search_spaces.space import Space
from search_spaces.uniform import uniform

POOL = 2000  # genomes that are drawn from the space to choose among

Predicts = Callable[[Arch], float]  # its time


def sample(space: Space, time: Predicts, count: int, seed: int) -> list[Arch]:
    """Half of them at random. The other half by strata: the range between the fastest and the
    slowest is cut into equal parts, and each gives one; what empty parts leave is drawn at random.
    Fastest first.
    """
    rng = Random(f"sample {seed}")
    drawn = [space.decode(space.sample(rng)) for _ in range(POOL)]
    pool = {arch.key: arch for arch in [*_plain(space), *drawn]}
    if len(pool) < count:
        raise ValueError(f"{space.name} has {len(pool)} architectures or so; got {count} to sample")
    times = {key: time(arch) for key, arch in pool.items()}
    chosen = strata(times, (count + 1) // 2, rng)
    at_random = [*dict.fromkeys(arch.key for arch in drawn), *pool]
    for key in at_random:
        if len(chosen) == count:
            break
        chosen.setdefault(key)
    return [pool[key] for key in sorted(chosen, key=lambda key: (times[key], key))]


def strata(times: dict[str, float], parts: int, rng: Random) -> dict[str, None]:
    """A key out of each part of the range of times that has any."""
    low, high = min(times.values()), max(times.values())
    width = (high - low) / parts or 1.0
    members: dict[int, list[str]] = {}
    for key, time in times.items():
        members.setdefault(min(int((time - low) / width), parts - 1), []).append(key)
    return {rng.choice(members[part]): None for part in sorted(members)}


def _plain(space: Space) -> list[Arch]:
    """The ends of the range, and all that choose alike for every block: few draws find them."""
    ends = extremes(space)
    return [ends.smallest, ends.largest, *(space.decode(genome) for genome in uniform(space))]
