// Elements. Whatever comes from outside goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const shape = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const body = (section) => document.querySelector(`#${section} .body`);
const empty = (text) => el("p", { class: "empty" }, text);
const note = (...text) => el("p", { class: "note" }, ...text);
const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// A choice, its label before it: [[value, text], ...].
function choose(label, options, changed) {
  const select = el("select", { onchange: () => changed(select.value) });
  for (const [value, text] of options) select.append(el("option", { value }, text));
  return el("label", {}, label, select);
}

function command(text) {
  const button = el("button", { type: "button", "aria-label": "Copy the command" }, "Copy");
  const code = el("code", {}, text);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // no clipboard here: at least it is marked
      button.textContent = "Marked";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return el("div", { class: "command" }, code, button);
}

const tip = document.getElementById("tip");

// `stays`: while the page scrolls, as one that was called up by a key does.
function showTip(content, x, y, stays = false) {
  tip.stays = stays;
  tip.replaceChildren(...content.filter(Boolean));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = x + 16 + width > innerWidth ? Math.max(8, x - width - 16) : x + 16;
  tip.style.left = `${left}px`;
  tip.style.top = `${Math.max(8, Math.min(y + 12, innerHeight - height - 8))}px`;
}

const hideTip = () => (tip.hidden = true);
addEventListener("scroll", () => tip.stays || hideTip(), { passive: true });
addEventListener("keydown", (event) => event.key === "Escape" && hideTip());

const announce = (text) => (document.getElementById("said").textContent = text);
