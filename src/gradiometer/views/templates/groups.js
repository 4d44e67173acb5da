// A trunk of more than 60 sites is drawn in groups that open: the profile, and the pictures whose rows are sites. One group
// is open at a time, in all of them; the address keeps which.
const Groups = (() => {
  const { exact, readable, safe } = Reading;
  const rowCharts = [];  // [element, specification] of the pictures whose rows are groups
  const size = (v) => (v === "inf" ? Infinity : v === "-inf" ? -Infinity : v);
  // One group of the profile, opened below it: the trunk filled, branches hollow, decades against its first site.
  const groupSpec = (group) => {
    const at = [...group.members.keys()], shown = group.members.map((m) => safe(m[0]));
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
  // Rows first..last of a picture's data that are drawn as one; without groups, every row is one.
  const stretches = ({ rows, data }) => (rows.stretches.length ? rows.stretches
    : data.rows.map((line, i) => ({ name: line[0], first: i, last: i, shown: i, group: -1 })));
  // Whose number is drawn, and between which the others are.
  const more = ({ data, rows }, stretch, column) => {
    if (stretch.group < 0) return "";
    const found = data.rows.slice(stretch.first, stretch.last + 1).map((line) => line[column]);
    const known = found.filter((v) => v !== null).sort((a, b) => size(a) - size(b)), said = (v) => exact(v, rows.unit);
    const at = `at ${data.head[0]} ${data.rows[stretch.shown][0]}`, n = `${found.length} site${found.length === 1 ? "" : "s"}`;
    if (!known.length || found.length === 1) return `${at}, ${n}`;
    const missing = found.length - known.length;
    return `${at}; ${n}: ${said(known[0])} to ${said(known[known.length - 1])}${missing ? `, ${missing} not measured` : ""}`;
  };
  // What the keyboard reads of a picture with rows: what is drawn, and between which numbers the others of a group are.
  const readOf = (spec) => {
    const { data, rows } = spec, all = stretches(spec), head = rows.stretches.length ? ["group", ...data.head.slice(1)] : data.head;
    const lines = all.map((s) => [s.name, ...data.rows[s.shown].slice(1)]);
    return { ...data, head, rows: lines, more: (row, column) => more(spec, all[row], column) };
  };
  // The exact number of each mark is its label. There are many, so they are written when the picture is first looked into.
  const labelled = (box, spec) => {
    const { data, rows, traces: [trace] } = spec, all = stretches(spec);
    const told = (stretch, column) => {
      const value = data.rows[stretch.shown][column], words = exact(value, rows.unit), where = [stretch.name];
      if (trace.type === "heatmap") where.push(data.head[column]);
      const beside = more(spec, stretch, column);
      return safe(`${where.join(", ")}: ${words}${typeof value === "number" ? ` ${rows.unit}` : ""}`) + (beside && `<br>${safe(beside)}`);
    };
    const write = () => {
      if (trace.customdata) return;
      trace.customdata = all.map((s) => (trace.type === "heatmap" ? data.head.slice(1).map((_, k) => told(s, k + 1)) : told(s, 1)));
      Gradiometer.draw(box, spec);
    };
    for (const when of ["pointerenter", "focus"]) box.addEventListener(when, write);
  };
  // The rows of one stretch as a picture of their own, on the scale of the whole one.
  const partOf = (spec, stretch) => {
    const lines = spec.data.rows.slice(stretch.first, stretch.last + 1), places = [...lines.keys()], [trace] = spec.traces;
    const paper = (all) => (all || []).filter((one) => one.yref === "paper"), { layout } = spec;
    const yaxis = { ...layout.yaxis, range: [lines.length - 0.5, -0.5], tickvals: places, ticktext: lines.map((l) => safe(l[0])) };
    const part = { data: { ...spec.data, rows: lines }, rows: { ...spec.rows, stretches: [] },
      layout: { ...layout, yaxis, height: 96 + Math.max(150, 18 * lines.length), annotations: paper(layout.annotations).filter((one) => one.xref !== "paper") } };
    if (trace.type === "heatmap") {
      const shade = (v) => (v === null ? null : Math.min(Math.max(size(v), trace.zmin), trace.zmax));
      return { ...part, traces: [{ ...trace, customdata: null, y: places, z: lines.map((l) => l.slice(1).map(shade)), ygap: 1 }] };
    }
    const x = lines.map(([, v]) => (v === "inf" ? spec.rows.never : v > 0 ? Math.log10(v) : null));
    const color = places.map((i) => (spec.rows.guilty.includes(stretch.first + i) ? "@guilty" : "@ink-2"));
    const marker = { size: 9, color, symbol: lines.map(([, v]) => (v === "inf" ? "x" : "circle")) };
    const stems = places.filter((i) => x[i] !== null).map((i) => ({ type: "line", layer: "below", y0: i, y1: i,
      x0: layout.xaxis.range[0], x1: x[i], line: { color: `${color[i]}/.45`, width: 1.2 } }));
    part.layout.shapes = [...stems, ...paper(layout.shapes)];
    return { ...part, traces: [{ ...trace, customdata: null, x, y: places, marker }] };
  };
  const drawInto = (place, name, n, spec, data) => {
    const box = place.querySelector(".chart"), fresh = box.cloneNode(false);
    place.hidden = false;
    place.querySelector("h3").textContent = `${name}, ${n} site${n === 1 ? "" : "s"}`;
    place.querySelectorAll(".told").forEach((old) => old.remove());
    fresh.setAttribute("aria-label", place.querySelector("h3").textContent);
    box.replaceWith(fresh);
    Gradiometer.draw(fresh, spec);
    readable(fresh, data);
    return fresh;
  };
  // Below a picture, where one of its groups is opened.
  const placeBelow = (box) => {
    const id = `${box.id}-group`, old = document.getElementById(id);
    if (old) return old.parentElement;
    const place = document.createElement("div"), title = document.createElement("h3"), chart = document.createElement("div");
    place.className = "opened";
    chart.className = "chart";
    chart.id = id;
    chart.setAttribute("role", "img");
    place.append(title, chart);
    box.closest("figure").after(place);
    return place;
  };
  const open = (groups, index) => {
    const group = groups[index];
    if (!group) return;
    const spec = groupSpec(group);
    drawInto(document.getElementById("opened"), group.name, group.members.length, spec, spec.data);
    for (const [box, whole] of rowCharts) {
      const stretch = whole.rows.stretches.find((s) => s.group === index), place = placeBelow(box);
      place.hidden = !stretch;
      if (!stretch) continue;
      const part = partOf(whole, stretch);
      labelled(drawInto(place, stretch.name, part.data.rows.length, part, readOf(part)), part);
    }
    history.replaceState(null, "", `#group=${index}`);
  };
  const openable = (box, groups, clicked, groupOf) => {
    box.on("plotly_click", (event) => open(groups, groupOf(clicked(event.points[0]))));
    box.addEventListener("keydown", (event) => { if (event.key === "Enter") open(groups, groupOf(Number(box.dataset.row || 0))); });
  };
  // All pictures are drawn: those of groups open from now on, and the group that the address names is open.
  const start = (box, groups) => {
    openable(box, groups, (point) => Math.round(point.x), (row) => row);
    for (const [chart, spec] of rowCharts)
      openable(chart, groups, (point) => (Array.isArray(point.pointNumber) ? point.pointNumber[0] : point.pointNumber), (row) => spec.rows.stretches[row].group);
    const asked = /^#group=(\d+)$/.exec(location.hash);
    if (asked) open(groups, Number(asked[1]));
  };
  const add = (box, spec) => {
    labelled(box, spec);
    if (spec.rows.stretches.length) rowCharts.push([box, spec]);
  };
  return { add, readOf, start };
})();
