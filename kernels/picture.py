"""A picture from a file, as a program takes it."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.flow import Value


def read(path: Path, form: Value) -> NDArray[np.uint8]:
    """(height, width, channels) of 0 to 255; fitted, and cut at two sides if it has to be.

    A `.npy` file has to have that form already; any other kind of picture takes Pillow.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such picture")
    wanted = (form.height, form.width, form.channels)
    if path.suffix == ".npy":
        array = _array(path)
        if array.dtype != np.uint8 or array.shape != wanted:
            raise ValueError(f"{path} is {array.dtype}{array.shape}; uint8{wanted} is wanted")
        return np.ascontiguousarray(array)
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ValueError(
            f"to read {path} Pillow has to be installed; without it give a .npy of uint8{wanted}"
        ) from None
    if form.channels not in (1, 3):
        raise ValueError(f"a picture has 1 or 3 channels; the program wants {form.channels}")
    size = (form.width, form.height)
    try:
        with Image.open(path) as opened:
            turned = ImageOps.exif_transpose(opened)
        if turned.mode in ("I", "F"):
            raise ValueError(f"8 or 16 bits a channel are wanted; got mode {turned.mode}")
        if turned.mode.startswith("I;16"):  # which Pillow would cut off at 255, not scale
            turned = Image.fromarray((np.asarray(turned) >> 8).astype(np.uint8))
        turned = turned.convert("L" if form.channels == 1 else "RGB")
        if turned.size != size:
            turned = ImageOps.fit(turned, size, Image.Resampling.BILINEAR)
    except Exception as bad:  # a broken file can make a decoder raise nearly anything
        raise ValueError(f"{path} cannot be read as a picture: {bad}") from bad
    return np.asarray(turned, np.uint8).reshape(wanted)


def _array(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        try:
            return np.lib.format.read_array(file, allow_pickle=False)
        except (ValueError, OverflowError, MemoryError, SyntaxError, TokenError) as bad:
            raise ValueError(f"{path} cannot be read as a .npy: {bad}") from bad
