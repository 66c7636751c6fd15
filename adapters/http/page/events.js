/* The last events: kept, narrowed by filters, and shown newest first. */
import { Table } from "./table.js";
import { count, cut, duration, identity, many, node, plain, queryLink, say, theirs, time } from "./words.js";

const KEPT = 1000;
const SHOWN = 300;
const TEXT = 300; // characters of a text in a list

export function kindOf(event) {
  return String(event.event ?? "").split("/")[0];
}

/* The query that an event is about; null when it is about none. */
export function queryOf(event) {
  const id = kindOf(event) === "query" ? event.id : kindOf(event) === "response" ? event.in_reply_to : event.message_id;
  return Number.isInteger(id) && id > 0 ? id : null;
}

function rowWords(event) {
  if (event.form === "empty") {
    return "(empty)";
  }
  return event.text ? event.text : `(${many(event.size ?? 0, "byte")})`;
}

function retryWords(event) {
  const next = event.pause > 0 ? `, next in ${duration(event.pause)}` : "";
  return `attempt ${event.attempt}${event.returned ? " given back" : " failed"}: ${event.why || "no reason"}${next}`;
}

const WORDS = {
  query: rowWords,
  message: rowWords,
  response: (event) => `${event.dead ? "error: " : ""}${rowWords(event)}`,
  partial: (event) => `${event.parts > 1 ? `${count(event.parts)} parts … ` : ""}${event.text ?? ""}`,
  retry: retryWords,
  dead: (event) => `given up after ${many(event.attempts ?? 0, "attempt")}: ${event.why ?? ""}`,
  worker: (event) =>
    `${event.change ?? ""}${event.why ? `: ${event.why}` : ""} (${many(event.workers ?? 0, "worker")} now)`,
};

/* What EVENT says, as text from outside. */
export function wordsOf(event) {
  const word = String(event.event ?? "").split("/")[1];
  const words = WORDS[kindOf(event)]?.(event) ?? event.why ?? "";
  return word ? `${word}${words ? `: ${words}` : ""}` : words;
}

const BAD = new Set(["dead"]);
const DOUBTFUL = new Set(["retry", "expired", "superseded", "deleted", "dropped"]);

/* "good", "bad", "warn" or "" for the colour of a badge: never the only sign of anything. */
export function moodOf(event) {
  const kind = kindOf(event);
  if (BAD.has(kind) || event.dead || (kind === "worker" && event.change === "left" && event.why)) {
    return BAD.has(kind) || event.dead ? "bad" : "warn";
  }
  return DOUBTFUL.has(kind) ? "warn" : kind === "response" ? "good" : "";
}

function badge(event) {
  return node("span", { class: `badge ${moodOf(event)}` }, plain(kindOf(event)));
}

/* What stands before the words: worker, who is verified, how long it took. */
function before(event) {
  const parts = [];
  if (event.worker) {
    parts.push(plain(event.worker));
  }
  const who = identity(event.verified ?? event.sender ?? event.by);
  if (who) {
    parts.push(`[${who}]`);
  }
  if (Number.isFinite(event.seconds)) {
    parts.push(duration(event.seconds));
  }
  return parts.length ? node("span", { class: "soft" }, node("bdi", {}, parts.join(" ")), " ") : null;
}

export function said(event) {
  return node("span", {}, before(event), theirs(cut(wordsOf(event), TEXT)));
}

/* An event as one line of a list. */
export function line(event) {
  const id = queryOf(event);
  return node(
    "li",
    {},
    time(event.time ?? event.timestamp),
    badge(event),
    id ? queryLink(id) : node("span", {}),
    said(event),
  );
}

function conversation(event) {
  const id = plain(event.conversation_id ?? "");
  return id ? node("span", { title: id }, cut(id, 13)) : "";
}

const COLUMNS = [
  { id: "time", title: "Time", text: (event) => event.drawn, show: (event) => time(event.time ?? event.timestamp) },
  { id: "kind", title: "Kind", text: (event) => event.drawn, show: badge },
  {
    id: "query",
    title: "Query",
    number: true,
    text: (event) => event.drawn,
    show: (event) => (queryOf(event) ? queryLink(queryOf(event)) : ""),
  },
  { id: "service", title: "Service", text: (event) => event.drawn, show: (event) => theirs(event.service ?? "") },
  { id: "what", title: "What", text: (event) => event.drawn, show: said },
  { id: "conversation", title: "Conversation", text: (event) => event.drawn, show: conversation },
];

