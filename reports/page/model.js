// The data, put together: one object for each architecture of each run, by its id.

const DATA = JSON.parse(document.getElementById("data").textContent);
const RUNS = DATA.runs;
const SEVERAL = RUNS.length > 1;
const byId = new Map();

const idOf = (run, key) => `${run}:${key}`;

const time = (one) => (there(one.measured_ms) ? one.measured_ms : one.latency_ms);
const accuracy = (one) => (there(one.error) ? 1 - one.error : null);
const title = (one) => one.known || one.key;
const runName = (one) => RUNS[one.run].name;
const everyOne = () => RUNS.flatMap((run) => run.candidates);

function architecture(run, key) {
  const id = idOf(run, key);
  if (!byId.has(id)) {
    const [text, groups, skips] = DATA.arches[key] || ["", [], []];
    byId.set(id, { id, run, key, text, skips, groups: groups.map((n) => DATA.groups[n]), scored: false, picks: [] });
  }
  return byId.get(id);
}

RUNS.forEach((run, r) => {
  const { choices, ...columns } = run.trials;
  const names = Object.keys(columns);
  run.candidates = [];
  for (let n = 0; n < run.trials.key.length; n += 1) {
    const one = architecture(r, run.trials.key[n]);
    for (const name of names) one[name] = columns[name][n];
    one.scored = true;
    one.place = n;
    if (run.candidates[run.candidates.length - 1] !== one) run.candidates.push(one);
  }
  run.candidates = [...new Set(run.candidates)];
  run.known.forEach((row) => Object.assign(architecture(r, row.key), kept(row), { known: row.name || row.known, fixed: true }));
  run.front.forEach((row) => Object.assign(architecture(r, row.key), kept(row), { front: true }));
  run.picks.forEach((pick) => Object.assign(architecture(r, pick.key), kept(ofPick(pick)), kept(architecture(r, pick.key))).picks.push(pick));
  run.retrained = [...new Set(run.picks.map((pick) => architecture(r, pick.key)))];
  ((run.fidelity || {}).archs || []).forEach((row) => (architecture(r, row.key).latency_ms ??= row.predicted_ms));
  if (run.knee !== null) architecture(r, run.knee).knee = true;
  run.fronts = [...new Set(run.front.map((row) => architecture(r, row.key)))].sort((a, b) => time(a) - time(b));
  run.fixed = [...new Set(run.known.map((row) => architecture(r, row.key)))];
});

// What the folder of a pick says, where the search never had it: it was given as a line.
function ofPick({ known, predicted_ms, size_bytes, memory_bytes, search }) {
  return { known, latency_ms: predicted_ms, size_bytes, memory_bytes, error: search ? 1 - search.accuracy : null };
}

// Its backbone, where that is not the one that was asked for.
function strange(one) {
  const own = one.text.split(" | ")[0];
  return own === RUNS[one.run].space.backbone ? null : own;
}

const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
// Of all seeds with which it was retrained: "retrained" or "packed".
const accuracies = (one, what) => one.picks.map((pick) => pick[what] && pick[what].accuracy).filter(there);
const retrainedTo = (one) => mean(accuracies(one, "retrained"));
// Bytes of the packed file, which has more in it than weights; of all seeds the same.
const fileOf = (one) => one.picks.map((pick) => pick.file_bytes).find(there);

// A cell that is empty here does not hide what another table says.
function kept(row) {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => there(value)));
}

const longest = [...byId.values()].reduce((most, one) => Math.max(most, time(one) || 0), 0);
if (longest > 0 && longest < 0.2) Object.assign(TIMES, { unit: "µs", factor: 1e-3 });
const METRIC = RUNS[0].metric;

function status(one) {
  if (one.front) return one.knee ? "front, knee" : "front";
  if (one.status === "ok") return "beaten";
  return one.status || (one.fixed ? "fixed point" : "");
}

function about(one) {
  return [
    el("b", {}, title(one)), SEVERAL && el("span", {}, ` · ${runName(one)}`),
    el("div", {}, `${percent(accuracy(one))} ${METRIC} in the search`),
    el("div", {}, `${ms(one.latency_ms)} predicted` + (there(one.measured_ms) ? `, ${ms(one.measured_ms)} measured` : "")),
    there(retrainedTo(one)) && el("div", {}, `${percent(retrainedTo(one))} retrained${one.picks.length > 1 ? `, the mean of ${one.picks.length} seeds` : ""}`),
    el("div", { class: "mono" }, one.text), drawing(one),
  ];
}
