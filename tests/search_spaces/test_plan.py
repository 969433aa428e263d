"""A plan fits together, and is the structure that the papers describe."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.ops import (
    Affine,
    BinaryConv,
    Blend,
    Curve,
    GlobalPool,
    Linear,
    Mix,
    Op,
    Pack,
    Pool,
    RealConv,
    Residual,
    Resize,
    Skip,
)
from search_spaces.backbone import Conv, Stem
from search_spaces.backbones import BACKBONES, find_backbone
from search_spaces.known import KNOWN, known
from search_spaces.plan import Plan, Source, Step, Value
from search_spaces.planner import plan
from search_spaces.spaces import groupnet, mixed
from search_spaces.text import parse

STYLES = [
    "",
    "+lambda",
    "+rsign",
    "+rprelu",
    "+no-relu",
    "+real-down",
    "+free-down",
    "+one-shortcut",
]


def planned(line: str) -> Plan:
    arch = parse(line)
    return plan(arch, find_backbone(arch.backbone))


def steps_of(one: Plan, kind: type[Op]) -> list[Step]:
    return [step for step in one.steps if isinstance(step.op, kind)]


def takes(op: Op) -> tuple[bool, int, int, int, int]:
    """What an op wants to read: bits or not, sets, height, width, channels."""
    match op:
        case BinaryConv():
            return True, op.inputs, op.height, op.width, op.channels
        case RealConv() | Skip() | Mix():
            return False, op.inputs, op.height, op.width, op.channels
        case Pool() | GlobalPool() | Resize() | Affine() | Pack():
            return False, op.sets, op.height, op.width, op.channels
        case _:
            raise AssertionError(op)


def gives(op: Op) -> tuple[int, int, int, int]:
    """What it writes: sets, height, width, channels."""
    match op:
        case BinaryConv() | RealConv():
            return op.sets, op.out_height, op.out_width, op.filters
        case Pool():
            return op.sets, op.out_height, op.out_width, op.channels
        case Skip():
            return op.sets, op.out_height, op.out_width, op.filters
        case Resize():
            return op.sets, op.out_height, op.out_width, op.channels
        case GlobalPool():
            return op.sets, 1, 1, op.channels
        case Mix():
            return op.outputs, op.height, op.width, op.channels
        case Linear():
            return 1, 1, 1, op.filters
        case Affine() | Pack():
            return op.sets, op.height, op.width, op.channels
        case _:
            raise AssertionError(op)


def residual_sets(op: Op) -> int:
    match op:
        case BinaryConv() | RealConv() | Affine():
            pairs = op.pairs if isinstance(op, BinaryConv) else takes(op)[1]
            return {Residual.NONE: 0, Residual.ONE: 1, Residual.EACH: pairs}[op.after.residual]
        case Skip():
            return op.onto
        case _:
            return 0


def writes(op: Op) -> tuple[bool, int]:
    """Whether it writes floats, and how many signs."""
    match op:
        case BinaryConv() | RealConv() | Affine():
            return op.after.floats, op.after.signs
        case Mix():
            return op.floats, op.signs
        case Pack():
            return False, op.signs
        case _:
            return True, 0


def check(one: Plan) -> None:
    """Each step reads what earlier ones wrote, in the shape that its op has, and writes its own."""
    known_values = {0}
    for step in one.steps:
        for use in step.uses:
            assert use.value in known_values
            assert 0 <= use.first < use.first + use.sets <= one.values[use.value].sets
        read = [one.values[use.value] for use in step.reads]
        sets = sum(use.sets for use in step.reads)
        if isinstance(step.op, Linear):
            (value,) = read
            assert value.sets * value.height * value.width * value.channels == step.op.channels
        else:
            for value in read:
                assert (value.bits, sets, *value[2:]) == takes(step.op)
        sets, *shape = gives(step.op)
        wanted = residual_sets(step.op)
        assert (step.residual is None) == (wanted == 0)
        if step.residual is not None:
            value = one.values[step.residual.value]
            assert (value.bits, step.residual.sets, *value[2:]) == (False, wanted, *shape)
        floats, signs = writes(step.op)
        assert (step.floats is not None, step.bits is not None) == (floats, signs > 0)
        if step.floats is not None:
            assert one.values[step.floats] == Value(False, sets, *shape)
        if step.bits is not None:
            assert one.values[step.bits] == Value(True, sets * signs, *shape)
        assert list(step.writes) == list(
            range(len(known_values), len(known_values) + len(step.writes))
        )
        known_values.update(step.writes)
    assert len(one.values) == len(known_values)
    used = {use.value for step in one.steps for use in step.uses} | set(one.outputs)
    assert used == known_values, "a value that nobody reads"


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.sampled_from(sorted(BACKBONES)), st.sampled_from(STYLES), st.randoms(), st.booleans())
def test_every_plan_fits_together(name: str, style: str, rng: Random, skips: bool) -> None:
    if name == "mobilenet":
        style = ""  # it has most of these already
    backbone = find_backbone(name + style)
    space = groupnet(backbone) if skips else mixed(backbone)
    check(plan(space.decode(space.sample(rng)), backbone))


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("backbone", ["digits", "resnet18", "resnet50", "vgg-small", "mobilenet"])
def test_every_known_architecture_has_a_plan(name: str, backbone: str) -> None:
    arch = known(name, find_backbone(backbone))
    check(plan(arch, find_backbone(arch.backbone)))


@pytest.mark.parametrize(
    "line",
    [
        "digits | 1x2 mean | 2x4 gate rates 1,2,2,3",
        "digits+rsign | 1x2 mean rates 2,1 | 1x3 route rates 1,1,4 | 1x1 mean rates 2 +0",
        "segment: digits | 3x2 mean",
        "digits | 1x1 real | 1x2x3 abc | 1x2 mean",
    ],
)
def test_dilated_dense_and_mixed_plans_fit_together(line: str) -> None:
    check(planned(line))


def test_bases_that_start_together_are_one_wide_convolution_on_one_packed_input() -> None:
    one = planned("digits | 3x4 mean")
    first, second = steps_of(one, BinaryConv)[:2]
    assert isinstance(first.op, BinaryConv)
    assert isinstance(second.op, BinaryConv)
    assert (first.op.inputs, first.op.bases, first.op.own) == (1, 4, False)
    assert (second.op.inputs, second.op.bases, second.op.own) == (4, 4, True)
    assert first.reads[0].value == one.steps[0].bits, "the stem packs it"


def test_gates_at_every_boundary_are_one_less_than_blocks() -> None:
    for name, gates in (("resnet18", 7), ("resnet34", 15)):
        one = plan(known("groupnet-k5-gates", find_backbone(name)), find_backbone(name))
        mixes = [step.op for step in steps_of(one, Mix)]
        assert [op.kind for op in mixes if isinstance(op, Mix)] == [Blend.GATE] * gates


def test_one_base_needs_no_gate() -> None:
    assert planned("digits | 1x1 mean | 2x1 gate") == planned("digits | 3x1 mean")


def test_branches_meet_only_where_their_group_ends() -> None:
    """Eq. 6: one group is K networks, summed once, in the last convolution's epilogue."""
    convs = [step.op for step in steps_of(planned("resnet20 | 9x3 mean"), BinaryConv)]
    summed = [op.after.sum for op in convs if isinstance(op, BinaryConv)]
    assert summed == [False] * (len(convs) - 1) + [True]


