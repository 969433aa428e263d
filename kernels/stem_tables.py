"""What the mean of the pixels takes off the sums of a stem, as whole numbers and the rest."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.ops import Stem
from kernels.parameters import Array, Parameters


class Cuts(NamedTuple):
    """Along a side, windows meet the image in a few ways: all of their taps, or those of a cut."""

    taps: list[range]
    of: NDArray[np.uint8]  # of each place


def cuts(op: Stem, size: int, places: int) -> Cuts:
    begins = (place * op.stride - op.padding for place in range(places))
    met = [range(max(0, -begin), min(op.kernel, size - begin)) for begin in begins]
    taps = list(dict.fromkeys(met))
    number = {some: n for n, some in enumerate(taps)}
    return Cuts(taps, np.array([number[some] for some in met], np.uint8))


def arrays(op: Stem, given: Parameters) -> dict[str, Array]:
    """In the order of `csrc/stem.cpp`, so that the sums in float64 have the same bits."""
    conv = op.as_conv()
    rows = cuts(op, op.height, conv.out_height)
    columns = cuts(op, op.width, conv.out_width)
    mean, weights = given["mean"].astype(np.float64), given["weights"].astype(np.float64)
    taken = np.zeros((len(rows.taps), len(columns.taps), op.filters))
    for (r, ys), (c, xs) in product(enumerate(rows.taps), enumerate(columns.taps)):
        for y, x, channel in product(ys, xs, range(op.channels)):
            taken[r, c] -= mean[channel] * weights[:, y, x, channel]
    whole = np.floor(taken + 0.5)
    return {
        "row_cut": rows.of,
        "column_cut": columns.of,
        "weights": given["weights"],
        "whole": whole.astype(np.int32),
        "part": (taken - whole).astype(np.float32),
    }
