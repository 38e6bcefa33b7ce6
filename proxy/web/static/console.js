// Keeps a page up to date: asks for it again every few seconds and exchanges the parts that are marked
// data-live. Without this script the page is the same, as it was when it was loaded. A document that is asked
// for by XMLHttpRequest runs no script, and nothing here makes markup of text.
"use strict";
(() => {
  const SECONDS = 5;
  const button = document.getElementById("live-button");
  const state = document.getElementById("live-state");
  const said = document.getElementById("said");
  const parts = () => [...document.querySelectorAll("[data-live]")];
  let paused = false;
  let timer = 0;

  if (parts().every((part) => part.id === "problems")) return;

  const told = (root) => new Set([...root.querySelectorAll("[data-tell]")].map((one) => one.dataset.tell));
  const key = (one) => one && (one.id || one.getAttribute("href") || one.getAttribute("aria-label"));
  const find = (root, wanted) =>
    [...root.querySelectorAll("a, button, summary, details, [tabindex]")].find((one) => key(one) === wanted);

  function exchange(part, fresh) {
    if (part.isEqualNode(fresh)) return;
    const focused = part.contains(document.activeElement) ? key(document.activeElement) : null;
    const scrolled = [...part.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    for (const one of part.querySelectorAll("details[open]")) {
      const same = one.id && fresh.querySelector(`#${CSS.escape(one.id)}`);
      if (same) same.open = true;
    }
    part.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
    part.querySelectorAll(".scroll").forEach((one, index) => (one.scrollLeft = scrolled[index] || 0));
    const again = focused && find(part, focused);
    if (again) again.focus({ preventScroll: true });
  }

  function update(fresh) {
    const before = told(document);
    for (const part of parts()) {
      const other = fresh.getElementById(part.id);
      if (other) exchange(part, other);
    }
    const news = [...told(document)].filter((words) => !before.has(words));
    if (news.length) said.textContent = news.join("; ");
    state.textContent = "live";
    state.classList.remove("bad");
  }

  function fail(words) {
    state.textContent = words;
    state.classList.add("bad");
  }

  function ask() {
    const selection = document.getSelection();
    const reading = selection && !selection.isCollapsed;
    if (paused || document.hidden || reading) return wait();
    const request = new XMLHttpRequest();
    request.open("GET", location.pathname + location.search);
    request.setRequestHeader("Accept", "text/html");
    request.responseType = "document";
    request.timeout = 10000;
    request.onload = () => {
      if (request.status === 200 && request.response) update(request.response);
      else fail(`not updated: status ${request.status}`);
      wait();
    };
    request.onerror = request.ontimeout = () => {
      fail("not updated: the proxy cannot be reached");
      wait();
    };
    request.send();
  }

  function wait() {
    clearTimeout(timer);
    timer = setTimeout(ask, SECONDS * 1000);
  }

  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Go on updating" : "Pause updates";
    state.textContent = paused ? "paused" : "live";
    if (!paused) ask();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !paused) ask();
  });
  button.hidden = false;
  state.textContent = "live";
  wait();
})();