def test_in_groups_of_one_block_branches_meet_after_every_block() -> None:
    """Eq. 5."""
    convs = [step.op for step in steps_of(planned("resnet20 | 9*1x3 mean"), BinaryConv)]
    assert sum(op.after.sum for op in convs if isinstance(op, BinaryConv)) == 9


def test_layerwise_bases_meet_before_relu_and_norm() -> None:
    """Eq. 3: a sum of binary convolutions stands where the real convolution was."""
    one = planned("digits | 3x3 layer")
    sums = [s for s in steps_of(one, BinaryConv) if isinstance(s.op, BinaryConv) and s.op.after.sum]
    assert len(sums) == len(steps_of(one, Affine)) == 6
    for step in sums:
        assert isinstance(step.op, BinaryConv)
        after = step.op.after
        assert step.norm is None
        assert (after.inner, after.outer, after.residual) == (Curve.NONE, Curve.RELU, Residual.NONE)


def test_abcnet_has_every_base_meet_every_threshold() -> None:
    one = planned("digits | 3x3x5 abc")
    assert isinstance(one.steps[0].op, RealConv)
    assert one.steps[0].op.after.signs == 5
    for step in steps_of(one, BinaryConv):
        assert isinstance(step.op, BinaryConv)
        assert (step.op.inputs, step.op.bases, step.op.pairs) == (5, 3, 15)
        assert step.op.after.sum
        assert step.source is not None
        assert step.source.latent


