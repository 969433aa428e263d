"""The page of a run as a file, and what lies beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kernels import files
from reports.data import page_data
from reports.page import page
from reports.picture import picture
from reports.run import Run, read
from reports.twin import markdown


def report(runs: Sequence[Path], out: Path | None = None) -> Path:
    """Writes the page, and beside it its twin in Markdown and the front as `front.svg`.

    Without `out` that is report.html in the run's folder; of several runs, in the folder that they
    are in.
    """
    found = [read(Path(run)) for run in runs]
    if not found:
        raise ValueError("a report wants at least one run; got none")
    out = _place(found) if out is None else Path(out)
    if out.suffix not in (".html", ".htm"):
        raise ValueError(f"the page is an HTML file, as in page.html; got {out.name!r}")
    data, title = page_data(found), _title(found)
    files.replace(out, page(data, title))
    tables = {str(run.folder): run.tables for run in found}
    files.replace(out.with_suffix(".md"), markdown(data, title, tables))
    drawn = picture(data)
    if drawn is not None:
        files.replace(out.with_name("front.svg"), drawn)
    return out


def _place(runs: Sequence[Run]) -> Path:
    if len(runs) == 1:
        return runs[0].folder / "report.html"
    parents = [run.folder.resolve().parent for run in runs]
    return Path(os.path.commonpath(parents)) / "report.html"


def _title(runs: Sequence[Run]) -> str:
    """What was searched, in a line; of several runs, what they have in common."""
    asked = [
        {**run.asked, "backbone": (run.about.get("space") or {}).get("backbone")} for run in runs
    ]
    common = {
        name: values.pop()
        for name in ("space", "backbone", "data")
        if len(values := {str(one[name]) for one in asked if one.get(name)}) == 1
    }
    words = [f"{len(runs)} searches" if len(runs) > 1 else "Binary networks"]
    words += [f"for {common['data']}"] if "data" in common else []
    if common.get("backbone") not in (None, common.get("data")):
        words.append(f"on {common['backbone']}")
    return " ".join(words)
