"""Networks and supernets: one function runs both, and says what the papers say."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from torch import Tensor

from kernels.ops import BinaryConv, Mix
from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.group import Link, abc, branches, layers, real
from search_spaces.known import KNOWN, known
from search_spaces.plan import Step
from search_spaces.planner import plan, unroll
from search_spaces.spaces import SPACES
from trainers.networks import epilogue
from trainers.networks.abc import activation_bases, weight_bases
from trainers.networks.binarizers import BINARIZERS
from trainers.networks.layers import binary_conv, weighted
from trainers.networks.mode import Mode
from trainers.networks.network import Network, network, run
from trainers.networks.parameters import Bank, needed
from trainers.networks.supernet import Supernet

DIGITS = find_backbone("digits")
STYLES = (
    "digits",
    "digits+rprelu+rsign+lambda",
    "digits+real-down+one-shortcut",
    "digits+free-down",
)
LEARN = Mode(statistics=0.0)
TANH = Mode(statistics=0.0, signs=False, binary=False)


def images(batch: int = 4, size: int = 8, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, channels, size, size, generator=generator)


def unsettled(net: torch.nn.Module, seed: int = 0) -> None:
    """Every parameter and statistic somewhere else than where it starts."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        moved = torch.rand(tensor.shape, generator=generator)
        tensor.copy_(moved + 0.5 if name.endswith("variance") else tensor + 0.3 * (moved - 0.5))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", list(SPACES))
def test_what_is_extracted_computes_what_the_supernet_computes(name: str, style: str) -> None:
    space = SPACES[name](find_backbone(style))
    supernet, x, rng = Supernet(space), images(), Random(name + style)
    unsettled(supernet)
    for _ in range(12):
        arch = space.decode(space.sample(rng))
        net = supernet.extract(arch)
        for mode in (Mode(), LEARN, TANH):
            assert torch.equal(net(x, mode), supernet(x, arch, mode)), (arch, mode)


def test_gradients_are_the_same_in_the_supernet_and_extracted() -> None:
    space = SPACES["groupnet"](DIGITS)
    supernet, x = Supernet(space), images()
    arch = Arch("classify", "digits", (branches(1, 3), branches(2, 2, Link.GATE)), ())
    net = supernet.extract(arch)
    net(x, LEARN).square().sum().backward()
    supernet(x, arch, LEARN).square().sum().backward()
    for name, mine in net.bank.named_parameters():
        whole = supernet.bank.get_parameter(name).grad
        assert whole is not None
        assert mine.grad is not None
        part = whole[tuple(slice(n) for n in mine.shape)]
        assert torch.equal(part, mine.grad), name


def test_an_arch_leaves_no_trace_in_the_supernet() -> None:
    space = SPACES["mixed"](DIGITS)
    supernet, x, rng = Supernet(space), images(), Random(0)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    first = space.decode(space.sample(rng))
    answer = supernet(x, first)
    for _ in range(5):
        supernet(x, space.decode(space.sample(rng)), LEARN)
    assert all(torch.equal(before[name], t) for name, t in supernet.state_dict().items())
    assert torch.equal(supernet(x, first), answer)


def test_not_copied_shares_the_weights_but_not_the_statistics() -> None:
    space = SPACES["groupnet"](DIGITS)
    supernet = Supernet(space)
    net = supernet.extract(known("groupnet-k3", DIGITS), copied=False)
    weight = "block0/conv1/weight"
    shared = net.bank.get_parameter(weight).data_ptr()
    assert shared == supernet.bank.get_parameter(weight).data_ptr()
    before = supernet.bank.get_buffer("stem/conv1/norm/all/mean").clone()
    net(images(), Mode(statistics=0.5))
    assert torch.equal(before, supernet.bank.get_buffer("stem/conv1/norm/all/mean"))
    assert not torch.equal(before, net.bank.get_buffer("stem/conv1/norm/all/mean"))


