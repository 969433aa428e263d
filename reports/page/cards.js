// Cards: what is known of an architecture; two of them side by side, their differences marked.

function tags(one) {
  const tag = (text, kind = "") => el("span", { class: `tag ${kind}` }, text);
  return el("div", { class: "tags" },
    SEVERAL && tag(runName(one)), one.knee && tag("knee", "on"), one.front && tag("front", "on"), one.fixed && tag("known"),
    strange(one) && !one.known && tag(`on ${strange(one)}`),
    one.picks.length > 0 && tag("retrained", "re"), one.status === "infeasible" && tag("beyond the limits", "bad"), one.status === "failed" && tag("failed", "bad"),
    one.trusted === false && tag("timed on a busy machine", "bad"), one.on_measured === false && tag("beaten when measured", "bad"), one.too_slow && tag("too slow when measured", "bad"));
}

// The short form beside the front.
function summary(one) {
  if (!one) return [el("p", { class: "note" }, "Select a point or a row.")];
  return [
    el("h3", {}, title(one)), tags(one), drawing(one), el("p", { class: "mono note" }, one.text),
    el("table", { class: "numbers" }, el("tbody", {}, [
      [`${METRIC}, search`, percent(accuracy(one))],
      there(retrainedTo(one)) && [`${METRIC}, retrained`, percent(retrainedTo(one))],
      ["time, predicted", ms(one.latency_ms)], ["time, measured", measuredTime(one)],
      ["weights", bytes(one.size_bytes)], there(fileOf(one)) && ["file", bytes(fileOf(one))], ["peak memory", bytes(one.memory_bytes)],
    ].filter(Boolean).map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value))))),
    el("div", { class: "controls" },
      el("button", { type: "button", onclick: () => keep(one) }, "Compare with the next"),
      el("a", { href: "#architecture" }, "all of it ↓")),
  ];
}

function showCards() {
  const section = body("architecture"), holder = el("div", { class: "cards" }), picked = el("div");
  section.append(picked, holder);
  RUNS.filter((run) => run.missing.picks && !run.missing.candidates).forEach((run) => picked.append(note(SEVERAL ? `${run.name}: ${run.missing.picks}` : run.missing.picks)));
  const retrained = RUNS.flatMap((run) => run.retrained);
  if (retrained.length) {
    picked.append(el("div", { class: "controls" }, "retrained:", retrained.map((one) => el("button", { type: "button", onclick: () => select(one) }, title(one)))));
  }
  const show = () => {
    const { chosen, kept } = selection, other = kept === chosen ? null : kept;
    if (!chosen) holder.replaceChildren(empty(RUNS[0].missing.candidates || "Select an architecture in a plot or a table."));
    holder.classList.toggle("one", !other);
    if (chosen) holder.replaceChildren(...(other ? [card(other, null, chosen), card(chosen, other, other)] : [card(chosen, null, null)]));
  };
  onSelect(show);
  recolour.push(tell);
  show();
}

// `before`: what its numbers are held against. `other`: what its drawing is.
function card(one, before, other) {
  const buttons = selection.kept === one
    ? el("button", { type: "button", onclick: () => keep(null) }, selection.chosen === one ? "Select another…" : "Remove")
    : el("button", { type: "button", onclick: () => keep(one) }, "Compare with the next");
  return el("article", { class: "card", "aria-label": `Architecture ${title(one)}` },
    el("header", {}, el("div", {}, el("h3", {}, title(one)), tags(one)), buttons),
    el("div", { class: "sides" },
      el("div", {},
        drawing(one, other) || note("Its line cannot be read as an architecture, so it is not drawn."),
        one.groups.length > 0 && drawingWords(one, other),
        el("p", { class: "mono" }, one.text), one.known && note(`key ${one.key}`),
        one.note && note(`It failed: ${one.note}.`), retrainOf(one)),
      el("div", {}, threeOf(one), numbersOf(one, before), opsOf(one))));
}

function drawingWords(one, other) {
  const kinds = new Set(one.groups.map((group) => (group.kind === "group" ? group.link : group.kind)));
  const words = {
    mean: "lines that meet: the mean", gate: "◆: a gate between a branch and the mean", route: "crossing lines: a mixture of all branches",
    layer: "framed: bases meet after every convolution", abc: "framed: weight bases × thresholds, meeting after every convolution", real: "hollow: real-valued",
  };
  const said = ["A box is a block, a row a branch", ...[...kinds].map((kind) => words[kind]).filter(Boolean)];
  if (one.skips.length) said.push("dashed: skips");
  if (other) {
    const a = blockWords(one), b = blockWords(other), differ = a.filter((word, n) => word !== b[n]).length;
    said.push(differ ? `orange: ${differ} of ${a.length} blocks differ` : "no block differs");
  }
  return note(`${said.join("; ")}.`);
}

function threeOf(one) {
  const run = RUNS[one.run], images = run.data.selection, found = accuracy(one);
  const without = one.fixed ? "the supernet has no weights for it" : "it was no candidate";
  const column = (name, value, said, kind) => el("div", { class: there(value) ? `has ${kind}` : "" }, name, el("b", {}, percent(value)), said);
  const [retrained, packed] = ["retrained", "packed"].map((what) => one.picks.filter((pick) => pick[what]));
  const seeds = (picks, what) => (picks.length > 1 ? ["the mean of ", picks.map((pick) => `${percent(pick[what].accuracy)} (seed ${pick.seed})`).join(", "), "; "] : []);
  return el("div", { class: "three" },
    column("in the search", found, there(found) ? `supernet weights${images ? `, ${count(images)} images to select by` : ""}` : without, ""),
    column("retrained", retrainedTo(one), retrained.length ? [seeds(retrained, "retrained"), `test split, ${count(retrained[0].retrained.count)} images${retrained.length > 1 ? "" : `, seed ${retrained[0].seed}`}`] : "not yet", "re"),
    column("packed", mean(accuracies(one, "packed")), packed.length ? [seeds(packed, "packed"), `the file, ${packed.map((pick) => count(pick.packed.decisions)).join(" and ")} of ${count(packed[0].packed.count)} decisions differ`] : "not yet", "re"));
}

