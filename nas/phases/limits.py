"""Limits that no architecture of the space keeps are said before hours are spent."""

from __future__ import annotations

from random import Random

from nas.phases.work import Work
from nas.study.objectives import Candidate, exceeded, values
from nas.times.latency import Latency
from search_spaces.cost import cost
from search_spaces.extremes import extremes
from search_spaces.uniform import uniform

DRAWN = 300


def possible(work: Work, latency: Latency | None) -> None:
    """An error unless one of the smallest, the uniform and some random architectures keeps all.

    Before op times are known, the limit on time is left out.
    """
    limits = {
        name: limit
        for name, limit in work.asked.limits.items()
        if latency is not None or name != "latency_ms"
    }
    if not limits:
        return
    rng = Random(0)
    archs = dict.fromkeys([extremes(work.space).smallest])
    archs |= dict.fromkeys(work.space.decode(genome) for genome in uniform(work.space))
    archs |= dict.fromkeys(work.space.decode(work.space.sample(rng)) for _ in range(DRAWN))
    least: dict[str, float] = {}
    for arch in archs:
        planned = work.plan(arch)
        candidate = Candidate(
            arch=arch,
            plan=planned,
            cost=cost(planned),
            error=0.0,
            latency_ms=0.0 if latency is None else latency.predict_ns(planned) / 1e6,
        )
        found = values(candidate, ())
        if all(share <= 0 for share in exceeded(found, limits).values()):
            return
        for name in limits:
            least[name] = min(least.get(name, found[name]), found[name])
    words = "; ".join(
        f"{name} {least[name]:,.4g}, {limit:,.4g} asked" for name, limit in limits.items()
    )
    raise ValueError(
        f"no architecture keeps these limits, of the smallest, {len(archs):,} in all; "
        f"the least that was seen: {words}"
    )
