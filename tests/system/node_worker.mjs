// A worker for the tests: `node node_worker.mjs OPTIONS SERVICE [GRACE]`. The first word of a question says what is
// done; events and what a handler saw are printed as lines.
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Fatal, GiveBack, worker } from "tailgate";

const [options, service, grace] = process.argv.slice(2);

async function until(name) {
  while (!existsSync(name)) await pause(10);
}

async function* parts(words) {
  for (const word of words) yield word;
}

async function* partsAndMore(words) {
  yield* parts(words);
  return { answer: "the whole", sources: ["here"] };
}

const does = {
  echo: (query, words) => words.join(" "),
  object: (query, words) => ({ answer: words[0], sources: ["notes.md:1-2"], confidence: 0.5 }),
  list: (query, words) => words,
  number: (query, words) => Number(words[0]),
  bytes: (query, words) => Buffer.from(words[0], "hex"),
  parts: (query, words) => parts(words),
  partsAndMore: (query, words) => partsAndMore(words),
  partials: async (query, words) => words.forEach((word) => query.partial(word)),
  nothing: () => {},
  huge: () => "x".repeat(17_000_000),
  hugePart: (query) => query.partial("x".repeat(17_000_000)),
  function: () => () => 1,
  fail: (query, words) => { throw new Error(words.join(" ")); },
  failOddly: () => { throw "only text"; },
  fatal: (query, words) => { throw new Fatal(words.join(" ")); },
  back: (query, words) => { throw new GiveBack(words.join(" ")); },
  show: (query) => {
    const { question, queryId, messageId, conversationId, attempt, deadline, token, raw } = query;
    const shown = { question, queryId, service: query.service, messageId, conversationId, attempt, token, raw,
                    sender: query.sender, deadline: deadline?.getTime() };
    console.log(`query ${JSON.stringify(shown)}`);
    return "shown";
  },
  block: (query, [milliseconds]) => {
    writeFileSync("begun", "");
    for (const end = Date.now() + Number(milliseconds); Date.now() < end;);
    return "unblocked";
  },
  hold: async (query, [name]) => {
    writeFileSync(`begun-${name}`, "");
    await until(`go-${name}`);
    console.log(`held ${name} aborted=${query.signal.aborted}`);
    return `held ${name}`;
  },
  heed: async (query, [name]) => {
    console.log(`begun ${name}`);
    await new Promise((resolve) => query.signal.addEventListener("abort", resolve));
    console.log(`aborted ${name} ${query.signal.reason.message}`);
    throw query.signal.reason;
  },
  exit: () => process.exit(7),
  crash: () => { setTimeout(() => { throw new Error("nobody catches this"); }, 0); return pause(10_000); },
};

const served = worker(JSON.parse(options), service, (query) => {
  const [verb, ...words] = query.question.split(" ");
  return does[verb](query, words);
});
for (const event of ["connected", "lost", "refused"])
  served.on(event, (text) => console.log(`${event} ${text}`));
process.on("SIGTERM", async () => {
  console.log("stopping");
  await served.stop(grace ? { grace: Number(grace) } : {});
  console.log("stopped");
});
