// An architecture: blocks from left to right, a row a branch, what links groups between them, skips above.

const BOX = { width: 20, height: 11, pitch: 16, gap: 5, link: 24, most: 8, edge: 12 };

// What each block is, so that two architectures can be compared block by block.
function blockWords(one) {
  const words = [];
  one.groups.forEach((group, n) => {
    const fed = one.skips.filter(([, target]) => target === n).map(([source]) => source);
    for (let i = 0; i < group.blocks; i += 1) {
      words.push(JSON.stringify([i ? "on" : group.link, group.kind, group.bases, group.activations, group.rates, i ? [] : fed]));
    }
  });
  return words;
}

function rowsOf(group) {
  const rows = group.kind === "real" ? 1 : Math.min(group.bases, BOX.most);
  return Array.from({ length: rows }, (_, n) => (n - (rows - 1) / 2) * BOX.pitch);
}

function drawing(one, other = null) {
  if (!one.groups.length) return null;
  const mine = blockWords(one), its = other && other.groups.length ? blockWords(other) : mine;
  const tallest = Math.max(...one.groups.map((group) => rowsOf(group).length));
  const arcs = one.skips.length ? 10 + 6 * Math.min(one.skips.length, 6) : 0;
  const middle = arcs + 6 + (tallest * BOX.pitch) / 2;
  const bottom = middle + (tallest * BOX.pitch) / 2 + 4;
  const parts = [], meets = [], starts = [];
  let x = BOX.edge, block = 0, before = [0], apart = false;
  parts.push(shape("circle", { cx: x - 4, cy: middle, r: 3, fill: variable("text") }));
  one.groups.forEach((group, n) => {
    const rows = rowsOf(group), alone = group.kind === "group";
    starts[n] = x + BOX.link / 2;
    meets[n - 1] = meets[n - 1] || starts[n];
    const into = alone ? rows : [0];
    parts.push(...linked(n ? group.link : "mean", before, into, x, middle, apart));
    x += BOX.link;
    const left = x;
    for (let i = 0; i < group.blocks; i += 1, block += 1) {
      parts.push(...blockOf(group, rows, x, middle, mine[block] !== its[block], i + 1 < group.blocks));
      if (mine[block] !== its[block]) parts.push(shape("rect", { x, y: bottom + 25, width: BOX.width, height: 3, fill: variable("red") }));
      x += BOX.width + (i + 1 < group.blocks ? BOX.gap : 0);
    }
    parts.push(...labels(group, (left + x) / 2, bottom + 9));
    before = into;
    apart = alone && rows.length > 1;
  });
  parts.push(...linked("mean", before, [0], x, middle, apart));
  x += BOX.link;
  parts.push(shape("circle", { cx: x, cy: middle, r: 3, fill: "none", stroke: variable("text") }));
  parts.push(...skips(one, meets, starts, middle, arcs));
  const width = x + BOX.edge, height = bottom + 30;
  const label = `Drawing of ${one.text}`;
  return shape("svg", { class: "drawing", viewBox: `0 0 ${width} ${height}`, style: `max-width:${width * 1.5}px`, role: "img", "aria-label": label }, parts);
}

function line(x1, y1, x2, y2, more = {}) {
  return shape("line", { x1, y1, x2, y2, stroke: variable("dim"), "stroke-width": 1, ...more });
}

// From the rows before to those of the group: through their mean, a gate for each, or all to all.
function linked(link, before, into, x, middle, apart) {
  const parts = [], half = x + BOX.link / 2, end = x + BOX.link;
  if (link === "route") {
    for (const a of before) for (const b of into) parts.push(line(x, middle + a, end, middle + b));
    return parts;
  }
  for (const y of before) parts.push(line(x, middle + y, half, middle));
  for (const y of into) parts.push(line(half, middle, end, middle + y));
  if (apart) parts.push(shape("circle", { cx: half, cy: middle, r: 2.5, fill: variable("dim") }));
  if (link === "gate") {
    into.slice(0, before.length).forEach((y, n) => {
      parts.push(line(x, middle + before[n], end, middle + y, { stroke: variable("text") }));
      const at = middle + y, right = end - 3;
      parts.push(shape("path", { d: `M${right - 4} ${at}l3.5-3.5 3.5 3.5-3.5 3.5z`, fill: variable("text") }));
    });
  }
  return parts;
}

function blockOf(group, rows, x, middle, differs, goesOn) {
  const real = group.kind === "real", meet = group.kind !== "group";
  const stroke = differs ? variable("red") : variable("blue");
  const parts = rows.map((y, n) => {
    const box = { x, y: middle + y - BOX.height / 2, width: BOX.width, height: BOX.height, rx: 2 };
    const rate = group.rates.length ? group.rates[n] : 1;
    return [
      shape("rect", { ...box, fill: real ? "none" : variable("tint"), stroke, "stroke-width": differs ? 1.8 : 1.2 }),
      rate > 1 && shape("text", { x: x + BOX.width / 2, y: middle + y + 3, "text-anchor": "middle", "font-size": 8, fill: variable("soft") }, `d${rate}`),
      goesOn && !meet && line(x + BOX.width, middle + y, x + BOX.width + BOX.gap, middle + y),
    ];
  });
  if (meet) {
    const top = middle + rows[0] - BOX.height / 2 - 2, tall = rows[rows.length - 1] - rows[0] + BOX.height + 4;
    if (!real) parts.push(shape("rect", { x: x - 2, y: top, width: BOX.width + 4, height: tall, rx: 3, fill: "none", stroke, "stroke-width": 0.8 }));
    if (goesOn) parts.push(line(x + BOX.width + 2, middle, x + BOX.width + BOX.gap - 2, middle));
  }
  return parts;
}

function labels(group, x, y) {
  const times = [group.blocks, group.bases, ...(group.kind === "abc" ? [group.activations] : [])].join("×");
  const text = (what, at, fill) => shape("text", { x, y: at, "text-anchor": "middle", "font-size": 8.5, fill: variable(fill), "font-family": variable("sans") }, what);
  return [text(times, y, "text"), text(group.kind === "group" ? group.link : group.kind, y + 10, "soft")];
}

function skips(one, meets, starts, middle, arcs) {
  return one.skips.slice(0, 40).map(([source, target], n) => {
    const a = meets[source] || starts[source], b = starts[target], top = arcs - 4 - 6 * (n % 6);
    return shape("path", { d: `M${a} ${middle}V${top + 5}q0-5 5-5H${b - 5}q5 0 5 5V${middle - 3}`, fill: "none", stroke: variable("green"), "stroke-width": 1.4, "stroke-dasharray": "3 2" });
  });
}
