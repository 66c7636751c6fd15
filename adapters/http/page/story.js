/* One query's whole story: what happened when, its row, its reply. */
import { kindOf, wordsOf } from "./events.js";
import { ask } from "./feed.js";
import { block, duration, gist, identity, instant, many, node, plain, queryLink, say, theirs, time } from "./words.js";

const find = (id) => document.getElementById(id);

const NOT_TOLD = "(the gateway tells no texts: events.bodies off)";
const MOODS = { answered: "good", dead: "bad", pending: "", working: "" };

function step(at, mood, title, ...rest) {
  return { at, mood, title, rest };
}

function by(worker, verified) {
  const who = identity(verified);
  return worker ? node("span", {}, "· worker ", theirs(worker, { class: "strong" }), who ? ` [${who}]` : "") : null;
}

function asked(story) {
  const { query, sender } = story;
  return step(
    query.timestamp,
    "",
    "Asked",
    node(
      "span",
      {},
      "by session ",
      theirs(query.from),
      " to ",
      theirs(query.to),
      ", service ",
      theirs(story.service ?? "–", { class: "strong" }),
      identity(sender) ? `, verified: ${identity(sender)}` : "",
    ),
  );
}

/* The objects of LIST: what comes out of a row's metadata may be anything. */
function objects(list) {
  return Array.isArray(list) ? list.filter((one) => one !== null && typeof one === "object") : [];
}

function attemptOf({ attempt, worker }) {
  return JSON.stringify([attempt, worker]);
}

/* Failed attempts stand in up to three places; one that is there twice is told once. */
function failures(story, events) {
  const known = new Map();
  for (const one of [...objects(story.failures), ...objects(story.delivery?.history)]) {
    known.set(attemptOf(one), one);
  }
  for (const event of events.filter((one) => kindOf(one) === "retry" && !one.returned)) {
    const key = attemptOf(event);
    if (!known.has(key)) {
      known.set(key, { attempt: event.attempt, worker: event.worker, reason: event.why, at: event.time });
    }
  }
  return [...known.values()].map((one) =>
    step(one.at, "warn", `Attempt ${plain(one.attempt)} failed`, by(one.worker), reason(one.reason)),
  );
}

function reason(text) {
  return text ? node("p", { class: "reason" }, theirs(text)) : null;
}

/* What only events tell; those that the rows tell, too, are left out. */
function liveSteps(events) {
  const told = new Set(["query", "response", "dead"]);
  return events
    .filter((event) => !told.has(kindOf(event)) && !(kindOf(event) === "retry" && !event.returned))
    .map((event) => {
      if (kindOf(event) === "partial") {
        return step(
          event.time,
          "",
          `${many(event.index ?? 1, "part")} of an answer`,
          by(event.worker, event.verified),
          node("span", {}, ` · attempt ${event.attempt}`),
        );
      }
      const title = kindOf(event) === "retry" ? `Attempt ${event.attempt} given back` : plain(event.event);
      return step(
        event.time,
        "",
        title,
        by(event.worker, event.verified),
        reason(kindOf(event) === "retry" ? event.why : wordsOf(event)),
      );
    });
}

function nowSteps({ live, delivery }) {
  const found = [];
  if (live) {
    found.push(
      step(
        live.since,
        "",
        `Attempt ${live.attempt} is under way`,
        by(live.worker),
        node(
          "span",
          {},
          live.partials ? ` · ${many(live.partials, "part")} so far` : "",
          " · until ",
          time(live.deadline),
        ),
      ),
    );
  } else if (delivery?.due_at && delivery.state !== "dead" && instant(delivery.due_at) > Date.now()) {
    found.push(step(delivery.due_at, "", "Next attempt is due"));
  }
  return found;
}

/* Where the time of the answered attempt went; the gateway knows that for a while. */
function timings({ timings: told }) {
  const parts = [
    ["waited", told?.waited],
    ["worked", told?.worked],
    ["committed in", told?.committed],
  ].filter(([, seconds]) => Number.isFinite(seconds));
  return parts.length
    ? node("p", { class: "soft" }, parts.map(([what, seconds]) => `${what} ${duration(seconds)}`).join(" · "))
    : null;
}

function endSteps(story) {
  const { reply, kept, redriven } = story;
  const found = objects(kept).map((one) =>
    step(one.kept_at, "warn", "An answer was kept, not committed", by(one.worker), reason(one.why)),
  );
  if (reply) {
    const meta = reply.metadata ?? {};
    const took = Number.isFinite(meta.response_time_sec) ? ` · ${duration(meta.response_time_sec)}` : "";
    found.push(
      step(
        reply.timestamp,
        meta.dead ? "bad" : "good",
        meta.dead ? "Given up: the error reply is committed" : "Answered: the reply is committed",
        by(meta.worker, meta.verified),
        node("span", {}, meta.attempt ? ` · attempt ${plain(meta.attempt)}` : "", took, ` · row ${reply.message_id}`),
        timings(story),
      ),
    );
  }
  if (redriven) {
    found.push(step("", "", "Asked again by an operator", queryLink(redriven, `as query ${redriven}`)));
  }
  return found;
}

