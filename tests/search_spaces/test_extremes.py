"""The largest and the smallest architecture of a space."""

from __future__ import annotations

import pytest

from search_spaces.backbones import find_backbone
from search_spaces.cost import cost
from search_spaces.extremes import extremes
from search_spaces.planner import plan
from search_spaces.spaces import SPACES


@pytest.mark.parametrize("name", ["groupnet", "layerwise", "abcnet"])
def test_none_of_all_architectures_is_larger_or_smaller(name: str) -> None:
    space = SPACES[name](find_backbone("digits"))
    found = extremes(space)
    archs = {space.decode(genome) for genome in space.every_genome()}
    ops = {arch: cost(plan(arch, space.backbone)).ops for arch in archs}
    assert ops[found.largest] == max(ops.values())
    assert ops[found.smallest] == min(ops.values())


def test_the_extremes_of_a_space_too_large_to_count() -> None:
    space = SPACES["mixed"](find_backbone("resnet20"))
    found = extremes(space)
    assert all(group.bases * group.activations == 15 for group in found.largest.groups)
    assert {group.bases for group in found.smallest.groups} == {1}
