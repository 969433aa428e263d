"""Between Ray Tune and the study: one Tune trial for each candidate, told in batches."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ray.tune.search import Searcher

from nas.study.records import Records
from nas.study.study import Study
from nas.study.trial import Asked, Scored, checked

Progress = Callable[[Study, int], None]  # the study, and how many of the batch are scored
GAVE_UP = "its process died each time it was tried"


class StudySearcher(Searcher):
    """Hands out a batch; when all of it is scored, tells the study and asks for the next.

    stopped   asked before each candidate: true ends the search when what runs is done
    at_once   candidates that are on their way, at most
    """

    def __init__(
        self,
        study: Study,
        records: Records,
        wanted: int,
        progress: Progress,
        stopped: Callable[[], bool],
        at_once: int,
    ) -> None:
        super().__init__(metric="done", mode="max")
        self._study, self._records, self._wanted = study, records, wanted
        self._progress, self._stopped, self._at_once = progress, stopped, at_once
        self._batch: list[Asked] = []
        self._queue: list[Asked] = []
        self._running: dict[str, Asked] = {}
        self.failure: Exception | None = None  # Tune would take it for one of the trial's

    def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
        return True

    def suggest(self, trial_id: str) -> Any:
        if self._stopped() or self.failure is not None:
            return Searcher.FINISHED
        if len(self._running) >= self._at_once:
            return None
        try:
            while not self._queue:
                if self._running:
                    return None  # the rest of the batch is on its way
                if not self._next():
                    return Searcher.FINISHED
        except Exception as failure:
            self.failure = failure
            return Searcher.FINISHED
        asked = self._queue.pop(0)
        self._running[trial_id] = asked
        return {"asked": asdict(asked)}

    def _next(self) -> bool:
        """Whether there is another batch."""
        self._tell()
        if self._study.candidates >= self._wanted:
            return False
        self._batch = self._study.ask()
        self._queue = [asked for asked in self._batch if self._records.find(asked.key) is None]
        return bool(self._batch)

    def _tell(self) -> None:
        if self._batch:
            self._study.tell(self._records.by_key)
            self._batch = []
            self._progress(self._study, 0)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        pass

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        asked = self._running.pop(trial_id, None)
        if asked is None:
            return
        try:
            if result is not None and "broken" in result:
                raise ValueError(f"the processes that score {result['broken']}")
            self._completed(asked, None if error or result is None else result["scored"])
        except Exception as failure:
            self.failure = failure

    def _completed(self, asked: Asked, found: str | None) -> None:
        scored = Scored(values={}, note=GAVE_UP) if found is None else Scored(**json.loads(found))
        plan = self._study.plan
        self._records.add(asked, checked(scored, (*plan.columns, *plan.limits)))
        scored_of_batch = sum(self._records.find(a.key) is not None for a in self._batch)
        self._progress(self._study, scored_of_batch)
        if not self._queue and not self._running:
            self._tell()

    def __getstate__(self) -> dict[str, Any]:
        """Tune writes down what it was given. Nothing is read from that: the run is the state."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("the same command on the same run goes on")
