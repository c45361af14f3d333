"use strict";
// Puts the parts together, and listens.

(() => {
  const { el } = Conclave, byId = (id) => document.getElementById(id);
  const page = { model: null, view: Conclave.window(), filterText: "", group: "" };
  const filter = byId("filter"), box = byId("rows");
  page.rows = Conclave.rows(page);
  page.details = Conclave.details(page);
  page.flow = Conclave.flow(byId("flow"), byId("flow-note"), page);
  page.heat = Conclave.heat(byId("heat"), byId("heat-scroll"), byId("heat-note"), page);
  Conclave.page = page;

  page.notice = (text) => {
    byId("notice").hidden = !text;
    byId("notice").textContent = text || "";
  };

  page.tip = (text, x, y) => {
    const tip = byId("tip");
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
    tip.style.top = `${y + 18 + height > innerHeight ? Math.max(4, y - height - 10) : y + 18}px`;
  };

  // Everything again, for another size, time or colour.
  page.draw = () => {
    if (!page.model) return;
    const gutter = document.querySelector(".heat-name").getBoundingClientRect().width;
    page.view.width = Math.max(60, Math.floor(box.clientWidth - gutter));
    Conclave.drawAxis(byId("axis"), page.model, page.view);
    page.flow.draw();
    page.heat.draw();
    page.rows.draw();
  };
  let isPending = false;
  page.drawSoon = () => {
    if (!isPending) requestAnimationFrame(() => {
      isPending = false;
      page.draw();
    });
    isPending = true;
  };

  const applyFilter = () => {
    const { rows, unknown } = Conclave.filter(page.model, page.filterText, page.group, byId("order").value);
    page.rows.show(rows);
    page.drawSoon();
    const all = Conclave.count(page.model.rows);
    byId("count").textContent = unknown.length
      ? `${unknown.join(", ")} is no filter: see Keys`
      : rows.length === page.model.rows ? `${all} requests` : `${Conclave.count(rows.length)} of ${all}`;
    const nothing = byId("nothing");
    nothing.hidden = rows.length > 0;
    nothing.textContent = page.model.rows ? "No request matches the filter. Esc clears it." : "Nobody has asked for anything yet.";
    for (const button of byId("states").children) button.setAttribute("aria-pressed", button.dataset.group === page.group);
  };
  page.filterBy = (text) => {
    filter.value = page.filterText = text;
    applyFilter();
  };

  const showStates = () => {
    const counts = {};
    for (let row = 0; row < page.model.rows; row++) counts[page.model.group(row)] = (counts[page.model.group(row)] || 0) + 1;
    byId("states").replaceChildren(...Conclave.GROUPS.filter((group) => counts[group]).map((group) =>
      el("button", { type: "button", "data-group": group, class: `is-${group}`, "aria-pressed": "false", click: () => {
        page.group = page.group === group ? "" : group;
        applyFilter();
      } }, el("b", {}, Conclave.count(counts[group])), ` ${group}`)));
  };

  const showAbout = () => {
    const data = page.model.data, parts = [];
    if (data.log_id) parts.push(`log ${data.log_id}`);
    if (data.pool) parts.push(`pool ${data.pool}`);
    if (page.live && page.live.partitions > 1) parts.push(`partition ${data.partition || 0}`);
    if (data.viewer) parts.push(`requests of ${data.viewer}`);
    parts.push(data.until < data.from ? "no decisions" : `decisions ${Conclave.count(data.from)} to ${Conclave.count(data.until)}`);
    parts.push(page.model.isEpoch ? `${Conclave.clock(page.model, data.from_ms, 60000)} to ${Conclave.clock(page.model, data.until_ms, 60000)} UTC`
      : Conclave.span(data.until_ms - data.from_ms));
    byId("about").textContent = parts.join(" · ");
    byId("axis-name").textContent = page.model.isEpoch ? "UTC" : "since the log began";
    const left = [];
    if (data.requests_left_out) left.push(`${Conclave.count(data.requests_left_out)} older requests are left out.`);
    if (data.nodes_left_out) left.push(`${Conclave.count(data.nodes_left_out)} nodes are left out.`);
    if (data.sampled_from != null) left.push(`From decision ${data.sampled_from} on, reasons to wait were looked up only now and then.`);
    const kept = byId("decision-data"), older = kept ? Number(kept.dataset.leftOut) : 0;
    if (older) left.push(`The JSON of ${Conclave.count(older)} older decisions is left out.`);
    page.notice(left.join(" "));
  };

  // What can be looked at: a pool, or all pools of a partition. A service with several partitions has pools in each.
  const showPools = () => {
    const data = page.model.data, select = byId("pool"), shown = data.partition || 0;
    const count = page.live ? page.live.partitions : 1, pools = (page.live && page.live.pools) || data.pools;
    byId("pool-field").hidden = !page.live || (count < 2 && pools.length < 2);
    const all = Array.from({ length: count }, (_, partition) =>
      el("option", { value: "", "data-partition": partition }, count < 2 ? "all" : `all of partition ${partition}`));
    select.replaceChildren(...all, ...pools.map((pool) => el("option", { value: pool }, pool)));
    select.selectedIndex = data.pool && pools.includes(data.pool) ? count + pools.indexOf(data.pool) : Math.min(shown, count - 1);
  };

  const showLegend = () => {
    const used = new Set(page.model.data.segments.kind);
    const shown = Object.entries(Conclave.KINDS).filter(([kind]) => used.has(page.model.data.kinds.indexOf(kind)));
    byId("legend").replaceChildren(...shown.map(([kind, about]) => el("span", {}, Conclave.swatch(kind), about.label)));
    byId("heat-scale").title = "0 % to 100 % allocated";
  };

  // Takes over another timeline; the window of time stays when somebody chose one.
  page.show = (data) => {
    const wasAll = !page.model || (page.view.from === page.view.first && page.view.until === page.view.last);
    const { from, until } = page.view;
    const open = page.details.isOpen() ? page.model.data.requests.received_at[page.details.row] : null;
    const chosen = page.model && page.rows.selectedRow() !== undefined
      ? page.model.data.requests.received_at[page.rows.selectedRow()] : null;
    page.model = Conclave.model(data);
    page.view.reach(data.from_ms, Math.max(data.until_ms, data.from_ms + 1));
    if (!wasAll) page.view.show(from, until);
    showAbout();
    showPools();
    showStates();
    showLegend();
    byId("filter-hints").replaceChildren(...Conclave.filterHints(page.model).map((value) => el("option", { value })));
    applyFilter();
    page.rows.reselect(chosen === null ? -1 : data.requests.received_at.indexOf(chosen));
    if (open !== null) {
      const row = data.requests.received_at.indexOf(open);
      if (row < 0) page.close();
      else page.details.open(row);
    }
    page.draw();
  };

  page.open = () => {
    const row = page.rows.selectedRow();
    if (row === undefined) return;
    page.details.open(row);
    page.draw();
  };
  page.close = () => {
    page.details.close();
    page.draw();
    box.focus();
  };

  const zoomToSelected = () => {
    const row = page.rows.selectedRow();
    if (row === undefined) return;
    const from = page.model.data.requests.received_ms[row], span = Math.max(page.model.over[row] - from, 10);
    page.view.show(from - span * 0.05, from + span * 1.05);
  };
  const move = (by) => page.rows.select(page.rows.selected < 0 ? 0 : page.rows.selected + by);
  const KEYS = {
    ArrowUp: () => move(-1), ArrowDown: () => move(1),
    PageUp: () => move(-page.rows.perScreen()), PageDown: () => move(page.rows.perScreen()),
    Home: () => page.rows.select(0), End: () => page.rows.select(Infinity),
    ArrowLeft: (event) => page.view.pan(event.shiftKey ? -1 : -0.2), ArrowRight: (event) => page.view.pan(event.shiftKey ? 1 : 0.2),
    "+": () => page.view.zoom(0.5), "=": () => page.view.zoom(0.5), "-": () => page.view.zoom(2), "−": () => page.view.zoom(2),
    0: () => page.view.show(page.view.first, page.view.last), z: zoomToSelected,
    "/": () => { filter.focus(); filter.select(); }, n: () => byId("heat").focus(),
    "?": () => byId("keys-dialog").showModal(),
    Enter: () => { page.open(); if (page.details.isOpen()) page.details.focus(); },
  };
  const escape = () => {
    if (page.details.isOpen()) return page.close();
    page.group = "";
    page.filterBy("");
    box.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (!page.model || event.ctrlKey || event.metaKey || event.altKey || byId("keys-dialog").open) return;
    const isField = event.target.closest("input, select, textarea");
    if (event.key === "Escape") return escape();
    if (event.key === "Enter" && event.target === filter) return box.focus();
    if (isField) return;
    const isText = event.target.closest("pre, .details");
    if (isText && event.key.length > 1) return; // There, keys scroll and press.
    if (event.key === "Enter" && event.target.closest("button, a")) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    const { from, until } = page.view;
    act(event);
    if (from !== page.view.from || until !== page.view.until) page.drawSoon();
  });

  // Dragging pans; the wheel zooms with Ctrl and pans with Shift.
  const charts = document.querySelector(".charts");
  charts.addEventListener("wheel", (event) => {
    if (!page.model || !(event.ctrlKey || event.shiftKey)) return;
    event.preventDefault();
    const x = event.clientX - byId("axis").getBoundingClientRect().left;
    if (event.ctrlKey) page.view.zoom(Math.exp(event.deltaY / 300), page.view.ms(x));
    else page.view.pan((event.deltaX || event.deltaY) / page.view.width);
    page.drawSoon();
  }, { passive: false });
  const axis = byId("axis");
  let dragged = null;
  axis.addEventListener("pointerdown", (event) => {
    dragged = event.clientX;
    axis.setPointerCapture(event.pointerId);
  });
  axis.addEventListener("pointermove", (event) => {
    if (dragged === null) return;
    page.view.pan((dragged - event.clientX) / page.view.width);
    dragged = event.clientX;
    page.drawSoon();
  });
  axis.addEventListener("pointerup", () => (dragged = null));

  filter.addEventListener("input", () => {
    page.filterText = filter.value;
    applyFilter();
  });
  byId("order").addEventListener("change", applyFilter);
  const press = (id, act) => byId(id).addEventListener("click", () => {
    act();
    page.drawSoon();
  });
  press("zoom-in", () => page.view.zoom(0.5));
  press("zoom-out", () => page.view.zoom(2));
  press("zoom-all", () => page.view.show(page.view.first, page.view.last));
  press("keys", () => byId("keys-dialog").showModal());
  press("print", () => window.print());
  byId("pool").addEventListener("change", () => page.live && page.live.reload());
  addEventListener("beforeprint", () => page.model && Conclave.paper(page));
  addEventListener("afterprint", Conclave.paperAway);

  // Light, dark, or as the system says.
  const recolour = () => {
    Conclave.readColours();
    page.heat.recolour();
    if (page.model) showLegend();
    page.drawSoon();
  };
  const THEMES = ["auto", "light", "dark"];
  press("theme", () => {
    const root = document.documentElement, now = root.dataset.theme || "auto";
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    root.dataset.theme = next;
    byId("theme").textContent = `Theme: ${next}`;
    recolour();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  new ResizeObserver(page.drawSoon).observe(byId("main"));

  recolour();
  const data = byId("timeline-data");
  if (data) page.show(JSON.parse(data.textContent));
  else {
    page.live = Conclave.live(page);
    page.live.load(null);
  }
  page.opened_ms = performance.now();
})();
