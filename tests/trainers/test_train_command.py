"""The command, as it is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kernels import model
from search_spaces.known import find_arch
from trainers.__main__ import main
from trainers.asked import Asked
from trainers.data.sets import load
from trainers.job import TRAINING, Job, fresh, kept, recalibrated, train_one, trained
from trainers.learning import checkpoint
from trainers.learning.recipes import RECIPES

SHORT = ["--epochs", "0.5", "--threads", "1"]


def test_a_network_is_trained_kept_and_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "k2"
    assert main(["train", "digits | 3x2 mean", *SHORT, "--out", str(home)]) == 0
    said = capsys.readouterr()
    assert "smoke@0.5: 0.5 epochs of 1,299 images" in said.out
    assert "selection accuracy" in said.out
    assert main(["evaluate", str(home)]) == 0
    assert "test accuracy" in capsys.readouterr().out
    result = json.loads((home / "result.json").read_text())
    assert result["test"]["count"] == 355
    assert result["selection"]["count"] == 143
    assert result["data"]["digest"] == load("digits").digest
    again = ["train", "digits | 3x2 mean", *SHORT, "--out", str(home)]
    assert main(again) == 0, "nothing is left to do"
    assert json.loads((home / "result.json").read_text()) == result


def test_judging_a_pick_leaves_the_result_that_is_for_people(tmp_path: Path) -> None:
    """Search, retrained, packed and times are in it, and in no other file."""
    job = Job(data=load("digits", held_out=0), recipe=RECIPES["smoke"])
    arch = find_arch("digits | 3x1 mean")
    kept(tmp_path, arch, fresh(arch, job), job, {"seconds": 1.0}, TRAINING)
    (tmp_path / "result.json").write_text('{"packed": {"accuracy": 0.9}}')
    assert main(["evaluate", str(tmp_path)]) == 0
    assert (tmp_path / "result.json").read_text() == '{"packed": {"accuracy": 0.9}}'
    found = json.loads((tmp_path / TRAINING).read_text())
    assert (found["test"]["count"], found["seconds"]) == (355, 1.0)


def test_what_was_trained_is_packed_and_decides_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, file = str(tmp_path / "k2"), tmp_path / "k2.bnn"
    assert main(["train", "digits | 3x2 mean", *SHORT, "--out", home]) == 0
    assert main(["export", home, "-o", str(file)]) == 0
    assert "0 of 143 images decided differently" in capsys.readouterr().out
    about = model.describe(file).about
    assert about.arch == "digits | 3x2 mean"
    assert about.labels == tuple("0123456789")
    assert about.data == "digits, selection split"
    assert main(["evaluate", home, "--model", str(file)]) == 0
    assert "0 of 355 images decided differently" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("held_out", "changed", "said"),
    [
        (0.0, False, "on training images, as none were held out: 0 of 9 images"),
        (0.3, False, "on the selection split: 0 of 9 images"),
        (0.3, True, "on images of which it may have learnt from some: 0 of 9 images"),
    ],
)
def test_exporting_says_on_which_images_decisions_were_compared(
    held_out: float,
    changed: bool,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A pick has learnt from all of them; and the split need not be of the training's own seed."""
    job = Asked(data="digits", recipe="smoke", seed=1, split=5, held_out=held_out).job()
    arch = find_arch("digits | 3x1 mean")
    kept(tmp_path, arch, fresh(arch, job), job, {}, TRAINING)
    if changed:
        other = (tmp_path / TRAINING).read_text().replace(job.data.digest, "0" * 12)
        (tmp_path / TRAINING).write_text(other)
    assert main(["export", str(tmp_path), "-o", str(tmp_path / "a.bnn"), "--images", "9"]) == 0
    assert said in capsys.readouterr().out


def test_what_is_kept_answers_as_what_was_trained(tmp_path: Path) -> None:
    job = Job(data=load("digits"), recipe=RECIPES["smoke"].shortened(epochs=0.2))
    arch = find_arch("digits+rsign+lambda | 1x2 mean | 2x3 gate")
    net = fresh(arch, job)
    for _ in train_one(arch, net, job):
        pass
    kept(tmp_path, arch, net, job, {})
    found = trained(tmp_path)
    images = job.task.prepare(job.data.selection.take(torch.arange(9).numpy()))
    assert found.arch == arch
    assert torch.equal(found.network(images), net(images))


@pytest.mark.parametrize(
    ("other", "of_their_own"),
    [
        ({"average": 0.9}, True),
        ({"statistics": 0.0}, True),
        ({"statistics": 0.1}, True),  # 10 steps: a third of it is what they began with
        ({"statistics": 0.5}, False),
    ],
)
def test_statistics_that_are_not_of_the_weights_are_calibrated(
    other: dict[str, float], of_their_own: bool
) -> None:
    recipe = RECIPES["smoke"].shortened(epochs=0.5)
    job = Job(data=load("digits"), recipe=replace(recipe, **other))
    arch = find_arch("digits | 3x1 mean")
    net = fresh(arch, job)
    for _ in train_one(arch, net, job):
        pass
    before = {name: b.clone() for name, b in net.bank.named_buffers()}
    after = dict(recalibrated(net, job).bank.named_buffers())
    assert all(torch.equal(before[name], after[name]) for name in before) == of_their_own


def test_a_known_architecture_is_of_a_backbone_that_suits_the_images(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "bireal", *SHORT]) == 0
    key = find_arch("bireal", "digits").key
    assert key in capsys.readouterr().out


