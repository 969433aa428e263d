// The front: its plot, what stands around it, and how keys go along it.

function drawFront() {
  front.away = [];
  const data = frontTraces(), { label } = AGAINST[front.against], [, shortUnit] = unit();
  const what = front.against === "latency" ? "time of one image" : label;
  const layout = {
    xaxis: axis(plain(shortUnit ? `${what}, ${shortUnit}` : what), { rangemode: "tozero" }),
    yaxis: axis(`${plain(METRIC)} in the search, %`),
    annotations: namesOf(data), margin: { l: 60, r: 16, t: 16, b: 52 },
    shapes: shapesOf(),
  };
  return { data, layout };
}

// Names of known architectures, where there is room for them: not over another mark or another name.
function namesOf(data) {
  const marks = data.filter((trace) => ["known", "timed only"].includes(trace.name));
  const xs = data.flatMap((t) => t.x).filter(there), ys = data.flatMap((t) => t.y).filter(there), low = Math.min(...ys);
  const perX = (front.node.clientWidth - 76) / (1.05 * Math.max(...xs) || 1), perY = (front.node.clientHeight - 68) / (1.1 * (Math.max(...ys) - low) || 1);
  const places = marks.flatMap((trace) => trace.x.map((x, n) => ({ x, y: trace.y[n], left: perX * x, up: perY * (trace.y[n] - low), name: title(byId.get(trace.customdata[n])), drop: trace.name === "known" ? 9 : 0 })));
  const taken = [], found = [];
  for (const place of places) {
    const box = [place.left + 7, place.left + 14 + 6.2 * place.name.length, place.up - place.drop];
    const over = (left, right, up) => left < box[1] && right > box[0] && Math.abs(up - box[2]) < 13;
    if (places.some((other) => other !== place && over(other.left - 5, other.left + 5, other.up)) || taken.some((other) => over(...other)) || box[1] > front.node.clientWidth - 70) continue;
    taken.push(box);
    found.push({ x: place.x, y: place.y, text: plain(place.name), showarrow: false, xanchor: "left", xshift: 7, yshift: -place.drop, font: { size: 11, color: variable("soft") } });
  }
  const [factor] = unit();
  for (const one of RUNS.flatMap((run) => run.fronts).filter((each) => each.knee && placed(each))) {
    const side = one.run % 2 ? { xanchor: "left", xshift: 11, yshift: -13 } : { xanchor: "right", xshift: -11, yshift: 11 };
    found.push({ x: valueOf(one) / factor, y: 100 * accuracy(one), text: "knee", showarrow: false, ...side, font: { size: 12, color: variable("text") } });
  }
  return found;
}

function frontLegend() {
  const text = variable("text"), several = SEVERAL ? RUNS.map((run, n) => mark(n ? "square" : "dot", runColour(n), run.name)) : [];
  const any = (has, of = (run) => run.fronts) => RUNS.some((run) => of(run).some(has));
  const blue = SEVERAL ? variable("dim") : runColour(0);
  return el("div", { class: "legend" },
    several,
    any((one) => there(one.measured_ms)) && mark("dot", blue, "front, measured, ± spread"),
    any(placed) && mark("ring", blue, "front, predicted"),
    any(placed, (run) => run.fixed) && mark("square", text, "known"),
    any((one) => !there(one.error), (run) => run.fixed) && mark("flag", text, "known, timed only"),
    RUNS.some((run) => run.picks.length) && mark("diamond", variable("orange"), "retrained, test split"),
    everyOne().some((one) => one.status === "ok" && !one.front) && mark("faint", variable("dim"), "beaten"),
    everyOne().some((one) => one.status === "infeasible") && mark("cross", variable("dim"), "beyond the limits"));
}

// Arrow keys go from point to point along the front; what they reach is selected by Enter.
function walk(node) {
  let at = -1;
  const along = () => RUNS.flatMap((run) => [...run.fronts, ...run.fixed]).filter(placed).sort((a, b) => valueOf(a) - valueOf(b));
  node.tabIndex = 0;
  node.setAttribute("role", "application");
  node.addEventListener("keydown", (event) => {
    const ones = along(), step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (step && ones.length) {
      if (at < 0 && selection.chosen) at = ones.indexOf(selection.chosen);
      at = Math.min(ones.length - 1, Math.max(0, at + step));
      node.scrollIntoView({ block: "nearest", behavior: "instant" });
      const box = node.getBoundingClientRect(), { xaxis, yaxis } = node._fullLayout, [factor] = unit();
      const x = xaxis._offset + xaxis.d2p(valueOf(ones[at]) / factor), y = yaxis._offset + yaxis.d2p(100 * accuracy(ones[at]));
      showTip(about(ones[at]), box.left + x, box.top + y, true);
      announce(`${title(ones[at])}, ${percent(accuracy(ones[at]))}, ${ms(time(ones[at]))}`);
    } else if (event.key === "Enter" && at >= 0) select(ones[at]);
    else return;
    event.preventDefault();
  });
  node.addEventListener("blur", hideTip);
}