def test_a_binary_downsample_is_one_base_on_the_signs_the_block_has_anyway() -> None:
    for line, inputs in (("digits | 3*1x3 mean", 1), ("digits | 3x3 mean", 3)):
        steps = steps_of(planned(line), BinaryConv)
        (down,) = [step for step in steps if step.source and step.source.part == "down"]
        (conv,) = [step for step in steps if step.source == Source("block1", "conv1", (0, 1, 2))]
        assert isinstance(down.op, BinaryConv)
        assert (down.op.kernel, down.op.inputs, down.op.bases) == (1, inputs, 1)
        assert down.reads == conv.reads


def test_a_real_downsample_is_an_average_and_a_real_convolution() -> None:
    steps = planned("digits+real-down | 3x2 mean").steps
    (down,) = [n for n, step in enumerate(steps) if step.source == Source("block1", "down")]
    assert isinstance(steps[down].op, RealConv)
    assert isinstance(steps[down - 1].op, Skip)


def test_dilation_is_the_base_s_own() -> None:
    """The released segmentation code gives all bases the last rate."""
    one = planned("resnet18 | 4x5 mean | 2x5 mean rates 2,3,4,5,6 | 2x5 mean rates 6,7,8,9,10")
    rates = {
        (step.source.at, base): step.op.dilation
        for step in steps_of(one, BinaryConv)
        if isinstance(step.op, BinaryConv) and step.source and step.source.part == "conv2"
        for base in step.source.bases
    }
    assert [rates["block5", base] for base in range(5)] == [2, 3, 4, 5, 6]
    assert [rates["block7", base] for base in range(5)] == [6, 7, 8, 9, 10]
    assert [rates["block3", base] for base in range(5)] == [1] * 5


def test_a_skip_adds_an_earlier_aggregate_to_each_branch() -> None:
    one = planned("resnet20 | 3x2 mean | 1x2 mean | 5x3 route +0")
    (skip,) = steps_of(one, Skip)
    assert skip.op == Skip(
        height=32, width=32, channels=16, out_height=16, out_width=16, filters=32, onto=3
    )
    aggregate = next(step for step in one.steps if step.floats == skip.reads[0].value)
    assert aggregate.source == Source("block2", "conv2", (0, 1))


@pytest.mark.parametrize("style", ["", "+real-down", "+one-shortcut", "+lambda+rsign"])
@pytest.mark.parametrize(
    "line",
    [
        "9x3 mean rates 1,2,4",
        "3x2 mean | 6x4 gate rates 1,2,2,3",
        "3x2 mean | 2x3 route rates 1,1,2 | 4x3 gate rates 3,1,3 +0",
    ],
)
def test_with_rates_too_a_norm_is_of_one_step(line: str, style: str) -> None:
    """What two steps moved would end with the statistics of the second."""
    norms = [step.norm for step in planned(f"resnet20{style} | {line}").steps if step.norm]
    rows = [(norm.at, norm.part, base) for norm in norms for base in norm.bases or ("all",)]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("style", ["", "+real-down", "+one-shortcut", "+free-down"])
