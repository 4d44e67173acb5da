"use strict";
// The list of runs: rows at once, their verdicts as they are computed, live ones as they grow.
(() => {
  const { h, fill, get, say, listen, tag, state, crumbs, command, keys, ago } = Dash;
  const main = document.getElementById("main");
  const SVG = "http://www.w3.org/2000/svg";
  const asked = new URLSearchParams(location.search);
  let rows = new Map(), order = [], folder = "", pending = 0, ready = false;
  let show = asked.get("show") || "all", words = asked.get("filter") || "", sort = asked.get("sort") || "started";
  let upward = asked.get("order") === "up", chosen = 0, marked = [];

  const isLive = (row) => row.state === "live";
  const found = (row) => row.told && row.told.verdict && ["fail", "warn"].includes(row.told.verdict.tone);
  const clear = (row) => row.told && row.told.verdict && row.told.verdict.tone === "healthy";
  const SHOWN = { all: ["All", () => true], live: ["Live", isLive], found: ["Findings", found], clear: ["Nothing found", clear] };

  const number = (value) => (value === null || value === undefined ? Infinity : value);
  const SORTS = {
    state: (row) => row.state, run: (row) => row.name || row.file, loss: (row) => number(row.loss_value),
    needs: (row) => number(row.told && row.told.needs_value), step: (row) => row.step || 0,
    coverage: (row) => number(row.told && row.told.coverage_value), started: (row) => row.started || "",
    verdict: (row) => (row.told && row.told.verdict ? ["fail", "warn", "unknown", "healthy"].indexOf(row.told.verdict.tone) : 9),
  };

  const matches = (row) => {
    const told = row.told || {};
    const text = [row.name, row.file, row.state, told.about, told.why, ...(row.models || []), ...(told.modules || [])];
    return words.toLowerCase().split(/\s+/).every((word) => text.some((t) => t && t.toLowerCase().includes(word)));
  };

  const visible = () => {
    const all = order.map((id) => rows.get(id)).filter((row) => SHOWN[show][1](row) && matches(row));
    const key = SORTS[sort], way = upward ? 1 : -1;
    const bottom = (row) => (row.problem ? 1 : 0);  // what cannot be read stands last, however it is sorted
    return all.sort((a, b) => bottom(a) - bottom(b) || way * (key(a) > key(b) ? 1 : key(a) < key(b) ? -1 : 0));
  };

  const keep = () => {
    const now = new URLSearchParams();
    if (show !== "all") now.set("show", show);
    if (words) now.set("filter", words);
    if (sort !== "started" || upward) { now.set("sort", sort); if (upward) now.set("order", "up"); }
    history.replaceState(null, "", `${location.pathname}${now.size ? `?${now}` : ""}`);
  };

  const mark = (name, props) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(props)) element.setAttribute(key, value);
    return element;
  };
  const path = (values, x, y) => values.reduce((out, v, i) =>
    v === null ? out + " " : `${out}${i && values[i - 1] !== null ? "L" : "M"}${x(i).toFixed(2)} ${y(v).toFixed(2)}`, "");
  const spark = (label, ...marks) => {
    const svg = mark("svg", { class: "spark", viewBox: "0 0 100 34", preserveAspectRatio: "none", role: "img", "aria-label": label });
    svg.append(...marks.filter(Boolean));
    return svg;
  };

  // All profiles share one scale, so that rows can be compared.
  const profile = (told, low, high) => {
    const values = told.profile || [], n = values.length;
    if (n < 2) return "";
    const x = (i) => (100 * i) / (n - 1), y = (v) => 3 + (28 * (high - Math.max(v, low))) / (high - low);
    const line = path(values, x, y), whole = values.every((v) => v !== null);
    const area = whole ? `${line}L100 ${y(0)}L0 ${y(0)}Z` : "";
    return spark(`Error from the loss to the input: ${told.drop} decades`,
      area && mark("path", { class: "fill", d: area }), mark("path", { class: "base", d: `M0 ${y(0)}L100 ${y(0)}` }),
      mark("path", { class: "line error", d: line }));
  };
  const loss = (told, last) => {
    const values = told.curve || [], known = values.filter((v) => v !== null), n = values.length;
    if (n < 2 || !known.length) return "";
    const ordered = [...known].sort((a, b) => a - b), cut = Math.max(8 * ordered[ordered.length >> 1], told.trivial || 0);
    const top = Math.min(ordered[ordered.length - 1], cut > 0 ? cut : Infinity), high = Math.max(top, told.trivial || top);
    const low = Math.min(0, ordered[0]), span = high - low || 1;
    const x = (i) => (100 * i) / (n - 1), y = (v) => 3 + (28 * (high - Math.min(v, high))) / span;
    return spark(`Loss, last ${last}`,
      told.trivial !== null && mark("path", { class: "line dotted", d: `M0 ${y(told.trivial)}L100 ${y(told.trivial)}` }),
      mark("path", { class: "line loss", d: path(values, x, y) }));
  };

  const line = (row, i, low, high) => {
    const told = row.told || {}, name = row.name || row.file;
    if (row.problem) {
      return h("tr", { "data-problem": row.id }, h("td", {}, state("unreadable")), h("td", {}, h("code", {}, row.file)),
        h("td", { colspan: 8, class: "quiet" }, `${row.problem} The other runs are not affected.`));
    }
    const link = h("a", { href: `/runs/${row.id}` }, h("code", {}, name));
    return h("tr", {
      "data-id": row.id, class: `${i === chosen ? "chosen" : ""} ${marked.includes(row.id) ? "marked" : ""}`,
      onclick: (event) => { if (!event.target.closest("a, input")) location.href = link.href; },
    },
    h("td", {}, state(row.state)), h("td", {}, link, h("span", { class: "about" }, told.about || row.file)),
    h("td", { class: "col-profile" }, profile(told, low, high)),
    h("td", {}, told.verdict ? [tag(told.verdict), " ", told.why] : h("span", { class: "quiet" }, "not yet judged")),
    h("td", { class: "col-loss" }, loss(told, row.loss)), h("td", { class: "n col-last" }, row.loss),
    h("td", { class: "n col-needs" }, told.needs || "—"), h("td", { class: "n" }, row.frames),
    h("td", { class: "n col-cover" }, told.coverage || "—"),
    h("td", { class: "n quiet col-start", title: row.started }, ago(row.started, isLive(row))));
  };

  const COLUMNS = [
    ["state", "state", "c-state"], ["run", "run", ""], [null, "error, loss → input", "c-profile col-profile"], ["verdict", "verdict", "c-verdict"],
    [null, "loss", "c-loss col-loss"], ["loss", "last", "c-last n col-last"], ["needs", "layer 1 needs, steps", "c-needs n col-needs"],
    ["step", "recorded", "c-step n"], ["coverage", "coverage", "c-cover n col-cover"], ["started", "started", "c-start n col-start"],
  ];
  const heads = () => h("tr", {}, COLUMNS.map(([key, title, kind]) => h("th", {
    scope: "col", class: kind, "aria-sort": key ? (key === sort ? (upward ? "ascending" : "descending") : "none") : null,
  }, key ? h("button", { type: "button", onclick: () => {
    upward = key === sort ? !upward : key === "run" || key === "state" || key === "verdict";
    sort = key; keep(); draw();
  } }, title + (key === sort ? (upward ? " ↑" : " ↓") : "")) : title)));

  const tools = h("div", { class: "tools" });
  const input = h("input", { type: "search", "aria-label": "Filter by name, cause or module", placeholder: "Filter by name, cause or module", value: words,
    oninput: () => { words = input.value.trim(); chosen = 0; keep(); draw(); } });
  const buttons = h("span", { class: "controls", role: "group", "aria-label": "Which runs" });
  tools.append(buttons, h("label", { class: "filter" }, input, h("kbd", { "aria-hidden": "true" }, "/")));
  const place = h("div"), note = h("p", { class: "foot-note" });

  const scale = () => {
    const all = [...rows.values()].flatMap((row) => (row.told && row.told.profile) || []).filter((v) => v !== null);
    return [Math.floor(Math.min(-3, ...all)), Math.ceil(Math.max(0, ...all))];
  };

  const draw = () => {
    if (!ready) return;
    document.title = "runs · Gradiometer";
    if (!order.length) {
      fill(main, h("div", { class: "hint empty" }, h("h1", {}, "No runs in ", h("code", {}, folder), " yet"),
        h("p", {}, "Watch your script without changing it:"), command("gradiometer run train.py"),
        h("p", { class: "quiet" }, "This page shows it within a second of its first step.")));
      return;
    }
    const all = order.map((id) => rows.get(id));
    fill(buttons, Object.entries(SHOWN).map(([key, [title, test]]) => h("button", {
      type: "button", "aria-pressed": String(key === show), onclick: () => { show = key; chosen = 0; keep(); draw(); },
    }, `${title} ${all.filter(test).length}`)));
    const seen = visible(), [low, high] = scale(), at = document.activeElement, kept = at && at.closest("tr[data-id]");
    const table = h("table", { class: "runs" }, h("thead", {}, heads()), h("tbody", {}, seen.map((row, i) => line(row, i, low, high))));
    if (!place.isConnected) fill(main, h("h1", { class: "sr" }, "Runs"), tools, place, note);
    fill(place, table, seen.length ? null : h("p", { class: "quiet" }, "No run matches."));
    if (kept) { const again = table.querySelector(`tr[data-id="${kept.dataset.id}"] a`); if (again) again.focus(); }
    const kbd = (key) => h("kbd", {}, key);
    fill(note, `Profiles share one scale: ${high > 0 ? `+${high}` : "0"} to −${-low} decades. Dotted: loss of the best constant prediction. `,
      pending ? `${pending} not yet judged. ` : "", kbd("↑"), " ", kbd("↓"), " select ", kbd("↵"), " open ", kbd("x"),
      ` mark two, `, kbd("c"), ` compare${marked.length ? ` (${marked.length} marked)` : ""}`);
  };

  const move = (by) => { chosen = Math.max(0, Math.min(visible().filter((r) => !r.problem).length - 1, chosen + by)); draw();
    const row = place.querySelector("tr.chosen"); if (row) { row.scrollIntoView({ block: "nearest" }); row.querySelector("a").focus(); } };
  const at = () => visible()[chosen];
  keys({
    ArrowDown: () => move(1), ArrowUp: () => move(-1),
    Enter: () => { if (at()) location.href = `/runs/${at().id}`; },
    x: () => { const row = at(); if (!row || row.problem) return;
      marked = marked.includes(row.id) ? marked.filter((id) => id !== row.id) : [...marked.slice(-1), row.id];
      say(`${marked.length} marked.`, true); draw(); },
    c: () => { if (marked.length === 2) location.href = `/compare?a=${marked[0]}&b=${marked[1]}`; else say("Mark two runs with x, then compare.", true); },
    "/": () => input.focus(), Escape: () => input.blur(),
  }, { "↑ ↓": "select a run", "↵": "open it", x: "mark it, two can be compared", c: "compare the two marked", "/": "filter" });

  const take = (document_) => {
    rows = new Map(document_.runs.map((row) => [row.id, row]));
    order = document_.runs.map((row) => row.id);
    folder = document_.folder; pending = document_.pending; ready = true;
    draw();
  };
  const load = () => get("/api/runs").then(take).catch(Dash.failed);
  const merge = (row) => {
    const before = rows.get(row.id), told = row.told && { modules: before && before.told && before.told.modules, ...row.told };
    if (found({ told }) && !(before && found(before))) say(`Finding in ${row.name}: ${row.told.verdict.sentence}`, true);
    rows.set(row.id, { ...row, told });
  };
  crumbs("runs");
  load().then(() => listen("/events/runs", {
    rows: (news) => {
      news.rows.forEach((row) => { if (news.runs.includes(row.id)) merge(row); });
      order = news.runs; pending = news.pending; ready = true;
      draw();
    },
    reset: load, at: () => undefined,
  }, () => "The list is as it was then."));
})();
