"use strict";
// One run: the loss is the slider, the profile stands at its step, gains left, findings right; live while it trains.
(() => {
  const { h, fill, get, say, listen, tag, crumbs, command, keys, figure, count, STATES } = Dash;
  const main = document.getElementById("main");
  const id = location.pathname.split("/").pop();
  const PLAY_MS = 8000, PLAY_STEPS = 160, AT_ONCE = 4, STILL_MS = 1000, STILL_STEPS = 8;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const asked = new URLSearchParams(location.search);
  let run = null, model = asked.get("model") || "", site = asked.get("site") || "";
  let step = asked.has("step") ? Number(asked.get("step")) : null;  // null: the newest, as it comes
  let shown = null, playing = 0, hush = () => undefined;
  const cache = new Map(), flying = new Map();

  const query = () => (model ? `?model=${encodeURIComponent(model)}` : "");
  const keep = () => {
    const now = new URLSearchParams();
    if (asked.get("model") || (run && model !== run.models[0])) now.set("model", model);
    if (step !== null) now.set("step", step);
    if (site) now.set("site", site);
    history.replaceState(null, "", `${location.pathname}${now.size ? `?${now}` : ""}`);
  };

  // ---- parts of the page that stay

  const tags = h("div", { class: "tags" }), headline = h("h1"), notes = h("div"), lead = h("p", { class: "lead" });
  const playButton = h("button", { type: "button", class: "play", onclick: () => play() }, "▶ Play");
  const liveButton = h("button", { type: "button", class: "play", onclick: () => goLive() }, "Go live");
  const models = h("select", { "aria-label": "Model", onchange: () => { model = models.value; step = null; cache.clear(); load(); } });
  const lossBox = figure("loss"), needle = h("div", { class: "needle", "aria-hidden": "true" });
  const range = h("input", { type: "range", min: 0, max: 1, step: 1, "aria-label": "Step", oninput: () => { stop(); go(nearest(Number(range.value))); } });
  const ticks = h("div", { class: "ticks", "aria-hidden": "true" });
  const lossChart = lossBox.querySelector(".chart");
  const slider = h("div", { class: "slider" }, h("div", { style: { position: "relative" } }, lossChart, needle), range, ticks, lossBox);
  const gains = h("div"), profileTitle = h("h2"), profile = figure("profile"), beyond = h("p", { class: "small" });
  const detail = h("div"), middle = h("div", { class: "panel middle" }, profileTitle, profile, beyond, detail);
  const findings = h("div"), happened = h("ul", { class: "happened" });
  const board = h("div", { class: "board" }, gains, middle, h("div", { class: "right" }, findings, h("h2", { class: "sr" }, "What happened"), happened));
  const facts = h("dl", { class: "facts" }), missed = h("div");

  // ---- steps

  const steps = () => run.steps;
  const newest = () => steps()[steps().length - 1];
  const nearest = (wanted) => {
    let best = steps()[0];
    for (const s of steps()) if (Math.abs(s - wanted) <= Math.abs(best - wanted)) best = s;
    return best;
  };
  const fetchStep = (which) => {
    if (cache.has(which)) return Promise.resolve(cache.get(which));
    if (!flying.has(which)) {
      flying.set(which, get(`/api/runs/${id}/steps/${which}${query()}`).then((found) => {
        cache.set(which, found);
        if (cache.size > 600) cache.delete(cache.keys().next().value);
        return found;
      }).finally(() => flying.delete(which)));
    }
    return flying.get(which);
  };

  const go = (which, mine = which) => {  // mine: what the address keeps; null follows the newest
    step = mine;
    keep();
    place(which);
    fetchStep(which).then((found) => { if (place.at === which) drawStep(found, which); }).catch((error) => say(error.message, true));
  };
  const goLive = () => { stop(); if (steps().length) go(newest(), null); };
  const by = (n) => {
    stop();
    const at = steps().indexOf(nearest(place.at ?? newest()));
    go(steps()[Math.max(0, Math.min(steps().length - 1, at + n))]);
  };

  const place = (which) => {
    place.at = which;
    const [first, last] = run.loss_chart ? run.loss_chart.steps : [0, 1], share = (which - first) / Math.max(1, last - first);
    range.min = first; range.max = last; range.value = which;
    range.setAttribute("aria-valuetext", `step ${which}${step === null ? ", the newest" : ""}`);
    range.style.setProperty("--at", `${100 * share}%`);
    needle.style.left = `calc(48px + ${share} * (100% - 60px))`;
    drawTicks(first, last, which, share);
    liveButton.hidden = step === null || run.state !== "live";
  };
  const drawTicks = (first, last, which, share) => {
    const raw = (last - first) / 6 || 1, ten = 10 ** Math.floor(Math.log10(raw));
    const every = Math.max(1, [1, 2, 5, 10].map((m) => m * ten).find((m) => m >= raw));
    const marks = [];
    for (let at = Math.ceil(first / every) * every; at <= last; at += every) marks.push(at);
    const spot = (at) => (at - first) / Math.max(1, last - first);
    const free = marks.filter((at) => Math.abs(spot(at) - share) > 0.07 && spot(at) < 0.97);
    const now = h("span", { class: `now${share > 0.94 ? " end" : ""}`, style: { left: `${100 * share}%` } }, `step ${count(which)}`);
    fill(ticks, free.map((at) => h("span", { style: { left: `${100 * spot(at)}%` } }, count(at))), now);
  };

  // ---- play: 8 s whatever the length

  const stop = () => { if (playing) { clearInterval(playing); cancelAnimationFrame(playing); } playing = 0; playButton.textContent = "▶ Play"; playButton.setAttribute("aria-pressed", "false"); };
  const play = () => {
    if (playing) { stop(); return; }
    const all = steps(), most = still ? STILL_STEPS : PLAY_STEPS;
    if (all.length < 2) return;
    const from = step === null || place.at === newest() ? 0 : all.indexOf(nearest(place.at));
    const left = all.slice(from), n = Math.min(left.length, most);
    const film = [...new Set([...Array(n).keys()].map((k) => left[Math.round((k * (left.length - 1)) / Math.max(1, n - 1))]))];
    const queue = film.filter((s) => !cache.has(s));
    const next = () => { const s = queue.shift(); if (s !== undefined && playing) fetchStep(s).finally(next); };
    playButton.textContent = "❚❚ Pause"; playButton.setAttribute("aria-pressed", "true");
    const begun = performance.now(), whole = still ? STILL_MS * film.length : PLAY_MS;
    let drawn = -1;
    const tick = () => {
      const at = Math.min(film.length - 1, Math.floor(((performance.now() - begun) / whole) * film.length));
      if (at !== drawn && (still || cache.has(film[at]) || at === film.length - 1)) { drawn = at; go(film[at]); }
      if (at === film.length - 1) { stop(); return; }
      if (!still) playing = requestAnimationFrame(tick);
    };
    playing = still ? setInterval(tick, STILL_MS) : requestAnimationFrame(tick);
    for (let k = 0; k < AT_ONCE; k += 1) next();
    if (still) tick();
  };

  // ---- drawing

  const drawStep = (found, which) => {
    shown = found;
    if (found === null) {
      profileTitle.textContent = `Error profile at step ${count(which)}`;
      profile.hidden = true; fill(gains); fill(beyond, "Nothing of the error was measured at this step."); fill(detail);
      return;
    }
    profile.hidden = false;
    profileTitle.textContent = found.title;
    profile.show(found.chart, found.label, found.table);
    fill(beyond, found.beyond);
    beyond.className = found.gains.some((g) => g.beyond) ? "small fail-word" : "small quiet";
    drawGains(found);
    drawSite(found);
    say(found.label);
  };

  const drawGains = (found) => {
    const known = found.gains.map((g) => g.decades).filter((d) => d !== null), limits = found.limits.map((l) => l.decades);
    const low = Math.min(-0.3, ...known, ...limits), high = Math.max(0.1, ...known, ...limits), x = (d) => (100 * (d - low)) / (high - low);
    const row = (g) => h("tr", { class: g.beyond ? "beyond" : "", "aria-current": g.site === site && site ? "true" : null },
      h("th", { scope: "row", title: g.label }, h("button", { type: "button", "data-site": g.site, onclick: () => { site = site === g.site ? "" : g.site; keep(); drawStep(shown, place.at); } }, g.label)),
      h("td", {}, h("div", { class: "hop", "aria-hidden": "true" }, g.decades === null ? null : h("i", { style: { left: `${x(Math.min(g.decades, 0))}%`, width: `${Math.abs(x(g.decades) - x(0))}%` } }),
        h("b", { style: { left: `${x(0)}%` } }), limits.map((d) => h("u", { style: { left: `${x(d)}%` } })))),
      h("td", { class: "n" }, g.words));
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.site : null;
    fill(gains, h("h2", {}, "Gain of each hop"), h("p", { class: "small quiet" }, "loss on top, input below", found.limits.length ? `; dotted: ${found.limits.map((l) => l.words).join(", ")}` : ""),
      h("table", { class: "gains" }, h("caption", { class: "sr" }, "Gain of each hop"), h("tbody", {}, found.gains.map(row))),
      h("div", { class: "gain-foot", "aria-hidden": "true" }, h("span", {}, "loses"), h("span", {}, "grows")));
    if (focused) { const again = gains.querySelector(`[data-site="${CSS.escape(focused)}"]`); if (again) again.focus(); }
  };

  const drawSite = (found) => {
    const row = site && found.table.rows.find((r) => r[0] === site);
    if (!site) { fill(detail); return; }
    fill(detail, h("h2", {}, "At ", h("code", {}, site)), row ? h("table", {}, h("tbody", {}, found.table.head.slice(1).map((head, i) =>
      row[i + 1] && h("tr", {}, h("th", { scope: "row" }, head), h("td", { class: "n" }, row[i + 1]))))) : h("p", { class: "small" }, "No site of this name is on the trunk."));
  };

  const drawHead = () => {
    const live = run.state === "live", last = steps().length ? `, step ${count(newest())}` : "";
    fill(tags, h("span", { class: "pill" }, live ? h("i", { class: "dot", "aria-hidden": "true" }) : null, `${STATES[run.state] || run.state}${last}`),
      tag(run.verdict, run.verdict.since), run.partial ? tag({ tone: "warn", tag: run.partial }) : null, run.verdict.cause ? h("span", { class: "cause" }, run.verdict.cause) : null);
    headline.textContent = run.verdict.sentence;
    lead.textContent = run.lead;
    const killed = run.state === "killed" ? ["Its process ended without closing the file; what it had recorded by then is here."] : [];
    const told = [...killed, ...run.notes.filter((words) => !(live || killed.length) || !words.startsWith("still running")), ...(run.problem ? [run.problem] : [])];
    fill(notes, told.map((words) => h("p", { class: "state" }, h("b", {}, "! "), words)));
    document.title = `${run.name} · Gradiometer`;
    crumbs(h("a", { href: "/" }, "runs"), h("code", {}, run.name));
    fill(models, run.models.map((name) => h("option", { value: name, selected: name === model }, name)));
    models.hidden = run.models.length < 2;
  };

  const drawLoss = () => {
    slider.hidden = !run.loss_chart;
    if (run.loss_chart) lossBox.show(run.loss_chart.chart, run.loss_chart.label, run.loss_chart.table);
  };

  const card = (f) => h("article", { class: `card slim ${f.verdict.tone}` }, h("div", {}, tag(f.verdict), " ", h("span", { class: "cause" }, f.verdict.cause)),
    h("h3", {}, f.verdict.sentence), h("p", { class: "small" }, f.where),
    h("table", {}, h("tbody", {}, f.evidence.map((e) => h("tr", { title: e.source }, h("th", { scope: "row" }, `${e.sign} ${e.quantity}`.trim()),
      h("td", { class: e.beyond ? "n bad" : "n" }, e.measured), h("td", { class: "n quiet" }, e.limit === "—" ? "" : `limit ${e.limit}`))))),
    f.alternatives.length ? h("p", { class: "small" }, h("b", {}, "Considered as well: "), f.alternatives.flatMap((a, i) => [i ? "; " : "", h("code", {}, a.cause), `, ${a.reason}`]), ".") : null);
  const drawFindings = () => {
    fill(findings, run.findings.map(card), run.command ? [h("p", { class: "small" }, "Try its cures beside no cure:"), command(run.command)] : null,
      run.groups && !run.findings.length ? h("div", { class: "panel" }, h("p", { class: "small" }, run.groups)) : null);
    fill(happened, run.events.map((e) => h("li", {}, h("button", { type: "button", onclick: () => { stop(); go(nearest(e.step)); } }, `step ${count(e.step)}`),
      h("span", {}, e.words, e.cause ? [": ", h("code", {}, e.cause)] : null))));
    fill(facts, run.facts.map((f) => h("div", { class: f.beyond ? "beyond" : "" }, h("dt", {}, f.number), h("dd", {}, f.name), h("dd", {}, f.reference))));
    fill(missed, run.missed.length ? h("details", {}, h("summary", {}, `${run.missed.length} not measured`), h("ul", {}, run.missed.map((m) => h("li", {}, h("code", {}, m.site), `: ${m.reason}`)))) : null);
  };

  const drawWaiting = () => {
    const dots = Array.from({ length: Math.min(run.sites, 40) }, () => h("i"));
    profileTitle.textContent = "Error profile";
    profile.hidden = true;
    fill(detail, run.no_profile ? h("p", {}, run.no_profile) : h("div", { class: "waiting" },
      h("div", { class: "ends" }, h("span", {}, "LOSS"), h("span", {}, "INPUT")), h("div", { class: "line", "aria-hidden": "true" }, dots),
      h("p", { class: "small" }, run.sites ? `${run.sites} sites found, first backward pass not seen yet` : "No site is known yet: the first backward pass was not seen.")));
  };

  const draw = () => {
    drawHead(); drawFindings();
    playButton.hidden = steps().length < 2;
    if (!main.contains(board)) {
      fill(main, h("div", { class: "head" }, h("div", {}, tags, headline, lead, notes),
        h("div", { class: "controls" }, models, liveButton, playButton, h("span", { class: "keys", "aria-hidden": "true" }, h("kbd", {}, "space"), "play", h("kbd", {}, "←"), h("kbd", {}, "→"), "step", h("kbd", {}, "g"), "go live"))),
        slider, board, facts, missed);
    }
    drawLoss();
    if (!steps().length || run.no_profile) { if (run.loss_chart) place(run.loss_chart.steps[1]); drawWaiting(); return; }
    go(step === null ? newest() : nearest(step), step === null ? null : nearest(step));
  };

  // ---- live

  const grown = (news) => {
    if (!run) return;
    const behind = news.before.last !== (steps().length ? newest() : -1) || !news.whole;
    run.state = news.at.state;
    if (behind) { reload(); return; }
    run.steps.push(...news.steps);
    if (!lengthen(news)) { reload(); return; }
    drawHead();
    if (place.at !== undefined) place(place.at);
    if (news.steps.length) say(`Step ${newest()}.`);
  };
  // The newest step, drawn; where many runs grow at once it comes a little after its number.
  const pictured = (found) => {
    if (!run || found === null) return;
    cache.set(found.step, found);
    if (step !== null || playing || found.step !== newest()) return;
    if (profile.hidden || !shown) draw(); else go(found.step, null);
  };
  // The loss chart takes new points as they are, while they have room on its scale.
  const lengthen = (news) => {
    const told = run.loss_chart;
    if (!told) return false;
    const { decades, cut } = told, trace = told.chart.traces[0], layout = told.chart.layout, [low, high] = layout.yaxis.range;
    for (const [at, value] of news.losses) {
      const y = value === null ? null : decades ? (value > 0 ? Math.log10(value) : null) : Math.min(value, cut ?? Infinity);
      if (y !== null && (y < low || y > high)) return false;
      trace.x.push(at); trace.y.push(y); trace.customdata.push(value === null ? "—" : value.toPrecision(3));
      told.steps[1] = Math.max(told.steps[1], at);
    }
    for (const at of news.steps) told.steps[1] = Math.max(told.steps[1], at);
    if (trace.x.length > 6000) return false;
    layout.xaxis.range = [told.steps[0], told.steps[1]];
    layout.shapes.filter((s) => s.type === "rect").forEach((s) => { s.x1 = told.steps[1]; });
    Gradiometer.draw(lossChart, told.chart);
    return true;
  };

  let loading = null;
  const reload = () => { loading ??= load().finally(() => { loading = null; }); };
  const take = (found) => {
    const before = run;
    run = found;
    model = found.model;
    if (before) {
      const known = new Set(before.findings.map((f) => f.verdict.cause));
      found.findings.filter((f) => !known.has(f.verdict.cause)).forEach((f) => say(`Finding: ${f.verdict.sentence}`, true));
      if (JSON.stringify(known.size) !== JSON.stringify(found.findings.length)) cache.clear();
    }
    draw();
  };
  // A page that was opened together with its training waits for the file: torch takes a while to import.
  const patiently = async () => {
    if (!asked.has("wait")) return load();
    for (;;) {
      try { return await load(); } catch (error) {
        if (![404, 409].includes(error.status)) throw error;
        crumbs(h("a", { href: "/" }, "runs"), "live");
        fill(main, h("div", { class: "hint empty" }, h("h1", {}, "Waiting for the training to begin"),
          h("p", {}, "The script has been started; its run is recorded from the moment at which it has imported PyTorch and a network is trained.")));
        await new Promise((done) => setTimeout(done, 500));
      }
    }
  };
  const load = () => get(`/api/runs/${id}${query()}`).then(take);

  keys({
    " ": play, ArrowLeft: () => by(-1), ArrowRight: () => by(1), g: goLive,
    Home: () => { stop(); go(steps()[0]); }, End: () => { stop(); go(newest()); },
  }, { space: "play or pause", "← →": "the recorded step before, after", "Home End": "first and last step", g: "go live: the newest step, as it comes" });

  patiently().then(() => {
    hush = listen(`/events/runs/${id}${query()}`, {
      grow: grown, picture: pictured,
      at: (now) => { if (run && (now.last !== (steps().length ? newest() : -1) || now.state !== run.state)) reload(); },
      judged: take, reset: reload,
      state: (now) => { run.state = now.state; drawHead(); },
      problem: (now) => { run.problem = now.problem; drawHead(); },
    }, () => (steps().length ? `Showing step ${count(newest())}, the last that arrived.` : "Nothing has arrived yet."));
  }).catch(Dash.failed);
  addEventListener("pagehide", () => hush());
})();
