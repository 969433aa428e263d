"""What `python -m kernels bench --device cuda` measures: each product, torch, the limit.

All times are the device's own, of CUDA graphs that hold several runs. Each kernel is checked
before: equal to the reference in every bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from kernels import gate, sample
from kernels.benches import check
from kernels.benches.layers import BITS, FUSED, Layer
from kernels.cuda import baselines, choice
from kernels.cuda.alone import Alone, Ready
from kernels.cuda.conv import CODES, candidates
from kernels.cuda.launch import Constants, Device, Field, Launch, Place, bound, launch
from kernels.cuda.tiles import Product, Tile
from kernels.engine import EPILOGUE

BATCHES = (1, 32, 256)
STEPS, THREADS, BLOCKS = 4096, 256, 16  # of the limit; blocks for each multiprocessor


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The fastest tile of a product on a layer. Ratios: torch's time over ours."""

    layer: str
    channels: int
    batch: int
    tile: str
    us: float
    gmacs: float
    limit_share: float
    torch: dict[str, float | None]
    checked: str

    def __str__(self) -> str:
        ratios = "  ".join(
            f"{'-' if ratio is None else f'{ratio:5.2f}'}" for ratio in self.torch.values()
        )
        lost = [dtype for dtype, ratio in self.torch.items() if ratio is not None and ratio < 1]
        said = f"  slower than {' and '.join(lost)}" if lost else ""
        return (
            f"{self.layer:22} {self.batch:5}  {self.tile:14} {self.us:9.2f} {self.gmacs:9.0f} "
            f"{self.limit_share:6.0%}  {ratios}{said}"
        )


HEADER = (
    f"{'layer':22} {'batch':>5}  {'kernel':14} {'us':>9} {'GMAC/s':>9} {'limit':>6}  "
    f"{'  '.join(f'x {dtype}' for dtype in baselines.DTYPES)}"
)


def bench(
    layers: Sequence[Layer], device: Device, batches: Sequence[int] = BATCHES, *, torch: bool = True
) -> Iterator[Row]:
    limits: dict[Product, float] = {}
    for layer in layers:
        checked = _checked(layer, device)
        for batch in batches:
            op = layer.op(BITS)
            with gate.alone():
                theirs = baselines.best(op, batch, device.index) if torch else []
                times = choice.compared(op, batch, device, candidates(op, device.capability))
            for product in dict.fromkeys(tile.product for tile in times):
                best = min(
                    (t for t in times if t.product is product), key=lambda t: times[t].median_ns
                )
                took = times[best].median_ns
                if product not in limits:
                    limits[product] = limit(product, device)
                gmacs = op.macs * batch / took
                ratios = {b.dtype: b.timing.median_ns / took if b.timing else None for b in theirs}
                yield Row(
                    layer=str(layer),
                    channels=layer.channels,
                    batch=batch,
                    tile=str(best),
                    us=took / 1e3,
                    gmacs=gmacs,
                    limit_share=gmacs / limits[product],
                    torch=ratios,
                    checked=checked,
                )


def limit(product: Product, device: Device) -> float:
    """10^9 binary products a second, on registers alone."""
    blocks = BLOCKS * device.processors
    one = limit_launch(product, blocks)
    device.load([one.kernel])
    room, constants = device.room(4 * blocks * THREADS), Constants(device, [])
    run = device.recorded([bound(one, lambda place: room.address + place.at, constants)])
    took = choice.clocked(partial(device.clock, run)).median_ns
    of_warp = {Product.POPC: 32 * 32, Product.BITS: 16 * 8 * 256, Product.BYTES: 16 * 8 * 32}
    return blocks * THREADS // 32 * STEPS * 8 * of_warp[product] / took


def limit_launch(product: Product, blocks: int) -> Launch:
    macros = {"PRODUCT": CODES[product], "STEPS": STEPS}
    fields = {"sums": Field("int*", Place(0))}
    return launch(("limit",), macros, fields, (blocks, 1, 1), THREADS)


def _checked(layer: Layer, device: Device) -> str:
    """Every tile with two endings; a difference is `Wrong`."""
    rng = np.random.default_rng(1)
    small, images = check.cut_down(layer.op(), 2, check.MOST // 4)
    case = sample.case(small, images, rng)
    dots = check.dots(case)
    for after in (BITS, FUSED):
        ending = case.ending(after, rng)
        want = check.expected(ending, dots)
        every = [alone(ending, tile) for tile in candidates(ending.op, device.capability)]
        device.load(one.launch.kernel for one in every)
        for one in every:
            got = Ready(one, device).run(ending.signs, ending.residual)
            if words := check.difference(got, want):
                raise check.Wrong(f"{one.tile} is wrong on {ending.op}: {words}")
    return f"{images} images of {small.height}x{small.width}"


def alone(case: sample.Case, tile: Tile) -> Alone:
    named = {name: getattr(case.constants, name) for name in EPILOGUE}
    given = {name: array for name, array in named.items() if array is not None}
    return Alone(case.op, given | {"weights": case.weights}, case.batch, tile)
