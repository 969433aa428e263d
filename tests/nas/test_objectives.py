"""What is made small: by name, or a function of one's own."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nas.study.objectives import OBJECTIVES, Candidate, column, exceeded, find_objective, values
from search_spaces.backbones import find_backbone
from search_spaces.cost import cost
from search_spaces.known import known
from search_spaces.planner import plan

DIGITS = find_backbone("digits")


@pytest.fixture
def candidate() -> Candidate:
    arch = known("groupnet-k3", DIGITS)
    planned = plan(arch, DIGITS)
    return Candidate(arch, planned, cost(planned), error=0.25, latency_ms=0.125)


def test_every_named_objective_stands_in_its_column(candidate: Candidate) -> None:
    counted = candidate.cost
    assert values(candidate, ("error", "latency")) == {
        "error": 0.25,
        "latency_ms": 0.125,
        "size_bytes": (counted.weight_bits + counted.constant_bits) / 8,
        "memory_bytes": counted.peak_bytes,
        "ops": counted.ops,
    }
    assert [column(name) for name in OBJECTIVES] == [*values(candidate, ())]


def test_a_larger_network_is_larger_in_every_cost() -> None:
    small, large = (plan(known(name, DIGITS), DIGITS) for name in ("groupnet-k1", "groupnet-k5"))
    one, other = (values(Candidate(known("real", DIGITS), p, cost(p), 0.5, 1.0), ())
                  for p in (small, large))  # fmt: skip
    assert all(one[name] < other[name] for name in ("size_bytes", "memory_bytes", "ops"))


def test_one_of_ones_own_stands_under_its_own_name(
    candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_objectives.py").write_text(
        "def energy(candidate):\n    return candidate.cost.ops * 2\nnumber = 5\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "my_objectives:energy"
    assert column(name) == name
    assert values(candidate, ("error", name))[name] == 2 * candidate.cost.ops
    for other, wanted in (
        ("my_objectives:enery", "did you mean 'energy'"),
        ("my_objectives:number", "a function of a Candidate; got int"),
        ("my_objectivs:energy", "no module is called 'my_objectivs'"),
    ):
        with pytest.raises(ValueError, match=wanted):
            find_objective(other)
    sys.modules.pop("my_objectives")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'latancy' is not one of .*did you mean 'latency'"):
        find_objective("latancy")


def test_a_limit_is_exceeded_by_a_share_of_it(candidate: Candidate) -> None:
    found = values(replace(candidate, latency_ms=3.0), ())
    assert exceeded(found, {"latency_ms": 2.0}) == {"latency_ms": 0.5}
    assert exceeded(found, {"latency_ms": 3.0}) == {"latency_ms": 0.0}
    assert exceeded(found, {"latency_ms": 4.0}) == {"latency_ms": -0.25}
    assert exceeded(found, {}) == {}
