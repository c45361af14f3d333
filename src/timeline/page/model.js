"use strict";
// The data of a page, and how quantities and times are said. Everything hangs on `Conclave`.

const Conclave = {};

// What a segment can say, in the words of the legend; `hatch` is a pattern for eyes and printers
// that do not tell colours apart.
Conclave.KINDS = {
  running: { label: "running", group: "running", hatch: "solid" },
  no_room: { label: "no room", long: "waits for room on the nodes", group: "waiting", hatch: "slash" },
  topology: { label: "topology", long: "waits for room on one node or in one topology group", group: "waiting", hatch: "plus" },
  limit: { label: "quota limit", long: "waits for its tenant's limit", group: "waiting", hatch: "upright" },
  held: { label: "held for others", long: "waits: what is free is promised to others", group: "waiting", hatch: "dots" },
  behind: { label: "behind protected", long: "waits behind somebody whom nobody may overtake", group: "waiting", hatch: "backslash" },
  too_small: { label: "pool too small", long: "waits: the pool is too small", group: "waiting", hatch: "cross" },
  carried_over: { label: "carried over", long: "waits while the queue is worked off", group: "waiting", hatch: "level" },
  deferred: { label: "put off", long: "put off by the council", group: "deferred", hatch: "sparse" },
  vote_due: { label: "vote due", long: "waits for its next vote", group: "deferred", hatch: "sparse" },
  earlier: { label: "before this page", long: "before the first decision shown", group: "waiting", hatch: "empty" },
  approved: { label: "approved", mark: "dot", long: "the council approved" },
  put_off: { label: "voted: later", mark: "ring", long: "the council put it off" },
  voted_down: { label: "voted down", mark: "stroke", long: "the council voted against it" },
  renewed: { label: "renewed", mark: "notch", long: "its lease was renewed" },
  shrunk: { label: "shrunk", mark: "notch", long: "it gave back a part" },
  released: { label: "released", group: "ended", end: "cap", long: "it gave its GPUs back" },
  expired: { label: "expired", group: "ended", end: "diamond", long: "its lease expired" },
  revoked: { label: "ended by an operator", group: "ended", end: "barred", long: "an operator ended it" },
  cancelled: { label: "cancelled", group: "ended", end: "times", long: "it was withdrawn" },
  deadline_passed: { label: "deadline passed", group: "ended", end: "hour", long: "its deadline passed" },
  denied: { label: "denied", group: "ended", end: "barred", long: "the council said no" },
  refused: { label: "refused", group: "refused", end: "cross", long: "refused when it was asked for" },
};

Conclave.GROUPS = ["waiting", "deferred", "running", "ended", "refused"];

// Builds what the rest of the page asks for: rows by number, segments by number.
Conclave.model = function (data) {
  const requests = data.requests, segments = data.segments, names = data.names;
  const rows = requests.name.length;
  const end = (segment) => (segments.until_ms[segment] < 0 ? data.until_ms : segments.until_ms[segment]);
  const first = (row) => requests.first_segment[row];
  const last = (row) => (row + 1 < rows ? requests.first_segment[row + 1] : segments.kind.length) - 1;
  const kind = (segment) => data.kinds[segments.kind[segment]];
  const model = { data, rows, first, last, end, kind };
  model.text = (column, row) => names[requests[column][row]];
  model.note = (segment) => names[segments.note[segment]];
  model.isMoment = (segment) => segments.from_ms[segment] === segments.until_ms[segment];
  model.isEpoch = data.began_at_ms > 946684800000;
  const state = new Array(rows), waited = new Float64Array(rows), ran = new Float64Array(rows);
  const over = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let now = "earlier", until = requests.received_ms[row];
    for (let at = first(row); at <= last(row); at++) {
      const is = kind(at), about = Conclave.KINDS[is] || {}, span = end(at) - segments.from_ms[at];
      until = Math.max(until, end(at));
      if (is === "running") ran[row] += span;
      if (about.group === "waiting" || about.group === "deferred") waited[row] += span;
      if (about.end || segments.until_ms[at] < 0) now = is;
    }
    state[row] = now;
    over[row] = until;
  }
  model.state = state;
  model.waited = waited;
  model.ran = ran;
  model.over = over;
  model.group = (row) => (Conclave.KINDS[state[row]] || {}).group || "waiting";
  return model;
};

const pad = (number, digits) => String(Math.floor(number)).padStart(digits, "0");

// `2 d 3 h`, `4 min 5 s`, `120 ms`: the two largest parts.
Conclave.span = function (ms) {
  const parts = [["d", 86400000], ["h", 3600000], ["min", 60000], ["s", 1000], ["ms", 1]];
  let left = Math.max(0, Math.round(ms)), said = [];
  for (const [unit, size] of parts) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) said.push(`${count} ${unit}`);
    else if (said.length) break;
    if (said.length === 2) break;
  }
  return said.join(" ") || "0 s";
};

// A moment as time since the log began, and in UTC when the log's clock is one.
Conclave.clock = function (model, ms, step) {
  if (model.isEpoch) {
    const text = new Date(model.data.began_at_ms + ms).toISOString();
    if (step >= 86400000) return text.slice(0, 10);
    if (step >= 60000) return text.slice(5, 16).replace("T", " ");
    return step >= 1000 ? text.slice(11, 19) : text.slice(11, 23);
  }
  return Conclave.since(ms, step);
};

Conclave.since = function (ms, step) {
  const days = Math.floor(ms / 86400000);
  const day = days > 0 ? `${days}d ` : "";
  const minute = `${pad((ms / 3600000) % 24, 2)}:${pad((ms / 60000) % 60, 2)}`;
  if (step >= 60000) return day + minute;
  const second = `${minute}:${pad((ms / 1000) % 60, 2)}`;
  return day + (step >= 1000 ? second : `${second}.${pad(ms % 1000, 3)}`);
};

// The same in full, for details and for readers.
Conclave.moment = function (model, ms) {
  const since = `+${Conclave.since(ms, ms % 1000 ? 1 : 1000)}`;
  if (!model.isEpoch) return since;
  const utc = new Date(model.data.began_at_ms + ms).toISOString().replace("T", " ").replace(".000Z", "Z");
  return `${utc} (${since})`;
};

Conclave.gpus = (milli) => `${milli / 1000} GPU${milli === 1000 ? "" : "s"}`;
Conclave.count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, " ");

// An element; text is always text. Attributes that are functions listen.
Conclave.el = function (tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null && child !== ""));
  return made;
};

// A name from outside: its direction is its own, and cannot turn what stands beside it.
Conclave.name = (text, tag) => Conclave.el(tag || "bdi", tag ? { dir: "auto" } : {}, text);

// The same within a sentence that is no element.
Conclave.isolated = (text) => (/^[ -~]*$/.test(text) ? text : `\u2068${text}\u2069`);
// As a word of the filter.
Conclave.quoted = (text) => (/\s/.test(text) ? `"${text}"` : text);

// Everything that a request's row says, in a sentence.
Conclave.sentence = function (model, row) {
  const about = Conclave.KINDS[model.state[row]] || { label: model.state[row] };
  const own = (column) => Conclave.isolated(model.text(column, row));
  const parts = [`${own("name")} of ${own("tenant")}`, about.long || about.label];
  const shape = model.text("shape", row);
  if (shape) parts.push(shape);
  if (model.waited[row]) parts.push(`waited ${Conclave.span(model.waited[row])}`);
  if (model.ran[row]) parts.push(`ran ${Conclave.span(model.ran[row])}`);
  return parts.join(", ");
};
