"use strict";
// Which requests are shown: words that all have to match.

(() => {
  const ALIASES = {
    quota: "limit", limit: "limit", held: "held", others: "held", guarantee: "held",
    behind: "behind", protected: "behind", overtaking: "behind", small: "too_small",
    room: "no_room", capacity: "no_room", noroom: "no_room", carried: "carried_over", topology: "topology",
    council: "deferred", deferred: "deferred", vote: "vote_due",
  };
  const TEXTS = { tenant: "tenant", user: "user", pool: "pool", request: "name", name: "name" };

  const words = (text) => {
    const found = [];
    for (const part of text.matchAll(/(-?)(?:([a-z]+):)?(?:"([^"]*)"?|(\S+))/gi)) {
      const value = part[3] ?? part[4];
      if (value) found.push({ not: part[1] === "-", key: (part[2] || "").toLowerCase(), value: value.toLowerCase() });
    }
    return found;
  };

  const hasKind = (model, row, wanted) => {
    for (let at = model.first(row); at <= model.last(row); at++) if (model.kind(at) === wanted) return true;
    return false;
  };

  const mentions = (model, row, value) => {
    const texts = ["name", "tenant", "user", "shape"];
    if (texts.some((column) => model.text(column, row).toLowerCase().includes(value))) return true;
    for (let at = model.first(row); at <= model.last(row); at++) {
      if (model.note(at).toLowerCase().includes(value)) return true;
    }
    return false;
  };

  // One word as a test of a row; null when its key is unknown.
  const test = (model, { key, value }) => {
    if (key === "") return (row) => mentions(model, row, value);
    if (TEXTS[key]) return (row) => model.text(TEXTS[key], row).toLowerCase().includes(value);
    if (key === "state" || key === "is") {
      const wanted = value.replace(/-/g, "_");
      return (row) => model.group(row) === wanted || model.state[row] === (ALIASES[wanted] || wanted) || model.state[row] === wanted;
    }
    if (key === "blocker") {
      const wanted = ALIASES[value] || value.replace(/-/g, "_");
      return (row) => hasKind(model, row, wanted);
    }
    if (key === "priority") return (row) => String(model.data.requests.priority[row]) === value;
    if (key === "node") {
      const nodes = new Set();
      model.data.heat.node.forEach((name, place) => {
        if (model.data.names[name].toLowerCase() === value) nodes.add(place);
      });
      return (row) => model.data.requests.nodes[row].some((place) => nodes.has(place));
    }
    return null;
  };

  const ORDERS = {
    received: null,
    latest: () => (one, other) => other - one,
    waited: (model) => (one, other) => model.waited[other] - model.waited[one] || one - other,
    ran: (model) => (one, other) => model.ran[other] - model.ran[one] || one - other,
    tenant: (model) => (one, other) =>
      model.text("tenant", one).localeCompare(model.text("tenant", other)) || one - other,
  };

  // The rows that match, in order, and what could not be understood.
  Conclave.filter = function (model, text, group, order) {
    const unknown = [], tests = [];
    for (const word of words(text)) {
      const matches = test(model, word);
      if (!matches) unknown.push(`${word.key}:`);
      else tests.push(word.not ? (row) => !matches(row) : matches);
    }
    const rows = [];
    for (let row = 0; row < model.rows; row++) {
      if (group && model.group(row) !== group) continue;
      if (tests.every((matches) => matches(row))) rows.push(row);
    }
    const compare = ORDERS[order];
    if (compare) rows.sort(compare(model));
    return { rows, unknown };
  };

  // What is offered while somebody types.
  Conclave.filterHints = function (model) {
    const tenants = [...new Set(model.data.requests.tenant)].slice(0, 30);
    const hints = tenants.map((name) => model.data.names[name]).sort();
    return [
      ...["waiting", "running", "deferred", "ended", "refused", "expired", "cancelled"].map((one) => `state:${one}`),
      ...["quota", "held", "behind", "room", "council"].map((one) => `blocker:${one}`),
      ...hints.map((name) => `tenant:${Conclave.quoted(name)}`),
    ];
  };
})();
