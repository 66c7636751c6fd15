// The parts of an answer as they come.

/** An async iterable of the parts (text), and `answer`, a promise of the whole. Leaving the loop early gives
 *  the request up. */
export class AnswerStream {
  #parts = [];
  #over = false;
  #failure = null;
  #wake = () => {};
  #cancel;

  /** START(part) asks, calls part(text) for each part, and returns a promise of the answer; CANCEL(error) gives
   *  the request up. */
  constructor(start, cancel) {
    this.#cancel = cancel;
    this.answer = start((text) => {
      this.#parts.push(text);
      this.#wake();
    });
    this.answer.then(() => this.#end(null), (error) => this.#end(error));
  }

  #end(failure) {
    this.#over = true;
    this.#failure = failure;
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        if (this.#parts.length > 0) {
          yield this.#parts.shift();
        } else if (this.#over) {
          if (this.#failure) throw this.#failure;
          return;
        } else {
          await new Promise((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      if (!this.#over) this.#cancel();
    }
  }
}
