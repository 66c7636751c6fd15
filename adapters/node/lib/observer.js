// An observer: an async iterator of what a gateway publishes. follow.js decides what is given; here are the sockets
// that it does not see, and what waits for the loop.
import { EventEmitter } from "node:events";

import { readCovered, readLives, readReplayed, subscriptions } from "./event.js";
import { AskError } from "./errors.js";
import { Feed } from "./feed.js";
import { Follower } from "./follow.js";
import { Line } from "./line.js";
import { readPlaces, readWant } from "./want.js";

const FULL = 500; // so many events wait for the loop, then nothing more is read
const LOW = 250; // from here on it is, and the next page of a replay asked for: at most 500 more
const BACKOFF = { first: 250, most: 5000 }; // milliseconds before a replay is asked for again

export class Observer extends EventEmitter {
  #want;
  #follower;
  #feed;
  #line;
  #signal;
  #items = []; // {event, upto} and {event: null, reset} for the loop
  #given = {}; // by kind
  #waking = []; // what waits for them
  #room = null; // {promise, resolve} while nothing is read
  #asked = null; // the page that is asked for
  #backoff = BACKOFF.first;
  #timer;
  #closed = false;
  #failure = null;

  /** OPTIONS: {db} or {endpoint, gate}, and {kinds, conversation, service, after, since, signal}. */
  constructor(options) {
    super();
    const places = readPlaces(options ?? {});
    this.#want = readWant(options);
    this.#signal = options.signal;
    this.#signal?.throwIfAborted();
    this.#given = { ...this.#want.after };
    this.#follower = new Follower(this.#want, (item) => this.#put(item), (name, value) => this.#tell(name, value));
    this.#line = new Line(places.gate);
    this.#feed = new Feed(places.events, subscriptions(this.#want.kinds, this.#want.conversation), {
      up: (endpoint) => this.#tell("up", endpoint),
      away: (reason) => this.#tell("away", reason),
      refused: (reason) => this.#tell("refused", reason),
      message: (frames) => this.#hear(frames),
    });
    this.#signal?.addEventListener("abort", this.#aborted, { once: true });
  }

  /** Of each kind, the row up to which everything was given. */
  get positions() {
    return { ...this.#given };
  }

  /** The row up to which everything was given, or null while that is not known. */
  get position() {
    const rows = Object.values(this.#given);
    return rows.length > 0 ? Math.min(...rows) : null;
  }

  /** How many rows a replay brought because their events had been missed. */
  get repaired() {
    return this.#follower.repaired;
  }

  /** How many events were missed for good. */
  get lost() {
    return this.#follower.lost;
  }

  /** Ends it, and the loop. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#items = [];
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#aborted);
    this.#feed.close();
    this.#line.close(new AskError("the observer was closed"));
    this.#room?.resolve();
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        const event = this.#take();
        if (event) yield event;
        else if (this.#closed) break;
        else await new Promise((resolve) => this.#waking.push(resolve));
      }
    } finally {
      this.close();
    }
    if (this.#failure) throw this.#failure.reason;
  }

  #aborted = () => {
    this.#failure = { reason: this.#signal.reason };
    this.close();
  };

  // A listener that throws must not end the connection that is just being read.
  #tell(name, value) {
    process.nextTick(() => this.#closed || this.emit(name, value));
  }

  // ── what waits for the loop ──

  #wake() {
    for (const wake of this.#waking.splice(0)) wake();
  }

  // What only moves the position is joined, so that what is passed over takes no room.
  #put(item) {
    const last = this.#items.at(-1);
    if (!item.event && !item.reset && last && !last.reset) Object.assign(last.upto, item.upto);
    else this.#items.push(item);
    if (this.#items.length === 1) this.#move();
    this.#wake();
  }

  // Moves the position over what is first and no event.
  #move() {
    while (this.#items.length > 0 && !this.#items[0].event) {
      const { upto, reset } = this.#items.shift();
      if (reset) this.#given = reset;
      else Object.assign(this.#given, upto);
    }
  }

  #take() {
    const item = this.#items.shift();
    if (item === undefined) return null;
    Object.assign(this.#given, item.upto);
    this.#move();
    if (this.#items.length <= LOW) {
      this.#room?.resolve();
      this.#room = null;
      this.#ask();
    }
    return item.event;
  }

  // ── the gateway ──

  #hear(frames) {
    for (const live of readLives(frames)) {
      if (live?.event) this.#follower.event(live.event, live.seq);
      else if (live?.mark) this.#follower.mark(live.mark);
      else if (live?.welcome) this.#follower.welcome(live.welcome);
    }
    this.#ask();
    if (this.#items.length < FULL || this.#closed) return undefined;
    if (!this.#room) {
      this.#room = {};
      this.#room.promise = new Promise((resolve) => { this.#room.resolve = resolve; });
    }
    return this.#room.promise;
  }

  // Asks for the page that the follower wants, when there is room for it.
  #ask() {
    const { page } = this.#follower;
    if (this.#closed || page === null || this.#asked !== null || this.#items.length > LOW) return;
    this.#asked = page;
    this.#line.ask({
      service: "tailgate.replay",
      frames: [JSON.stringify(Follower.request(page, this.#want))],
      part: (frames) => this.#part(page, frames),
      done: (error, frames) => this.#done(page, error, frames),
    });
  }

  #part(page, frames) {
    for (const frame of frames) {
      const event = readReplayed(frame);
      if (event) this.#follower.replayed(page, event);
    }
  }

  #done(page, error, frames) {
    if (this.#closed) return;
    const end = error ? { error: error.message } : readCovered(frames[0]);
    if (end.error === undefined && this.#follower.covered(page, end)) {
      this.#backoff = BACKOFF.first;
      this.#asked = null;
      this.#ask();
      return;
    }
    this.#tell("refused", `no replay: ${end.error ?? "its end is not one"}`);
    this.#timer = setTimeout(() => {
      this.#asked = null;
      this.#ask();
    }, this.#backoff);
    this.#backoff = Math.min(2 * this.#backoff, BACKOFF.most);
  }
}

/** An Observer of WHERE, {db} or {endpoint, gate}, with OPTIONS. */
export function observe(where, options) {
  return new Observer({ ...where, ...options });
}
