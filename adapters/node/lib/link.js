// A worker's way to the gateway: the worker side of MDP/0.2, in the thread that owns the socket. It beats
// and comes back by itself, however busy the thread is that works.
//
//   1. READY is said as soon as a connection is up, before anything else, and names what is worked on and
//      what waits to be sent, so that a gateway that does not know of it gives it to nobody else.
//   2. An answer is handed to ZeroMQ only while registered; else it is kept. See outbox.js.
//   3. READY states the interval of our beats. The gateway beats at least as often, so three of them
//      without a word from it mean that it is gone. They are counted and not measured: what a process that
//      was stopped has not read yet is no silence, and its timers go off once when it runs again.
import { Connection } from "./connection.js";
import * as mdp from "./mdp.js";
import { Outbox } from "./outbox.js";

const LINGER = 1000; // milliseconds, as all times here
const BACKOFF = { first: 100, most: 5000 };
const AGAIN = 200; // after a connection that was lost: most likely the gateway is being restarted
const PARTIALS = 10000; // messages that wait before partial answers are dropped

export class Link {
  #setup;
  #tell;
  #connection = null;
  #registered = false;
  #working = new Set(); // tokens of the queries that the other thread has
  #outbox;
  #backoff = BACKOFF.first;
  #refusal = ""; // why we were turned away, as it was told last
  #unheard = 0; // our beats since the gateway last spoke
  #answered = false; // it has spoken since READY
  #timers = {}; // by name
  #leaving = null; // {until, gone}
  #left = false; // DISCONNECT was said, for good

  /** SETUP: {place, service, name, slots, interval}. TELL(news) gets {kind: "ready", endpoint},
   *  {kind: "query", token, text}, {kind: "lost", reason, dismissed} and {kind: "refused", reason}. */
  constructor(setup, tell) {
    this.#setup = setup;
    this.#tell = tell;
    this.#outbox = new Outbox(4 * setup.slots);
    this.#connect();
  }

  /** Sends a final answer or keeps it. AGAIN: whether it may be sent twice. */
  final(token, body, again) {
    this.#working.delete(token);
    const letter = this.#outbox.put(token, body, again);
    if (this.#registered) this.#post(letter);
  }

  /** Sends a part of an answer; it is dropped while the gateway is away. */
  partial(token, text) {
    if (this.#registered && this.#connection.waiting < PARTIALS)
      this.#say(mdp.PARTIAL, token, "", text);
  }

  /** The query of TOKEN is not worked on any more, and gets no answer. */
  forget(token) {
    this.#working.delete(token);
  }

  /** Waits up to GRACE for answers that are kept, gives back what is still worked on, says DISCONNECT and
   *  calls GONE. Called again, the new grace counts. */
  leave(grace, gone) {
    if (this.#left) return;
    this.#leaving = { until: performance.now() + grace, gone };
    this.#timer("leave", grace, () => this.#leaveWhenSent());
    this.#leaveWhenSent();
  }

  /** Ends it at once, without a word. */
  close() {
    for (const name of Object.keys(this.#timers)) this.#timer(name);
    this.#drop();
  }

  // ── time ──

  #timer(name, delay, action) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = action && setTimeout(action, delay);
  }

  #beat() {
    if (this.#unheard++ >= mdp.BEATS_MISSED) {
      this.#lose("the gateway gives no sign of life", false);
      return;
    }
    this.#outbox.forget(performance.now());
    if (this.#connection.waiting === 0) this.#say(mdp.HEARTBEAT);
    this.#timer("beat", this.#setup.interval, () => this.#beat());
  }

  // ── the connection ──

  #connect() {
    try {
      const connection = new Connection(this.#setup.place, LINGER, {
        up: () => this.#ready(),
        message: (frames) => this.#hear(frames),
        down: (reason, kind) => this.#down(reason, kind),
      });
      this.#connection = connection;
    } catch (error) {
      if (error.code !== "ENOENT") // else the database's folder is not there yet
        this.#tell({ kind: "refused", reason: `cannot connect: ${error.message}` });
      this.#backOff();
    }
  }

  #drop(linger) {
    this.#timer("beat");
    this.#registered = false;
    this.#connection?.close(linger);
    this.#connection = null;
    this.#outbox.recall(performance.now());
  }

  // A fresh socket after a pause between half of PAUSE and all of it, so that many workers do not come back in step.
  #after(pause) {
    if (this.#left) return;
    this.#timer("connect", pause * (0.5 + Math.random() / 2), () => this.#connect());
  }

  #backOff() {
    this.#after(this.#backoff);
    this.#backoff = Math.min(2 * this.#backoff, BACKOFF.most);
  }

