"""Every option once, whether it comes from a command line, a file, Python or an earlier run."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from nas.runs.settings import (
    BATCH,
    KINDS,
    Settings,
    differences,
    from_data,
    from_toml,
    settings,
    to_data,
)

EVERY: dict[str, Any] = {
    "space": "abcnet", "backbone": "resnet8", "data": "cifar10", "data_dir": "data",
    "held_out": 0.2, "objectives": "error, size", "max_latency": "50us", "max_size": "1.5kB",
    "max_memory": "1MiB", "run": "runs/x", "seed": 7, "until": "explore", "verbose": True,
    "profile": "pi4.json", "threads": 2, "recipe": "fast", "epochs": 3, "others": 0,
    "widening": 0.5, "supernet": "runs/y", "training_workers": 2, "device": "cuda",
    "precision": "bf16", "trials": 30, "sampler": "tpe", "batch": 5, "tune_steps": 4,
    "corrected": "runs/y", "warm_start": "runs/z", "workers": 3, "address": "auto",
}  # fmt: skip


def test_every_option_can_be_given_and_comes_back_from_run_json() -> None:
    """Also amounts, which have units where people write them and none in run.json."""
    assert EVERY.keys() == {f.name for f in fields(Settings)}
    asked = settings(EVERY)
    assert (asked.max_latency, asked.max_size, asked.max_memory) == (0.05, 1500.0, 2.0**20)
    assert asked.objectives == ("error", "size")
    assert asked.profile == Path("pi4.json").absolute()  # from wherever it is given again
    again = json.loads(json.dumps(to_data(asked)))
    assert from_data(again) == asked
    assert differences(again, asked) == []
    assert all(getattr(asked, name) != getattr(Settings(), name) for name in EVERY)


def test_what_was_not_asked_comes_back_too() -> None:
    assert from_data(json.loads(json.dumps(to_data(Settings())))) == Settings()


def test_a_file_is_the_options_by_name_and_tables_only_group_them(tmp_path: Path) -> None:
    file = tmp_path / "search.toml"
    file.write_text(
        'space = "abcnet"\n[explore]\ntrials = 30\nsampler = "tpe"\n'
        '[what]\nmax-latency = "2ms"\nobjectives = ["error", "ops"]\nheld-out = 0.2\n'
    )
    asked = settings(from_toml(file))
    assert asked == Settings(
        space="abcnet",
        trials=30,
        sampler="tpe",
        max_latency=2.0,
        objectives=("error", "ops"),
        held_out=0.2,
    )


def test_a_broken_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "search.toml"
    for text in (b"space = ", b"\xff = 3"):
        file.write_bytes(text)
        with pytest.raises(ValueError, match=r"search\.toml"):
            from_toml(file)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"trails": 5}, "option 'trails' is not one of .*did you mean 'trials'"),
        ({"max_latncy": "2ms"}, "did you mean 'max-latency'"),
        ({"trials": "5"}, "trials is int; got '5'"),
        ({"trials": 5.5}, "trials is int; got 5.5"),
        ({"trials": True}, "trials is int; got True"),
        ({"verbose": 1}, "verbose is bool; got 1"),
        ({"epochs": "3"}, "epochs is float or int"),
        ({"space": 3}, "space is str; got 3"),
        ({"run": 3}, "run: "),
        ({"objectives": 3}, "objectives: "),
        ({"objectives": [1, 2]}, "objective '1' is not one of"),
        ({"max_latency": 2}, r"^--max-latency: a number and a unit \(us, ms, s\)"),
        ({"max_latency": "0ms"}, "^--max-latency: an amount is above 0"),
        ({"max_size": "-1kB"}, "^--max-size: an amount is above 0"),
        ({"max_memory": "2ms"}, "^--max-memory: a number and a unit"),
        ({"objectives": "latency,size"}, "error is one of the objectives"),
        ({"objectives": ""}, "objective '' is not one of"),
        ({"objectives": []}, "objectives are different ones"),
        ({"objectives": "error,error"}, "objectives are different ones"),
        ({"objectives": "error,latancy"}, "did you mean 'latency'"),
        ({"sampler": "nsga4"}, "sampler 'nsga4' is not one of .*did you mean 'nsga"),
        ({"until": "reprot"}, "phase 'reprot' .*did you mean 'report'"),
        ({"precision": "fp16"}, "precision 'fp16' is not one of float32, bf16"),
        ({"trials": 0}, "trials is at least 1; got 0"),
        ({"batch": 0}, "batch is at least 1"),
        ({"workers": -1}, "workers is at least 1"),
        ({"threads": 0}, "threads is at least 1"),
        ({"training_workers": 0}, "training-workers is at least 1"),
        ({"held_out": 1.5}, "held-out is a share between 0 and 1; got 1.5"),
        ({"held_out": 0}, "held-out is a share"),
        ({"held_out": float("nan")}, "held-out is a share"),
        ({"tune_steps": -1}, "tune-steps and others are 0 or more"),
        ({"others": -1}, "tune-steps and others are 0 or more"),
    ],
)
def test_what_cannot_be_meant_is_an_error_in_one_line(given: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted) as caught:
        settings(given)
    assert "\n" not in str(caught.value)


def test_an_error_says_where_the_option_came_from() -> None:
    with pytest.raises(ValueError, match=r"^search\.toml: option 'x' is not"):
        settings({"x": 1}, "search.toml: ")


def test_differences_are_of_options_that_make_it_another_run() -> None:
    before = json.loads(json.dumps(to_data(Settings())))
    assert differences(before, Settings(trials=500, workers=3, until="plan", verbose=True)) == []
    now = Settings(objectives=("error",), seed=3, data_dir=Path("data"), max_size=5.0)
    # Where the files are is not what is in them: the digest of the images tells that.
    assert differences(before, now) == [
        "--objectives was ['error', 'latency'], is ['error']",
        "--max-size was not given, is 5.0",
        "--seed was 0, is 3",
    ]


def test_a_folder_is_the_same_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    monkeypatch.chdir(tmp_path / "a")
    before = to_data(settings({"supernet": "../a"}))
    for text in ("../link", f"{tmp_path}/a/../a", "."):
        assert differences(before, settings({"supernet": text})) == []
    assert differences({**before, "supernet": f"{tmp_path}/link/../a"}, from_data(before)) == []
    assert differences(before, settings({"supernet": "other"})) != []


def test_every_option_has_a_kind_that_its_default_is_of() -> None:
    for f in fields(Settings):
        assert KINDS[f.name], f.name
        assert f.default is None or isinstance(f.default, KINDS[f.name]), f.name


def test_what_follows_from_options() -> None:
    assert Settings(trials=6).told_together == 6
    assert Settings(trials=600).told_together == BATCH
    assert Settings(trials=6, batch=3).told_together == 3
    assert Settings(data="imagefolder:64").home == Path("runs/groupnet-imagefolder-64")
    assert Settings(space="my.spaces:one").home == Path("runs/my.spaces-one-digits")
    assert Settings(max_latency=2.0, max_memory=3.0).limits == {
        "latency_ms": 2.0,
        "memory_bytes": 3.0,
    }
    assert Settings(workers=3).scoring == 3
    assert Settings().scoring >= 1
    assert Settings(device="cuda").scoring == Settings(device="cuda:1").scoring == 1
    assert Settings(device="cuda", workers=3).scoring == 3
    assert Settings(workers=30, batch=8).at_once == 8
    assert Settings(workers=3, batch=8).at_once == 3
