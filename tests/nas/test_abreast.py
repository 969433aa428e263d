"""Several trainings at once: none fails another, and none is begun once they are to stop."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nas import retrain
from nas.console.screen import Screen
from nas.picks import retraining
from nas.picks.asked import Retrain
from nas.processes import abreast as abreast_
from nas.processes.abreast import Means, Tell, abreast


def means(**more: Any) -> Means:
    usual: dict[str, Any] = {"at_once": 1, "screen": Screen(quiet=True), "name": "training"}
    return Means(**usual, stopped=lambda: False, **more)


def raising(error: BaseException) -> Any:
    def training(tell: Tell) -> None:
        raise error

    return training


def test_a_defect_in_one_training_fails_it_alone(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []
    trainings = {
        "defect": raising(RuntimeError("no such kernel")),
        "mistake": raising(ValueError("no weights for it")),
        "well": lambda tell: done.append("well"),
    }
    assert abreast(trainings, means()) == {
        "defect": "RuntimeError('no such kernel')",
        "mistake": "no weights for it",
    }
    assert done == ["well"]
    assert "Traceback" in caplog.text
    assert "no weights" not in caplog.text


def test_ctrl_c_in_a_training_is_not_taken_for_a_failure() -> None:
    with pytest.raises(KeyboardInterrupt):
        abreast({"one": raising(KeyboardInterrupt())}, means())


def test_one_that_several_processes_train_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def together(one: Any, batch: int, how: Any) -> None:
        begun.append(one.home.name)
        if one.home.name == "a":
            raise RuntimeError("a rank died")

    packed: list[str] = []
    monkeypatch.setattr(retraining, "trained_together", together)
    monkeypatch.setattr(abreast_, "abreast", lambda left, means: packed.extend(left) or {})
    asked = Retrain(run=Path("r"), pick=["knee"], training_workers=2)
    left = [SimpleNamespace(home=Path(name)) for name in ("a", "b")]
    errors = retrain._trained(asked, left, 16, Screen(quiet=True), lambda: False)
    assert errors == {"a": "RuntimeError('a rank died')"}
    assert (begun, packed) == (["a", "b"], ["b"])


@pytest.mark.parametrize(("stops", "begun"), [(True, []), (False, ["it"])])
def test_what_waited_for_its_turn_is_not_begun_once_all_are_to_stop(
    stops: bool, begun: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abreast_, "stopping", lambda board: stops)
    done: list[str] = []
    trial = object.__new__(abreast_._trial())
    trial.setup({"name": "it"}, trainings={"it": lambda tell: done.append("it")}, board=None)
    assert trial.step() == {"failed": "", "done": True}
    assert done == begun
