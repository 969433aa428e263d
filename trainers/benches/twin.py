"""The real-valued network of a backbone as torch runs it best: beside it binary programs are timed.

Norms are folded into the convolutions before them, as everyone does who wants speed. The weights
are random: this is for the time alone. Three forms of it: float32 or bfloat16 as a module, eager or
frozen by inductor, and int8 by torch's quantized operations. On a GPU float16 too, each as a CUDA
graph, and no int8: torch has no int8 convolution there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels import baselines, timing
from kernels.ops import Affine, GlobalPool, Linear, Op, Pool, Pooling, RealConv
from kernels.timing import Runs
from search_spaces.backbone import Backbone
from search_spaces.known import find_arch
from search_spaces.plan import Plan, Step
from search_spaces.planner import plan

Clock = Callable[[Callable[[], Any]], Runs]

SCALE, ZERO = 0.1, 128  # of int8 activations; what they are does not change the time


class Twin(nn.Module):
    """Channels last; (batch, channels, height, width) to (batch, classes)."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.layers = nn.ModuleDict()
        for n, step in enumerate(plan.steps):
            if isinstance(step.op, RealConv):
                self.layers[str(n)] = _convolution(step.op)
            elif isinstance(step.op, Linear):
                self.layers[str(n)] = nn.Linear(step.op.channels, step.op.filters)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        values = {0: images}
        for n, step in enumerate(self.plan.steps):
            (use,) = step.reads
            y = self._computed(n, step, values[use.value])
            if step.residual is not None:
                y = y + values[step.residual.value]
            assert step.floats is not None
            values[step.floats] = F.relu(y) if _bent(step) else y
        return values[self.plan.outputs[0]]

    def _computed(self, n: int, step: Step, x: Tensor) -> Tensor:
        match step.op:
            case RealConv() | Linear():
                y: Tensor = self.layers[str(n)](x.flatten(1) if isinstance(step.op, Linear) else x)
                return y
            case Pool() as op if op.kind is Pooling.MAX:
                return F.max_pool2d(x, op.kernel, op.stride, op.padding)
            case Pool() as op:
                return F.avg_pool2d(x, op.kernel, op.stride, op.padding)
            case GlobalPool():
                return x.mean((2, 3))
            case Affine():  # its scale and shift are in the convolution before
                return x
            case _:
                raise ValueError(f"a real-valued twin has no {type(step.op).__name__}")


def _convolution(op: RealConv) -> nn.Conv2d:
    return nn.Conv2d(
        op.channels, op.filters, op.kernel, op.stride, op.padding, op.dilation, op.groups
    )


def _bent(step: Step) -> bool:
    op = step.op
    return isinstance(op, RealConv | Affine) and op.after.outer is not None


def real_plan(backbone: Backbone) -> Plan:
    return plan(find_arch("real", backbone.name), backbone)


def every_form(backbone: Backbone, batch: int) -> dict[str, Runs]:
    """Each way to run the twin here; those that torch cannot are left out, with a warning."""
    planned = real_plan(backbone)
    module, images = _made(planned, backbone, batch)
    forms = eager_and_frozen("float32", module, images)
    if runs := _running("int8", lambda: _quantized(planned, images)):
        forms["int8"] = runs
    if baselines.offers_bfloat16():
        halved = deepcopy(module).to(torch.bfloat16)  # which would else change the module itself
        forms |= eager_and_frozen("bfloat16", halved, images.bfloat16())
    return forms


def every_form_on(device: str, backbone: Backbone, batch: int, clock: Clock) -> dict[str, Runs]:
    """Each way to run it on a GPU."""
    module, images = _made(real_plan(backbone), backbone, batch)
    torch.backends.cudnn.benchmark = True
    forms: dict[str, Runs] = {}
    for name in ("float32", "float16", "bfloat16"):
        kind: Any = {"device": device, "dtype": getattr(torch, name)}
        forms |= eager_and_frozen(name, deepcopy(module).to(**kind), images.to(**kind), clock)
    return forms


def _made(planned: Plan, backbone: Backbone, batch: int) -> tuple[Twin, Tensor]:
    torch.manual_seed(0)
    images = torch.randn(batch, backbone.channels, backbone.height, backbone.width)
    return Twin(planned), images.contiguous(memory_format=torch.channels_last)


def eager_and_frozen(
    name: str, module: nn.Module, images: Tensor, clock: Clock = timing.repeated
) -> dict[str, Runs]:
    """A module as it is, and frozen by inductor: what of both runs here."""
    ways: dict[str, Callable[[], Callable[[], Any]]] = {
        f"{name} eager": lambda: lambda: module(images),
        f"{name} inductor": lambda: _frozen(module, images),
    }
    return {way: runs for way, make in ways.items() if (runs := _running(way, make, clock))}


def _running(
    name: str, make: Callable[[], Callable[[], Any]], clock: Clock = timing.repeated
) -> Runs | None:
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            call = make()
            call()
            clocked = clock(call)
    except Exception as refused:  # whatever torch lacks here
        warnings.warn(f"{name}: {str(refused).splitlines()[0][:120]}", stacklevel=2)
        return None

    def runs(n: int) -> list[float]:
        with torch.inference_mode():
            return list(clocked(n))

    return runs


def _frozen(module: nn.Module, images: Tensor) -> Callable[[], Any]:
    from torch._inductor import config

    with config.patch(freezing=True):
        compiled = torch.compile(module)
        compiled(images)
    return lambda: compiled(images)


def _quantized(planned: Plan, images: Tensor) -> Callable[[], Any]:
    """Step by step with torch's quantized operations, weights packed ahead."""
    x8 = torch.quantize_per_tensor(images, SCALE, ZERO, torch.quint8)
    packed = {n: _packed(step.op) for n, step in enumerate(planned.steps)}
    ops = torch.ops.quantized

    def call() -> Tensor:
        values = {0: x8}
        for n, step in enumerate(planned.steps):
            x, op = values[step.reads[0].value], step.op
            residual = None if step.residual is None else values[step.residual.value]
            if isinstance(op, RealConv):
                bent = _bent(step) and residual is None
                y = (ops.conv2d_relu if bent else ops.conv2d)(x, packed[n], SCALE, ZERO)
            elif isinstance(op, Linear):
                y = ops.linear(x.flatten(1), packed[n], SCALE, ZERO)
            elif isinstance(op, Pool):
                y = F.max_pool2d(x, op.kernel, op.stride, op.padding)
            elif isinstance(op, GlobalPool):
                y = F.adaptive_avg_pool2d(x, 1)
            else:
                y = F.relu(x)
            if residual is not None:
                y = (ops.add_relu if _bent(step) else ops.add)(y, residual, SCALE, ZERO)
            assert step.floats is not None
            values[step.floats] = y
        return values[planned.outputs[0]]

    return call


def _packed(op: Op) -> Any:
    match op:
        case RealConv():
            w = torch.randn(op.filters, op.channels // op.groups, op.kernel, op.kernel)
            w = w.contiguous(memory_format=torch.channels_last)
            w8 = torch.quantize_per_tensor(w, 0.05, 0, torch.qint8)
            around = ([op.stride] * 2, [op.padding] * 2, [op.dilation] * 2, op.groups)
            return torch.ops.quantized.conv2d_prepack(w8, torch.zeros(op.filters), *around)
        case Linear():
            w8 = torch.quantize_per_tensor(
                torch.randn(op.filters, op.channels), 0.05, 0, torch.qint8
            )
            return torch.ops.quantized.linear_prepack(w8, torch.zeros(op.filters))
        case _:
            return None
