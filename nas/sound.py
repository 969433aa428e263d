"""What can be seen to be wrong is said before anything is made, and before hours are spent."""

from __future__ import annotations

from nas.corrected import correction_of
from nas.exploring import first
from nas.learning import fits, sampling
from nas.limits import possible
from nas.profiling import given
from nas.training import shareable
from nas.work import Work


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
