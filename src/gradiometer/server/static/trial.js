"use strict";
// One trial: the server has written the page; its charts are drawn here, and it is asked for again as the file grows.
(() => {
  const { h, fill, listen, say, crumbs, keys } = Dash;
  const main = document.getElementById("main");
  const id = location.pathname.split("/").pop();

  const draw = () => {
    const specs = JSON.parse(document.getElementById("charts").textContent);
    for (const [place, spec] of Object.entries(specs)) {
      const box = document.getElementById(place);
      if (box) Gradiometer.draw(box, spec);
    }
  };
  // The page as the server writes it now: parsed, never run, and only its main and its data are taken over.
  const again = async () => {
    const answer = await fetch(location.pathname);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const before = main.querySelector("h1") ? main.querySelector("h1").textContent : "";
    main.replaceChildren(...page.getElementById("main").childNodes);
    document.getElementById("charts").textContent = page.getElementById("charts").textContent;
    draw();
    const now = main.querySelector("h1").textContent;
    if (now !== before) say(now, !main.querySelector(".progress"));
  };
  const name = document.title.replace(/ · Gradiometer$/, "");
  crumbs(h("a", { href: "/trials" }, "trials"), h("code", {}, name.replace(/^trial of /, "")));
  keys({}, { "?": "this list" });
  draw();
  listen(`/events/trials/${id}`, { at: again, changed: again, reset: again }, () => "The trial is as it was then.");
})();
