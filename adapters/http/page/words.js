/* Texts, times and nodes. Everything from outside becomes a text node here, never markup. */

/* What moves a cursor, hides, or turns the reading direction is shown as its number. */
const HIDDEN =
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const BREAKS = /[\t\n]/g;

function asNumber(character) {
  const code = character.codePointAt(0);
  return code < 256 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u" + code.toString(16).padStart(4, "0");
}

/* TEXT on one line. */
export function plain(text) {
  return block(text).replace(BREAKS, (one) => (one === "\n" ? " ↵ " : " "));
}

/* TEXT whose line ends and tabs stay. Where a row has an object instead, that is shown: made a text by itself, it
 * may be one that cannot be ({"toString":1}). */
export function block(text) {
  return (typeof text === "object" && text !== null ? JSON.stringify(text) : String(text ?? ""))
    .replace(/\r\n/g, "\n")
    .replace(HIDDEN, asNumber);
}

export function cut(text, size) {
  const points = Array.from(text.slice(0, 2 * size));
  return points.length > size || text.length > 2 * size ? points.slice(0, size - 1).join("") + "…" : text;
}

/* A node NAME with the attributes of SET and the children REST: nodes, or texts, which are shown as they are. */
export function node(name, set, ...rest) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(set ?? {})) {
    if (value === false || value === null || value === undefined) {
      continue;
    }
    made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...rest.filter((one) => one !== null && one !== undefined && one !== ""));
  return made;
}

/* Text of somebody else: its own reading direction ends with it. */
export function theirs(text, set) {
  return node("bdi", set, plain(text));
}

export function say(where, text) {
  if (where.textContent !== text) {
    where.textContent = text;
  }
}

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function count(number) {
  return Number.isFinite(number) ? WHOLE.format(number) : "–";
}

export function many(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}

export function rate(number) {
  if (!Number.isFinite(number)) {
    return "–";
  }
  return number === 0 ? "0" : number < 10 ? number.toFixed(1) : count(number);
}

/* Seconds as a person says them: 340 ms, 1.2 s, 2.5 min. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) {
    return "–";
  }
  if (seconds < 0.0005) {
    return "<1 ms";
  }
  if (seconds < 0.9995) {
    return `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  }
  const steps = [
    [99.95, 1, "s"],
    [5970, 60, "min"],
    [172800, 3600, "h"],
    [Infinity, 86400, "d"],
  ];
  const [, size, unit] = steps.find(([end]) => seconds < end);
  return `${(seconds / size).toFixed(1)} ${unit}`;
}

/* A stamp of the gateway or the bridge (UTC, six digits or none, no zone) as milliseconds; NaN for anything else. */
export function instant(stamp) {
  const parts = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z?$/.exec(typeof stamp === "string" ? stamp : "");
  if (!parts) {
    return NaN;
  }
  return Date.parse(`${parts[1]}T${parts[2]}Z`) + Number((parts[3] ?? "0").padEnd(6, "0")) / 1000;
}

function two(number) {
  return String(number).padStart(2, "0");
}

function clock(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/* <time> in the reader's zone, with the date where it is not today, and the stamp itself as title. */
export function time(stamp) {
  const at = instant(stamp);
  if (Number.isNaN(at)) {
    return node("span", {}, plain(stamp ?? "") || "–");
  }
  const date = new Date(at);
  const day =
    date.toDateString() === new Date().toDateString()
      ? ""
      : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} `;
  const set = { datetime: date.toISOString(), title: `${plain(stamp)} UTC` };
  return node("time", set, `${day}${clock(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`);
}

export function queryLink(id, text) {
  return node("a", { href: `#query/${id}` }, text ?? `#${id}`);
}

/* Who the gateway has verified: "shard key:1a2b3c4d"; "" for nobody. */
export function identity(who) {
  if (!who || typeof who.principal !== "string") {
    return "";
  }
  const principal = who.principal.startsWith("key:") ? who.principal.slice(0, 12) : who.principal;
  return plain(who.name ? `${plain(who.name)} ${principal}` : principal);
}

/* The member of a JSON message that a person reads: a query's question, a reply's answer or error. */
export function gist(text) {
  let value = null;
  try {
    value = JSON.parse(text);
  } catch {
    return String(text ?? "");
  }
  const member =
    value === null || typeof value !== "object" || Array.isArray(value)
      ? null
      : value.type === "query"
        ? value.question
        : (value.answer ?? value.error);
  if (member === null || member === undefined) {
    return String(text ?? "");
  }
  return typeof member === "string" ? member : JSON.stringify(member);
}
