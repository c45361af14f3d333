"use strict";
// How full each node was, on the same time axis as the requests.

(() => {
  const HEIGHT_MAX = 132;

  const mix = (cold, hot, part) => {
    const parts = (colour) => colour.match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));
    const [from, to] = [parts(cold), parts(hot)];
    return [...from.map((one, at) => Math.round(one + (to[at] - one) * part)), 255];
  };

  Conclave.heat = function (canvas, scroll, note, page) {
    const chart = { cursor: null };
    let height = 3, shades = [], picture = null, pictured = null;

    const rowHeight = (nodes) => Math.max(2, Math.min(16, Math.floor(HEIGHT_MAX / Math.max(nodes, 1))));
    const heat = () => page.model.data.heat;
    const drains = (node, bucket) => heat().draining[node].some(([first, last]) => first <= bucket && bucket <= last);
    chart.recolour = () => {
      shades = Array.from({ length: 65 }, (_, at) => mix(Conclave.colour("cold"), Conclave.colour("heat"), at / 64));
      picture = null;
    };

    // One point for each node and span; stretched when it is drawn.
    const painted = (data, nodes) => {
      if (picture && pictured === data) return picture;
      picture = document.createElement("canvas");
      [picture.width, picture.height] = [data.buckets, nodes];
      const context = picture.getContext("2d"), points = context.createImageData(data.buckets, nodes);
      data.share_permille.forEach((shares, node) => shares.forEach((share, bucket) => {
        if (share >= 0) points.data.set(shades[Math.round((share * 64) / 1000)], (node * data.buckets + bucket) * 4);
      }));
      context.putImageData(points, 0, 0);
      pictured = data;
      return picture;
    };

    chart.describe = (node, bucket) => {
      const data = heat(), names = page.model.data.names, share = data.share_permille[node][bucket];
      const from = data.from_ms + bucket * data.bucket_ms;
      const when = `${Conclave.moment(page.model, from)}, ${Conclave.span(data.bucket_ms)}`;
      const full = share < 0 ? "not in the pool" : `${Math.round(share / 10)} % allocated`;
      const pool = page.model.data.pools.length > 1 ? ` of ${names[data.pool[node]]}` : "";
      return `${names[data.node[node]]}${pool} (${names[data.has[node]]}): ${full}${drains(node, bucket) ? ", draining" : ""}. ${when}`;
    };

    chart.draw = () => {
      const data = heat(), view = page.view, nodes = data.node.length;
      height = rowHeight(nodes);
      scroll.hidden = nodes === 0;
      const context = Conclave.sharp(canvas, view.width, Math.max(nodes * height, 1));
      const gap = height > 5 ? 1 : 0;
      if (nodes && data.buckets) {
        const left = view.x(data.from_ms), right = view.x(data.from_ms + data.buckets * data.bucket_ms);
        context.imageSmoothingEnabled = false;
        context.save();
        context.beginPath();
        // The last span may be longer than the log.
        context.rect(0, 0, Math.max(view.x(page.model.data.until_ms), left + 1), nodes * height);
        context.clip();
        context.drawImage(painted(data, nodes), left, 0, right - left, nodes * height);
        context.restore();
        for (let node = 0; gap && node < nodes; node++) context.clearRect(0, (node + 1) * height - gap, view.width, gap);
      }
      drawDraining(context, data, view, gap);
      if (chart.cursor) drawCursor(context, data, view);
      describeAll(data, nodes);
    };

    const drawDraining = (context, data, view, gap) => {
      context.strokeStyle = context.fillStyle = Conclave.colour("limit");
      context.lineWidth = 1;
      data.draining.forEach((spans, node) => {
        for (const [first, last] of spans) {
          const x = view.x(data.from_ms + first * data.bucket_ms);
          const end = view.x(Math.min(data.from_ms + (last + 1) * data.bucket_ms, page.model.data.until_ms));
          const y = node * height;
          if (height < 6) context.fillRect(x, y + height - 2, end - x, 1);
          else for (let at = Math.max(x, -height); at < Math.min(end, view.width + height); at += 5) {
            context.beginPath();
            context.moveTo(at, y + height - gap);
            context.lineTo(Math.min(at + height - gap, end), y + Math.max(0, at + height - gap - end));
            context.stroke();
          }
        }
      });
    };

    const drawCursor = (context, data, view) => {
      const [node, bucket] = chart.cursor;
      const x = view.x(data.from_ms + bucket * data.bucket_ms);
      const width = Math.max(4, view.x(data.from_ms + (bucket + 1) * data.bucket_ms) - x);
      context.strokeStyle = Conclave.colour("ink");
      context.lineWidth = 2;
      context.strokeRect(x - 1, node * height - 1, width + 2, height + 2);
    };

    const describeAll = (data, nodes) => {
      const draining = data.draining.filter((spans) => spans.length).length;
      const drained = draining ? `, ${draining} drained at some time` : "";
      note.textContent = nodes ? `${Conclave.count(nodes)}${drained}` : "none yet";
      const label = `How full each of ${nodes} nodes was over time, in spans of ${Conclave.span(data.bucket_ms)}${drained}. Arrow keys walk over it.`;
      canvas.setAttribute("aria-label", label);
    };

    const at = (event) => {
      const data = heat(), box = canvas.getBoundingClientRect();
      const node = Math.floor((event.clientY - box.top) / height);
      const bucket = Math.floor((page.view.ms(event.clientX - box.left) - data.from_ms) / data.bucket_ms);
      const isInside = node >= 0 && node < data.node.length && bucket >= 0 && bucket < data.buckets;
      return isInside ? [node, bucket] : null;
    };

    canvas.addEventListener("mousemove", (event) => {
      const cell = at(event);
      if (cell) page.tip(chart.describe(...cell), event.clientX, event.clientY);
      else page.tip(null);
    });
    canvas.addEventListener("mouseleave", () => page.tip(null));
    canvas.addEventListener("click", (event) => {
      const cell = at(event);
      if (cell) page.filterBy(`node:${page.model.data.names[heat().node[cell[0]]]}`);
    });
    canvas.addEventListener("blur", () => {
      chart.cursor = null;
      page.tip(null);
      chart.draw();
    });
    // Arrow keys walk over the cells; the tip is read out.
    canvas.addEventListener("keydown", (event) => {
      const data = heat(), moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      const move = moves[event.key];
      if (!data.node.length || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Enter" && chart.cursor) {
        page.filterBy(`node:${page.model.data.names[data.node[chart.cursor[0]]]}`);
      } else if (move) {
        const far = event.shiftKey ? 10 : 1, begin = Math.floor((page.view.from - data.from_ms) / data.bucket_ms);
        const [node, bucket] = chart.cursor || [0, Math.max(0, begin)];
        const step = chart.cursor ? move : [0, 0], within = (place, count) => Math.min(Math.max(place, 0), count - 1);
        chart.cursor = [within(node + step[0] * far, data.node.length), within(bucket + step[1] * far, data.buckets)];
        chart.draw();
        const box = canvas.getBoundingClientRect(), [row, column] = chart.cursor;
        const x = box.left + page.view.x(data.from_ms + column * data.bucket_ms);
        page.tip(chart.describe(row, column), x, box.top + row * height);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return chart;
  };
})();
