// Where a door of the gateway is, its gate or its events: an endpoint that was given, or the one of a database's
// gateway.
import { readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { readKeys } from "./keys.js";

// The canonical path of DB, which may not be there yet.
function canonical(db) {
  try {
    return realpathSync(db);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    return join(realpathSync(dirname(db)), basename(db));
  }
}

// The endpoint of DOOR that the gateway wrote into its lock file, or undefined.
function announced(lock, door) {
  try {
    const line = readFileSync(lock, "utf8").split("\n").find((text) => text.startsWith(`${door} `));
    return line?.slice(door.length + 1) || undefined;
  } catch {
    return undefined;
  }
}

/** Throws a TypeError unless WHERE says in one way where the gate is; returns it as {endpoint} or {db}, with
 *  the keys of its cert and serverCert, where there are any. */
export function place(where) {
  const given = typeof where === "string" ? { endpoint: where } : (where ?? {});
  const { endpoint, db, cert, serverCert } = given;
  if ((endpoint === undefined) === (db === undefined))
    throw new TypeError("give either an endpoint or a db");
  if (endpoint !== undefined && !/^(ipc|tcp):\/\/./.test(endpoint))
    throw new TypeError(`not an endpoint (ipc://… or tcp://…): ${endpoint}`);
  const keys = readKeys(cert, serverCert);
  return endpoint !== undefined ? { endpoint: String(endpoint), keys } : { db: String(db), keys };
}

/** The endpoint of DOOR ("gate" or "events") to connect to now. A database's may be another one each time; throws
 *  while its folder cannot be read. */
export function locate({ endpoint, db }, door = "gate") {
  if (endpoint !== undefined) return endpoint;
  const path = canonical(db);
  return announced(`${path}-gate/lock`, door) ?? `ipc://${path}-gate/${door}`;
}
