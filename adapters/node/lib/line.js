// A client's requests on one connection, in order. MDP has no correlation id: the replies of a connection come in
// the order of its requests, and partial answers are about the oldest. So a request that is given up cannot be
// taken out alone: its socket is closed, and what else was open is sent again on a fresh one. The gateway joins
// identical requests of one client, so that nothing is worked on twice.
import { Connection } from "./connection.js";
import { AskError } from "./errors.js";
import * as mdp from "./mdp.js";

const LINGER = 0; // whoever goes does not wait for an answer
const AGAIN = 200; // milliseconds before a fresh socket, as below
const BACKOFF = { first: 100, most: 5000 };
const IDLE = 250; // a pending receive keeps the process alive, so a connection that is not used is closed

export class Line {
  #place;
  #connection = null;
  #open = []; // {service, frames, part, done}, oldest first
  #timer;
  #backoff = BACKOFF.first;
  /** Why the gateway does not let us in; "" while it does. */
  refusal = "";

  constructor(place) {
    this.#place = place;
  }

  /** How many requests are open. */
  get size() {
    return this.#open.length;
  }

  /** Sends REQUEST {service, frames, part, done}: part(frames) gets each partial answer, done(error, frames) the
   *  end. */
  ask(request) {
    clearTimeout(this.#timer);
    this.#open.push(request);
    if (this.#connection === null) this.#connect();
    else this.#send(request);
  }

  /** Gives REQUEST up; its `done` is not called. */
  drop(request) {
    const at = this.#open.indexOf(request);
    if (at < 0) return;
    this.#open.splice(at, 1);
    this.#fresh(0);
  }

  /** Closes the connection; each open request is done with ERROR. */
  close(error) {
    const open = this.#open;
    this.#open = [];
    this.#disconnect();
    for (const request of open) request.done(error);
  }

  #disconnect() {
    clearTimeout(this.#timer);
    this.#connection?.close();
    this.#connection = null;
  }

  #fresh(pause) {
    this.#disconnect();
    if (this.#open.length > 0)
      this.#timer = setTimeout(() => this.#connect(), pause * (0.5 + Math.random() / 2));
  }

  #backOff() {
    const pause = this.#backoff;
    this.#backoff = Math.min(2 * pause, BACKOFF.most);
    this.#fresh(pause);
  }

  #connect() {
    clearTimeout(this.#timer);
    try {
      this.#connection = new Connection(this.#place, LINGER, {
        up: () => {
          this.refusal = "";
        },
        message: (frames) => this.#hear(frames),
        down: (reason, kind) => this.#down(reason, kind),
      });
    } catch (error) {
      if (error.code === "ENOENT") this.#backOff(); // the database's folder is not there yet
      else this.close(new AskError(`cannot connect: ${error.message}`));
      return;
    }
    for (const request of this.#open) this.#send(request);
  }

  #send({ service, frames }) {
    this.#connection.send([mdp.CLIENT, mdp.command(mdp.CLIENT_REQUEST), service, ...frames]);
  }

  #down(reason, kind) {
    this.refusal = kind === "refused" ? reason : "";
    if (kind === "lost" || kind === "moved") this.#fresh(AGAIN);
    else this.#backOff();
  }

  #hear([header, command, service, ...body]) {
    const request = this.#open[0];
    const known = String(header) === mdp.CLIENT && command?.length === 1 && body.length > 0;
    if (!known || request === undefined || String(service) !== request.service) {
      this.#backOff(); // not the reply to what was asked: out of step, or no gateway
      return;
    }
    this.#backoff = BACKOFF.first;
    if (command[0] === mdp.CLIENT_PARTIAL) request.part?.(body);
    if (command[0] !== mdp.CLIENT_FINAL) return;
    this.#open.shift();
    if (this.#open.length === 0) this.#timer = setTimeout(() => this.#disconnect(), IDLE);
    request.done(null, body);
  }
}
