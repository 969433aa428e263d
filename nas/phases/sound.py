"""What can be seen to be wrong is said before anything is made, and before hours are spent."""

from __future__ import annotations

from nas.phases.correcting import correction_of
from nas.phases.exploring import first
from nas.phases.learning import fits, sampling
from nas.phases.limits import possible
from nas.phases.profiling import given
from nas.phases.work import Work
from nas.processes.together import shareable


def sound(work: Work) -> None:
    """An error for a search whose parts do not belong together."""
    sampling(work)
    shareable(work.job.recipe.batch, work.asked.training_workers)
    if work.asked.supernet is not None:
        fits(work)
    correction_of(work)
    latency = given(work)[0] if work.asked.profile is not None else None
    first(work)
    possible(work, latency)
