"""Bad input is one line and exit status 2, before anything is made."""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import search_spaces
from kernels import profile
from nas.console.options import FULL
from nas.search import main, search
from search_spaces.backbones import find_backbone

Said = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "r"


@pytest.fixture
def said(run: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """What a command says that is refused; the folder of its run is as it was."""

    def refused(*words: str | Path, where: Path = run) -> str:
        before = sorted(where.rglob("*")) if where.exists() else None
        # What is not refused shall end soon all the same.
        status = main(["--run", str(where), "--until", "plan", *map(str, words)])
        shown = capsys.readouterr()
        assert status == 2, shown.err
        assert shown.out == ""
        (line,) = shown.err.splitlines()
        assert line.startswith("nas.search: error: ")
        assert (sorted(where.rglob("*")) if where.exists() else None) == before
        return line.removeprefix("nas.search: error: ")

    return refused


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("--space grupnet", "'grupnet' is not one of .*did you mean 'groupnet'"),
        ("--space nowhere:space", "no module is called 'nowhere'"),
        ("--data digts", "data set 'digts' is not one of .*did you mean 'digits'"),
        ("--backbone resnet21", "'resnet21' is not one of"),
        ("--backbone digits+wide", "wide"),
        ("--recipe smok", "recipe 'smok' is not one of .*did you mean 'smoke'"),
        ("--sampler nsga", "sampler 'nsga' is not one of"),
        ("--until mesure", "did you mean 'measure'"),
        ("--device tpu3", "no device 'tpu3' here"),
        ("--precision half", "precision 'half' is not one of"),
        ("--objectives latency,size", "error is one of the objectives"),
        ("--objectives error,latancy", "did you mean 'latency'"),
        ("--objectives error,json:nothing", "name 'nothing' is not one of"),
        ("--objectives error,nowhere:f", "no module is called 'nowhere'"),
        ("--max-latency 2", "^--max-latency: a number and a unit"),
        ("--max-latency 0ms", "above 0; got '0ms'"),
        ("--max-size 0B", "above 0; got '0B'"),
        ("--max-size 10B", "no architecture keeps these limits"),
        ("--max-memory 10B", "no architecture keeps these limits"),
        ("--held-out 1.5", "held-out is a share between 0 and 1; got 1.5"),
        ("--held-out 0", "held-out is a share between 0 and 1; got 0"),
        ("--trials 0", "trials is at least 1; got 0"),
        ("--trials ten", "Invalid value for '--trials'"),
        ("--trials", "--trials"),
        ("--workers 0", "workers is at least 1"),
        ("--trails 5", "No such option: --trails"),
        ("something", "something"),
        ("--epochs 0", "got .*0"),
        ("--epochs -1", "-"),
        ("--epochs nan", "nan"),
        ("--epochs inf", "inf"),
        ("--others -1", "0 or more"),
        ("--widening 2", "a share of the training"),
        ("--training-workers 3", "cannot be shared evenly by 3 processes"),
        ("--profile nowhere.json", "nowhere.json"),
        ("--supernet nowhere", "nowhere has no supernet"),
        ("--warm-start nowhere", "nowhere"),
        ("--config nowhere.toml", "nowhere.toml"),
        ("--data fashion-mnist", "fashion-mnist"),
        ("--data fashion-mnist --data-dir nowhere", "nowhere"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_and_nothing_is_made(
    said: Said, words: str, wanted: str
) -> None:
    assert re.search(wanted, said(*words.split()))


def test_an_empty_or_broken_data_folder_is_said(said: Said, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    where = ["--data-dir", folder]
    assert str(folder) in said("--data", "fashion-mnist", *where)
    assert str(folder) in said("--data", "imagefolder:16", *where)
    (folder / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0\0\x05no more")
    (folder / "train-labels-idx1-ubyte").write_bytes(b"")
    assert "train-" in said("--data", "fashion-mnist", *where)


def test_a_profile_that_does_not_fit_is_said(said: Said, op_times: Path, tmp_path: Path) -> None:
    lacking = tmp_path / "lacking.json"
    content = json.loads(op_times.read_text())
    content["entries"] = content["entries"][:-2]
    lacking.write_text(json.dumps(content))
    assert "lacks 2 ops of this search, the first of them" in said("--profile", lacking)
    assert "is of 1 threads; got --threads 2" in said("--profile", op_times, "--threads", 2)
    stopped = {**json.loads(op_times.read_text()), "part": {"ops": [], "groups": 1}}
    stopped["part"]["ops"] = [stopped["entries"][0]["op"]]
    lacking.write_text(json.dumps(stopped))
    assert "was stopped before its last pass over the ops" in said("--profile", lacking)
    lacking.write_text(op_times.read_text()[:-9])
    assert "lacking.json is no profile: it is not JSON" in said("--profile", lacking)
    lacking.write_text("{}")
    assert "lacking.json is no profile" in said("--profile", lacking)
    assert str(tmp_path) in said("--profile", tmp_path)


def test_a_limit_on_time_that_no_architecture_keeps_is_said(said: Said, op_times: Path) -> None:
    line = said("--profile", op_times, "--max-latency", "1us", "--max-size", "1GB")
    assert "no architecture keeps these limits" in line
    found = re.search(r"latency_ms ([0-9.]+), 0.001 asked; size_bytes", line)
    assert found is not None
    fastest = min(entry.timing.median_ns for entry in profile.load(op_times).entries.values())
    assert float(found[1]) > fastest / 1e6


def test_too_little_room_on_the_disk_is_said(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    few = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr("nas.search.shutil.disk_usage", lambda home: few)
    assert re.search("has 1,000 bytes left; about [0-9,]+ are needed", said())


def test_a_supernet_that_does_not_fit_is_said(said: Said, tmp_path: Path) -> None:
    home = tmp_path / "other"
    home.mkdir()
    (home / "model.safetensors").touch()
    result = {
        "space": "groupnet", "backbone": "digits+w0.25", "seed": 0,
        "recipe": {"binarizer": "groupnet"}, "data": {"name": "digits", "digest": "1234"},
    }  # fmt: skip
    for change, wanted in (
        ({}, "learnt from digits (1234)"),
        ({"space": "abcnet"}, "is of abcnet on digits+w0.25"),
        ({"backbone": "digits"}, "is of groupnet on digits; this is"),
        ({"recipe": {"binarizer": "reactnet"}}, "learnt with the binarizer 'reactnet'"),
    ):
        (home / "result.json").write_text(json.dumps(result | change))
        assert wanted in said("--supernet", home)
    (home / "result.json").write_text('{"seed": ')
    assert "result.json is damaged" in said("--supernet", home)


def test_a_folder_that_is_no_run_or_of_another_version_is_left_alone(
    said: Said, tmp_path: Path
) -> None:
    old, other, file = tmp_path / "old", tmp_path / "other", tmp_path / "file"
    old.mkdir()
    (old / "run.json").write_text('{"format": "binary-nas run 0", "asked": {}}')
    assert "old is of another version: 'binary-nas run 0'" in said(where=old)
    other.mkdir()
    (other / "thesis.tex").touch()
    assert "other is there, is not empty and is no run" in said(where=other)
    file.touch()
    assert "file is a file; --run is a folder" in said(where=file)
    assert "file is a file; --run is a folder" in said(where=file / "below")


def test_a_file_of_options_is_read_and_options_come_before_it(said: Said, tmp_path: Path) -> None:
    file = tmp_path / "search.toml"
    file.write_text('[explore]\nsampler = "nsga4"\n')
    assert "sampler 'nsga4' is not one of" in said("--config", file)
    file.write_text("trails = 5\n")
    assert "search.toml and options: option 'trails'" in said("--config", file)
    file.write_text("trials = 5\n")
    assert "trials is at least 1; got 0" in said("--config", file, "--trials", 0)
    file.write_text("trials = 0\n")
    assert "sampler 'x' is not one of" in said("--config", file, "--trials", 5, "--sampler", "x")
    file.write_text("trials = \n")
    assert "search.toml" in said("--config", file)


def test_help_groups_options_and_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for part in ("The run", "Profile", "Supernet", "Explore", "--max-latency", "Examples."):
        assert part in shown


def test_the_same_errors_from_python_and_exit_status_of_the_program(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="trials is at least 1; got 0"):
        search(run=tmp_path / "r", trials=0)
    program = [sys.executable, "-m", "nas.search", "--run", str(tmp_path / "r"), "--trials", "0"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "nas.search: error: trials is at least 1; got 0\n"
    assert [*tmp_path.iterdir()] == []


def test_a_plan_commits_to_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--run", str(run), "--plan"]) == 0
    assert "together" in capsys.readouterr().err
    assert not run.exists()


def test_a_plan_is_made_where_nothing_may_be_written(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither there nor above it; tests run as root, who may."""
    folders: list[str | Path | None] = []

    def temporary(*, prefix: str, dir: str | Path | None) -> TemporaryDirectory[str]:
        folders.append(dir)
        return TemporaryDirectory(prefix=prefix, dir=dir)

    monkeypatch.setattr("nas.search.os.access", lambda path, mode: not run.is_relative_to(path))
    monkeypatch.setattr("nas.search.TemporaryDirectory", temporary)
    assert main(["--run", str(run), "--plan"]) == 0
    assert "together" in capsys.readouterr().err
    assert folders == [None]
    assert not run.parent.exists()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, FULL, "it"), ValueError(f"a: {FULL}")])
def test_a_full_disk_says_how_to_go_on(
    run: Path, error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr("nas.search._phases", full)
    assert main(["--run", str(run)]) == 2
    said = capsys.readouterr().err
    assert said == f"nas.search: error: {error}; make room: the same command goes on from here\n"


def test_a_plan_leaves_a_run_that_is_there_as_it_is(
    run_folder: Path, op_times: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {f: f.read_bytes() for f in run_folder.rglob("*") if f.is_file() and f.name != "log.txt"}
    words = ["--epochs", "1", "--profile", str(op_times), "--trials", "5000", "--plan"]
    assert main(["--run", str(run_folder), *words]) == 0
    assert "5,000 candidates" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in kept} == kept


def test_a_plan_with_other_options_is_made_beside_the_run(
    run_folder: Path, op_times: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {f: f.read_bytes() for f in run_folder.rglob("*") if f.is_file()}
    words = ["--epochs", "2", "--profile", str(op_times), "--plan"]
    assert main(["--run", str(run_folder), *words]) == 0
    said = capsys.readouterr().err
    assert "--epochs was 1.0, is 2.0. This would need another --run" in said
    assert re.search("supernet  [0-9]+ steps", said), "that of the run is of other options"
    assert {f: f.read_bytes() for f in run_folder.rglob("*") if f.is_file()} == kept
    assert [*run_folder.parent.glob(".plan-*")] == []
    assert main(["--run", str(run_folder), *words[:-1]]) == 2


def test_the_space_of_the_readme_is_planned_with_its_own_backbone(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (Path(search_spaces.__file__).parent / "README.md").read_text()
    (tmp_path / "mine.py").write_text(text.split("```python\n")[1].split("```")[0])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    find_backbone.cache_clear()
    assert main(["--run", str(run), "--space", "mine:space", "--plan"]) == 0
    assert "space     mine:space on mine:net" in capsys.readouterr().err


def test_a_signal_is_ours_after_ray_has_begun(tmp_path: Path) -> None:
    """Ray's core prints its stack at SIGTERM, and ends the process."""
    program = (
        "import os, signal, time\n"
        "from nas.processes.cluster import ray_cluster\n"
        "from trainers.learning.stop import asked_to_stop\n"
        "with asked_to_stop() as stopped, ray_cluster(1, None, False):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(0.5)\n"
        "    print('stopped', stopped())\n"
    )
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (said.returncode, said.stdout, said.stderr) == (0, "stopped True\n", "")
