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
  // A link of the ladder opens what it leads to; a page opened at such an address, too.
  const follow = () => {
    const line = document.getElementById(location.hash.slice(1));
    if (line && line.tagName === "DETAILS") {
      line.open = true;
      line.scrollIntoView();
      line.firstElementChild.focus();
    }
  };
  addEventListener("hashchange", follow);
  follow();
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