// What the search never measured may have been when it was retrained.
function measuredTime(one) {
  const took = one.picks.find((pick) => there(pick.measured_ms));
  if (there(one.measured_ms)) return timeWithin(one.measured_ms, one.spread_ms);
  return took ? `${timeWithin(took.measured_ms, took.spread_ms)}, retrained` : "not yet";
}

function numbersOf(one, before) {
  const ratio = (of) => {
    const a = before && of(before), b = of(one);
    return there(a) && there(b) && a && a !== b ? el("span", { class: "delta" }, ` ×${fixed(b / a)}`) : null;
  };
  const points = before && there(accuracy(before)) && there(accuracy(one)) ? 100 * (accuracy(one) - accuracy(before)) : null;
  const off = there(one.measured_ms) && there(one.latency_ms) ? ` (${signed(100 * (one.latency_ms / one.measured_ms - 1))} %)` : "";
  const rows = [
    points && [`${METRIC} in the search, beside the other`, el("span", { class: "delta" }, `${signed(points)} points`)],
    ["time, predicted", [ms(one.latency_ms) + off, ratio((o) => o.latency_ms)]],
    ["time, measured", [measuredTime(one), ratio((o) => o.measured_ms)]],
    ["weights", [bytes(one.size_bytes), ratio((o) => o.size_bytes)]],
    there(fileOf(one)) && ["file", [bytes(fileOf(one)), ratio(fileOf)]],
    ["peak memory", [bytes(one.memory_bytes), ratio((o) => o.memory_bytes)]],
    ["operations (FLOPs + BOPs / 64)", [many(one.ops), ratio((o) => o.ops)]],
    ...Object.values(AGAINST).filter((cost) => cost.unit === "").map((cost) => [cost.label, [WRITTEN[""](one[cost.column]), ratio((o) => o[cost.column])]]),
    there(one.decisions) && ["packed beside trained, on supernet weights", `${count(one.decisions)} of ${count(one.images)} decisions, ${count(one.flips)} of ${many(one.signs)} signs differ`],
    ...one.picks.map((pick) => [`retrained by${one.picks.length > 1 ? `, seed ${pick.seed}` : ""}`, `${pick.recipe}: ${pick.schedule || ""}${there(pick.seconds) ? `, ${seconds(pick.seconds)}` : ""}`]),
  ].filter(Boolean);
  return el("table", { class: "numbers" }, el("tbody", {}, rows.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)))));
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(Math.abs(value) < 10 ? 2 : 1)}`;
const KINDS = [["binary", "blue"], ["real", "orange"], ["packing", "green"], ["glue", "dim"]];

function opsOf(one) {
  const ops = RUNS[one.run].ops[one.key];
  if (!ops) return note("Times of its ops are kept for the front and for known architectures.");
  const best = (op) => (there(op.measured_us) ? op.measured_us : op.predicted_us) || 0;
  const total = ops.reduce((sum, op) => sum + best(op), 0) || 1;
  const measured = ops.every((op) => there(op.measured_us));
  const shares = KINDS.map(([kind, colour]) => [kind, colour, ops.filter((op) => op.kind === kind).reduce((sum, op) => sum + best(op), 0)]).filter(([, , sum]) => sum > 0);
  const table = grid([
    { name: "op", text: true, of: (op) => op.op, written: (op) => el("span", { class: "mono" }, op.op) },
    { name: "kind", text: true, of: (op) => op.kind, written: (op) => op.kind },
    { name: "predicted", of: (op) => op.predicted_us, written: (op) => us(op.predicted_us), highFirst: true },
    { name: "measured", of: (op) => op.measured_us, written: (op) => us(op.measured_us), highFirst: true },
  ], { select: false, label: "Its ops", low: true });
  table.set(ops);
  return el("div", {},
    el("div", { class: "bar", role: "img", "aria-label": shares.map(([kind, , sum]) => `${kind} ${percent(sum / total, 0)}`).join(", ") },
      shares.map(([, colour, sum]) => el("span", { style: `flex:${sum / total};background:var(--${colour})` }))),
    el("div", { class: "legend" }, shares.map(([kind, colour, sum]) => mark("square", variable(colour), `${kind} ${us(sum)}, ${percent(sum / total, 0)}`))),
    el("details", {}, el("summary", {}, `${ops.length} ops, ${measured ? "measured" : "predicted"} ${us(total)}`), table.node));
}

function retrainOf(one) {
  const [first] = one.picks; // another seed learns as it did: their mean is of one schedule
  const again = first ? `${first.again} --seed ${1 + Math.max(...one.picks.map((pick) => pick.seed))}` : "";
  const text = `${RUNS[one.run].commands.retrain} ${one.key}${again}`;
  return el("div", {}, el("p", { class: "note" }, one.picks.length ? "To retrain it once more, with another seed:" : "To retrain it and get the packed file:"), command(text));
}
