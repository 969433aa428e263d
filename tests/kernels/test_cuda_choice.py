"""Tiles that are chosen by measuring and remembered; profiles and benchmarks of a device."""

from __future__ import annotations

import argparse
import fcntl
import json
from pathlib import Path
from typing import Any

import pytest
from cuda_on_cpu import Cpu

from kernels import profile
from kernels.__main__ import main
from kernels.benches import layers
from kernels.cuda import bars, baselines, bench, choice, commands
from kernels.cuda import profile as profiles
from kernels.cuda.conv import candidates, guess
from kernels.cuda.program import CudaProgram
from kernels.cuda.tiles import Product
from kernels.engine import Images
from kernels.epilogue import Epilogue
from kernels.ops import BinaryConv, GlobalPool, Linear, Op
from kernels.timing import Timing

OP = BinaryConv(height=2, width=2, channels=40, filters=8, after=Epilogue(signs=1), kernel=1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_fastest_is_measured_once_and_remembered() -> None:
    device = Cpu(75)
    tile = choice.fastest(OP, 1, device)
    assert tile in candidates(OP, 75)
    measured = device.launched
    assert measured > 0
    assert choice.fastest(OP, 1, device) == tile
    assert device.launched == measured
    content = json.loads(choice.path(device).read_text())
    (entry,) = content["kernels"].values()
    assert str(tile) == min(entry["us"], key=entry["us"].get)
    assert set(entry["us"]) == {str(one) for one in candidates(OP, 75)}
    choice.fastest(OP, 2, device)
    assert device.launched > measured, "another batch is another question"


def test_what_is_measured_has_the_machine_to_itself(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BNN_GATE", str(cache / "locks"))
    before, asked = choice.measured, []

    def measured(*given: Any) -> Any:
        with (cache / "locks" / "work.lock").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        asked.append(given)
        return before(*given)

    monkeypatch.setattr(choice, "measured", measured)
    choice.fastest(OP, 1, Cpu(75))
    assert asked


def test_a_program_takes_the_tiles_that_were_chosen() -> None:
    from programs import small

    asked = []

    def choose(op, batch, device):  # type: ignore[no-untyped-def]
        asked.append(op)
        return candidates(op, device.capability)[-1]

    program = small()
    ready = CudaProgram(program, 1, Cpu(), choose)
    convolutions = [0, 1, 4]
    assert asked == [program.ops[n] for n in convolutions]
    assert [n for n, tile in enumerate(ready.choices) if tile is not None] == convolutions


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"format": "another"}', f'{{"format": "{choice.FORMAT}"}}', "[" * 200_000],
    ids=lambda text: repr(text[:20]),
)
def test_a_file_that_is_not_ours_is_not_overwritten(text: str) -> None:
    device = Cpu(75)
    file = choice.path(device)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(ValueError, match=f"cannot use {file}"):
        choice.fastest(OP, 1, device)
    assert file.read_text() == text


def test_without_a_place_to_remember_it_a_tile_is_found_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "kernels").write_text("a file where a folder is wanted")
    device = Cpu(75)
    with pytest.warns(UserWarning, match=r"measured anew each time: .* cannot be kept \("):
        assert choice.fastest(OP, 1, device, tmp_path / "kernels") in candidates(OP, 75)


def test_an_entry_that_is_not_ours_is_an_error() -> None:
    device = Cpu(75)
    choice.fastest(OP, 1, device)
    file = choice.path(device)
    content = json.loads(file.read_text())
    for entry in content["kernels"].values():
        entry["tile"]["product"] = "guess"
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="an entry is not as we write it"):
        choice.fastest(OP, 1, device)


def test_a_guess_fills_the_device_where_it_can() -> None:
    large = BinaryConv(height=56, width=56, channels=64, filters=64, padding=1)
    small = BinaryConv(height=7, width=7, channels=512, filters=512, padding=1)
    wide, narrow = guess(large, 256, 90, 132), guess(small, 1, 90, 132)
    assert (wide.rows, wide.columns) == (128, 64)
    assert narrow.rows * narrow.columns < wide.rows * wide.columns
    assert wide.product is narrow.product is Product.BITS
    assert guess(small, 1, 120, 132).product is Product.BYTES
    assert guess(small, 1, 75, 40).product is Product.POPC


def test_a_profile_is_read_as_one_of_a_cpu_is(tmp_path: Path) -> None:
    device = Cpu(75)
    ops: list[Op] = [OP, GlobalPool(height=2, width=2, channels=8), Linear(channels=8, filters=3)]
    found = profiles.empty(device)
    for entries in profiles.measure(ops, device, 2):
        found = found.with_entries(entries)
    profile.save(found, tmp_path / "gpu.json")
    read = profile.load(tmp_path / "gpu.json")
    assert read.machine["cpu"] == device.name
    assert set(read.entries) == set(ops)
    assert read.same_place(profiles.empty(device))
    assert not read.same_place(profile.empty(profile.Asked()))
    assert all(read.time_ns(op) > 0 for op in ops)
    assert read.entries[OP].kernel.startswith("cuda popc")


