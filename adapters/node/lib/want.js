// What an observer was asked for, checked.
import { DURABLE, KINDS } from "./event.js";
import { CONVERSATION_SIZE, SERVICE_SIZE } from "./mdp.js";
import { place } from "./place.js";

const isRow = (number) => Number.isSafeInteger(number) && number >= 0;

function checkKinds(kinds) {
  if (kinds === undefined) return undefined;
  if (!Array.isArray(kinds) || kinds.length === 0 || !kinds.every((kind) => KINDS.includes(kind)))
    throw new TypeError(`kinds is an array of some of: ${KINDS.join(", ")}`);
  return [...new Set(kinds)];
}

function checkAfter(after) {
  if (after === undefined || after === null) return undefined;
  if (isRow(after)) return after;
  const rows = typeof after === "object" ? Object.entries(after) : [["", after]];
  if (!rows.every(([kind, row]) => DURABLE.includes(kind) && isRow(row)))
    throw new TypeError("after is the id of a row, or an observer's `positions`");
  return rows.length > 0 ? after : undefined;
}

// A kind that is not named begins where the first of the others does.
function byKind(after, kinds = DURABLE) {
  if (after === undefined) return undefined;
  const least = isRow(after) ? after : Math.min(...Object.values(after));
  return Object.fromEntries(DURABLE.filter((kind) => kinds.includes(kind)).map((kind) => [kind, after[kind] ?? least]));
}

function checkSince(since) {
  if (since === undefined || since === null) return undefined;
  const text = since instanceof Date ? since.toISOString().replace("Z", "") : since; // throws for no date
  if (typeof text !== "string" || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?$/.test(text))
    throw new TypeError("since is a Date, or UTC as 2026-11-21T01:00:00");
  return text;
}

function checkName(name, what, size) {
  if (name !== undefined && (typeof name !== "string" || name === "" || Buffer.byteLength(name) > size))
    throw new TypeError(`${what} is 1 to ${size} bytes`);
  return name;
}

/** What an observer wants: {kinds, conversation, service, after, since}, checked; after is by kind. */
export function readWant(options) {
  const want = {
    kinds: checkKinds(options.kinds),
    conversation: checkName(options.conversation, "conversation", CONVERSATION_SIZE),
    service: checkName(options.service, "service", SERVICE_SIZE),
    since: checkSince(options.since),
  };
  want.after = byKind(checkAfter(options.after), want.kinds);
  if (want.after !== undefined && want.since !== undefined) throw new TypeError("give either after or since");
  return want;
}

/** Where its two doors are, from {db} or {endpoint, gate}: {events, gate}, each a place. */
export function readPlaces({ db, endpoint, gate, cert, serverCert }) {
  if (db !== undefined && gate !== undefined) throw new TypeError("give either a db, or an endpoint and a gate");
  const certs = { cert, serverCert };
  return { events: place({ db, endpoint, ...certs }), gate: place({ db, endpoint: gate, ...certs }) };
}
