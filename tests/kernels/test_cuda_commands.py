"""`--device cuda` where there is no GPU, or no CuPy, or no driver: one line, and status 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from programs import small
from programs_command import call, ops_file

from kernels import model
from kernels.about import About
from kernels.cuda import baselines, device
from kernels.ops import BinaryConv


@pytest.mark.parametrize(
    ("gpus", "cupy", "index", "words"),
    [
        (None, False, 0, ["an NVIDIA driver (libcuda.so.1)", "CuPy (pip install"]),
        (None, True, 0, ["an NVIDIA driver (libcuda.so.1)"]),
        (0, True, 0, ["a device number 0 (the driver finds 0)"]),
        (1, True, 1, ["a device number 1 (the driver finds 1)"]),
        (1, False, 0, ["CuPy (pip install"]),
        (2, True, 1, []),
    ],
)
def test_what_is_missing_is_said(
    gpus: int | None, cupy: bool, index: int, words: list[str]
) -> None:
    said = device.lacking(gpus, cupy, index)
    assert len(said) == len(words)
    assert all(one.startswith(word) for one, word in zip(said, words, strict=True))


@pytest.mark.parametrize(("name", "number"), [("cuda", 0), ("cuda:0", 0), ("cuda:3", 3)])
def test_devices_are_named_as_torch_names_them(name: str, number: int) -> None:
    assert device.index_of(name) == number


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda0", ""])
def test_no_other_names_are(name: str) -> None:
    with pytest.raises(ValueError, match="a device is cpu, cuda, or cuda:1 and so on; got"):
        device.index_of(name)


@pytest.fixture
def without() -> None:
    if not device.missing():
        pytest.skip("there is a GPU here, and CuPy")


@pytest.mark.usefixtures("without")
def test_every_command_says_it_in_one_line(tmp_path: Path) -> None:
    packed = tmp_path / "m.bnn"
    model.save(small(), packed, About())
    ops, out = ops_file(tmp_path), tmp_path / "out.json"
    for words in (
        ["bench", "--layers", "16@4"],
        ["profile", ops, "-o", out],
        ["run", packed, tmp_path / "x.npy"],
        ["time", packed],
    ):
        said = call(*words, "--device", "cuda")
        assert said.returncode == 2, said
        (line,) = said.stderr.splitlines()
        assert line.startswith("kernels: error: --device cuda cannot be used here; missing: ")
        assert not said.stdout
    assert not out.exists()


@pytest.mark.usefixtures("without")
def test_what_asks_a_gpu_for_all_of_it_ends_with_that_line_too(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / ".ci" / "gpu"
    environment = {**os.environ, "PYTHON": sys.executable}
    said = subprocess.run(
        [script, tmp_path / "out"], env=environment, capture_output=True, text=True
    )
    assert said.returncode == 2
    (line,) = said.stderr.splitlines()
    assert line.startswith("kernels: error: --device cuda cannot be used here; missing: ")


def test_what_is_of_the_cpu_alone_is_not_taken_in_silence(tmp_path: Path) -> None:
    packed = tmp_path / "m.bnn"
    model.save(small(), packed, About())
    for words in (["--threads", "2"], ["--isa", "portable"]):
        said = call("time", packed, "--device", "cuda", *words)
        assert said.returncode == 2
        assert f"{words[0]} is of the CPU" in said.stderr
    for words in (["--runs", "3"], ["--rounds", "20"], ["--all"], ["--patience", "5"]):
        said = call("bench", "--layers", "16@4", "--device", "cuda", *words)
        assert said.returncode == 2
        assert f"{words[0]} is of the CPU" in said.stderr
    assert "a device is cpu, cuda" in call("time", packed, "--device", "tpu").stderr


def test_torch_without_a_gpu_is_no_baseline_and_says_why() -> None:
    if not (reason := baselines.why_not()):
        pytest.skip("torch finds a GPU here")
    found = baselines.best(BinaryConv(height=4, width=4, channels=8, filters=8), 1)
    assert [one.dtype for one in found] == ["float16", "bfloat16", "int8"]
    assert all(one.timing is None and one.reason == reason for one in found)