export class Events {
  constructor() {
    this.kept = [];
    this.number = 0;
    this.skipped = 0;
    this.held = null; // what was kept when it was held
    const find = (name) => document.getElementById(`events-${name}`);
    this.kind = find("kind");
    this.service = find("service");
    this.conversation = find("conversation");
    this.text = find("text");
    this.hold = find("hold");
    this.told = find("count");
    this.table = new Table(find("table"), {
      caption: "Events, newest first",
      titled: true,
      columns: COLUMNS,
      none: "No event is like this.",
      key: (event) => event.number,
    });
    for (const field of [this.kind, this.service, this.conversation, this.text]) {
      field.addEventListener("input", () => this.draw());
    }
    this.hold.addEventListener("click", () => this.toggle());
  }

  toggle() {
    this.held = this.held ? null : [...this.kept];
    this.hold.setAttribute("aria-pressed", String(Boolean(this.held)));
    say(this.hold, this.held ? "Go on" : "Hold");
    this.draw();
  }

  clear() {
    this.kept = [];
    this.skipped = 0;
  }

  /* Parts of one attempt's answer are one entry, which is the last of them. */
  add(event) {
    const before =
      kindOf(event) === "partial"
        ? this.kept.findLastIndex(
            (other) =>
              kindOf(other) === "partial" && other.message_id === event.message_id && other.attempt === event.attempt,
          )
        : -1;
    event.number = before < 0 ? ++this.number : this.kept[before].number;
    event.parts = event.index ?? 0;
    event.drawn = `${event.number} ${event.parts}`;
    event.search = `${wordsOf(event)}\n${event.worker ?? ""}`.toLowerCase();
    if (before >= 0) {
      this.kept[before] = event;
      return;
    }
    this.kept.push(event);
    if (this.kept.length > KEPT) {
      this.kept.shift();
    }
  }

  last(number) {
    return this.kept.slice(-number).reverse();
  }

  matching() {
    const conversation = this.conversation.value.trim();
    const text = this.text.value.trim().toLowerCase();
    return (this.held ?? this.kept).filter(
      (event) =>
        (!this.kind.value || kindOf(event) === this.kind.value) &&
        (!this.service.value || event.service === this.service.value) &&
        (!conversation || String(event.conversation_id ?? "").includes(conversation)) &&
        (!text || event.search.includes(text)),
    );
  }

  draw() {
    options(this.kind, this.kept.map(kindOf));
    options(
      this.service,
      this.kept.map((event) => event.service),
    );
    const found = this.matching();
    this.table.update(found.slice(-SHOWN).reverse());
    this.count(found.length);
  }

  /* Said aloud when a filter changes it, not for every event: the count alone moves with those. */
  count(found) {
    const narrowed = found !== (this.held ?? this.kept).length;
    const shown = found > SHOWN ? `, the newest ${SHOWN} shown` : "";
    const left = this.skipped ? `; ${count(this.skipped)} came too fast to be shown` : "";
    this.told.setAttribute("aria-live", narrowed ? "polite" : "off");
    say(
      this.told,
      `${narrowed ? `${count(found)} of ` : ""}${many((this.held ?? this.kept).length, "event")}${shown}${left}`,
    );
  }
}

/* Offers what occurs, and what is chosen; the first choice (all) stays. */
export function options(select, values) {
  const wanted = [...new Set([...values.filter((value) => typeof value === "string" && value), select.value])]
    .filter(Boolean)
    .sort();
  const there = Array.from(select.options)
    .slice(1)
    .map((option) => option.value);
  if (wanted.length === there.length && wanted.every((value, at) => value === there[at])) {
    return;
  }
  const chosen = select.value;
  select.replaceChildren(
    select.options[0],
    ...wanted.slice(0, 200).map((value) => node("option", { value }, cut(plain(value), 60))),
  );
  select.value = chosen;
}
