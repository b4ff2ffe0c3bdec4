(() => {
  "use strict";
  const lines = Array.from(document.querySelectorAll("details"));
  const button = document.getElementById("all");
  const open = (yes) => lines.forEach((line) => { line.open = yes; });
  button.hidden = false;
  button.addEventListener("click", () => {
    const yes = button.getAttribute("aria-pressed") !== "true";
    open(yes);
    button.setAttribute("aria-pressed", String(yes));
    button.textContent = yes ? "Close all" : "Open all";
  });
  let before = [];
  addEventListener("beforeprint", () => { before = lines.map((line) => line.open); open(true); });
  addEventListener("afterprint", () => lines.forEach((line, n) => { line.open = before[n]; }));
  document.addEventListener("keydown", (event) => {
    const at = lines.findIndex((line) => line.firstElementChild === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (at < 0 || to === undefined || !lines[to]) return;
    event.preventDefault();
    lines[to].firstElementChild.focus();
  });
})();