def with_gates_at(theta: float, links: tuple[Link, Link]) -> Tensor:
    """Four branches: halves and quarters are exact, so that sums made elsewhere are the same."""
    supernet = Supernet(SPACES["groupnet"](DIGITS))
    for name, parameter in supernet.bank.named_parameters():
        if name.endswith("theta"):
            parameter.data.fill_(theta)
    groups = (branches(1, 4), *(branches(1, 4, link) for link in links))
    answer = supernet(images(), Arch("classify", "digits", groups, ()))
    assert isinstance(answer, Tensor)
    return answer


def test_gates_at_1_are_branches_that_go_on_alone() -> None:
    """Eq. 6."""
    one_group = Supernet(SPACES["groupnet"](DIGITS))
    arch = Arch("classify", "digits", (branches(3, 4),), ())
    gated = with_gates_at(200.0, (Link.GATE, Link.GATE))
    assert torch.equal(gated, one_group(images(), arch))


def test_gates_at_0_are_branches_that_start_from_the_aggregate() -> None:
    """Eq. 5."""
    meeting = with_gates_at(0.0, (Link.MEAN, Link.MEAN))
    assert torch.equal(with_gates_at(-200.0, (Link.GATE, Link.GATE)), meeting)
    assert not torch.equal(with_gates_at(0.0, (Link.GATE, Link.GATE)), meeting)


def test_gates_of_one_branch_do_nothing() -> None:
    gated = unroll("classify", (branches(1, 1, Link.GATE),) * 3, (), DIGITS)
    plain = plan(known("groupnet-k1", DIGITS), DIGITS)
    binarizer = BINARIZERS["groupnet"]
    nets = [Network(p, Bank.new(needed([p], binarizer), 0), binarizer) for p in (gated, plain)]
    assert torch.equal(nets[0](images()), nets[1](images()))


def branch_0_before_the_gate(changed: int) -> Tensor:
    """The map of branch 0 where block 0 ends, with other weights for one of the bases."""
    net = network(Arch("classify", "digits", (branches(1, 3), branches(2, 3, Link.GATE)), ()))
    for part in ("conv1", "conv2"):
        weight = net.bank.get_parameter(f"block0/{part}/weight")
        weight.data[changed].copy_(weight.data[changed].flip(0))
    (gate,) = [step for step in net.plan.steps if isinstance(step.op, Mix)]
    until = replace(net.plan, outputs=(gate.reads[0].value,))
    return run(until, net.bank, net.binarizer, images(), LEARN)


def test_branch_0_is_never_the_sum_of_all() -> None:
    """In the released code it was: its map was added to in place."""
    assert torch.equal(branch_0_before_the_gate(1), branch_0_before_the_gate(2))
    assert not torch.equal(branch_0_before_the_gate(0), branch_0_before_the_gate(1))


def ending_steps() -> list[Step]:
    """One of every kind of step that has an epilogue."""
    steps: dict[object, Step] = {}
    for style in STYLES:
        backbone = find_backbone(style)
        for groups in (
            (branches(1, 3), branches(2, 2, Link.GATE)),
            (layers(1, 3), branches(2, 3)),
            (abc(2, 3, 2), real(1)),
            (branches(3, 1),),
        ):
            planned = plan(Arch("classify", style, groups, ()), backbone)
            for step in planned.steps:
                if step.norm is not None or getattr(step.op, "after", None) is not None:
                    after = step.op.after  # type: ignore[union-attr]
                    steps.setdefault((type(step.op), after, step.norm is None), step)
    return list(steps.values())


