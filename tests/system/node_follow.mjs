// Follower (adapters/node/lib/follow.js) against a gateway made of two arrays: `node node_follow.mjs LIBRARY SEED
// COUNT` runs COUNT random worlds. Whatever is lost on the way, each row is given exactly once, in order per kind, and
// `upto` never says more than what was given.
import assert from "node:assert/strict";

const [library, seed, count] = process.argv.slice(2);
const { Follower } = await import(`${library}/lib/follow.js`);
const { readCovered, readLive, readReplayed, topicOf } = await import(`${library}/lib/event.js`);

const DURABLE = ["query", "response", "message"];
const CONVERSATIONS = ["conv_1", "conv_12", "50%\n"];

function randomness(state) {
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { chance: (part) => next() < part, below: (number) => Math.floor(next() * number),
           of: (array) => array[Math.floor(next() * array.length)] };
}

const bytes = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

// The gateway and its file. What it publishes goes to `hear` as frames.
class Gateway {
  rows = [];
  epoch = 0;

  constructor(random) {
    this.random = random;
    this.start(0);
  }

  // A run that begins behind row SINCE.
  start(since) {
    this.epoch++;
    this.seq = 0;
    this.since = this.id = since;
    this.last = Object.fromEntries(DURABLE.map((kind) => [kind, since]));
    this.hear = null;
  }

  write() {
    const id = (this.rows.at(-1)?.id ?? 0) + 1 + (this.random.chance(0.1) ? this.random.below(3) : 0);
    this.rows.push({ id, event: this.random.of(DURABLE), conversation_id: this.random.of(CONVERSATIONS),
                     service: this.random.of(["law", "tax", null]) });
  }

  // Publishes the next row, if there is one; to nobody, nothing is numbered.
  publish() {
    const row = this.rows.find(({ id }) => id > this.id);
    if (row === undefined) return;
    const prev = this.last[row.event];
    this.last[row.event] = this.id = row.id;
    if (!this.hear) {
      for (const kind of DURABLE) this.last[kind] = row.id;
      return;
    }
    this.tell(topicOf(row.event, row.conversation_id), { ...row, prev });
  }

  tell(topic, data) {
    this.seq++;
    this.hear?.([bytes(topic), bytes(String(this.seq)), bytes({ ...data, seq: this.seq, time: "" })]);
  }

  mark() {
    return { epoch: `run${this.epoch}`, since: this.since, id: this.id, last: { ...this.last }, counters: {} };
  }

  // What a replay brings: [event frames], end frame.
  replay({ after, upto = Infinity, since, kinds = DURABLE, conversation, service, limit }) {
    const last = this.rows.at(-1)?.id ?? 0;
    const begin = since === undefined ? after : Math.min(Number(since), last);
    const found = this.rows.filter((row) => row.id > begin && row.id <= upto && kinds.includes(row.event) &&
      (conversation === undefined || row.conversation_id === conversation) &&
      (service === undefined || row.service === service));
    const part = found.slice(0, Math.min(limit, 1 + this.random.below(30)));
    const more = part.length < found.length;
    const end = { type: "replayed", after: begin, upto: more ? part.at(-1).id : Math.min(upto, last), last,
                  events: part.length, more };
    return [part.map(bytes), bytes(end)];
  }
}

