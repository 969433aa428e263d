// What all plots share: they are made when they come into view, and again when colours change.

const COLOURS = ["blue", "green", "purple", "sky", "text"]; // of runs, in their order
const SYMBOLS = ["circle", "square", "triangle-up", "hexagon", "pentagon"];
const runColour = (n) => variable(COLOURS[n % COLOURS.length]);
const runSymbol = (n) => SYMBOLS[n % SYMBOLS.length];

// Plotly reads markup in its texts: what comes from outside is escaped on the way in.
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const CONFIG = {
  displaylogo: false, displayModeBar: matchMedia("(pointer: coarse)").matches ? false : "hover", responsive: true, showTips: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d", "pan2d"],
};
const made = [];

// draw() returns { data, layout }; `ready(node)` is called once, when there is a plot.
function plot(name, draw, ready = null, kind = "") {
  const node = el("div", { class: `plot ${kind}`, role: "img", "aria-label": name });
  const one = { node, shown: false, show };
  function show() {
    if (!window.Plotly) return; // it will be, once it is read
    const { data, layout } = draw();
    if (!one.shown) node.replaceChildren();
    Plotly.react(node, data, framed(layout), CONFIG);
    if (!one.shown && ready) ready(node);
    one.shown = true;
  }
  made.push(one);
  return node;
}

// Plotly's script takes longer to read than all else: the page stands and answers before it is, and
// between it and each plot.
async function startPlots() {
  await turn();
  await readPlotly();
  await turn();
  made.find((one) => one.node === front.node)?.show();
  await turn();
  for (const one of made) if (!one.shown) seen.observe(one.node);
}

// What waits to be answered is, and painted.
const turn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

// From a blob, the browser compiles it beside the page; within the page, where a blob may not run.
function readPlotly() {
  const node = document.getElementById("plotly"), text = node.textContent;
  node.remove();
  const src = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return new Promise((done) => {
    const within = () => done(document.head.append(el("script", {}, text)));
    document.head.append(el("script", { src, onload: done, onerror: within }));
  }).finally(() => URL.revokeObjectURL(src));
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    made.find((one) => one.node === entry.target)?.show();
  }
}, { rootMargin: "300px" });

const recolour = [];
const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => {
  for (const one of made) if (one.shown) one.show();
  for (const again of recolour) again();
});
addEventListener("beforeprint", () => made.forEach((one) => one.shown || one.show()));

function axis(title, more = {}) {
  return {
    title: { text: title, font: { size: 12.5, color: variable("soft") }, standoff: 10 },
    gridcolor: variable("faint"), zeroline: false, linecolor: variable("line"), showline: true,
    tickfont: { size: 11.5, color: variable("soft") }, automargin: true, ...more,
  };
}

function framed(layout) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest",
    font: { family: variable("sans"), color: variable("text"), size: 12 },
    margin: { l: 56, r: 12, t: 14, b: 46 }, dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: variable("line"), activecolor: variable("soft") },
    ...layout,
  };
}

// Points with architectures behind them: hovering tells which, a click selects.
function points(more, ones, x, y) {
  return { type: "scatter", mode: "markers", hoverinfo: "none", x: ones.map(x), y: ones.map(y), ids: null, customdata: ones.map((one) => one.id), ...more };
}

function hearing(node, words = about) {
  node.on("plotly_hover", ({ points: [point], event }) => {
    const one = byId.get(point.customdata);
    if (one) showTip(words(one, point), event.clientX, event.clientY);
  });
  node.on("plotly_unhover", hideTip);
  node.on("plotly_click", ({ points: [point] }) => select(byId.get(point.customdata)));
}

// A legend entry: a small picture of the mark, and what it is.
function mark(kind, colour, text) {
  const stroke = { fill: "none", stroke: colour, "stroke-width": 1.6 };
  const drawn = {
    dot: () => shape("circle", { cx: 8, cy: 7, r: 4.5, fill: colour }),
    faint: () => shape("circle", { cx: 8, cy: 7, r: 3, fill: colour, opacity: 0.5 }),
    ring: () => shape("circle", { cx: 8, cy: 7, r: 4.5, ...stroke }),
    cross: () => shape("path", { d: "M5 4l6 6M11 4l-6 6", ...stroke, opacity: 0.6 }),
    square: () => shape("rect", { x: 4, y: 3, width: 8, height: 8, fill: colour }),
    flag: () => shape("path", { d: "M8 2l5 9h-10z", ...stroke }),
    diamond: () => shape("path", { d: "M8 1l6 6-6 6-6-6z", fill: colour }),
    line: () => shape("path", { d: "M1 7h14", ...stroke, "stroke-width": 2.2 }),
    band: () => shape("rect", { x: 1, y: 3, width: 14, height: 8, fill: colour, opacity: 0.3 }),
  }[kind]();
  return el("span", {}, shape("svg", { width: 16, height: 14, "aria-hidden": "true" }, drawn), text);
}
