from typing import Any

class Runner:
    def step(
        self, batch: int, reads: Any, residual: Any, floats: Any, bits: Any, threads: int
    ) -> None: ...
    def clock_step(
        self,
        batch: int,
        reads: Any,
        residual: Any,
        floats: Any,
        bits: Any,
        threads: int,
        rounds: int,
    ) -> list[int]: ...

class Program:
    def __init__(
        self,
        *,
        height: int,
        width: int,
        channels: int,
        image: int,
        mean: list[float],
        std: list[float],
        output: int,
        outputs: int,
        bytes: int,
    ) -> None: ...
    def add(
        self, runner: Runner, *, reads: list[int], residual: int, floats: int, bits: int
    ) -> None: ...
    def run(self, batch: int, images: Any, output: Any, threads: int) -> None: ...
    def clock(
        self, batch: int, images: Any, output: Any, threads: int, rounds: int
    ) -> list[int]: ...
    def clock_nodes(
        self, batch: int, images: Any, output: Any, threads: int, rounds: int
    ) -> list[list[int]]: ...

class Kernel(Runner):
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
def make_real(op: Any, isa: str, parameters: Any) -> Runner: ...
def make_stem(op: Any, isa: str, weights: Any, mean: Any, constants: Any) -> Runner: ...
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
def spin(rounds: int) -> None: ...
def crowd() -> float: ...
def clock_nothing(rounds: int) -> list[int]: ...
def limit(isa: str, rounds: int) -> float: ...
def learn_fits(op: Any) -> bool: ...
def learn_count(
    kernel: Kernel, isa: str, relu: bool, x: Any, bits: Any, dots: Any, sums: Any, threads: int
) -> None: ...
def learn_finish(
    dots: Any, relu: bool, factor: Any, add: Any, residual: Any, out: Any, threads: int
) -> None: ...
def learn_reduce(dots: Any, relu: bool, grad: Any, sums: Any, threads: int) -> None: ...
def learn_backward(
    kernel: Kernel,
    dots: Any,
    relu: bool,
    grad: Any,
    by: Any,
    scale: Any,
    weights: Any,
    bits: Any,
    x: Any,
    estimator: str,
    shortcut: bool,
    more: bool,
    dx: Any,
    dw: Any,
    threads: int,
) -> None: ...
def learn_blend(x: Any, m: Any, y: Any, threads: int) -> None: ...
def learn_blend_backward(x: Any, dy: Any, m: Any, dx: Any, dm: Any, threads: int) -> None: ...