@pytest.mark.parametrize("step", ending_steps(), ids=lambda step: f"{step.source} {step.op.after}")
def test_an_answer_by_the_statistics_of_a_batch_is_what_was_learnt_on_it(step: Step) -> None:
    binarizer, op = BINARIZERS["groupnet"], step.op
    backbone = DIGITS
    planned = plan(known("real", backbone), backbone)
    needs = needed([type(planned)((step,), planned.values, ())], binarizer)
    bank = Bank.new(needs, 0)
    unsettled(bank)
    count = epilogue.pairs(op)  # type: ignore[arg-type]
    filters = getattr(op, "filters", None) or op.channels  # type: ignore[union-attr]
    rng = torch.Generator().manual_seed(1)
    shape = (400, filters, 6, 6)
    products = [(torch.randn(shape, generator=rng) * 20).round() for _ in range(count)]
    maps = {"none": 0, "one": 1, "each": count}[op.after.residual]  # type: ignore[union-attr]
    residual = [torch.randn(shape, generator=rng) for _ in range(maps)] or None
    scales = alphas = None
    scaled = products
    if isinstance(op, BinaryConv) and step.source is not None and step.source.latent:
        alphas = torch.rand(op.bases, generator=rng) + 0.1
        scaled = [d * alphas[n % op.bases] for n, d in enumerate(products)]
    elif isinstance(op, BinaryConv):
        scales = torch.rand(op.bases, filters, generator=rng) + 0.1
        scaled = [d * scales[n % op.bases, :, None, None] for n, d in enumerate(products)]
    learnt = epilogue.learn(step, op, scaled, residual, bank, Mode(statistics=1.0))  # type: ignore[arg-type]
    folded = epilogue.fold(step, op, bank, scales, alphas)  # type: ignore[arg-type]
    answered = epilogue.answer(op, products, residual, folded)  # type: ignore[arg-type]
    for a, b in zip(learnt, answered, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_abc_net_sums_every_weight_base_with_every_activation_base() -> None:
    """Conv(W, R) ~ sum of alpha_m beta_n Conv(B_m, A_n)."""
    arch = Arch("classify", "digits", (abc(3, 3, 2),), ())
    planned = plan(arch, DIGITS)
    step = next(s for s in planned.steps if s.source is not None and s.source.latent)
    net = network(arch)
    unsettled(net)
    op = step.op
    assert isinstance(op, BinaryConv)
    r = torch.randn(2, op.channels, op.height, op.width)
    shifts = net.bank.get_parameter("block0/conv1/latent/all/shifts")
    beta = net.bank.get_parameter("block0/conv1/scales/latent/factor")
    bases, alphas = weight_bases(net.bank.get_parameter("block0/conv1/latent/weight")[0], 3)
    wanted: Tensor | float = 0.0
    for n, a in enumerate(activation_bases(r, shifts)):
        padded = torch.nn.functional.pad(a, (1, 1, 1, 1), value=1.0)
        for m, b in enumerate(bases):
            d = torch.nn.functional.conv2d(padded, b.permute(0, 3, 1, 2), stride=op.stride)
            wanted = wanted + alphas[m] * beta[n] * d
    factors = epilogue.factors(step, op, net.bank, alphas)
    signs = activation_bases(r, shifts)
    got = weighted(binary_conv(op, signs, bases), factors)
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("name", list(KNOWN))
def test_every_known_architecture_learns(name: str) -> None:
    """Every one of its parameters has a gradient, and few are nothing but zeros."""
    net = network(known(name, DIGITS))
    labels = torch.tensor([0, 1, 2, 3])
    loss = torch.nn.functional.cross_entropy(net(images(), Mode(statistics=0.1)), labels)
    loss.backward()
    grads = {name: p.grad for name, p in net.bank.named_parameters()}
    missing = [name for name, grad in grads.items() if grad is None or not grad.abs().sum()]
    assert not missing


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"1 channels, 8x8 are wanted; got .*\(4, 1, 9, 9\)"):
        network(known("bireal", DIGITS))(images(size=9))


def test_first_values_come_from_the_seed_and_the_name() -> None:
    k3, k5 = (known(f"groupnet-k{k}", DIGITS) for k in (3, 5))
    a, b, c = network(k3, seed=1), network(k3, seed=1), network(k3, seed=2)
    one = "block0/conv1/weight"
    assert torch.equal(a.bank.get_parameter(one), b.bank.get_parameter(one))
    assert not torch.equal(a.bank.get_parameter(one), c.bank.get_parameter(one))
    stem = "stem/conv1/all/weight"
    assert torch.equal(a.bank.get_parameter(stem), network(k5, seed=1).bank.get_parameter(stem))
    rows = a.bank.get_parameter(one).detach().numpy()
    assert len({row.tobytes() for row in rows}) == 3, "bases start apart"
    assert np.isfinite(rows).all()