function showFront() {
  const section = body("front");
  RUNS.filter((run) => run.missing.front).forEach((run) => section.append(empty(SEVERAL ? `${run.name}: ${run.missing.front}` : run.missing.front)));
  if (!everyOne().some(placed) && !RUNS.some((run) => run.fixed.some(placed))) return;
  const lead = el("p", { class: "lead" }, frontWords());
  const holder = el("div"), legend = el("div"), away = el("p", { class: "note" });
  const again = () => {
    made.find((one) => one.node === front.node).show();
    legend.replaceChildren(frontLegend());
    away.textContent = awayWords();
  };
  const options = Object.entries(AGAINST).map(([name, { label }]) => [name, label]);
  const controls = el("div", { class: "controls" }, options.length > 1 && choose("accuracy against", options, (name) => {
    front.against = name;
    front.cap = null;
    again();
  }), capControl(again));
  front.node = plot(`Accuracy against time. Arrow keys go along the front, Enter selects.`, drawFront, (node) => {
    hearing(node);
    walk(node);
    away.textContent = awayWords();
  }, "tall");
  legend.append(frontLegend());
  holder.append(legend, front.node, away);
  const aside = el("aside", { class: "card", "aria-label": "The selected architecture" });
  section.append(lead, controls, el("div", { class: "split" }, holder, aside), frontTable(), note(kneeWords()));
  sketch(front.node, drawFront());
  onSelect(() => {
    aside.replaceChildren(...summary(selection.chosen));
    reshape();
  });
  recolour.push(() => legend.replaceChildren(frontLegend()));
}

function reshape() {
  if (made.find((one) => one.node === front.node).shown) Plotly.relayout(front.node, { shapes: shapesOf() });
}

function frontWords() {
  const measured = RUNS.filter((run) => run.missing.measured && !run.missing.front).map((run) => (SEVERAL ? `${run.name}: ` : "") + run.missing.measured);
  const unfinished = RUNS.some((run) => !run.front_is_final && !run.missing.front) ? ["This is the front of the candidates so far."] : [];
  const what = RUNS.some((run) => run.fronts.length) ? "What no other candidate beats. " : "";
  return [`${what}Accuracy is the supernet's, on the selection split; retrained networks have a colour of their own.`, DATA.times, ...unfinished, ...measured].join(" ");
}

function awayWords() {
  const away = front.away || [];
  if (!away.length) return "";
  const written = WRITTEN[AGAINST[front.against].unit];
  const names = Map.groupBy(away, title);
  return `Off the chart to the right: ${[...names].map(([name, ones]) => `${name} (${ones.map((one) => written(valueOf(one))).join(" and ")})`).join(", ")}.`;
}

function kneeWords() {
  const where = "the point of the front farthest from the line between its ends, both axes scaled to 0..1";
  return RUNS.some((run) => run.knee !== null) ? `The knee is ${where}.` : `No knee is marked: that takes three points, one of them below the line between the ends.`;
}

// "At most so much time": the most accurate of the front within it.
function capControl(again) {
  const ones = () => RUNS.flatMap((run) => run.fronts).filter(placed).sort((a, b) => valueOf(a) - valueOf(b));
  const known = ones();
  if (known.length < 2) return null;
  const said = el("output", {}, "any");
  const range = el("input", { type: "range", min: 0, max: 100, value: 100, "aria-label": "At most", oninput: () => {
    const list = ones(), [factor, shortUnit] = unit();
    const low = valueOf(list[0]), high = valueOf(list[list.length - 1]);
    const cap = low + ((high - low) * range.value) / 100;
    front.cap = range.value === "100" ? null : cap / factor;
    said.textContent = front.cap === null ? "any" : `${fixed(cap / factor)} ${shortUnit}`;
    const best = list.filter((one) => valueOf(one) <= cap + 1e-12).reduce((a, b) => (accuracy(b) > accuracy(a) ? b : a), list[0]);
    if (best === selection.chosen) reshape();
    else select(best, false);
  } });
  return el("label", {}, "the best within at most", range, said);
}
