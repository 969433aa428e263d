// How the search went: the hypervolume as candidates, and as hours, were spent.

function showGrowth() {
  const section = body("growth"), grown = DATA.hypervolume;
  if (!grown.curves.length) {
    section.append(empty(RUNS[0].missing.front || RUNS[0].missing.candidates));
    return;
  }
  const point = grown.reference.map(({ label, unit, value }) => `${label} ${WRITTEN[unit](value)}`).join(", ");
  const below = grown.reference.filter(({ least }) => least < 0).map(({ label, unit, least }) => `${label} ${WRITTEN[unit](least)}`).join(", ");
  section.append(el("p", { class: "lead" }, `The share of the space between nothing${below ? ` (${below}, the least of any candidate)` : ""} and a fixed point (${point}) that the candidates cover: the hypervolume, higher is better. For the error that point is guessing; for the rest it is the limit asked for, else the largest of any candidate.`));
  if (grown.left_out) section.append(note(`${grown.left_out} of the runs had other objectives, or accuracies that are corrected where these are not, and are left out.`));
  const largest = Math.max(...grown.curves.flatMap((curve) => curve.seconds.filter(there)), 0);
  const [spans, spanUnit] = largest > 7200 ? [3600, "hours"] : largest > 180 ? [60, "minutes"] : [1, "seconds"];
  const legend = el("div", { class: "legend" });
  const legendUp = () => legend.replaceChildren(
    ...(SEVERAL ? grown.curves.map((curve) => mark("line", runColour(curve.run), RUNS[curve.run].name)) : []),
    ...(grown.bands.length ? [mark("band", variable("dim"), `random search: 80 % of ${grown.orders} orders its candidates might have come in`)] : []));
  legendUp();
  recolour.push(legendUp);
  const lines = (x) => grown.curves.map((curve) => ({
    type: "scatter", mode: curve.seen.length < 3 ? "lines+markers" : "lines", x: x(curve), y: curve.share, name: plain(RUNS[curve.run].name), hovertemplate: "%{x:.4~g}: %{y:.4f}<extra></extra>",
    line: { color: runColour(curve.run), width: 2.2, shape: "hv", dash: RUNS[curve.run].asked.sampler === "random" ? "dash" : "solid" },
  }));
  const bands = () => grown.bands.flatMap((one) => [
    { type: "scatter", mode: "lines", x: one.seen, y: one.low, line: { width: 0 }, hoverinfo: "skip" },
    { type: "scatter", mode: "lines", x: one.seen, y: one.high, line: { width: 0 }, fill: "tonexty", fillcolor: `${variable("dim")}40`, hoverinfo: "skip" },
  ]);
  const yaxis = () => axis("hypervolume, share");
  section.append(legend, el("div", { class: "halves" },
    plot("Hypervolume against candidates", () => ({ data: [...bands(), ...lines((curve) => curve.seen)], layout: { xaxis: axis("candidates"), yaxis: yaxis() } })),
    plot("Hypervolume against time", () => ({ data: lines((curve) => curve.seconds.map((value) => value / spans)), layout: { xaxis: axis(`${spanUnit} of searching`), yaxis: yaxis() } }))));
  if (!grown.bands.length) section.append(note("No run here searched at random. Beside one (--sampler random) this shows whether searching was worth it."));
}
