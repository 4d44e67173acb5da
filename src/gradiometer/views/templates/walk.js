(() => {
  const root = document.documentElement;
  const screens = [...document.querySelectorAll("section.screen")];
  const rail = document.querySelector(".rail");
  const paths = [...rail.querySelectorAll(".all path")], zones = [...rail.querySelectorAll(".chain a")];
  const button = (name) => document.querySelector(`[data-do="${name}"]`);
  const THEMES = ["dark", "light", "system"];
  const MODES = ["hop", "numbers", "focus", "update"];
  const last = screens.length - 1;
  const state = { at: 0, mode: "hop", k: 1 };  // k: which focused weight of the hop

  const weights = (at) => screens[at].querySelectorAll(".focus").length;

  const read = () => {
    const [first, second = ""] = (location.hash.slice(1) || root.dataset.start).split("&");
    const [name, number] = first.split("=");
    const [mode, k] = second.split("=");
    const at = name === "hop" ? Number(number) : 0;
    state.at = Number.isInteger(at) && at >= 0 && at <= last ? at : 0;
    state.mode = MODES.includes(mode) ? mode : "hop";
    state.k = Math.max(1, Number.parseInt(k, 10) || 1);
  };

  const address = () => {
    const place = state.at ? `#hop=${state.at}` : "#walk";
    return state.mode === "hop" ? place : `${place}&${state.mode}${state.k > 1 ? `=${state.k}` : ""}`;
  };

  // Marks the current hop on the rail: its stretch, its two stations, their labels ahead of all others.
  const light = () => {
    const zone = zones[state.at - 1], here = rail.querySelectorAll(".here"), names = rail.querySelectorAll(".now-at");
    const data = screens[state.at].dataset;
    rail.querySelector("#lit").setAttribute("d", zone ? paths[state.at - 1].getAttribute("d") : "");
    rail.querySelector("#here").textContent = zone ? `you are here: hop ${state.at} of ${last}` : "";
    zones.forEach((z, i) => (i === state.at - 1 ? z.setAttribute("aria-current", "step") : z.removeAttribute("aria-current")));
    zones.forEach((z, i) => { z.tabIndex = i === Math.max(0, state.at - 1) ? 0 : -1; });  // one stop; arrows do the rest
    [0, 1].forEach((side) => {
      here[side].hidden = names[side].hidden = !zone;
      if (!zone) return;
      const left = Number.parseFloat(zone.style.left) + side * Number.parseFloat(zone.style.width);
      here[side].style.left = names[side].style.left = `${left}%`;
      names[side].textContent = side ? data.lower : data.upper;
    });
    apart(names);
    const taken = [...names].filter((n) => !n.hidden).map((n) => n.getBoundingClientRect());
    for (const label of rail.querySelectorAll(".at")) {
      const box = label.getBoundingClientRect();
      label.style.visibility = taken.some((t) => box.right + 4 > t.left && box.left - 4 < t.right) ? "hidden" : "";
    }
  };

  // The two labels of a short stretch move apart, and stay on the page.
  const apart = (names) => {
    for (const n of names) n.style.marginLeft = "0";
    if (names[0].hidden) return;
    const room = rail.querySelector(".chain").getBoundingClientRect(), edge = 20;
    const [a, b] = [...names].map((n) => n.getBoundingClientRect());
    const touch = Math.max(0, a.right + 12 - b.left) / 2;
    let first = Math.max(a.left - touch, room.left - edge), second = Math.max(b.left + touch, first + a.width + 12);
    second = Math.min(second, room.right + edge - b.width);
    first = Math.min(first, second - 12 - a.width);
    names[0].style.marginLeft = `${first - a.left}px`;
    names[1].style.marginLeft = `${second - b.left}px`;
  };

  const show = () => {
    const count = weights(state.at);
    if (!count && state.mode !== "numbers" || !state.at && state.mode === "numbers") state.mode = "hop";
    state.k = Math.min(Math.max(1, state.k), Math.max(1, count));
    root.dataset.mode = state.mode;
    root.dataset.at = state.at;
    screens.forEach((screen, i) => screen.classList.toggle("now", i === state.at));
    for (const part of screens[state.at].querySelectorAll("[data-k]"))
      part.classList.toggle("chosen", Number(part.dataset.k) === state.k);
    for (const terms of screens[state.at].querySelectorAll(".listed")) terms.open = state.mode === "focus";
    for (const all of screens[state.at].querySelectorAll(".numbers")) all.open = state.mode === "numbers";
    button("prev").disabled = state.at === 0;
    button("next").disabled = state.at === last;
    for (const name of ["focus", "update", "numbers"]) {
      button(name).disabled = name === "numbers" ? !state.at : !count;
      button(name).setAttribute("aria-pressed", String(state.mode === name));
    }
    light();
  };

  const go = (change, far = true) => {
    Object.assign(state, change);
    show();
    const title = screens[state.at].querySelector("h2").textContent;
    document.getElementById("said").textContent = state.at ? `Hop ${state.at} of ${last}. ${title}` : title;
    try { history.replaceState(null, "", address()); } catch { location.hash = address(); }
    if (far) scrollTo(0, 0);
  };

  const step = (by) => {
    const at = Math.min(last, Math.max(0, state.at + by));
    if (at !== state.at) go({ at, k: 1, mode: at ? state.mode : "hop" });
  };

  // f: the focused weight, enlarged; again: the next one of this hop; after the last one, the hop.
  const focus = () => {
    if (state.mode !== "focus") go({ mode: "focus" });
    else if (state.k < weights(state.at)) go({ k: state.k + 1 });
    else go({ mode: "hop", k: 1 });
  };

  const theme = () => {
    root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    document.getElementById("theme").textContent = root.dataset.theme;
    try { localStorage.setItem("gradiometer-theme", root.dataset.theme); } catch { /* a page from disk may keep nothing */ }
  };

  const help = document.getElementById("help");
  const acts = {
    prev: () => step(-1), next: () => step(1), focus, theme, help: () => help.showModal(),
    update: () => go({ mode: state.mode === "update" ? "hop" : "update" }),
    numbers: () => go({ mode: state.mode === "numbers" ? "hop" : "numbers", k: 1 }),
  };
  const keys = {
    ArrowLeft: acts.prev, ArrowRight: acts.next, PageUp: acts.prev, PageDown: acts.next,
    Home: () => go({ at: 0, k: 1, mode: "hop" }), End: () => go({ at: last, k: 1 }),
    f: acts.focus, u: acts.update, n: acts.numbers, t: theme, "?": acts.help, Escape: () => go({ mode: "hop", k: 1 }),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-do]");
    if (pressed) acts[pressed.dataset.do]();
  });
  addEventListener("hashchange", () => { read(); go({}); });
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(light, 120); });

  try {
    const kept = localStorage.getItem("gradiometer-theme");
    if (THEMES.includes(kept)) root.dataset.theme = kept;
  } catch { /* as above */ }
  document.getElementById("theme").textContent = root.dataset.theme;
  read();
  show();
  scrollTo(0, 0);
})();
