// Tables of architectures: the front's, and the columns that it shares with that of all candidates.

function frontTable() {
  const rows = RUNS.flatMap((run) => [...run.fronts, ...run.fixed.filter((one) => !one.front)]);
  if (!rows.length) return null;
  const table = grid([
    ...(SEVERAL ? [{ name: "run", text: true, of: runName, written: runName }] : []),
    { name: "architecture", text: true, long: true, of: (one) => one.text, written: named },
    ...numberColumns(true),
    { name: "remarks", text: true, wraps: true, of: remarks, written: remarks },
  ], { label: "The front and known architectures", low: true });
  table.set(rows);
  return table.node;
}

function named(one) {
  return [one.known && el("b", {}, `${one.known} `), el("span", { class: "mono" }, inShort(one) || one.key)];
}

// Without the backbone, where it is the one that was asked for.
function inShort(one) {
  return strange(one) ? one.text : one.text.slice(one.text.indexOf("|") + 2);
}

function numberColumns(measured) {
  const some = (has) => RUNS.some((run) => [...run.fronts, ...run.fixed, ...run.candidates].some(has));
  return [
    { name: METRIC, highFirst: true, of: accuracy, written: (one) => percent(accuracy(one)) },
    some((one) => there(retrainedTo(one))) && measured && { name: "retrained", highFirst: true, of: retrainedTo, written: (one) => percent(retrainedTo(one)) },
    { name: "predicted", of: (one) => one.latency_ms, written: (one) => ms(one.latency_ms) },
    measured && some((one) => there(one.measured_ms)) && { name: "measured", of: (one) => one.measured_ms, written: (one) => timeWithin(one.measured_ms, one.spread_ms) },
    { name: "weights", of: (one) => one.size_bytes, written: (one) => bytes(one.size_bytes) },
    some((one) => there(fileOf(one))) && measured && { name: "file", of: fileOf, written: (one) => bytes(fileOf(one)) },
    { name: "memory", of: (one) => one.memory_bytes, written: (one) => bytes(one.memory_bytes) },
    { name: "operations", of: (one) => one.ops, written: (one) => many(one.ops) },
    ...Object.values(AGAINST).filter((cost) => cost.unit === "").map((cost) => ({ name: cost.label, of: (one) => one[cost.column], written: (one) => WRITTEN[""](one[cost.column]) })),
  ].filter(Boolean);
}

function remarks(one) {
  return [
    one.front ? "front" : one.fixed ? "fixed point" : "", one.knee && "knee", one.picks.length > 0 && (one.picks.length > 1 ? `retrained with ${one.picks.length} seeds` : "retrained"),
    one.on_measured === false && "beaten when measured", one.too_slow && "too slow when measured", one.trusted === false && "machine was busy",
    one.same_path === false && "differs from the supernet",
  ].filter(Boolean).join(", ");
}
