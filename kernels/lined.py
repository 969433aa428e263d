"""Arrays that begin a line of the cache: wide loads that cross two lines take twice as long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LINE = 64  # bytes


def empty(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """A new array, not filled, as `np.empty` gives it but for where it begins."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    room = np.empty(size + LINE, np.uint8)
    begin = -room.ctypes.data % LINE
    return room[begin : begin + size].view(kind).reshape(shape)


def lined(array: NDArray[Any]) -> NDArray[Any]:
    """A copy that does."""
    copy = empty(array.shape, array.dtype)
    copy[...] = array
    return copy
