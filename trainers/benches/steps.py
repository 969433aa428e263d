"""What a step of a supernet costs, beside the plain way to write one; and what stays in memory.

The plain way is the same plan and the same parameters with maps laid out channels first, a
convolution for each base, and signs as one would write them with `where`.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from kernels.ops import BinaryConv, RealConv
from search_spaces.space import Space
from trainers.learning.calibrate import calibrate
from trainers.learning.recipes import RECIPES
from trainers.learning.sandwich import Drawn, Sampling, Sandwich
from trainers.learning.task import Classification
from trainers.networks import fused, layers, network
from trainers.networks.binarize import Estimator
from trainers.networks.layers import Maps
from trainers.networks.mode import Mode
from trainers.networks.supernet import Supernet

KINDS = {  # what a profiler calls it, and what it is; the first that fits
    "_fusedbackward": "convolutions with what follows them, backward",
    "_fused": "convolutions with what follows them, forward",
    "_weighted": "sums over branches",
    "convolution_backward": "convolutions, backward",
    "convolution": "convolutions, forward",
    "conv": "convolutions, forward",
    "batch_norm": "batch norms",
}
REST = "signs, curves, sums, copies and all else"


def step(space: Space, batch: int, rounds: int) -> Iterator[str]:
    """Four architectures: the largest, the smallest, two at random; both ways take turns."""
    images, labels = _images(space, batch)
    sandwich = _sandwich(space, rounds)
    mode = Mode(statistics=0.0)
    ways = {"ours": _ours, "plain": plainly}
    times: dict[str, list[float]] = {way: [] for way in ways}
    losses: dict[str, list[float]] = {way: [] for way in ways}
    yield f"{space.name} on {space.backbone.name}, batch {batch}, {_machine()}"
    for n in range(rounds + 1):  # the first round warms up
        for way, meant in ways.items():
            sandwich.module.zero_grad()
            with meant():
                started = time.perf_counter()
                loss = sandwich.learn(images, labels, mode, n)
                spent = time.perf_counter() - started
            losses[way].append(loss)
            times[way] += [spent] if n else []
    for way in ways:
        low, high = min(times[way]), max(times[way])
        yield f"{way:6} {statistics.median(times[way]):7.2f} s a step, {low:.2f} to {high:.2f}"
    ratios = [plain / ours for ours, plain in zip(times["ours"], times["plain"], strict=True)]
    yield f"ratio  {statistics.median(ratios):7.2f}, {min(ratios):.2f} to {max(ratios):.2f}"
    apart = max(abs(a - b) for a, b in zip(losses["ours"], losses["plain"], strict=True))
    yield f"losses differ by {apart:.1e} at most, of {losses['ours'][0]:.2f}"
    for way, meant in ways.items():
        with meant(), profile(activities=[ProfilerActivity.CPU]) as profiled:
            sandwich.learn(images, labels, mode, 1)
        yield from _shares(way, profiled)


def _shares(way: str, profiled: profile) -> Iterator[str]:
    spent: Counter[str] = Counter()
    for event in profiled.key_averages():
        name = event.key.lower()
        kind = next((kind for part, kind in KINDS.items() if part in name), REST)
        spent[kind] += event.self_cpu_time_total
    for kind, microseconds in spent.most_common():
        yield f"{way:6} {microseconds / spent.total():6.1%}  {kind}"


def memory(space: Space, batch: int, rounds: int) -> Iterator[str]:
    """Resident memory over 1,000 evaluations of candidates, extracted and calibrated each time."""
    images, _ = _images(space, batch)
    supernet, rng = Supernet(space), Random(0)
    yield f"{space.name} on {space.backbone.name}, batch {batch}, {_machine()}"
    first = 0.0
    for n in range(1, 1_001):
        net = supernet.extract(space.decode(space.sample(rng)), copied=False)
        calibrate(net, [images])
        with torch.no_grad():
            net(images)
        if n % 100 == 0:
            now = _resident()
            first = first or now
            yield f"{n:5} evaluations: {now:7.1f} MiB, {now - first:+.1f} since the 100th"


def _sandwich(space: Space, rounds: int) -> Sandwich:
    channels = space.backbone.channels
    task = Classification((0.5,) * channels, (0.25,) * channels)
    drawn = Drawn(space, Sampling(), rounds + 1, seed=0)
    return Sandwich(Supernet(space), task, RECIPES["fast"], drawn)


def _images(space: Space, batch: int) -> tuple[Tensor, Tensor]:
    rng, size = torch.Generator().manual_seed(0), space.backbone
    images = torch.randn(batch, size.channels, size.height, size.width, generator=rng)
    labels = torch.randint(size.classes, (batch,), generator=rng)
    return images.contiguous(memory_format=torch.channels_last), labels


@contextmanager
def _ours() -> Iterator[None]:
    yield


@contextmanager
def plainly() -> Iterator[None]:
    """Networks run in it as one would write them first."""
    with (
        patch.object(layers, "binary_conv", _looped),
        patch.object(layers, "real_conv", _channels_first),
        patch.object(network, "sign", _where),
        patch.object(fused, "serves", lambda *_: False),
    ):
        yield


def _looped(op: BinaryConv, signs: Maps, weights: Tensor) -> Maps:
    first = [x.contiguous(memory_format=torch.contiguous_format) for x in signs]
    padded = [F.pad(x, (op.padding,) * 4, value=1.0) for x in first]
    kernels = [w.permute(0, 3, 1, 2).contiguous() for w in weights]
    pairs = (
        zip(padded, kernels, strict=True) if op.own else [(x, w) for x in padded for w in kernels]
    )
    return [F.conv2d(x, w, stride=op.stride, dilation=op.dilation) for x, w in pairs]


def _channels_first(op: RealConv, maps: Maps, weights: Tensor) -> Maps:
    w = weights.permute(0, 3, 1, 2).contiguous()
    how = (op.stride, op.padding, op.dilation, op.groups)
    return [F.conv2d(x.contiguous(), w, None, *how) for x in maps]


def _where(x: Tensor, estimator: Estimator, progress: float) -> Tensor:
    """Bi-Real's polynomial, as an expression whose derivative it is."""
    smooth = torch.where(x < 0, 2 * x + x * x, 2 * x - x * x)
    smooth = torch.where(x.abs() > 1, x.detach().sign(), smooth)
    return torch.where(x < 0, -1.0, 1.0) + smooth - smooth.detach()


def _machine() -> str:
    return f"torch {torch.__version__}, {torch.get_num_threads()} threads"


def _resident() -> float:
    """MiB. Linux tells it in pages; elsewhere the peak has to do."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize() / 2**20
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
