"""The same convolution in torch, at torch's best setting. With that in `cuda`, the only
file of this floor with torch.

Torch is optional, and imported inside functions only. What it does to dispatch a call is in its
times, for whoever calls it pays that too. Every setting runs in `inference_mode`, on as many
threads as `threads` gave torch.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kernels import machine, timing
from kernels.ops import BinaryConv, RealConv
from kernels.timing import Runs

DTYPES = ("float32", "bfloat16", "int8")
TRIAL_ROUNDS = 7  # to find the best setting, before the measurement that counts


@dataclass(frozen=True, slots=True)
class Baseline:
    """One number type: the best setting and its runs, or no runs and the reason."""

    dtype: str
    setting: str = ""
    runs: Runs | None = None
    reason: str = ""


@contextlib.contextmanager
def threads(n: int) -> Iterator[None]:
    """Torch with so many threads, until the end of the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def best(op: BinaryConv, batch: int) -> list[Baseline]:
    """For each number type the fastest of torch's settings, found by measuring them in turn."""
    if machine.here().torch is None:
        return [Baseline(dtype, reason="torch is not installed") for dtype in DTYPES]
    return [_best(dtype, op, batch) for dtype in DTYPES]


def best_float32(op: BinaryConv | RealConv, batch: int) -> Baseline:
    """The same for float32 alone, and for real convolutions too."""
    return _best("float32", op, batch)


def best_int8(op: BinaryConv) -> Baseline:
    """The same for int8 alone."""
    return _best("int8", op, batch=1)


def _best(dtype: str, op: BinaryConv | RealConv, batch: int) -> Baseline:
    import torch

    settings, why_not = (_int8 if dtype == "int8" else _real)(dtype, op, batch)
    if not settings:
        return Baseline(dtype, reason=why_not)
    least = timing.least_cpu(torch.get_num_threads())
    times = timing.measure(settings, TRIAL_ROUNDS, tries=1, least_cpu=least)
    name = min(times, key=lambda setting: times[setting].median_ns)
    return Baseline(dtype, name, settings[name])


Settings = tuple[dict[str, Runs], str]


def _real(dtype: str, op: BinaryConv | RealConv, batch: int) -> Settings:
    import torch
    import torch.nn.functional as f

    if dtype == "bfloat16" and not offers_bfloat16():
        # It would run, emulated, many times slower than float32: no baseline for anybody.
        return {}, "torch has no bfloat16 convolution of its own for this CPU"
    kind = getattr(torch, dtype)
    image = (batch, op.channels, op.height, op.width)
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(image, generator=rng).to(kind)
    w = torch.randn((op.filters, op.channels, op.kernel, op.kernel), generator=rng).to(kind)
    x_last = x.contiguous(memory_format=torch.channels_last)
    w_last = w.contiguous(memory_format=torch.channels_last)
    stride, padding, dilation = ([n, n] for n in (op.stride, op.padding, op.dilation))

    def prepacked(x: Any) -> Callable[[], Any]:
        onednn = torch.ops.mkldnn
        packed = onednn._reorder_convolution_weight(w, padding, stride, dilation, 1, list(image))
        rest: tuple[Any, ...] = (None, padding, stride, dilation, 1, "none", [], "")
        return lambda: onednn._convolution_pointwise(x, packed, *rest)

    tries: dict[str, Callable[[], Callable[[], Any]]] = {
        "NCHW": lambda: lambda: f.conv2d(x, w, None, stride, padding, dilation),
        "channels last": lambda: lambda: f.conv2d(x_last, w_last, None, stride, padding, dilation),
        "NCHW, prepacked": lambda: prepacked(x),
        "channels last, prepacked": lambda: prepacked(x_last),
    }
    return _those_that_run(tries, op, batch)


def _int8(dtype: str, op: BinaryConv | RealConv, batch: int) -> Settings:
    import torch

    rng = torch.Generator().manual_seed(0)
    x = torch.randn((batch, op.channels, op.height, op.width), generator=rng)
    w = torch.randn((op.filters, op.channels, op.kernel, op.kernel), generator=rng)
    stride, padding, dilation = ([n, n] for n in (op.stride, op.padding, op.dilation))

    def quantized(engine: str) -> Callable[[], Any]:
        x8 = torch.quantize_per_tensor(x, 0.05, 128, torch.quint8)
        w8 = torch.quantize_per_tensor(w, 0.05, 0, torch.qint8)
        x8 = x8.contiguous(memory_format=torch.channels_last)
        before = torch.backends.quantized.engine
        torch.backends.quantized.engine = engine
        try:
            pack = torch.ops.quantized.conv2d_prepack
            packed = pack(w8, None, stride, padding, dilation, 1)
        finally:
            torch.backends.quantized.engine = before
        return lambda: torch.ops.quantized.conv2d(x8, packed, 0.1, 128)

    def preparing(engine: str) -> Callable[[], Callable[[], Any]]:
        return lambda: quantized(engine)

    engines = [e for e in torch.backends.quantized.supported_engines if e != "none"]
    return _those_that_run({engine: preparing(engine) for engine in engines}, op, batch)


def _those_that_run(
    tries: dict[str, Callable[[], Callable[[], Any]]], op: BinaryConv | RealConv, batch: int
) -> Settings:
    """The settings that give a result of the right shape; where none does, why."""
    import torch

    want = (batch, op.filters, op.out_height, op.out_width)
    settings: dict[str, Runs] = {}
    why = "torch offers no such convolution"
    for name, prepare in tries.items():
        try:
            with warnings.catch_warnings(), torch.inference_mode():
                warnings.simplefilter("ignore")  # int8 tensors are deprecated, and still the best
                call = prepare()
                shape = tuple(call().shape)
        except (RuntimeError, AttributeError, NotImplementedError, TypeError) as refused:
            why = f"{name}: {str(refused).splitlines()[0][:120]}"
            continue
        if shape == want:
            settings[name] = _inferring(call)
        else:
            why = f"{name}: gave {shape}, not {want}"
    return settings, why


def _inferring(call: Callable[[], Any]) -> Runs:
    import torch

    plain = timing.repeated(call)

    def runs(n: int) -> list[float]:
        with torch.inference_mode():
            return list(plain(n))

    return runs


def offers_bfloat16() -> bool:
    import torch

    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return False
