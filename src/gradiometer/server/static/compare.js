"use strict";
// Two runs beside each other, at a step that both have recorded.
(() => {
  const { h, fill, get, say, listen, crumbs, command, keys, figure, count } = Dash;
  const main = document.getElementById("main");
  const asked = new URLSearchParams(location.search), a = asked.get("a") || "", b = asked.get("b") || "";
  let step = asked.has("step") ? Number(asked.get("step")) : null, found = null, loading = false, again = false;

  const headline = h("h1"), pairs = h("div", { class: "pairs" }), note = h("p", { class: "small quiet" });
  const profile = figure("compare"), losses = figure("losses"), differs = h("div"), outcome = h("div"), prove = h("div");
  const range = h("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "Step of both", oninput: () => go(Number(range.value)) });
  const slider = h("label", { class: "controls slider" }, "step ", range);
  const page = () => [h("div", { class: "head" }, h("div", {}, headline, pairs)), h("div", { class: "two" },
    h("div", {}, profile, slider, note, prove), h("div", {}, differs, outcome, h("h2", {}, "Training loss"), losses))];

  const name = (letter, run, words) => h("span", {}, h("b", {}, letter), " ", h("a", { href: `/runs/${run.id}` }, h("code", {}, run.name)), ` ${words}`);
  const table = (head, rows) => h("table", {}, h("thead", {}, h("tr", {}, head.map((t, i) => h("th", { scope: "col", class: i ? "n" : null }, t)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, i) => h(i ? "td" : "th", { class: i ? "n" : null, scope: i ? null : "row" }, cell))))));

  const draw = () => {
    if (!profile.isConnected) fill(main, page());
    headline.textContent = found.headline;
    document.title = "compare · Gradiometer";
    fill(pairs, name("A", found.a, "thin, hollow"), name("B", found.b, "thick, filled"), h("span", {}, found.at));
    profile.hidden = !found.chart;
    if (found.chart) profile.show(found.chart, found.label, found.table);
    note.textContent = found.note;
    const steps = found.steps;
    slider.hidden = steps.length < 2;
    range.max = Math.max(0, steps.length - 1);
    range.value = Math.max(0, steps.indexOf(found.step));
    range.setAttribute("aria-valuetext", found.at);
    range.style.setProperty("--at", `${(100 * range.value) / Math.max(1, range.max)}%`);
    fill(differs, h("h2", {}, "What differs"), found.differs.length ? table(["setting", "A", "B"], found.differs.map((d) => [d.name, d.a, d.b])) : null, h("p", { class: "small quiet" }, found.equal));
    fill(outcome, h("h2", {}, "Outcome"), table(["quantity", "A", "B", "B against A"], found.outcome.map((o) => [o.name, o.a, o.b, o.against])));
    losses.hidden = !found.losses;
    if (found.losses) losses.show(found.losses.chart, found.losses.label, found.losses.table);
    fill(prove, h("p", { class: "small" }, "One pair of runs shows a difference, not a cure.", found.command ? " To prove one:" : ""), found.command ? command(found.command) : null);
  };
  const load = async () => {
    if (loading) { again = true; return; }
    loading = true;
    try {
      const at = step === null ? "" : `&step=${step}`;
      found = await get(`/api/compare?a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}${at}`);
      draw();
    } catch (error) { Dash.failed(error); } finally { loading = false; }
    if (again) { again = false; await load(); }
  };
  const go = (index) => {
    const steps = found.steps, at = Math.max(0, Math.min(steps.length - 1, index));
    step = at === steps.length - 1 ? null : steps[at];
    const now = new URLSearchParams({ a, b });
    if (step !== null) now.set("step", step);
    history.replaceState(null, "", `${location.pathname}?${now}`);
    load().then(() => say(`Step ${count(steps[at])}. ${found.label}`));
  };
  const by = (n) => { if (found && found.steps.length) go(found.steps.indexOf(found.step) + n); };

  crumbs(h("a", { href: "/" }, "runs"), "compare");
  keys({ ArrowLeft: () => by(-1), ArrowRight: () => by(1), Home: () => go(0), End: () => go(Infinity) },
    { "← →": "the recorded step before, after", "Home End": "first and last step" });
  load().then(() => listen("/events/runs", {
    rows: (news) => { if (step === null && news.rows.some((row) => row.id === a || row.id === b)) load(); },
    reset: load,
  }, () => (found ? `Showing both ${found.at}.` : "")));
})();