/* In order of time; what has no time, or the same, stays behind what was there before. */
function inOrder(steps) {
  const order = steps.map((one, at) => ({ one, at, when: instant(one.at) }));
  order.sort(
    (a, b) => (Number.isNaN(a.when) ? Infinity : a.when) - (Number.isNaN(b.when) ? Infinity : b.when) || a.at - b.at,
  );
  return order.map(({ one }) => one);
}

function timeline(steps, begin) {
  return node(
    "ol",
    { class: "story" },
    ...steps.map(({ at, mood, title, rest }) => {
      const after = (instant(at) - begin) / 1000;
      return node(
        "li",
        { class: mood || null },
        node(
          "div",
          { class: "when" },
          at ? time(at) : "",
          node("span", { class: "soft" }, after > 0 ? ` +${duration(after)}` : ""),
        ),
        node("div", { class: "what" }, node("b", {}, title), " ", ...rest),
      );
    }),
  );
}

function pretty(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
}

function rowCard(title, row) {
  const text = String(row.message ?? NOT_TOLD);
  const whole = pretty(text);
  const card = node(
    "section",
    { class: "card row" },
    node("h3", {}, title),
    node(
      "p",
      { class: "soft" },
      `row ${row.message_id} · `,
      theirs(row.from),
      " → ",
      theirs(row.to),
      " · ",
      time(row.timestamp),
      ` · ${row.read ? "read" : "unread"}`,
    ),
    node("pre", { class: "gist" }, node("bdi", {}, block(gist(text)))),
  );
  if (whole !== gist(text)) {
    card.append(
      node(
        "details",
        {},
        node("summary", {}, "As it stands in the row"),
        node("pre", {}, node("bdi", {}, block(whole))),
      ),
    );
  }
  if (row.metadata) {
    card.append(
      node(
        "details",
        {},
        node("summary", {}, "Metadata"),
        node("pre", {}, node("bdi", {}, block(JSON.stringify(row.metadata, null, 2)))),
      ),
    );
  }
  return card;
}

export class Story {
  constructor() {
    this.id = 0;
    this.drawn = "";
    this.timer = 0;
    this.place = find("query-story");
    find("query-form").addEventListener("submit", (event) => {
      event.preventDefault();
      location.hash = `#query/${find("query-id").value.trim()}`;
    });
  }

  /* Shows query ID; 0: none. It is asked for when the helper is THERE. */
  show(id, there) {
    if (id !== this.id) {
      this.place.replaceChildren();
      this.tell("");
      this.drawn = "";
    }
    this.id = id;
    say(find("query-title"), id ? `Query ${id}` : "Query");
    if (id) {
      find("query-id").value = String(id);
    }
    if (id && there) {
      this.load();
    }
  }

  /* Something happened to query ID: it is asked for again soon, once for many. */
  stir(id) {
    if (id === this.id && !this.timer) {
      this.timer = setTimeout(() => this.load(), 300);
    }
  }

  async load() {
    const id = this.id;
    clearTimeout(this.timer);
    this.timer = 0;
    const done = await ask(`/page/story/${id}`);
    if (id !== this.id) {
      return;
    }
    if (!done.ok) {
      this.place.replaceChildren();
      this.drawn = "";
      this.tell(done.status === 404 ? `There is no query ${id}.` : `Its story is not to be had: ${plain(done.why)}`);
      return;
    }
    this.draw(done.value.story, done.value.events ?? []);
  }

  draw(story, events) {
    const text = JSON.stringify([story, events]);
    if (text === this.drawn) {
      return;
    }
    const before = this.drawn ? Array.from(this.place.querySelectorAll("details"), (one) => one.open) : [];
    this.drawn = text;
    const failed = failures(story, events);
    const steps = inOrder([asked(story), ...failed, ...liveSteps(events), ...nowSteps(story), ...endSteps(story)]);
    const begin = instant(story.query.timestamp);
    const end = story.reply ? (instant(story.reply.timestamp) - begin) / 1000 : NaN;
    this.place.replaceChildren(
      node(
        "div",
        { class: "card" },
        node(
          "p",
          { class: "state" },
          node("span", { class: `badge ${MOODS[story.state] ?? "warn"}` }, plain(story.state)),
          node(
            "span",
            { class: "soft" },
            Number.isFinite(end) ? `after ${duration(end)}` : "",
            failed.length ? ` · ${many(failed.length, "failed attempt")}` : "",
          ),
          node(
            "a",
            { href: `#events/${encodeURIComponent(story.conversation_id)}`, class: "conversation" },
            theirs(story.conversation_id),
          ),
        ),
        timeline(steps, begin),
      ),
      rowCard("Question", story.query),
      story.reply ? rowCard("Reply", story.reply) : "",
    );
    this.place.querySelectorAll("details").forEach((one, at) => {
      one.open = before[at] ?? false;
    });
    this.tell(`Query ${story.message_id}: ${plain(story.state)}, ${many(failed.length, "failed attempt")}.`, true);
  }

  /* Said aloud; HEARD only: the eye sees it elsewhere. */
  tell(text, heard = false) {
    find("query-said").classList.toggle("quiet", heard);
    say(find("query-said"), text);
  }
}
