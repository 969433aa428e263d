from typing import Any

class Kernel:
    def run(
        self,
        *,
        batch: int,
        input: Any,
        residual: Any,
        dots: Any,
        floats: Any,
        bits: Any,
        threads: int,
    ) -> None: ...
    def clock(
        self,
        *,
        batch: int,
        input: Any,
        residual: Any,
        dots: Any,
        floats: Any,
        bits: Any,
        threads: int,
        rounds: int,
    ) -> list[int]: ...

def make(op: Any, isa: str, variant: str, weights: Any, constants: Any) -> Kernel: ...
def pack(
    *,
    isa: str,
    values: Any,
    thresholds: Any,
    out: Any,
    pixels: int,
    channels: int,
    signs: int,
) -> None: ...
def table() -> list[tuple[str, str, bool, list[tuple[str, str]], str]]: ...
def misfit(op: Any, isa: str, variant: str) -> str: ...
def limit(isa: str, rounds: int) -> float: ...
