"use strict";
document.documentElement.className = "js";
addEventListener("DOMContentLoaded", () => {
  const all = (what, where = document) => [...where.querySelectorAll(what)];
  const one = (what, where = document) => where.querySelector(what);
  const form = one(".controls"), table = one(".matrix table"), dialog = one("dialog");
  const cases = all(table ? "tr.one" : "details.case");
  const bodyOf = row => table ? byId(idOf(row)) : row;
  const byId = id => document.getElementById(id);
  const idOf = row => decodeURIComponent(one("a", row).hash.slice(1));
  const texts = new Map();

  const textOf = row => {
    if (!texts.has(row)) {
      const family = row.closest(".family"), said = [family && family.firstElementChild, row, bodyOf(row)];
      texts.set(row, said.map(part => part ? part.textContent : "").join(" ").toLowerCase());
    }
    return texts.get(row);
  };

  // --- The filter ---
  function filter() {
    const data = new FormData(form);
    const verdicts = data.getAll("verdict"), levels = data.getAll("level"), scope = data.get("scope");
    const words = data.get("text").toLowerCase().split(/\s+/).filter(Boolean);
    const active = Boolean(verdicts.length || levels.length || words.length);
    let shown = 0;
    for (const row of cases) {
      const fits = (!verdicts.length || row.dataset.v.split(" ").some(v => verdicts.includes(v)))
        && (!levels.length || levels.includes(row.dataset.l))
        && (scope !== "differs" || "differs" in row.dataset) && (scope !== "loud" || "loud" in row.dataset)
        && words.every(word => textOf(row).includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    (table ? hideRows : hideGroups)(active);
    for (const note of all(".nothing")) note.hidden = shown > 0;
    one("output", form).textContent = shown === cases.length ? `${shown} cases` : `${shown} of ${cases.length} cases`;
  }

  function hideGroups(active) {
    for (const group of [...all("details.family"), ...all("details.section")]) {
      group.hidden = !one("details.case:not([hidden])", group);
      if (active && !group.hidden) group.open = true;
    }
  }

  function hideRows(active) {
    let section = null;
    for (const body of table.tBodies) {
      if (body.className === "section") {
        section = body;
        section.hidden = true;
        continue;
      }
      body.hidden = !one("tr.one:not([hidden])", body);
      if (!body.hidden) section.hidden = false;
      if (active && !body.hidden) fold(body, false);
    }
  }

  function fold(body, folded) {
    const button = one("tr.sum button", body);
    if (!button) return;
    body.classList.toggle("folded", folded);
    button.setAttribute("aria-expanded", String(!folded));
  }

  let waiting = 0;
  form.addEventListener("input", event => {
    clearTimeout(waiting);
    if (event.target.type === "search") waiting = setTimeout(filter, 120);
    else filter();
  });
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", event => event.preventDefault());

  const deeds = {
    unfold: () => table ? all("tbody.family").forEach(body => fold(body, false))
      : all("details.section:not([hidden]), details.family:not([hidden])").forEach(group => { group.open = true; }),
    fold: () => table ? all("tbody.family").forEach(body => fold(body, true))
      : all("details.section, details.family, details.case").forEach(group => { group.open = false; }),
    close: () => dialog.close(),
    previous: () => step(-1),
    next: () => step(1),
  };
  document.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (button && button.dataset.do) deeds[button.dataset.do]();
    else if (button && button.closest("tr.sum")) {
      const body = button.closest("tbody");
      fold(body, !body.classList.contains("folded"));
    } else if (button && button.className === "copy") copy(button);
    else if (event.target === dialog) dialog.close();
    else if (table && !event.target.closest("a") && event.target.closest("tr.one")) {
      one("a", event.target.closest("tr.one")).click();
    }
  });

  // --- A case of the matrix, on top ---
  let current = null, home = null;
  function put(row) {
    takeBack();
    const found = row && bodyOf(row);
    if (!found) return;
    current = row;
    home = found;
    one("h2", dialog).textContent = one("th", row).textContent;
    one(".content", dialog).append(one(".body", found));
    if (!dialog.open) dialog.showModal();
    one(".content", dialog).scrollTop = 0;
  }
  function takeBack() {
    const body = dialog && one(".content > .body", dialog);
    if (body) home.append(body);
  }
  function step(by) {
    const visible = cases.filter(row => !row.hidden);
    const row = visible[visible.indexOf(current) + by];
    if (row) history.replaceState(null, "", "#" + idOf(row));
    if (row) put(row);
  }
  if (dialog) dialog.addEventListener("close", () => {
    takeBack();
    history.replaceState(null, "", location.pathname + location.search);
    if (current && current.offsetParent) one("a", current).focus();
  });

  // --- Addresses ---
  function go() {
    const id = decodeURIComponent(location.hash.slice(1)), found = id && byId(id);
    if (!found) return;
    if (table) {
      put(cases.find(row => idOf(row) === id));
      return;
    }
    if (found.hidden) {
      form.reset();
      filter();
    }
    for (let at = found; at; at = at.parentElement && at.parentElement.closest("details")) at.open = true;
    found.scrollIntoView();
  }
  addEventListener("hashchange", go);
  // A link to where one is already, and a link in a line that unfolds.
  document.addEventListener("click", event => {
    const link = event.target.closest("a[href^='#']");
    if (link && link.hash === location.hash) {
      event.preventDefault();
      go();
    }
  });

  // --- Keys, and the clipboard ---
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=search]")) return;
    if (event.key === "/" && !(dialog && dialog.open)) {
      event.preventDefault();
      form.elements.text.focus();
    } else if (dialog && dialog.open && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      step(event.key === "ArrowLeft" ? -1 : 1);
    } else if (table && (event.key === "ArrowUp" || event.key === "ArrowDown") && event.target.closest("tr")) {
      const stops = all("tr.sum button, tr.one a", table).filter(stop => stop.offsetParent);
      const next = stops[stops.indexOf(event.target) + (event.key === "ArrowUp" ? -1 : 1)];
      if (next && stops.includes(event.target)) {
        event.preventDefault();
        next.focus();
      }
    }
  });
  const selectionOf = node => {
    const range = document.createRange();
    range.selectNodeContents(node);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  async function copy(button) {
    const code = button.previousElementSibling;
    selectionOf(code);
    let done = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }
  for (const line of all(".repeat")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    line.append(button);
  }

  if (table && cases.some(row => "differs" in row.dataset)) form.elements.scope.value = "differs";
  filter();
  go();
});
