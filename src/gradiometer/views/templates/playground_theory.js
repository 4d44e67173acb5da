// What is predicted for a setting: tables of `theory`, interpolated and carried through the layers. Knows no page.
// setting: {activation, depth, width, weight, bias, skip, norm}; depth in layers, width in units, variances as numbers.
const PlaygroundTheory = (data) => {
  const { low, step } = data.grid;
  const DECADES = 1 / (2 * Math.LN10);  // of the norm, for 1 of ln gain²
  const HIGHEST = 24 * Math.LN10, FLAT = 1e-7;  // ln of a variance that grows without end; a rate of change that is none

  // Cubic through the four nodes around ln q; beyond the table the straight line of its last two nodes.
  const look = (table, lnq) => {
    const last = table.length - 1, x = (lnq - low) / step;
    if (x <= 0) return table[0] + x * (table[1] - table[0]);
    if (x >= last) return table[last] + (x - last) * (table[last] - table[last - 1]);
    const i = Math.min(Math.max(Math.floor(x), 1), last - 2), t = x - i;
    return -t * (t - 1) * (t - 2) / 6 * table[i - 1] + (t + 1) * (t - 1) * (t - 2) / 2 * table[i]
      - (t + 1) * t * (t - 2) / 2 * table[i + 1] + (t + 1) * t * (t - 1) / 6 * table[i + 2];
  };
  const share = (setting) => (setting.skip === "none" ? 0 : setting.skip === "one" ? 1 : 1 / setting.depth);

  // The hop down to a place whose variance is q: squared gain of the branch, its noise, what it adds to the variance.
  const branch = (setting, q) => {
    const table = data.tables[setting.activation], w = setting.weight, b = setting.bias;
    const at = setting.norm === "none" ? Math.log(q) : 0;  // a norm sets the variance before φ to 1
    const d2 = Math.exp(look(table.d2, at));
    // A batch norm drives its examples apart: over a large batch, which it needs, the noise of each averages out.
    const noise = setting.norm === "batch" ? 0 : Math.exp(look(table.noise, at)) - 1;
    // What a batch norm divides by is the variance over the batch: it sees neither mean nor bias.
    const next = setting.norm === "batch" ? w * table.batch[1] : w * Math.exp(look(table.m2, at)) + b;
    if (setting.norm === "none") return { gain: w * d2, noise, next };
    // Without a skip the norm stands right above these weights and divides what they send on; with one it
    // stands in the branch, and divides the stream.
    return { gain: w * d2 / (setting.skip === "none" ? next : q), noise, next };
  };

  // Squared gain and noise κ of each hop, loss first, and q at each layer, layer 1 first. The inputs have E x² = 1.
  const hops = (setting) => {
    const gains = [], noises = [], variances = [];
    const stream = share(setting);
    let q = setting.norm === "batch" ? setting.weight : setting.weight + setting.bias;
    for (let layer = 1; layer < setting.depth; layer++) {
      variances.push(q);
      const { gain, noise, next } = branch(setting, q);
      if (stream === 0) { gains.push(gain); noises.push(noise); q = next; continue; }
      const part = stream * gain / (1 + stream * gain);  // of the squared error, what comes through the branch
      gains.push(1 + stream * gain);
      noises.push(setting.norm === "batch" ? 0 : part * part * noise + 4 * part * (1 - part));
      q += stream * next;
    }
    variances.push(q);
    return { gains: gains.reverse(), noises: noises.reverse(), variances };
  };

  // Expected decades and half width of the band from the loss (0) to layer 1: depth numbers each.
  const predict = (setting) => {
    const { gains, noises, variances } = hops(setting);
    const decades = [0], band = [0];
    let sum = 0, spread = 0;
    gains.forEach((gain, i) => {
      sum += Math.log(gain);
      spread += noises[i] / setting.width;
      decades.push((sum - spread / 2) * DECADES);
      band.push((data.band.errors * Math.sqrt(spread) + data.band.hop * (i + 1)) * DECADES);
    });
    return { decades, band, gains, variances, total: decades[decades.length - 1] };
  };

  // ln of the variance to which the map leads from q = 1; -Infinity where the signal dies, Infinity where it grows on.
  const rest = (setting) => {
    const table = data.tables[setting.activation];
    const rate = (x) => Math.log(setting.weight * Math.exp(look(table.m2, x)) + setting.bias) - x;
    const first = rate(0);
    if (Math.abs(first) <= FLAT) return 0;
    const way = Math.sign(first);
    let from = 0;
    while (Math.abs(from) < HIGHEST) {
      let to = from + way * 0.2231;
      if (rate(to) * way < 0) {
        for (let turn = 0; turn < 46; turn++) {
          const middle = (from + to) / 2;
          if (rate(middle) * way > 0) from = middle; else to = middle;
        }
        return (from + to) / 2;
      }
      from = to;
    }
    return way * Infinity;
  };

  // Norm gain of a hop: at the fixed point of the variance in a plain network, else the mean over this one's hops.
  const gain = (setting) => {
    if (setting.norm === "none" && setting.skip === "none") {
      const at = Math.min(Math.max(rest(setting), -HIGHEST), HIGHEST);
      return Math.sqrt(setting.weight * Math.exp(look(data.tables[setting.activation].d2, at)));
    }
    const { gains } = hops(setting);
    return Math.exp(gains.reduce((sum, one) => sum + Math.log(one), 0) / (2 * gains.length));
  };

  // The weight variances at which one bias variance gives gain 1: sign changes between nodes, narrowed; jumps are none.
  const critical = (setting, nodes) => {
    const height = (weight) => Math.log(gain({ ...setting, weight }));
    const found = [], heights = nodes.map(height);
    for (let i = 1; i < nodes.length; i++) {
      if (!(heights[i - 1] < 0 && heights[i] >= 0) && !(heights[i - 1] > 0 && heights[i] <= 0)) continue;
      let [a, b] = [nodes[i - 1], nodes[i]];
      for (let turn = 0; turn < 30; turn++) {
        const middle = (a + b) / 2;
        if (height(middle) < 0 === heights[i - 1] < 0) a = middle; else b = middle;
      }
      if (Math.abs(height((a + b) / 2)) < 1e-3) found.push((a + b) / 2);
    }
    return found;
  };
  return { predict, gain, rest, critical };
};
