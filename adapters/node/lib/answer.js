// What a handler came to, as the body that a worker sends (proto/WIRE.md, "The answer").
import { Fatal, GiveBack } from "./errors.js";
import { FRAME_SIZE } from "./mdp.js";

/** VALUE, a piece of an answer, as text. */
export function textOf(value) {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  return JSON.stringify(value) ?? String(value);
}

/** Throws a RangeError when TEXT does not fit into a frame. */
export function checkSize(text) {
  // A UTF-16 unit is at most three bytes of UTF-8.
  if (text.length > FRAME_SIZE / 3 && Buffer.byteLength(text) > FRAME_SIZE)
    throw new RangeError("it is larger than a frame may be, 16 MiB");
  return text;
}

function isAnswerObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && "answer" in value;
}

// Text that looks like JSON must not be taken for an object, so text goes into one.
function answerBody(value) {
  if (isAnswerObject(value)) return JSON.stringify(value);
  return JSON.stringify({ answer: value instanceof Uint8Array ? textOf(value) : value });
}

/** The body of the answer VALUE. Throws when there is nothing in it, or too much. */
export function finalBody(value) {
  if (value === undefined || value === null) throw new Error("the handler returned no answer");
  const body = answerBody(value);
  if (body === undefined || body === "{}")
    throw new TypeError(`the handler returned a ${typeof value}, which is no answer`);
  try {
    return checkSize(body);
  } catch {
    throw new Fatal("the answer is larger than a frame may be, 16 MiB");
  }
}

/** The body that says that ERROR, anything that was thrown, came of it. */
export function errorBody(error) {
  const text = String(error?.message || error).slice(0, 4000);
  if (error instanceof GiveBack) return JSON.stringify({ type: "return", error: text });
  return JSON.stringify({ type: "error", error: text, retry: !(error instanceof Fatal) });
}

/** Calls HANDLER with QUERY and returns what it comes to. What a generator yields are partial answers;
 *  together they are the answer if nothing else is returned. */
export async function produce(handler, query, parts) {
  const made = handler(query);
  const generator = made?.[Symbol.asyncIterator] || (made?.[Symbol.iterator] && made?.next);
  const value = generator ? await consume(made, query) : await made;
  return value === undefined && parts.length > 0 ? parts.join("") : value;
}

async function consume(generator, query) {
  const iterator = generator[Symbol.asyncIterator]?.() ?? generator[Symbol.iterator]();
  for (;;) {
    const { done, value } = await iterator.next();
    if (done) return value;
    if (query.signal.aborted) {
      await iterator.return?.();
      throw query.signal.reason;
    }
    query.partial(textOf(value));
  }
}
