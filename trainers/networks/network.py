"""A plan as a network: its steps, run one after another on the tensors of a bank.

Both the network of one architecture and the supernet are a bank and this function, so that what is
extracted from a supernet computes what the supernet computed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from kernels.ops import (
    Affine,
    BinaryConv,
    Blend,
    GlobalPool,
    Linear,
    Mix,
    Pack,
    Pool,
    RealConv,
    Resize,
    Skip,
)
from search_spaces.arch import Arch
from search_spaces.backbone import Backbone
from search_spaces.backbones import find_backbone
from search_spaces.plan import Plan, Step
from search_spaces.planner import plan
from trainers.networks import epilogue, fused, layers
from trainers.networks.abc import activation_bases, weight_bases
from trainers.networks.binarize import Binarizer, Estimator, plus_minus, sign
from trainers.networks.binarizers import BINARIZERS
from trainers.networks.epilogue import Ending
from trainers.networks.layers import Maps
from trainers.networks.mode import ANSWER, Mode
from trainers.networks.parameters import Bank, needed


class Network(nn.Module):
    """One architecture. `network(images)` answers; `network(images, Mode(...))` is for learning.

    Images are float32, (batch, channels, height, width); logits come out, (batch, classes), or maps
    of them where the task asks for maps.
    """

    def __init__(self, plan: Plan, bank: Bank, binarizer: Binarizer) -> None:
        super().__init__()
        self.plan, self.bank, self.binarizer = plan, bank, binarizer

    def forward(self, images: Tensor, mode: Mode = ANSWER) -> Tensor:
        return run(self.plan, self.bank, self.binarizer, images, mode)


def network(
    arch: Arch,
    backbone: Backbone | None = None,
    binarizer: Binarizer = BINARIZERS["groupnet"],
    *,
    seed: int = 0,
) -> Network:
    """Fresh, for images and classes as the backbone says; without one, as its name does."""
    planned = plan(arch, backbone or find_backbone(arch.backbone))
    return Network(planned, Bank.new(needed([planned], binarizer), seed), binarizer)


Watch = Callable[[int, Maps], None]  # is shown every value


def run(
    plan: Plan,
    bank: Bank,
    binarizer: Binarizer,
    images: Tensor,
    mode: Mode,
    watch: Watch | None = None,
) -> Tensor:
    image = plan.values[0]
    if images.shape[1:] != (image.channels, image.height, image.width):
        raise ValueError(
            f"images of {image.channels} channels, {image.height}x{image.width} are wanted; "
            f"got a batch of shape {tuple(images.shape)}"
        )
    values = {0: [images]}
    estimators: dict[int, Estimator] = {}  # of values whose signs their reader takes
    for step, done in zip(plan.steps, _last_reads(plan), strict=True):
        reads = [x for use in step.reads for x in _part(values, use)]
        residual = _part(values, step.residual) if step.residual is not None else None
        estimator = estimators.get(step.reads[0].value)
        written = _computed(step, reads, residual, bank, binarizer, mode, estimator)
        if step.floats is not None:
            values[step.floats] = written
        if step.bits is not None:
            values[step.bits], left = _signs(step, written, bank, binarizer, mode)
            if left is not None:
                estimators[step.bits] = left
        for value in step.writes if watch else ():
            watch(value, values[value])  # type: ignore[misc]
        for value in done:
            del values[value]
    (output,) = (values[value][0] for value in plan.outputs)
    return output.flatten(1) if output.shape[2:] == (1, 1) else output


def _part(values: dict[int, Maps], use: tuple[int, int, int]) -> Maps:
    value, first, sets = use
    return values[value][first : first + sets]


def _last_reads(plan: Plan) -> tuple[tuple[int, ...], ...]:
    """For each step, the values that nobody reads after it."""
    last = {use.value: n for n, step in enumerate(plan.steps) for use in step.uses}
    return tuple(
        tuple(value for value, at in last.items() if at == n and value not in plan.outputs)
        for n in range(len(plan.steps))
    )


def _computed(
    step: Step,
    x: Maps,
    residual: Maps | None,
    bank: Bank,
    binarizer: Binarizer,
    mode: Mode,
    estimator: Estimator | None,
) -> Maps:
    op = step.op
    match op:
        case BinaryConv():
            return _binary(step, op, x, residual, bank, binarizer, mode, estimator)
        case RealConv():
            assert step.source is not None
            products = layers.real_conv(op, x, bank.whole(step.source, "weight"))
            return _ended(step, op, products, residual, bank, mode)
        case Affine():
            return _ended(step, op, x, residual, bank, mode)
        case Mix():
            blend, sums = mixing(step, op, bank)
            mix = fused.mixed if fused.serves(x[0], mode) else layers.mix
            return mix(op, x, blend=blend, sums=sums)
        case Skip():
            return layers.skip(op, x, residual)
        case Pool():
            return layers.pool(op, x)
        case GlobalPool():
            return layers.global_pool(op, x)
        case Resize():
            return layers.resize(op, x)
        case Linear():
            assert step.source is not None
            weights, bias = (bank.whole(step.source, part) for part in ("weight", "bias"))
            return [layers.linear(op, x[0], weights, bias)]
        case Pack():
            return x
        case _:
            raise AssertionError(f"no plan has a {type(op).__name__}")


def _binary(
    step: Step,
    op: BinaryConv,
    x: Maps,
    residual: Maps | None,
    bank: Bank,
    binarizer: Binarizer,
    mode: Mode,
    estimator: Estimator | None,
) -> Maps:
    """Learning, the scales are part of the weights; answering, the products are whole numbers.

    x are signs; or, with an estimator, maps whose signs have not been taken yet.
    """
    if mode.statistics is None and mode.binary:
        weights, scales, alphas = answering(step, op, bank, binarizer)
        folded = epilogue.fold(step, op, bank, scales, alphas)
        return epilogue.answer(op, layers.binary_conv(op, x, weights), residual, folded)
    weights = _learning(step, op, bank, binarizer, mode)
    if fused.serves(x[0], mode) and fused.takes(op) and epilogue.normed_apart(step, op):
        how = estimator or Estimator.IDENTITY
        return epilogue.learn_fused(step, op, x, how, weights, residual, bank, mode)
    if estimator is not None:
        x = [sign(a, estimator, mode.progress) for a in x]
    products = layers.binary_conv(op, x, weights)
    return _ended(step, op, products, residual, bank, mode)


def answering(
    step: Step, op: BinaryConv, bank: Bank, binarizer: Binarizer
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Signs of the weights (bases, filters, kernel, kernel, channels), what they are multiplied by
    (bases, filters), and ABC-Net's factors of the bases."""
    latent, learnt = _latent(step, bank)
    assert step.source is not None
    if step.source.latent:
        weights, alphas = weight_bases(latent[0], op.bases)
        return weights, None, alphas
    return binarizer.signs(latent), binarizer.scales(latent, learnt), None


