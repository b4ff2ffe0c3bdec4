// Goes through the steps of a session: buttons, keys, a slider, and a clock that waits as long as the session did.

const SVG = "http://www.w3.org/2000/svg";
// Drawn as shapes: signs such as these are empty boxes where a font lacks them.
const SIGNS = {
  first: "M3 3v10M13 3L5 8l8 5z", back: "M11 3L4 8l7 5z", play: "M4 2.5L13 8l-9 5.5z",
  pause: "M4 3h3v10H4zM9.5 3h3v10h-3z", forward: "M5 3l7 5-7 5z", last: "M13 3v10M3 3l8 5-8 5z",
};
const PACES = [["1", "own pace"], ["2", "×2"], ["10", "×10"], ["100", "×100"], ["step", "a step a second"]];
const SHORTEST = 40; // ms: steps that were closer are played one by one all the same, or they would not be seen

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function sign(name) {
  const made = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of [["viewBox", "0 0 16 16"], ["width", "14"], ["height", "14"], ["aria-hidden", "true"]]) {
    made.setAttribute(key, value);
  }
  for (const [key, value] of [["d", SIGNS[name]], ["fill", "currentColor"], ["stroke", "currentColor"]]) path.setAttribute(key, value);
  made.append(path);
  return made;
}

function themeNow() {
  const of = document.querySelector("[data-jp-theme-light]");
  return of && of.getAttribute("data-jp-theme-light") === "false" ? "dark" : "light";
}

function told(ms) {
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;
}

function render({ model, el }) {
  const root = make("div", "smtplab-scene smtplab-player");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Step through the session");
  const buttons = {};
  for (const act of ["first", "back", "play", "forward", "last"]) {
    const button = make("button", "smtplab-button");
    button.type = "button";
    button.dataset.act = act;
    button.append(sign(act), make("span", "", act));
    button.addEventListener("click", () => (act === "play" ? play(!model.get("playing")) : go(act)));
    root.append(button);
    buttons[act] = button;
  }
  const pace = make("select", "smtplab-pace");
  pace.setAttribute("aria-label", "how fast it plays");
  for (const [value, text] of PACES) {
    const option = make("option", "", text);
    option.value = value;
    pace.append(option);
  }
  const slider = make("input", "smtplab-slider");
  slider.type = "range";
  slider.min = "0";
  slider.setAttribute("aria-label", "step");
  const said = make("span", "smtplab-said");
  root.append(pace, slider, said);
  el.append(root);

  let clock = 0;
  let place = -1; // of the last step that was selected: a row that is no step, such as a packet, lies behind it

  const steps = () => model.get("steps") || [];

  function put(to) {
    if (!steps().length) return;
    model.set("selected", steps()[Math.min(Math.max(to, 0), steps().length - 1)]);
    model.save_changes();
  }

  function go(act) {
    play(false);
    put({ first: 0, back: place - 1, forward: place + 1, last: steps().length - 1 }[act]);
  }

  function wait() {
    const times = model.get("times") || [];
    const between = Math.max((times[place + 1] || 0) - (times[place] || 0), 0);
    if (model.get("pace") === "step") return [1000, false];
    const long = between / Number(model.get("pace"));
    return [Math.min(Math.max(long, SHORTEST), model.get("longest")), long > model.get("longest")];
  }

  // One step, and a timer for the next: a changed pace holds from the next step on.
  function run() {
    clearTimeout(clock);
    if (!model.get("playing")) return;
    if (place >= steps().length - 1) return play(false);
    clock = setTimeout(() => { put(place + 1); run(); }, wait()[0]);
    mark();
  }

  function play(on) {
    if (on && steps().length && (place < 0 || place >= steps().length - 1)) put(0);
    if (model.get("playing") !== on) {
      model.set("playing", on);
      model.save_changes();
    }
  }

  function mark() {
    const at = steps().indexOf(model.get("selected"));
    if (at >= 0 || !model.get("selected")) place = at;
    const count = steps().length;
    slider.max = String(Math.max(count - 1, 0));
    slider.value = String(Math.max(place, 0));
    const times = model.get("times") || [];
    const now = place >= 0 && times[place] !== undefined ? ` at ${told(times[place])}` : "";
    const cut = model.get("playing") && place < count - 1 && wait()[1] ? `, a wait of ${told(times[place + 1] - times[place])} cut short` : "";
    said.textContent = count ? `step ${place + 1} of ${count}${now}${cut}` : "no steps";
    slider.setAttribute("aria-valuetext", said.textContent);
    slider.disabled = buttons.play.disabled = !count;
    buttons.first.disabled = buttons.back.disabled = place <= 0;
    buttons.forward.disabled = buttons.last.disabled = !count || place >= count - 1;
  }

  function dress() {
    const on = model.get("playing");
    buttons.play.querySelector("path").setAttribute("d", on ? SIGNS.pause : SIGNS.play);
    buttons.play.lastChild.textContent = on ? "pause" : "play";
    buttons.play.setAttribute("aria-pressed", String(on));
    if (on) run();
    else clearTimeout(clock);
    mark();
  }

  slider.addEventListener("input", () => { play(false); put(Number(slider.value)); });
  pace.addEventListener("change", () => {
    model.set("pace", pace.value);
    model.save_changes();
    run();
  });
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // JupyterLab owns arrows, Enter and letters in command mode: what is for the player stays with it.
    event.stopPropagation();
    if (event.target === pace || event.target === slider) return;
    const act = { ArrowRight: "forward", ArrowDown: "forward", ArrowLeft: "back", ArrowUp: "back", Home: "first", End: "last" }[event.key];
    if (!act) return;
    event.preventDefault();
    go(act);
  });
  const renewed = () => { place = -1; mark(); };
  const paced = () => { pace.value = model.get("pace"); };
  const theme = () => { root.dataset.theme = themeNow(); };
  const watcher = new MutationObserver(theme);
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  model.on("change:steps", renewed);
  model.on("change:selected change:times", mark);
  model.on("change:playing", dress);
  model.on("change:pace", paced);
  theme();
  paced();
  dress();
  return () => {
    clearTimeout(clock);
    watcher.disconnect();
    model.off("change:steps", renewed);
    model.off("change:selected change:times", mark);
    model.off("change:playing", dress);
    model.off("change:pace", paced);
  };
}

export default { render };
