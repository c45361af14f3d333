"use strict";
// How many requests waited for what, over the time that is shown: a column for each point.

(() => {
  const HEIGHT = 52;
  const KINDS = Object.keys(Conclave.KINDS).filter((kind) => ["waiting", "deferred"].includes(Conclave.KINDS[kind].group));

  // Per kind, how many of `rows` waited for it in the middle of each column.
  const counted = (model, view, rows) => {
    const { kind: kinds, from_ms } = model.data.segments, columns = view.width;
    const numbers = new Map(KINDS.map((kind) => [model.data.kinds.indexOf(kind), kind]));
    const counts = Object.fromEntries(KINDS.map((kind) => [kind, new Int32Array(columns + 1)]));
    for (const row of rows) {
      for (let at = model.first(row); at <= model.last(row); at++) {
        const kind = numbers.get(kinds[at]);
        if (!kind) continue;
        const first = Math.max(0, Math.ceil(view.x(from_ms[at]) - 0.5));
        const end = Math.min(columns, Math.ceil(view.x(model.end(at)) - 0.5));
        if (first >= end) continue;
        counts[kind][first]++;
        counts[kind][end]--;
      }
    }
    for (const kind of KINDS) for (let x = 1; x <= columns; x++) counts[kind][x] += counts[kind][x - 1];
    return counts;
  };

  Conclave.flow = function (canvas, note, page) {
    let counts = {}, most = 0, answered = [];
    const total = (x) => KINDS.reduce((sum, kind) => sum + counts[kind][x], 0);

    const draw = () => {
      const { model, view } = page, context = Conclave.sharp(canvas, view.width, HEIGHT);
      const asked = [model, page.rows.shown, view.from, view.until, view.width];
      if (asked.some((one, at) => one !== answered[at])) counts = counted(model, view, page.rows.shown);
      answered = asked;
      let mostAt = 0;
      most = 0;
      for (let x = 0; x < view.width; x++) if (total(x) > most) [most, mostAt] = [total(x), x];
      Conclave.drawGrid(context, model, view, HEIGHT);
      context.globalAlpha = 0.8;
      for (let x = 0; x < view.width && most; x++) {
        let base = 0;
        for (const kind of KINDS) {
          if (!counts[kind][x]) continue;
          const height = (counts[kind][x] / most) * (HEIGHT - 2);
          context.fillStyle = Conclave.colour(kind);
          context.fillRect(x, HEIGHT - base - height, 1, height);
          base += height;
        }
      }
      context.globalAlpha = 1;
      note.textContent = most ? `at most ${Conclave.count(most)}` : "nobody";
      canvas.setAttribute("aria-label", most
        ? `At most ${most} requests waited at once, at ${Conclave.moment(model, Math.round(view.ms(mostAt)))}: ${said(mostAt)}`
        : "Nobody waited in the time shown.");
    };

    const said = (x) => KINDS.filter((kind) => counts[kind][x])
      .map((kind) => `${Conclave.count(counts[kind][x])} ${Conclave.KINDS[kind].label}`).join(", ");

    canvas.addEventListener("mousemove", (event) => {
      const x = Math.floor(event.clientX - canvas.getBoundingClientRect().left);
      if (!most || x < 0 || x >= page.view.width) return page.tip(null);
      const when = Conclave.moment(page.model, Math.max(0, Math.round(page.view.ms(x))));
      page.tip(`${Conclave.count(total(x))} waiting${total(x) ? `: ${said(x)}` : ""}. ${when}`, event.clientX, event.clientY);
    });
    canvas.addEventListener("mouseleave", () => page.tip(null));
    return { draw };
  };
})();
