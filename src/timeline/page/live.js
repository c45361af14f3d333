"use strict";
// The service behind a live page: its data, any past moment of it, and news of it.

(() => {
  const AGAIN_MS = 5000, NEWS_MS = 1500;

  Conclave.live = function (page) {
    const byId = (id) => document.getElementById(id);
    const slider = byId("moment"), text = byId("moment-text"), now = byId("now"), form = byId("token-form");
    const live = { follows: true, last: -1, partition: 0, partitions: 1, pools: null };
    const named = new URLSearchParams(location.search).get("partition");
    let token = sessionStorage.getItem("conclave-token") || "", asked = 0, stopNews = null, timer = null;

    const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});
    live.get = async (path) => {
      const answer = await fetch(path, { headers: headers() });
      if (answer.ok) return answer.json();
      if (answer.status === 401) {
        byId("live").hidden = form.hidden = false;
        throw new Error(token ? "The service does not know this token." : "The service asks for a token.");
      }
      const problem = await answer.json().catch(() => ({}));
      throw new Error(problem.detail || problem.title || `The service answered ${answer.status}.`);
    };

    // The same path, of the partition that is shown.
    live.of = (path) => {
      if (!live.partition) return path;
      return `${path}${path.includes("?") ? "&" : "?"}partition=${live.partition}`;
    };

    // Loads what was known right after `offset`, or what is known now.
    live.load = async (offset) => {
      const mine = ++asked, query = new URLSearchParams(), [chosen] = byId("pool").selectedOptions;
      if (offset !== null) query.set("until", offset);
      // A pool says by itself which partition it lives in.
      if (chosen && chosen.value) query.set("pool", chosen.value);
      else {
        const partition = chosen ? chosen.dataset.partition : named;
        if (partition > 0) query.set("partition", partition);
      }
      text.textContent = offset === null ? "loading…" : `decision ${offset}: loading…`;
      try {
        const [data, status] = await Promise.all([live.get(`v1/timeline?${query}`), live.get("v1/status").catch(() => null)]);
        if (mine !== asked) return;
        // Who may not ask for it sees the partition that was asked for.
        live.partitions = Math.max(((status && status.partitions) || []).length, 1);
        live.pools = live.partitions > 1 ? status.pools.map((pool) => pool.pool) : null;
        form.hidden = true;
        page.notice(null);
        live.last = data.log_next - 1;
        live.partition = data.partition || 0;
        page.show(data);
        say(data, offset);
        if (offset === null) listen(data.log_next);
      } catch (error) {
        if (mine !== asked) return;
        page.notice(error.message);
        text.textContent = "";
        if (form.hidden) timer = setTimeout(() => live.follows && live.load(null), AGAIN_MS);
        else byId("token").focus();
      }
    };

    const say = (data, offset) => {
      byId("live").hidden = false;
      slider.max = Math.max(live.last, 0);
      slider.value = Math.max(data.until, 0);
      slider.disabled = live.last < 0;
      const when = Conclave.moment(page.model, data.until_ms);
      const whose = live.partitions > 1 ? ` of partition ${live.partition}` : "";
      const what = data.until < 0 ? "nothing decided yet" : `right after decision ${data.until}${whose}, ${when}`;
      text.textContent = offset === null ? `Now: ${what}` : `Past: ${what}`;
      slider.setAttribute("aria-valuetext", what);
      now.setAttribute("aria-pressed", live.follows);
    };

    // Waits for decisions from `from` on, then loads again: once, however many there are.
    const listen = (from) => {
      if (stopNews) stopNews.abort();
      const stop = (stopNews = new AbortController());
      const hear = async () => {
        const path = live.of(`v1/decisions/stream?from=${from}`);
        const answer = await fetch(path, { headers: headers(), signal: stop.signal });
        if (!answer.ok || !answer.body) throw new Error("no stream");
        const reader = answer.body.getReader(), decoder = new TextDecoder();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) throw new Error("the stream ended");
          if (/^id:/m.test(decoder.decode(value, { stream: true }))) break;
        }
        stop.abort();
        timer = setTimeout(() => live.follows && live.load(null), NEWS_MS);
      };
      hear().catch(() => {
        if (!stop.signal.aborted) timer = setTimeout(() => live.follows && live.load(null), AGAIN_MS);
      });
    };

    const goTo = (offset) => {
      clearTimeout(timer);
      if (stopNews) stopNews.abort();
      live.follows = offset === null;
      live.load(offset);
    };
    slider.addEventListener("input", () => {
      clearTimeout(timer);
      live.follows = false;
      text.textContent = `decision ${slider.value}`;
      timer = setTimeout(() => goTo(Number(slider.value)), 200);
    });
    now.addEventListener("click", () => goTo(null));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      token = byId("token").value.trim();
      sessionStorage.setItem("conclave-token", token);
      byId("token").value = "";
      goTo(null);
    });
    // Another partition's moments are others.
    live.reload = () => goTo(live.follows || live.partitions > 1 ? null : Number(slider.value));
    return live;
  };
})();
