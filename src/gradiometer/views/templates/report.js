// Charts of a page that is a file: drawn once, and read by keyboard. ← → go along the places of a chart, ↑ ↓ between its
// columns, Home and End to its ends; what stands there is written below the chart and spoken.
(() => {
  const NAN = "not measured";
  const high = (text) => [...text].map((c) => ({ "-": "⁻" }[c] || "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
  const exact = (value, name) => {
    if (value === null) return NAN;
    if (typeof value === "string") return !/^-?inf$/.test(value) ? value : value === "-inf" ? (name.includes("decades") ? "zero" : "−∞") : "∞";
    const [digits, power] = (Number.isInteger(value) && Math.abs(value) < 1e6 ? String(value) : value.toPrecision(4)).split("e");
    return digits.replace("-", "−") + (power ? ` × 10${high(power.replace("+", ""))}` : "");
  };
  const clamp = (at, most) => Math.max(0, Math.min(most, at));
  const words = (data, row, column) => {
    const line = data.rows[row], said = (k) => `${data.head[k]} ${exact(line[k], data.head[k])}`;
    const together = data.said || (data.head.length <= 9 ? data.head.length : 0);
    const all = [...line.keys()].slice(1, together).filter((k) => k !== column && line[k] !== null).map(said);
    return `${data.head[0]} ${line[0]}: ${[said(column), ...all].join("; ")}`;
  };
  // The point of the picture that belongs to a place, where it has one: its label is shown.
  const point = (box, data, row, column) => {
    const traces = box.data || [];
    if (data.marks) return [{ curveNumber: data.marks[row][0], pointNumber: data.marks[row][1] }];
    if (data.curves) return data.curves[column - 1] < 0 ? null : [{ curveNumber: data.curves[column - 1], pointNumber: row }];
    const heat = traces.findIndex((t) => t.type === "heatmap");
    if (heat >= 0) return [{ curveNumber: heat, pointNumber: [row, column - 1] }];
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
      if (at) Plotly.Fx.hover(box, at);
      else Plotly.Fx.unhover(box);
      event.preventDefault();
    });
    box.addEventListener("blur", () => Plotly.Fx.unhover(box));
  };
  // One group of the profile, opened below it: the trunk filled, branches hollow, decades against its first site.
  const groupSpec = (group) => {
    const at = [...group.members.keys()], names = group.members.map((m) => m[0]);
    const shown = names.map((n) => n.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`));
    const points = (trunk) => {
      const own = at.filter((i) => group.members[i][1] === trunk);
      const marker = { size: 9, color: trunk ? "@error" : "@paper", line: { width: 1.5, color: "@error" } };
      return { type: "scatter", mode: trunk ? "lines+markers" : "markers", x: own, marker, line: { color: "@error", width: 2.6 },
        y: own.map((i) => (typeof group.members[i][2] === "number" ? group.members[i][2] : null)), cliponaxis: false,
        customdata: own.map((i) => shown[i]), hovertemplate: "%{customdata}: %{y:.3f}<extra></extra>", name: trunk ? "trunk" : "branches" };
    };
    const axis = { zeroline: false, fixedrange: true, gridcolor: "@line", tickfont: { size: 12, color: "@ink-3" } };
    const layout = { height: 260, margin: { t: 20, r: 132, b: 44, l: 60 }, showlegend: false, dragmode: false, paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)", font: { family: "@sans", size: 12, color: "@ink-2" },
      hoverlabel: { bgcolor: "@raise", bordercolor: "@line-2", font: { color: "@ink", size: 12 } },
      xaxis: { ...axis, showgrid: false, range: [-0.5, at.length - 0.5], tickvals: at, ticktext: shown }, yaxis: axis };
    const data = { head: ["site", "decades", "on"], rows: group.members.map((m) => [m[0], m[2], m[1] ? "the trunk" : "a branch"]) };
    return { traces: [points(true), points(false)], layout, thin: true, data };
  };
  const open = (groups, index) => {
    if (!groups[index]) return;
    const place = document.getElementById("opened"), box = document.getElementById("group"), fresh = box.cloneNode(false);
    const n = groups[index].members.length;
    place.hidden = false;
    place.querySelector("h3").textContent = `${groups[index].name}, ${n} site${n === 1 ? "" : "s"}`;
    place.querySelectorAll(".told").forEach((old) => old.remove());
    box.replaceWith(fresh);
    const spec = groupSpec(groups[index]);
    Gradiometer.draw(fresh, spec);
    readable(fresh, spec.data);
    history.replaceState(null, "", `#group=${index}`);
  };
  const openable = (box, groups) => {
    box.on("plotly_click", (event) => open(groups, Math.round(event.points[0].x)));
    box.addEventListener("keydown", (event) => { if (event.key === "Enter") open(groups, Number(box.dataset.row || 0)); });
    const asked = /^#group=(\d+)$/.exec(location.hash);
    if (asked) open(groups, Number(asked[1]));
  };
  for (const [id, spec] of Object.entries(JSON.parse(document.getElementById("charts").textContent))) {
    const box = document.getElementById(id);
    Gradiometer.draw(box, spec);
    if (spec.data && spec.data.rows.length && spec.data.head.length > 1) readable(box, spec.data);
    if (spec.groups) openable(box, spec.groups);
  }
})();
