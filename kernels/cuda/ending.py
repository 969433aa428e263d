"""What an epilogue is to a kernel: macros, and fields of its argument (`src/ending.cu`)."""

from __future__ import annotations

from kernels.cuda.launch import Field, Place, constant
from kernels.engine import EPILOGUE
from kernels.epilogue import Curve, Epilogue, Residual
from kernels.parameters import Parameters

INNER = {Curve.NONE: 0, Curve.RELU: 1, Curve.PRELU: 2}
OUTER = {None: 0, Curve.NONE: 1, Curve.RELU: 2, Curve.PRELU: 3}
RESIDUAL = {Residual.NONE: 0, Residual.ONE: 1, Residual.EACH: 2}


def macros(after: Epilogue, filters: int, pairs: int) -> dict[str, int]:
    return {
        **put(after, filters),
        "PAIRS": pairs,
        "SUM": after.sum,
        "SCALED": 1,
        "INNER": INNER[after.inner],
        "OUTER": OUTER[after.outer],
        "RESIDUAL": RESIDUAL[after.residual],
        "RAW": after.raw,
    }


def put(after: Epilogue, filters: int) -> dict[str, int]:
    """Only what is written."""
    return {"FILTERS": filters, "FLOATS": after.floats, "SIGNS": after.signs}


def fields(
    given: Parameters,
    pixels: int,
    *,
    residual: Place | None = None,
    floats: Place | None = None,
    bits: Place | None = None,
    dots: Place | None = None,
) -> dict[str, Field]:
    """`pixels` are those of a whole batch."""
    places = {
        "residual": ("const float*", residual),
        "floats": ("float*", floats),
        "bits": ("Byte*", bits),
        "dots": ("int*", dots),
    }
    return {
        "pixels": Field("Long", pixels),
        **{name: Field(kind, at) for name, (kind, at) in places.items() if at is not None},
        **{name: constant(given[name]) for name in EPILOGUE if name in given},
    }
