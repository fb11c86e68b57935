/* SPDX-FileCopyrightText: fleetpki.host_trust contributors
   SPDX-License-Identifier: GPL-3.0-or-later
   Hides what was not searched for. The page is complete without this, and nothing is made of text from elsewhere. */
"use strict";
(function () {
  const search = document.getElementById("search");
  const attention = document.getElementById("attention");
  const said = document.getElementById("said");
  const columns = Array.from(document.querySelectorAll(".matrix .column"), (cell) => cell.textContent.toLowerCase());

  // What each row is found by is read once: looking at the page again for each key would be slow.
  // No more rows are shown at once than the eye can follow and the browser lays out in no time.
  const AT_ONCE = 60;
  const parts = Array.from(document.querySelectorAll("[data-part]"), (part) => ({
    name: part.dataset.part,
    nothing: part.querySelector(".nothing"),
    all: part.querySelector(".all"),
    rows: Array.from(part.querySelectorAll("[data-row]"), read),
    most: AT_ONCE,
  }));
  const branches = Array.from(document.querySelectorAll(".branch")).reverse();

  function read(element) {
    const states = Array.from(element.querySelectorAll(".cell"), (cell, at) =>
      cell.classList.contains("absent") ? "" : columns[at] + " " + cell.textContent);
    const names = element.querySelector(".names");
    return {
      element, bad: "bad" in element.dataset, shown: true,
      text: (element.textContent + " " + states.join(" ")).toLowerCase(),
      names: names ? names.textContent.trim().split(/,\s+/) : [],
      hit: element.querySelector(".hit"),
    };
  }

  // In a row of many hosts that are alike, those that were searched for are named.
  function tell(row, words) {
    if (!row.hit) return;
    const found = words.length ? row.names.filter((name) => words.some((word) => name.toLowerCase().includes(word))) : [];
    row.hit.hidden = !found.length || found.length === row.names.length;
    row.hit.textContent = found.length + " of them: " + found.slice(0, 5).join(", ") + (found.length > 5 ? ", …" : "");
  }

  let printing = false;
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const told = [];
    for (const part of parts) {
      let found = 0;
      for (const row of part.rows) {
        const fits = (row.bad || !attention.checked) && words.every((word) => row.text.includes(word));
        const show = fits && (found < part.most || printing);
        if (show !== row.shown) row.element.hidden = !(row.shown = show);
        if (show) tell(row, words);
        found += fits;
      }
      part.nothing.hidden = found > 0 || !part.rows.length;
      part.all.hidden = found <= part.most;
      part.all.textContent = "Show all " + found;
      told.push(part.name + " " + found);
    }
    for (const branch of branches) {
      branch.hidden = !branch.querySelector("[data-row]:not([hidden])");
    }
    // Behind "more" lies what may be just what was searched for.
    const searching = words.length > 0;
    for (const more of document.querySelectorAll(".more")) {
      if (searching && !more.open) more.dataset.opened = "";
      if (searching || "opened" in more.dataset) more.open = searching;
      if (!searching) delete more.dataset.opened;
    }
    said.textContent = searching || attention.checked ? told.join(", ") : "";
  }

  // Searches are part of the address, to be passed on: #q=web1&only=attention
  function fromAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    if (!given.has("q") && !given.has("only")) return;  // the name of a part, or nothing
    search.value = given.get("q") || "";
    attention.checked = given.get("only") === "attention";
    filter();
  }

  function toAddress() {
    const given = new URLSearchParams();
    if (search.value) given.set("q", search.value);
    if (attention.checked) given.set("only", "attention");
    history.replaceState(null, "", "#" + given);
  }

  let later;
  function changed() {
    filter();
    clearTimeout(later);
    later = setTimeout(toAddress, 300);
  }

  search.addEventListener("input", changed);
  attention.addEventListener("change", changed);
  addEventListener("hashchange", fromAddress);
  addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== search) {
      event.preventDefault();
      search.focus();
    }
  });
  for (const part of parts) {
    part.all.addEventListener("click", () => {
      part.most = Infinity;
      filter();
    });
  }

  // On paper is all that fits the search, and what is folded is opened.
  addEventListener("beforeprint", () => {
    printing = true;
    filter();
    for (const each of document.querySelectorAll("details:not([open])")) {
      each.dataset.printed = "";
      each.open = true;
    }
  });
  addEventListener("afterprint", () => {
    printing = false;
    for (const each of document.querySelectorAll("[data-printed]")) {
      delete each.dataset.printed;
      each.open = false;
    }
    filter();
  });
  document.documentElement.classList.add("scripted");
  filter();
  fromAddress();
})();
