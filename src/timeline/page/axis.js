"use strict";
// The time that is shown: one window for all charts, and the axis that names it.

(() => {
  const STEPS = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000,
    900000, 1800000, 3600000, 7200000, 10800000, 21600000, 43200000, 86400000, 172800000, 432000000, 604800000,
    1209600000, 2592000000, 7776000000, 31536000000,
  ];
  const SHORTEST_MS = 10;

  // The window of time over `width` points.
  Conclave.window = function () {
    const view = { from: 0, until: 1, first: 0, last: 1, width: 1 };
    view.x = (ms) => ((ms - view.from) / (view.until - view.from)) * view.width;
    view.ms = (x) => view.from + (x / view.width) * (view.until - view.from);
    view.reach = (first, last) => {
      // Some room at the end, so that what lasts is seen to end here.
      const room = Math.max((last - first) * 0.01, 1);
      [view.first, view.last] = [first, last + room];
      view.show(view.first, view.last);
    };
    view.show = (from, until) => {
      const whole = view.last - view.first;
      const span = Math.min(Math.max(until - from, Math.min(SHORTEST_MS, whole)), whole);
      view.from = Math.min(Math.max(from, view.first), view.last - span);
      view.until = view.from + span;
    };
    view.zoom = (factor, around) => {
      const centre = around ?? (view.from + view.until) / 2;
      view.show(centre - (centre - view.from) * factor, centre + (view.until - centre) * factor);
    };
    view.pan = (part) => {
      const by = (view.until - view.from) * part;
      view.show(view.from + by, view.until + by);
    };
    view.step = () => STEPS.find((step) => (step / (view.until - view.from)) * view.width >= 92) || STEPS.at(-1);
    // Where lines belong, at round times of the clock that is shown.
    view.ticks = (offset) => {
      const step = view.step(), ticks = [];
      let at = Math.ceil((view.from + offset) / step) * step - offset;
      for (; at <= view.until; at += step) ticks.push(at);
      return { step, ticks };
    };
    return view;
  };

  Conclave.drawAxis = function (canvas, model, view) {
    const height = 26, context = Conclave.sharp(canvas, view.width, height);
    const { step, ticks } = view.ticks(model.isEpoch ? model.data.began_at_ms : 0);
    context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    context.textBaseline = "middle";
    for (const at of ticks) {
      const x = Math.round(view.x(at)) + 0.5, label = Conclave.clock(model, at, step);
      context.strokeStyle = Conclave.colour("line");
      context.beginPath();
      context.moveTo(x, height - 6);
      context.lineTo(x, height);
      context.stroke();
      context.fillStyle = Conclave.colour("soft");
      if (x + context.measureText(label).width + 6 < view.width) context.fillText(label, x + 4, 12);
    }
  };

  // The same lines behind bars.
  Conclave.drawGrid = function (context, model, view, height) {
    context.strokeStyle = Conclave.colour("line");
    context.lineWidth = 1;
    for (const at of view.ticks(model.isEpoch ? model.data.began_at_ms : 0).ticks) {
      const x = Math.round(view.x(at)) + 0.5;
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, height);
      context.stroke();
    }
  };
})();
