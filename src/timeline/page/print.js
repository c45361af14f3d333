"use strict";
// Paper: a plain list of the requests that are shown, with bars as drawings, black on white.

(() => {
  const ROWS_MAX = 800, WIDTH = 620, NS = "http://www.w3.org/2000/svg";
  const { el, name } = Conclave;

  const svg = (tag, attributes, ...children) => {
    const made = document.createElementNS(NS, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const LINES = {
    slash: "M0 6L6 0", backslash: "M0 0L6 6", upright: "M1.5 0V6M4.5 0V6", level: "M0 3H6",
    cross: "M0 6L6 0M0 0L6 6", plus: "M0 3H6M3 0V6", dots: "M0.5 1.5h2M3.5 4.5h2", sparse: "M1.8 3h2.2",
  };
  const patterns = () => {
    const defs = svg("defs", {});
    for (const [hatch, path] of Object.entries(LINES)) {
      defs.append(svg("pattern", { id: `hatch-${hatch}`, width: 6, height: 6, patternUnits: "userSpaceOnUse" },
        svg("path", { d: path, stroke: "black", "stroke-width": path.includes("h") ? 2 : 1.1, fill: "none" })));
    }
    return svg("svg", { width: 0, height: 0, class: "patterns", "aria-hidden": "true" }, defs);
  };
  const fill = (kind) => {
    const hatch = Conclave.KINDS[kind].hatch;
    if (hatch === "solid") return "black";
    return hatch === "empty" ? "none" : `url(#hatch-${hatch})`;
  };
  const span = (kind, x, width) => {
    const height = kind === "running" ? 8 : 6;
    return svg("rect", { x, y: (10 - height) / 2, width: Math.max(width, 0.6), height, fill: fill(kind), stroke: "black", "stroke-width": 0.5 });
  };

  const bar = (model, view, row) => {
    const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} 10`, width: WIDTH, height: 10, "aria-hidden": "true" });
    const x = (ms) => ((ms - view.from) / (view.until - view.from)) * WIDTH;
    for (let at = model.first(row); at <= model.last(row); at++) {
      const from = model.data.segments.from_ms[at], until = model.end(at), kind = model.kind(at);
      if (until < view.from || from > view.until) continue;
      if (!model.isMoment(at)) {
        const left = Math.max(0, x(from)), right = Math.min(WIDTH, x(until));
        drawn.append(span(kind, left, right - left));
        if (model.data.segments.until_ms[at] < 0) drawn.append(svg("path", { d: `M${right} 2L${right + 4} 5L${right} 8Z` }));
      } else if (Conclave.KINDS[kind].end) {
        const isGood = kind === "released", at_x = x(from);
        const path = isGood ? `M${at_x} 0V10` : `M${at_x - 3} 2L${at_x + 3} 8M${at_x - 3} 8L${at_x + 3} 2`;
        drawn.append(svg("path", { d: path, stroke: "black", "stroke-width": 1.2, fill: "none" }));
      }
    }
    return drawn;
  };

  const legend = (model, rows) => {
    const used = new Set();
    for (const row of rows) for (let at = model.first(row); at <= model.last(row); at++) used.add(model.kind(at));
    const items = Object.entries(Conclave.KINDS).filter(([kind, about]) => used.has(kind) && about.hatch);
    return el("p", { class: "paper-legend" }, ...items.map(([kind, about]) =>
      el("span", {}, svg("svg", { width: 22, height: 10 }, span(kind, 1, 20)), ` ${about.label}`)),
      el("span", {}, "▸ lasts"), el("span", {}, "| released"), el("span", {}, "× ended otherwise"));
  };

  // Builds the list in `paper`. Returns how many rows it has.
  Conclave.paper = function (page) {
    const paper = document.getElementById("paper"), { model, view } = page;
    const all = page.rows.shown, rows = all.slice(0, ROWS_MAX);
    const left = all.length - rows.length;
    const said = left
      ? `The first ${Conclave.count(rows.length)} of ${Conclave.count(all.length)} requests shown; filter to print others.`
      : `${Conclave.count(all.length)} of ${Conclave.count(model.rows)} requests.`;
    const body = el("tbody", {}, ...rows.map((row) => el("tr", {},
      el("td", { class: "paper-name" }, name(model.text("name", row))),
      el("td", {}, name(model.text("tenant", row))),
      el("td", {}, (Conclave.KINDS[model.state[row]] || {}).label || ""),
      el("td", { class: "paper-number" }, model.waited[row] ? Conclave.span(model.waited[row]) : "–"),
      el("td", {}, bar(model, view, row)))));
    const head = ["Request", "Tenant", "State", "Waited",
      `${Conclave.moment(model, Math.max(0, Math.round(view.from)))} to ${Conclave.moment(model, Math.round(Math.min(view.until, model.data.until_ms)))}`];
    paper.replaceChildren(patterns(),
      el("h1", {}, "Conclave timeline"),
      el("p", {}, document.getElementById("about").textContent),
      el("p", {}, page.filterText ? `Filter: ${page.filterText}. ` : "", said),
      legend(model, rows),
      el("table", {}, el("thead", {}, el("tr", {}, ...head.map((text) => el("th", {}, text)))), body));
    paper.hidden = false;
    return rows.length;
  };
  Conclave.paperAway = () => {
    const paper = document.getElementById("paper");
    paper.hidden = true;
    paper.replaceChildren();
  };
})();
