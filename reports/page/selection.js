// One architecture is selected everywhere on the page; another may be kept beside it.

const selection = { chosen: null, kept: null };
const listeners = [];

const onSelect = (listener) => listeners.push(listener);

function tell() {
  for (const listener of listeners) listener(selection);
}

function select(one, said = true) {
  if (!one || selection.chosen === one) return;
  selection.chosen = one;
  if (selection.kept === one) selection.kept = null;
  tell();
  if (said) announce(`Selected: ${title(one)}, ${percent(accuracy(one))}, ${ms(time(one))}`);
}

function keep(one) {
  selection.kept = one;
  tell();
  if (one) announce(`${title(one)} stays; the next that is selected is shown beside it`);
}
