"""Randomness derived by name: from one seed, what it is for, and a number. Nothing to remember."""

from __future__ import annotations

import hashlib


def derived(seed: int, what: str, number: int) -> int:
    """A seed of 63 bits. Another seed, purpose or number has one that is unrelated."""
    digest = hashlib.sha256(f"{seed}/{what}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
