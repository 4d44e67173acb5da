// Charts of a page that is a file: drawn once, and read by keyboard.
(() => {
  const specs = Object.entries(JSON.parse(document.getElementById("charts").textContent));
  for (const [id, spec] of specs) {
    const box = document.getElementById(id), data = spec.rows ? Groups.readOf(spec) : spec.data;
    Gradiometer.draw(box, spec);
    if (data && data.rows.length && data.head.length > 1) Reading.readable(box, data);
    if (spec.rows) Groups.add(box, spec);
  }
  // What is folded away cannot be opened on paper. The tables of charts and the modules stay as they are.
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details:not([open])")].filter((d) => !d.closest(".below, .tree"));
    for (const one of unfolded) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of unfolded) one.open = false; });
  for (const [id, spec] of specs) if (spec.groups) Groups.start(document.getElementById(id), spec.groups);
})();
