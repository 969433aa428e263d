// All candidates: sorted, filtered, and taken along as CSV.

function showCandidates() {
  const section = body("candidates"), all = everyOne();
  RUNS.filter((run) => run.missing.candidates).forEach((run) => section.append(empty(SEVERAL ? `${run.name}: ${run.missing.candidates}` : run.missing.candidates)));
  if (!all.length) return;
  const table = grid([
    { name: "#", of: (one) => one.number, written: (one) => String(one.number) },
    ...(SEVERAL ? [{ name: "run", text: true, of: runName, written: runName }] : []),
    { name: "architecture", text: true, long: true, of: (one) => one.text, written: named },
    ...numberColumns(false),
    { name: "scored in", of: (one) => one.seconds, written: (one) => seconds(one.seconds) },
    { name: "status", text: true, wraps: true, of: status, written: (one) => (one.note ? `${status(one)}: ${one.note}` : status(one)) },
  ], { label: "All candidates", page: 50, off: (one) => one.status !== "ok" });
  const text = el("input", { type: "search", placeholder: "gate +0", "aria-label": "Words in the architecture", oninput: later });
  const most = el("input", { type: "number", min: 0, step: "any", "aria-label": `Time at most, in ${TIMES.unit}`, oninput: later });
  const least = el("input", { type: "number", min: 0, max: 100, step: "any", "aria-label": "At least so many percent", oninput: later });
  let wanted = "", waiting = 0, shown = all;
  const said = el("span", { role: "status" });
  const button = el("button", { type: "button", onclick: () => save(table.ordered()) }, "Save as CSV");

  function later() {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  }

  function filter() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (one) => {
      const where = `${one.text} ${one.key} ${one.known || ""} ${one.note || ""}`.toLowerCase();
      return words.every((word) => where.includes(word)) &&
        (!wanted || (wanted === "front" ? one.front : one.status === wanted)) &&
        (most.value === "" || (there(time(one)) && time(one) <= Number(most.value) * TIMES.factor)) &&
        (least.value === "" || (there(accuracy(one)) && 100 * accuracy(one) >= Number(least.value)));
    };
    shown = all.filter(fits);
    said.textContent = `${count(shown.length)} of ${count(all.length)}`;
    table.set(shown);
  }

  section.append(el("div", { class: "controls" },
    el("label", {}, "with", text),
    choose("that are", [["", "any"], ["front", "on the front"], ["ok", "within the limits"], ["infeasible", "beyond the limits"], ["failed", "failed"]], (value) => { wanted = value; filter(); }),
    el("label", {}, "time ≤", most, TIMES.unit), el("label", {}, `${METRIC} ≥`, least, "%"), said, button), table.node);
  filter();
}

const SAVED = ["number", "key", "text", "known", "status", "note", "error", "loss", "latency_ms", "measured_ms", "spread_ms", "size_bytes", "memory_bytes", "ops", "seconds", "at_seconds", "batch"];

function csvOf(ones) {
  const cell = (value) => (there(value) ? (/[",\n\r]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value)) : "");
  const axes = RUNS.length === 1 ? RUNS[0].axes : [], own = Object.values(AGAINST).filter((cost) => cost.unit === "").map((cost) => cost.column);
  const head = ["run", ...SAVED.map((name) => (name === "text" ? "arch" : name)), ...own, ...axes.map((one) => `axis.${one.name}`)];
  const rows = ones.map((one) => [runName(one), ...SAVED.map((name) => one[name]), ...own.map((name) => one[name]), ...axes.map((a) => a.choices[RUNS[0].trials.choices[a.name][one.place]])]);
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

function save(ones) {
  const link = el("a", { href: URL.createObjectURL(new Blob([csvOf(ones)], { type: "text/csv" })), download: "candidates.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
