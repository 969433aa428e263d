"""How +1 and -1 are laid out in bytes. Every packed array of the project follows this file.

Values run along the last axis, 8 to a byte, the first value in the lowest bit. A set bit is -1 and
a clear bit is +1. So a byte of zeros is all +1 (the padding of a convolution), and the bits past
the last value, which are always clear, cancel where two packed arrays are xor-ed.

Zero counts as +1, and so does -0.0; a value that is not a number is +1 too, for it is not below
anything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels import _core, isas

Bits = NDArray[np.uint8]


def bytes_for(values: int) -> int:
    """How many bytes `values` signs take."""
    return (values + 7) // 8


def pack(values: NDArray[np.int8]) -> Bits:
    """Pack +1 and -1 along the last axis: shape (..., n) to (..., bytes_for(n))."""
    signs = np.asarray(values)
    wrong = ~np.isin(signs, (-1, 1))
    if wrong.any():
        raise ValueError(f"pack takes only +1 and -1; found {signs[wrong].flat[0]}")
    return np.packbits(signs < 0, axis=-1, bitorder="little")


def unpack(bits: Bits, values: int) -> NDArray[np.int8]:
    """The first `values` signs along the last axis: what `pack` packed."""
    if bits.shape[-1] != bytes_for(values):
        raise ValueError(f"{values} signs take {bytes_for(values)} bytes; got {bits.shape[-1]}")
    set_bits = np.unpackbits(bits, axis=-1, count=values, bitorder="little")
    return np.where(set_bits, -1, 1).astype(np.int8)


def pack_below(
    values: NDArray[np.float32], thresholds: NDArray[np.float32], isa: str | None = None
) -> Bits:
    """The signs of `values - threshold` for several thresholds per channel, in one pass.

    values (..., channels) and thresholds (signs, channels) give (signs, ..., bytes); a bit is set
    where a value is below its threshold.
    """
    for name, array in (("values", values), ("thresholds", thresholds)):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name} is a NumPy array of float32; got {type(array).__name__}")
    if values.ndim < 1 or values.size == 0 or thresholds.ndim != 2:
        raise ValueError(
            "values are (..., channels) and thresholds (signs, channels), none of them empty; "
            f"got {values.shape} and {thresholds.shape}"
        )
    channels, signs = values.shape[-1], thresholds.shape[0]
    pixels = values.size // channels
    out = np.empty((signs, pixels, bytes_for(channels)), np.uint8)
    _core.pack(
        isa=isas.choose(isa).name,
        values=values.reshape(pixels, channels),
        thresholds=thresholds,
        out=out,
        pixels=pixels,
        channels=channels,
        signs=signs,
    )
    return out.reshape(signs, *values.shape[:-1], bytes_for(channels))
