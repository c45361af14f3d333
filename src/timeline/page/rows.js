"use strict";
// The requests: text in the document for whoever reads or is read to, bars on one canvas. Only the
// rows in sight exist, so that 10,000 scroll as smoothly as ten.

(() => {
  const ROW = 22;

  Conclave.rows = function (page) {
    const box = document.getElementById("rows"), space = document.getElementById("rows-space");
    const view = document.getElementById("rows-view"), canvas = document.getElementById("bars");
    const list = { shown: [], selected: -1 };
    const pool = [];
    let isPending = false;

    const rowAt = (place) => {
      while (pool.length <= place) {
        const name = Conclave.el("span", { class: "row-name", role: "gridcell", dir: "auto" });
        const tenant = Conclave.el("span", { class: "row-tenant", role: "gridcell", dir: "auto" });
        const state = Conclave.el("span", { class: "row-state", role: "gridcell" });
        const row = Conclave.el("div", { class: "row", role: "row" }, name, tenant, state);
        view.append(row);
        pool.push({ row, name, tenant, state, of: -1 });
      }
      return pool[place];
    };

    const fill = (place, index) => {
      const slot = rowAt(place), row = list.shown[index], model = page.model;
      slot.row.style.transform = `translateY(${index * ROW}px)`;
      slot.row.hidden = false;
      if (slot.of !== row || slot.index !== index) {
        const kind = model.state[row], label = (Conclave.KINDS[kind] || { label: kind }).label;
        slot.row.id = `row-${index}`;
        slot.row.setAttribute("aria-rowindex", index + 1);
        slot.row.setAttribute("aria-label", Conclave.sentence(model, row));
        slot.name.textContent = slot.name.title = model.text("name", row);
        slot.tenant.textContent = slot.tenant.title = model.text("tenant", row);
        slot.state.textContent = label;
        slot.state.className = `row-state is-${model.group(row)}`;
        [slot.of, slot.index] = [row, index];
      }
      slot.row.setAttribute("aria-selected", index === list.selected);
    };

    const drawRow = (context, row, y) => {
      const { model, view: time } = page, segments = model.data.segments;
      const marks = [];
      for (let at = model.first(row); at <= model.last(row); at++) {
        const from = segments.from_ms[at], until = model.end(at);
        if (until < time.from || from > time.until) continue;
        if (model.isMoment(at)) {
          marks.push(at);
          continue;
        }
        const left = Math.max(time.x(from), -4), right = Math.min(time.x(until), time.width + 4);
        Conclave.drawSpan(context, model.kind(at), left, right - left, y);
        // What lasts is open to the right.
        if (segments.until_ms[at] < 0 && right < time.width) {
          context.fillStyle = Conclave.colour(model.kind(at));
          context.beginPath();
          context.moveTo(right, y - 4);
          context.lineTo(right + 5, y);
          context.lineTo(right, y + 4);
          context.fill();
        }
      }
      for (const at of marks) Conclave.drawMark(context, model.kind(at), time.x(segments.from_ms[at]), y);
    };

    list.draw = () => {
      isPending = false;
      const top = box.scrollTop, height = box.clientHeight, count = list.shown.length;
      const first = Math.max(0, Math.floor(top / ROW) - 1), last = Math.min(count - 1, Math.ceil((top + height) / ROW));
      for (let index = first; index <= last; index++) fill(index - first, index);
      for (let place = Math.max(0, last - first + 1); place < pool.length; place++) pool[place].row.hidden = true;
      canvas.style.transform = `translateY(${top}px)`;
      const context = Conclave.sharp(canvas, page.view.width, height);
      Conclave.drawGrid(context, page.model, page.view, Math.min(height, count * ROW - top));
      for (let index = first; index <= last; index++) {
        const y = index * ROW - top;
        if (index === list.selected) {
          context.fillStyle = Conclave.colour("chosen");
          context.fillRect(0, y, page.view.width, ROW);
        }
        drawRow(context, list.shown[index], y + ROW / 2);
      }
      if (list.selected >= first && list.selected <= last) box.setAttribute("aria-activedescendant", `row-${list.selected}`);
      else box.removeAttribute("aria-activedescendant");
    };
    list.drawSoon = () => {
      if (!isPending) requestAnimationFrame(list.draw);
      isPending = true;
    };

    list.show = (rows) => {
      const before = list.shown[list.selected];
      list.shown = rows;
      list.selected = before === undefined ? -1 : rows.indexOf(before);
      pool.forEach((slot) => (slot.of = -1));
      space.style.height = `${rows.length * ROW}px`;
      box.setAttribute("aria-rowcount", rows.length);
      list.drawSoon();
    };

    list.select = (index) => {
      if (!list.shown.length) return;
      list.selected = Math.min(Math.max(index, 0), list.shown.length - 1);
      const y = list.selected * ROW;
      if (y < box.scrollTop) box.scrollTop = y;
      else if (y + ROW > box.scrollTop + box.clientHeight) box.scrollTop = y + ROW - box.clientHeight;
      list.draw();
    };
    list.reselect = (row) => {
      list.selected = row < 0 ? -1 : list.shown.indexOf(row);
      list.drawSoon();
    };
    list.selectedRow = () => list.shown[list.selected];
    list.perScreen = () => Math.max(1, Math.floor(box.clientHeight / ROW) - 1);

    const under = (event) => {
      const index = Math.floor((event.clientY - box.getBoundingClientRect().top + box.scrollTop) / ROW);
      return index < list.shown.length ? index : -1;
    };
    // What is under the mouse, in words.
    const describe = (event) => {
      const { model, view: time } = page, row = list.shown[under(event)];
      if (row === undefined) return null;
      const x = event.clientX - canvas.getBoundingClientRect().left;
      if (x < 0) return Conclave.sentence(model, row);
      let said = null;
      for (let at = model.first(row); at <= model.last(row); at++) {
        const from = time.x(model.data.segments.from_ms[at]), until = time.x(model.end(at));
        if (x < from - 4 || x > until + 4) continue;
        const about = Conclave.KINDS[model.kind(at)], note = model.note(at);
        const span = model.isMoment(at) ? "" : ` for ${Conclave.span(model.end(at) - model.data.segments.from_ms[at])}`;
        if (!said || x >= from) said = `${about.long || about.label}${span}${note ? `: ${note}` : ""}`;
      }
      return `${model.text("name", row)}: ${said || Conclave.moment(model, Math.max(0, time.ms(x)))}`;
    };
    box.addEventListener("scroll", list.drawSoon, { passive: true });
    box.addEventListener("mousemove", (event) => page.tip(describe(event), event.clientX, event.clientY));
    box.addEventListener("mouseleave", () => page.tip(null));
    box.addEventListener("click", (event) => {
      const index = under(event);
      if (index < 0) return;
      list.select(index);
      page.open();
    });
    box.addEventListener("focus", () => {
      if (list.selected < 0) list.select(Math.floor(box.scrollTop / ROW));
    });
    return list;
  };
})();