def test_a_supernet_is_trained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    args = ["supernet", "groupnet", "--epochs", "0.2", "--threads", "1", "--others", "0"]
    assert main([*args, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "largest" in said
    assert "smallest" in said
    assert (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize("what", [["train", "bireal"], ["supernet", "groupnet", "--others", "0"]])
@pytest.mark.parametrize("gone", [("result.json",), ("result.json", "model.safetensors")])
def test_killed_behind_its_last_step_a_training_is_kept_by_the_same_command(
    what: list[str], gone: tuple[str, ...], tmp_path: Path
) -> None:
    command = [*what, "--epochs", "0.1", "--threads", "1", "--out", str(tmp_path)]
    assert main(command) == 0
    weights = (tmp_path / "model.safetensors").read_bytes()
    result = json.loads((tmp_path / "result.json").read_text())
    for name in gone:
        (tmp_path / name).unlink()
    assert main(command) == 0
    assert (tmp_path / "model.safetensors").read_bytes() == weights
    again = json.loads((tmp_path / "result.json").read_text())
    assert 0 < again.pop("seconds") <= result.pop("seconds")
    assert again == result


def test_ctrl_c_keeps_a_checkpoint_and_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trainers", "train", "groupnet-k3", "--out", str(tmp_path)]
    command += ["--epochs", "500"]  # it must not be done before it is interrupted
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(8)
    while not _learning(started.pid):
        time.sleep(0.5)
        assert started.poll() is None
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130, said
    assert "stopped; the same command goes on from here" in said
    assert "Traceback" not in said
    step = checkpoint.load(tmp_path / "checkpoint.pt")["step"]
    assert step > 0
    recipe = RECIPES["smoke"].shortened(epochs=500)
    job = Job(data=load("digits"), recipe=recipe, home=tmp_path)
    arch = find_arch("groupnet-k3", "digits")
    assert next(train_one(arch, fresh(arch, job), job)).step == step + 1


def _learning(pid: int) -> bool:
    """Processor seconds beyond what imports take."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11]
    return int(ticks) / os.sysconf("SC_CLK_TCK") > 8


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["train", "groupnet-k9"], "did you mean"),
        (["train", "bireal", "--data", "digit"], "did you mean 'digits'"),
        (["train", "bireal", "--recipe", "smok"], "did you mean 'smoke'"),
        (["train", "digits | 4x1 mean"], "digits has 3 blocks; the groups have 4 = 4, 1 too many"),
        (["train", "bireal", "--device", "cuda:99"], "no device 'cuda:99' here: "),
        (["train", "bireal", "--device", "gpu"], "no device 'gpu' here: "),
        (["train", "segment: digits | 3x1 mean"], "'segment' cannot be trained yet"),
        (["evaluate", "nowhere"], "no such training: nowhere has no result.json"),
        (["export", "nowhere", "-o", "a.bnn"], "no such training: nowhere has no result.json"),
        (["supernet", "groupnets"], "did you mean 'groupnet'"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    args: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    said = capsys.readouterr().err
    assert said.startswith("trainers: error: ")
    assert error in said


def test_a_result_of_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "result.json").write_text('{"arch": "digits | 3x1 mean"}')
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "result.json: not the result of a training" in capsys.readouterr().err


def test_recipes_are_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    said = capsys.readouterr().out
    assert all(f"{name}: " in said for name in RECIPES)


def test_a_teacher_must_have_seen_what_its_student_sees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = str(tmp_path / "real")
    assert main(["train", "real", *SHORT, "--out", home]) == 0
    student = ["train", "bireal", *SHORT, "--recipe", "reactnet", "--teacher", home]
    assert main([*student, "--seed", "1"]) == 2
    assert "it would have seen what is held out here" in capsys.readouterr().err
    assert main(student) == 0
    other = ["train", "digits | 3x1 real", *SHORT, "--seed", "0", "--out", str(tmp_path / "b")]
    assert main([*other, "--epochs", "0.3"]) == 0
    assert main([*student, "--out", str(tmp_path / "s"), "--epochs", "8"]) == 0
    student[-1] = str(tmp_path / "b")
    assert main([*student, "--out", str(tmp_path / "s"), "--epochs", "8"]) == 2
    assert "is of another training: teacher is" in capsys.readouterr().err


def test_classes_that_were_not_learnt_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "digits | 3x1 mean", *SHORT, "--out", str(tmp_path)]) == 0
    file = tmp_path / "result.json"
    result = json.loads(file.read_text())
    result["data"]["classes"][3] = "three"
    file.write_text(json.dumps(result))
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "was trained on the classes 0, 1, 2, three, 4" in capsys.readouterr().err


def test_written_signs_are_not_flipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "bireal", *SHORT, "--recipe", "fast"]) == 0
    said = capsys.readouterr().out
    assert "fast without flips@0.5" in said or "flip" not in said
    assert "shift" in said


@pytest.mark.parametrize("epochs", ["0", "-1", "inf", "many"])
def test_a_length_is_a_number_above_0(epochs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "bireal", "--epochs", epochs])
    assert f"'{epochs}' is not a number above 0" in capsys.readouterr().err


def test_several_processes_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "bireal", *SHORT]) == 2
    assert "this command trains in one process" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [["train", "digits | 3x1 mean"], ["supernet", "groupnet"]])
@pytest.mark.parametrize("kept", [False, True])
def test_that_nothing_will_be_kept_is_said_at_the_start(
    kind: list[str], kept: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "kept")] if kept else []
    backbone = [] if kind[0] == "train" else ["--backbone", "digits+w0.25"]
    assert main([*kind, *backbone, "--epochs", "0.1", "--threads", "1", *out]) == 0
    before, _ = capsys.readouterr().out.split("selection accuracy", 1)
    assert before.count("nothing is kept") == (not kept)
