"use strict";
// The list of trials: what each compares, how far it is, what was decided.
(() => {
  const { h, fill, get, listen, tag, crumbs, command, keys, say } = Dash;
  const main = document.getElementById("main");
  let rows = new Map(), order = [], folder = "";

  const STATES = { running: "under way", finished: "done", interrupted: "cut short" };
  const line = (row) => {
    const told = row.told;
    if (!told) return h("tr", {}, h("td", {}, h("code", {}, row.file)), h("td", { colspan: 4, class: "quiet" }, "not yet read"));
    if (told.problem) return h("tr", {}, h("td", {}, h("code", {}, row.file)), h("td", { colspan: 4, class: "quiet" }, told.problem));
    const share = told.planned ? (100 * told.done) / told.planned : 0;
    return h("tr", { "data-id": row.id }, h("td", {}, h("a", { href: `/trials/${row.id}` }, h("code", {}, told.name)), h("span", { class: "about" }, row.file)),
      h("td", {}, STATES[told.state] || told.state),
      h("td", {}, told.runs, told.state === "running" ? h("div", { class: "progress", role: "progressbar", "aria-label": `Runs of ${told.name}`, "aria-valuemin": 0, "aria-valuemax": told.planned || 1, "aria-valuenow": told.done },
        h("i", { style: { width: `${share}%` } })) : null),
      h("td", {}, told.arms.join(", ")), h("td", {}, tag(told.verdict), " ", told.verdict.sentence));
  };
  const draw = () => {
    if (!order.length) {
      fill(main, h("div", { class: "hint empty" }, h("h1", {}, "No trials in ", h("code", {}, folder), " yet"),
        h("p", {}, "Try cures on your script, beside no cure and controls:"), command("gradiometer prove train.py")));
      return;
    }
    fill(main, h("h1", { class: "sr" }, "Trials"), h("table", { class: "runs trials" },
      h("thead", {}, h("tr", {}, ["trial", "state", "runs", "arms", "verdict"].map((t) => h("th", { scope: "col" }, t)))),
      h("tbody", {}, order.map((id) => line(rows.get(id))))));
  };
  crumbs("trials");
  keys({}, { "?": "this list" });
  const load = () => get("/api/runs").then((found) => {
    rows = new Map(found.trials.map((row) => [row.id, row]));
    order = found.trials.map((row) => row.id);
    folder = found.folder;
    draw();
  }).catch(Dash.failed);
  load().then(() => listen("/events/runs", {
    rows: (news) => {
      for (const row of news.rows) {
        if (!news.trials.includes(row.id)) continue;
        const before = rows.get(row.id);
        if (row.told && row.told.state === "finished" && before && before.told && before.told.state !== "finished") say(`Trial of ${row.told.name}: ${row.told.verdict.sentence}`, true);
        rows.set(row.id, row);
      }
      order = news.trials;
      draw();
    },
    reset: load,
  }, () => "The list is as it was then."));
})();
