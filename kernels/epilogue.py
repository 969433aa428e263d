"""What happens to a result before it leaves the tile: the end of every convolution, as a value."""

from __future__ import annotations

import enum
from dataclasses import dataclass

LARGEST_SIDE = 1 << 16


def whole(op: object, **limits: tuple[int, int]) -> None:
    for name, (low, high) in limits.items():
        value = getattr(op, name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} is a whole number; got {value!r}")
        if not low <= value <= high:
            raise ValueError(f"{name} is {low} to {high}; got {value}")


def kinds(op: object, **wanted: type) -> None:
    """Fields that are of these types; the text of an enum becomes what it stands for, or else it
    would be equal to that and yet something else."""
    for name, kind in wanted.items():
        value = getattr(op, name)
        if issubclass(kind, enum.StrEnum) and isinstance(value, str):
            if value not in [*kind]:
                raise ValueError(f"{name} is one of {', '.join(kind)}; got {value!r}")
            object.__setattr__(op, name, kind(value))
        elif not isinstance(value, kind):
            raise TypeError(f"{name} is a {kind.__name__}; got {value!r}")


class Curve(enum.StrEnum):
    """What is done to a number that may be negative."""

    NONE = "none"
    RELU = "relu"
    PRELU = "prelu"


class Residual(enum.StrEnum):
    """What is added to the result: nothing, one map for all pairs, or a map for each pair."""

    NONE = "none"
    ONE = "one"
    EACH = "each"


@dataclass(frozen=True, slots=True, kw_only=True)
class Epilogue:
    """What happens to a dot product before it leaves the tile, in this order.

    d                     the dot product, a whole number
    d = inner(d)          none, ReLU, or PReLU with a slope per channel
    y = scale * d + shift per pair and channel
    y = y + c * r         the residual: with `EACH`, a map and a factor c per pair
    y = sum over pairs    if `sum`: one set comes out, not one per pair
    y = y + r             the residual: with `ONE`, added last, and as it is
    y = outer(y)          y + before, then none, ReLU or PReLU, then + after (RPReLU), per channel
    out                   float32 if `floats`; a sign bit for each of `signs` thresholds per channel

    Each step is one float32 operation, rounded once, in this order: so every instruction set gives
    the same bits. A plain op (`RAW`) gives the dot products themselves, as int32.
    """

    floats: bool = False
    signs: int = 0
    sum: bool = False
    inner: Curve = Curve.NONE
    residual: Residual = Residual.NONE
    outer: Curve | None = None  # None: the whole step, with its `before` and `after`, is absent

    def __post_init__(self) -> None:
        whole(self, signs=(0, 64))
        kinds(self, floats=bool, sum=bool, inner=Curve, residual=Residual)
        if self.outer is not None:
            kinds(self, outer=Curve)
        asked = (self.sum, self.inner != Curve.NONE, self.residual != Residual.NONE, self.outer)
        if self.raw and any(a not in (False, None) for a in asked):
            raise ValueError(f"{self} computes float32 and writes none of it: ask floats or signs")

    def maps_added(self, pairs: int) -> int:
        """How many maps the residual of so many pairs is."""
        return {Residual.NONE: 0, Residual.ONE: 1, Residual.EACH: pairs}[self.residual]

    @property
    def raw(self) -> bool:
        """Nothing but int32 dot products."""
        return not self.floats and not self.signs


RAW = Epilogue()
FLOATS = Epilogue(floats=True)
