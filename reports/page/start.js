// The head, what was asked, and everything in its place.

function showHead() {
  const states = document.getElementById("states");
  RUNS.forEach((run) => states.append(el("p", { class: "lead" }, SEVERAL && el("b", {}, `${run.name}: `), run.state)));
  DATA.apart.forEach((said) => states.append(empty(said)));
  const fronts = RUNS.flatMap((run) => run.fronts).filter(placed), figures = [];
  const figure = (value, said) => figures.push(el("div", { class: "figure" }, el("b", {}, value), el("span", {}, said)));
  if (fronts.length) {
    const best = fronts.reduce((a, b) => (accuracy(b) > accuracy(a) ? b : a)), quick = fronts.reduce((a, b) => (time(b) < time(a) ? b : a));
    const knee = fronts.find((one) => one.knee);
    figure(percent(accuracy(best), 1), `the most accurate, at ${ms(time(best))}`);
    if (knee) figure(ms(time(knee)), `the knee${SEVERAL ? ` of ${runName(knee)}` : ""}, at ${percent(accuracy(knee), 1)}`);
    if (quick !== best) figure(ms(time(quick)), `the fastest, at ${percent(accuracy(quick), 1)}`);
  }
  const known = RUNS[0].space.architectures;
  figure(count(RUNS.reduce((sum, run) => sum + run.trials.key.length, 0)), known ? `candidates, of ${RUNS[0].space.exact === false ? "at most " : ""}${known >= 1e6 ? many(known) : count(known)} architectures` : "candidates");
  const spent = RUNS.reduce((sum, run) => sum + run.phases.reduce((all, phase) => all + (phase.seconds || 0), 0) + run.retraining_seconds, 0);
  if (spent) figure(seconds(spent), "spent in all");
  document.getElementById("figures").append(...figures);
}

function facts(rows) {
  return el("table", { class: "numbers" }, el("tbody", {}, rows.filter(([, value]) => there(value) && value !== "").map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, String(value))))));
}

const written = (value) => (Array.isArray(value) ? value.join(", ") : typeof value === "object" && value !== null ? JSON.stringify(value) : value === null ? null : String(value));

function showRun() {
  const section = body("run");
  RUNS.forEach((run) => {
    if (SEVERAL) section.append(el("h3", {}, run.name));
    const { machine, versions, commit, made: when } = run.about, { classes, shape: size, ...data } = run.data;
    const costs = run.phases.map((phase) => [`${phase.phase}${phase.done ? "" : " (not done)"}`, seconds(phase.seconds)]);
    section.append(el("div", { class: "facts" },
      el("div", {}, el("h3", {}, "Asked"), facts(Object.entries(run.asked).map(([name, value]) => [name.replaceAll("_", " "), written(value)]))),
      el("div", {}, el("h3", {}, "Data"), facts([...Object.entries(data).map(([name, value]) => [name, typeof value === "number" ? count(value) : written(value)]), ["size", size && size.join("×")], ["classes", classes && (classes.length > 12 ? `${classes.length}: ${classes.slice(0, 12).join(", ")}, …` : classes.join(", "))]]),
        el("h3", {}, "Time spent"), facts([...costs, ["retraining", run.retraining_seconds ? seconds(run.retraining_seconds) : null]])),
      el("div", {}, el("h3", {}, "Machine of the search"), facts(machine ? [["CPU", machine.cpu], ["cores", machine.cores], ["instructions", written(machine.flags)], ["system", machine.system], ["name", machine.name]] : [["", "not noted"]]),
        el("h3", {}, "Versions"), facts([...Object.entries(versions || {}), ["commit", commit], ["begun", when]]))));
    const { search, report, dashboard } = run.commands;
    section.append(el("h3", {}, "Commands"),
      search && el("p", { class: "note" }, "The search, again or on from where it stopped:"), search && command(search),
      el("p", { class: "note" }, "This page, again, also while the search runs:"), command(report),
      el("p", { class: "note" }, "Optuna's own dashboard on its study (pip install optuna-dashboard):"), command(dashboard));
  });
  document.getElementById("foot").textContent = `Made ${DATA.made.replace("T", " ").replace("+00:00", " UTC")}. The same as text and tables: the Markdown file and the CSV files beside this page.`;
}

showHead();
showFront();
showCards();
showChoices();
showGrowth();
showTime();
showFidelity();
showKernels();
showCandidates();
showRun();
const fronts = RUNS.flatMap((run) => run.fronts);
select(fronts.find((one) => one.knee) || fronts[0] || everyOne()[0], false);
if (!selection.chosen) tell();
document.documentElement.dataset.ready = "yes";
startPlots();
