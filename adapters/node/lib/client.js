// A client: asks services through the gate (MDP/0.2, ZeroMQ RFC 18).
import { readAnswer, requestFrames } from "./body.js";
import { AskError, TimeoutError } from "./errors.js";
import { Line } from "./line.js";
import * as mdp from "./mdp.js";
import { place } from "./place.js";
import { AnswerStream } from "./stream.js";
import { Titanic } from "./titanic.js";

const LONGEST = 2 ** 31 - 1; // milliseconds that a timer can be set to

export class Client {
  #place;
  #shared; // the lines of ask(): the replies of each come in the order of its requests
  #own = new Set(); // one line for each stream: only the oldest request of a line gets partial answers
  #closed = false;

  /** WHERE: an endpoint, or {endpoint or db, connections, cert, serverCert}. */
  constructor(where) {
    const connections = where?.connections ?? 4;
    if (!Number.isInteger(connections) || connections < 1)
      throw new RangeError("connections is a whole number from 1 on");
    this.#place = place(where);
    this.#shared = Array.from({ length: connections }, () => new Line(this.#place));
    this.titanic = new Titanic((service, frames, options) => this.#request(service, frames, options));
  }

  /** Asks SERVICE; returns a promise of the Answer. */
  async ask(service, body, options = {}) {
    return readAnswer(await this.#request(mdp.service(service), requestFrames(body), options));
  }

  /** Asks SERVICE and returns an AnswerStream of the parts of the answer. */
  stream(service, body, { timeout, signal } = {}) {
    mdp.service(service);
    const frames = requestFrames(body);
    const line = new Line(this.#place);
    const start = async (part) => {
      try {
        this.#own.add(line);
        const options = { timeout, signal, line, part: (parts) => part(Buffer.concat(parts).toString()) };
        return readAnswer(await this.#request(service, frames, options));
      } finally {
        this.#own.delete(line);
        line.close();
      }
    };
    return new AnswerStream(start, () => line.close(new AskError("the stream was left")));
  }

  /** Whether a worker for SERVICE is there now (MMI, ZeroMQ RFC 8). */
  async serves(service, options = {}) {
    const [status] = await this.#request("mmi.service", [mdp.service(service)], options);
    if (String(status) === "200" || String(status) === "404") return String(status) === "200";
    throw new AskError(`status ${String(status).slice(0, 200)}`);
  }

  /** Closes every connection; what is still open is rejected. */
  close() {
    this.#closed = true;
    for (const line of [...this.#shared, ...this.#own]) line.close(new AskError("the client was closed"));
  }

  #line() {
    return this.#shared.reduce((best, line) => (line.size < best.size ? line : best));
  }

  // A promise of the reply's frames.
  #request(service, frames, { timeout, signal, line = this.#line(), part } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new AskError("the client is closed");
      signal?.throwIfAborted();
      let timer;
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
      };
      const done = (error, reply) => {
        settle();
        if (error) reject(error);
        else resolve(reply);
      };
      const request = { service, frames, part, done };
      const giveUp = (error) => {
        line.drop(request);
        done(error);
      };
      const aborted = () => giveUp(signal.reason);
      if (timeout !== undefined)
        timer = setTimeout(() => {
          const why = line.refusal && `: ${line.refusal}`;
          giveUp(new TimeoutError(`no answer within ${timeout} ms${why}`));
        }, Math.min(timeout, LONGEST));
      signal?.addEventListener("abort", aborted, { once: true });
      line.ask(request);
    });
  }
}
