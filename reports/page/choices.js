// Choices: a line for each candidate over all axes; what matters; what is on the front.

function showChoices() {
  const section = body("choices");
  RUNS.forEach((run, n) => {
    if (SEVERAL) section.append(el("h3", {}, run.name));
    if (!run.candidates.length) { section.append(empty(run.missing.candidates)); return; }
    if (!run.axes.length) { section.append(empty("The run does not say which axes its space has.")); return; }
    section.append(parallel(run, n), el("div", { class: "halves" }, matters(run), often(run)));
  });
}

// A number in -0.5..0.5 that stays with a candidate: lines through one choice do not hide each other.
const jitter = (n, axisNumber) => (((n * 2654435761 + axisNumber * 40503) >>> 0) % 1000) / 1000 - 0.5;

function parallel(run, n) {
  const scored = run.candidates.filter(placed);
  if (!scored.length) return empty("No candidate has both an accuracy and a time, so there are no lines to draw.");
  const columns = [...run.axes.map((one, a) => choiceColumn(run, one, a)), numberColumn("accuracy", scored, (o) => 100 * accuracy(o), "%"), numberColumn("time", scored, (one) => time(one) / TIMES.factor, TIMES.unit)];
  const top = 74, tall = 230, left = 22;
  const room = Math.min(1132, document.querySelector("main").clientWidth - 48) - left - 124, step = Math.max(40, Math.min(130, room / (columns.length - 1)));
  const width = left + step * (columns.length - 1) + 122, height = top + tall + 16, filters = new Map();
  const canvas = el("canvas", { "aria-hidden": "true" }), said = el("p", { class: "note" });
  const frame = shape("svg", { width, height, role: "group", "aria-label": "Parallel coordinates: click a choice to keep only the lines through it" });
  const node = el("div", { class: "lines" }, canvas, frame);
  const apart = (c) => Math.max(0, c - run.axes.length + 1) * 26; // the two numbers have room for theirs
  const xOf = (c) => left + c * step + apart(c), yOf = (one, c) => top + tall * (1 - columns[c].at(one));
  const passes = (one) => [...filters].every(([c, choice]) => columns[c].choice(one) === choice);

  function paint() {
    const ratio = devicePixelRatio || 1, pen = canvas.getContext("2d");
    canvas.width = width * ratio; canvas.height = height * ratio;
    canvas.style.width = `${width}px`; canvas.style.height = `${height}px`;
    pen.scale(ratio, ratio);
    const shownOnes = scored.filter(passes), opacity = Math.min(0.5, Math.max(0.04, 40 / shownOnes.length));
    const draw = (ones, colour, alpha, thick) => {
      pen.strokeStyle = colour; pen.globalAlpha = alpha; pen.lineWidth = thick;
      for (const one of ones) {
        pen.beginPath();
        columns.forEach((_, c) => (c ? pen.lineTo(xOf(c), yOf(one, c)) : pen.moveTo(xOf(c), yOf(one, c))));
        pen.stroke();
      }
    };
    draw(shownOnes.filter((one) => !one.front), variable("dim"), opacity, 1);
    draw(shownOnes.filter((one) => one.front), runColour(n), 0.8, 1.5);
    draw(scored.filter((one) => one === selection.kept), variable("purple"), 1, 2.6);
    draw(scored.filter((one) => one === selection.chosen), variable("red"), 1, 2.6);
    const kept = [...filters].map(([c, choice]) => `${columns[c].name} = ${columns[c].labels[choice]}`).join(", ");
    said.textContent = filters.size ? `${kept}: ${count(shownOnes.length)} of ${count(scored.length)} candidates, ${count(shownOnes.filter((one) => one.front).length)} on the front.`
      : `${count(scored.length)} candidates, a line each; blue is the front, orange what is selected. Click a choice to keep only the lines through it, a line to select it.`;
  }

  function label(c, choice) {
    const on = filters.get(c) === choice, column = columns[c];
    const toggle = () => { on ? filters.delete(c) : filters.set(c, choice); frameUp(); paint(); };
    const text = shape("text", { x: xOf(c) + 5, y: top + tall * (1 - column.place(choice)) + 4, class: `choice${on ? " on" : ""}`, tabindex: 0, role: "button", "aria-pressed": String(on), "data-at": `${c}/${choice}`, onclick: (e) => { e.stopPropagation(); toggle(); }, onkeydown: (e) => {
      if (e.key !== "Enter" && e.key !== " ") return;
      e.preventDefault();
      toggle();
      frame.querySelector(`[data-at="${c}/${choice}"]`).focus();
    } }, column.labels[choice]);
    return text;
  }

  function frameUp() {
    frame.replaceChildren(...columns.flatMap((column, c) => [
      shape("line", { x1: xOf(c), x2: xOf(c), y1: top, y2: top + tall, stroke: variable("line") }),
      shape("text", { transform: `translate(${xOf(c) - 4} ${top - 12}) rotate(-38)` }, column.name),
      ...(column.ends ? column.ends.map((text, e) => shape("text", { x: xOf(c) + 5, y: top + tall * (1 - e) + (e ? 2 : 6) }, text)) : column.labels.map((_, choice) => label(c, choice))),
    ]));
  }

  frame.addEventListener("click", (event) => {
    const box = frame.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const c = Math.max(0, columns.findLastIndex((_, n) => xOf(n) <= x && n < columns.length - 1)), part = (x - xOf(c)) / (xOf(c + 1) - xOf(c));
    const away = (one) => Math.abs(yOf(one, c) * (1 - part) + yOf(one, c + 1) * part - y) - (one.front ? 3 : 0);
    const ones = scored.filter(passes);
    if (ones.length) { const near = ones.reduce((a, b) => (away(b) < away(a) ? b : a)); if (away(near) < 8) select(near); }
  });
  frameUp();
  paint();
  onSelect(paint);
  recolour.push(() => { frameUp(); paint(); });
  return el("div", {}, said, node);
}

