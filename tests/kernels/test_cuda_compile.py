"""Every kernel becomes machine code for the GPUs we name, without one, and fits its registers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_machine_code import Use, assembly, library, machine_code

from kernels import sample
from kernels.benches.layers import FUSED
from kernels.cuda import nvrtc, real
from kernels.cuda.alone import Alone
from kernels.cuda.bench import limit_launch
from kernels.cuda.conv import candidates
from kernels.cuda.launch import Kernel, Launch, Place, launch, prelude, source
from kernels.cuda.tiles import Product, Tile, registers
from kernels.epilogue import RAW, Curve, Epilogue, Residual
from kernels.ops import (
    Affine,
    BinaryConv,
    Blend,
    Linear,
    Mix,
    Op,
    Pack,
    Pool,
    Pooling,
    RealConv,
    Resize,
    Skip,
    Stem,
)
from kernels.program import Normal

CAPABILITIES = (80, 90, 100)
OLD = 75  # without copies that go on by themselves, and with no tensor cores for bits
ALL: dict[str, Any] = {
    "floats": True,
    "signs": 2,
    "sum": True,
    "inner": Curve.PRELU,
    "residual": Residual.EACH,
    "outer": Curve.PRELU,
}
MOST = 64  # registers of a kernel without tiles: eight blocks of 128 threads


def ops() -> Iterator[tuple[Op, Tile | None]]:
    """Convolutions of a ResNet-18 by many tiles; with every step of an ending by the largest."""
    size: dict[str, Any] = {"height": 14, "width": 14, "channels": 128}
    plain = BinaryConv(**size, filters=128, padding=1, after=FUSED)
    for product, step in ((Product.POPC, 5), (Product.BITS, 2), (Product.BYTES, 5)):
        for tile in [tile for tile in every(plain) if tile.product is product][::step]:
            yield plain, tile
    summed = BinaryConv(**size, filters=136, padding=1, bases=2, after=Epilogue(**ALL))
    odd = BinaryConv(**{**size, "channels": 24}, filters=37, padding=1, after=FUSED)
    for product in (Product.POPC, Product.BITS, Product.BYTES):
        yield summed, next(tile for tile in every(summed) if tile.product is product)
    for product in (Product.POPC, Product.BITS):
        yield odd, next(tile for tile in every(odd) if tile.product is product)
    real_conv = RealConv(**{**size, "channels": 3}, filters=64, kernel=7, stride=2, padding=3)
    for tile in candidates(real_conv, 90)[::8]:
        yield real_conv, tile
    linear = Linear(channels=512, filters=1000)
    yield linear, candidates(linear, 90)[0]
    yield (
        RealConv(**size, filters=128, groups=128, padding=1, inputs=2, after=Epilogue(**ALL)),
        None,
    )
    image: dict[str, Any] = {"height": 32, "width": 32, "channels": 3}
    pool = {"pool": 3, "pool_stride": 2, "pool_padding": 1}
    yield Stem(**image, filters=64, kernel=7, stride=2, padding=3, **pool), None
    yield Affine(**size, sets=3, after=Epilogue(**ALL)), None
    yield Mix(kind=Blend.GATE, **size, inputs=3, outputs=3, signs=1), None
    yield Mix(kind=Blend.ROUTE, **size, inputs=3, outputs=3, signs=1), None
    yield Pack(**size, signs=3), None
    yield Pool(kind=Pooling.MAX, **size, kernel=3, stride=2, padding=1), None
    yield Skip(**size, out_height=7, out_width=7, filters=256, onto=2), None
    yield Resize(**size, out_height=28, out_width=28), None


def every(op: BinaryConv) -> list[Tile]:
    return list(dict.fromkeys(tile for at in (80, 100) for tile in candidates(op, at)))


@cache
def launches() -> dict[str, tuple[int, Launch]]:
    """By the name of the kernel, with the most registers it may take."""
    found = {}
    for op, tile in ops():
        one = Alone(op, sample.parameters(op, np.random.default_rng(0)), 1, tile).launch
        summed = not isinstance(op, Linear) and getattr(op, "after", RAW).sum
        most = MOST if tile is None else registers(tile, summed=summed)
        found[one.kernel.name] = (most, one)
    normal = real.normalise(Normal((1.0,), (2.0,)), 100, Place(0))
    limits = [limit_launch(product, 1) for product in signs()]
    return found | {one.kernel.name: (MOST, one) for one in (normal, *limits)}


def signs() -> tuple[Product, ...]:
    return Product.POPC, Product.BITS, Product.BYTES


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """For all GPUs at once, as many as there are cores."""
    library()
    launches()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(uses, (*CAPABILITIES, OLD)))


@cache
def uses(capability: int) -> dict[str, Use]:
    kernels = [one.kernel for _, one in launches().values() if runs_on(one.kernel, capability)]
    code, found = machine_code(kernels, capability)
    assert code.startswith(b"\x7fELF"), "that is no machine code"
    assert set(found) == {kernel.name for kernel in kernels}
    return found


def runs_on(kernel: Kernel, capability: int) -> bool:
    """An old GPU is asked for few of the products it has: it has the same text."""
    many = "#define PRODUCT" in kernel.text and "#define SUM 1\n" not in kernel.text
    tensor = any(f"#define PRODUCT {code}\n" in kernel.text for code in (1, 2))
    return capability >= 80 or not (many or tensor)


@pytest.mark.parametrize("capability", [OLD, *CAPABILITIES])
def test_every_kernel_compiles_and_none_spills(capability: int) -> None:
    wrong = {name: use for name, use in uses(capability).items() if use.stack or use.spilled}
    assert not wrong


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_registers_stay_within_their_bounds(capability: int) -> None:
    over = {
        name: (use.registers, most)
        for name, use in uses(capability).items()
        if use.registers > (most := launches()[name][0])
    }
    assert not over


def test_every_part_is_compiled() -> None:
    """A kernel that nobody compiles here is not checked."""
    text = "".join(one.kernel.text for _, one in launches().values())
    for file in (resources.files("kernels.cuda") / "src").iterdir():
        part = file.name.removesuffix(".cu")
        assert file.name.endswith(".cu")
        assert part == "device" or source(part) in text, part


def test_a_kernel_that_spills_is_seen() -> None:
    """Numbers that are found by a computed place cannot stay in registers."""
    one = launch(("item",), {"FILTERS": 8}, {}, (1, 1, 1), 32)
    body = (
        'extern "C" __global__ void NAME(float* to) { float y[64]; '
        "for (int i = 0; i < 64; ++i) y[i] = to[i]; "
        "for (int i = 0; i < 64; ++i) to[i] = y[int(to[64 + i]) & 63]; }"
    )
    name = one.kernel.name
    text = f"#define NAME {name}\n{body}"
    _, found = machine_code([Kernel(name, text)], 80)
    assert found[name].stack > 0


FLOATS = {"add", "sub", "mul", "mad", "fma", "div", "sqrt"}


def steps(one: Launch) -> set[str]:
    """The float32 instructions of a kernel, with how they round."""
    words = re.findall(r"\b[a-z]+(?:\.[a-z0-9]+)*\.f32\b", assembly(one.kernel))
    return {word for word in words if word.split(".")[0] in FLOATS}


def test_every_step_is_rounded_by_itself() -> None:
    """As on a CPU: to nearest, nothing flushed to 0, fused only where sums of floats are."""
    plain = {f"{step}{how}.f32" for step in ("add", "sub", "mul", "div") for how in ("", ".rn")}
    kinds = {kind(one): one for _, one in launches().values()}
    assert {"conv 0", "conv 1", "conv 2", "conv 3", "grouped", "stem", "mix"} <= set(kinds)
    for name, one in kinds.items():
        if name in ("conv 3", "grouped"):
            assert "fma.rn.f32" in steps(one)
            assert steps(one) <= plain | {"fma.rn.f32"}
        else:
            assert steps(one) <= plain, name


def kind(one: Launch) -> str:
    product = re.search(r"#define (PRODUCT \d)$", one.kernel.text, re.MULTILINE)
    part = one.kernel.name.split("_")[0]
    return f"conv {product[1][-1]}" if product and part == "conv" else part


def test_machine_code_is_kept(tmp_path: Path) -> None:
    kernel = next(iter(launches().values()))[1].kernel
    text = prelude() + kernel.text
    file = nvrtc.cached(library(), text, "sm_90", tmp_path)
    begun = file.stat().st_mtime_ns
    assert file.read_bytes().startswith(b"\x7fELF")
    assert nvrtc.cached(library(), text, "sm_90", tmp_path) == file
    assert file.stat().st_mtime_ns == begun
    assert nvrtc.cached(library(), text, "sm_80", tmp_path) != file


def test_several_are_compiled_side_by_side(tmp_path: Path) -> None:
    kernels = [one.kernel for _, one in launches().values()][:4]
    texts = [prelude() + kernel.text for kernel in kernels]
    found = nvrtc.every(library(), texts, "sm_90", tmp_path)
    assert found == [nvrtc.cached(library(), text, "sm_90", tmp_path) for text in texts]
    assert len({*found}) == len({*texts})
    with pytest.raises(ValueError, match="no_such_thing"):
        nvrtc.every(library(), [*texts, "__global__ void k() { no_such_thing(); }"], "sm_90")
    assert nvrtc.every(library(), [], "sm_90") == []


def test_what_is_no_kernel_is_refused_in_the_compilers_words() -> None:
    with pytest.raises(ValueError, match=r"refuses a kernel for sm_90: .*no_such_thing"):
        nvrtc.compiled(library(), "__global__ void k() { no_such_thing(); }", "sm_90")
    with pytest.raises(ValueError, match="refuses a kernel for sm_11"):
        nvrtc.compiled(library(), "__global__ void k() {}", "sm_11")


def test_a_compiler_that_is_not_there_is_named() -> None:
    with pytest.raises(OSError, match="pip install nvidia-cuda-nvrtc"):
        nvrtc.library(11)
