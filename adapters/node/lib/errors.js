// What goes wrong, as classes: the first two are thrown by a worker's handler, the others by a client.

/** Trying again is useless: the query is dead at once. */
export class Fatal extends Error {
  name = "Fatal";
}

/** The worker cannot take this query now; another one gets it, and it costs no attempt. */
export class GiveBack extends Error {
  name = "GiveBack";
}

/** The request came to no answer. `object` is the gateway's error object, or null. */
export class AskError extends Error {
  name = "AskError";

  constructor(message, object = null) {
    super(message);
    this.object = object;
  }
}

/** No answer came in the time that the caller gave. */
export class TimeoutError extends AskError {
  name = "TimeoutError";
}
