// Numbers, each with its unit. What is not there is a dash.

const NONE = "–";
const there = (value) => value !== null && value !== undefined && !Number.isNaN(value);

const digits = (value, n = 3) =>
  value === 0 ? "0" : Math.abs(value) >= 10 ** n ? Math.round(value).toLocaleString("en") : Number(value.toPrecision(n)).toString();
const decimals = (before, n) => Math.min(6, Math.max(0, n - before));
const fixed = (value, n = 3) => {
  const before = value === 0 ? 1 : Math.floor(Math.log10(Math.abs(value))) + 1;
  return value.toFixed(decimals(before, n));
};

const percent = (share, n = 2) => (there(share) ? `${(100 * share).toFixed(n)} %` : NONE);
// Times come in milliseconds; where all of them are far below one, they are shown in microseconds.
const TIMES = { unit: "ms", factor: 1 };
const ms = (value) => (there(value) ? `${fixed(value / TIMES.factor)} ${TIMES.unit}` : NONE);
// A value and its spread, to the same digit, but never a spread of nothing but zeros.
function within(value, spread, unit) {
  if (!there(value)) return NONE;
  const text = fixed(value), after = text.includes(".") ? text.length - text.indexOf(".") - 1 : 0;
  const plain = (spread || 0).toFixed(after);
  return `${text} ± ${spread > 0 && Number(plain) === 0 ? spread.toFixed(after + 1 + Math.floor(-Math.log10(spread * 10 ** after))) : plain} ${unit}`;
}
const us = (value) => (there(value) ? `${fixed(value)} µs` : NONE);
const count = (value) => (there(value) ? value.toLocaleString("en") : NONE);

function bytes(value) {
  if (!there(value)) return NONE;
  for (const [unit, size] of [["MB", 1e6], ["kB", 1e3]]) if (value >= size) return `${fixed(value / size)} ${unit}`;
  return `${value} B`;
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function many(value) {
  if (!there(value)) return NONE;
  if (value >= 1e12) {
    const power = Math.floor(Math.log10(value));
    return `${fixed(value / 10 ** power)} × 10${[...String(power)].map((digit) => RAISED[digit]).join("")}`;
  }
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) if (value >= size) return `${fixed(value / size)} ${unit}`;
  return digits(value);
}

function seconds(value) {
  if (!there(value)) return NONE;
  if (value >= 7200) return `${(value / 3600).toFixed(1)} h`;
  if (value >= 120) return `${(value / 60).toFixed(value < 600 ? 1 : 0)} min`;
  return `${fixed(value, 2)} s`;
}

const WRITTEN = { ms, bytes, count: many, share: percent, "": (value) => (there(value) ? digits(value, 4) : NONE) };

// By what an axis of a plot is divided, so that its numbers are short: [factor, unit].
function scaled(unit, largest) {
  if (unit === "bytes") return largest >= 1e6 ? [1e6, "MB"] : [1e3, "kB"];
  if (unit === "count") return largest >= 1e9 ? [1e9, "G"] : largest >= 1e6 ? [1e6, "M"] : [1e3, "k"];
  return unit === "ms" ? [TIMES.factor, TIMES.unit] : [1, unit];
}

const timeWithin = (value, spread) => (there(value) ? within(value / TIMES.factor, spread / TIMES.factor, TIMES.unit) : NONE);
