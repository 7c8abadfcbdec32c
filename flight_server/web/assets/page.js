// Fetches the page that is shown again and again, and changes what has changed. Without it the page is the same, and
// reloads. Nothing is fetched while nobody can see it.
"use strict";
(() => {
  const live = document.getElementById("live");
  const interval = 1000 * Number(live.dataset.seconds);
  const stale = document.getElementById("stale");
  let timer = 0;
  let fetching = false;

  // What the reader has changed stays: a <details> that was opened is open.
  const KEPT = new Set(["open"]);

  function changeAttributes(old, fresh) {
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
    }
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }

  function change(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    changeAttributes(old, fresh);
    const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const name = next.id || "";
      let same = null;
      if (name) same = named.get(name) || null;
      else if (at && !at.id && at.nodeName === next.nodeName) same = at;
      if (same === null) {
        old.insertBefore(document.importNode(next, true), at);
        continue;
      }
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      change(same, next);
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  async function update() {
    if (fetching || document.hidden) return;
    fetching = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
      if (answer.redirected) return location.reload();  // the login has ended
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      if (!fresh) throw new Error("no page");
      change(live, fresh);
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    } finally {
      fetching = false;
      schedule();
    }
  }

  function schedule() {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(update, interval);
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : update()));
  schedule();
})();
