// The thread that owns a worker's socket: a Link, and the messages to and from the thread that works.
import { parentPort, workerData } from "node:worker_threads";

import { allClosed } from "./connection.js";
import { Link } from "./link.js";

const { setup, closed } = workerData;
const link = new Link(setup, (news) => parentPort.postMessage(news));

// Says that no socket is open any more. The binding aborts the process when a thread ends while a receive
// is pending, so the other thread waits for this before it exits.
async function end() {
  await allClosed();
  Atomics.store(closed, 0, 1);
  Atomics.notify(closed, 0);
  parentPort.close();
}

parentPort.on("message", ({ say, token, text, again, grace }) => {
  if (say === "final") link.final(token, text, again);
  else if (say === "partial") link.partial(token, text);
  else if (say === "forget") link.forget(token);
  else if (say === "leave") link.leave(grace, end);
  else if (say === "exit") {
    link.close();
    end();
  }
});

process.on("uncaughtException", (error) => {
  link.close();
  parentPort.postMessage({ kind: "failed", error });
  end();
});
