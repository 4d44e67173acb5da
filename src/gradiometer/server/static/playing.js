"use strict";
// The playground on the ground of the dashboard: its place in the bar, and its keys.
(() => {
  Dash.crumbs("playground");
  const press = (id) => () => document.getElementById(id).click();
  const acts = { r: press("redraw"), c: press("cure") }, words = { r: "draw new weights", c: "move to the critical line" };
  if (document.getElementById("train")) {
    acts.t = press("train");
    words.t = "train this network, or stop";
  }
  Dash.keys(acts, { ...words, "?": "this list" });
})();
