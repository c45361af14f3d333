"use strict";
// One request in words, and the decisions behind it.

(() => {
  const { el, name } = Conclave;
  // The order in which a decision is read; digests come last.
  const ORDER = ["event", "offset", "time_ms", "since_start_ms", "kind", "pool", "tenant", "request", "command_id",
    "outcome", "code", "detail", "first_offset"];
  // Moments that are votes.
  const VOTES = new Set(["approved", "put_off", "voted_down"]);

  const inOrder = (value) => {
    if (Array.isArray(value)) return value.map(inOrder);
    if (value === null || typeof value !== "object") return value;
    const keys = Object.keys(value), first = ORDER.filter((key) => keys.includes(key));
    const rest = keys.filter((key) => !ORDER.includes(key));
    return Object.fromEntries([...first, ...rest].map((key) => [key, inOrder(value[key])]));
  };

  Conclave.details = function (page) {
    const panel = document.getElementById("details");
    const chart = { row: -1 };
    let embedded = null;

    const kept = () => {
      if (!embedded) {
        const data = JSON.parse(document.getElementById("decision-data").textContent);
        embedded = { leftOut: data.left_out, source: data.source, votes: data.votes, of: new Map(data.decisions.map((one) => [one.offset, one])) };
      }
      return embedded;
    };
    const findEmbedded = (offset) => {
      const embedded = kept();
      if (embedded.of.has(offset)) return embedded.of.get(offset);
      const see = `See: replay --from ${offset} --until ${offset}${embedded.source}`;
      throw new Error(embedded.leftOut
        ? `This page keeps the newest decisions only; ${Conclave.count(embedded.leftOut)} older ones are left out. ${see}`
        : `This page keeps decisions that touch requests only. ${see}`);
    };
    const find = async (offset) =>
      page.live ? page.live.get(page.live.of(`v1/decisions/${offset}`)) : findEmbedded(offset);

    // The decision of the last vote of networks on a request; null when they never voted.
    const lastVote = (model, row) => {
      for (let at = model.last(row); at >= model.first(row); at--) {
        if (VOTES.has(model.kind(at))) return / by the networks/.test(model.note(at)) ? model.data.segments.offset[at] : null;
      }
      return null;
    };
    // A reason for the verdict stands before those against it.
    const first = (reasons) => reasons.find((one) => one.push_sixtieths > 0) || reasons[0];
    // What each member said there; null when this page does not keep it.
    const findVote = async (pool, request, offset) => {
      if (!page.live) return kept().votes.find((one) => one.at === offset && one.pool === pool && one.request === request) || null;
      const path = `v1/pools/${encodeURIComponent(pool)}/requests/${encodeURIComponent(request)}/explain?at=${offset}`;
      const said = (await page.live.get(path)).networks;
      return said && { ...said, unexplained: said.unexplained && said.unexplained.sentence,
        members: said.members.map((one) => ({ ...one, top: one.why && first(one.why.top) })) };
    };
    const sure = (said) => `${said.confidence_per_mille} ‰ sure`;
    const push = (sixtieths) => `${sixtieths < 0 ? "−" : "+"}${Math.abs(sixtieths / 122880).toFixed(2)}`;
    const member = (said, at) => {
      const { top, verdict } = said, words = el("div", { class: "when" });
      if (top) words.append(`${push(top.push_sixtieths)} ${top.group}${top.words ? `: ${top.words}` : ""}`);
      return el("li", {}, el("span", { class: `verdict is-${verdict}` }, verdict),
        el("div", {}, el("div", { class: "words" }, said.label || `member ${at + 1}`), words), el("span", { class: "lasted" }, said.counted ? sure(said) : "not counted"));
    };
    const showVote = async (model, row, place) => {
      const offset = lastVote(model, row);
      if (offset === null) return;
      const say = (...lines) => place.replaceChildren(el("h3", {}, "The council"), ...lines);
      try {
        const vote = await findVote(model.text("pool", row), model.text("name", row), offset);
        if (!vote) return say(el("p", { class: "soft" }, "This page keeps the newest votes only. See: replay why"));
        say(el("p", { class: "soft" }, `vote ${vote.attempt}: ${vote.verdict} (${vote.ground.replace("_", " ")}, ${sure(vote)}) `, decision(offset)),
          el("ul", { class: "council" }, ...vote.members.map(member)),
          vote.unexplained ? el("p", { class: "soft" }, `No reasons: ${vote.unexplained}`) : "");
      } catch (error) {
        say(el("p", { class: "soft" }, error.message));
      }
    };

    const showJson = async (offset) => {
      const pre = panel.querySelector("pre"), title = panel.querySelector("#json-title");
      for (const button of panel.querySelectorAll("button[data-offset]")) {
        button.setAttribute("aria-pressed", Number(button.dataset.offset) === offset);
      }
      title.textContent = `Decision ${offset}`;
      try {
        pre.textContent = JSON.stringify(inOrder(await find(offset)), null, 2);
      } catch (error) {
        pre.textContent = error.message;
      }
    };

    const decision = (offset) =>
      el("button", { type: "button", class: "link", "data-offset": offset, "aria-pressed": "false",
        "aria-label": `Decision ${offset} as JSON`, click: () => showJson(offset) }, `#${offset}`);

    const happened = (model, at) => {
      const { from_ms, until_ms, offset } = model.data.segments, kind = model.kind(at);
      const about = Conclave.KINDS[kind] || { label: kind }, note = model.note(at);
      const span = model.isMoment(at) ? null : el("span", { class: "lasted" },
        `${Conclave.span(model.end(at) - from_ms[at])}${until_ms[at] < 0 ? " so far" : ""}`);
      const words = el("div", { class: "words" }, el("strong", {}, about.long || about.label), note ? ": " : "", note ? name(note) : "");
      const when = el("div", { class: "when" }, Conclave.moment(model, from_ms[at]), " ", decision(offset[at]));
      return el("li", { class: `of-${about.group || "moment"}` }, Conclave.swatch(kind), el("div", {}, words, when), span);
    };

    const facts = (model, row) => {
      const requests = model.data.requests, pairs = [
        ["Tenant", name(model.text("tenant", row))],
        ["User", model.text("user", row) && name(model.text("user", row))],
        ["Pool", name(model.text("pool", row))],
        ["Wants", model.text("shape", row)],
        ["In all", requests.gpu_milli[row] ? Conclave.gpus(requests.gpu_milli[row]) : ""],
        ["Priority", requests.priority[row] || ""],
        ["Asked", Conclave.moment(model, requests.received_ms[row])],
        ["Waited", model.waited[row] ? Conclave.span(model.waited[row]) : ""],
        ["Ran", model.ran[row] ? Conclave.span(model.ran[row]) : ""],
        ["Nodes", requests.nodes[row].map((place) => model.data.names[model.data.heat.node[place]]).join(", ")],
      ];
      const list = el("dl", { class: "facts" });
      for (const [term, value] of pairs) if (value) list.append(el("dt", {}, term), el("dd", {}, value));
      return list;
    };

    chart.open = (row) => {
      const model = page.model, kind = Conclave.KINDS[model.state[row]] || { label: model.state[row] };
      const story = el("ol", { class: "story" });
      const { received_ms, received_at } = model.data.requests;
      story.append(el("li", { class: "of-moment" }, el("span", { class: "swatch" }), el("div", {},
        el("div", { class: "words" }, el("strong", {}, "asked for")),
        el("div", { class: "when" }, Conclave.moment(model, received_ms[row]), " ", decision(received_at[row])))));
      for (let at = model.first(row); at <= model.last(row); at++) story.append(happened(model, at));
      const close = el("button", { type: "button", "aria-label": "Close details", click: () => page.close() }, "×");
      const council = el("div", {});
      panel.replaceChildren(
        el("div", { class: "details-head" }, el("h2", { tabindex: "-1" }, name(model.text("name", row))), close),
        el("p", { class: `row-state is-${model.group(row)}` }, kind.long || kind.label),
        facts(model, row),
        council,
        el("h3", {}, "What happened"),
        story,
        el("h3", { id: "json-title" }, "Decision"),
        el("pre", { tabindex: "0", "aria-labelledby": "json-title" }),
        page.live ? "" : el("p", { class: "soft" }, "Digests and empty fields are left out; replay shows them."));
      panel.hidden = false;
      chart.row = row;
      showVote(model, row, council);
      return showJson(received_at[row]);
    };
    chart.focus = () => panel.querySelector("h2").focus();
    chart.close = () => {
      panel.hidden = true;
      chart.row = -1;
      panel.replaceChildren();
    };
    chart.isOpen = () => !panel.hidden;
    return chart;
  };
})();
