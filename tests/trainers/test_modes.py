"""What a network is told about how to compute reaches the places where it computes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from kernels.ops import BinaryConv
from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.group import Group, Link, abc, branches
from search_spaces.plan import Source, Step
from trainers.networks import fused, layers
from trainers.networks.binarizers import BINARIZERS
from trainers.networks.layers import Maps
from trainers.networks.mode import Mode
from trainers.networks.network import Network, network, run
from trainers.networks.parameters import name_of

LEARN = Mode(statistics=0.0)
RSIGN = "digits+rprelu+rsign+lambda"
GROUPS = (branches(1, 3), branches(1, 2, Link.MEAN), abc(1, 3, 2))


def arch(*groups: Group, backbone: str = "digits") -> Arch:
    return Arch("classify", backbone, groups, ())


def images() -> Tensor:
    return torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def unsettled() -> Network:
    """With thresholds, shifts and all else somewhere else than where they start."""
    net = network(arch(*GROUPS, backbone=RSIGN), find_backbone(RSIGN))
    generator = torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        parameter.data += 0.3 * (torch.rand(parameter.shape, generator=generator) - 0.5)
    return net


@pytest.mark.parametrize(("before", "after"), [(4, 4), (4, 2), (2, 4)])
def test_a_fresh_route_gives_every_branch_the_mean_of_those_before(before: int, after: int) -> None:
    """Halves and quarters are exact, so the network is that of branches that meet, in every bit."""
    routed, meeting, gated = (
        network(arch(branches(2, before), branches(1, after, link)))(images())
        for link in (Link.ROUTE, Link.MEAN, Link.GATE)
    )
    assert torch.equal(routed, meeting)
    assert not torch.equal(routed, gated)


@dataclass(frozen=True, slots=True)
class Call:
    """Of a binary convolution: what it read, and with which weights."""

    step: Step
    x: Maps
    weights: Tensor


def calls(monkeypatch: pytest.MonkeyPatch, net: Network, mode: Mode) -> Iterator[Call]:
    """Written down on the way into the layer, which computes as ever."""
    seen: list[tuple[Maps, Tensor]] = []

    def seeing(op: BinaryConv, x: Maps, weights: Tensor) -> Maps:
        seen.append((x, weights))
        return binary_conv(op, x, weights)

    binary_conv = layers.binary_conv
    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(layers, "binary_conv", seeing)
        patch.setattr(fused, "serves", lambda x, mode: False)  # torch's way, step by step
        net(images(), mode)
    steps = [step for step in net.plan.steps if isinstance(step.op, BinaryConv)]
    for step, (x, weights) in zip(steps, seen, strict=True):
        yield Call(step, x, weights)


@torch.no_grad()
def value(net: Network, number: int, mode: Mode) -> Tensor:
    """The first set of a value of the plan."""
    return run(replace(net.plan, outputs=(number,)), net.bank, net.binarizer, images(), mode)


def test_without_signs_a_convolution_reads_the_tanh_of_what_lies_above_its_threshold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where several maps lie above, the first of them is looked at."""
    net, mode = unsettled(), Mode(statistics=0.0, signs=False)
    writers = {step.bits: step for step in net.plan.steps}
    seen = set()
    for call in calls(monkeypatch, net, mode):
        writer = writers[call.step.reads[0].value]
        source = writer.thresholds
        if writer.floats is None or source is None:
            continue
        limits, maps = thresholds(net, source), net.plan.values[writer.floats].sets
        assert len(limits) == len(call.x)
        x = value(net, writer.floats, mode)
        for got, limit in zip(call.x[: 1 if maps > 1 else None], limits, strict=False):
            torch.testing.assert_close(got, torch.tanh(x - limit[:, None, None]))
        seen.add((source.latent, maps))
    assert seen == {(False, 1), (False, 3), (False, 2), (True, 1)}


def thresholds(net: Network, source: Source) -> Tensor:
    """(bases, channels), or (bases, 1) of ABC-Net's."""
    if source.latent:
        return 0.5 - net.bank.get_parameter(name_of(source, "shifts"))[:, None]
    return net.bank.get_parameter(name_of(source, "threshold"))


def test_with_signs_a_convolution_reads_nothing_but_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for call in calls(monkeypatch, unsettled(), LEARN):
        assert all(x.abs().eq(1).all() for x in call.x)


def test_not_binary_a_convolution_takes_the_latent_weights_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = unsettled()
    for call in calls(monkeypatch, net, Mode(statistics=0.0, binary=False)):
        source, op = call.step.source, call.step.op
        assert isinstance(op, BinaryConv)
        assert source is not None
        latent = net.bank.get_parameter(name_of(source, "weight"))
        assert torch.equal(
            call.weights, torch.cat([latent] * op.bases) if source.latent else latent
        )


def gradients(binarizer: str, progress: float) -> tuple[Tensor, dict[str, Tensor]]:
    """The answer with them."""
    net = network(arch(branches(1, 3), branches(2, 2)), binarizer=BINARIZERS[binarizer])
    answer = net(images(), Mode(statistics=0.0, progress=progress))
    answer.square().sum().backward()
    named = net.bank.named_parameters()
    return answer, {name: p.grad for name, p in named if p.grad is not None}


def test_the_progress_of_a_training_reaches_the_weights() -> None:
    """ReCU's tau: its activations do not know of the progress."""
    (first, early), (last, late) = (gradients("recu", progress) for progress in (0.0, 1.0))
    assert torch.equal(first, last)
    binary = [name for name in early if name.startswith("block") and name.endswith("conv1/weight")]
    assert len(binary) == 3
    for name in binary:
        assert not torch.equal(early[name], late[name]), name
    assert torch.equal(early["head/linear/all/weight"], late["head/linear/all/weight"])


def test_the_progress_of_a_training_reaches_the_activations() -> None:
    """On the way to the first layer lie the signs of activations, and weights as they are."""
    (first, early), (last, late) = (gradients("irnet", progress) for progress in (0.0, 1.0))
    assert torch.equal(first, last)
    stem = "stem/conv1/all/weight"
    assert not torch.equal(early[stem], late[stem])
