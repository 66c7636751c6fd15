// An observer for the tests: `node node_observer.mjs OPTIONS`. Prints a JSON array for each event, [kind, id, replayed,
// text], and lines for all else; "at" is its position. OPTIONS are those of the Observer and `until` (the last event:
// its id), `hold` (the name of a file that is waited for at the first event), `abort` (milliseconds).
import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Observer } from "tailgate";

const { until, hold, abort, ...options } = JSON.parse(process.argv[2]);
if (abort) options.signal = AbortSignal.timeout(abort);
let observer;
process.on("SIGTERM", () => observer.close());
observer = new Observer(options);
for (const name of ["up", "away", "refused", "repaired", "lost", "reset"])
  observer.on(name, (value) => console.log(`${name} ${typeof value === "string" ? value : JSON.stringify(value)}`));

let at = null;
setInterval(() => {
  if (observer.position !== at) console.log(`at ${(at = observer.position)}`);
}, 10).unref();

try {
  let held = hold === undefined;
  for await (const event of observer) {
    if (!held) console.log("held");
    for (; !held; held = existsSync(hold)) await pause(10);
    console.log(JSON.stringify([event.kind, event.id, event.replayed, event.data.text ?? null]));
    if (event.id === until) break;
  }
} catch (error) {
  console.log(`failed ${error.name}`);
}
const { position, positions, repaired, lost } = observer;
console.log(`end ${JSON.stringify({ position, positions, repaired, lost })}`);
