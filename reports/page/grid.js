// A table: sorted by its headings, walked through by arrow keys, Enter selects.

// columns: { name, of(row) -> number or text, written(row) -> text or nodes, text: to the left, long: wide, wraps, highFirst }
function grid(columns, options = {}) {
  const head = el("tr"), rowsBody = el("tbody");
  const table = el("table", { class: "grid", "aria-label": options.label }, el("thead", {}, head), rowsBody);
  const state = { rows: [], by: options.by ?? null, down: Boolean(options.down), first: 0 };
  const page = options.page || Infinity;
  const foot = el("div", { class: "controls" });

  columns.forEach((column, n) => {
    const button = el("button", { type: "button", onclick: () => sortBy(n) }, column.name);
    head.append(el("th", { scope: "col", class: column.text ? "t" : "" }, button));
  });

  function sortBy(n) {
    state.down = state.by === n ? !state.down : Boolean(columns[n].highFirst);
    state.by = n;
    state.first = 0;
    show();
  }

  function ordered() {
    if (state.by === null) return state.rows;
    const { of } = columns[state.by], sign = state.down ? -1 : 1;
    const keyed = state.rows.map((row) => [of(row), row]);
    keyed.sort(([a], [b]) => {
      if (!there(a) || !there(b)) return there(b) - there(a); // what is not there stands last
      return sign * (typeof a === "number" ? a - b : String(a).localeCompare(String(b)));
    });
    return keyed.map(([, row]) => row);
  }

  function show() {
    [...head.children].forEach((cell, n) => {
      if (n === state.by) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
      cell.firstChild.textContent = columns[n].name + (n === state.by ? (state.down ? " ↓" : " ↑") : "");
    });
    state.ordered = ordered();
    rowsBody.replaceChildren(...state.ordered.slice(state.first, state.first + page).map(rowOf));
    if (rowsBody.firstChild && options.select !== false) rowsBody.firstChild.tabIndex = 0;
    mark();
    if (page < Infinity) pages();
  }

  function rowOf(row) {
    const id = options.select === false ? null : row.id;
    const cells = columns.map((column) => el("td", { class: [column.text && "t", column.long && "long", column.wraps && "wraps"].filter(Boolean).join(" ") || null }, column.written(row)));
    return el("tr", { "data-id": id, tabindex: id ? -1 : null, class: options.off && options.off(row) ? "off" : null }, cells);
  }

  function pages() {
    const all = state.rows.length, last = Math.min(state.first + page, all);
    const go = (to) => () => { state.first = to; show(); };
    foot.replaceChildren(
      el("button", { type: "button", disabled: state.first === 0, onclick: go(Math.max(0, state.first - page)) }, "‹ Before"),
      el("span", {}, all ? `${count(state.first + 1)} to ${count(last)} of ${count(all)}` : "none"),
      el("button", { type: "button", disabled: last >= all, onclick: go(state.first + page) }, "Next ›"),
    );
  }

  function mark() {
    for (const row of rowsBody.children) {
      const chosen = selection.chosen && row.dataset.id === selection.chosen.id;
      row.classList.toggle("chosen", Boolean(chosen));
      row.classList.toggle("kept", Boolean(selection.kept && row.dataset.id === selection.kept.id));
      if (row.dataset.id) row.setAttribute("aria-selected", String(Boolean(chosen)));
    }
  }

  rowsBody.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-id]");
    if (row) { reach(row); select(byId.get(row.dataset.id)); }
  });
  rowsBody.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr[data-id]");
    if (!row) return;
    const to = { ArrowDown: row.nextSibling, ArrowUp: row.previousSibling, Home: rowsBody.firstChild, End: rowsBody.lastChild }[event.key];
    if (event.key === "Enter" || event.key === " ") select(byId.get(row.dataset.id));
    else if (to) { reach(to); to.focus(); }
    else return;
    event.preventDefault();
  });

  function reach(row) {
    for (const other of rowsBody.children) other.tabIndex = -1;
    row.tabIndex = 0;
  }

  if (options.select !== false) onSelect(mark);
  const scroll = el("div", { class: options.low ? "scroll low" : "scroll" }, table);
  return {
    node: el("div", {}, scroll, page < Infinity && foot),
    set(rows) { state.rows = rows; state.first = 0; show(); },
    ordered: () => state.ordered,
  };
}
