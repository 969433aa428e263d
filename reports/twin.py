"""The page's twin in Markdown, for reading where no browser is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NONE = "-"
_ASKED = (
    *("space", "backbone", "data", "recipe", "epochs", "seed", "trials", "sampler"),
    *("objectives", "max_latency", "max_size", "max_memory", "corrected"),
)


def markdown(data: Mapping[str, Any], title: str, tables: Mapping[str, Sequence[str]]) -> str:
    """`tables`: the CSV files of each run, by its folder."""
    arches = {key: arch[0] for key, arch in data["arches"].items()}
    lines = [f"# {_plain(title)}", ""]
    for said in data["apart"]:
        lines += [said, ""]
    for run in data["runs"]:
        lines += [f"## {_plain(run['name'])}", "", *_summary(run)]
        lines += [*_front(run, arches), *_known(run, arches)]
        lines += [*_picks(run), *_missing(run)]
        found = tables.get(run["folder"]) or ()
        if found:
            names = ", ".join(f"`{name}`" for name in found)
            lines += [f"All of it as CSV, in `{run['folder']}`: {names}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _summary(run: Mapping[str, Any]) -> Iterator[str]:
    asked, about = run["asked"], run["about"]
    machine, space = about.get("machine") or {}, run["space"]
    yield run["state"]
    yield ""
    said = {name: asked.get(name) for name in _ASKED}
    said["objectives"] = ", ".join(run["objectives"])
    yield "- asked: " + "; ".join(
        f"{name.replace('_', ' ')} {_plain(value)}"
        for name, value in said.items()
        if value is not None
    )
    if space.get("architectures") is not None:
        most = "" if space.get("exact", True) else "at most "
        yield f"- the space has {most}{space['architectures']:,} architectures"
    if machine:
        cores = f"{machine.get('cores')} cores"
        yield f"- machine of the search: {_plain(machine.get('cpu'))}, {cores}"
    if run["place"]:
        yield f"- times are of one image, on {_plain(run['place'])}"
    versions = about.get("versions") or {}
    if versions:
        commit = f", commit {about['commit']}" if about.get("commit") else ""
        yield (
            "- versions: "
            + ", ".join(f"{name} {value}" for name, value in versions.items())
            + commit
        )
    spent = [f"{phase['phase']} {_seconds(phase['seconds'])}" for phase in run["phases"]]
    if run["retraining_seconds"]:
        spent.append(f"retraining {_seconds(run['retraining_seconds'])}")
    if spent:
        yield "- spent: " + ", ".join(spent)
    if run["commands"]["search"]:
        yield f"- command: `{run['commands']['search']}`"
    yield ""


def _front(run: Mapping[str, Any], arches: Mapping[str, str]) -> Iterator[str]:
    yield "### The front"
    yield ""
    if run["missing"].get("front"):
        yield run["missing"]["front"]
        yield ""
        return
    if not run["front_is_final"]:
        yield "Of the candidates so far."
        yield ""
    front = sorted(run["front"], key=lambda row: row.get("latency_ms") or 0)
    yield from _table(run["metric"], front, arches)
    if run["knee"]:
        yield f"The knee, farthest from the line between the ends: `{run['knee']}`."
        yield ""
    if run["time"]:
        within = run["time"]["within"]
        yield (
            f"Time of {len(run['time']['keys'])} whole programs: {within['0.05']:.0%} predicted "
            f"within 5 % of what was measured, {within['0.1']:.0%} within 10 %."
        )
        yield ""


def _known(run: Mapping[str, Any], arches: Mapping[str, str]) -> Iterator[str]:
    if not run["known"]:
        return
    yield "### Known architectures"
    yield ""
    yield from _table(run["metric"], run["known"], arches)


def _table(
    metric: str, rows: Sequence[Mapping[str, Any]], arches: Mapping[str, str]
) -> Iterator[str]:
    yield (
        f"| architecture | {_plain(metric)} in the search, % | predicted, ms | measured, ms | "
        "weights, bytes | memory, bytes |"
    )
    yield "|---|---:|---:|---:|---:|---:|"
    for row in rows:
        line = _called(row) + _code(arches.get(row["key"], row["key"]))
        error = row.get("error")
        accuracy = _NONE if error is None else f"{100 * (1 - error):.2f}"
        measured = _spread(row.get("measured_ms"), row.get("spread_ms"))
        if row.get("trusted") is False:
            measured += " (busy)"
        if row["too_slow"]:
            measured += " (too slow)"
        yield (
            f"| {line} | {accuracy} | "
            f"{_spread(row.get('latency_ms'), None)} | {measured} | "
            f"{_number(row.get('size_bytes'), ',.0f')} | "
            f"{_number(row.get('memory_bytes'), ',.0f')} |"
        )
    yield ""


def _picks(run: Mapping[str, Any]) -> Iterator[str]:
    if not run["picks"]:
        return
    yield "### Retrained"
    yield ""
    yield (
        "| architecture | seed | search, % | retrained, % | packed, % | measured, ms | "
        "file, bytes |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|"
    called = {row["key"]: _called(row) for row in (*run["known"], *run["front"])}
    by_key: dict[str, list[Mapping[str, Any]]] = {}
    for pick in run["picks"]:
        by_key.setdefault(pick["key"], []).append(pick)
    for picks in by_key.values():
        key = picks[0]["key"]
        name = called.get(key, "") + _code(picks[0].get("arch", key))
        for pick in picks:
            three = " | ".join(_percent(_accuracy([pick], what)) for what in _THREE)
            time = _spread(pick.get("measured_ms"), pick.get("spread_ms"))
            size = _number(pick.get("file_bytes"), ",.0f")
            yield f"| {name} | {_plain(pick.get('seed', _NONE))} | {three} | {time} | {size} |"
        if len(picks) > 1:
            three = " | ".join(_percent(_accuracy(picks, what)) for what in _THREE)
            yield f"| {name} | mean of {len(picks)} | {three} | {_NONE} | {_NONE} |"
    yield ""


def _called(row: Mapping[str, Any]) -> str:
    """The name of a known architecture, and a space."""
    name = row.get("name") or row.get("known")
    return f"{_plain(name)} " if name else ""


_THREE = ("search", "retrained", "packed")


def _accuracy(picks: Sequence[Mapping[str, Any]], what: str) -> float | None:
    """The mean of those that have it."""
    found = [(pick.get(what) or {}).get("accuracy") for pick in picks]
    there = [one for one in found if one is not None]
    return sum(there) / len(there) if there else None


def _missing(run: Mapping[str, Any]) -> Iterator[str]:
    said = {text for name, text in run["missing"].items() if name != "front"}
    said -= {run["missing"].get("front")}
    for text in sorted(said):
        yield f"- {text}"
    if said:
        yield ""


def _number(value: float | None, form: str) -> str:
    return _NONE if value is None else format(value, form)


def _spread(value: float | None, spread: float | None) -> str:
    """Three digits, and the spread to the same place, or to its own first digit."""
    if value is None:
        return _NONE
    before = math.floor(math.log10(value)) + 1 if value > 0 else 1
    places = max(0, 3 - before)
    if spread is None:
        return f"{value:.{places}f}"
    own = places if spread == 0 or spread >= 10**-places else -math.floor(math.log10(spread))
    return f"{value:.{places}f} ± {spread:.{own}f}"


def _percent(share: float | None) -> str:
    return _NONE if share is None else f"{100 * share:.2f}"


def _seconds(value: float) -> str:
    return f"{value / 3600:.1f} h" if value >= 7200 else f"{value:.0f} s"


def _code(text: object) -> str:
    """Markdown takes a bar for the end of a cell, in code as well."""
    cleaned = str(text).replace("`", "'").replace("\n", " ").replace("|", "\\|")
    return f"`{cleaned}`"


def _plain(text: object) -> str:
    """As text: what Markdown and the HTML in it would read as more than that is escaped."""
    marked = "\\`*_{}[]<>#|!&"
    return "".join("\\" + c if c in marked else c for c in str(text).replace("\n", " "))
