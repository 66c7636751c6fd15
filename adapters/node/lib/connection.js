// One connection to the gateway: one DEALER socket to its gate, or one SUB socket to its events, from its opening
// to its end. A lost connection is not taken up again by ZeroMQ's own reconnecting: what was in the socket goes
// with it, and a fresh one cannot get what was meant for the old.
import { Dealer, Subscriber } from "zeromq";

import { receiveOptions, socketOptions } from "./mdp.js";
import { locate } from "./place.js";
import { Sender } from "./sender.js";

const TURNED_AWAY = 3; // times that we are let in and closed before the handshake
const REAPING = 20; // milliseconds that ZeroMQ needs, amply, to take leave of closed sockets

const connections = new Set(); // this thread's connections
const closing = new Set(); // promises of the ends of those that were closed

// The binding closes what is still open at exit, an observer before its socket. ZeroMQ's I/O thread would wait
// for ever if it had something to tell in between, and the process would not end.
function closeAll() {
  for (const connection of connections) connection.close(0);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REAPING);
}

/** Resolves when ZeroMQ has done with every connection that this thread closed. */
export async function allClosed() {
  while (closing.size > 0) await Promise.all(closing);
}

export class Connection {
  #socket;
  #events;
  #sender;
  #place;
  #door;
  #hear;
  #watching;
  #turnedAway = 0;
  #closed = false; // that was the last that happened

  /** Opens a socket to PLACE ({endpoint} or {db}); throws when that cannot be done. TOPICS, an array: to the events,
   *  with these subscriptions; else to the gate. HEAR is told of
   *  up(), message(frames), down(reason, kind): kind is "lost" (it was up), "refused" (what listens is no
   *  gateway, or lets us not in), "moved" (nobody listens, and by now the gateway is to be found
   *  elsewhere) or "broken". After down() and after close() nothing more is told, and the owner closes.
   *  A promise that message() returns is waited for before the next message is taken. */
  constructor(place, linger, hear, topics) {
    this.#place = place;
    this.#door = topics ? "events" : "gate";
    this.#hear = hear;
    this.endpoint = locate(place, this.#door);
    this.up = false;
    if (topics) {
      this.#socket = new Subscriber(receiveOptions(this.endpoint, linger, place.keys));
      this.#socket.subscribe(...topics);
    } else {
      this.#socket = new Dealer(socketOptions(this.endpoint, linger, place.keys));
    }
    this.#events = this.#socket.events;
    this.#sender = new Sender(this.#socket);
    if (connections.size === 0) process.on("exit", closeAll);
    connections.add(this);
    this.#watching = this.#watch();
    this.#listen();
    try {
      this.#socket.connect(this.endpoint);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get open() {
    return this.#hear !== null;
  }

  get waiting() {
    return this.#sender.waiting;
  }

  send(frames, handed) {
    if (this.open) this.#sender.send(frames, () => this.open && handed?.());
  }

  /** Closes the socket; with LINGER 0 what ZeroMQ has not sent yet is dropped. */
  close(linger) {
    this.#hear = null;
    this.up = false;
    if (!connections.delete(this)) return;
    if (connections.size === 0) process.off("exit", closeAll);
    if (linger !== undefined) this.#socket.linger = linger;
    // Its observer ends after it, by itself: see closeAll().
    this.#socket.close();
    const ended = this.#watching.then(() => closing.delete(ended));
    closing.add(ended);
  }

  #down(reason, kind) {
    const hear = this.#hear;
    this.#hear = null;
    hear?.down(reason, kind);
  }

  async #listen() {
    try {
      for await (const frames of this.#socket) {
        if (!this.open) return;
        const room = this.#hear.message(frames);
        if (room) await room;
      }
    } catch (error) {
      this.#down(error.message, "broken");
    }
  }

  async #watch() {
    try {
      for await (const event of this.#events) {
        if (this.open) this.#happened(event);
      }
    } catch (error) {
      this.#down(error.message, "broken");
    }
  }

  #happened({ type, error }) {
    if (type === "handshake") {
      this.up = true;
      this.#hear.up();
    } else if (type === "handshake:error:protocol" || type === "handshake:error:auth") {
      this.#down(`${this.endpoint}: ${this.#refusal(type, error)}`, "refused");
    } else if (type === "disconnect" && this.up) {
      this.#down("the connection to the gateway was lost", "lost");
    } else if (type === "disconnect") {
      this.#closed = true;
      if (++this.#turnedAway === TURNED_AWAY) this.#down(`${this.endpoint}: ${this.#refusal(type)}`, "refused");
    } else if (type === "connect:retry") {
      if (!this.#closed) this.#turnedAway = 0;
      this.#closed = false;
      if (this.#moved()) this.#down("the gateway is elsewhere now", "moved");
    }
  }

  #refusal(type, error) {
    const keyed = this.#place.keys !== undefined;
    if (type === "handshake:error:auth")
      return "the gateway does not let our key in: its public certificate belongs into the gateway's allow-list";
    if (/MECHANISM/i.test(`${error?.code} ${error?.message}`))
      return keyed
        ? "what listens there does not speak CURVE, and we do: check the endpoint, or leave out cert and serverCert"
        : "the gateway wants a key (CURVE), and lets us not in without one: give cert and serverCert";
    if (type === "disconnect" && keyed)
      return "what listens there closes before we are known: the gateway has another certificate than serverCert, " +
        "or it is no gateway";
    return `what listens there is no gateway, or lets us not in${error ? `: ${error.message}` : ""}`;
  }

  #moved() {
    try {
      return locate(this.#place, this.#door) !== this.endpoint;
    } catch {
      return false;
    }
  }
}
