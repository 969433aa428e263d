"""Amounts as people write them: 2ms, 500kB, 1MB."""

from __future__ import annotations

import math
import re

TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3}  # in milliseconds
BYTES = {"B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20}


def amount(text: str | float, units: dict[str, float]) -> float:
    """In the unit that counts 1. A bare number is none."""
    written = str(text).strip()
    found = re.fullmatch(r"([0-9.eE+-]+)\s*([A-Za-z]*)", written)
    if found is None or found[2] not in units:
        names = ", ".join(units)
        raise ValueError(
            f"a number and a unit ({names}) are wanted, as in 2{[*units][1]}; got {text!r}"
        )
    try:
        number = float(found[1])
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"an amount is above 0; got {text!r}")
    return number * units[found[2]]
