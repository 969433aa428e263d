// What the plot of the front is made of: accuracy in the search against time, or what else is asked.

const front = { against: "latency", node: null, cap: null, away: [] };

const AGAINST = Object.assign({}, ...RUNS.map((run) => run.against));
const valueOf = (one) => (front.against === "latency" ? time(one) : one[AGAINST[front.against].column]);
const shownOf = (one, pick) => (front.against === "latency" && pick.measured_ms) || valueOf(one);
const placed = (one) => there(valueOf(one)) && there(accuracy(one));

function frontTraces() {
  const [factor] = unit();
  const x = (one) => valueOf(one) / factor, y = (one) => 100 * accuracy(one);
  const seenOnes = everyOne().filter(placed), timed = front.against === "latency";
  const dim = variable("dim"), small = seenOnes.length > 1500;
  const beaten = seenOnes.filter((one) => !one.front && !one.fixed && one.status === "ok");
  const beyond = seenOnes.filter((one) => !one.front && !one.fixed && one.status === "infeasible");
  const traces = [
    points({ name: "beaten", marker: { color: dim, size: small ? 4 : 5, opacity: small ? 0.3 : 0.4 } }, beaten, x, y),
    points({ name: "beyond the limits", marker: { color: dim, symbol: "x-thin", size: 5, opacity: 0.45, line: { color: dim, width: 1 } } }, beyond, x, y),
  ];
  RUNS.forEach((run, n) => {
    const ones = run.fronts.filter(placed), colour = runColour(n);
    if (timed) traces.push(...predictedTraces(ones, colour));
    traces.push(stairs(ones, x, y, colour));
    traces.push(points({
      name: "front", error_x: spreads(ones, timed, colour),
      marker: { color: colour, size: 10, symbol: ones.map((one) => runSymbol(n) + (timed && !there(one.measured_ms) ? "-open" : "")), opacity: ones.map((one) => (one.on_measured === false ? 0.45 : 1)), line: { width: 1.5 } },
    }, ones, x, y));
  });
  const fixedOnes = RUNS.flatMap((run) => run.fixed).filter(placed);
  const text = variable("text");
  traces.push(points({ name: "known", error_x: spreads(fixedOnes, timed, text), marker: { color: text, size: 8, symbol: "square" } }, fixedOnes, x, y));
  traces.push(...timeOnly(x, y, seenOnes, fixedOnes));
  traces.push(...retrained(factor));
  return traces;
}

function predictedTraces(ones, colour) {
  const both = ones.filter((one) => there(one.measured_ms) && there(one.latency_ms));
  const joined = { x: [], y: [] };
  for (const one of both) {
    joined.x.push(one.latency_ms / TIMES.factor, one.measured_ms / TIMES.factor, null);
    joined.y.push(100 * accuracy(one), 100 * accuracy(one), null);
  }
  return [
    { type: "scatter", mode: "lines", ...joined, hoverinfo: "skip", line: { color: colour, width: 1 } },
    points({ name: "predicted", marker: { color: colour, size: 7, symbol: "circle-open", line: { width: 1.2 } } }, both, (one) => one.latency_ms / TIMES.factor, (one) => 100 * accuracy(one)),
  ];
}

function spreads(ones, timed, color) {
  return { type: "data", array: ones.map((one) => (timed && one.spread_ms / TIMES.factor) || 0), color, thickness: 1.2, width: 3, visible: timed && ones.some((one) => one.spread_ms > 0) };
}

// Along what nothing beats in these two, step by step.
function stairs(ones, x, y, colour) {
  const sorted = [...ones].sort((a, b) => x(a) - x(b) || y(b) - y(a)), best = [];
  for (const one of sorted) if (!best.length || y(one) > y(best[best.length - 1])) best.push(one);
  return { type: "scatter", mode: "lines", x: best.map(x), y: best.map(y), hoverinfo: "skip", line: { color: colour, width: 1.5, shape: "hv" }, opacity: 0.55 };
}

// Known architectures that the supernet has no weights for: only their time is known.
function timeOnly(x, y, others, fixedOnes) {
  const ones = RUNS.flatMap((run) => run.fixed).filter((one) => there(valueOf(one)) && !there(accuracy(one)));
  const ys = [...others, ...fixedOnes].map(y);
  if (!ones.length || !ys.length) return [];
  const floor = Math.min(...ys), right = Math.max(...[...others, ...fixedOnes].map(x));
  const near = ones.filter((one) => x(one) <= 1.15 * right);
  front.away = ones.filter((one) => x(one) > 1.15 * right);
  const low = floor - 0.06 * (Math.max(...ys) - floor || 1);
  return [points({ name: "timed only", marker: { color: variable("text"), size: 9, symbol: "triangle-up-open", line: { width: 1.3 } } }, near, x, () => low)];
}

// Each training its own mark, joined to where the search had it, if it was a candidate.
function retrained(factor) {
  const ones = RUNS.flatMap((run, r) => run.picks.map((pick) => ({ one: architecture(r, pick.key), pick, id: idOf(r, pick.key) })));
  const known = ones.filter(({ one, pick }) => pick.retrained && there(shownOf(one, pick))), lines = { x: [], y: [] };
  const x = ({ one, pick }) => shownOf(one, pick) / factor, y = ({ pick }) => 100 * pick.retrained.accuracy;
  for (const each of known.filter(({ one }) => placed(one))) {
    lines.x.push(valueOf(each.one) / factor, x(each), null);
    lines.y.push(100 * accuracy(each.one), y(each), null);
  }
  const colour = variable("orange");
  return [
    { type: "scatter", mode: "lines", ...lines, hoverinfo: "skip", line: { color: colour, width: 1, dash: "dot" } },
    points({ name: "retrained", marker: { color: colour, size: 11, symbol: "diamond" } }, known, x, y),
  ];
}

// Marks that move: rings around what is selected and kept, the line of the limit. To redraw shapes
// costs little, to redraw thousands of points does not.
function shapesOf() {
  const [factor] = unit(), found = [];
  for (const [one, colour] of [[selection.kept, "purple"], [selection.chosen, "red"]]) {
    if (!one || !placed(one)) continue;
    found.push({
      type: "circle", xsizemode: "pixel", ysizemode: "pixel", xanchor: valueOf(one) / factor, yanchor: 100 * accuracy(one),
      x0: -10, x1: 10, y0: -10, y1: 10, line: { color: variable(colour), width: 2.6 },
    });
  }
  if (front.cap !== null) found.push({ type: "line", x0: front.cap, x1: front.cap, y0: 0, y1: 1, yref: "paper", line: { color: variable("red"), width: 1.2, dash: "dot" } });
  return found;
}

function unit() {
  const all = everyOne().filter(placed).map(valueOf);
  return scaled(AGAINST[front.against].unit, all.reduce((a, b) => Math.max(a, b), 0));
}
