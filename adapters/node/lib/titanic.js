// Requests that outlive their asker (Titanic, ZeroMQ RFC 9): a ticket now, the answer whenever it is fetched.
import { readAnswer, requestFrames } from "./body.js";
import { AskError } from "./errors.js";
import * as mdp from "./mdp.js";

const DONE = "200";
const PENDING = "300";
const REASONS = { 400: "there is no such ticket", 500: "the request failed", 501: "not a service of the gateway" };

function check([status, ...rest]) {
  const code = String(status);
  if (code === DONE) return rest;
  throw new AskError(Buffer.concat(rest).toString() || REASONS[code] || `status ${code.slice(0, 20)}`);
}

export class Titanic {
  #ask;

  /** ASK(service, frames, options) returns a promise of the reply's frames. */
  constructor(ask) {
    this.#ask = ask;
  }

  /** Leaves a request for SERVICE at the gateway; returns its ticket once it is on disk. */
  async submit(service, body, options) {
    const frames = [mdp.service(service), ...requestFrames(body)];
    const [ticket] = check(await this.#ask("titanic.request", frames, options));
    return String(ticket);
  }

  /** The answer to TICKET, or null while there is none. */
  async fetch(ticket, options) {
    const reply = await this.#ask("titanic.reply", [String(ticket)], options);
    if (String(reply[0]) === PENDING) return null;
    return readAnswer(check(reply));
  }

  /** The ticket is not needed any more: the gateway forgets it. */
  async close(ticket, options) {
    check(await this.#ask("titanic.close", [String(ticket)], options));
  }
}
