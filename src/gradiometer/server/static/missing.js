"use strict";
// An address that leads nowhere.
Dash.crumbs();
Dash.keys({}, { "?": "this list" });
Dash.failed({ status: 404, message: "The folder has no such file any more, or it cannot be read." });
