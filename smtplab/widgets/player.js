// Goes through the steps of a session: buttons, keys, a slider, and a clock that waits as long as the session did.

const PACES = [["1", "own pace"], ["2", "×2"], ["10", "×10"], ["100", "×100"], ["step", "a step a second"]];
const SHORTEST = 40; // ms: steps that were closer are played one by one all the same, or they would not be seen

function told(ms) {
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;
}

function render({ model, el }) {
  const root = html("div", "smtplab-scene smtplab-player");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Step through the session");
  const buttons = {};
  for (const act of ACTS) {
    buttons[act] = stepButton(act, () => (act === "play" ? play(!model.get("playing")) : go(act)));
    root.append(buttons[act]);
  }
  const pace = html("select", "smtplab-pace");
  pace.setAttribute("aria-label", "how fast it plays");
  for (const [value, text] of PACES) {
    const option = html("option", "", text);
    option.value = value;
    pace.append(option);
  }
  const slider = html("input", "smtplab-slider");
  slider.type = "range";
  slider.min = "0";
  slider.setAttribute("aria-label", "step");
  const said = html("span", "smtplab-said");
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
    slider.disabled = !count;
    // Not `disabled`: that would take the focus away, and with it the keys of whoever steps on to the end.
    const spent = { play: !count, first: !count || place === 0, back: place <= 0, forward: !count || place >= count - 1 };
    spent.last = spent.forward;
    for (const act of ACTS) buttons[act].setAttribute("aria-disabled", String(spent[act]));
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
  const untheme = onTheme(theme);
  model.on("change:steps", renewed);
  model.on("change:selected change:times", mark);
  model.on("change:playing", dress);
  model.on("change:pace", paced);
  theme();
  paced();
  dress();
  return () => {
    clearTimeout(clock);
    untheme();
    model.off("change:steps", renewed);
    model.off("change:selected change:times", mark);
    model.off("change:playing", dress);
    model.off("change:pace", paced);
  };
}

export default { render };
