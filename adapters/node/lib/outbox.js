// A worker's answers on their way to the gateway, oldest first. Nothing tells a worker that its answer was
// committed, so one that was handed over stays in doubt for ten seconds, and is sent again when the
// connection ends meanwhile: the gateway refuses what it has already. An error or a return is not sent
// again: the end of the connection has the same effect, and twice it would count twice.

const DOUBT = 10000; // milliseconds
const SIZE = 256 * 1024 * 1024; // characters of all answers, unless a single one is larger

export class Outbox {
  #letters = []; // {token, body, again, handed}; handed: when, or null while it waits
  #room;
  #size = 0;

  /** A box for ROOM answers. */
  constructor(room) {
    this.#room = room;
  }

  /** Puts an answer in, to wait. Returns it, and throws the oldest away when there is no room. */
  put(token, body, again) {
    const letter = { token, body, again, handed: null };
    this.#letters.push(letter);
    this.#size += body.length;
    while (this.#letters.length > 1 && (this.#letters.length > this.#room || this.#size > SIZE))
      this.#keep(this.#letters.slice(1));
    return letter;
  }

  handed(letter, now) {
    letter.handed = now;
  }

  /** Forgets what is not in doubt any more. */
  forget(now) {
    this.#keep(this.#letters.filter(({ handed }) => handed === null || handed > now - DOUBT));
  }

  /** The connection is lost: what is in doubt waits again. */
  recall(now) {
    this.forget(now);
    this.#keep(this.#letters.filter(({ handed, again }) => handed === null || again));
    for (const letter of this.#letters) letter.handed = null;
  }

  /** Those that wait, oldest first. */
  get waiting() {
    return this.#letters.filter(({ handed }) => handed === null);
  }

  #keep(letters) {
    this.#letters = letters;
    this.#size = letters.reduce((sum, { body }) => sum + body.length, 0);
  }
}
