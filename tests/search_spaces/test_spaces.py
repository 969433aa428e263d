"""Every space keeps the same contract: any genome is an architecture, counted once."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import search_spaces
from search_spaces.arch import from_json, to_json
from search_spaces.backbone import Backbone, Stem
from search_spaces.backbones import basic, find_backbone, stages
from search_spaces.emitted import emitted
from search_spaces.grammar import Grammar
from search_spaces.group import Link, branches, layers
from search_spaces.known import KNOWN, known
from search_spaces.plan import Plan
from search_spaces.planner import plan, unroll
from search_spaces.space import Space
from search_spaces.spaces import SPACES, find_space, groupnet
from search_spaces.text import parse, to_text

every_space = pytest.mark.parametrize("name", SPACES)
quick = settings(deadline=None, derandomize=True, max_examples=100)


def chain(blocks: int) -> Backbone:
    return Backbone(
        name="chain", stem=Stem(filters=8), blocks=stages(basic, (8,), (blocks,)),
        height=4, width=4, classes=2,
    )  # fmt: skip


def planned(space: Space, genome: tuple[int, ...]) -> Plan:
    return plan(space.decode(genome), space.backbone)


@every_space
@quick
@given(rng=st.randoms())
def test_any_genome_decodes_and_round_trips(name: str, rng: Random) -> None:
    space = find_space(name)
    arch = space.decode(space.sample(rng))
    assert parse(to_text(arch)) == arch
    assert from_json(to_json(arch)) == arch
    assert plan(arch, space.backbone).steps


@every_space
@quick
@given(rng=st.randoms())
def test_a_mutation_changes_the_plan_or_is_told_to_be_neutral(name: str, rng: Random) -> None:
    space = find_space(name)
    genome = space.sample(rng)
    mutant, neutral = space.mutate(genome, rng)
    assert sum(a != b for a, b in zip(genome, mutant, strict=True)) == 1
    assert (planned(space, genome) == planned(space, mutant)) == neutral


@every_space
def test_equal_plans_have_equal_keys_over_a_whole_space(name: str) -> None:
    space = find_space(name, "digits")
    rng = Random(name)
    genomes = [space.sample(rng) for _ in range(1500)]
    plans = {planned(space, genome) for genome in genomes}
    assert len(plans) == len({space.decode(genome).key for genome in genomes})


@pytest.mark.parametrize(
    ("blocks", "bases", "links", "reach"),
    [
        (3, (1, 2, 3), tuple(Link), 3),
        (4, (1, 2), (Link.MEAN, Link.GATE), 3),
        (5, (1, 2), (Link.MEAN,), 3),
        (5, (1,), (Link.MEAN,), 4),
        (5, (1,), (Link.MEAN,), 2),
        (6, (2,), (Link.MEAN,), 0),
    ],
)
def test_what_is_counted_is_what_decoding_every_genome_gives(
    blocks: int, bases: tuple[int, ...], links: tuple[Link, ...], reach: int
) -> None:
    space = groupnet(chain(blocks), bases, links, reach)
    assert space.grammar is not None
    found = {space.decode(genome) for genome in space.every_genome()}
    assert space.grammar.count() == len(found)


@every_space
def test_the_count_of_a_small_space_is_what_its_grammar_says(name: str) -> None:
    space = find_space(name, "digits")
    assert space.grammar is not None
    if space.genomes <= 20_000:
        assert space.count().architectures == space.grammar.count()
    assert space.count().exact


def test_there_are_128_ways_to_cut_resnet18_into_groups() -> None:
    assert Grammar(8, (branches(1, 5),)).count() == 128
    assert Grammar(16, (branches(1, 5),)).count() == 32_768


def test_layers_that_stand_side_by_side_are_counted_by_their_bases() -> None:
    assert Grammar(9, tuple(layers(1, k) for k in (1, 2, 3, 4, 5))).count() == 5**9


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        *itertools.product(["groupnet", "layerwise", "abcnet"], ["digits", "resnet20"]),
        *itertools.product(["groupnet", "layerwise", "mixed"], ["vgg-small"]),
        ("mixed", "digits"),
        ("groupnet", "mobilenet"),
        ("groupnet", "resnet50"),
    ],
)
def test_every_op_of_any_architecture_is_in_the_list(name: str, backbone: str) -> None:
    """Long backbones, and those with other blocks: one convolution, three, curves behind them."""
    space = find_space(name, backbone)
    if len(space.backbone.blocks) > 9:
        space = groupnet(space.backbone, bases=(1, 2))
    listed, complete, _ = emitted(space)
    assert complete
    assert len(set(listed)) == len(listed)
    rng = Random(0)
    for _ in range(400):
        assert set(planned(space, space.sample(rng)).ops) <= set(listed)


@pytest.mark.parametrize("reach", [0, 1, 2, 3])
def test_every_listed_op_is_of_an_architecture_of_the_space(reach: int) -> None:
    """Each of the covering architectures can be drawn: it is decoded from some genome."""
    space = groupnet(find_backbone("digits"), bases=(1, 2), reach=reach)
    found = {space.decode(genome) for genome in space.every_genome()}
    plans = {plan(arch, space.backbone) for arch in found}
    assert space.grammar is not None
    for groups, skips in space.grammar.cover():
        assert unroll("classify", groups, skips, space.backbone) in plans


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example of the README, where Python finds it."""
    readme = Path(search_spaces.__file__).parent / "README.md"
    code = readme.read_text().split("```python\n")[1].split("```")[0]
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    find_backbone.cache_clear()
    return tmp_path


