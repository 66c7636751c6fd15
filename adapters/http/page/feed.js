/* The connection to the helper: the feed of events and status, and single questions. It uses fetch(), not
 * EventSource, because only that can send the token as a header. */

const KEY = "tailgate-token";
const QUIET_MS = 35000; // a comment line comes every 15 s
const PAUSE_MS = [500, 1000, 2000, 5000, 10000];
const LINE_MAX = 8 << 20;

export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

export function tokenSet(text) {
  if (text) {
    sessionStorage.setItem(KEY, text);
  } else {
    sessionStorage.removeItem(KEY);
  }
}

function headers(more) {
  const said = token();
  return said ? { ...more, Authorization: `Bearer ${said}` } : { ...more };
}

/* Why RESPONSE is not what was asked for, in a sentence. */
async function refusal(response) {
  try {
    const problem = await response.json();
    return problem.reasons?.join("; ") || problem.detail || problem.title || `the answer was ${response.status}`;
  } catch {
    return `the answer was ${response.status}`;
  }
}

/* Asks PATH; returns { ok, status, value } or, when it is refused or nobody answers, { ok: false, status, why }. */
export async function ask(path, method = "GET") {
  const more = method === "POST" ? { "Content-Type": "application/json" } : {};
  try {
    const response = await fetch(path, {
      method,
      headers: headers(more),
      body: method === "POST" ? "{}" : undefined,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(15000),
    });
    if (!response.ok) {
      return { ok: false, status: response.status, why: await refusal(response) };
    }
    return { ok: true, status: response.status, value: await response.json() };
  } catch (error) {
    return { ok: false, status: 0, why: error.name === "TimeoutError" ? "no answer in 15 s" : "nobody answers" };
  }
}

/* Takes server-sent events apart (WHATWG HTML, 9.2, as far as the helper uses it). */
class Reader {
  constructor(take) {
    this.take = take;
    this.rest = "";
    this.name = "";
    this.data = [];
  }

  add(text) {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop();
    if (this.rest.length > LINE_MAX) {
      throw new Error("a line without an end");
    }
    lines.forEach((line) => this.line(line));
  }

  line(line) {
    if (line === "" || line === "\r") {
      if (this.data.length) {
        this.take(this.name, this.data.join("\n"));
      }
      this.name = "";
      this.data = [];
    } else if (line.startsWith("event:")) {
      this.name = line.slice(6).trim();
    } else if (line.startsWith("data:")) {
      this.data.push(line.slice(line[5] === " " ? 6 : 5));
    }
  }
}

/* Follows /page/feed for ever. `on` has a function for each event's name, and:
 *   link(state, why)  "look" (connected; what comes says the rest), "wait" (it is tried again), or "token" (refused:
 *                     nothing is tried until again()) */
export class Feed {
  constructor(on) {
    this.on = on;
    this.failed = 0;
    this.stop = null;
    this.timer = 0;
  }

  /* At once, with the token that is there now. */
  again() {
    this.failed = 0;
    this.pause();
    this.run();
  }

  /* Lets go of the connection until again(). */
  pause() {
    clearTimeout(this.timer);
    this.stop?.abort();
    this.stop = null;
  }

  runs() {
    return this.stop !== null;
  }

  async run() {
    const stop = new AbortController();
    this.stop = stop;
    const why = await this.follow(stop);
    if (this.stop !== stop || why === null) {
      return; // another one runs, or a token is needed
    }
    const pause = PAUSE_MS[Math.min(this.failed++, PAUSE_MS.length - 1)];
    this.on.link("wait", why);
    this.timer = setTimeout(() => this.run(), pause);
  }

  /* Returns why it ended; null when trying again makes no sense. */
  async follow(stop) {
    let quiet = setTimeout(() => stop.abort(), QUIET_MS);
    try {
      const response = await fetch("/page/feed", {
        headers: headers({ Accept: "text/event-stream" }),
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        signal: stop.signal,
      });
      if (response.status === 401 || response.status === 403) {
        this.on.link("token", await refusal(response));
        return null;
      }
      if (!response.ok) {
        return await refusal(response);
      }
      const reader = new Reader((name, data) => this.take(name, data));
      const text = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await text.read();
        if (done) {
          return "the connection was closed";
        }
        clearTimeout(quiet);
        quiet = setTimeout(() => stop.abort(), QUIET_MS);
        reader.add(value);
      }
    } catch {
      return "the connection is lost";
    } finally {
      clearTimeout(quiet);
    }
  }

  take(name, data) {
    if (name === "hello") {
      this.failed = 0;
      this.on.link("look", "");
    }
    this.on[name]?.(JSON.parse(data));
  }
}
