// A worker: a handler in this thread, and its link to the gateway in another (link.js), which beats while
// the handler works, even when it blocks the event loop.
import { EventEmitter } from "node:events";

import { errorBody, finalBody, produce } from "./answer.js";
import { Fatal, GiveBack } from "./errors.js";
import * as mdp from "./mdp.js";
import { place } from "./place.js";
import { Attempt } from "./query.js";
import { startLink } from "./thread.js";

const GRACE = 10000; // milliseconds for the queries in flight when the worker is stopped

let made = 0;

function whole(value, usual, least, most, what) {
  const number = value ?? usual;
  if (!Number.isInteger(number) || number < least || number > most)
    throw new RangeError(`${what} is a whole number from ${least} to ${most}`);
  return number;
}

function readSetup(where, service) {
  const options = typeof where === "string" ? {} : (where ?? {});
  // A gateway that restarts tells the workers of a process apart by their names.
  const name = options.name ?? `node-${process.pid}${made > 0 ? `-${made + 1}` : ""}`;
  if (typeof name !== "string" || name === "" || Buffer.byteLength(name) > mdp.NAME_SIZE)
    throw new TypeError(`a worker's name is 1 to ${mdp.NAME_SIZE} bytes`);
  made++;
  return {
    place: place(where),
    service: mdp.service(service),
    name,
    slots: whole(options.slots, 1, 1, mdp.SLOTS, "slots"),
    interval: whole(options.interval, mdp.INTERVAL.usual, mdp.INTERVAL.least, mdp.INTERVAL.most,
                    "interval, in milliseconds,"),
  };
}

class Worker extends EventEmitter {
  #handler;
  #slots;
  #say;
  #running = new Set();
  #waiting = []; // what came beyond the slots, or while it is being stopped
  #stopping = null; // {until, left, timer}; left: the link was told to leave
  #ended;

  constructor(setup, handler) {
    super();
    this.name = setup.name;
    this.service = setup.service;
    this.#handler = handler;
    this.#slots = setup.slots;
    this.#ended = new Promise((resolve) => {
      this.#say = startLink(setup, (news) => this.#hear(news), (error) => {
        this.#over(error);
        resolve();
      });
    });
  }

  /** How many queries are being worked on. */
  get running() {
    return this.#running.size;
  }

  /** Takes no more queries, waits up to `grace` milliseconds for those in flight, gives back what is left
   *  and leaves. Called again, it leaves at once. */
  stop({ grace = GRACE } = {}) {
    const patience = this.#stopping ? 0 : grace;
    clearTimeout(this.#stopping?.timer);
    this.#stopping = {
      until: performance.now() + patience,
      left: this.#stopping?.left ?? false,
      timer: setTimeout(() => this.#leave(), patience),
    };
    if (this.#running.size === 0 || patience === 0) this.#leave();
    return this.#ended;
  }

  // What is sent already gets the rest of the grace to go out.
  #leave() {
    clearTimeout(this.#stopping.timer);
    this.#stopping.left = true;
    this.#say({ say: "leave", grace: Math.max(0, this.#stopping.until - performance.now()) });
    for (const attempt of [...this.#running, ...this.#waiting]) attempt.abort("the worker is stopping");
  }

  #over(error) {
    clearTimeout(this.#stopping?.timer);
    this.#stopping ??= { left: true };
    for (const attempt of [...this.#running, ...this.#waiting]) attempt.abort("the worker has ended");
    if (error) this.emit("error", error);
  }

  #hear(news) {
    if (news.kind === "query") this.#take(news.token, news.text);
    else if (news.kind === "ready") this.emit("connected", news.endpoint);
    else if (news.kind === "refused") this.emit("refused", news.reason);
    else if (news.kind === "failed") this.#over(news.error);
    else {
      if (news.dismissed) for (const attempt of [...this.#running, ...this.#waiting]) attempt.dismissed();
      this.emit("lost", news.reason);
    }
  }

  #take(token, text) {
    const attempt = new Attempt(token, text,
      (part) => this.#say({ say: "partial", token, text: part }),
      () => this.#givenUp(attempt));
    this.#waiting.push(attempt);
    this.#startWaiting();
  }

  // While it is being stopped nothing is started; to give it back at once would make room for the next one,
  // and so turn over everything that waits at the gateway for nothing.
  #startWaiting() {
    while (!this.#stopping && this.#running.size < this.#slots && this.#waiting.length > 0) {
      const attempt = this.#waiting.shift();
      this.#running.add(attempt);
      this.#run(attempt);
    }
    if (this.#stopping && !this.#stopping.left && this.#running.size === 0) this.#leave();
  }

  // Its slot is free: the gateway counts it so, too.
  #givenUp(attempt) {
    if (!this.#stopping?.left) this.#say({ say: "forget", token: attempt.token });
    this.#running.delete(attempt);
    this.#waiting = this.#waiting.filter((other) => other !== attempt);
    this.#startWaiting();
  }

  async #run(attempt) {
    const { query, token } = attempt;
    let text;
    let again = true;
    try {
      text = finalBody(await produce(this.#handler, query, attempt.parts));
    } catch (error) {
      if (!attempt.aborted) this.#failed(error, query);
      text = attempt.aborted ? undefined : errorBody(error);
      again = false;
    }
    attempt.end();
    // An answer counts even when the attempt is over; an error does not.
    if (text !== undefined && !this.#stopping?.left) this.#say({ say: "final", token, text, again });
    if (this.#running.delete(attempt)) this.#startWaiting();
  }

  #failed(error, query) {
    if (error instanceof GiveBack || this.emit("failed", error, query) || error instanceof Fatal) return;
    console.error(`tailgate: ${this.name}: message ${query.messageId}:`, error);
  }
}

/** A worker for SERVICE ("*": for all) at WHERE: an endpoint, or {endpoint or db, name, slots, interval}.
 *  HANDLER(query) returns the answer, or is an async generator of its parts. */
export function worker(where, service, handler) {
  if (typeof handler !== "function") throw new TypeError("the handler is a function");
  return new Worker(readSetup(where, service), handler);
}
