// What the modules of the widgets have in common. It stands before the source of each: see module.py.

const SVG = "http://www.w3.org/2000/svg";
// Drawn as shapes: signs such as these are empty boxes where a font lacks them.
const SIGNS = {
  first: "M3 3v10M13 3L5 8l8 5z", back: "M11 3L4 8l7 5z", play: "M4 2.5L13 8l-9 5.5z",
  pause: "M4 3h3v10H4zM9.5 3h3v10h-3z", forward: "M5 3l7 5-7 5z", last: "M13 3v10M3 3l8 5-8 5z",
};
const ACTS = ["first", "back", "play", "forward", "last"];

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, String(value));
  return made;
}

function html(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// One of the buttons that go through steps; its words are text, its sign is a shape.
function stepButton(act, pressed) {
  const button = html("button", "smtplab-button");
  button.type = "button";
  button.dataset.act = act;
  const sign = svg("svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" });
  sign.append(svg("path", { d: SIGNS[act], fill: "currentColor", stroke: "currentColor" }));
  button.append(sign, html("span", "", act));
  button.addEventListener("click", () => pressed(act));
  return button;
}

function themeNow() {
  const of = document.querySelector("[data-jp-theme-light]");
  return of && of.getAttribute("data-jp-theme-light") === "false" ? "dark" : "light";
}

// Calls back when JupyterLab's theme may have changed; gives the function that ends it.
function onTheme(changed) {
  const watcher = new MutationObserver(changed);
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  return () => watcher.disconnect();
}

