"use strict";
// Beside theory: the network of the controls in PyTorch, made, measured and trained by the server's worker.
const PlayedNetwork = (() => {
  const { listen, say, send } = Dash;
  const find = (id) => document.getElementById(id), form = find("controls"), button = find("train");
  const THIN = "\u202f", OWN_RATE = { sgd: -1, adam: -3 }, STEPS = 400, HEIGHT = 220;
  const TASKS = { digits: "digits", spirals: "points of two spirals" }, NAMES = { sgd: "SGD", adam: "Adam" };
  let setting = null, task = "", asked = 0;    // what is measured, on which data; the number of the newest question
  let first = null, trivial = null;            // profile at initialisation; loss of the best constant prediction
  let training = null, early = [];             // {number, losses, step, words}; what came before its number did

  const course = () => ({ optimizer: form.elements.optimizer.value, rate: 10 ** Number(form.elements.rate.value), steps: STEPS });
  const network = () => ({ ...setting, task: form.elements.task.value });
  const decades = (v) => (Math.abs(v) < 0.05 ? "0" : (v < 0 ? "−" : "+") + Math.abs(v).toFixed(1));
  const number = (v) => String(Number(v.toPrecision(v < 0.1 ? 2 : 3)));
  const words = (text, aloud = false) => { find("loss-caption").textContent = text; if (aloud) say(text, true); };

  // What reaches layer 1; where numbers end, down to which layer they go.
  const reach = (error) => {
    const known = error.findIndex((v) => v === null), last = known < 0 ? error.length : known;
    if (last === error.length) return `The error at layer 1 is ${decades(error[last - 1])} decades`;
    if (last === 0) return "The error at the top is 0 or not finite";
    return `From layer ${error.length - last} down the error is too ${error[last - 1] < 0 ? "small" : "large"} for float32`;
  };
  const judged = (error) => {
    const told = Playground.theory.predict(setting), end = error[error.length - 1], at = told.band.length - 1;
    if (end === null) return "";
    return Math.abs(end - told.total) <= told.band[at] ? ", within the band of theory" : ", outside the band of theory";
  };
  const show = (error, label) => Playground.put({ error, label, first: training ? first : null });

  // ---- at initialisation ----
  const measure = async () => {
    const mine = ++asked;
    task = form.elements.task.value;
    first = null;
    words("The network is being made.");
    try {
      const found = await send("/api/playground/measure", { network: network() });
      if (mine !== asked) return;
      first = found.error;
      trivial = found.trivial;
      show(first, "PyTorch");
      words(`${reach(first)} at initialisation${judged(first)}; made and measured in ${Math.max(found.seconds, 0.01).toFixed(2)} s on 128 ${TASKS[form.elements.task.value]}.`);
    } catch (error) {
      if (mine === asked) words(error.message, true);
    }
  };
  const rested = (now, seed) => {
    setting = { activation: now.activation, depth: now.depth, width: now.width, weight: now.weight, bias: now.bias, skip: now.skip, norm: now.norm, seed };
    leave();
    measure();
  };

  // ---- the loss ----
  const draw = () => {
    const y = training.losses, x = y.map((_, i) => i + 1), known = y.filter((v) => v !== null), last = Math.max(y.length, 2);
    const sorted = [...known].sort((a, b) => a - b), usual = sorted[Math.floor(0.9 * (sorted.length - 1))] ?? 1;
    const most = Math.max(...known, trivial ?? 0), cut = Math.max(1.6 * usual, 1.15 * (trivial ?? 0)), top = Math.min(most * 1.05, cut);
    const note = (at, text, more) => ({ x: 1, y: at, xref: "paper", text, showarrow: false, xanchor: "left", xshift: 8, font: { size: 12, color: "@ink-3" }, ...more });
    const size = (text) => ({ text, font: { size: 12, color: "@ink-3" } }), newest = known[known.length - 1];
    const apart = newest !== undefined && trivial !== null ? Math.abs(newest - trivial) * 150 / top : 99;
    const notes = [note(1, most > top ? `loss; it was up to ${number(most)}, cut here` : "loss", { x: 0, yref: "paper", yanchor: "bottom", xshift: -38, yshift: 6 })];
    if (trivial !== null && trivial < top) notes.push(note(trivial, "best constant", { yshift: apart < 17 && newest <= trivial ? 9 : apart < 17 ? -9 : 0 }));
    if (newest !== undefined && newest < top) notes.push(note(newest, `<b>${newest.toFixed(2)}</b>`, { font: { size: 12, color: "@ink-2" }, yshift: apart < 17 ? (newest <= trivial ? -9 : 9) : 0 }));
    const tick = (extra) => ({ zeroline: false, fixedrange: true, ticks: "outside", ticklen: 5, tickcolor: "rgba(0,0,0,0)", gridcolor: "@line", tickfont: { size: 12, color: "@ink-3" }, ...extra });
    Gradiometer.draw(find("loss"), {
      traces: [
        { x, y, type: "scatter", mode: y.length < 3 ? "lines+markers" : "lines", line: { color: "@ink-2", width: 1.8 }, connectgaps: false, hovertemplate: "step %{x}<br>loss %{y:.4g}<extra></extra>" },
        ...(trivial === null ? [] : [{ x: [0, STEPS], y: [trivial, trivial], type: "scatter", mode: "lines", hoverinfo: "skip", line: { color: "@ink", width: 1, dash: "dot" } }]),
      ],
      layout: { height: HEIGHT, margin: { l: 44, r: 96, t: 30, b: 44 }, showlegend: false, dragmode: false, hovermode: "closest",
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: "@sans", size: 12, color: "@ink-2" },
        hoverlabel: { bgcolor: "@raise", bordercolor: "@line-2", font: { color: "@ink", size: 12 } }, annotations: notes,
        xaxis: tick({ showgrid: false, range: [0, Math.max(last, STEPS)], title: size("step") }), yaxis: tick({ range: [0, top], nticks: 5 }) },
      data: { head: ["step", "loss"], rows: y.map((v, i) => [i + 1, v]) },
    });
  };
  const table = () => {
    const holder = document.querySelector('table[data-of="loss"]'), { h } = Dash, all = training.losses;
    const every = Math.max(1, Math.ceil(all.length / 100)), rows = all.map((v, i) => [i + 1, v]).filter(([n], i) => i % every === 0 || n === all.length);
    holder.tHead.replaceChildren(h("tr", {}, h("th", { scope: "col" }, "step"), h("th", { scope: "col", class: "n" }, "loss")));
    holder.tBodies[0].replaceChildren(...rows.map(([n, v]) => h("tr", {}, h("td", {}, String(n)), h("td", { class: "n" }, v === null ? "not finite" : number(v)))));
  };

  // ---- a training ----
  const begin = async () => {
    const mine = { number: 0, losses: [], how: course(), step: 0 };
    training = mine;
    early = [];
    find("trained").classList.add("open");
    button.textContent = "Stop";
    button.setAttribute("aria-pressed", "true");
    words("The training begins.");
    try {
      mine.number = (await send("/api/playground/train", { network: network(), course: mine.how })).number;
    } catch (error) {
      if (training === mine) over(error.message);
      return;
    }
    if (training !== mine) { end(mine.number); return; }
    for (const [kind, news] of early.splice(0)) hear[kind](news);
  };
  const end = (which) => send("/api/playground/stop", { number: which }).catch(() => {});
  const leave = () => {  // the controls have moved: what is trained is not what they show
    if (training && training.number && running()) end(training.number);
    training = null;
    rest();
    find("trained").classList.remove("open");
  };
  const running = () => button.getAttribute("aria-pressed") === "true";
  const rest = () => { button.textContent = "Train this network"; button.setAttribute("aria-pressed", "false"); };
  const over = (text) => { rest(); words(text, true); };
  const ours = (kind, news) => {
    if (training && training.number === 0) early.push([kind, news]);
    return training !== null && training.number !== 0 && news.number === training.number;
  };
  const hear = {
    seen: (news) => {
      if (!ours("seen", news)) return;
      training.losses.push(...news.losses);
      training.step = news.step;
      const loss = training.losses[training.losses.length - 1] ?? null;
      show(news.error, `step ${news.step}`);
      draw();
      words(`Step ${news.step} of ${STEPS}, ${NAMES[training.how.optimizer]} at ${number(training.how.rate)}: loss ${loss === null ? "not finite" : loss.toFixed(3)}. ${reach(news.error)}.`);
    },
    ended: (news) => {
      if (!ours("ended", news)) return;
      const test = news.accuracy === null ? "" : ` It names ${(100 * news.accuracy).toFixed(0)}${THIN}% of the test ${TASKS[form.elements.task.value]} right.`;
      const how = { finished: `Trained ${news.step} steps in ${news.seconds.toFixed(1)} s.`, stopped: `Stopped after step ${news.step}.`,
        replaced: `Ended at step ${news.step}: another page of this server began a training, and there is one at a time.`,
        diverged: `The loss was not finite at step ${news.step}: the training is over. A smaller learning rate may keep it.` }[news.how];
      if (training.losses.length) table();
      find("loss-words").textContent = how;
      over(how + test);
    },
    refused: (news) => { if (ours("refused", news)) over(news.words); },
    gone: (news) => {
      if (training && running()) over(`${news.words} The training is lost; the page can begin another.`);
      else words(news.words, true);
    },
  };
  const press = () => {
    if (running()) { if (training && training.number) end(training.number); }
    else begin();
  };

  const rate = () => { find("rate-out").textContent = number(10 ** Number(form.elements.rate.value)); };
  find("trained").addEventListener("input", (event) => {  // its controls belong to the form, and stand apart from it
    if (event.target.name === "optimizer") form.elements.rate.value = OWN_RATE[event.target.value];
    if (event.target.name === "task" && setting) { leave(); measure(); }
    rate();
  });
  form.addEventListener("reset", () => setTimeout(() => { rate(); if (setting && form.elements.task.value !== task) { leave(); measure(); } }));
  button.addEventListener("click", press);
  rate();
  Playground.onRest(rested);
  const at = (news) => {  // after a connection was lost
    if (training && training.number && running() && news.training !== training.number) over("The training has ended while the page was not connected.");
  };
  listen("/events/playground", { at, reset: () => {}, ...hear }, () => "Theory is computed in this page; a network in PyTorch is not.", "This");
  return { press };
})();
