// Paints a scene (smtplab/charts/scene.py) and lets its rows be selected by pointer, keys and step buttons.
// Everything that comes from a capture ends in a text node or in an attribute of the lists below, never in markup.

const TAGS = new Set(["rect", "line", "path", "text"]);
const PLACES = {
  rect: ["x", "y", "width", "height"],
  line: ["x1", "y1", "x2", "y2"],
  path: ["d"],
  text: ["x", "y"],
};
const STYLES = new Set([
  "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "fill-opacity", "opacity",
  "font-family", "font-size", "font-weight", "font-style", "pointer-events",
]);
const ANCHORS = new Set(["middle", "end"]);
const WIDEST = 960; // px of buttons and card beside a narrow picture
const PACE = 900; // ms from one step to the next while playing
const LATER = 60; // ms, by when a first frame has been handed over
const SIGHT = 1.2; // heights of what is seen at a time: of a picture that is longer, what lies lower is painted behind the first frame

// One of each kind, dressed in the colours and letters of its role: the others are copies of it, for a picture has hundreds.
function pattern(tag, role, sheet) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(sheet[role] || {})) {
    if (STYLES.has(name)) made.setAttribute(name, String(value));
  }
  if (role && /^[a-z-]+$/.test(role)) made.classList.add(`smtplab-is-${role}`);
  return made;
}

function painted(item, sheet, patterns) {
  if (!TAGS.has(item.tag)) return null;
  const kind = `${item.tag} ${item.role}`;
  if (!patterns.has(kind)) patterns.set(kind, pattern(item.tag, item.role, sheet));
  const made = patterns.get(kind).cloneNode(false);
  for (const name of PLACES[item.tag]) made.setAttribute(name, String(item[name]));
  if (item.tag === "rect" && item.radius) made.setAttribute("rx", String(item.radius));
  if (item.tag === "text") {
    if (ANCHORS.has(item.anchor)) made.setAttribute("text-anchor", item.anchor);
    const strong = item.strong || 0, text = item.text || "";
    if (strong) {
      const bold = svg("tspan", { "font-weight": "bold" });
      bold.textContent = text.slice(0, strong);
      made.append(bold);
    }
    made.append(document.createTextNode(text.slice(strong)));
  }
  if (item.key) made.dataset.key = item.key;
  return made;
}

// Where an item begins, in px from the top of its scene.
function topOf(item) {
  if (item.tag === "path") return Number((/^M\s*[-\d.]+[\s,]+([-\d.]+)/.exec(item.d) || [0, 0])[1]);
  return item.tag === "line" ? Math.min(item.y1, item.y2) : item.y;
}

function downward(items) {
  let last = -Infinity;
  for (const item of items) {
    if (item.y < last) return false;
    last = item.y;
  }
  return true;
}

