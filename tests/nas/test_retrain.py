"""From a pick to a packed file: in the process itself, as Ray Tune trials, killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernels import model
from kernels.engine import Engine
from nas.picks.judging import decided
from nas.retrain import main, retrain
from reports.run import read
from search_spaces.arch import from_json
from search_spaces.known import find_arch
from search_spaces.text import parse
from trainers.data.sets import load_test
from trainers.job import trained
from trainers.learning.checkpoint import load, read_weights

FILES = {
    *("arch.json", "asked.json", "lock", "metrics.csv", "model.bnn", "model.safetensors"),
    *("result.json", "training.json"),
}
ALONE = ["--arch", "digits | 2x1 mean | 1x2 gate", "--data", "digits", "--threads", "1"]


def result_of(home: Path) -> Any:
    return json.loads((home / "result.json").read_text())


def best(run: Path) -> Any:
    return min(read(run).front or [], key=lambda row: (row["error"], row["latency_ms"]))


def test_a_pick_is_trained_packed_and_judged(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home,) = retrain(run=run_folder, pick=["best"], epochs=3.0, threads=1)
    picked = best(run_folder)
    assert home == run_folder / "picks" / picked["key"]
    assert {file.name for file in home.iterdir()} == FILES
    found, test = result_of(home), load_test("digits")
    engine = Engine(model.load(home / "model.bnn")[0])
    right = (decided(engine, test.images) == test.images.labels).mean()
    assert found["packed"]["accuracy"] == pytest.approx(right)
    assert found["retrained"]["accuracy"] > 0.6
    differ = found["packed"]["decisions"] / 355
    assert abs(found["packed"]["accuracy"] - found["retrained"]["accuracy"]) <= differ + 1e-9
    assert found["retrained"]["count"] == found["packed"]["count"] == 355
    assert found["search"]["accuracy"] == pytest.approx(1 - picked["error"])
    assert found["predicted_ms"] == pytest.approx(picked["latency_ms"])
    assert found["memory_bytes"] == picked["memory_bytes"]
    assert found["size_bytes"] == picked["size_bytes"]
    assert 0 < found["measured_ms"] < 5
    assert found["schedule"].startswith("3 epochs of 1,442 images"), "all there is to learn from"
    assert (found["recipe"], found["seed"], found["start"]) == ("smoke@3", 0, "scratch")
    epochs = (home / "metrics.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in epochs] == ["1", "2", "3"]
    assert float(epochs[-1].split(",")[-1]) == found["seconds"] > 0
    assert from_json((home / "arch.json").read_text()) == parse(picked["arch"])
    about = model.describe(home / "model.bnn").about
    assert about.accuracy == pytest.approx(found["retrained"]["accuracy"])
    assert about.data == "digits, test split"
    network = trained(home).network  # a teacher is read like this
    logits = network(trained(home).task.prepare(test.images.take(np.arange(50))))
    assert (logits.argmax(1).numpy() == decided(engine, test.images)[:50]).mean() >= 0.98
    assert (run_folder / "report.html").exists()
    assert read(run_folder).picks[0]["key"] == picked["key"]
    assert retrain(run=run_folder, pick=["best"], epochs=3.0, threads=1) == [home]
    assert result_of(home) == found, "nothing is left to do"
    (home / "result.json").write_text(json.dumps({**found, "doubt": "others shared the core"}))
    assert main([str(run_folder), "--pick", "best", "--epochs", "3", "--threads", "1"]) == 0
    assert "its time: others shared the core" in capsys.readouterr().err


def test_what_a_pick_is_compared_with_goes_through_the_same_command(run_folder: Path) -> None:
    words = ["fastest", "groupnet-k1", "real", "bireal"]  # the fastest is K=1, or is not
    homes = retrain(run=run_folder, pick=words, epochs=0.5, workers=1)
    keys = {find_arch(name, "digits+w0.25").key for name in words[1:]}
    assert keys <= {home.name for home in homes}
    assert len(homes) == len({home.name for home in homes}) <= 4
    found = {result_of(home)["known"]: result_of(home) for home in homes}
    assert {"real", "bireal", "groupnet-k1"} <= set(found)
    assert len({(one["recipe"], one["schedule"]) for one in found.values()}) == 1
    assert found["bireal"]["search"] is None
    assert found["real"]["predicted_ms"] > 0


def test_several_share_the_machine_and_one_that_fails_fails_alone(run_folder: Path) -> None:
    given: dict[str, Any] = {"epochs": 0.5, "from_": "supernet", "workers": 2}
    names = ["groupnet-k8", "groupnet-k3", "groupnet-k1"]
    with pytest.raises(ValueError, match=r"has no weights for 'digits\+w0\.25 \| 3\*1x8 mean'"):
        retrain(run=run_folder, pick=names, **given)
    for name in names[1:]:
        key = find_arch(name, "digits+w0.25").key
        home = run_folder / "picks" / key
        assert {file.name for file in home.iterdir()} == FILES
        found = result_of(home)
        assert (found["key"], found["known"], found["start"]) == (key, name, "supernet")


def test_two_processes_train_one_together(tmp_path: Path) -> None:
    """By Ray Train, half of each batch each: rounded otherwise, and learning the same."""
    losses = []
    for workers in (1, 2):
        given: dict[str, Any] = {"data": "digits", "epochs": 2.0, "training_workers": workers}
        out = tmp_path / str(workers)
        (home,) = retrain(arch="digits | 2x1 mean | 1x2 gate", out=out, threads=1, **given)
        assert {file.name for file in home.iterdir()} == FILES
        assert result_of(home)["retrained"]["accuracy"] > 0.6
        epochs = (home / "metrics.csv").read_text().splitlines()
        losses.append(
            [float(line.split(",")[epochs[0].split(",").index("loss")]) for line in epochs[1:]]
        )
    assert losses[0] != losses[1], "the second was not trained by two"
    assert losses[1] == pytest.approx(losses[0], rel=0.2)


def test_other_options_are_refused_and_another_seed_gets_a_folder(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(run_folder), "--pick", "fastest", "--epochs", "0.2", "--threads", "1"]
    assert main([*words, "--seed", "5"]) == 0
    (first,) = (run_folder / "picks").iterdir()
    assert main(words) == 0
    assert {p.name for p in first.parent.iterdir()} == {first.name, f"{first.name}-s0"}
    assert result_of(first)["seed"] == 5
    capsys.readouterr()
    assert main([*words, "--seed", "5", "--recipe", "fast", "--from", "supernet"]) == 2
    said = capsys.readouterr().err
    assert "begun otherwise: recipe was smoke, is fast; from was scratch, is supernet " in said
    assert said.count("\n") == 1


def _started(*more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nas.retrain", *ALONE, *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def _learnt(home: Path) -> int:
    """Steps, as far as they are noted."""
    file = home / "losses.csv"
    lines = file.read_text().splitlines() if file.exists() else []
    return int(lines[-1].partition(",")[0]) if lines else 0


def _after(process: subprocess.Popen[str], home: Path, step: int) -> None:
    while _learnt(home) < step:
        time.sleep(0.01)
        assert process.poll() is None, process.stderr and process.stderr.read()


def test_a_retraining_that_was_stopped_and_killed_ends_with_the_same_weights(
    tmp_path: Path,
) -> None:
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    more = ("--epochs", "12", "--out", str(broken))
    stopped = _started(*more)
    _after(stopped, broken, 20)
    stopped.send_signal(signal.SIGINT)
    _, said = stopped.communicate(timeout=60)
    assert stopped.returncode == 130, said
    assert said.endswith("nas.retrain: stopped; the same command goes on from here\n")
    at = load(broken / "checkpoint.pt")["step"]
    assert at >= 20
    killed = _started(*more)
    _after(killed, broken, at + 15)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not (broken / "result.json").exists()
    assert load(broken / "checkpoint.pt")["step"] < _learnt(broken), "steps are done again"
    assert main([*ALONE, *more]) == 0
    assert main([*ALONE, "--epochs", "12", "--out", str(whole)]) == 0
    for name in ("model.safetensors", "arch.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    metrics = [(home / "metrics.csv").read_text().splitlines() for home in (broken, whole)]
    assert [line.rsplit(",", 1)[0] for line in metrics[0]] == [
        line.rsplit(",", 1)[0] for line in metrics[1]
    ]
    assert result_of(broken)["packed"] == result_of(whole)["packed"]
    assert result_of(broken)["predicted_ms"] is None


def test_a_supernets_weights_are_where_it_begins(run_folder: Path) -> None:
    """With a single step learnt, which moves a weight by the rate, 0.02 here."""
    given: dict[str, Any] = {"run": run_folder, "epochs": 0.01, "threads": 1}
    (home,) = retrain(pick=["best"], from_="supernet", **given)
    (fresh,) = retrain(pick=["best"], seed=1, **given)
    shared, _ = read_weights(run_folder / "supernet" / "model.safetensors")
    own, began = (read_weights(one / "model.safetensors")[0] for one in (home, fresh))
    name = next(name for name in own if name.endswith("conv1/weight"))
    part = shared[name][tuple(slice(n) for n in own[name].shape)]
    assert (own[name] - part).abs().max() < 0.021
    assert (began[name] - part).abs().max() > 0.3


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("RUN", "--pick says which"),
        ("RUN --pick knee --all", "--pick or --all of the front: one of both, not both"),
        ("RUN --pick fastest --recipe fastt", "did you mean 'fast'"),
        ("RUN --pick nothing", "pick 'nothing' is not one of knee, fastest"),
        ("RUN --pick fastest --data digits", "a run has its own data"),
        ("RUN --pick fastest --device tpu0", "no device 'tpu0' here"),
        ("RUN --pick fastest --recipe reactnet --epochs 1", "100% of its loss from a teacher"),
        ("RUN --pick fastest --workers 0", "workers is at least 1"),
        ("RUN --pick fastest --from somewhere", "scratch or supernet; got 'somewhere'"),
        ("RUN --pick best --recipe standard --epochs 1 --from supernet", "begin from scratch"),
        ("nowhere --pick knee", "a run is a folder that a search made; there is no nowhere"),
        ("--arch groupnet-k3", "--arch wants --data"),
        ("--arch groupnet-k33 --data digits --out x", "did you mean 'groupnet-k3'"),
        ("", "a run with --pick, or --arch"),
        ("--nonsense", "No such option: --nonsense"),
    ],
)
def test_what_cannot_be_done_is_a_line(
    words: str, wanted: str, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(run_folder) if word == "RUN" else word for word in words.split()]
    assert main(given) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("nas.retrain: error: ")
    assert wanted in said
    assert not [*run_folder.glob("picks/*/result.json")]
