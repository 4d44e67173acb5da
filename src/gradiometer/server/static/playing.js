"use strict";
// The playground on the ground of the dashboard: its place in the bar, and its keys.
(() => {
  Dash.crumbs("playground");
  const press = (id) => () => document.getElementById(id).click();
  Dash.keys({ r: press("redraw"), c: press("cure") }, { r: "draw new weights", c: "move to the critical line", "?": "this list" });
})();
