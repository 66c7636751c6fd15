// Starting and ending the threads that own workers' sockets.
import { Worker as Thread } from "node:worker_threads";

const PATIENCE = 1500; // milliseconds that an exiting process waits for its sockets: longer than they linger

const open = new Set();

// process.exit() and an exception that nobody catches end the threads by force, which must not find an open socket.
function closeAll() {
  for (const { thread } of open) thread.postMessage({ say: "exit" });
  for (const { closed } of open) Atomics.wait(closed, 0, 0, PATIENCE);
}

/** Starts a thread with a Link for SETUP. HEAR(news) gets what it tells; GONE(error) is called when it has ended.
 *  Returns a function that says something to it. */
export function startLink(setup, hear, gone) {
  const closed = new Int32Array(new SharedArrayBuffer(4));
  // execArgv: what this process was started with may be nothing that a file can be run with.
  const thread = new Thread(new URL("./link_thread.js", import.meta.url),
                            { name: "tailgate", execArgv: [], workerData: { setup, closed } });
  const entry = { thread, closed };
  let failure;
  if (open.size === 0) process.on("exit", closeAll);
  open.add(entry);
  thread.on("message", hear);
  thread.on("error", (error) => {
    failure = error;
  });
  thread.on("exit", () => {
    open.delete(entry);
    if (open.size === 0) process.off("exit", closeAll);
    gone(failure);
  });
  return (message) => thread.postMessage(message);
}
