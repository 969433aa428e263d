"""Programs as plain C99: `write` leaves a header and a source that need nothing else."""

from kernels.as_c.source import PARTS, write

__all__ = ["PARTS", "write"]
