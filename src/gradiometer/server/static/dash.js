"use strict";
// What every page of the dashboard uses: elements without markup, data, events that come again by themselves, keys.
const Dash = (() => {
  const SAY_EVERY_MS = 10000, WAITS_S = [1, 1, 2, 4, 8];

  // h("p", {class: "x"}, "text", child): text is always set as text.
  const h = (tag, props = {}, ...kids) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "style") Object.assign(element.style, value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...kids.flat().filter((kid) => kid !== null && kid !== undefined && kid !== false));
    return element;
  };

  const fill = (element, ...kids) => element.replaceChildren(...kids.flat().filter(Boolean));

  class Refused extends Error {
    constructor(status, words, file) { super(words); this.status = status; this.file = file; }
  }

  const ask = async (path, how) => {
    const answer = await fetch(path, how);
    if (!answer.ok) {
      const told = await answer.json().catch(() => ({}));
      throw new Refused(answer.status, told.error || `The server answered ${answer.status}.`, told.file);
    }
    return answer.status === 204 ? null : answer.json();
  };
  const get = (path) => ask(path, { headers: { accept: "application/json" } });
  const send = (path, what) =>
    ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(what) });

  // One polite region: at most a sentence in ten seconds, the newest one; findings at once.
  let waitingWords = "", said = -SAY_EVERY_MS, timer = 0;
  const speak = (words) => {
    said = performance.now();
    waitingWords = "";
    document.getElementById("said").textContent = words;
  };
  const say = (words, atOnce = false) => {
    const left = SAY_EVERY_MS - (performance.now() - said);
    if (atOnce || left <= 0) { clearTimeout(timer); timer = 0; speak(words); return; }
    waitingWords = words;
    if (!timer) timer = setTimeout(() => { timer = 0; if (waitingWords) speak(waitingWords); }, left);
  };

  const clock = () => new Date().toLocaleTimeString("en-GB");

  // Events that come again by themselves. handlers: by name; shown(): in words, what the page still shows; then what goes on.
  const listen = (address, handlers, shown, goesOn = "The training goes on by itself; this") => {
    const box = document.getElementById("connection");
    let source = null, last = "", since = "", tries = 0, countdown = 0;
    const lost = async () => {
      source.close();
      since ||= clock();
      const status = await fetch("/static/icon.svg", { method: "HEAD", cache: "no-store" }).then((a) => a.status, () => 0);
      if (status === 403) {
        clearInterval(countdown);
        fill(box, h("b", {}, `Not connected since ${since}`), "The server was started anew, with a new token. Open the address that it printed.");
        box.hidden = false;
        return;
      }
      let left = WAITS_S[Math.min(tries, WAITS_S.length - 1)];
      const whole = left;
      tries += 1;
      const tell = () => {
        const bar = h("div", { class: "till" }, h("i", { style: { width: `${(100 * (whole - left)) / whole}%` } }));
        fill(box, h("b", {}, `Not connected since ${since}`),
          `${shown()} ${goesOn} page tries again in ${left} s.`, bar);
        box.hidden = false;
      };
      tell();
      if (tries === 1) say(`Not connected since ${since}. The page tries again by itself.`, true);
      clearInterval(countdown);
      countdown = setInterval(() => {
        left -= 1;
        if (left > 0) { tell(); return; }
        clearInterval(countdown);
        open();
      }, 1000);
    };
    const open = () => {
      const joint = address.includes("?") ? "&" : "?";
      source = new EventSource(last ? `${address}${joint}last=${encodeURIComponent(last)}` : address);
      source.onopen = () => {
        if (tries) say("Connected again.", true);
        tries = 0; since = ""; box.hidden = true;
      };
      source.onerror = lost;
      for (const [name, act] of Object.entries(handlers)) {
        source.addEventListener(name, (event) => {
          if (event.lastEventId) last = event.lastEventId;
          act(JSON.parse(event.data));
        });
      }
    };
    open();
    addEventListener("pagehide", () => source.close());
    return () => source.close();
  };

  const SIGNS = { fail: "✕", warn: "!", healthy: "✓", unknown: "—" };
  const tag = (verdict, more = "") =>
    h("span", { class: `tag ${verdict.tone}` }, `${SIGNS[verdict.tone] || "—"} ${verdict.tag}${more ? ` ${more}` : ""}`);

  const STATES = {
    live: "live", finished: "done", stopped: "stopped", interrupted: "broken off", crashed: "crashed",
    killed: "killed", unreadable: "unreadable", running: "live",
  };
  const BAD = ["crashed", "killed", "unreadable"];
  const state = (name) => h("span", { class: "state" },
    name === "live" || name === "running" ? h("i", { class: "dot", "aria-hidden": "true" }) :
      h("span", { class: BAD.includes(name) ? "bad" : "", "aria-hidden": "true" }, BAD.includes(name) ? "✕ " : "✓ "),
    STATES[name] || name);

  const crumbs = (...parts) => {
    fill(document.getElementById("crumbs"),
      ...parts.flatMap((part) => [h("span", { class: "sep", "aria-hidden": "true" }, "/"), part, " "]));
  };

  const command = (words) => {
    const copy = h("button", { type: "button", onclick: async () => {
      try { await navigator.clipboard.writeText(words); copy.textContent = "copied"; } catch { copy.textContent = "select it"; }
    } }, "copy");
    return h("div", { class: "command" }, h("pre", {}, words), copy);
  };

  // Keys do nothing while text is typed, or with a modifier held.
  const keys = (acts, words) => {
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const typing = event.target.closest("input:not([type=range], [type=radio]), select, textarea, dialog");
      if (typing && event.key !== "Escape") return;
      if (event.target.closest("button, summary, a") && (event.key === " " || event.key === "Enter")) return;
      const act = acts[event.key];
      if (act) { act(event); event.preventDefault(); }
    });
    const list = Object.entries(words).flatMap(([key, what]) => [
      h("dt", {}, key.split(" ").map((k) => h("kbd", {}, k))), h("dd", {}, what)]);
    const box = h("dialog", { "aria-labelledby": "keys-title" }, h("h2", { id: "keys-title" }, "Keys"), h("dl", {}, list),
      h("button", { type: "button", class: "play", onclick: () => box.close() }, "Close"));
    document.body.append(box);
    document.getElementById("keys").addEventListener("click", () => box.showModal());
  };

  const table = (data, id) => h("div", { class: "scroll", tabindex: 0 }, h("table", { "data-of": id },
    h("thead", {}, h("tr", {}, data.head.map((cell, i) => h("th", { scope: "col", class: i ? "n" : null }, cell)))),
    h("tbody", {}, data.rows.map((row) => h("tr", {}, row.map((cell, i) => h("td", { class: i ? "n" : null }, cell)))))));

  // A chart with its sentence, its table and its files; redraw with .show(spec, label, data).
  const figure = (id) => {
    const box = h("div", { class: "chart", id, role: "img" });
    const data = h("details", {}, h("summary", {}, "Table"));
    const files = h("span", {}, ["csv", "svg", "png"].map((kind) =>
      h("button", { type: "button", "data-save": kind, "data-for": id }, kind.toUpperCase())));
    const whole = h("figure", {}, box, h("div", { class: "below" }, data, files));
    whole.show = (spec, label, rows) => {
      box.setAttribute("aria-label", label);
      data.replaceChildren(data.firstChild, table(rows, id));
      Gradiometer.draw(box, spec);
    };
    return whole;
  };

  const ago = (iso, live) => {
    const seconds = (Date.now() - Date.parse(iso)) / 1000;
    if (!Number.isFinite(seconds)) return "—";
    if (live) return "now";
    if (seconds < 60) return "just now";
    if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
    if (seconds < 86400) return `${Math.round(seconds / 3600)} h`;
    return `${Math.round(seconds / 86400)} d`;
  };

  const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  const failed = (error) => {
    const gone = error.status === 404;
    fill(document.getElementById("main"), h("div", { class: "hint empty" },
      h("h1", {}, error.file ? `${error.file} cannot be read` : gone ? "There is nothing at this address" : "This cannot be shown"),
      h("p", {}, error.message), h("p", {}, h("a", { href: "/" }, "To the list of runs"))));
  };

  return { h, fill, get, send, say, listen, tag, state, STATES, crumbs, command, keys, table, figure, ago, count, failed };
})();