def test_what_branches_of_all_rates_start_from_is_brought_to_its_shape_once(style: str) -> None:
    def shortcuts(line: str) -> list[Step]:
        steps = planned(f"digits{style} | {line}").steps
        return [
            s for s in steps if isinstance(s.op, Skip) or (s.source and s.source.part == "down")
        ]

    for rates in ("", " rates 1,2,4", " rates 2,1,1", " rates 2,3,2"):
        many = 2 if style == "+real-down" else 1  # an average, and a convolution
        assert len(shortcuts(f"1x1 mean | 2x3 mean{rates}")) == many


def test_parameters_belong_to_one_step_each() -> None:
    one = planned("resnet20+lambda+rsign | 2x3 mean | 4x2 gate | 3x5 route")
    sources = [step.source for step in one.steps if step.source]
    sources += [step.scales for step in one.steps if step.scales]
    sources += [step.norm for step in one.steps if step.norm]
    assert len(set(sources)) == len(sources)
    thresholds = [step.thresholds for step in one.steps if step.thresholds]
    assert len(set(thresholds)) == len(thresholds) == 18
    assert Source("block0", "conv1") in thresholds, "one map for all bases"
    assert Source("block0", "conv2", (0, 1, 2)) in thresholds, "a map for each"


@pytest.mark.parametrize("made", [Stem, Conv])
def test_an_even_kernel_is_refused(made: type[Stem] | type[Conv]) -> None:
    """Padded by half of it, an image would come out larger than the plan says."""
    for kernel in (0, 2, 4, 9):
        with pytest.raises(ValueError, match=f"kernel is 1, 3, 5 or 7; got {kernel}"):
            made(filters=8, kernel=kernel)


def test_an_image_too_small_is_told_by_the_convolution() -> None:
    backbone = find_backbone("vgg-small").sized(4)
    with pytest.raises(ValueError, match="does not fit an image of 1x1"):
        plan(parse("vgg-small | 5x1 mean"), backbone)


@pytest.mark.parametrize(
    ("line", "backbone", "said"),
    [
        ("resnet20 | 9x1 mean", "resnet32", "is of resnet20; got resnet32"),
        ("resnet20 | 2x3 mean | 4x2 mean", "resnet20", r"has 9 blocks; .* 2 \+ 4 = 6, 3 too few"),
        ("resnet20 | 12x1 mean", "resnet20", "has 9 blocks; the groups have 12 = 12, 3 too many"),
    ],
)
def test_groups_must_fit_their_backbone(line: str, backbone: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plan(parse(line), find_backbone(backbone))


def test_what_a_real_group_hands_to_signs_has_no_relu() -> None:
    """All of its signs would be +1."""
    real = steps_of(planned("digits | 1x1 real | 2x2 mean"), RealConv)
    assert [s.op.after.outer for s in real if isinstance(s.op, RealConv)] == [Curve.RELU] * 2 + [
        None
    ]
    real = steps_of(planned("digits | 3x1 real"), RealConv)[:3]
    assert [s.op.after.outer for s in real if isinstance(s.op, RealConv)] == [Curve.RELU] * 3


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("digits+rprelu | 1x3 mean | 2x1 mean", Blend.MEAN),  # a curve behind each branch
        ("vgg-small | 1x3 mean | 4x1 mean", Blend.MEAN),  # a pooling behind each branch
        ("resnet50+lambda | 1x3 mean | 15x1 mean", Blend.LAMBDA),  # one shortcut for all branches
        ("digits | 3x3 mean rates 1,1,2", Blend.MEAN),  # two convolutions
    ],
)
def test_where_an_epilogue_cannot_sum_branches_a_mix_does(line: str, kind: Blend) -> None:
    one = planned(line)
    (mix,) = steps_of(one, Mix)
    assert isinstance(mix.op, Mix)
    assert (mix.op.kind, mix.op.inputs, mix.op.outputs) == (kind, 3, 1)
    assert (mix.scales is not None) == (kind is Blend.LAMBDA)
    assert not any(
        s.op.after.sum for s in steps_of(one, BinaryConv) if isinstance(s.op, BinaryConv)
    )