def _learning(step: Step, op: BinaryConv, bank: Bank, binarizer: Binarizer, mode: Mode) -> Tensor:
    """Weights with their scales in them; real ones before the binary stage."""
    latent, learnt = _latent(step, bank)
    assert step.source is not None
    if not mode.binary:
        return latent.expand(op.bases, -1, -1, -1, -1) if step.source.latent else latent
    if step.source.latent:
        weights, alphas = weight_bases(latent[0], op.bases)
        return weights * alphas[:, None, None, None, None]
    return binarizer.weights(latent, learnt, mode.progress)


def _latent(step: Step, bank: Bank) -> tuple[Tensor, Tensor | None]:
    """The real weights behind the signs, and learnt scales where there are any."""
    assert step.source is not None
    if step.source.latent:
        return bank.whole(step.source, "weight")[:1], None
    learnt = bank.find(step.source, "scale")
    rows = None if learnt is None else bank.rows(step.source, "scale")
    return bank.rows(step.source, "weight"), rows


def _ended(
    step: Step, op: Ending, products: Maps, residual: Maps | None, bank: Bank, mode: Mode
) -> Maps:
    if mode.statistics is not None:
        return epilogue.learn(step, op, products, residual, bank, mode)
    return epilogue.answer(op, products, residual, epilogue.fold(step, op, bank, None))


def mixing(step: Step, op: Mix, bank: Bank) -> tuple[Tensor | None, Tensor | None]:
    """`blend` and `sums` of a mix.

    Factors of a sum are learnt as multiples of an even share, and mixings as what is beside it:
    so they mean the same for any number of branches, and branches start as their mean.
    """
    blend, sums = None, None
    if step.scales is not None:
        sums = bank.rows(step.scales, "factor") / op.inputs
    if op.kind is Blend.GATE:
        assert step.source is not None
        blend = torch.sigmoid(bank.whole(step.source, "theta")[: min(op.inputs, op.outputs)])
    elif op.kind is Blend.ROUTE:
        assert step.source is not None
        mixing = bank.whole(step.source, "mixing")[: op.outputs, : op.inputs]
        blend = mixing + 1 / op.inputs
    return blend, sums


def _signs(
    step: Step, y: Maps, bank: Bank, binarizer: Binarizer, mode: Mode
) -> tuple[Maps, Estimator | None]:
    """Against the thresholds of the convolution that reads them; those of one map side by side.

    With an estimator they are left to that convolution: the maps are what it takes the signs of.
    """
    source = step.thresholds
    if source is not None and source.latent:
        shifts = bank.whole(source, "shifts")[: signs_of(step)]
        return [a for x in y for a in _abc_signs(x, shifts, mode)], None
    if source is not None:
        levels = bank.rows(source, "threshold")[:, :, None, None]
        y = [a - levels[n % len(levels)] for n, a in enumerate(y)]
    if not mode.signs:
        return [torch.tanh(a) for a in y], None
    if mode.statistics is None:
        return [plus_minus(a) for a in y], None
    if binarizer.activation in fused.ESTIMATORS and fused.serves(y[0], mode):
        return y, binarizer.activation
    return [sign(a, binarizer.activation, mode.progress) for a in y], None


def _abc_signs(x: Tensor, shifts: Tensor, mode: Mode) -> Maps:
    if not mode.signs:
        return [torch.tanh(x - (0.5 - shift)) for shift in shifts]
    return activation_bases(x, shifts)


def signs_of(step: Step) -> int:
    """How many signs a step writes for each number."""
    op = step.op
    return op.signs if isinstance(op, Pack | Mix) else op.after.signs  # type: ignore[union-attr]
