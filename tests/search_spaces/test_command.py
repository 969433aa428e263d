"""The command, called as a function: what it prints, and what it says of a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernels import ops as all_ops
from search_spaces.__main__ import main
from search_spaces.text import parse


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 0
    return capsys.readouterr().out


def test_spaces_are_listed_with_their_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "--backbone", "digits")
    assert "layerwise on digits\n  125 genomes, 125 architectures" in out
    assert "groupnet-k5-gates" in out


def test_one_space_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    (space,) = json.loads(printed(capsys, "--space", "layerwise", "--json"))
    assert (space["genomes"], space["architectures"], space["exact"]) == (5**9, 5**9, True)
    assert space["axes"][0] == {"name": "bases0", "choices": [1, 2, 3, 4, 5]}


def test_an_architecture_is_shown_with_groups_steps_and_costs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = printed(capsys, "show", "digits | 1x2 mean | 2x3 gate")
    assert "key " + parse("digits | 1x2 mean | 2x3 gate").key in out
    assert "group 1: 3 branches, each from a gate" in out
    assert "b6 = gate of 2 into 3 of f5, signs, -> 3 of 16@8x8   block1.gate" in out
    assert out.count("[1]--[2]") == 3
    assert "OPs" in out


def test_an_architecture_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(printed(capsys, "show", "groupnet-k5", "--backbone", "resnet18", "--json"))
    assert data["text"] == "resnet18 | 8*1x5 mean"
    assert data["key"] == parse(data["text"]).key
    assert len(data["groups"]) == 8
    assert set(data["costs"]) >= {"bops", "flops", "ops", "weight_bits", "peak_bytes"}
    assert round(data["costs"]["ops"] / 1e6, 1) == 249.8
    for op, step in zip(data["ops"], data["steps"], strict=True):
        kind = getattr(all_ops, op["op"])
        assert set(op) - {"op"} == set(kind.__dataclass_fields__)
        assert step["writes"]


def test_the_backbone_asked_for_is_the_one_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("9x2 mean", "resnet32 | 9x2 mean"):
        data = json.loads(printed(capsys, "show", line, "--backbone", "resnet20", "--json"))
        assert data["text"] == "resnet20 | 9x2 mean"


def test_an_image_of_another_size(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--size", "16", "--channels", "1", "--classes", "7", "--json")
    data = json.loads(printed(capsys, "show", "resnet20 | 9x1 mean", *options))
    assert (data["ops"][0]["height"], data["ops"][0]["channels"]) == (16, 1)
    assert data["ops"][-1]["filters"] == 7


def test_ops_are_written_for_measuring(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "ops.json"
    out = printed(capsys, "ops", "layerwise", "--backbone", "digits", "-o", str(file))
    data = json.loads(file.read_text())
    assert data["complete"] is True
    assert f"{len(data['ops'])} ops of layerwise on digits" in out
    assert {"BinaryConv", "Affine", "Linear"} <= {op["op"] for op in data["ops"]}


@pytest.mark.parametrize("command", [[], ["ops"], ["bench"]])
def test_where_a_space_is_asked_for_one_of_your_own_is_told_of(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--help"])
    said = [line for line in capsys.readouterr().out.splitlines() if "abcnet, mixed" in line]
    assert ["one of your own as package.module:name" in line for line in said] == [True]


def test_the_bench_times_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "bench", "--backbone", "digits", "--count", "20")
    assert [line.split()[0] for line in out.splitlines()] == ["suggest", "decode", "plan", "in"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--space", "grupnet"), "space 'grupnet' is not one of"),
        (("show", "groupnet-k6"), "did you mean"),
        (("show", "resnet20 | 2x3 gat"), "did you mean 'gate'?"),
        (("show", "resnt20 | 9x1 mean"), "did you mean 'resnet20'?"),
        (("show", "resnet20 | 2x3 mean"), "resnet20 has 9 blocks"),
        (("show", "{}"), "an architecture has no 'task'"),
        (("ops", "groupnet", "-o", "/nowhere/ops.json"), "No such file or directory"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], said: str
) -> None:
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("search_spaces: error: ")
    assert said in shown.err
    assert shown.err.count("\n") == 1


def test_a_count_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["show", "bireal", "--size", "0"])
    assert "'0' is not a whole number above 0" in capsys.readouterr().err
