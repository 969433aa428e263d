"""What is added to a convolution's result: the maps before it, brought to its shape."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from kernels.ops import BinaryConv, RealConv, Skip
from search_spaces.backbone import Conv, Downsample, Shortcut
from search_spaces.plan import Source, Use, Value
from search_spaces.shapes import map_of, meeting, window, written
from search_spaces.site import Site, norm_of, sum_scales
from search_spaces.sketch import Sketch


@dataclass(slots=True)
class Residuals:
    """The shortcuts of one block, made where the convolution that adds them asks for them.

    Where branches of other rates run elsewhere, each branch of this `run` has a norm of its own:
    one for all would be moved by each run, and end with the statistics of the last. But what is
    `common` to all, the map that they start from, is brought to its shape once.
    """

    sketch: Sketch
    site: Site
    bases: int = 1
    activations: int | None = None
    run: tuple[int, ...] = ()
    common: bool = False
    around_block: Use | None = None

    def around(self, n: int, x: Use, bits: Use) -> Use | None:
        """What convolution n adds. One around the whole block is made first, and added last."""
        convs, shortcut = self.site.block.convs, self.site.shortcut
        if shortcut is Shortcut.CONV:
            return self._brought(n, x, bits, convs[n : n + 1])
        if shortcut is Shortcut.NONE:
            return None
        if n == 0:
            self.around_block = self._brought(n, x, bits, convs)
        return self.around_block if n == len(convs) - 1 else None

    def _brought(self, n: int, x: Use, bits: Use, convs: tuple[Conv, ...]) -> Use:
        """x in the shape that it would have behind these convolutions; made once for all bases."""
        before = self.sketch.values[x.value]
        stride = math.prod(conv.stride for conv in convs)
        down = Conv(filters=convs[-1].filters, kernel=1, stride=stride)
        wanted = written(before, down, x.sets)
        if before[2:] == wanted[2:]:
            return x
        part = f"down{n + 1}" if n else "down"
        key = (self.site.at, part, x)
        if key not in self.sketch.shortcuts:
            norm = norm_of(self.site, part, () if n == 0 and self.common else self.run)
            self.sketch.shortcuts[key] = self._down(x, bits, down, wanted, part, norm)
        return self.sketch.shortcuts[key]

    def _down(self, x: Use, bits: Use, down: Conv, wanted: Value, part: str, norm: Source) -> Use:
        sketch, site = self.sketch, self.site
        match site.style.downsample:
            case Downsample.BINARY:
                return self._binary_down(bits, down, wanted, part, norm)
            case Downsample.REAL:
                before = sketch.values[x.value]
                if down.stride > 1:
                    x = fitted(sketch, x, wanted._replace(channels=before.channels))
                return real_down(sketch, x, replace(down, stride=1), Source(site.at, part), norm)
            case Downsample.FREE:
                return fitted(sketch, x, wanted)

    def _binary_down(self, bits: Use, down: Conv, wanted: Value, part: str, norm: Source) -> Use:
        """One base, whatever the block has, on each map that came; but M x N for ABC-Net."""
        several = self.activations is not None
        bases = self.bases if several else 1
        return self.sketch.add(
            BinaryConv,
            (bits,),
            wanted,
            map_of(self.sketch.values[bits.value])
            | window(down, 1)
            | meeting(bits.sets, bases, own=False),
            {"sum": True} if several else {},
            source=Source(self.site.at, part, tuple(range(bases)) if several else (), several),
            norm=norm._replace(latent=several),
            scales=sum_scales(self.site, part, bases, self.activations) if several else None,
        )


def fitted(sketch: Sketch, x: Use, wanted: Value, onto: Use | None = None) -> Use:
    """x at another size, without parameters; added to each map of `onto` where that is given."""
    value = sketch.values[x.value]
    shape = map_of(value) | {
        "out_height": wanted.height,
        "out_width": wanted.width,
        "filters": wanted.channels,
        "inputs": x.sets,
        "onto": onto.sets if onto else 0,
    }
    sets = onto.sets if onto else x.sets
    return sketch.add(Skip, (x,), wanted._replace(sets=sets), shape, residual=onto)


def real_down(sketch: Sketch, x: Use, down: Conv, source: Source, norm: Source) -> Use:
    value = sketch.values[x.value]
    shape = map_of(value) | window(down, 1) | {"inputs": x.sets}
    writes = written(value, down, x.sets)
    return sketch.add(RealConv, (x,), writes, shape, source=source, norm=norm)
