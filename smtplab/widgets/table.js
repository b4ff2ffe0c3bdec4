// A table of which one row can be chosen, by pointer or keys; every cell is a text node.

// Fits into any cell, however wide its letters. The others are cut: for a browser each of those is a picture in itself, and two
// thousand of them are slow to paint on every click.
const SHORT = /^[\x20-\x7e]{0,22}$/;

function render({ model, el }) {
  const root = html("div", "smtplab-scene smtplab-table");
  const box = html("div", "smtplab-rows");
  const foot = html("div", "smtplab-bar");
  const back = html("button", "smtplab-button", "previous page");
  const forward = html("button", "smtplab-button", "next page");
  const said = html("span", "smtplab-said");
  said.setAttribute("aria-live", "polite");
  back.type = forward.type = "button";
  foot.append(back, forward, said);
  root.append(box, foot);
  el.append(root);
  let rows = [];
  let marked = null; // the row that is chosen, or the first: the one that Tab comes to

  function paint() {
    const focused = box.contains(document.activeElement);
    root.dataset.theme = themeNow();
    const table = html("table");
    table.setAttribute("aria-label", model.get("title"));
    const head = html("tr");
    for (const name of model.get("columns")) {
      const cell = html("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    const top = html("thead");
    top.append(head);
    const body = html("tbody");
    rows = model.get("rows").map((cells) => {
      const row = html("tr");
      row.dataset.number = String(cells[0]);
      row.tabIndex = -1;
      for (const cell of cells) row.append(html("td", SHORT.test(cell) ? "" : "smtplab-long", String(cell)));
      body.append(row);
      return row;
    });
    table.append(top, body);
    box.replaceChildren(table);
    said.textContent = model.get("said");
    // Not `disabled`: that would take the focus away from whoever turns pages to the end.
    back.setAttribute("aria-disabled", String(model.get("page") <= 0));
    forward.setAttribute("aria-disabled", String(model.get("page") >= model.get("pages") - 1));
    marked = null;
    mark();
    if (focused && marked) marked.focus({ preventScroll: true });
  }

  function mark() {
    const chosen = rows.find((row) => row.dataset.number === String(model.get("selected")));
    // Two rows of hundreds change: a style for each of the others would be slower than all else that a click does here.
    if (marked) {
      marked.tabIndex = -1;
      marked.removeAttribute("aria-current");
    }
    marked = chosen || rows[0] || null;
    if (marked) marked.tabIndex = 0;
    if (chosen) chosen.setAttribute("aria-current", "true");
  }

  function choose(row) {
    model.set("selected", Number(row.dataset.number));
    model.save_changes();
    row.focus({ preventScroll: true });
    const head = box.querySelector("thead").offsetHeight;
    if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
    const low = row.offsetTop + row.offsetHeight - box.clientHeight;
    if (low > box.scrollTop) box.scrollTop = low;
  }

  function turn(by) {
    const to = model.get("page") + by;
    if (to < 0 || to >= model.get("pages")) return;
    model.set("page", to);
    model.save_changes();
  }

  box.addEventListener("click", (event) => {
    const row = event.target instanceof Element ? event.target.closest("tr[data-number]") : null;
    if (row) choose(row);
  });
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = rows.indexOf(document.activeElement);
    const to = {
      ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: rows.length - 1, PageDown: here + 10, PageUp: here - 10,
      Enter: here, " ": here,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (rows.length) choose(rows[Math.min(Math.max(to, 0), rows.length - 1)]);
  });
  back.addEventListener("click", () => turn(-1));
  forward.addEventListener("click", () => turn(1));
  const untheme = onTheme(() => { root.dataset.theme = themeNow(); });
  model.on("change:rows change:said change:page change:pages", paint);
  model.on("change:selected", mark);
  paint();
  return () => {
    untheme();
    model.off("change:rows change:said change:page change:pages", paint);
    model.off("change:selected", mark);
  };
}

export default { render };
