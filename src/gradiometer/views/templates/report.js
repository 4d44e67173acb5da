for (const [id, spec] of Object.entries(JSON.parse(document.getElementById("charts").textContent)))
  Gradiometer.draw(document.getElementById(id), spec);
