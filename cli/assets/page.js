// Keys, times in the reader's own zone, copying, and forms that need no button.
// The page does all of its work without this file.
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const say = (text) => { $("#said").textContent = text; };

  // Times come as UTC text, and are shown as the reader's clock would have them.
  const clock = new Intl.DateTimeFormat(undefined, {
    hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
  });
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
  const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
  const ago = (seconds) => {
    if (seconds < 1) return "now";
    if (seconds < 60) return `${Math.floor(seconds)} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    return `${Math.floor(seconds / 86400)} d ago`;
  };
  function localise(within) {
    const today = new Date().toDateString();
    for (const time of all("time[datetime]", within)) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const text = time.dataset.form === "ago"
        ? ago((Date.now() - at) / 1000)
        : (at.toDateString() === today ? "" : `${day.format(at)} `) + clock.format(at);
      if (time.textContent !== text) time.textContent = text;
      const title = `${whole.format(at)}\n${time.dateTime}`;
      if (time.title !== title) time.title = title;
    }
    // The axis of a chart has room for no more than the minute, or the second.
    for (const label of all("text[data-time]", within)) {
      const at = new Date(label.dataset.time);
      if (Number.isNaN(at.getTime())) continue;
      const text = { day: () => day.format(at), minute: () => clock.format(at).slice(0, 5) };
      label.textContent = (text[label.dataset.form] ?? (() => clock.format(at).slice(0, 8)))();
    }
  }
  localise(document);
  setInterval(() => {
    if (!document.hidden) localise($("#content"));
  }, 10_000);

  // Dark, light, and back to what the system says.
  $("#theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = root.dataset.theme ?? (dark ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    const same = (next === "dark") === dark;
    if (same) delete root.dataset.theme; else root.dataset.theme = next;
    try {
      if (same) localStorage.removeItem("theme"); else localStorage.setItem("theme", next);
    } catch { /* lasts as long as the page, then */ }
    say(`${next} theme`);
  });

  const help = $("#help");
  $("#help-open").addEventListener("click", () => help.showModal());
  help.addEventListener("click", (event) => { if (event.target === help) help.close(); });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) submit(event.target.form);
  });
  // A field left empty says nothing, so it need not be in the address.
  function submit(form) {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
    form.submit();
    for (const field of form.elements) field.disabled = false;
  }
  document.addEventListener("submit", (event) => {
    if (event.target.method === "get" && !event.target.closest("dialog")) {
      event.preventDefault();
      submit(event.target);
    }
  });
  // A page that the browser kept may have fields from before.
  addEventListener("pageshow", (event) => { if (event.persisted) localise(document); });

  async function copy(button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.dataset.done = "";
      setTimeout(() => delete button.dataset.done, 1200);
      say("copied");
    } catch {
      say("the browser refused to copy");
    }
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      event.preventDefault();
      copy(button);
      return;
    }
    // A row is as good a target as its link, unless somebody marks text in it.
    const row = event.target.closest("[data-row]");
    if (!row || event.target.closest("a, button, summary, input, select, label, details")) return;
    if (!getSelection().isCollapsed) return;
    const link = $("[data-open]", row);
    if (!link) return;
    if (event.metaKey || event.ctrlKey) open(link.href, "_blank", "noopener"); else link.click();
  });

  // Rows by j and k: what has the focus is what is chosen, so Enter needs no help.
  const handle = (row) => $("[data-open]", row) ?? $("a, summary, button", row);
  function step(by) {
    const rows = all("#content [data-row]").filter((row) => row.offsetParent !== null && handle(row));
    if (!rows.length) return;
    const now = rows.findIndex((row) => row.contains(document.activeElement));
    const next = now < 0 ? (by > 0 ? 0 : rows.length - 1) : now + by;
    const row = rows[Math.min(Math.max(next, 0), rows.length - 1)];
    handle(row).focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  // On a narrow screen the view that is shown may stand outside of the row of views.
  for (const here of all(".views [aria-current], .tabs [aria-current]")) {
    const row = here.closest(".views, .tabs");
    if (row.scrollWidth > row.clientWidth) row.scrollLeft = here.offsetLeft - row.offsetLeft - row.clientWidth / 3;
  }

  let leading = 0;
  const actions = {
    "/": () => { $("#search").focus(); $("#search").select(); },
    "?": () => help.showModal(),
    j: () => step(1),
    k: () => step(-1),
    p: () => { if (!$("#live").hidden) $("#live").click(); },
    "[": () => $("#content a[rel~=prev]")?.click(),
    "]": () => $("#content a[rel~=next]")?.click(),
    g: () => { leading = Date.now(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && typing) typing.blur();
    if (typing || help.open) return;
    if (Date.now() - leading < 1500) {
      leading = 0;
      const link = all("[data-go]").find((entry) => entry.dataset.go === event.key);
      if (link) {
        event.preventDefault();
        link.click();
      }
      return;
    }
    const action = actions[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  });

  window.throughline = { $, all, say, localise };
})();
