// An observer for the tests: `node node_observer.mjs OPTIONS`. Prints a JSON array for each event, [kind, id, replayed,
// text], and lines for all else. OPTIONS are those of the Observer and `until` (the last event: its id, or its kind), `hold`
// (the name of a file that is waited for at the first event), `abort` (milliseconds).
import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Observer } from "tailgate";

const { until, hold, abort, ...options } = JSON.parse(process.argv[2]);
if (abort) options.signal = AbortSignal.timeout(abort);
const observer = new Observer(options);
for (const name of ["up", "away", "refused", "repaired", "lost", "reset"])
  observer.on(name, (value) => console.log(`${name} ${typeof value === "string" ? value : JSON.stringify(value)}`));
process.on("SIGTERM", () => observer.close());

const known = setInterval(() => {
  if (observer.position === null) return;
  console.log(`at ${observer.position}`);
  clearInterval(known);
}, 10);
known.unref();

try {
  let held = hold === undefined;
  for await (const event of observer) {
    if (!held) console.log("held");
    for (; !held; held = existsSync(hold)) await pause(10);
    console.log(JSON.stringify([event.kind, event.id, event.replayed, event.data.text ?? null]));
    if (event.id === until || event.kind === until) break;
  }
} catch (error) {
  console.log(`failed ${error.name}`);
}
const { position, positions, repaired, lost } = observer;
console.log(`end ${JSON.stringify({ position, positions, repaired, lost })}`);