@pytest.mark.usefixtures("mine")
def test_the_space_of_the_readme_is_taken_where_a_name_is() -> None:
    space = find_space("mine:space")
    assert (space.genomes, space.count().exact) == (144, True)
    for genome in itertools.islice(space.every_genome(), 40):
        arch = space.decode(genome)
        assert planned(space, genome) == plan(arch, find_backbone("mine:net"))
    assert emitted(space).complete


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("grupnet", "space 'grupnet' is not one of .*did you mean 'groupnet'"),
        ("mine:spaec", "'mine:spaec': name 'spaec' is not one of .*did you mean 'space'"),
        ("mein:space", "'mein:space': no module is called 'mein'"),
        ("mine:axes", "'mine:axes' is neither a Space nor makes one, but tuple"),
    ],
)
def test_a_space_that_is_not_there_is_told_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        find_space(name)


def test_a_genome_of_another_space_is_refused() -> None:
    space = find_space("layerwise", "digits")
    with pytest.raises(ValueError, match="has 3 axes; got 2 choices"):
        space.decode((0, 0))
    with pytest.raises(ValueError, match="axis 'bases1' has choices 0 to 4; got 5"):
        space.decode((0, 5, 0))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnt20", "backbone 'resnt20' is not one of .*did you mean 'resnet20'"),
        ("resnet20+rsing", "variant 'rsing' is not one of .*did you mean 'rsign'"),
        ("resnet20+relu", "'relu' changes nothing"),
        ("resnet20+w1", "'w1' changes nothing"),
        ("resnet20+rprelu+no-relu", "'rprelu' changes activation a second time"),
        ("resnet20+w0.5+w2", "'w2' changes the width a second time"),
        ("resnet20+w0", "variant 'w0' is not one of"),
    ],
)
def test_a_backbone_that_is_not_there_is_told_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        find_backbone(name)


def of_style(backbone: Backbone, name: str) -> Backbone:
    return find_backbone(known(name, backbone).backbone)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize(
    "variants",
    ["rprelu", "free-down", "rsign", "real-down", "no-relu", "one-shortcut", "w0.5+lambda+rsign"],
)
def test_a_known_architecture_is_itself_on_any_variant(name: str, variants: str) -> None:
    """What it wants of the style it gets; all else is the variant's."""
    backbone = find_backbone(f"digits+{variants}")
    styled = of_style(backbone, name)
    assert plan(known(name, backbone), styled).steps
    assert styled.blocks == backbone.blocks
    if name not in ("bireal", "xnornet"):
        assert styled == backbone
        return
    wanted = of_style(find_backbone("digits"), name).style
    assert styled.style == replace(wanted, scales=backbone.style.scales)


def test_bireal_is_without_learnt_thresholds_where_the_backbone_has_them_already() -> None:
    assert known("bireal", find_backbone("mobilenet")).backbone == (
        "mobilenet+no-relu+no-rsign+real-down"
    )


def test_a_width_multiplies_all_channels() -> None:
    half = find_backbone("resnet20+w0.5")
    assert half.stem.filters == 8
    assert [block.convs[0].filters for block in half.blocks] == [8] * 3 + [16] * 3 + [32] * 3
