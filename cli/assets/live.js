// Keeps the content up to date: asks for it again when the server says that there is more, and
// changes no more of the page than has changed. Whoever reads, types or marks text in it
// is not disturbed.
(() => {
  const { $, say, localise } = window.throughline;
  const content = () => $("#content");
  const button = $("#live");
  const label = $("[data-label]", button);
  const notice = $("#notice");
  const NAMES = ["spans", "records", "errors", "points"];

  const watched = content().dataset.live.split(" ").filter(Boolean);
  if (!watched.length) {
    button.hidden = true;
    return;
  }

  let paused = sessionStorage.getItem("paused") === "yes";
  let latest = null;
  let busy = false;
  let lost = false;
  let last = 0;
  let timer = 0;

  const shown = (name) => Number(content().dataset[name]);
  // A total that is lower is that of a server that was started anew.
  const fresh = (name) => (latest[name] < shown(name) ? latest[name] : latest[name] - shown(name));
  const waiting = () => (latest ? watched.reduce((sum, name) => sum + fresh(name), 0) : 0);

  function paint() {
    const count = paused ? waiting() : 0;
    button.dataset.state = lost ? "lost" : paused ? "paused" : "live";
    button.setAttribute("aria-pressed", String(paused));
    const text = lost ? "offline" : paused ? (count ? `paused, ${count.toLocaleString()} new` : "paused") : "live";
    if (label.textContent !== text) label.textContent = text;
  }

  button.addEventListener("click", () => {
    paused = !paused;
    sessionStorage.setItem("paused", paused ? "yes" : "no");
    say(paused ? "live updates paused" : "live updates resumed");
    paint();
    refresh();
  });

  async function refresh() {
    if (paused || busy || document.hidden || !waiting()) return;
    // Once a second at most, whatever asks for it.
    if (Date.now() - last < 1000) {
      clearTimeout(timer);
      timer = setTimeout(refresh, 1000 - (Date.now() - last));
      return;
    }
    busy = true;
    const address = location.href;
    try {
      const answer = await fetch(address, { headers: { "X-Fragment": "1" }, cache: "no-store" });
      const type = answer.headers.get("content-type") ?? "";
      if (type.startsWith("text/html")) {
        const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("content");
        // Meanwhile the reader may have gone on, paused, or begun to mark something.
        if (next && address === location.href && !paused && !marking()) {
          localise(next);
          morph(content(), next);
          document.dispatchEvent(new CustomEvent("throughline:content"));
        }
      }
    } catch {
      // The event source notices too, and says so.
    } finally {
      busy = false;
      paint();
      // For what came while this was under way.
      last = Date.now();
      clearTimeout(timer);
      timer = setTimeout(refresh, 1000);
    }
  }
  document.addEventListener("visibilitychange", refresh);

  function marking() {
    const selection = getSelection();
    return !selection.isCollapsed && content().contains(selection.anchorNode);
  }

  // --- the least change that makes one tree the other ---

  // What the reader has done to an element, which the server cannot know.
  const OWN = new Set(["open", "aria-expanded", "data-new", "data-done", "hidden"]);

  function attributes(from, to) {
    for (const { name } of [...from.attributes]) {
      if (!to.hasAttribute(name) && !OWN.has(name)) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
      if (!OWN.has(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
  }

  const key = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key ?? (node.id || null) : null);
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && key(a) === key(b);

  function morph(from, to) {
    if (from.isEqualNode(to)) return;
    attributes(from, to);
    // A field that somebody is in, or has changed, is theirs.
    if (from.matches("input, textarea, select")) {
      const changed = from.matches("select")
        ? [...from.options].some((option) => option.selected !== option.defaultSelected)
        : from.value !== from.defaultValue;
      if (from === document.activeElement || changed) return;
    }
    const keyed = new Map();
    for (const child of from.children) if (key(child) !== null) keyed.set(key(child), child);
    const had = keyed.size > 0;
    // Keys that are still to come: what stands here under one of them stays.
    const ahead = new Set([...to.children].map(key));
    const stays = (node) => key(node) !== null && ahead.has(key(node));

    let at = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      const known = key(wanted);
      if (known !== null) {
        ahead.delete(known);
        const kept = keyed.get(known);
        if (kept && kept.nodeName === wanted.nodeName) {
          keyed.delete(known);
          // What stands before it is gone, if the new content does not have it later on.
          while (at && at !== kept && !stays(at)) at = drop(at);
          if (at === kept) at = kept.nextSibling; else from.insertBefore(kept, at);
          morph(kept, wanted);
        } else {
          const added = document.importNode(wanted, true);
          if (had && added.matches("[data-row]")) mark(added);
          from.insertBefore(added, at);
        }
        continue;
      }
      while (at && key(at) !== null && !stays(at)) at = drop(at);
      if (at && alike(at, wanted)) {
        const next = at.nextSibling;
        if (at.nodeType === Node.ELEMENT_NODE) morph(at, wanted);
        else if (at.nodeValue !== wanted.nodeValue) at.nodeValue = wanted.nodeValue;
        at = next;
      } else {
        from.insertBefore(document.importNode(wanted, true), at);
      }
    }
    while (at) at = drop(at);
  }

  function drop(node) {
    const next = node.nextSibling;
    node.remove();
    return next;
  }

  function mark(row) {
    row.dataset.new = "";
    setTimeout(() => row.removeAttribute("data-new"), 2000);
  }

  // --- the server's word ---

  let retry = 1000;
  function connect() {
    const source = new EventSource("/live");
    source.addEventListener("change", (event) => {
      latest = Object.fromEntries(NAMES.map((name) => [name, Number(JSON.parse(event.data)[name] ?? 0)]));
      paint();
      refresh();
    });
    source.addEventListener("open", () => {
      retry = 1000;
      if (lost) say("connected again");
      lost = false;
      notice.hidden = true;
      paint();
    });
    source.addEventListener("error", () => {
      lost = true;
      notice.textContent = "throughline does not answer. This page shows what it had, and goes on when it is back.";
      notice.hidden = false;
      paint();
      // After an answer that is no stream the browser does not try again.
      if (source.readyState === EventSource.CLOSED) {
        source.close();
        setTimeout(connect, retry);
        retry = Math.min(retry * 2, 10_000);
      }
    });
    addEventListener("pagehide", () => source.close(), { once: true });
  }
  connect();
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  paint();
})();
