// A worker that answers word by word: each `yield` is a part that a client sees at once.
//
//     node streaming_worker.mjs bridge.db [service]
//
// Put your own program behind answer(). SIGINT and SIGTERM let it finish what it has begun.
import { Fatal, worker } from "tailgate";

const [db, service = "*"] = process.argv.slice(2);
if (!db) {
  console.error("usage: node streaming_worker.mjs DATABASE [SERVICE]");
  process.exit(2);
}

async function* answer(query) {
  if (typeof query.question !== "string") throw new Fatal("the question is no text");
  for (const word of query.question.toUpperCase().split(/(?<=\s)/)) {
    if (query.signal.aborted) return;
    yield word;
  }
}

const served = worker({ db, slots: 4 }, service, answer);
served.on("connected", (endpoint) => console.error(`${served.name}: serving ${service} at ${endpoint}`));
served.on("lost", (reason) => console.error(`${served.name}: ${reason}; coming back`));
served.on("refused", (reason) => console.error(`${served.name}: ${reason}`));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => served.stop());