function render({ model, el }) {
  const root = html("div", "smtplab-scene");
  const bar = html("div", "smtplab-bar");
  const stage = html("div", "smtplab-stage");
  const card = html("div", "smtplab-card");
  card.setAttribute("aria-live", "polite");
  const leaves = html("div", "smtplab-bar smtplab-pages");
  const turners = [["previous page", -1], ["next page", 1]].map(([words, by]) => {
    const button = html("button", "smtplab-button", words);
    button.type = "button";
    button.addEventListener("click", () => turn(by, 0));
    return button;
  });
  const leaf = html("span", "smtplab-said");
  leaf.setAttribute("aria-live", "polite");
  leaves.append(...turners, leaf);
  root.append(bar, stage, leaves, card);
  el.append(root);

  let rows = new Map(); // key -> the rectangle that stands for it
  let labels = {};
  let entry = null; // the row that Tab comes to: the one that is selected, or the first
  let ring = null;
  let over = null;
  let sheet = {};
  let patterns = new Map(); // of the sheet
  let rest = null; // paints what was not in sight at first
  let sight = 0; // px of a scene that the stage shows at a time, where it scrolls
  let clock = 0;
  let shown = ""; // the session, the page and the first row that are painted
  let entering = null; // a page was turned by keys: `by` 1 beyond the last row, -1 before the first, `from` what was painted then
  const calmly = matchMedia("(prefers-reduced-motion: reduce)");

  const steps = () => model.get("steps") || [];
  // What arrow keys walk through: the rows that are drawn, or the steps where no row stands for one.
  const order = () => {
    if (rest) rest();
    return rows.size ? [...rows.keys()] : steps();
  };

  function select(key, focus) {
    model.set("selected", key);
    model.set("step", steps().indexOf(key));
    model.save_changes();
    if (focus && rows.has(key)) rows.get(key).focus({ preventScroll: true });
  }

  // Another page; `entered` says that keys went over its edge, and on which side they come in.
  function turn(by, entered) {
    const to = model.get("page") + by;
    if (to < 0 || to >= model.get("pages")) return;
    entering = entered ? { by: entered, from: model.get("scenes") } : null;
    model.set("page", to);
    model.save_changes();
  }

  function paint() {
    const focused = root.contains(document.activeElement) && document.activeElement.dataset.key !== undefined;
    const scenes = model.get("scenes") || {};
    const theme = themeNow();
    const dressed = scenes[theme] || scenes.light;
    root.dataset.theme = theme;
    const scene = !dressed || dressed.items ? dressed : { ...scenes.light, sheet: dressed.sheet };
    const first = new Map(); // key -> the item that is its row
    for (const item of scene ? scene.items : []) {
      if (item.tag === "rect" && item.key && item.label && !first.has(item.key)) first.set(item.key, item);
    }
    const now = scene ? `${scene.title.split(":")[0]}, page ${model.get("page")}, from ${[...first.keys()][0]}` : "";
    // Of a session that grows the end stays in sight where it was; anything else, such as another line's octets, begins at its top.
    const atEnd = now === shown && stage.scrollTop > 0 && stage.scrollTop + stage.clientHeight >= stage.scrollHeight - 4;
    const fresh = now !== shown;
    if (fresh) stage.scrollTop = 0;
    shown = now;
    rest = null;
    stage.replaceChildren();
    rows = new Map();
    entry = null;
    labels = { ...(model.get("labels") || {}) };
    if (!scene) return;
    sheet = scene.sheet;
    patterns = new Map();
    const picture = svg("svg", { viewBox: `0 0 ${scene.width} ${scene.height}`, class: "smtplab-picture" });
    picture.style.maxWidth = `${scene.width}px`;
    root.style.maxWidth = `${Math.max(WIDEST, scene.width + 12)}px`;
    const listed = first.size > 0;
    const put = (item) => {
      const made = painted(item, sheet, patterns);
      if (!made) return;
      if (first.get(item.key) === item) {
        rows.set(item.key, made);
        labels[item.key] = labels[item.key] || item.label;
        made.setAttribute("role", "option");
        made.setAttribute("aria-label", item.label);
        made.setAttribute("aria-selected", "false");
        made.setAttribute("tabindex", "-1");
      } else {
        // A listbox holds options only: headings and the like are for the eye, and said in its name.
        if (listed || item.tag !== "text") made.setAttribute("aria-hidden", "true");
        if (item.label) {
          const told = svg("title"); // what a pointer that rests on it is told
          told.textContent = item.label;
          made.append(told);
        }
      }
      picture.insertBefore(made, over);
    };
    picture.setAttribute("role", listed ? "listbox" : steps().length ? "group" : "img");
    picture.setAttribute("aria-label", `${scene.title}. ${scene.description}`);
    if (!listed && steps().length) picture.setAttribute("tabindex", "0");
    over = svg("g", { "aria-hidden": "true", class: "smtplab-over" });
    ring = svg("rect", { class: "smtplab-ring", rx: 5, "aria-hidden": "true", visibility: "hidden" });
    picture.append(over, ring);
    // Of a new picture that is long, what is in sight comes first: a click is answered sooner. Its rows go from top to bottom.
    const low = SIGHT * (sight || window.innerHeight);
    const whole = !fresh || entering || model.get("selected") || scene.height < 1.5 * low || !downward(first.values());
    const lower = whole ? [] : scene.items.filter((item) => topOf(item) > low);
    for (const item of whole ? scene.items : scene.items.filter((item) => topOf(item) <= low)) put(item);
    stage.append(picture);
    const pages = model.get("pages");
    leaves.hidden = pages < 2;
    root.dataset.paged = String(pages > 1);
    leaf.textContent = `page ${model.get("page") + 1} of ${pages}`;
    turners[0].setAttribute("aria-disabled", String(model.get("page") <= 0));
    turners[1].setAttribute("aria-disabled", String(model.get("page") >= pages - 1));
    if (entering && entering.from !== scenes && rows.size) {
      const keys = [...rows.keys()];
      const key = keys[entering.by > 0 ? 0 : keys.length - 1];
      entering = null;
      select(key, true); // the mark follows it
    } else mark(true);
    if (atEnd) stage.scrollTop = stage.scrollHeight;
    if (focused && rows.has(model.get("selected"))) rows.get(model.get("selected")).focus({ preventScroll: true });
    const due = rest = () => {
      if (rest !== due) return; // done by then, or another picture came
      rest = null;
      for (const item of lower) put(item);
      sight = stage.scrollHeight > stage.clientHeight + 1 ? stage.clientHeight * Math.max(1, scene.width / stage.clientWidth) : 0;
    };
    setTimeout(due, LATER);
  }

  function mark(scroll) {
    if (rest) rest();
    const key = model.get("selected") || "";
    const found = rows.get(key);
    // Only what changes: a ladder has hundreds of rows.
    if (entry) {
      entry.setAttribute("aria-selected", "false");
      entry.setAttribute("tabindex", "-1");
    }
    entry = found || rows.values().next().value || null;
    if (entry) {
      entry.setAttribute("aria-selected", String(entry === found));
      entry.setAttribute("tabindex", "0");
    }
    if (ring) {
      ring.setAttribute("visibility", found ? "visible" : "hidden");
      if (found) for (const name of PLACES.rect) ring.setAttribute(name, found.getAttribute(name));
    }
    if (over) {
      const overlays = model.get("overlays") || {};
      const names = (overlays.of || {})[key] || overlays.otherwise || [];
      over.replaceChildren();
      for (const name of names) {
        for (const item of (overlays.items || {})[name] || []) {
          const made = painted(item, sheet, patterns);
          if (made) over.append(made);
        }
      }
    }
    const place = steps().indexOf(key);
    const elsewhere = model.get("pages") > 1 ? "This line is on another page." : "This line is not among those shown here.";
    const said = labels[key] || (key ? elsewhere : "");
    const count = place >= 0 ? `${place + 1}/${steps().length}: ` : "";
    card.replaceChildren();
    if (said) card.append(html("b", "", count), document.createTextNode(said));
    else card.append(html("span", "smtplab-hint", order().length ? "Select a line: click, or arrow keys, Home and End." : ""));
    // What can be scrolled can be reached by keys; measured later, for now nothing is laid out yet.
    setTimeout(() => { card.tabIndex = card.scrollHeight > card.clientHeight + 1 ? 0 : -1; }, LATER);
    if (found && scroll) {
      const box = found.getBoundingClientRect();
      const frame = stage.getBoundingClientRect();
      // Only the view's own box scrolls: a page that jumps on every step cannot be read. Of what is taller the beginning is seen.
      if (box.top < frame.top || box.height > frame.height) stage.scrollTop -= frame.top - box.top + 40;
      else if (box.bottom > frame.bottom) stage.scrollTop += box.bottom - frame.bottom + 40;
    }
    for (const button of bar.children) {
      const at = button.dataset.act;
      // Not `disabled`: that would take the focus away, and with it the keys of whoever steps on to the end.
      const spent = at === "first" || at === "back" ? place === 0 : at !== "play" && place === steps().length - 1;
      button.setAttribute("aria-disabled", String(spent));
    }
  }

  function go(act) {
    const keys = steps();
    let here = keys.indexOf(model.get("selected"));
    const drawn = [...rows.keys()];
    if (here < 0 && rows.has(model.get("selected"))) {
      // A row that is no step, such as a packet: the steps before and behind it are its neighbours.
      const before = drawn.slice(0, drawn.indexOf(model.get("selected"))).filter((key) => keys.includes(key)).length;
      here = act === "back" ? before : before - 1;
    }
    const to = { first: 0, back: Math.max(0, here - 1), forward: Math.min(keys.length - 1, here + 1), last: keys.length - 1 };
    if (keys.length) select(keys[to[act]], false);
  }

  function play(on) {
    clearInterval(clock);
    clock = 0;
    if (on) {
      if (model.get("step") >= steps().length - 1) go("first");
      clock = setInterval(() => {
        if (model.get("step") >= steps().length - 1) play(false);
        else go("forward");
      }, PACE);
    }
    dress();
  }

  function dress() {
    for (const button of bar.children) {
      if (button.dataset.act !== "play") continue;
      button.querySelector("path").setAttribute("d", clock ? SIGNS.pause : SIGNS.play);
      button.lastChild.textContent = clock ? "pause" : "play";
    }
  }

  function buttons() {
    if (clock) play(false);
    bar.replaceChildren();
    bar.hidden = !steps().length;
    if (bar.hidden) return;
    for (const act of ACTS) bar.append(stepButton(act, () => (act === "play" ? play(!clock) : (play(false), go(act)))));
  }

  function point(event) {
    const target = event.target instanceof Element ? event.target.closest("[data-key]") : null;
    if (target && stage.contains(target) && (rows.has(target.dataset.key) || steps().includes(target.dataset.key))) {
      select(target.dataset.key, true);
    }
  }

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = order();
    const here = keys.indexOf(model.get("selected"));
    const to = {
      ArrowDown: here + 1, ArrowRight: here + 1, ArrowUp: here - 1, ArrowLeft: here - 1, Home: 0, End: keys.length - 1,
      PageDown: here + 10, PageUp: here - 10, Enter: here, " ": here, Escape: here,
    }[event.key];
    if (to === undefined) return;
    // JupyterLab owns arrows, Enter and letters in command mode: neither it nor the page may have this one.
    event.preventDefault();
    event.stopPropagation();
    if (rows.size && here >= 0 && (to < 0 ? here === 0 : to >= keys.length && here === keys.length - 1)) {
      return turn(Math.sign(to - here), Math.sign(to - here));
    }
    if (keys.length) select(keys[Math.min(Math.max(to, 0), keys.length - 1)], true);
  }

  stage.addEventListener("click", point);
  stage.addEventListener("keydown", press);
  bar.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && /^(Arrow|Home|End)/.test(event.key)) return press(event);
    if (event.key === "Enter" || event.key === " ") event.stopPropagation();
  });
  const moved = () => mark(true);
  // A picture comes with its steps, and each of the two is told of: both are there before the first is painted, once.
  let due = false;
  const renewed = () => {
    if (due) return;
    due = true;
    queueMicrotask(() => { due = false; buttons(); paint(); });
  };
  const calm = () => { root.dataset.still = String(calmly.matches); };
  model.on("change:scenes", renewed);
  model.on("change:selected", moved);
  model.on("change:steps", renewed);
  calmly.addEventListener("change", calm);
  const untheme = onTheme(() => { if (root.dataset.theme !== themeNow()) paint(); });
  const most = model.get("tallest");
  if (most) stage.style.maxHeight = `${most}px`;
  calm();
  buttons();
  paint();
  return () => {
    clearInterval(clock);
    untheme();
    calmly.removeEventListener("change", calm);
    model.off("change:scenes", renewed);
    model.off("change:selected", moved);
    model.off("change:steps", renewed);
  };
}

export default { render };
