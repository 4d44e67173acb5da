// The page: controls, address, sentence, tables, ring. What is said is computed by PlaygroundTheory.
const Playground = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const theory = PlaygroundTheory(data), charts = PlaygroundCharts(theory, data), networks = PlaygroundNetworks();
  const find = (id) => document.getElementById(id), form = find("controls"), ring = find("ring"), mapBox = find("map");
  const SLIDERS = ["depth", "width", "weight", "bias"], CHOICES = ["activation", "skip", "norm"];
  const THIN = "\u202f", DRAWS = 5, EPS = 1e-6, NEAR_ONE = 5e-3, STEP = 0.0051;  // half a step of a variance: nearer, a slider cannot go

  // ---- settings: controls and address ----
  const units = (exponent) => 2 ** exponent;
  const read = () => {
    const from = new FormData(form), setting = Object.fromEntries(CHOICES.map((key) => [key, from.get(key)]));
    for (const key of SLIDERS) setting[key] = Number(form.elements[key].value);
    setting.width = units(setting.width);
    return setting;
  };
  const write = (setting) => {  // what a control cannot hold is left as it is; a range clamps and rounds by itself
    for (const key of CHOICES)
      for (const option of form.elements[key]) if (option.value === setting[key]) option.checked = true;
    for (const key of SLIDERS) {
      const given = setting[key] === undefined || setting[key] === "" ? NaN : Number(setting[key]);
      const value = key === "width" ? Math.log2(given) : given;
      if (Number.isFinite(value)) form.elements[key].value = String(value);
    }
  };
  const address = (setting) => "#" + new URLSearchParams({ activation: setting.activation, depth: setting.depth,
    width: setting.width, weight: setting.weight, bias: setting.bias, skip: setting.skip, norm: setting.norm });
  const fromAddress = () => {  // what the address does not say is as at the start
    form.reset();
    write(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
  };

  // ---- words ----
  const say = (element, text) => {  // σw² and σb² with their letter below the line
    element.replaceChildren(...text.split(/(?<=σ)([wb])(?=²)/).map((part, i) => {
      if (i % 2 === 0) return part;
      const below = document.createElement("sub");
      below.textContent = part;
      return below;
    }));
  };
  const count = (n) => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
  const fixed = (v, places) => v.toFixed(places).replace("-", "−");
  const amount = (decades) => {  // percent for what is kept above 1 %, decades below and for what grows
    if (Math.abs(decades) < 0.005) return "all of it";
    if (decades < 0 && decades > -2) return `${Math.min(99, Math.round(100 * 10 ** decades))}${THIN}% of it`;
    return null;
  };
  const first = (setting, total) => {
    const size = Math.abs(total).toFixed(1), { warn, fail, grow_warn, grow_fail } = data.limits;
    const lead = `At ${setting.depth} layers the error is predicted to `;
    if (size === "0.0") return lead + "keep its size.";
    const limit = total < 0 ? { warn: -warn, fail: -fail } : { warn: grow_warn, fail: grow_fail };
    const beyond = Math.abs(total) >= limit.fail ? `beyond the limit of ${limit.fail}`
      : Math.abs(total) >= limit.warn ? `beyond the warning at ${limit.warn}` : "within the limit";
    return `${lead}${total < 0 ? "lose" : "grow"} ${size} ${size === "1.0" ? "decade" : "decades"}: ${beyond}.`;
  };
  const after = (setting, cure) => {
    const then = theory.predict({ ...setting, ...cure }).total, kept = amount(then);
    const what = kept !== null ? `keep ${kept}` : `${then < 0 ? "lose" : "grow"} ${Math.abs(then).toFixed(1)} decades`;
    const moved = ["weight", "bias"].filter((key) => Math.abs(cure[key] - setting[key]) > EPS);
    return `${moved.map((key) => `σ${key[0]}²\u00a0=\u00a0${cure[key].toFixed(2)}`).join(" with ")} would ${what}.`;
  };
  const second = (setting, total, gain, cure) => {
    if (setting.norm === "batch" && setting.skip === "none")
      return gain > 1 + EPS ? `Batch norm multiplies it by ${gain.toFixed(2)} a hop, whatever the weight variance.` : "Batch norm keeps it.";
    if (cure) return after(setting, cure);
    if (Math.abs(gain - 1) < NEAR_ONE) return "This is the critical line.";
    if (setting.skip === "one" && total > data.limits.grow_warn) {
      const then = theory.predict({ ...setting, skip: "root" }).total;
      return `With a skip of 1/√L it would grow ${then.toFixed(1)}.`;
    }
    if (setting.skip !== "none") return "The skip passes the error around each branch: no hop can lose it.";
    return `No weight variance up to ${data.ranges.weight[1]} keeps it.`;
  };
  const drawn = (setting, total, band, measured) => {
    if (measured === null) {
      const why = networks.small(setting) ? "" : " Networks of this size are not drawn here.";
      return `A draw of the weights at width ${count(setting.width)} ends at ${charts.decades(total)} ± ${band.toFixed(1)} decades.${why}`;
    }
    const inside = measured.lines.filter((line) => Math.abs(line[line.length - 1] - total) <= band).length;
    const seconds = measured.seconds < 0.05 ? "less than 0.1" : measured.seconds.toFixed(1);
    return `${inside === DRAWS ? "Five" : `${inside} of ${DRAWS}`} real networks of this shape, made here in ${seconds} s, ${inside === 1 ? "ends" : "end"} within the band.`;
  };
  const lead = (setting, gain, told, measured) => {
    const total = told.total, band = told.band[told.band.length - 1];
    const plain = setting.skip === "none" && setting.norm === "none", per = Math.abs(1 / Math.log10(gain));
    const hop = gain < 1 ? `keeps ${(100 * gain).toFixed(gain > 0.995 ? 1 : 0)}${THIN}% of the error` : `multiplies the error by ${gain.toFixed(gain < 1.01 ? 4 : 2)}`;
    const pace = gain > 0.1 && per < 1e4 ? `: a decade ${gain < 1 ? "lost" : "gained"} every ${per < 1.5 ? per.toFixed(1) : Math.round(per)} layers` : "";
    const where = plain ? "Deep down, where the variance rests, each hop" : "On average each hop";
    const words = Math.abs(gain - 1) < EPS ? `${where} keeps the error` : `${where} ${hop}${pace}`;
    return `${words}. ${drawn(setting, total, band, measured)}`;
  };

  // ---- the nearest point of gain 1: at this bias variance if there is one, else anywhere on the line ----
  const nearest = (setting, gain) => {
    const point = Math.abs(gain - 1) < EPS ? null : onLine(setting);
    const here = point && Math.abs(point.weight - setting.weight) < STEP && Math.abs(point.bias - setting.bias) < STEP;
    return here ? null : point;
  };
  const onLine = (setting) => {
    const { line, flat } = charts.land(setting), closest = (all, size) => all.sort((a, b) => size(a) - size(b))[0] || null;
    const here = theory.critical(setting, charts.weights).map((weight) => ({ weight, bias: setting.bias }));
    if (here.length) return closest(here, (p) => Math.abs(p.weight - setting.weight));
    if (flat) return { weight: setting.weight, bias: 0 };
    const all = line.flatMap((found, i) => found.map((weight) => ({ weight, bias: charts.rungs[i] })));
    return closest(all, (p) => Math.hypot((p.weight - setting.weight) / data.ranges.weight[1], (p.bias - setting.bias) / data.ranges.bias[1]));
  };

  // ---- tables ----
  const fill = (id, head, rows) => {
    const table = document.querySelector(`table[data-of="${id}"]`);
    const line = (cells, kind) => {
      const row = document.createElement("tr");
      cells.forEach((text, i) => { const cell = document.createElement(kind); cell.textContent = text; if (i) cell.className = "n"; row.append(cell); });
      return row;
    };
    table.tHead.replaceChildren(line(head, "th"));
    table.tBodies[0].replaceChildren(...rows.map((cells) => line(cells, "td")));
  };
  const number = (v) => { const size = Math.abs(v); return size !== 0 && (size < 1e-3 || size >= 1e5) ? v.toExponential(3) : String(Number(v.toPrecision(4))); };
  const tables = ({ setting, told, cure, gain, measured }) => {
    const more = beside ? [`network in PyTorch, ${beside.label}, decades`] : [];
    fill("profile", ["layer", "predicted, decades", "band, ± decades", "mean of 5 real draws, decades", "gain of the hop to it", "variance q there", ...more],
      told.decades.map((v, i) => [String(setting.depth - i), fixed(v, 3), told.band[i].toFixed(3),
        measured ? fixed(measured.mean[i], 3) : "—",
        i ? number(Math.sqrt(told.gains[i - 1])) : "—", number(told.variances[setting.depth - 1 - i]),
        ...(beside ? [beside.error[i] === null ? "—" : fixed(beside.error[i], 3)] : [])]));
    const points = charts.land(setting).line.flatMap((found, i) => found.map((w) => ["critical line", w.toFixed(3), charts.rungs[i].toFixed(4), "1"]));
    const own = [["you", setting.weight.toFixed(2), setting.bias.toFixed(2), gain.toFixed(4)]];
    if (cure) own.push(["nearest of gain 1", cure.weight.toFixed(3), cure.bias.toFixed(2), "1"]);
    fill("map", ["point", "weight variance", "bias variance", "gain a hop"], [...own, ...points]);
  };

  // ---- one change, one drawing ----
  let beside = null, onRest = () => {}, rested = "";  // a network that was measured elsewhere; who wants to know of rest
  let now = null, frame = 0, quiet = 0, spokenAt = 0, drawing = 0, seed = 1;
  const show = () => {
    frame = 0;
    const setting = read(), told = theory.predict(setting), gain = theory.gain(setting), cure = nearest(setting, gain);
    const same = now !== null && address(now.setting) === address(setting);
    const measured = same ? now.measured : null;
    if (!same) beside = null;
    now = { setting, told, gain, cure, measured };
    for (const key of SLIDERS) find(key + "-out").textContent = key === "width" || key === "depth" ? count(setting[key]) : setting[key].toFixed(2);
    form.elements.width.setAttribute("aria-valuetext", `${setting.width} units`);
    say(find("headline"), `${first(setting, told.total)} ${second(setting, told.total, gain, cure)}`);
    find("lead").textContent = lead(setting, gain, told, measured);
    const plain = setting.skip === "none" && setting.norm === "none";
    find("profile-caption").textContent = "error δ over the trunk, at initialisation; band "
      + (setting.norm === "batch" ? "" : `±${data.band.errors} s.e. at width ${count(setting.width)}, and `) + `${100 * data.band.hop / 2}${THIN}% a hop`;
    find("map-caption").textContent = `${data.labels[setting.activation]}; norm gain a hop${plain ? " at the fixed point" : `, mean over ${setting.depth} layers`}; drag the ring`;
    find("profile-words").textContent = first(setting, told.total);
    find("map-words").textContent = `Gain ${gain.toFixed(2)} a hop at these variances. ${cure ? after(setting, cure) : "No critical line is near."}`;
    find("cure").disabled = !cure;
    find("redraw").disabled = !networks.small(setting);
    charts.profile(find("profile"), setting, told, measured, beside);
    charts.map(mapBox, setting, gain, cure);
    const { left, top } = charts.place(mapBox, setting.weight, setting.bias);
    ring.style.transform = `translate(${left}px,${top}px)`;
    clearTimeout(quiet);
    quiet = setTimeout(settle, 300);
    clearTimeout(drawing);
    if (measured === null && networks.small(setting)) drawing = setTimeout(() => measure([], 0), 250);
  };
  // Five networks, one a turn, so that the page stays alive; a change of the setting ends it.
  const measure = (lines, before) => {
    const start = performance.now();
    lines.push(networks.draw(now.setting, seed + lines.length));
    const spent = before + performance.now() - start;
    if (lines.length < DRAWS) { drawing = setTimeout(() => measure(lines, spent)); return; }
    const mean = lines[0].map((_, i) => lines.reduce((sum, line) => sum + line[i], 0) / DRAWS);
    now.measured = { lines, mean, seconds: spent / 1000 };
    soon();
  };
  // What need not follow every pixel of a drag: address, tables, and a spoken sentence every 10 s at most.
  const settle = () => {
    const wanted = address(now.setting);
    if (location.hash !== wanted) history.replaceState(null, "", wanted);
    tables(now);
    if (rested !== wanted + seed) { rested = wanted + seed; onRest(now.setting, seed); }
    const wait = spokenAt + 10000 - performance.now();
    if (spokenAt && wait > 0) { quiet = setTimeout(settle, wait); return; }
    if (spokenAt && find("spoken").textContent !== find("headline").textContent) find("spoken").textContent = find("headline").textContent;
    spokenAt = performance.now();
  };
  const soon = () => { frame = frame || requestAnimationFrame(show); };

  form.addEventListener("input", soon);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(soon));
  find("redraw").addEventListener("click", () => { seed += DRAWS; now.measured = null; soon(); });
  find("cure").addEventListener("click", () => { if (now.cure) { write(now.cure); soon(); } });
  addEventListener("hashchange", () => { fromAddress(); soon(); });
  addEventListener("resize", soon);

  let held = false;
  const move = (event) => {
    const box = mapBox.getBoundingClientRect();
    write(charts.settingAt(mapBox, event.clientX - box.left, event.clientY - box.top));
    soon();
  };
  const holder = ring.parentElement;
  holder.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    held = true;
    holder.setPointerCapture(event.pointerId);
    ring.classList.add("held");
    event.preventDefault();
    move(event);
  });
  holder.addEventListener("pointermove", (event) => { if (held) move(event); });
  for (const end of ["pointerup", "pointercancel"])
    holder.addEventListener(end, () => { held = false; ring.classList.remove("held"); });

  fromAddress();
  find("scale-low").textContent = charts.bounds.low;
  find("scale-high").textContent = `${charts.bounds.high} a hop`;
  show();
  const put = (found) => {  // {error, label, first}, or null
    beside = found && found.error.length === now.setting.depth ? found : null;
    charts.profile(find("profile"), now.setting, now.told, now.measured, beside);
    tables(now);
  };
  return { theory, networks, read, put, onRest: (hear) => { onRest = hear; } };
})();
