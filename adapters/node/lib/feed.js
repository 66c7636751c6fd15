// An observer's way to the events of a gateway: a SUB socket, and a fresh one after each that was lost.
import { Connection } from "./connection.js";

const LINGER = 0; // nothing is sent
const BACKOFF = { first: 100, most: 5000 }; // milliseconds, as all times here
const AGAIN = 200; // after a connection that was lost: most likely the gateway is being restarted
const SILENCE = 150_000; // a gateway says something every minute

export class Feed {
  #place;
  #topics;
  #hear;
  #connection = null;
  #timer;
  #backoff = BACKOFF.first;
  #refusal = ""; // why we were turned away, as it was told last
  #silence;
  #waiting = false; // for room, and so not for the gateway

  /** PLACE {endpoint} or {db}. HEAR is told of up(endpoint), away(reason), refused(reason), message(frames); while a
   *  promise that message() returned is open nothing more is read. */
  constructor(place, topics, hear) {
    this.#place = place;
    this.#topics = topics;
    this.#hear = hear;
    this.#connect();
  }

  /** Closes it; nothing more is told. */
  close() {
    this.#hear = null;
    this.#drop();
  }

  #drop() {
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#connection?.close();
    this.#connection = null;
  }

  #after(pause) {
    this.#drop();
    this.#timer = setTimeout(() => this.#connect(), pause * (0.5 + Math.random() / 2));
  }

  #backOff() {
    this.#after(this.#backoff);
    this.#backoff = Math.min(2 * this.#backoff, BACKOFF.most);
  }

  #connect() {
    try {
      this.#connection = new Connection(this.#place, LINGER, {
        up: () => this.#up(),
        message: (frames) => this.#message(frames),
        down: (reason, kind) => this.#down(reason, kind),
      }, this.#topics);
    } catch (error) {
      this.#backOff();
      if (error.code !== "ENOENT") // else the database's folder is not there yet
        this.#hear.refused(`cannot connect: ${error.message}`);
    }
  }

  #up() {
    this.#listen();
    this.#hear.up(this.#connection.endpoint);
  }

  #listen() {
    clearTimeout(this.#silence);
    const silent = () => (this.#waiting ? this.#listen() : this.#down("the gateway gives no sign of life", "lost"));
    this.#silence = setTimeout(silent, SILENCE);
    this.#silence.unref();
  }

  #message(frames) {
    this.#backoff = BACKOFF.first;
    this.#silence?.refresh();
    const room = this.#hear.message(frames);
    if (!room) return undefined;
    this.#waiting = true;
    return room.then(() => {
      this.#waiting = false;
    });
  }

  #down(reason, kind) {
    const up = this.#connection.up;
    if (kind === "lost" || kind === "moved") this.#after(AGAIN);
    else this.#backOff();
    // Said once until it changes.
    const again = reason === this.#refusal;
    this.#refusal = kind === "refused" ? reason : "";
    if (kind === "refused" && again) return;
    if (kind === "refused") this.#hear.refused(reason);
    else if (up) this.#hear.away(reason);
  }
}
