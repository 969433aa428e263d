// What the numbers are worth: time predicted and measured, the supernet's ranking, kernels beside others'.

const byRun = (section, missing, has, show) => RUNS.forEach((run, n) => {
  if (SEVERAL) section.append(el("h3", {}, run.name));
  if (has(run)) show(run, n);
  else section.append(empty(run.missing[missing]));
});

function diagonal(low, high, factors) {
  return factors.map((factor) => ({ type: "scatter", mode: "lines", x: [low, high], y: [low * factor, high * factor], hoverinfo: "skip", line: { color: variable("line"), width: factor === 1 ? 1.5 : 1, dash: factor === 1 ? "solid" : "dot" } }));
}

function showTime() {
  const section = body("time");
  byRun(section, "measured", (run) => run.time, (run, n) => {
    const { keys, within, median, untrusted } = run.time;
    const [predicted, measured] = [run.time.predicted, run.time.measured].map((times) => times.map((value) => value / TIMES.factor));
    const fitted = run.fitted_on ? ` What lies between ops was fitted on ${run.fitted_on} ${run.fitted_apart ? "other programs, drawn at random" : "programs, these among them"}.` : "";
    section.append(el("p", { class: "lead" }, `${keys.length} whole programs, the front and known architectures: ${percent(within["0.05"], 0)} predicted within 5 % of their measured time, ${percent(within["0.1"], 0)} within 10 %; median error ${signed(100 * median)} %.${fitted}${untrusted ? ` ${untrusted} were timed while the machine was busy.` : ""}`));
    const off = predicted.map((value, i) => 100 * (value / measured[i] - 1));
    const high = Math.max(...measured, ...predicted) * 1.05, low = Math.min(...measured, ...predicted) * 0.95;
    const colour = () => runColour(n), scale = high / low > 6 ? { type: "log", dtick: "D2" } : {};
    section.append(el("div", { class: "halves" },
      plot("Predicted against measured time", () => ({
        data: [...diagonal(low, high, [0.95, 1, 1.05]), points({ marker: { color: colour(), size: 8, opacity: 0.85 } }, keys.map((key) => byId.get(idOf(n, key))), (one) => measured[keys.indexOf(one.key)], (one) => predicted[keys.indexOf(one.key)])],
        layout: { xaxis: axis(`measured, ${TIMES.unit}`, { ...scale }), yaxis: axis(`predicted, ${TIMES.unit} (dotted: 5 % off)`, scale) },
      }), (node) => hearing(node)),
      plot("Histogram of prediction errors", () => ({
        data: [{ type: "histogram", x: off, xbins: { size: 1 }, marker: { color: colour() }, hovertemplate: "%{x} %: %{y}<extra></extra>" }],
        layout: { xaxis: axis("predicted beside measured, %"), yaxis: axis("programs"), bargap: 0.06 },
      }))));
  });
}

function showFidelity() {
  const section = body("fidelity");
  byRun(section, "fidelity", (run) => run.fidelity && run.fidelity.archs && run.fidelity.archs.length, (run, n) => {
    const found = run.fidelity, archs = found.archs;
    const between = (low, high) => (there(low) && there(high) ? ` (${low.toFixed(2)} to ${high.toFixed(2)})` : "");
    const row = (name, value, low, high, said) => there(value) && el("tr", {}, el("th", { scope: "row" }, name, said && el("small", {}, said)), el("td", {}, `${value.toFixed(2)}${between(low, high)}`));
    const top = found.top_third || {}, ceiling = found.ceiling || {};
    section.append(el("p", { class: "lead" }, `${archs.length} architectures, scored in the supernet and trained alone. Kendall's tau says how well the first ranks the second: 1 the same order, 0 no relation; in brackets the interval.`));
    section.append(el("div", { class: "halves" },
      plot("Accuracy in the supernet against accuracy alone", () => ({
        data: [points({ marker: { color: runColour(n), size: 9, opacity: 0.85 } }, archs.map((a) => architecture(n, a.key)), (one) => 100 * archs.find((a) => a.key === one.key).supernet, (one) => 100 * archs.find((a) => a.key === one.key).standalone)],
        layout: { xaxis: axis(`${plain(METRIC)} in the supernet, %`), yaxis: axis("trained alone, %") },
      }), (node) => hearing(node)),
      el("div", {}, el("table", { class: "numbers" }, el("tbody", {},
        row("tau, supernet", found.tau, found.tau_low, found.tau_high),
        row("Spearman's rank correlation", found.spearman, found.spearman_low, found.spearman_high),
        found.corrected && row("tau, supernet corrected", found.corrected.tau, found.corrected.low, found.corrected.high, "each by what the others came to alone"),
        row("tau in the best third", top.tau, top.tau_low, top.tau_high, "where it matters for a front"),
        (found.predictors || []).map((one) => row(`tau, ${one.name} instead`, one.tau, one.low, one.high, "what a number without training does")),
        row("tau, ceiling", ceiling.tau, ceiling.low, ceiling.high, "trained alone again with another seed: more is not to be had"))))));
  });
}

function showKernels() {
  const section = body("kernels");
  byRun(section, "kernels", (run) => run.kernels.length, (run) => {
    const slower = run.kernels.filter((row) => ["float32_us", "int8_us"].some((other) => there(row[other]) && row[other] < row.median_us));
    section.append(el("p", { class: "lead" }, `Each binary op on the front beside torch's of the same shape, timed in turn with it. ${slower.length ? `Binary is slower in ${slower.length} of ${run.kernels.length}: marked.` : "Binary is slower in none."}`));
    const ratio = (name) => ({ name: name === "float32_us" ? "× float32" : "× int8", highFirst: true, of: (row) => (there(row[name]) ? row[name] / row.median_us : null), written: (row) => (there(row[name]) ? el("span", { class: row[name] < row.median_us ? "worse" : null }, `${fixed(row[name] / row.median_us)}${row[name] < row.median_us ? " slower" : ""}`) : NONE) });
    const table = grid([
      { name: "op", text: true, of: (row) => row.op, written: (row) => el("span", { class: "mono" }, row.op) },
      { name: "kernel", text: true, of: (row) => row.kernel, written: (row) => row.kernel },
      { name: "binary", of: (row) => row.median_us, written: (row) => within(row.median_us, row.spread_us, "µs"), highFirst: true },
      { name: "float32", of: (row) => row.float32_us, written: (row) => us(row.float32_us), highFirst: true }, ratio("float32_us"),
      { name: "int8", of: (row) => row.int8_us, written: (row) => us(row.int8_us), highFirst: true }, ratio("int8_us"),
    ], { select: false, label: "Binary ops beside others", low: true });
    table.set(run.kernels);
    section.append(table.node);
  });
}
