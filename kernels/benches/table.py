"""How a benchmark is shown: tables on the screen, CSV and JSON.

Only the tables want rich: where ops are measured for a search elsewhere there is none.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kernels import isas, machine, timing
from kernels.benches import bars
from kernels.benches.bench import Plan, limit_isa
from kernels.benches.rows import Report, Row

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NARROWEST = 132  # columns, where the output is no screen


def to_csv(report: Report) -> str:
    out = io.StringIO()
    names = [field.name for field in dataclasses.fields(Row)]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(row) for row in report.rows)
    return out.getvalue()


def to_json(report: Report, plan: Plan, complete: bool) -> str:
    verdicts = bars.judge(report.rows, every_kernel=plan.every_kernel)
    content = {
        "machine": machine.here().to_dict(),
        "complete": complete,
        "limit": limit_isa(),
        "limits_gmacs": report.limits,
        "rows": [dataclasses.asdict(row) for row in report.rows],
        "torch": [dataclasses.asdict(torch) for torch in report.torch],
        "bases": [dataclasses.asdict(bases) for bases in report.bases],
        "bars": [dataclasses.asdict(verdict) for verdict in verdicts],
    }
    return json.dumps(content, indent=1) + "\n"


def show(report: Report, plan: Plan, every: bool, console: Console) -> None:
    """Print it all; `every` shows all kernels and not only the chosen ones."""
    rows = [row for row in report.rows if row.chosen or every]
    console.print(_layers(rows, plan, every))
    for line in _words(report, plan):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if report.bases:
        console.print(_bases(report))
    console.print()
    for verdict in bars.judge(report.rows, every_kernel=plan.every_kernel):
        console.print(str(verdict), highlight=False, soft_wrap=True, markup=False)
    if max((row.runs for row in report.rows), default=0) < 3:
        console.print("The bars are medians of 3 runs: `--runs 3`.", highlight=False, markup=False)


def screen() -> Console:
    """Standard output; wide enough for the table where it goes into a file."""
    try:
        from rich.console import Console
    except ModuleNotFoundError as error:
        raise ValueError("the tables of bench want a package: pip install rich") from error
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, NARROWEST))


def _layers(rows: Sequence[Row], plan: Plan, every: bool) -> Table:
    from rich.table import Table

    with_torch = any(row.vs_float32 or row.vs_int8 for row in rows)
    table = Table(title=_title(plan), title_justify="left", box=None, pad_edge=False)
    for name in ("layer", "kernel"):
        table.add_column(name, no_wrap=True)
    numbers = ["us", "±", "rounds", "GMAC/s", "limit", *(["of own"] if every else [])]
    numbers += ["x f32", "x bf16", "x int8"] if with_torch else []
    for name in (*numbers, "fused"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", min_width=22)
    for row in rows:
        ratios = (row.vs_float32, row.vs_bfloat16, row.vs_int8) if with_torch else ()
        table.add_row(
            row.place,
            f"{row.isa} {row.variant}",
            f"{row.median_us:.1f}",
            f"{row.spread_us:.1f}",
            str(row.rounds),
            f"{row.gmacs:.0f}",
            f"{row.limit_share:.0%}",
            *([f"{row.own_limit_share:.0%}"] if every else []),
            *("" if ratio is None else f"{ratio:.1f}" for ratio in ratios),
            "" if row.fused_over_bits is None else f"{row.fused_over_bits:+.0%}",
            ", ".join(remarks(row)),
        )
    return table


def remarks(row: Row) -> list[str]:
    """What must not be overlooked: where binary loses, and what not to trust."""
    ratios = {"float32": row.vs_float32, "bfloat16": row.vs_bfloat16, "int8": row.vs_int8}
    slower = [dtype for dtype, ratio in ratios.items() if ratio is not None and ratio < 1]
    said = [f"slower than {' and '.join(slower)}"] if slower else []
    if doubt := _doubt(row.disturbed, row.crowded):
        said.append(doubt)
    elif row.spread_us > timing.STEADY * row.median_us:
        said.append("unsteady")
    for other, doubt in (
        ("torch", _doubt(row.torch_disturbed, row.torch_crowded)),
        ("fused", _doubt(row.fused_disturbed, row.fused_crowded)),
    ):
        if doubt:
            said.append(f"{other}: {doubt}")
    return said


def _doubt(disturbed: float | None, crowded: float | None) -> str:
    if (disturbed or 0.0) > timing.TRUSTED:
        return "machine too busy"
    return "core shared" if (crowded or 0.0) > timing.SHARED else ""


def _title(plan: Plan) -> str:
    here, threads = machine.here(), "1 thread" if plan.threads == 1 else f"{plan.threads} threads"
    torch = f", torch {here.torch}" if plan.uses_torch else ""
    return f"{here}: {threads}, batch {plan.batch}{torch}"


def _words(report: Report, plan: Plan) -> Iterable[str]:
    about = {isa.name: isa.limit_about for isa in isas.available()}
    best = limit_isa()
    if best in report.limits:
        yield (
            f"limit: {best}, {about[best]}, on registers alone: {report.limits[best]:.0f} GMAC/s"
            + (f" on {plan.threads} threads" if plan.threads > 1 else "")
        )
    if any(row.isa == "amx" for row in report.rows):
        yield "amx may pass 100% of the limit: it multiplies bytes, that one is of xor + popcount"
    others = [f"{name} {gmacs:.0f}" for name, gmacs in report.limits.items() if name != best]
    if others:
        yield f"limits of the others: {', '.join(others)}"
    for dtype in dict.fromkeys(torch.dtype for torch in report.torch):
        mine = [torch for torch in report.torch if torch.dtype == dtype]
        settings = Counter(torch.setting for torch in mine if torch.setting)
        if settings:
            most = ", ".join(f"{name} ({n})" for name, n in settings.most_common())
            yield f"torch {dtype}, the fastest setting: {most}"
        for reason in dict.fromkeys(torch.reason for torch in mine if torch.reason):
            yield f"torch {dtype}, not measured: {reason}"
    if not report.torch:
        yield "torch: " + ("not asked for" if not plan.torch else "not installed")
    cut = {row.place: row.checked for row in report.rows}
    whole = sum(words == "whole" for words in cut.values())
    yield f"equal to the reference, bit for bit: {whole} of {len(cut)} layers whole" + "".join(
        f"; {place} on {words}" for place, words in cut.items() if words != "whole"
    )


def _bases(report: Report) -> Table:
    from rich.table import Table

    title = "\nK bases over one input, summed: the time over K times that of one"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    counts = sorted({bases.bases for bases in report.bases})
    table.add_column("layer", no_wrap=True)
    table.add_column("kernel", no_wrap=True)
    for k in counts:
        table.add_column(f"K={k}", justify="right", no_wrap=True)
    for layer in dict.fromkeys(bases.layer for bases in report.bases):
        mine = {bases.bases: bases for bases in report.bases if bases.layer == layer}
        first = next(iter(mine.values()))
        cells = (
            f"{mine[k].median_us:.0f} us  {mine[k].over_single:.2f}" if k in mine else ""
            for k in counts
        )
        table.add_row(layer, f"{first.isa} {first.variant}", *cells)
    return table
