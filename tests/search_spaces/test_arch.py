"""An architecture is one value, one text, one key, however it was described."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.arch import Arch, from_json, to_json
from search_spaces.backbone import Backbone, Stem
from search_spaces.backbones import basic, stages
from search_spaces.grammar import Layout
from search_spaces.group import Group, Link, abc, branches, layers, real
from search_spaces.planner import unroll
from search_spaces.settle import settle
from search_spaces.text import parse, to_text

FIVE = Backbone(
    name="five", stem=Stem(filters=8), blocks=stages(basic, (8, 16), (2, 3)),
    height=8, width=8, classes=3,
)  # fmt: skip
quick = settings(deadline=None, derandomize=True, max_examples=200)


def kinds(blocks: int) -> st.SearchStrategy[Group]:
    """Few kinds, so that neighbours that merge are common."""
    few = st.integers(1, 3)
    return st.one_of(
        st.builds(branches, st.just(blocks), few, st.sampled_from(Link)),
        st.builds(layers, st.just(blocks), few),
        st.builds(abc, st.just(blocks), st.integers(1, 2), st.integers(1, 2)),
        st.just(real(blocks)),
    )


@st.composite
def described(draw: st.DrawFn) -> Layout:
    """Groups of five blocks and skips, not settled."""
    sizes = draw(st.sampled_from([(5,), (2, 3), (1, 1, 3), (1, 2, 1, 1), (1, 1, 1, 1, 1)]))
    groups = tuple(draw(kinds(size)) for size in sizes)
    pairs = [(a, b) for b in range(len(sizes)) for a in range(b - 1)]
    skips = draw(st.sets(st.sampled_from(pairs), max_size=2)) if pairs else set()
    return groups, tuple(sorted(skips))


def arch(*groups: Group, skips: tuple[tuple[int, int], ...] = ()) -> Arch:
    return Arch("classify", "resnet20", groups, skips)


def test_a_key_never_changes() -> None:
    line = "resnet20 | 2x3 mean | 4x2 gate | 3x5 route +0"
    assert parse(line).key == "60fcafe10623", "files of earlier runs would lose their architectures"
    assert parse("resnet20 | 2x3x2 abc | 4x2 layer | 3x2 mean rates 1,2").key == "495728110605"


@quick
@given(described())
def test_settling_changes_nothing_that_is_planned(given_groups: Layout) -> None:
    groups, skips = given_groups
    assert unroll("classify", groups, skips, FIVE) == unroll(
        "classify", *settle(groups, skips), FIVE
    )


@quick
@given(described(), described())
def test_equal_plans_are_equal_architectures(one: Layout, other: Layout) -> None:
    same = unroll("classify", *one, FIVE) == unroll("classify", *other, FIVE)
    assert (settle(*one) == settle(*other)) == same


@quick
@given(described())
def test_settling_twice_is_settling_once(given_groups: Layout) -> None:
    once = settle(*given_groups)
    assert settle(*once) == once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((branches(4, 1), branches(5, 1, Link.GATE)), (branches(9, 1),)),
        ((branches(4, 1), branches(5, 3, Link.GATE)), (branches(4, 1), branches(5, 3))),
        ((branches(4, 1), branches(5, 3, Link.ROUTE)), (branches(4, 1), branches(5, 3))),
        ((branches(9, 2, Link.GATE),), (branches(9, 2),)),
        ((layers(9, 1),), (branches(9, 1),)),
        ((layers(4, 3), layers(5, 3)), (layers(9, 3),)),
        ((layers(4, 3), branches(5, 2, Link.GATE)), (layers(4, 3), branches(5, 2))),
        ((abc(4, 3, 2), abc(5, 3, 2)), (abc(9, 3, 2),)),
        ((real(4), real(5)), (real(9),)),
        ((branches(9, 3, rates=(1, 1, 1)),), (branches(9, 3),)),
        ((branches(9, 3, rates=(4, 1, 2)),), (branches(9, 3, rates=(1, 2, 4)),)),
    ],
    ids=lambda groups: " ".join(f"{g.blocks}x{g.bases}{g.decomposition[0]}" for g in groups),
)
def test_equal_networks_are_one_architecture(
    one: tuple[Group, ...], other: tuple[Group, ...]
) -> None:
    assert arch(*one) == arch(*other)
    assert arch(*one).key == arch(*other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((branches(4, 2), branches(5, 2)), (branches(9, 2),)),
        ((branches(4, 2), branches(5, 2)), (branches(4, 2), branches(5, 2, Link.GATE))),
        ((branches(4, 2), branches(5, 1)), (branches(4, 2), branches(5, 1, Link.ROUTE))),
        ((branches(9, 2),), (layers(9, 2),)),
        ((abc(9, 2, 3),), (abc(9, 3, 2),)),
        ((abc(9, 1, 1),), (branches(9, 1),)),
    ],
    ids=str,
)
def test_different_networks_have_different_keys(
    one: tuple[Group, ...], other: tuple[Group, ...]
) -> None:
    assert arch(*one).key != arch(*other).key


def test_a_boundary_that_a_skip_needs_stays() -> None:
    groups = (branches(1, 1), branches(1, 1), branches(2, 1), branches(5, 1))
    settled = arch(*groups, skips=((0, 3),))
    assert [group.blocks for group in settled.groups] == [1, 3, 5]
    assert settled.skips == ((0, 2),)


def gated(*rates: tuple[int, ...]) -> Arch:
    links = [Link.MEAN, *[Link.GATE] * (len(rates) - 1)]
    sizes = [9 - len(rates) + 1, *[1] * (len(rates) - 1)]
    groups = zip(sizes, rates, links, strict=True)
    return arch(*(branches(n, len(r), link, r) for n, r, link in groups))


def test_bases_that_gates_tie_move_together() -> None:
    assert gated((2, 1), (3, 4)) == gated((1, 2), (4, 3))
    assert gated((2, 1), (3, 4)) != gated((1, 2), (3, 4))


def test_beyond_the_smallest_group_of_a_chain_bases_are_free_again() -> None:
    assert gated((1, 5, 4), (2,), (3, 7, 6)) == gated((1, 4, 5), (2,), (3, 6, 7))
    assert gated((5, 1, 4), (2,), (3, 7, 6)) != gated((1, 4, 5), (2,), (3, 6, 7))


@quick
@given(described(), st.sampled_from(["classify", "segment"]))
def test_text_and_json_round_trip(given_groups: Layout, task: str) -> None:
    one = Arch(task, "resnet20+rsign+w0.5", *given_groups)
    assert parse(to_text(one)) == one
    assert from_json(to_json(one)) == one


@pytest.mark.parametrize(
    "line",
    [
        "resnet20 | 2x3 mean | 4x2 gate | 3x5 route",
        "resnet20 | 9*1x3 mean",
        "resnet20 | 1x5 mean | 8*1x5 gate",
        "segment: resnet18 | 4x3 mean rates 1,2,3 | 2x2x3 abc | 2x4 layer +0",
        "mine.nets:small | 3x1 real",
    ],
)
def test_a_line_is_written_as_it_was_read(line: str) -> None:
    assert to_text(parse(line)) == line


def test_variants_of_a_backbone_have_no_order() -> None:
    assert parse("resnet20+w2+rsign | 9x1 mean") == parse("resnet20+rsign+w2 | 9x1 mean")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("resnet20 | 2x3 gat", "group '2x3 gat': .*'gat' is not one of .*did you mean 'gate'"),
        ("resnet20 | 2y3 mean", "group '2y3 mean': blocks x bases .*got '2y3'"),
        ("resnet20 | 2x99 mean", "group '2x99 mean': bases must be 1 to 64; got 99"),
        ("resnet20 | 0x2 mean", "blocks must be 1 to 4096; got 0"),
        ("resnet20 | 2x3", "link or kind '' is not one of"),
        ("resnet20 | 2x3 abc", "abc is preceded by blocks x bases x activations; got '2x3'"),
        ("resnet20 | 2x3x4 mean", "mean is preceded by blocks x bases; got '2x3x4'"),
        ("resnet20 | 2x2 real", "a real group has 1 base; got 2"),
        ("resnet20 | 2x3 mean rates 1,2", "a rate for each of 3 bases; got 2 rates"),
        ("resnet20 | 2x3 layer rates 1,2,3", "only branches have links and rates"),
        ("resnet20 | 2x3 mean ++0", r"may come 'rates 1,2,3' and '\+0'; got '\+\+0'"),
        ("resnet20 | 2x3 mean | 1x1 mean +0", "a skip goes .* groups 0 to 1; got 0 to 1"),
        ("resnet20", "at least one group"),
        ("2x3 mean | 7x1 mean", "names no backbone"),
        ("segmnt: resnet20 | 9x1 mean", "task 'segmnt' .*did you mean 'segment'"),
    ],
)
def test_a_mistyped_line_is_told_where_and_what_fits(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(line)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"groups": [{}]}, "group 0 has no 'blocks'"),
        ({"groups": 3}, "groups must be list; got 3"),
        ({"skips": [[0]]}, r"a skip is a pair of group numbers; got \[0\]"),
        ({"grups": []}, "field 'grups' is not one of .*did you mean 'groups'"),
    ],
)
def test_wrong_json_is_told_where(change: dict[str, object], said: str) -> None:
    fields = json.loads(to_json(arch(branches(9, 1)))) | change
    with pytest.raises(ValueError, match=said):
        from_json(json.dumps(fields))


def test_a_number_that_is_not_whole_is_refused() -> None:
    with pytest.raises(TypeError, match=r"a whole number; got 2\.5"):
        branches(1, 2.5)  # type: ignore[arg-type]
