// Draws one Plotly specification whose colours are roles of the palette, and draws it again where the width or the theme
// changes: Gradiometer.draw(element, spec). Buttons with data-save and data-for save what is drawn.
const Gradiometer = (() => {
  const root = getComputedStyle(document.documentElement);
  const token = (name) => root.getPropertyValue("--" + name).trim();
  const fade = (hex, alpha) => {
    const n = parseInt(hex.slice(1), 16);
    return `rgba(${n >> 16},${(n >> 8) & 255},${n & 255},${alpha})`;
  };
  const mix = (hex, share) => {  // over the paper, opaque: a cell must not show what is below it
    const at = (h, k) => (parseInt(h.slice(1), 16) >> k) & 255, paper = token("paper");
    return `rgb(${[16, 8, 0].map((k) => Math.round(share * at(hex, k) + (1 - share) * at(paper, k)))})`;
  };
  const colour = (text) => text.replace(/@([a-z]+(?:-[a-z0-9]+)?)(?:([/~])([.\d]+))?/g, (_, role, how, share) => {
    const value = token(role);
    if (how === undefined || !value.startsWith("#")) return value;
    return how === "~" ? mix(value, Number(share)) : fade(value, share);
  });
  const ROLE = /^@[a-z]|color:@/;
  const resolve = (value) => {
    if (typeof value === "string") return ROLE.test(value) ? colour(value) : value;
    if (Array.isArray(value)) return value.map(resolve);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolve(v)]));
    return value;
  };
  // Labels that would touch at this width are dropped evenly; the first and the last one stay.
  const thin = (layout, width) => {
    const axis = layout.xaxis, n = axis.tickvals.length;
    const longest = Math.max(...axis.ticktext.map((t) => t.length)) * 7.2 + 10;
    const room = width - layout.margin.l - layout.margin.r;
    const every = Math.max(1, Math.ceil((n * Math.min(longest, 150)) / room));
    const kept = axis.tickvals.filter((_, i) => i === n - 1 || (i % every === 0 && n - 1 - i >= every));
    axis.ticktext = kept.map((i) => (axis.ticktext[i].length > 22 ? "…" + axis.ticktext[i].slice(-20) : axis.ticktext[i]));
    axis.tickvals = kept;
    axis.tickangle = 0;
  };
  // Rows that would touch at this height lose their names; those of guilty rows stay, the first and the last one as well.
  const thinRows = (layout) => {
    const axis = layout.yaxis, n = axis.tickvals.length, room = (layout.height - layout.margin.t - layout.margin.b) / n;
    const apart = Math.ceil(13 / room), kept = new Set();
    const weight = (i) => (axis.ticktext[i].startsWith("<span") ? 0 : i === 0 || i === n - 1 ? 1 : i % apart === 0 ? 2 : 3);
    const free = (i) => { for (let k = i - apart + 1; k < i + apart; k += 1) if (kept.has(k)) return false; return true; };
    for (const i of [...Array(n).keys()].sort((a, b) => weight(a) - weight(b) || a - b)) if (free(i)) kept.add(i);
    const shown = [...kept].sort((a, b) => a - b);
    axis.tickvals = shown;
    axis.ticktext = shown.map((i) => axis.ticktext[i]);
  };
  const fit = (spec, width) => {
    const layout = spec.layout, room = width - layout.margin.l - layout.margin.r;
    let taken = -Infinity;
    for (const note of layout.annotations || []) {
      if (note.rail === "words" && room < 420) note.visible = false;
      else if (note.rail === "first" || note.rail === "last") {  // on both sides of the words, or one long arrow
        const from = note.rail === "first" ? 58 : room / 2 + 100, to = note.rail === "first" ? room / 2 - 100 : room - 60;
        const [start, end] = room < 420 ? [58, room - 60] : [from, to];
        note.x = end / room;
        note.ax = start - end;
      }
      delete note.rail;
      if (note.wide && room < note.wide) note.visible = false;
      delete note.wide;
      if (note.apart) {  // of words in a row, one that would touch the one before it is left out
        const [a, b] = layout.xaxis.range, at = ((note.x - a) / (b - a)) * room, half = note.text.length * 3.4;
        if (at - half < taken) note.visible = false;
        else taken = at + half + 6;
        delete note.apart;
      }
      if (note.clamp) {  // a sentence below stays inside the chart
        const [a, b] = layout.xaxis.range, half = (note.text.length * 6.6) / 2 / room * (b - a);
        note.x = Math.min(Math.max(note.x, a + half), Math.max(b - half, (a + b) / 2));
        delete note.clamp;
      }
    }
    if (spec.thin) thin(layout, width);
    if (spec.rows) thinRows(layout);
  };
  // Paper may be grey: a guilty bar is hatched, and of dots only the guilty ones are filled. No chart is taller than 180 mm.
  const paper = matchMedia("print"), TALLEST = 680;
  let printing = false;
  const onPaper = ({ traces, layout }) => {
    layout.height = Math.min(layout.height, TALLEST);
    for (const { type, marker } of traces) {
      const colours = marker && marker.color;
      if (!Array.isArray(colours) || !colours.includes("@guilty")) continue;
      const shape = colours.map((c) => (c === "@guilty" ? "/" : ""));
      if (type === "bar") marker.pattern = { shape, fillmode: "overlay", fgcolor: "@paper", fgopacity: 1, size: 5, solidity: 0.3 };
      else {
        marker.line = { width: 1.5, color: colours };
        marker.color = colours.map((c) => (c === "@guilty" ? c : "@paper"));
      }
    }
  };
  const drawn = new Map();  // element -> its specification, with the roles of the palette still in it
  const one = (box) => {
    const width = box.clientWidth;
    if (!width) return;  // not shown now
    const { data, ...rest } = drawn.get(box), picture = structuredClone(rest);
    if (printing || paper.matches) onPaper(picture);
    const spec = resolve(picture);
    fit(spec, width);
    spec.layout.width = width;
    Plotly.react(box, spec.traces, spec.layout, { displayModeBar: false, responsive: false });
  };
  const again = () => {
    for (const box of [...drawn.keys()]) {
      if (box.isConnected) one(box);
      else drawn.delete(box);
    }
  };
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(again, 120); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  // Drawn for paper before its sheets are counted, and again when it has its width and colours.
  for (const [when, now] of [["beforeprint", true], ["afterprint", false]]) addEventListener(when, () => { printing = now; again(); });
  paper.addEventListener("change", again);
  const save = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  // A table as a spreadsheet reads it: −1 234 is -1234, and 5.3 × 10¹⁷ is 5.3e17.
  const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻";
  const plain = (text) => text.trim()
    .replace(/[\u2009\u202f](?=\d)/g, "")
    .replace(/\s*×\s*10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)/g, (_, power) => "e" + [...power].map((c) => "0123456789-"[RAISED.indexOf(c)]).join(""))
    .replace(/\u2212(?=[\d∞])/g, "-");
  // The exact numbers of a chart: what is unknown is an empty cell, a name is always quoted.
  const exact = (data) => [data.head, ...data.rows].map((row) => row.map((v) =>
    v === null ? "" : typeof v === "number" ? String(v) : `"${v.replace(/"/g, '""')}"`).join(",")).join("\r\n");
  const csv = (table) => [...table.rows].map((row) =>
    [...row.cells].map((c) => `"${plain(c.textContent).replace(/"/g, '""')}"`).join(",")).join("\r\n");
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-save]");
    if (!button) return;
    const id = button.dataset.for, format = button.dataset.save, box = document.getElementById(id);
    const data = drawn.has(box) && drawn.get(box).data;
    if (format === "csv") save(id + ".csv", "text/csv", data ? exact(data) : csv(document.querySelector(`table[data-of="${id}"]`)));
    else Plotly.downloadImage(box, { format, filename: id, width: box.clientWidth, height: box.clientHeight });
  });
  const draw = (box, spec) => {
    drawn.set(box, spec);
    one(box);
  };
  return { draw };
})();
