// Messages on their way into one socket, in order. A zeromq.js socket takes one at a time, and none while
// its queue is full; what is sent meanwhile waits here.

export class Sender {
  #socket;
  #queue = []; // {frames, handed}
  #running = false;

  constructor(socket) {
    this.#socket = socket;
  }

  /** How many messages wait. */
  get waiting() {
    return this.#queue.length;
  }

  /** Sends FRAMES (strings or Buffers that nobody changes) after what waits; calls HANDED once ZeroMQ has
   *  them. What still waits when the socket is closed is dropped, and HANDED not called. */
  send(frames, handed) {
    this.#queue.push({ frames, handed });
    if (!this.#running) this.#run();
  }

  async #run() {
    this.#running = true;
    try {
      while (this.#queue.length > 0) {
        await this.#socket.send(this.#queue[0].frames);
        this.#queue.shift().handed?.();
      }
    } catch {
      this.#queue = []; // closed; whoever closed it knows
    }
    this.#running = false;
  }
}