def test_the_bench_checks_each_kernel_and_times_each_product(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "STEPS", 2)
    monkeypatch.setattr(bench, "BLOCKS", 1)
    (layer,) = layers.parse("1x1:40->8@2")
    rows = list(bench.bench([layer], Cpu(90), (1, 2), torch=False))
    assert [(row.batch, row.tile.split()[0]) for row in rows] == [
        (1, "popc"),
        (1, "bits"),
        (2, "popc"),
        (2, "bits"),
    ]
    assert all(row.us > 0 and row.gmacs > 0 and row.limit_share > 0 for row in rows)
    assert {row.checked for row in rows} == {"2 images of 2x2"}


def test_a_limit_is_a_median_as_what_is_compared_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Uneven(Cpu):
        def clock(self, run: Any, rounds: int) -> list[float]:
            return [1e6 if n % 3 else 1e3 for n in range(rounds)]

    monkeypatch.setattr(bench, "STEPS", 2)
    device = Uneven(75)
    products = bench.BLOCKS * device.processors * bench.THREADS * bench.STEPS * 8 * 32
    assert bench.limit(Product.POPC, device) == products / 1e6


def test_torch_is_timed_on_the_same_device(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def best(op: Op, batch: int, index: int) -> list[baselines.Baseline]:
        asked.append(index)
        return []

    monkeypatch.setattr(bench, "STEPS", 2)
    monkeypatch.setattr(bench, "BLOCKS", 1)
    monkeypatch.setattr(baselines, "best", best)
    second = Cpu(75)
    second.index = 1
    assert list(bench.bench([*layers.parse("1x1:40->8@2")], second, (1,)))
    assert asked == [1]


def test_a_program_is_timed_from_the_pixels_that_it_normalises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from programs import small

    given = []

    def took(ready: CudaProgram, images: Images, rounds: int) -> Timing:
        given.append(str(images.dtype))
        return Timing(1.0, 0.0, 1.0, rounds, disturbed=0.0)

    monkeypatch.setattr(commands, "took", took)
    monkeypatch.setattr(commands, "open_device", lambda name: Cpu(75))
    monkeypatch.setattr(choice, "fastest", lambda op, *_: candidates(op, 75)[0])
    asked = argparse.Namespace(device="cuda", isa=None, threads=1, batch=1, rounds=1)
    assert commands.time(asked, small(), None) == 0
    assert given == ["uint8"]


def row(layer: str, batch: int, us: float, share: float, ratio: float | None) -> bench.Row:
    channels = int(layer.split()[-1].split("-")[0].split("@")[0])
    return bench.Row(
        layer=layer,
        channels=channels,
        batch=batch,
        tile="bits",
        us=us,
        gmacs=1.0,
        limit_share=share,
        torch={"bfloat16": ratio},
        checked="whole",
    )


def test_bars_are_of_the_fastest_product_where_they_apply() -> None:
    rows = [
        row("3x3 128@28", 256, 9.0, 0.9, 3.0),  # slower than the next
        row("3x3 128@28", 256, 8.0, 0.59, 3.0),
        row("3x3 256@14", 256, 8.0, 0.60, 3.0),
        row("3x3 64@56", 256, 8.0, 0.1, 0.5),  # few channels
        row("3x3 512@7", 32, 8.0, 0.1, 0.5),  # another batch
        row("3x3 64@56", 1, 8.0, 0.1, 1.01),
        row("3x3 512@7", 1, 8.0, 0.1, 0.99),
        row("3x3 128@28", 1, 8.0, 0.1, None),  # torch said why not
        row("3x3 64@32", 1, 8.0, 0.1, 0.5),  # of no ResNet-18
    ]
    limit, torch = bars.judge(rows)
    assert limit.met is False
    assert limit.text == "3x3 128@28 59%; met: 3x3 256@14 60%"
    assert torch.met is False
    assert torch.text == "3x3 512@7 0.99x; met: 3x3 64@56 1.01x"
    assert [one.met for one in bars.judge(rows[2:3] + rows[5:6])] == [True, True]
    assert [one.met for one in bars.judge(rows[4:5])] == [None, None]


def test_the_layers_of_a_resnet_18_are_in_the_default_list() -> None:
    assert {str(layer) for layer in layers.parse(layers.DEFAULT)} >= bars.RESNET18


def test_the_command_prints_rows_and_bars_and_keeps_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "STEPS", 2)
    monkeypatch.setattr(bench, "BLOCKS", 1)
    monkeypatch.setattr(commands, "open_device", lambda name: Cpu(75))
    file = tmp_path / "bench.json"
    words = ["--layers", "1x1:40->8@2", "--batch", "2", "--no-torch", "--json", str(file)]
    assert main(["bench", "--device", "cuda", *words]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "a CPU that plays a GPU, sm_75, 4 multiprocessors"
    assert printed[2].startswith("1x1 40->8@2")
    assert printed[-1].endswith("not measured in this run")
    content = json.loads(file.read_text())
    assert [one["batch"] for one in content["rows"]] == [2]
    assert [one["met"] for one in content["bars"]] == [None, None]
