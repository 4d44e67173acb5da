// The two pictures of the playground, as Plotly specifications whose colours are roles of the palette. Knows no controls.
const PlaygroundCharts = (theory, data) => {
  const minus = (text) => String(text).replace("-", "−");
  const decades = (v) => (Math.abs(v) < 0.05 ? "0" : (v < 0 ? "−" : "+") + Math.abs(v).toFixed(1));
  const note = (x, y, text, more) => ({ x, y, text, showarrow: false, xref: "x", yref: "y",
    font: { size: 12, color: "@ink-3" }, ...more });
  const axis = (more) => ({ showgrid: true, gridcolor: "@line", zeroline: false, ticks: "outside", ticklen: 5, tickcolor: "rgba(0,0,0,0)", fixedrange: true,
    tickfont: { size: 12, color: "@ink-3" }, ...more });
  const layout = (height, margin, more) => ({ height, margin, showlegend: false, dragmode: false,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: "@sans", size: 12, color: "@ink-2" },
    hoverlabel: { bgcolor: "@raise", bordercolor: "@line-2", font: { color: "@ink", size: 12 } }, ...more });
  const every = (span, most) => [1, 2, 3, 5, 10, 20, 30, 50, 100, 200].find((n) => span / n <= most) || 500;

  const rail = (width) => [
    note(0, 1, "<b>LOSS</b>", { xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", yshift: 28, font: { size: 12, color: "@ink" } }),
    note(1, 1, "<b>INPUT</b>", { xref: "paper", yref: "paper", xanchor: "right", yanchor: "bottom", yshift: 28, font: { size: 12, color: "@ink" } }),
    note(1, 1, "", { xref: "paper", yref: "paper", xshift: -52, yshift: 37, showarrow: true, ax: -(width - 110), ay: 0,
      arrowcolor: "@error", arrowwidth: 1.6, arrowhead: 3, arrowsize: 1.1 }),
  ];

  // Heights from high to low, moved apart to at least ``gap``: neighbours that touch share their middle.
  const apart = (heights, gap) => {
    const groups = [], edge = ({ sum, n }, side) => sum / n + side * gap * (n - 1) / 2;
    for (const height of heights) {
      groups.push({ sum: height, n: 1 });
      while (groups.length > 1 && edge(groups.at(-2), -1) - edge(groups.at(-1), 1) < gap) {
        const [a, b] = groups.splice(-2);
        groups.push({ sum: a.sum + b.sum, n: a.n + b.n });
      }
    }
    return groups.flatMap((g) => Array.from({ length: g.n }, (_, i) => edge(g, 1) - gap * i));
  };
  // The names at the right end, each with its total below.
  const ends = (named, pixels) => {
    const known = named.filter(({ y }) => Number.isFinite(y)).sort((a, b) => b.y - a.y);
    const at = apart(known.map(({ y }) => y * pixels), 36);
    return known.flatMap(({ y, text, role }, i) => [
      note(1, y, `<b>${text}</b>`, { xref: "paper", xanchor: "left", xshift: 8, yshift: at[i] - y * pixels + 8, font: { size: 12, color: "@" + role } }),
      note(1, y, decades(y), { xref: "paper", xanchor: "left", xshift: 8, yshift: at[i] - y * pixels - 8 })]);
  };
  // A network that was measured elsewhere: dots, those of its initialisation hollow. beside: {error, label, first}.
  const dots = (layers, beside) => {
    const one = (y, text, marker) => ({ x: layers, y, type: "scatter", mode: "markers", marker: { size: layers.length > 60 ? 4 : 6, ...marker },
      text: y.map((v) => (v === null ? "" : `${text} ${decades(v)}`)), hovertemplate: "%{text}<extra></extra>" });
    if (beside === null) return [];
    return [...(beside.first ? [one(beside.first, "at initialisation", { color: "@paper", opacity: 0.7, line: { color: "@error", width: 1 } })] : []),
      one(beside.error, `network in PyTorch, ${beside.label}:`, { color: "@error" })];
  };
  const real = (layers, measured) => (measured === null ? [] : [
    ...measured.lines.map((y) => ({ x: layers, y, type: "scatter", mode: "lines", opacity: 0.4, hoverinfo: "skip", line: { color: "@error", width: 1.2 } })),
    { x: layers, y: measured.mean, type: "scatter", mode: "lines", line: { color: "@error", width: 2.6 },
      text: measured.mean.map((v) => `5 real draws, mean ${decades(v)}`), hovertemplate: "%{text}<extra></extra>" }]);

  const profile = (box, setting, told, measured, beside = null) => {
    const { decades: line, band, gains, total } = told, layers = line.map((_, i) => setting.depth - i);
    const low = line.map((v, i) => v - band[i]), high = line.map((v, i) => v + band[i]);
    const other = beside ? [...beside.error, ...(beside.first || [])] : [];
    const all = [...low, ...high, ...(measured ? measured.lines.flat() : []), ...other].filter(Number.isFinite);
    const [bottom, top] = [Math.min(-4, Math.floor(Math.min(...all))), Math.max(1, Math.ceil(Math.max(...all)))];
    const margin = { l: 44, r: 96, t: 56, b: 48 }, room = Math.max(120, box.clientWidth - margin.l - margin.r);
    const tick = every(top - bottom, 9), ticks = [];
    for (let v = Math.ceil(bottom / tick) * tick; v <= top; v += tick) ticks.push(v);
    const crowded = top - bottom > 16;  // the names of two limits a decade apart would touch: only the last limits stay
    const limits = Object.entries(data.limits).filter(([key, v]) => v > bottom && v < top && !(crowded && key.endsWith("warn")));
    const side = Math.abs(total) > 6 ? 1 : 0;  // where a steep line does not run through the names
    const shapes = limits.map(([, v]) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: v, y1: v, layer: "above",
      line: { color: "@ink", width: 1, dash: "dot" } }));
    shapes.unshift({ type: "line", xref: "paper", x0: 0, x1: 1, y0: 0, y1: 0, layer: "below", line: { color: "@line-2", width: 1 } });
    const names = limits.map(([k, v]) => note(side, v,
      `${k.endsWith("fail") ? "fail" : "warn"}: ${v > 0 ? "+" : "−"}${Math.abs(v)}`,
      { xref: "paper", xanchor: side ? "right" : "left", yanchor: "bottom", xshift: side ? -6 : 6, font: { size: 12, color: "@ink" } }));
    const labels = [
      ...ends([{ y: total, text: "predicted", role: "theory" },
        ...(measured ? [{ y: measured.mean.at(-1), text: "5 real draws", role: "error" }] : []),
        ...(beside ? [{ y: beside.error.at(-1), text: beside.label, role: "error" }] : [])], (430 - margin.t - margin.b) / (top - bottom)),
      note(0, 1, "decades", { xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", xshift: -42, yshift: 8 }),
    ];
    const hover = line.map((v, i) => `<b>layer ${layers[i]}</b><br>predicted ${decades(v)} ± ${band[i].toFixed(2)} decades`
      + (i ? `<br>hop from layer ${layers[i] + 1}: ×${Math.sqrt(gains[i - 1]).toPrecision(4)}` : "<br>the loss side: 0 by definition"));
    const step = every(setting.depth, Math.max(3, room / 60)), marks = [];
    for (let v = Math.ceil((1 + step / 2) / step) * step; v <= setting.depth - step / 2; v += step) marks.push(v);
    const places = [...new Set([setting.depth, ...marks.reverse(), 1])];
    Gradiometer.draw(box, { traces: [
      { x: [...layers, ...[...layers].reverse()], y: [...high, ...[...low].reverse()], type: "scatter", mode: "lines",
        fill: "toself", fillcolor: "@band", line: { width: 0, color: "@band" }, hoverinfo: "skip" },
      ...real(layers, measured),
      { x: layers, y: line, type: "scatter", mode: setting.depth < 4 ? "lines+markers" : "lines", text: hover, hovertemplate: "%{text}<extra></extra>",
        line: { color: "@theory", width: 1.8, dash: "5px,4px" }, marker: { color: "@theory", size: 5 } },
      ...dots(layers, beside),
    ], layout: layout(430, margin, {
      hovermode: "x", shapes, annotations: [...rail(room), ...names, ...labels],
      xaxis: axis({ showgrid: false, range: [setting.depth, 1], tickvals: places, ticktext: places.map(String), tickangle: 0,
        title: { text: "layer", font: { size: 12, color: "@ink-3" } } }),
      yaxis: axis({ range: [bottom, top], tickvals: ticks, ticktext: ticks.map(minus) }),
    }) });
  };

  // ---- phase map ----
  const MARGIN = { l: 44, r: 20, t: 56, b: 48 }, HEIGHT = 430, COLUMNS = 40, ROWS = 21, SPAN = Math.log10(1.5), STRONGEST = 0.65;
  const range = (key) => data.ranges[key];
  const nodes = (key, count, low) => Array.from({ length: count }, (_, i) => low + (range(key)[1] - low) * i / (count - 1));
  const weights = nodes("weight", COLUMNS, range("weight")[0]), biases = nodes("bias", ROWS, range("bias")[0]);
  const rungs = Array.from({ length: 31 }, (_, i) => range("bias")[1] * (i / 30) ** 2);  // dense where a critical line bends
  const kept = new Map();  // a map for each network that has one of its own
  const land = (setting) => {
    const plain = setting.norm === "none" && setting.skip === "none";
    const key = [setting.activation, setting.skip, setting.norm, plain ? "" : setting.depth].join();
    if (!kept.has(key)) {
      if (kept.size > 60) kept.clear();
      const z = biases.map((bias) => weights.map((weight) => Math.log10(theory.gain({ ...setting, weight, bias }))));
      const line = rungs.map((bias) => theory.critical({ ...setting, bias }, weights));
      // Without biases a norm may keep the error at every weight variance (ReLU): the line is the axis then.
      const kept0 = (v) => Math.abs(v) < 1e-6, flat = z[0].every(kept0) && !z[ROWS - 1].every(kept0);
      kept.set(key, { z, line, flat });
    }
    return kept.get(key);
  };
  // The critical line as strokes: a row without a point, or a leap, breaks it.
  const stroke = (line, flat) => {
    const x = flat ? [weights[0], weights[COLUMNS - 1], null] : [], y = flat ? [0, 0, null] : [];
    line.forEach((found, i) => {
      const at = found[0] ?? null, last = x[x.length - 1];
      if (at !== null && last != null && Math.abs(at - last) > 1) { x.push(null); y.push(null); }
      x.push(at); y.push(at === null ? null : rungs[i]);
    });
    return { x, y };
  };
  // A word in the middle of its region, in a row that has enough of it and is apart from the labels at the points.
  const word = (z, text, is, shares, taken) => {
    const row = shares.map((share) => Math.round(share * (ROWS - 1))).find((r) => taken.every((y) => Math.abs(biases[r] - y) > 0.06)) ?? 0;
    const inside = weights.filter((_, i) => is(z[row][i]));
    if (inside.length < 10) return [];
    return [note((inside[0] + inside[inside.length - 1]) / 2, biases[row], `<b>${text}</b>`, { font: { size: 12, color: "@ink" },
      bgcolor: "@paper", opacity: 0.86 })];
  };
  const place = (box, x, y) => {
    const width = box.clientWidth - MARGIN.l - MARGIN.r, height = HEIGHT - MARGIN.t - MARGIN.b;
    const [, right] = range("weight"), [, high] = range("bias");
    return { left: MARGIN.l + (x / right) * width, top: MARGIN.t + (1 - y / high) * height, width, height, right, high };
  };
  const settingAt = (box, left, top) => {
    const { width, height, right, high } = place(box, 0, 0);
    return { weight: ((left - MARGIN.l) / width) * right, bias: (1 - (top - MARGIN.t) / height) * high };
  };

  const map = (box, setting, gain, cure) => {
    const { z, line, flat } = land(setting), { x, y } = stroke(line, flat), { right, high } = place(box, 0, 0);
    const [, weightMost] = range("weight"), at = x.map((v, i) => [v, y[i]]).filter(([v]) => v !== null);
    const side = (v) => (v > 0.62 * weightMost ? { xanchor: "right", xshift: -16 } : { xanchor: "left", xshift: 16 });
    const lift = setting.bias > 0.9 * high ? -18 : 18;  // labels stay within the frame, and apart
    const level = cure && Math.abs(cure.bias - setting.bias) < 0.04 ? 38 : 18;
    const cureLift = !cure ? 0 : cure.bias < 0.1 * high ? level : cure.bias > 0.9 * high ? -level : -lift;
    const taken = [setting.bias, ...(cure ? [cure.bias] : [])];
    const notes = [
      ...word(z, "error vanishes", (v) => v < -0.015, [0.86, 0.62, 0.36], taken), ...word(z, "error explodes", (v) => v > 0.015, [0.36, 0.62, 0.86], taken),
      note(setting.weight, setting.bias, `<b>you: gain ${gain.toFixed(2)}</b>`, { ...side(setting.weight), yshift: lift,
        font: { size: 12, color: "@ink" }, bgcolor: "@paper", opacity: 0.9 }),
      note(0, 1, "bias variance σ<sub>b</sub>²", { xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", yshift: 6, xshift: -30 }),
    ];
    if (cure) notes.push(note(cure.weight, cure.bias, `<b>gain 1 at ${cure.weight.toFixed(2)}</b>`, { ...side(cure.weight), yshift: cureLift,
      font: { size: 12, color: "@healthy-text" }, bgcolor: "@paper", opacity: 0.9 }));
    if (at.length > 3) {
      const [lx, ly] = at[Math.round(0.86 * (at.length - 1))];
      notes.push(note(lx, ly, "<b>critical line</b>", { ...side(lx), xshift: side(lx).xanchor === "left" ? 8 : -8, font: { size: 12, color: "@ink" }, bgcolor: "@paper", opacity: 0.86 }));
    }
    Gradiometer.draw(box, { traces: [
      { x: weights, y: biases, z, type: "heatmap", zmin: -SPAN, zmax: SPAN, showscale: false, xgap: 0, ygap: 0, zsmooth: false,
        colorscale: [[0, `@guilty~${STRONGEST}`], [0.5, "@paper"], [1, `@error~${STRONGEST}`]],
        customdata: z.map((row) => row.map((v) => (10 ** v).toPrecision(4))),
        hovertemplate: "σ<sub>w</sub>² %{x:.2f}, σ<sub>b</sub>² %{y:.2f}<br>gain ×%{customdata} a hop<extra></extra>" },
      { x, y, type: "scatter", mode: "lines", line: { color: "@ink", width: 2 }, hoverinfo: "skip" },
      { x: cure ? [cure.weight] : [], y: cure ? [cure.bias] : [], type: "scatter", mode: "markers", cliponaxis: false,
        marker: { color: "@healthy", size: 11, line: { color: "@paper", width: 1.5 } }, hoverinfo: "skip" },
      { x: [setting.weight], y: [setting.bias], type: "scatter", mode: "markers", cliponaxis: false,  // under the ring, for SVG and PNG
        marker: { color: "@paper", size: 13, line: { color: "@ink", width: 3 } }, hoverinfo: "skip" },
    ], layout: layout(HEIGHT, MARGIN, {
      hovermode: "closest", annotations: notes,
      xaxis: axis({ showgrid: false, range: [0, right], dtick: 1, title: { text: "weight variance σ<sub>w</sub>², times fan-in", font: { size: 12, color: "@ink-3" } } }),
      yaxis: axis({ showgrid: false, range: [0, high], dtick: 0.1 }),
    }) });
  };
  const bounds = { low: (1 / 1.5).toFixed(2), high: "1.5" };
  return { profile, map, land, place, settingAt, weights, rungs, bounds, decades };
};
