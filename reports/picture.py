"""The front as a picture for papers: SVG that asks for nothing, neither script nor font file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 18, 16, 50
# Okabe and Ito's, which colour-blind people can tell apart: of runs, in order; then of retrained.
_RUNS = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#000000")
_RETRAINED, _GREY = "#e69f00", "#9aa0a6"


@dataclass(frozen=True, slots=True)
class Scale:
    """From a number to a place on the paper."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Four to nine round numbers."""
        rough = (self.high - self.low) / 6
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [round(n * step, 10) for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


def picture(data: Mapping[str, Any]) -> str | None:
    """Accuracy against time: fronts, candidates, known and retrained. None without a point."""
    runs = data["runs"]
    dots = [
        (n, _trials(run), _points(run["front"]), _points(run["known"])) for n, run in _each(runs)
    ]
    every = [point for _, *groups in dots for group in groups for point in group]
    picks = [(n, _picked(run)) for n, run in _each(runs)]
    every += [point for _, group in picks for point in group]
    if not every:
        return None
    x, y = _scales(every)
    body = [*_frame(x, y, str(runs[0]["metric"]))]
    for _, trials, _, _ in dots:
        body += [_circle(x(p.time), y(p.accuracy), 1.6, _GREY, 0.5) for p in trials]
    for n, _, front, known in dots:
        colour = _RUNS[n % len(_RUNS)]
        body += [_stairs(front, x, y, colour)]
        body += [line for p in front for line in _measured(p, x, y, colour)]
        body += [line for p in known for line in _fixed(p, x, y)]
    for _, group in picks:
        body += [_diamond(x(p.time), y(p.accuracy)) for p in group]
    body += _legend(runs, any(group for _, group in picks))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="Helvetica, Arial, sans-serif" '
        'font-size="11">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(line for line in body if line)
        + "\n</svg>\n"
    )


@dataclass(frozen=True, slots=True)
class Point:
    """`time`: measured where it is, else predicted. `accuracy` in percent."""

    time: float
    accuracy: float
    predicted: float | None
    spread: float
    measured: bool
    name: str


