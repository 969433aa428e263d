// The front before Plotly is there: the same traces on a canvas, as they will lie. A click selects
// the nearest mark.

function sketch(node, { data, layout }) {
  const { l, r, t, b } = layout.margin, { clientWidth: width, clientHeight: height } = node;
  const canvas = el("canvas", { class: "sketch", width: width * devicePixelRatio, height: height * devicePixelRatio });
  const right = 1.05 * most(data, "x"), high = most(data, "y"), low = -most(data, "y", -1), room = 0.06 * (high - low) || 1;
  const left = (x) => l + (x / right) * (width - l - r);
  const top = (y) => height - b - ((y - low + room) / (high - low + 2 * room)) * (height - t - b);
  const pen = canvas.getContext("2d"), marks = [];
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.strokeStyle = variable("line");
  pen.strokeRect(l, -1, width, height - b + 1);
  for (const trace of data) {
    if (trace.mode === "lines") drawLine(pen, trace, left, top);
    else trace.x.forEach((x, n) => {
      marks.push({ id: trace.customdata[n], left: left(x), top: top(trace.y[n]) });
      drawMark(pen, trace.marker, n, left(x), top(trace.y[n]));
    });
  }
  canvas.addEventListener("click", ({ offsetX, offsetY }) => {
    const away = (mark) => Math.hypot(mark.left - offsetX, mark.top - offsetY);
    const nearest = marks.reduce((one, mark) => (!one || away(mark) <= away(one) ? mark : one), null);
    if (nearest && away(nearest) < 20) select(byId.get(nearest.id));
  });
  canvas.marks = marks;
  node.append(canvas);
}

function most(data, part, sign = 1) {
  return data.reduce((best, trace) => trace[part].reduce((a, value) => (there(value) ? Math.max(a, sign * value) : a), best), -Infinity);
}

function drawLine(pen, { x, y, line, opacity = 1 }, left, top) {
  Object.assign(pen, { strokeStyle: line.color, lineWidth: line.width, globalAlpha: opacity });
  pen.beginPath();
  x.forEach((value, n) => {
    if (!there(value)) return;
    const begins = n === 0 || !there(x[n - 1]);
    if (!begins && line.shape === "hv") pen.lineTo(left(value), top(y[n - 1]));
    pen[begins ? "moveTo" : "lineTo"](left(value), top(y[n]));
  });
  pen.stroke();
}

function drawMark(pen, { color, size, opacity = 1, symbol = "circle" }, n, left, top) {
  const kind = Array.isArray(symbol) ? symbol[n] : symbol, half = size / 2;
  Object.assign(pen, { fillStyle: color, strokeStyle: color, lineWidth: 1.3, globalAlpha: Array.isArray(opacity) ? opacity[n] : opacity });
  pen.beginPath();
  if (kind.startsWith("square")) pen.rect(left - half, top - half, size, size);
  else pen.arc(left, top, half, 0, 7);
  pen[kind.endsWith("-open") || kind === "x-thin" ? "stroke" : "fill"]();
}
