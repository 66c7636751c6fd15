export { AskError, Fatal, GiveBack, TimeoutError } from "./lib/errors.js";
export { Client } from "./lib/client.js";
export { Observer, observe } from "./lib/observer.js";
export { worker } from "./lib/worker.js";