  #down(reason, kind) {
    const registered = this.#registered;
    this.#drop(0);
    if (kind === "lost" || kind === "moved") this.#after(AGAIN);
    else this.#backOff();
    // Said once until it changes.
    const again = reason === this.#refusal;
    this.#refusal = kind === "refused" ? reason : "";
    if (kind === "refused" && !again) this.#tell({ kind: "refused", reason });
    else if (registered) this.#tell({ kind: "lost", reason, dismissed: false });
    if (this.#leaving) this.#leaveWhenSent();
  }

  #lose(reason, dismissed) {
    this.#say(mdp.DISCONNECT); // so that it does not hold us for a second worker
    this.#drop();
    this.#backOff();
    this.#tell({ kind: "lost", reason, dismissed });
  }

  // ── what is said ──

  #say(command, ...frames) {
    this.#connection?.send([mdp.WORKER, mdp.command(command), ...frames]);
  }

  #ready() {
    const { service, name, slots, interval } = this.#setup;
    const kept = this.#outbox.waiting;
    // The newest first: what was never handed over comes before what the gateway may have already.
    const newest = kept.map(({ token }) => token).reverse();
    const holding = [...this.#working, ...newest].filter(mdp.isToken);
    const options = { name, slots, heartbeats: true, interval, format: "query" };
    if (holding.length > 0) options.holding = holding.slice(0, mdp.SLOTS);
    this.#say(mdp.READY, service, JSON.stringify(options));
    this.#registered = true;
    this.#answered = false;
    this.#unheard = 0;
    for (const letter of kept) this.#post(letter);
    this.#timer("beat", interval, () => this.#beat());
    this.#tell({ kind: "ready", endpoint: this.#connection.endpoint });
  }

  #post(letter) {
    this.#connection.send([mdp.WORKER, mdp.command(mdp.FINAL), letter.token, "", letter.body], () => {
      this.#outbox.handed(letter, performance.now());
      if (this.#leaving) this.#leaveWhenSent();
    });
  }

  // ── what is heard ──

  #hear([header, command, ...rest]) {
    if (!this.#registered || String(header) !== mdp.WORKER || command?.length !== 1) return;
    if (command[0] === mdp.DISCONNECT) {
      this.#dismissed();
      return;
    }
    this.#unheard = 0;
    this.#backoff = BACKOFF.first;
    this.#answered = true;
    if (command[0] === mdp.REQUEST) this.#query(rest);
  }

  #dismissed() {
    const reason = this.#answered
      ? "the gateway said DISCONNECT"
      : "the gateway answered READY with DISCONNECT: it is stopping, or does not take this service or name";
    const refused = !this.#answered;
    this.#lose(reason, true);
    if (refused) this.#tell({ kind: "refused", reason });
  }

  #query([address, empty, ...body]) {
    if (body.length === 0 || empty.length > 0 || address.length > mdp.ADDRESS_SIZE) return;
    const token = address.toString("latin1");
    this.#working.add(token);
    this.#tell({ kind: "query", token, text: Buffer.concat(body).toString() });
  }

  // ── the end ──

  #leaveWhenSent() {
    const late = performance.now() >= this.#leaving.until;
    if (this.#left || (!late && this.#outbox.waiting.length > 0)) return;
    this.#left = true;
    if (!this.#registered) {
      this.#gone();
      return;
    }
    for (const token of this.#working)
      this.#say(mdp.FINAL, token, "", JSON.stringify({ type: "return", error: "the worker is stopping" }));
    this.#connection.send([mdp.WORKER, mdp.command(mdp.DISCONNECT)], () => this.#gone());
    this.#registered = false;
    this.#timer("leave", LINGER, () => this.#gone()); // ZeroMQ takes no more: so be it
  }

  #gone() {
    this.close();
    this.#leaving.gone();
  }
}