function world(random) {
  const gateway = new Gateway(random);
  const want = {
    kinds: random.of([undefined, undefined, ["query"], ["query", "message"], ["response", "worker", "gateway"]]),
    conversation: random.of([undefined, undefined, ...CONVERSATIONS]),
    service: random.of([undefined, undefined, "law"]),
  };
  const kinds = DURABLE.filter((kind) => want.kinds?.includes(kind) ?? true);
  for (let n = random.below(60); n > 0; n--) gateway.write();
  const start = random.of(["now", "after", "since", "positions"]);
  const highest = gateway.rows.at(-1)?.id ?? 0;
  const begin = Object.fromEntries(kinds.map((kind) => [kind, null]));
  const beginAt = (rowOf) => Object.fromEntries(kinds.map((kind) => [kind, (begin[kind] = rowOf())]));
  if (start === "after" && highest >= 5) want.after = beginAt(() => 5);
  if (start === "positions" && highest > 0) want.after = beginAt(() => random.below(highest));
  if (start === "since") {
    const row = random.below(highest + 1);
    beginAt(() => row);
    want.since = String(row);
  }

  const given = Object.fromEntries(kinds.map((kind) => [kind, []]));
  const upto = { ...want.after };
  const told = { repaired: 0, lost: 0 };
  const wanted = (row, kind) => row.event === kind && row.id > begin[kind] &&
    (want.conversation === undefined || row.conversation_id === want.conversation) &&
    (want.service === undefined || row.service === want.service);
  const rowsUpTo = (kind, id) => gateway.rows.filter((row) => wanted(row, kind) && row.id <= id).map((row) => row.id);

  const follower = new Follower(want, (item) => {
    assert.equal(item.reset, undefined, "the file was never put back");
    if (item.event && kinds.includes(item.event.kind)) given[item.event.kind].push(item.event.id);
    Object.assign(upto, item.upto);
  }, (name, value) => { told[name] += name === "repaired" ? value.rows : value; });

  // One connection all the time, to everything: then what is lost for good is known to the last event.
  const steady = !want.kinds && !want.conversation && !want.service && random.chance(0.5);
  let connected = false, lost = 0;
  const hear = (frames, surely = false) => {
    const topic = String(frames[0]);
    if (!surely && random.chance(loss)) {
      lost += kinds.includes(topic.split("/")[0]) ? 0 : 1;
      return;
    }
    const start = want.conversation === undefined ? "" : topicOf("", want.conversation).slice(1);
    const subscribed = topic.startsWith("gateway/") || (topic.split("/")[1].startsWith(start) &&
      (want.kinds?.includes(topic.split("/")[0]) ?? true));
    if (!subscribed) return;
    const live = readLive(frames);
    assert(live, topic);
    if (live.event) follower.event(live.event, live.seq);
    else if (live.mark) follower.mark(live.mark);
    else follower.welcome(live.welcome);
  };
  const connect = () => {
    connected = true;
    const mark = { ...gateway.mark(), seq: gateway.seq };
    // From now on is from the first welcome, or the first row, on.
    for (const kind of kinds) begin[kind] ??= want.conversation ? Math.max(...kinds.map((k) => mark.last[k])) :
      mark.last[kind];
    hear([bytes(`gateway/welcome ${JSON.stringify(mark)}`)], true);
    if (!steady && random.chance(0.3)) gateway.publish(); // before the subscription arrives
    gateway.hear = hear;
  };

  let loss = 0;
  let open = null; // a replay: {page, parts, end}
  const replay = () => {
    if (follower.page === null) return;
    if (open === null || random.chance(0.1)) { // asked, or asked again over a fresh connection
      const [parts, end] = gateway.replay(JSON.parse(JSON.stringify(Follower.request(follower.page, want))));
      open = { page: follower.page, parts, end };
    } else if (open.parts.length > 0) {
      follower.replayed(open.page, readReplayed(open.parts.shift()));
    } else {
      assert.equal(follower.covered(open.page, readCovered(open.end)), true);
      open = null;
    }
  };
  const steps = {
    write: () => gateway.write(),
    publish: () => gateway.publish(),
    burst: () => { for (let n = random.below(400); n > 0; n--) { gateway.write(); gateway.publish(); } },
    partial: () => gateway.tell("partial/conv_1", { event: "partial", conversation_id: "conv_1", text: "" }),
    mark: () => gateway.tell("gateway/mark", { event: "gateway/mark", ...gateway.mark() }),
    replay,
    replays: () => { for (let n = 0; n < 20; n++) replay(); },
    lossy: () => { loss = random.of([0, 0, 0.1, 0.5, 1]); },
    noise: () => { // what is no event of a gateway
      for (const frames of [["x"], ["query/", "1", "{"], ["query/a", "0", "{}"], ["query/a", "1", '{"event":"query"}'],
                            ["gateway/welcome {}"], ["gateway/mark", "3", '{"event":"gateway/mark","seq":3}'], []])
        assert.equal(readLive(frames.map(bytes)), null);
    },
    connection: () => {
      gateway.hear = null;
      if (connected) connected = false;
      else connect();
    },
    restart: () => {
      connected = false;
      gateway.start(Math.max(0, gateway.id - random.below(8)));
    },
  };
  if (steady) {
    while (gateway.id < highest) gateway.publish();
    connect();
    steps.partial();
    delete steps.connection;
    delete steps.restart;
  }
  const names = Object.keys(steps);
  const weights = { publish: 6, replay: 6, write: 6, mark: 2 };
  const bag = names.flatMap((name) => Array(weights[name] ?? 1).fill(name));
  for (let n = 0; n < 150; n++) {
    const name = random.of(bag);
    if (name === "burst" && random.chance(0.8)) continue;
    steps[name]();
    for (const kind of kinds) if (kind in upto && begin[kind] !== null)
      assert.deepEqual(given[kind], rowsUpTo(kind, upto[kind]), `${kind} up to ${upto[kind]} after ${name}`);
  }
  loss = 0;
  if (!connected) connect();
  gateway.hear = hear;
  while (gateway.id < (gateway.rows.at(-1)?.id ?? 0)) gateway.publish();
  for (let n = 0; n < 2; n++) {
    steps.mark();
    while (follower.page) replay();
  }
  for (const kind of kinds) assert.deepEqual(given[kind], rowsUpTo(kind, Infinity), `all of ${kind}`);
  assert.deepEqual([told.repaired, told.lost], [follower.repaired, follower.lost]);
  if (steady) assert.equal(follower.lost, lost);
  return Object.values(given).reduce((sum, rows) => sum + rows.length, 0);
}

let rows = 0;
for (let n = 0; n < Number(count); n++) {
  try {
    rows += world(randomness(Number(seed) + n));
  } catch (error) {
    console.log(`world ${Number(seed) + n}`);
    throw error;
  }
}
console.log(`${count} worlds, ${rows} rows`);
