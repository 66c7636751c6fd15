// A Majordomo peer on npm's zeromq, its frames written by hand from RFC 7 and RFC 18; nothing of ours is in it.
// node node_majordomo.mjs worker|client 1|2 ENDPOINT SERVICE COUNT
// A worker gives COUNT bodies back in reverse order of their frames. A client asks COUNT times with random frames and
// says on stdout how many came back reversed, and what was different.
import { randomBytes } from "node:crypto";
import { Dealer } from "zeromq";

const [, , role, version, endpoint, service, count] = process.argv;
const first = version === "1";
const lead = first ? [Buffer.alloc(0)] : [];
const header = (first ? { worker: "MDPW01", client: "MDPC01" } : { worker: "MDPW02", client: "MDPC02" })[role];
const socket = new Dealer({ linger: 1000 });
socket.connect(endpoint);

async function receive() {
  const frames = await socket.receive();
  if (first && frames[0].length !== 0) throw new Error("no empty frame first");
  const [name, ...rest] = first ? frames.slice(1) : frames;
  if (name.toString() !== header) throw new Error(`not ${header}: ${name}`);
  return rest;
}

async function work() {
  const [READY, REQUEST, FINAL, DISCONNECT] = first ? [1, 2, 3, 5] : [1, 2, 4, 6];
  await socket.send([...lead, header, Buffer.from([READY]), service]);
  for (let served = 0; served < Number(count); ) {
    const [command, address, empty, ...body] = await receive();
    if (command[0] !== REQUEST) continue; // a heartbeat
    if (empty.length !== 0) throw new Error("no empty frame behind the address");
    await socket.send([...lead, header, Buffer.from([FINAL]), address, "", ...body.reverse()]);
    served++;
  }
  await socket.send([...lead, header, Buffer.from([DISCONNECT])]);
}

async function ask() {
  let same = 0;
  const different = [];
  for (let n = 0; n < Number(count); n++) {
    const body = Array.from({ length: 1 + (n % 5) }, () => randomBytes(1 + 40 * n));
    await socket.send([...lead, header, ...(first ? [] : [Buffer.from([1])]), service, ...body]);
    const frames = await receive();
    if (!first && frames.shift()[0] !== 3) throw new Error("not a FINAL");
    const [name, ...reply] = frames;
    if (name.toString() === service && Buffer.concat(reply).equals(Buffer.concat(body.reverse()))) same++;
    else different.push(reply.map((part) => part.toString("hex")));
  }
  console.log(JSON.stringify({ same, different }));
}

await (role === "worker" ? work() : ask());
socket.close();
