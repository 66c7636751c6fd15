// Prints everything that happens on a bridge, a line each: its rows, and what becomes of queries and workers.
//
//     node observe.mjs bridge.db [AFTER]
//
// AFTER is the row to begin behind; without it, from now on. SIGINT and SIGTERM end it.
import { Observer } from "tailgate";

const [db, after] = process.argv.slice(2);
if (!db) {
  console.error("usage: node observe.mjs DATABASE [AFTER]");
  process.exit(2);
}

const observer = new Observer({ db, after: after === undefined ? undefined : Number(after) });
observer.on("away", (reason) => console.error(`observe.mjs: ${reason}; coming back`));
observer.on("lost", (count) => console.error(`observe.mjs: ${count} events were missed`));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => observer.close());

for await (const { kind, id, data } of observer) {
  const text = JSON.stringify(data.text ?? data.why ?? ""); // one line, whatever is in it
  console.log(`${kind} ${id ?? "-"} ${data.service ?? data.worker ?? "-"} ${text}`);
}
console.error(`observe.mjs: all up to row ${observer.position} was told`);
