// Events as they stand on the wire (proto/WIRE.md, "Events"): topics, frames, JSON. What is not like that is null.

/** The kinds that are rows of the bridge. */
export const DURABLE = ["query", "response", "message"];

export const KINDS = [...DURABLE, "partial", "retry", "dead", "expired", "superseded", "deleted", "dropped", "worker",
                      "gateway"];

const TOPIC_SIZE = 245; // bytes; a longer one is cut
const WELCOME = "gateway/welcome ";
const BATCH = "batch/";
const BATCH_HEAD = 16; // bytes in front of an event in a batch: its frames, and the size of each

function escaped(id) {
  return id.replace(/[\u0000-\u001f\u007f%]/g,
                    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

/** The start of the topic of events of KIND about conversation ID. It may be too short to mean this one only. */
export function topicOf(kind, id) {
  const topic = Buffer.from(`${kind}/${escaped(id)}`);
  if (topic.length <= TOPIC_SIZE) return topic.toString();
  // Where exactly the gateway cuts does not matter for a start: two bytes less, and no half character.
  let size = TOPIC_SIZE - 2;
  while ((topic[size] & 0xc0) === 0x80) size--;
  return topic.subarray(0, size).toString();
}

/** The topics to subscribe to. Marks and the welcome are under "gateway/". */
export function subscriptions(kinds, conversation) {
  if (conversation === undefined) return kinds ? [...new Set([...kinds, "gateway"])].map((kind) => `${kind}/`) : [""];
  const about = (kinds ?? KINDS).filter((kind) => kind !== "worker" && kind !== "gateway");
  return [...about.map((kind) => topicOf(kind, conversation)), "gateway/"];
}

function parse(frame) {
  try {
    const value = JSON.parse(String(frame));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

const isRow = (number) => Number.isSafeInteger(number) && number >= 0;

function isMark({ epoch, seq, id, last }) {
  return typeof epoch === "string" && isRow(seq) && isRow(id) && typeof last === "object" && last !== null &&
    DURABLE.every((kind) => isRow(last[kind]));
}

function eventOf(topic, data, replayed) {
  const kind = topic.startsWith("gateway/") ? topic : topic.slice(0, topic.indexOf("/"));
  const durable = DURABLE.includes(kind);
  if (data?.event !== kind || (durable && !(isRow(data.id) && data.id > 0))) return null;
  return { topic, kind, id: (durable ? data.id : data.message_id) ?? null, data, replayed };
}

/** What a live message is: {welcome}, {mark, seq} or {event, seq}; null: nothing that we know. */
export function readLive(frames) {
  const topic = String(frames[0]);
  if (frames.length === 1) {
    const mark = topic.startsWith(WELCOME) ? parse(topic.slice(WELCOME.length)) : null;
    return mark && isMark(mark) ? { welcome: mark } : null;
  }
  const seq = Number(frames[1]);
  const data = frames.length === 3 && isRow(seq) && seq > 0 && topic.includes("/") ? parse(frames[2]) : null;
  if (data === null) return null;
  if (topic === "gateway/mark") return isMark(data) ? { mark: { ...data, seq }, seq } : null;
  const event = eventOf(topic, data, false);
  if (event === null || (DURABLE.includes(event.kind) && !(isRow(data.prev) && data.prev < data.id))) return null;
  return { event, seq };
}

/** What the messages in FRAMES are: one, or of a batch all of them up to what is none; each as readLive() has it. */
export function* readLives(frames) {
  if (frames.length !== 2 || String(frames[0]) !== BATCH) {
    yield readLive(frames);
    return;
  }
  for (let rest = frames[1]; rest.length >= BATCH_HEAD;) {
    const [count, ...sizes] = [0, 4, 8, 12].map((at) => rest.readUInt32LE(at));
    const ends = sizes.map((_, index) => sizes.slice(0, index + 1).reduce((sum, size) => sum + size, BATCH_HEAD));
    if (count !== sizes.length || ends[2] > rest.length) return;
    const part = ends.map((end, index) => rest.subarray(end - sizes[index], end));
    yield readLive(part);
    rest = rest.subarray(ends[2]);
  }
}

/** The event in FRAME, which a replay brought, or null. */
export function readReplayed(frame) {
  const data = parse(frame);
  if (data === null || !DURABLE.includes(data.event)) return null;
  return eventOf(topicOf(data.event, String(data.conversation_id ?? "")), data, true);
}

/** The last frame of a replay: {after, upto, last, more}; or {error}, a text. */
export function readCovered(frame) {
  const object = parse(frame);
  if (object?.type === "replayed" && [object.after, object.upto, object.last].every(isRow)) return object;
  return { error: String(object?.error ?? "that is no end of a replay").slice(0, 1000) };
}
