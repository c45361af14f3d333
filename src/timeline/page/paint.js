"use strict";
// Colours, hatchings and shapes on a canvas.

(() => {
  const HATCH_SIZE = 6;
  let colours = {}, hatchings = {};

  // Colours come from the style, so that light and dark are chosen in one place.
  Conclave.readColours = function () {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    colours = {
      ink: read("--ink"), soft: read("--soft"), line: read("--line"), edge: read("--edge"), paper: read("--paper"),
      raised: read("--raised"), chosen: read("--chosen"), bad: read("--bad"), heat: read("--heat"), cold: read("--cold"),
    };
    for (const kind of Object.keys(Conclave.KINDS)) colours[kind] = read(`--${kind.replace(/_/g, "-")}`);
    hatchings = {};
  };
  Conclave.colour = (name) => colours[name] || colours.soft;

  const STROKES = {
    slash: [[-1, 7, 7, -1], [-4, 4, 4, -4], [2, 10, 10, 2]],
    backslash: [[-1, -1, 7, 7], [-4, 2, 4, 10], [2, -4, 10, 4]],
    upright: [[1.5, -1, 1.5, 7], [4.5, -1, 4.5, 7]],
    level: [[-1, 3, 7, 3]],
    cross: [[-1, 7, 7, -1], [-1, -1, 7, 7]],
    plus: [[-1, 3, 7, 3], [3, -1, 3, 7]],
  };

  const drawHatch = (context, hatch) => {
    context.lineWidth = 1.3;
    for (const [x1, y1, x2, y2] of STROKES[hatch] || []) {
      context.beginPath();
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
      context.stroke();
    }
    const dots = { dots: [[1.5, 1.5], [4.5, 4.5]], sparse: [[3, 3]] }[hatch] || [];
    for (const [x, y] of dots) {
      context.beginPath();
      context.arc(x, y, 1.1, 0, 7);
      context.fill();
    }
  };

  const hatching = (context, kind) => {
    if (hatchings[kind]) return hatchings[kind];
    const ratio = window.devicePixelRatio || 1;
    const tile = document.createElement("canvas");
    tile.width = tile.height = Math.round(HATCH_SIZE * ratio);
    const on = tile.getContext("2d");
    on.scale(tile.width / HATCH_SIZE, tile.height / HATCH_SIZE);
    on.globalAlpha = 0.28;
    on.fillStyle = colours[kind];
    on.fillRect(0, 0, HATCH_SIZE, HATCH_SIZE);
    on.globalAlpha = 1;
    on.strokeStyle = on.fillStyle = colours[kind];
    drawHatch(on, Conclave.KINDS[kind].hatch);
    const pattern = context.createPattern(tile, "repeat");
    pattern.setTransform(new DOMMatrix().scale(HATCH_SIZE / tile.width, HATCH_SIZE / tile.height));
    return (hatchings[kind] = pattern);
  };

  // Makes a canvas as sharp as the screen; returns its context and its size.
  Conclave.sharp = function (canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== across || canvas.height !== down) {
      canvas.width = across;
      canvas.height = down;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  };

  // A span of `kind` between `x` and `x + width`, centred on `y`.
  Conclave.drawSpan = function (context, kind, x, width, y) {
    const about = Conclave.KINDS[kind] || {};
    const isRunning = kind === "running";
    const height = isRunning ? 12 : 8;
    width = Math.max(width, 1);
    if (about.hatch === "empty") {
      context.strokeStyle = colours.soft;
      context.setLineDash([2, 2]);
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + width, y);
      context.stroke();
      context.setLineDash([]);
      return;
    }
    // A pattern is too coarse for a sliver.
    context.fillStyle = isRunning || width < 3 ? colours[kind] : hatching(context, kind);
    context.fillRect(x, y - height / 2, width, height);
    if (!isRunning && width >= 3) {
      context.strokeStyle = colours[kind];
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y - height / 2 + 0.5, width - 1, height - 1);
    }
  };

  const line = (context, ...points) => {
    context.beginPath();
    points.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
  };

  // What happened in a moment.
  Conclave.drawMark = function (context, kind, x, y) {
    const about = Conclave.KINDS[kind] || {}, shape = about.end || about.mark;
    context.lineWidth = 1.6;
    context.strokeStyle = context.fillStyle = kind === "refused" || kind === "voted_down" ? colours.bad : colours.ink;
    if (shape === "cap") line(context, [x, y - 6], [x, y + 6]);
    else if (shape === "diamond") line(context, [x, y - 5], [x + 5, y], [x, y + 5], [x - 5, y], [x, y - 5]);
    else if (shape === "hour") line(context, [x - 4, y - 5], [x + 4, y - 5], [x - 4, y + 5], [x + 4, y + 5], [x - 4, y - 5]);
    else if (shape === "barred") {
      context.beginPath();
      context.arc(x, y, 4.5, 0, 7);
      context.stroke();
      line(context, [x - 3.2, y + 3.2], [x + 3.2, y - 3.2]);
    } else if (shape === "times" || shape === "cross") {
      const size = shape === "cross" ? 4.5 : 3.5;
      line(context, [x - size, y - size], [x + size, y + size]);
      line(context, [x - size, y + size], [x + size, y - size]);
    } else if (shape === "notch") line(context, [x, y + 3], [x, y + 9]);
    else if (shape === "dot") {
      context.fillStyle = colours.soft;
      context.beginPath();
      context.arc(x, y - 8, 1.4, 0, 7);
      context.fill();
    } else if (shape === "ring") {
      context.lineWidth = 1;
      context.beginPath();
      context.arc(x, y - 8, 2, 0, 7);
      context.stroke();
    } else if (shape === "stroke") line(context, [x - 3, y - 8], [x + 3, y - 8]);
  };

  // A canvas with one sample, for the legend.
  Conclave.swatch = function (kind) {
    const canvas = Conclave.el("canvas", { "aria-hidden": "true", class: "swatch" });
    const context = Conclave.sharp(canvas, 22, 16);
    const about = Conclave.KINDS[kind];
    if (about.hatch) Conclave.drawSpan(context, kind, 0, 22, 8);
    else if (about.mark && about.mark !== "notch") Conclave.drawMark(context, kind, 11, 16);
    else {
      if (kind !== "refused") {
        context.fillStyle = colours.edge;
        context.fillRect(0, about.mark ? 2 : 4, about.mark ? 22 : 11, 8);
      }
      Conclave.drawMark(context, kind, 11, 8);
    }
    return canvas;
  };
})();