function choiceColumn(run, one, a) {
  const last = one.choices.length - 1, chosen = run.trials.choices[one.name];
  const place = (choice) => (last ? choice / last : 0.5);
  return {
    name: one.name, labels: one.choices, place,
    choice: (arch) => chosen[arch.place],
    at: (arch) => (chosen[arch.place] < 0 ? -0.05 : place(chosen[arch.place])) + (jitter(arch.place, a) * 0.55) / Math.max(4, last + 1),
  };
}

function numberColumn(name, ones, of, unitText) {
  const values = ones.map(of), low = Math.min(...values), high = Math.max(...values);
  return { name, labels: [], choice: () => null, ends: high > low ? [`${fixed(low)} ${unitText}`, `${fixed(high)} ${unitText}`] : [`${fixed(low)} ${unitText}`], at: (one) => (high > low ? (of(one) - low) / (high - low) : 0) };
}

const MOST = 24; // axes that are shown in the order in which they matter

function matters(run) {
  const costs = Object.keys(run.importance);
  const head = el("div", {}, el("h3", {}, "What matters"));
  if (!costs.length) {
    head.append(empty("Importance takes 50 candidates that were scored; there are fewer so far."));
    return head;
  }
  const names = Object.keys(run.importance[costs[0]]);
  const most = (name) => Math.max(...costs.map((c) => run.importance[c][name]));
  names.sort((a, b) => most(b) - most(a));
  const heat = el("div", { class: "heat", style: `grid-template-columns: max-content ${costs.map(() => "1fr 3.2em").join(" ")}` },
    el("span", { class: "head" }, "axis"), costs.map((cost) => [el("span", { class: "head" }, run.objectives[cost].label), el("span")]));
  const top = Math.max(...names.map(most));
  for (const name of names.slice(0, MOST)) {
    heat.append(el("span", { class: "name" }, name), ...costs.flatMap((cost) => {
      const share = run.importance[cost][name];
      return [el("span", { class: "meter" }, el("i", { style: `width:${(100 * share) / top}%` })), el("span", {}, percent(share, 0))];
    }));
  }
  head.append(note("Each axis's share in what makes the best tenth of the candidates the best (PED-ANOVA). A search that looks where it is good sees little of the rest, so this is about the candidates, not the whole space."), heat);
  if (names.length > MOST) head.append(note(`${names.length - MOST} more axes matter less.`));
  return head;
}

function often(run) {
  const head = el("div", {}, el("h3", {}, "What is on the front"));
  if (!run.fronts.length) { head.append(empty(run.missing.front)); return head; }
  head.append(note("How often each choice was made: the bar on the front, the stroke among all candidates."));
  head.append(el("div", { class: "often" }, run.axes.map((one) => {
    const rows = run.frequency[one.name], best = rows.reduce((sum, [a]) => sum + a, 0) || 1, every = rows.reduce((sum, [, b]) => sum + b, 0) || 1;
    return [el("span", { class: "name" }, one.name), el("div", { class: "row" }, rows.map(([a, b], n) =>
      el("div", { title: `${one.choices[n]}: ${a} of ${best} on the front, ${b} of ${every} in all` },
        el("span", {}, one.choices[n]), el("span", { class: "count" }, String(a)),
        el("span", { class: "meter" }, el("i", { style: `width:${(100 * a) / best}%` }), el("u", { style: `left:${(100 * b) / every}%` })))))];
  })));
  return head;
}
