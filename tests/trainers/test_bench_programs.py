"""Whole programs beside their twin: what is timed, on a CPU and on a device, and what is said."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from cuda_on_cpu import Cpu

from kernels import timing
from kernels.cuda import commands
from kernels.ops import Stem
from search_spaces.backbones import find_backbone
from trainers.__main__ import main
from trainers.benches import programs
from trainers.benches.programs import bar, every_program, on_gpu, programs_on, side_by_side


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests know that each of them runs; here K=1 and K=2 are enough to draw a line."""
    monkeypatch.setattr(programs, "BASES", (1, 2))
    monkeypatch.setattr(programs, "ROUNDS", 2)
    arches = {f"K={k}": f"resnet8 | 3x{k} mean" for k in (1, 2)}
    monkeypatch.setattr(programs, "ARCHES", arches)


def test_every_program_is_of_the_backbone_as_it_is_sized() -> None:
    made = every_program(find_backbone("resnet8").sized(12))
    assert list(made) == ["K=1", "K=3", "K=4", "K=5", "K=8", "bireal", "K=1 on pixels"]
    assert {program.image.height for program in made.values()} == {12}
    assert [name for name, p in made.items() if isinstance(p.ops[0], Stem)] == ["K=1 on pixels"]
    sizes = [made[f"K={k}"].bytes for k in (1, 3, 4, 5, 8)]
    assert sizes == sorted(set(sizes))


def test_ratios_are_of_medians_over_all_rounds() -> None:
    took = {"K=1": iter([2e6, 1e6, 9e6]), "K=2": iter([4e6, 4e6, 4e6]), "torch": iter([8e6] * 3)}

    def measure(things):  # type: ignore[no-untyped-def]
        return {
            name: timing.summarize([timing.Turn((next(took[name]),), disturbed=False)])
            for name in things
        }

    ours = {name: timing.repeated(lambda: None) for name in ("K=1", "K=2")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "BASES", (1, 2))
        said = list(side_by_side(ours, {"torch": timing.repeated(lambda: None)}, 3, measure))
    assert said[1].split() == ["K=1", "2.000", "ms", "(1.000", "to", "9.000)", "4.00x", "torch"]
    assert said[2].split() == ["K=2", "4.000", "ms", "(4.000", "to", "4.000)", "2.00x", "torch"]
    assert said[-1] == "faster than torch up to K=4"


@pytest.mark.usefixtures("fewer")
def test_a_device_runs_every_program_beside_the_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "program", partial(commands.program, measured=False))
    device = Cpu()
    theirs = {"float32 eager": timing.repeated(lambda: None)}
    said = list(on_gpu(find_backbone("resnet8").sized(8), 2, 1, device, theirs))
    assert said[0] == "resnet8, batch 2, a CPU that plays a GPU, sm_90"
    assert [line.split("  ")[0] for line in said[2:6]] == [
        *("K=1", "K=2", "K=1 on pixels", "float32 eager"),
    ]
    assert all("x float32 eager" in line for line in said[2:6])
    assert said[-1].startswith("-       ResNet-18, K=1: 2x torch bfloat16, batch 1: not measured")
    assert device.launched > 0


@pytest.mark.parametrize(
    ("name", "batch", "times", "said"),
    [
        ("resnet18", 1, {"bfloat16 eager": 4.2, "bfloat16 inductor": 5.0}, "met     {}: 2.10x"),
        ("resnet18", 1, {"bfloat16 eager": 9.0, "bfloat16 inductor": 3.8}, "NOT MET {}: 1.90x"),
        ("resnet18", 1, {"bfloat16 inductor": 4.0}, "met     {}: 2.00x"),
        ("resnet18", 1, {"float32 eager": 9.0}, "-       {}: not measured in this run"),
        ("resnet18", 8, {"bfloat16 eager": 9.0}, "-       {}: not measured in this run"),
        ("resnet20", 1, {"bfloat16 eager": 9.0}, "-       {}: not measured in this run"),
    ],
)
def test_the_bar_is_twice_the_faster_form_of_bfloat16(
    name: str, batch: int, times: dict[str, float], said: str
) -> None:
    about = "ResNet-18, K=1: 2x torch bfloat16, batch 1"
    found = bar(find_backbone(name), batch, {"K=1": 2.0, **times})
    assert str(found) == said.format(about)


def test_the_twin_runs_in_every_type_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainers.benches import twin

    asked = []

    def clock(call):  # type: ignore[no-untyped-def]
        asked.append(call().dtype)
        return timing.repeated(call)

    monkeypatch.setattr(twin, "_frozen", lambda module, images: lambda: module(images))
    forms = twin.every_form_on("cpu", find_backbone("resnet8").sized(8), 1, clock)
    assert list(forms) == [
        f"{name} {way}"
        for name in ("float32", "float16", "bfloat16")
        for way in ("eager", "inductor")
    ]
    assert asked == [t for t in (torch.float32, torch.float16, torch.bfloat16) for _ in range(2)]
    assert all(runs(1)[0] > 0 for runs in forms.values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["programs", "--device", "cuda"], "--device cuda cannot be used here; missing: "),
        (["programs", "--device", "tpu"], "a device is cpu, cuda, or cuda:1 and so on"),
        (["step", "--device", "cuda"], "step runs on the CPU"),
        (["programs", "--device", "cuda", "--threads", "1"], "--threads is of the CPU"),
    ],
)
def test_what_a_device_cannot_be_asked(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *words]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert not printed.out


def test_without_torch_on_the_gpu_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "open_device", lambda name: Cpu())
    monkeypatch.setattr(programs.baselines, "why_not", lambda: "this torch has no CUDA")
    with pytest.raises(ValueError, match="nothing to compare with: this torch has no CUDA"):
        programs_on("cuda")
