// Asks a service and prints the answer as it comes.
//
//     node ask.mjs bridge.db law "May a tenant sublet?"
import { AskError, Client } from "tailgate";

const [db, service, question] = process.argv.slice(2);
if (!question) {
  console.error("usage: node ask.mjs DATABASE SERVICE QUESTION");
  process.exit(2);
}

const client = new Client({ db });
const stream = client.stream(service, { question }, { timeout: 600_000 });
try {
  let shown = "";
  for await (const part of stream) {
    process.stdout.write(part);
    shown += part;
  }
  const { text, sources } = await stream.answer;
  // Parts that were sent before we asked, or while a connection was lost, are only in the whole.
  if (text !== shown) process.stdout.write(shown ? `\n\n${text}` : text);
  process.stdout.write("\n");
  for (const source of sources) console.log(`  ${source}`);
} catch (error) {
  if (!(error instanceof AskError)) throw error;
  console.error(`ask.mjs: ${error.message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
