// Real networks of random weights: one forward and one backward pass, by hand. Knows no theory and no page.
const PlaygroundNetworks = () => {
  const BATCH = 128;  // examples for a batch norm, whose law is that of large batches; else one
  const MOST_WEIGHTS = 1.2e7, MOST_PRODUCTS = 1e8;  // of one network: 48 MB, some tenths of a second

  const random = (seed) => {  // mulberry32, then Box and Muller
    let state = seed >>> 0, spare = null;
    const uniform = () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    return () => {
      if (spare !== null) { const kept = spare; spare = null; return kept; }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform())), angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    };
  };

  const erf = (x) => {  // Abramowitz and Stegun 7.1.26: within 1.5e-7
    const t = 1 / (1 + 0.3275911 * Math.abs(x));
    const tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x);
    return Math.sign(x) * (1 - tail);
  };
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  const normal = (x) => (1 + erf(x / Math.SQRT2)) / 2, bell = (x) => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  const ALPHA = 1.6732632423543772, SCALE = 1.0507009873554805;  // of SELU, Klambauer 2017
  const mish = (x) => Math.tanh(softplus(x));
  const activations = {  // φ and φ′
    linear: [(x) => x, () => 1],
    relu: [(x) => Math.max(x, 0), (x) => (x > 0 ? 1 : 0)],
    leaky_relu: [(x) => (x > 0 ? x : 0.01 * x), (x) => (x > 0 ? 1 : 0.01)],
    tanh: [Math.tanh, (x) => 1 - Math.tanh(x) ** 2],
    sigmoid: [sigmoid, (x) => sigmoid(x) * sigmoid(-x)],
    hardtanh: [(x) => Math.min(Math.max(x, -1), 1), (x) => (Math.abs(x) < 1 ? 1 : 0)],
    elu: [(x) => (x > 0 ? x : Math.expm1(x)), (x) => (x > 0 ? 1 : Math.exp(x))],
    selu: [(x) => SCALE * (x > 0 ? x : ALPHA * Math.expm1(x)), (x) => SCALE * (x > 0 ? 1 : ALPHA * Math.exp(x))],
    gelu: [(x) => x * normal(x), (x) => normal(x) + x * bell(x)],
    silu: [(x) => x * sigmoid(x), (x) => sigmoid(x) * (1 + x * sigmoid(-x))],
    mish: [(x) => x * mish(x), (x) => mish(x) + x * (1 - mish(x) ** 2) * sigmoid(x)],
    softplus: [softplus, sigmoid],
  };

  const gaussian = (count, spread, next) => {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = spread * next();
    return values;
  };
  const norm = (values) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));

  // Rows of W times each example, with a bias; and its transpose for the way back. Shapes [example × unit].
  const forward = (W, bias, x, n) => {
    const out = new Float64Array(x.length);
    for (let at = 0; at < x.length; at += n)
      for (let i = 0; i < n; i++) {
        let sum = bias[i];
        for (let j = 0, row = i * n; j < n; j++) sum += W[row + j] * x[at + j];
        out[at + i] = sum;
      }
    return out;
  };
  const backward = (W, delta, n) => {
    const out = new Float64Array(delta.length);
    for (let at = 0; at < delta.length; at += n)
      for (let i = 0; i < n; i++) {
        const d = delta[at + i];
        for (let j = 0, row = i * n; j < n; j++) out[at + j] += W[row + j] * d;
      }
    return out;
  };

  // A norm without learned scale: over the examples of a unit, or over the units of an example.
  const lines = (kind, n, batch) => (kind === "batch"
    ? Array.from({ length: n }, (_, unit) => ({ from: unit, step: n, count: batch }))
    : Array.from({ length: batch }, (_, example) => ({ from: example * n, step: 1, count: n })));
  const each = (line, visit) => { for (let i = 0, at = line.from; i < line.count; i++, at += line.step) visit(at); };
  const normed = (kind, h, n) => {
    if (kind === "none") return { y: h, spreads: null };
    const y = new Float64Array(h.length);
    const spreads = lines(kind, n, h.length / n).map((line) => {
      let mean = 0, square = 0;
      each(line, (at) => { mean += h[at] / line.count; });
      each(line, (at) => { square += (h[at] - mean) ** 2 / line.count; });
      each(line, (at) => { y[at] = (h[at] - mean) / Math.sqrt(square); });
      return Math.sqrt(square);
    });
    return { y, spreads };
  };
  const unnormed = (kind, delta, { y, spreads }, n) => {
    if (kind === "none") return delta;
    const out = new Float64Array(delta.length);
    lines(kind, n, delta.length / n).forEach((line, k) => {
      let mean = 0, along = 0;
      each(line, (at) => { mean += delta[at] / line.count; along += delta[at] * y[at] / line.count; });
      each(line, (at) => { out[at] = (delta[at] - mean - y[at] * along) / spreads[k]; });
    });
    return out;
  };

  const batchOf = (setting) => (setting.norm === "batch" ? BATCH : 1);
  const small = (setting) => {
    const weights = setting.depth * setting.width ** 2;
    return weights <= MOST_WEIGHTS && weights * batchOf(setting) <= MOST_PRODUCTS;
  };

  // Decades of the error's norm at each layer, the loss side first: where it enters φ, with a skip on the stream.
  const draw = (setting, seed) => {
    const n = setting.width, batch = batchOf(setting), next = random(seed), skip = setting.skip !== "none";
    const alpha = setting.skip === "root" ? 1 / Math.sqrt(setting.depth) : 1;
    const [phi, slope] = activations[setting.activation];
    const weights = () => gaussian(n * n, Math.sqrt(setting.weight / n), next), biases = () => gaussian(n, Math.sqrt(setting.bias), next);
    const x = Float64Array.from(gaussian(n * batch, 1, next));
    for (let at = 0; at < x.length; at += n) {
      const size = norm(x.subarray(at, at + n)) / Math.sqrt(n);
      for (let j = at; j < at + n; j++) x[j] /= size;
    }
    let h = forward(weights(), biases(), x, n), at = normed(setting.norm, h, n);
    const hops = [];
    for (let layer = 1; layer < setting.depth; layer++) {
      const W = weights(), below = at, sent = forward(W, biases(), below.y.map(phi), n);
      h = skip ? h.map((v, i) => v + alpha * sent[i]) : sent;
      at = normed(setting.norm, h, n);
      hops.push({ W, below, above: at });
    }
    let delta = Float64Array.from(gaussian(n * batch, 1, next));
    const first = norm(delta), decades = [0];
    for (const { W, below, above } of hops.reverse()) {
      const came = backward(W, skip ? delta : unnormed(setting.norm, delta, above, n), n);
      const through = came.map((v, i) => v * slope(below.y[i]));
      delta = skip ? unnormed(setting.norm, through, below, n).map((v, i) => delta[i] + alpha * v) : through;
      decades.push(Math.log10(norm(delta) / first));
    }
    return decades;
  };
  return { draw, small, activations, normed, unnormed };
};
