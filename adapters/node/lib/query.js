// A query as a handler gets it, and the attempt at it.
import { checkSize, textOf } from "./answer.js";

const LONGEST = 2 ** 31 - 1; // milliseconds that a timer can be set to
const UNKNOWN = 30 * 60 * 1000; // how long an attempt lasts at least when the query does not say
const SLACK = 1000;

function parse(text) {
  try {
    const object = JSON.parse(text);
    if (typeof object === "object" && object !== null && !Array.isArray(object)) return object;
  } catch {
    // what else listens there may send what it likes
  }
  return { type: "query", question: text };
}

// The deadline as an instant, or null: one that is past already says that two hosts' clocks differ.
function readDeadline(text) {
  const deadline = typeof text === "string" ? new Date(`${text}Z`) : null;
  return deadline && deadline.getTime() > Date.now() ? deadline : null;
}

// Who asks, where the gateway has verified that; or null.
function readSender(sender) {
  const { principal, name } = sender ?? {};
  if (typeof principal !== "string" || !principal) return null;
  return { principal, name: typeof name === "string" ? name : null, content: "unverified" };
}

/** What a handler is given. */
class Query {
  constructor(token, text, signal, partial) {
    const raw = parse(text);
    const delivery = raw.delivery ?? {};
    this.question = raw.question;
    this.queryId = raw.query_id;
    this.service = delivery.service;
    this.messageId = delivery.message_id;
    this.conversationId = delivery.conversation_id;
    this.sender = readSender(delivery.sender);
    this.attempt = delivery.attempt;
    this.deadline = readDeadline(delivery.deadline);
    this.token = token;
    this.raw = raw;
    this.signal = signal;
    this.partial = partial;
  }
}

/** One attempt at a query. When it is over the query's signal is aborted and GIVEN_UP is called. */
export class Attempt {
  #controller = new AbortController();
  #timer;
  #over; // when a DISCONNECT means the end, in milliseconds of the epoch

  constructor(token, text, sendPartial, givenUp) {
    this.token = token;
    this.parts = [];
    this.givenUp = givenUp;
    this.query = new Query(token, text, this.#controller.signal, (part) => {
      const piece = checkSize(textOf(part));
      if (this.aborted) return;
      this.parts.push(piece);
      clearTimeout(this.#timer); // the gateway may have put the deadline off, and is the judge now
      sendPartial(piece);
    });
    const left = this.query.deadline ? this.query.deadline.getTime() - Date.now() : UNKNOWN;
    this.#over = Date.now() + left;
    if (this.query.deadline)
      this.#timer = setTimeout(() => this.abort("the query ran out of time"), Math.min(left, LONGEST));
  }

  get aborted() {
    return this.#controller.signal.aborted;
  }

  /** The gateway said DISCONNECT. Before the deadline it is stopping, or was started anew: work goes on. */
  dismissed() {
    if (Date.now() + SLACK >= this.#over) this.abort("the gateway gave the query up");
  }

  abort(reason) {
    clearTimeout(this.#timer);
    if (this.aborted) return;
    this.#controller.abort(new Error(reason));
    this.givenUp();
  }

  /** It is done, in whichever way. */
  end() {
    clearTimeout(this.#timer);
  }
}
