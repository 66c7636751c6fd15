export { AskError, Fatal, GiveBack, TimeoutError } from "./lib/errors.js";
export { Client } from "./lib/client.js";
export { worker } from "./lib/worker.js";
