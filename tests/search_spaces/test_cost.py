"""Counts, held against those of the papers and against sums done by hand.

OPs, their parts and the weights in MB are those of the convention's own table, derived from the
structure of each network; 1.63e8 and 0.87e8 are what Bi-Real's and ReActNet's authors state; the
number of binary weights and of parameters was counted in the released code of Group-Net.
"""

from __future__ import annotations

import pytest

from kernels.ops import BinaryConv, Epilogue, Mix
from search_spaces.backbones import find_backbone
from search_spaces.cost import Cost, constants, cost, live_bytes
from search_spaces.plan import Plan
from search_spaces.planner import plan
from search_spaces.text import parse


def planned(line: str) -> Plan:
    arch = parse(line)
    return plan(arch, find_backbone(arch.backbone))


def counted(line: str) -> Cost:
    return cost(planned(line))


# Millions of OPs for K = 1, 3, 4, 5, 8 with a binary downsample; for K = 5 with a real one; the
# megabytes of weights for K = 5.
IMAGENET = {
    "resnet18 | 8": ((145.0, 197.4, 223.6, 249.8, 328.4), 268.8, 8.98),
    "resnet34 | 16": ((173.9, 284.1, 339.2, 394.3, 559.6), 413.3, 15.29),
    "resnet50 | 16": ((182.1, 294.9, 351.3, 407.7, 576.9), 761.7, 21.50),
}


@pytest.mark.parametrize("net", IMAGENET)
def test_the_imagenet_table(net: str) -> None:
    ops, real, megabytes = IMAGENET[net]
    for bases, millions in zip((1, 3, 4, 5, 8), ops, strict=True):
        assert round(counted(f"{net}*1x{bases} mean").ops / 1e6, 1) == millions
    assert round(counted(f"{net}*1x5 mean".replace(" ", "+real-down ", 1)).ops / 1e6, 1) == real
    assert round(counted(f"{net}*1x5 mean").weight_bits / 8e6, 2) == megabytes


CIFAR = {
    "resnet20 | 9": (1.074, 2.327, 3.581, 5.461),
    "resnet32 | 15": (1.516, 3.654, 5.792, 9.000),
    "resnet18-cifar | 8": (10.43, 27.53, 44.64, 70.29),
}


@pytest.mark.parametrize("net", CIFAR)
def test_the_cifar_table(net: str) -> None:
    for bases, millions in zip((1, 3, 5, 8), CIFAR[net], strict=True):
        digits = 2 if millions > 10 else 3
        assert round(counted(f"{net}*1x{bases} mean").ops / 1e6, digits) == millions


def test_resnet18_with_one_base_and_a_real_downsample_is_bireal() -> None:
    one = counted("resnet18+real-down | 8x1 mean")
    assert round(one.ops / 1e8, 3) == 1.640
    assert one.ops == pytest.approx(1.63e8, rel=0.01)
    assert one.bops == pytest.approx(1.6763e9, rel=1e-4)
    assert one.flops == pytest.approx(1.9268e7 + 1.1853e8, rel=1e-4)


def test_mobilenet_is_reactnet() -> None:
    assert round(counted("mobilenet | 13x1 mean").ops / 1e8, 2) == 0.87


def test_gates_have_the_downsample_done_for_every_base() -> None:
    one = counted("resnet18 | 1x5 mean | 7*1x5 gate")
    assert one.bops == pytest.approx(5 * (1.6763e9 + 1.927e7), rel=1e-4)


@pytest.mark.parametrize(
    ("net", "binary", "down"),
    [("resnet18 | 8", 55_099_392, 172_032), ("resnet34 | 16", 105_603_072, 172_032)],
)
def test_binary_weights_of_five_bases(net: str, binary: int, down: int) -> None:
    steps = [step for step in planned(f"{net}*1x5 mean").steps if isinstance(step.op, BinaryConv)]
    bits = {str(step.source): step.op.bases * step.op.filters * step.op.products
            for step in steps if isinstance(step.op, BinaryConv)}  # fmt: skip
    assert sum(bits.values()) == binary
    assert sum(n for source, n in bits.items() if source.endswith(".down")) == down


@pytest.mark.parametrize(
    ("net", "parameters", "norms", "gates"),
    [("resnet18", 55_662_127, 84, 7), ("resnet34", 106_202_935, 164, 15)],
)
def test_parameters_of_the_released_networks(
    net: str, parameters: int, norms: int, gates: int
) -> None:
    """Five bases: binary weights, stem, head, a scale and a shift for each norm, gates."""
    one = planned(f"{net} | 1x5 mean | {gates}*1x5 gate")
    total = 64 * 147 + 513 * 1000
    counted = 0
    for step in one.steps:
        if isinstance(step.op, BinaryConv):
            total += step.op.bases * step.op.filters * step.op.products
        elif isinstance(step.op, Mix):
            total += 1
        if step.norm:
            channels = one.values[step.writes[0]].channels
            several = max(1, len(step.norm.bases))
            counted += several
            total += 2 * channels * several
    assert (total, counted) == (parameters, norms)
    assert len([step for step in one.steps if isinstance(step.op, Mix)]) == gates


def test_the_peak_is_what_is_alive_by_hand() -> None:
    """digits, two branches: 8x8x16 maps of 4096 bytes, or 128 of signs; 4x4x32: 2048, and 64.

    stem         image 256, its map and signs                  256 + 4096 + 128 = 4480
    conv1        map, signs; two of each                      4224 + 2 * 4224 = 12672
    conv2        the two and their signs; two of signs        8448 + 2 * 128 = 8704
    down         signs; two small maps                        256 + 2 * 2048 = 4352
    """
    one = planned("digits | 3x2 mean")
    assert live_bytes(one)[:4] == [4480, 12672, 8704, 4352]
    assert cost(one).peak_bytes == 12672


def test_a_map_that_is_added_to_is_not_there_twice() -> None:
    """digits, f1 and b2, 4096 and 128 bytes, become f3 and b4: only the signs are there twice."""
    assert live_bytes(planned("digits | 3x1 mean"))[1] == 4096 + 2 * 128


def test_constants_are_scales_and_shifts_slopes_thresholds_and_factors() -> None:
    after = Epilogue(floats=True, signs=1)
    conv = BinaryConv(height=4, width=4, channels=8, filters=8, padding=1, bases=3, after=after)
    assert constants(conv) == 3 * 8 * (2 + 1)
    one = counted("digits | 3x1 mean")
    curved = counted("digits+rprelu | 3x1 mean")
    maps = 2 * 16 + 4 * 32  # a slope and two shifts for each channel of each convolution
    assert curved.constant_bits - one.constant_bits == 32 * 3 * maps


def test_real_weights_have_32_bits() -> None:
    one = counted("digits | 3x1 real")
    convs = 16 * 9 + 2 * 16 * 16 * 9 + 16 * 32 * 9 + 3 * 32 * 32 * 9 + 16 * 32
    assert one.weight_bits == 32 * (convs + 33 * 10)
    assert one.bops == 0


def test_a_byte_that_is_begun_counts() -> None:
    """Filters by nines have no whole bytes of weights, and a table of sizes has whole numbers."""
    for bits, wanted in ((0, 0), (1, 1), (8, 1), (9, 2), (2 * 9 * 9 * 9, 183)):
        found = Cost(bops=0, flops=0, weight_bits=bits, constant_bits=0, peak_bytes=0)
        assert found.weight_bytes == wanted
        assert isinstance(found.weight_bytes, int)
