// Charts of a page that is a file, read by keyboard: ← → go along the places of a chart, ↑ ↓ between its columns, Home and
// End to its ends; what stands there is written below the chart and spoken.
const Reading = (() => {
  const NAN = "not measured";
  const high = (text) => [...text].map((c) => ({ "-": "⁻" }[c] || "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
  const exact = (value, name) => {
    if (value === null) return NAN;
    if (typeof value === "string") return !/^-?inf$/.test(value) ? value : value === "-inf" ? (name.includes("decades") ? "zero" : "−∞") : name.includes("steps") ? "never" : "∞";
    const [digits, power] = (Number.isInteger(value) && Math.abs(value) < 1e6 ? String(value) : value.toPrecision(4)).split("e");
    return digits.replace("-", "−") + (power ? ` × 10${high(power.replace("+", ""))}` : "");
  };
  const clamp = (at, most) => Math.max(0, Math.min(most, at));
  const words = (data, row, column) => {
    const line = data.rows[row], said = (k) => `${data.head[k]} ${exact(line[k], data.unit || data.head[k])}`;
    const together = data.said || (data.head.length <= 9 ? data.head.length : 0);
    const all = [...line.keys()].slice(1, together).filter((k) => k !== column && line[k] !== null).map(said);
    const more = data.more ? data.more(row, column) : "";
    return `${data.head[0]} ${line[0]}: ${[said(column), ...all].join("; ")}${more && `; ${more}`}`;
  };
  // The point of the picture that belongs to a place, where it has one: its label is shown.
  const point = (box, data, row, column) => {
    const traces = box.data || [];
    if (data.marks) return [{ curveNumber: data.marks[row][0], pointNumber: data.marks[row][1] }];
    if (data.curves) return data.curves[column - 1] < 0 ? null : [{ curveNumber: data.curves[column - 1], pointNumber: row }];
    if (traces.some((t) => t.type === "heatmap")) {  // a cell is not found by its number, but by its place
      const { xaxis, yaxis } = box._fullLayout;
      return { xpx: xaxis.c2p(column - 1), ypx: yaxis.c2p(row) };
    }
    const line = traces.findIndex((t) => t.hoverinfo !== "skip" && t.x.length === data.rows.length && t.y[row] !== null);
    return line < 0 ? null : [{ curveNumber: line, pointNumber: row }];
  };
  const readable = (box, data) => {
    let row = -1, column = 1;
    const told = document.createElement("p");
    told.className = "told";
    told.setAttribute("aria-live", "polite");
    box.after(told);
    box.tabIndex = 0;
    box.setAttribute("role", "application");
    box.setAttribute("aria-roledescription", "chart, arrow keys read its numbers");
    const moves = {
      ArrowRight: () => { row += 1; }, ArrowLeft: () => { row -= 1; },
      ArrowUp: () => { column -= 1; }, ArrowDown: () => { column += 1; },
      Home: () => { row = 0; }, End: () => { row = data.rows.length - 1; },
    };
    box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape") { told.textContent = ""; row = -1; Plotly.Fx.unhover(box); return; }
      if (!moves[event.key]) return;
      moves[event.key]();
      row = clamp(row, data.rows.length - 1);
      column = Math.max(1, Math.min(data.head.length - 1, column));
      box.dataset.row = row;
      told.textContent = words(data, row, column);
      const at = point(box, data, row, column);
      if (at) Plotly.Fx.hover(box, at, "xy");
      else Plotly.Fx.unhover(box);
      event.preventDefault();
    });
    box.addEventListener("blur", () => Plotly.Fx.unhover(box));
  };
  // A name as Plotly may show it: it reads its labels as a small HTML.
  const safe = (name) => name.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  return { exact, readable, safe };
})();
