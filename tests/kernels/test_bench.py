"""The benchmark: its rows, its words and its files. What is fast is not tested here."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import fcntl
import importlib.util
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kernels import baselines, choice, isas, sample, timing
from kernels.__main__ import main
from kernels.benches import bars, bench, check, layers, table
from kernels.benches.layers import Layer
from kernels.benches.rows import Outcome, Report, Row, merged
from kernels.binary import Kernel, Result
from kernels.isas import Choice
from kernels.ops import BinaryConv, Curve, Epilogue, Residual
from kernels.timing import Timing

ROW = Row(
    layer="64@56",
    kernel_size=3,
    stride=1,
    channels=64,
    filters=64,
    size=56,
    batch=1,
    threads=1,
    isa="portable",
    variant="words-rows",
    chosen=True,
    median_us=10.0,
    spread_us=0.1,
    low_us=9.0,
    rounds=5,
    disturbed=0.0,
    crowded=0.0,
    gmacs=100.0,
    limit_share=0.96,
    quiet_limit_share=0.97,
    own_limit_share=0.96,
    vs_float32=12.5,
    vs_bfloat16=None,
    vs_int8=1.5,
    torch_disturbed=0.0,
    torch_crowded=0.0,
    fused_over_bits=0.1,
    fused_disturbed=0.0,
    fused_crowded=0.0,
    checked="whole",
    runs=1,
)
FIELDS = {
    *("layer", "kernel_size", "isa", "variant", "threads", "median_us", "spread_us", "gmacs"),
    *("limit_share", "vs_float32", "vs_bfloat16", "vs_int8", "chosen"),
}
TINY = ["bench", "--layers", "8@4,1x1:64->32@3", "--rounds", "3"]


def change(**values: Any) -> Row:
    return dataclasses.replace(ROW, **values)


def test_a_bench_without_torch_prints_and_writes_a_row_for_every_kernel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "keeps", lambda times: True)  # however busy this machine is
    files = ["--csv", str(tmp_path / "b.csv"), "--json", str(tmp_path / "b.json")]
    assert main([*TINY, *files, "--no-torch", "--folder", str(tmp_path / "cache")]) == 0
    content = json.loads((tmp_path / "b.json").read_text())
    assert content["complete"] is True
    assert content["machine"]["cores"] >= 1
    rows = content["rows"]
    assert set(rows[0]) >= FIELDS
    for layer in layers.parse("8@4,1x1:64->32@3"):
        mine = [row for row in rows if row["layer"] == layer.name]
        assert len(mine) == len(isas.choices(layer.op(layers.BITS)))
        (best,) = (row for row in mine if row["chosen"])
        assert best["median_us"] == min(row["median_us"] for row in mine)
        assert best["fused_over_bits"] is not None
        assert {row["vs_int8"] for row in mine} == {None}
    with (tmp_path / "b.csv").open() as file:
        assert [row["variant"] for row in csv.DictReader(file)] == [r["variant"] for r in rows]
    shown = capsys.readouterr().out
    assert "1x1 64->32@3" in shown
    assert "2 of 2 layers whole" in shown
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_torch_is_timed_in_the_same_run_or_the_reason_is_given(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    asked = ["bench", "--layers", "16@4", "--rounds", "2", "--json", str(file)]
    assert main([*asked, "--folder", str(tmp_path / "cache")]) == 0
    content = json.loads(file.read_text())
    assert {torch["dtype"] for torch in content["torch"]} == set(baselines.DTYPES)
    for torch in content["torch"]:
        ratios = {row[f"vs_{torch['dtype']}"] for row in content["rows"]}
        assert bool(torch["reason"]) == (torch["median_us"] is None) == (ratios == {None})


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_the_threads_and_the_engine_of_torch_are_restored() -> None:
    import torch

    before = torch.get_num_threads(), torch.backends.quantized.engine
    with baselines.threads(before[0] + 1):
        assert torch.get_num_threads() == before[0] + 1
        baselines.best(layers.parse("8@4")[0].op(), 1)
    assert (torch.get_num_threads(), torch.backends.quantized.engine) == before


@pytest.mark.parametrize(
    ("text", "layer", "name"),
    [
        ("64@56", Layer(64, 56, 64), "64@56"),
        ("3x3:128@28", Layer(128, 28, 128), "128@28"),
        ("1x1:64@7", Layer(64, 7, 64, kernel=1), "64@7"),
        ("3x3s2:64->128@56", Layer(64, 56, 128, stride=2), "64->128@56"),
    ],
)
def test_layers_are_read(text: str, layer: Layer, name: str) -> None:
    assert layers.parse(text) == (layer,)
    assert layer.name == name


@pytest.mark.parametrize("text", ["", "64", "64x56", "3x5:64@8", "3:64@8", "0@5", "9x9:4@4", "a@b"])
def test_a_layer_that_is_none_teaches_the_form(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*TINY, "--no-torch", "--layers", text])
    assert stopped.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert repr(text) in said
    assert "64@56 is 3x3 over 64 channels of 56x56" in said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--isa", "mmx"], "this CPU can run: "),
        (["--variant", "mmx"], "this CPU can run "),
        (["--rounds", "0"], "'0' is not a whole number above 0"),
        (["--threads", "two"], "'two' is not a whole number above 0"),
        (["--json", "no/such/folder/b.json"], "'no/such/folder/b.json' is not a file in a folder"),
    ],
)
def test_a_wrong_argument_is_told_what_is_wanted(
    asked: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main([*TINY, "--no-torch", "--folder", ".", *asked])
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_layer_is_measured_alone_on_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BNN_GATE", str(tmp_path / "locks"))
    measure, asked = timing.measure, []

    def watched(*args: Any, **options: Any) -> Any:
        with (tmp_path / "locks" / "work.lock").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        asked.append(args)
        return measure(*args, **options)

    monkeypatch.setattr(timing, "measure", watched)
    plan = bench.Plan(layers=layers.parse("8@4"), rounds=1, torch=False, folder=tmp_path)
    (outcome,) = bench.bench(plan)
    assert outcome.rows
    assert asked


def test_torch_and_the_best_kernel_do_not_follow_amx_and_doubts_of_all_are_in_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[tuple[str, str]]] = []

    def measure(things: dict[tuple[str, str], Any], *_: Any, **__: Any) -> dict[Any, Timing]:
        asked.append([*things])
        shares = {"torch": 0.5, "fused": 0.4}
        return {
            (kind, name): Timing(
                100.0, 1.0, 90.0, rounds=9, disturbed=shares.get(kind, shares.get(name, 0.0))
            )
            for kind, name in things
        }

    theirs = baselines.Baseline("float32", "any", lambda n: [1.0] * n)
    monkeypatch.setattr(baselines, "best", lambda *_: [theirs])
    monkeypatch.setattr(baselines, "threads", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(bench.Plan, "uses_torch", True)
    monkeypatch.setattr(timing, "measure", measure)
    plan = bench.Plan(layers=layers.parse("8@4"), rounds=1, folder=tmp_path)
    (outcome,) = bench.bench(plan)
    of = [name.split()[0] for _, name in asked[0]]
    plainest = isas.available()[-1].name
    assert [*dict.fromkeys(of)] == [
        plainest,
        "float32",
        *(isa.name for isa in isas.available()[-2::-1]),
    ]
    assert {row.torch_disturbed for row in outcome.rows} == {0.5}
    assert [row.fused_disturbed for row in outcome.rows if row.chosen] == [0.4]


def test_ctrl_c_shows_and_writes_what_was_measured_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(plan: bench.Plan) -> Iterator[Outcome]:
        yield Outcome(0, plan.layers[0], [ROW], [], [], {bench.limit_isa(): 104.0})
        raise KeyboardInterrupt

    monkeypatch.setattr("kernels.__main__.bench", stopped)
    file = tmp_path / "b.json"
    assert main([*TINY, "--json", str(file)]) == 130
    content = json.loads(file.read_text())
    assert content["complete"] is False
    assert [row["layer"] for row in content["rows"]] == ["64@56"]
    out, err = capsys.readouterr()
    assert "64@56" in out
    assert "stopped after 1 of 2 layers" in err


def test_a_wrong_kernel_ends_the_bench_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = Kernel.run

    def off_by_one(kernel: Kernel, *args: Any, **named: Any) -> Result:
        got = right(kernel, *args, **named)
        if got.dots is not None:
            got.dots[0, 0, 1, 2, 3] += 2
        return got

    monkeypatch.setattr(Kernel, "run", off_by_one)
    assert main([*TINY, "--no-torch", "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "1 of 128 dots differ, the first at (0, 0, 1, 2, 3)" in said


@pytest.mark.parametrize("most", [1, 10_000, 2_000_000])
def test_what_is_too_much_for_the_reference_is_cut_down(most: int) -> None:
    op = BinaryConv(height=20, width=12, channels=16, filters=8, kernel=5, padding=1)
    small, images = check.cut_down(op, 3, most)
    assert (small.channels, small.filters, small.kernel) == (16, 8, 5)
    assert small.macs * images <= most or (small.height, small.width, images) == (3, 3, 1)
    choices = isas.choices(op)
    said = check.check(op, 3, choices, (layers.BITS,), most=most)
    assert said == (
        "whole"
        if most == 2_000_000
        else f"{images} of 3 images, cut down to {small.height}x{small.width}"
    )


def test_random_bits_are_not_zeros_and_spare_bits_are_clear() -> None:
    import numpy as np

    op = BinaryConv(height=5, width=5, channels=13, filters=4)
    case = sample.case(op, 1, np.random.default_rng(0))
    for bits in (case.signs, case.weights):
        share = np.unpackbits(bits).sum() / (bits.size // 2 * 13)
        assert 0.4 < share < 0.6
        assert not (bits[..., -1] >> 5).any()


def test_several_runs_become_their_medians() -> None:
    outcomes = [
        Outcome(
            run,
            layers.parse("64@56")[0],
            [
                change(median_us=us, vs_float32=ratio, chosen=us < 11),
                change(variant="prefix", median_us=11.0, chosen=us > 11, fused_over_bits=None),
            ],
            [],
            [],
            {"portable": 100.0 + run},
        )
        for run, (us, ratio) in enumerate([(10.0, 1.0), (30.0, 7.0), (12.0, 5.0)])
    ]
    report = merged(outcomes)
    rows, prefix = report.rows
    assert (rows.median_us, rows.vs_float32, rows.runs, rows.rounds) == (12.0, 5.0, 3, 15)
    assert (rows.chosen, prefix.chosen) == (False, True)
    assert prefix.fused_over_bits is None
    assert report.limits == {"portable": 101.0}


@pytest.mark.parametrize("isa", ["amx", "avx512"])
def test_that_amx_may_pass_the_limit_is_said_under_the_table_where_it_was_measured(
    isa: str,
) -> None:
    report = Report([change(isa=isa, limit_share=1.26)], [], [], {})
    shown = io.StringIO()
    table.show(report, bench.Plan(layers=()), False, Console(file=shown, width=132))
    assert ("amx may pass 100% of the limit" in shown.getvalue()) == (isa == "amx")


@pytest.mark.parametrize(
    ("row", "remark"),
    [
        (change(vs_int8=0.9), "slower than int8"),
        (change(vs_float32=0.5, vs_int8=0.9), "slower than float32 and int8"),
        (change(disturbed=0.3), "machine too busy"),
        (change(crowded=0.72), "core shared"),
        (change(torch_disturbed=0.3, torch_crowded=1.0), "torch: machine too busy"),
        (change(torch_crowded=0.72), "torch: core shared"),
        (change(fused_disturbed=0.3), "fused: machine too busy"),
        (change(fused_crowded=0.72), "fused: core shared"),
        (change(spread_us=0.6), "unsteady"),
    ],
)
def test_what_must_not_be_overlooked_is_said(row: Row, remark: str) -> None:
    assert table.remarks(ROW) == []
    assert table.remarks(row) == [remark]


@pytest.mark.parametrize(
    ("rows", "about", "met"),
    [
        ([ROW], "95%", True),
        ([ROW, change(layer="64@32", limit_share=0.94)], "95%", False),
        ([change(limit_share=0.1, kernel_size=1)], "95%", None),
        ([change(layer="256@14", channels=256, limit_share=1.09)], "110%", False),
        ([change(layer="512@7", vs_float32=21.9)], "12x", False),
        ([change(layer="16@32", channels=16, limit_share=0.6)], "60%", True),
        ([change(vs_int8=0.99)], "int8", False),
        ([change(vs_int8=None)], "int8", None),
        ([change(fused_over_bits=0.16)], "fused", False),
        ([ROW, change(chosen=False, fused_over_bits=0.9)], "fused", True),
        ([change(threads=2)], "fused", None),
    ],
)
def test_a_bar_is_met_or_not(rows: list[Row], about: str, met: bool | None) -> None:
    (verdict,) = (v for v in bars.judge(rows, has_popcount=True) if about in v.about)
    assert verdict.met is met


def test_what_misses_a_bar_comes_first_and_the_rest_is_said_to_meet_it() -> None:
    rows = [ROW, change(layer="64@32", limit_share=0.94), change(layer="64@8", limit_share=0.5)]
    verdict, *_ = bars.judge(rows, has_popcount=True)
    share = f"{ROW.limit_share:.0%}"
    assert verdict.text == f"64@32 94%, 64@8 50%; met: {ROW.layer} {share}"
    assert str(verdict).startswith("NOT MET 3x3, 64 channels and more")
    verdict, *_ = bars.judge(rows[1:], has_popcount=True)
    assert verdict.text == "64@32 94%, 64@8 50%"


def test_a_cpu_without_vpopcntdq_is_not_judged_by_its_bars() -> None:
    verdicts = bars.judge([change(limit_share=0.5)], has_popcount=False)
    assert [v.met for v in verdicts] == [None, None, True, None, True, True]
    assert "lacks VPOPCNTDQ; here: 64@56 50%" in verdicts[0].text


def test_bars_are_of_all_kernels() -> None:
    assert {v.met for v in bars.judge([ROW], every_kernel=False)} == {None}


def test_info_says_what_runs_here_and_what_was_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    op = BinaryConv(height=4, width=4, channels=64, filters=16)
    # Not by measuring: a machine that is too busy remembers nothing.
    quiet = Timing(100.0, 1.0, 99.0, rounds=9, disturbed=0.0)
    choice.remember(op, 1, 1, {Choice("portable", "words"): quiet}, tmp_path)
    assert main(["info", "--folder", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for isa in isas.every():
        assert isa.about in said
    assert re.search(rf"chosen so far: 1, and 0 by other builds.*{tmp_path}", said)
    assert "us of" not in said  # a search chooses thousands: they are listed when asked for
    assert main(["info", "--chosen", "--folder", str(tmp_path)]) == 0
    assert "us of" in capsys.readouterr().out


@pytest.mark.parametrize(("amx_ns", "said"), [(95.0, True), (80.0, False)])
def test_info_says_where_a_program_takes_another_kernel(
    amx_ns: float, said: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    op = BinaryConv(height=4, width=4, channels=64, filters=16)
    took = {Choice("amx", "bytes"): amx_ns, Choice("avx512", "words-bands"): 100.0}
    times = {kernel: Timing(ns, 1.0, ns, rounds=9, disturbed=0.0) for kernel, ns in took.items()}
    assert choice.remember(op, 1, 1, times, tmp_path).isa == "amx"
    assert main(["info", "--chosen", "--folder", str(tmp_path)]) == 0
    assert (", in a program avx512 words-bands" in capsys.readouterr().out) == said


def test_info_tells_ops_apart_that_differ_in_their_ending_or_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fused = Epilogue(inner=Curve.RELU, sum=True, residual=Residual.ONE, floats=True, signs=2)
    each = Epilogue(signs=1, residual=Residual.EACH, outer=Curve.PRELU)
    ops: dict[str, dict[str, Any]] = {
        "bases 3 ->int32": {},
        "bases 3 relu+sum+one->float32+2 signs": {"after": fused},
        "bases 3 each+outer prelu->signs": {"after": each},
        "inputs 3 bases 3 ->int32": {"inputs": 3},
        "inputs 3 own bases 3 ->int32": {"inputs": 3, "own": True},
        "padded 0 bases 3 ->int32": {"padding": 0},
    }
    times = {Choice("portable", "words-rows"): Timing(9.0, 1.0, 9.0, rounds=9, disturbed=0.0)}
    for given in ops.values():
        made = {"height": 4, "width": 4, "channels": 64, "filters": 16, "padding": 1, "bases": 3}
        choice.remember(BinaryConv(**{**made, **given}), 1, 1, times, tmp_path)
    assert main(["info", "--chosen", "--folder", str(tmp_path)]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if "64->16" in line]
    assert len(shown) == len(ops)
    assert {line.split("@4x4 ")[1].split(" batch")[0] for line in shown} == {*ops}


def test_a_torn_file_of_choices_is_an_error_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choice.path(tmp_path).write_text("{")
    main(["info", "--folder", str(tmp_path)])
    assert "cannot use" in capsys.readouterr().err
