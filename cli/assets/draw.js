// What a pointer reads from a chart, and rows of a waterfall that fold without asking the server.
(() => {
  const { $, all } = window.throughline;
  const SVG = "http://www.w3.org/2000/svg";

  // --- charts: the values nearest to the pointer, from the table below ---

  let open = null;
  function leave() {
    if (!open) return;
    open.line.remove();
    open.box.remove();
    open = null;
  }
  function read(plot, event) {
    const chart = plot.closest(".chart");
    const area = $(".area-of-plot", plot);
    const rows = all("tr[data-x]", chart);
    if (!rows.length) return;
    const bounds = area.getBoundingClientRect();
    const at = ((event.clientX - bounds.left) / bounds.width) * 100;
    if (at < 0 || at > 100) return leave();
    const row = rows.reduce((best, next) =>
      Math.abs(next.dataset.x - at) < Math.abs(best.dataset.x - at) ? next : best);
    if (open?.plot !== plot) {
      leave();
      const line = document.createElementNS(SVG, "line");
      line.setAttribute("class", "cursor");
      line.setAttribute("y1", "8");
      line.setAttribute("y2", "158");
      area.append(line);
      const box = document.createElement("div");
      box.className = "read-out";
      box.setAttribute("aria-hidden", "true");
      plot.append(box);
      open = { plot, line, box, row: null };
    }
    if (open.row === row) return;
    open.row = row;
    for (const end of ["x1", "x2"]) open.line.setAttribute(end, `${row.dataset.x}%`);
    open.box.classList.toggle("right", row.dataset.x < 50);
    open.box.classList.toggle("left", row.dataset.x >= 50);
    const heads = all("thead th", chart).slice(1);
    const title = document.createElement("div");
    title.textContent = row.cells[0].textContent;
    const values = [...row.cells].slice(1).map((cell, index) => {
      const entry = document.createElement("div");
      const swatch = document.createElement("i");
      const series = [...heads[index].classList].find((name) => name !== "number");
      if (heads.length > 1 && series) swatch.className = `swatch ${series}`;
      const value = document.createElement("b");
      value.textContent = cell.textContent;
      entry.append(swatch, heads[index].textContent, value);
      return entry;
    });
    open.box.replaceChildren(title, ...values.slice(0, 12));
  }
  document.addEventListener("pointermove", (event) => {
    const plot = event.target.closest?.(".plot");
    if (plot) read(plot, event); else leave();
  });
  document.addEventListener("pointerleave", leave);
  document.addEventListener("throughline:content", leave);

  // --- waterfall: fold at once, and keep it in the address ---

  function fold(twist) {
    const row = twist.closest("tr");
    const depth = Number(row.dataset.depth);
    const closing = twist.getAttribute("aria-expanded") === "true";
    const below = [];
    for (let next = row.nextElementSibling; next && Number(next.dataset.depth) > depth; next = next.nextElementSibling) {
      below.push(next);
    }
    const spans = below.filter((next) => !next.classList.contains("note"));
    // What the server has left out it has to be asked for.
    if (!closing && !spans.length) return false;
    // Rows of spans that are folded themselves stay hidden when this one opens.
    let hiddenBelow = Infinity;
    for (const next of below) {
      const level = Number(next.dataset.depth);
      if (next.classList.contains("note") && level === depth + 1 && hiddenBelow === Infinity) {
        // The records of the row itself stay, as they do on the server.
        const ofChild = spans.some((span) => span.compareDocumentPosition(next) & Node.DOCUMENT_POSITION_FOLLOWING);
        if (!ofChild) continue;
      }
      if (closing) {
        next.hidden = true;
        continue;
      }
      if (level > hiddenBelow) continue;
      hiddenBelow = Infinity;
      next.hidden = false;
      if ($("[data-twist]", next)?.getAttribute("aria-expanded") === "false") hiddenBelow = level;
    }
    twist.setAttribute("aria-expanded", String(!closing));

    const address = new URL(location.href);
    const id = new URL($("[data-open]", row).href).searchParams.get("span");
    const closed = new Set((address.searchParams.get("closed") ?? "").split(",").filter(Boolean));
    if (closing) closed.add(id); else closed.delete(id);
    if (closed.size) address.searchParams.set("closed", [...closed].join(",")); else address.searchParams.delete("closed");
    history.replaceState(history.state, "", address);
    return true;
  }
  document.addEventListener("click", (event) => {
    const twist = event.target.closest("[data-twist]");
    if (twist && !event.metaKey && !event.ctrlKey && fold(twist)) event.preventDefault();
  });
  // A link that looks like a button has to answer to its key, too.
  document.addEventListener("keydown", (event) => {
    if (event.key === " " && event.target.matches?.("[data-twist]")) {
      event.preventDefault();
      event.target.click();
    }
  });
})();
