// Certificates for a gateway that wants a key (CURVE): ours, and the gateway's (proto/WIRE.md, "With a key").
import { readFileSync, statSync } from "node:fs";

const FILE_SIZE = 65536;

// Z85 has neither of the quotes, so a key ends where its quote does.
function keyOf(text, name) {
  return new RegExp(`^\\s*${name}-key\\s*=\\s*"([^"]{40})"\\s*$`, "m").exec(text)?.[1];
}

function read(path, secret) {
  const found = statSync(path);
  if (!found.isFile() || found.size > FILE_SIZE) throw new TypeError(`${path}: is no certificate`);
  if (secret && (found.mode & 0o077) !== 0)
    throw new TypeError(`${path}: others than its owner can read it: chmod 600`);
  const text = readFileSync(path, "utf8");
  const keys = { publicKey: keyOf(text, "public"), secretKey: keyOf(text, "secret") };
  if (keys.publicKey === undefined || (secret && keys.secretKey === undefined))
    throw new TypeError(`${path}: holds no ${secret ? "secret " : ""}key of 40 characters`);
  return keys;
}

/** The keys in CERT (with its secret half beside it, CERT_secret) and SERVERCERT, or undefined without them. Throws
 *  when they cannot be used. */
export function readKeys(cert, serverCert) {
  if (cert === undefined && serverCert === undefined) return undefined;
  if (cert === undefined || serverCert === undefined)
    throw new TypeError(`cert and serverCert go together: ${cert === undefined ? "cert" : "serverCert"} is missing`);
  const { publicKey: serverKey } = read(String(serverCert), false);
  return { ...read(`${cert}_secret`, true), serverKey };
}
