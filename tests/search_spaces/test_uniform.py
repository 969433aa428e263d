"""Genomes that choose alike for every block, and the known architectures among them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.group import branches
from search_spaces.known import KNOWN, known
from search_spaces.planner import plan
from search_spaces.space import Axis, Space
from search_spaces.spaces import SPACES, find_space
from search_spaces.uniform import MOST, known_archs, known_genomes, uniform

DIGITS = find_backbone("digits")
every_space = pytest.mark.parametrize("name", SPACES)


def test_axes_with_a_name_in_common_choose_alike_and_others_freely() -> None:
    """Unless they have another number of choices: then they cannot."""
    axes = (
        Axis("bases0", (1, 2)),
        Axis("link0", ("a", "b", "c")),
        Axis("bases1", (1, 2)),
        Axis("bases10", (1, 2)),
        Axis("link1", ("a", "b")),
    )
    space = Space("made", DIGITS, axes, lambda chosen: known("real", DIGITS))
    wanted = [(a, b, a, a, c) for a, b, c in itertools.product(range(2), range(3), range(2))]
    assert [*uniform(space)] == wanted


@pytest.mark.parametrize(
    "choices", [[(1, 2, 3, 4, 5)] * 12, [(*range(2, n),) for n in range(5, 17)]]
)
def test_of_axes_that_all_have_other_names_few_are_given(choices: list[tuple[int, ...]]) -> None:
    """A product over a dozen would never end. Those with the same choices are alike then."""
    names = (f"k_{name}" for name in "abcdefghijkl")
    axes = tuple(Axis(name, each) for name, each in zip(names, choices, strict=True))
    backbone = find_backbone("resnet34-cifar")
    net = replace(backbone, blocks=backbone.blocks[:12], name="mine:net")

    def meaning(chosen: dict[str, str | int]) -> Arch:
        groups = tuple(branches(1, int(bases)) for bases in chosen.values())
        return Arch("classify", net.name, groups, ())

    space = Space("made", net, axes, meaning)
    genomes = [*uniform(space)]
    assert len(set(genomes)) == len(genomes) <= MOST
    if len({*choices}) == 1:
        assert genomes == [(n,) * 12 for n in range(5)]
        assert list(known_genomes(space)) == [f"groupnet-k{k}" for k in (1, 3, 4, 5)]


@every_space
def test_each_is_a_genome_and_there_are_few(name: str) -> None:
    space = find_space(name)
    genomes = [*uniform(space)]
    assert len(set(genomes)) == len(genomes) <= 400
    for genome in genomes[::7]:
        assert plan(space.decode(genome), space.backbone).steps


@every_space
def test_a_known_genome_means_the_architecture_of_its_name(name: str) -> None:
    space = find_space(name)
    found = known_genomes(space)
    assert [*found] == [known_name for known_name in KNOWN if known_name in found]
    for known_name, genome in found.items():
        assert space.decode(genome) == known(known_name, space.backbone)


def test_which_known_ones_a_space_has() -> None:
    groupnet = {f"groupnet-k{k}" for k in (1, 3, 4, 5)}
    gates = {f"groupnet-k{k}-gates" for k in (3, 4, 5)}
    assert known_genomes(SPACES["groupnet"](DIGITS)).keys() == groupnet | gates
    wide = SPACES["groupnet"](DIGITS, bases=(1, 8))
    assert known_genomes(wide).keys() == {"groupnet-k1", "groupnet-k8", "groupnet-k8-gates"}
    abcnet = {f"abcnet-{m}x{n}" for m, n in ((1, 1), (3, 1), (3, 3), (5, 3), (5, 5))}
    assert known_genomes(SPACES["abcnet"](DIGITS)).keys() == abcnet


def test_all_known_ones_are_known_on_any_backbone_in_their_order() -> None:
    for backbone in (DIGITS, find_backbone("resnet14")):
        archs = known_archs(SPACES["groupnet"](backbone))
        assert [*archs] == [*KNOWN]
        assert archs == {name: known(name, backbone) for name in KNOWN}
