// What a client asks and gets, as frames.
import { AskError } from "./errors.js";
import { FRAME_SIZE, FRAMES } from "./mdp.js";

const ENVELOPE = 3; // frames of a request in front of its body

function frame(part) {
  if (typeof part === "string") return part;
  if (part instanceof Uint8Array) return Buffer.from(part); // a copy: it may have to be sent again
  throw new TypeError("a frame is a string or a Uint8Array");
}

/** The frames of BODY: text, bytes, an array of both, or an object, which becomes JSON of type "query". */
export function requestFrames(body) {
  const plain = typeof body === "object" && body !== null && !(body instanceof Uint8Array);
  let frames;
  if (Array.isArray(body)) frames = body.map(frame);
  else if (plain) frames = [JSON.stringify({ type: "query", ...body })];
  else frames = [frame(body)];
  const size = frames.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  if (frames.length === 0 || frames.length > FRAMES - ENVELOPE || size > FRAME_SIZE)
    throw new RangeError(`a request has 1 to ${FRAMES - ENVELOPE} frames and at most 16 MiB`);
  return frames;
}

function parse(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** An answer: `frames` as they came (Buffers), `object` when they are one JSON object, else null, `text`,
 *  and `sources` (an array). */
export class Answer {
  constructor(frames) {
    this.frames = frames;
    const whole = Buffer.concat(frames).toString();
    this.object = frames.length === 1 && whole.startsWith("{") ? parse(whole) : null;
    const response = this.object?.type === "response" ? this.object : null;
    this.sources = Array.isArray(response?.sources) ? response.sources : [];
    if (response === null || !("answer" in response)) this.text = whole;
    else if (typeof response.answer === "string") this.text = response.answer;
    else this.text = JSON.stringify(response.answer);
  }
}

/** The answer in FRAMES; throws an AskError when it is the gateway's error object. */
export function readAnswer(frames) {
  const answer = new Answer(frames);
  if (answer.object?.type === "error")
    throw new AskError(String(answer.object.error ?? "it failed without a word"), answer.object);
  return answer;
}
