"""A packed file on the test split: its accuracy, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from cuda_on_cpu import Cpu

from kernels import model
from kernels.about import About
from kernels.case import program
from kernels.cuda import commands
from kernels.timing import Turn, summarize
from nas.evaluate import evaluate, main
from nas.export import main as export_main
from nas.retrain import retrain
from search_spaces.backbones import find_backbone
from search_spaces.known import find_arch
from search_spaces.planner import plan
from trainers.data.sets import load_test
from trainers.job import trained

TOOK = summarize([Turn((1.0,), disturbed=False)])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("k2") / "out"
    retrain(arch="digits | 3x2 mean", data="digits", out=made, epochs=2.0, threads=1)
    return made


# Who asks for torch is told that there is none.
BLOCKED = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, Without())
from nas.evaluate import main
sys.exit(main(sys.argv[1:]))
"""


def test_torch_need_not_be_installed(home: Path) -> None:
    command = [sys.executable, "-c", BLOCKED, str(home / "model.bnn"), "--data", "digits"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    packed = json.loads((home / "result.json").read_text())["packed"]["accuracy"]
    assert f"{packed:.2%} of 355 images" in done.stdout
    assert " us an image, +- " in done.stdout
    assert "is, taken for:" in done.stdout


def test_a_device_is_held_against_the_cpu(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from nas import evaluate as module

    monkeypatch.setattr(module, "open_device", lambda name: Cpu())
    monkeypatch.setattr(commands, "program", partial(commands.program, measured=False))
    assert main([str(home / "model.bnn"), "--data", "digits", "--device", "cuda"]) == 0
    said = capsys.readouterr().out
    assert "other decisions on 0 of 355 images" in said
    assert "a CPU that plays a GPU" in said
    right = module._by_gpu
    monkeypatch.setattr(module, "_by_gpu", lambda *given: ((right(*given)[0] + 1) % 10, TOOK))
    assert evaluate(home / "model.bnn", "digits", device="cuda").apart == 355
    assert evaluate(home / "model.bnn", "digits").apart is None


def test_every_decision_is_in_the_table(home: Path) -> None:
    found = evaluate(home / "model.bnn", "digits")
    test, network = load_test("digits"), trained(home)
    pixels = test.images.take(np.arange(len(test.images)))
    theirs = network.network(network.task.prepare(pixels)).argmax(1).numpy()
    wanted = np.zeros((10, 10), int)
    for label, decided in zip(test.images.labels, theirs, strict=True):
        wanted[label, decided] += 1
    result = json.loads((home / "result.json").read_text())
    assert np.abs(found.confusion - wanted).sum() <= 2 * result["packed"]["decisions"]
    assert found.accuracy == pytest.approx(result["packed"]["accuracy"])
    assert found.classes == tuple("0123456789")
    assert found.took.median_ns > 0
    assert found.file_bytes == result["file_bytes"]


def test_what_does_not_belong_together_is_said(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, about = model.load(home / "model.bnn")

    def said(made: object, about: About, *more: str) -> str:
        model.save(made, tmp_path / "m.bnn", about)  # type: ignore[arg-type]
        assert main([str(tmp_path / "m.bnn"), "--data", "digits", *more]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line.removeprefix("nas.evaluate: error: ")

    others = replace(about, labels=tuple("abcdefghij"))
    assert "decides among the classes a, b, c, d, e, f, g, h, i, j; those of digits are 0, 1" in (
        said(good, others)
    )
    assert "a device is cpu, cuda, or cuda:1" in said(good, about, "--device", "gpu")
    assert "did you mean 'digits'" in said(good, about, "--data", "digts")
    assert "does not say how pixels are normalised" in said(replace(good, normal=None), about)
    planned = plan(find_arch("groupnet-k1", "resnet8"), find_backbone("resnet8"))
    nodes = [step.node for step in planned.steps]
    made = program(planned.values, nodes, planned.outputs[0], np.random.default_rng(0))
    assert "takes images of 28x28x1; those of digits are 8x8x1" in said(made, About())
    assert main([str(tmp_path / "none.bnn"), "--data", "digits"]) == 2
    wanted = f"nas.evaluate: error: {tmp_path / 'none.bnn'}: no such packed file"
    assert capsys.readouterr().err.splitlines() == [wanted]


def test_a_packed_file_becomes_c_and_onnx(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    out = tmp_path / "c"
    words = [str(home / "model.bnn"), "--c", str(out), "--name", "digits"]
    assert export_main([*words, "--onnx", str(tmp_path / "m.onnx")]) == 0
    assert "digits_run(" in (out / "digits.h").read_text()
    assert (out / "digits.c").exists()
    assert (tmp_path / "m.onnx").stat().st_size > 1000
    assert "m.onnx: " in capsys.readouterr().out


def test_a_pick_of_a_run_is_exported_once_it_is_retrained(
    run_folder: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(run_folder), "--pick", "groupnet-k3", "--c", str(tmp_path / "c")]
    key = find_arch("groupnet-k3", "digits+w0.25").key
    assert export_main(words) == 2
    said = capsys.readouterr().err
    assert f"`python -m nas.retrain {run_folder} --pick {key}` does it" in said
    (run_folder / "picks" / key).mkdir(parents=True)
    (run_folder / "picks" / key / "model.bnn").write_bytes((home / "model.bnn").read_bytes())
    assert export_main(words) == 0
    assert (tmp_path / "c" / "network.h").exists()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("FILE", "--onnx FILE, --c DIR or both"),
        ("FILE --pick knee --c out", "--pick is of a run"),
        ("nope.bnn --c out", "nope.bnn: no such packed file"),
        ("FOLDER --c out", "--pick says which of a run"),
        ("FILE --c out --name a-b", "a-b"),
    ],
)
def test_what_cannot_be_exported_is_a_line(
    words: str, wanted: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"FILE": str(home / "model.bnn"), "FOLDER": str(home)}
    assert export_main([places.get(word, word) for word in words.split()]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("nas.export: error: ")
    assert wanted in said
