"""The machine: bits, ops, kernels and their time. NumPy and a native core; no torch."""