def _each(runs: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    return enumerate(runs)


def _points(rows: Sequence[Mapping[str, Any]]) -> list[Point]:
    found = []
    for row in rows:
        measured, predicted = row.get("measured_ms"), row.get("latency_ms")
        time = predicted if measured is None else measured
        if time is None or row.get("error") is None:
            continue
        name = str(row.get("name") or row.get("known") or "")
        accuracy = 100 * (1 - row["error"])
        spread = row.get("spread_ms") or 0.0
        found.append(Point(time, accuracy, predicted, spread, measured is not None, name))
    return sorted(found, key=lambda point: (point.time, -point.accuracy))


def _trials(run: Mapping[str, Any]) -> list[Point]:
    columns = run["trials"]
    if "error" not in columns or "latency_ms" not in columns:
        return []
    on_front = {row["key"] for row in run["front"]}
    rows = zip(
        columns["key"], columns["status"], columns["error"], columns["latency_ms"], strict=True
    )
    return _points(
        [
            {"error": error, "latency_ms": time}
            for key, status, error, time in rows
            if key not in on_front and status == "ok"
        ]
    )


def _picked(run: Mapping[str, Any]) -> list[Point]:
    rows = []
    for pick in run["picks"]:
        accuracy = (pick.get("retrained") or {}).get("accuracy")
        time = {"latency_ms": pick.get("predicted_ms"), "measured_ms": pick.get("measured_ms")}
        rows.append({"error": None if accuracy is None else 1 - accuracy, **time})
    return _points(rows)


def _scales(points: Sequence[Point]) -> tuple[Scale, Scale]:
    right = max(max(point.time + point.spread, point.predicted or 0) for point in points)
    low, high = (f(point.accuracy for point in points) for f in (min, max))
    room = 0.06 * (high - low) or 1.0
    x = Scale(0, 1.06 * right or 1.0, _LEFT, WIDTH - _RIGHT)
    return x, Scale(low - room, high + room, HEIGHT - _BOTTOM, _TOP)


def _frame(x: Scale, y: Scale, metric: str) -> Iterator[str]:
    for tick in y.ticks():
        yield _line(x.start, y(tick), x.end, y(tick), "#e4e6e8")
        yield _text(x.start - 7, y(tick) + 4, f"{tick:g}", "end")
    factor, unit = (1e3, "µs") if x.high < 0.1 else (1, "ms")
    for tick in x.ticks():
        yield _line(x(tick), y.start, x(tick), y.start + 4, "#555")
        yield _text(x(tick), y.start + 17, f"{factor * tick:g}", "middle")
    yield _line(x.start, y.start, x.end, y.start, "#555")
    yield _text((x.start + x.end) / 2, HEIGHT - 12, f"time of one image, {unit}", "middle")
    middle = (y.start + y.end) / 2
    turned = f' transform="rotate(-90 16 {middle:.1f})"'
    yield _text(16, middle, f"{metric}, %", "middle", turned)


def _stairs(front: Sequence[Point], x: Scale, y: Scale, colour: str) -> str:
    best: list[Point] = []
    for point in front:
        if not best or point.accuracy > best[-1].accuracy:
            best.append(point)
    if len(best) < 2:
        return ""
    path = f"M{x(best[0].time):.1f} {y(best[0].accuracy):.1f}"
    path += "".join(f"H{x(p.time):.1f}V{y(p.accuracy):.1f}" for p in best[1:])
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-opacity=".6"/>'


def _measured(point: Point, x: Scale, y: Scale, colour: str) -> Iterator[str]:
    at, up = x(point.time), y(point.accuracy)
    if not point.measured:
        yield f'<circle cx="{at:.1f}" cy="{up:.1f}" r="4" fill="#fff" stroke="{colour}"/>'
        return
    if point.predicted is not None:
        yield _line(x(point.predicted), up, at, up, colour)
        yield (
            f'<circle cx="{x(point.predicted):.1f}" cy="{up:.1f}" r="2.6" fill="#fff" '
            f'stroke="{colour}"/>'
        )
    yield _line(x(point.time - point.spread), up, x(point.time + point.spread), up, colour, 2.5)
    yield _circle(at, up, 4, colour)


def _fixed(point: Point, x: Scale, y: Scale) -> Iterator[str]:
    at, up = x(point.time), y(point.accuracy)
    yield f'<rect x="{at - 3.5:.1f}" y="{up - 3.5:.1f}" width="7" height="7" fill="#333"/>'
    side = -7 if at > WIDTH - 120 else 7
    yield _text(at + side, up + 4, point.name, "end" if side < 0 else "start", ' font-size="9.5"')


def _diamond(at: float, up: float) -> str:
    look = f'fill="{_RETRAINED}" stroke="#333" stroke-width=".6"'
    return f'<path d="M{at:.1f} {up - 6:.1f}l6 6-6 6-6-6z" {look}/>'


def _legend(runs: Sequence[Mapping[str, Any]], picked: bool) -> list[str]:
    entries = [(_RUNS[n % len(_RUNS)], run["name"]) for n, run in _each(runs)]
    entries = entries if len(runs) > 1 else [(_RUNS[0], "front, in the search")]
    entries += [("#333", "known"), (_GREY, "other candidates")]
    entries += [(_RETRAINED, "retrained, test split")] if picked else []
    found = []
    for n, (colour, said) in enumerate(entries):
        up = HEIGHT - _BOTTOM - 14 - 15 * (len(entries) - 1 - n)
        found += [
            _circle(WIDTH - 160, up - 3.5, 4, colour),
            _text(WIDTH - 150, up, str(said), "start"),
        ]
    return found


def _line(a: float, b: float, c: float, d: float, colour: str, width: float = 1) -> str:
    ends = f'x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def _circle(at: float, up: float, radius: float, colour: str, opacity: float = 1) -> str:
    faint = f' fill-opacity="{opacity}"' if opacity < 1 else ""
    return f'<circle cx="{at:.1f}" cy="{up:.1f}" r="{radius}" fill="{colour}"{faint}/>'


def _text(at: float, up: float, said: str, anchor: str, more: str = "") -> str:
    return f'<text x="{at:.1f}" y="{up:.1f}" text-anchor="{anchor}"{more}>{escape(said)}</text>'
