// Majordomo 0.2 (ZeroMQ RFC 18) and the gateway's limits, as proto/WIRE.md has them.

export const WORKER = "MDPW02";
export const CLIENT = "MDPC02";

export const READY = 1;
export const REQUEST = 2;
export const PARTIAL = 3;
export const FINAL = 4;
export const HEARTBEAT = 5;
export const DISCONNECT = 6;

export const CLIENT_REQUEST = 1;
export const CLIENT_PARTIAL = 2;
export const CLIENT_FINAL = 3;

export const FRAME_SIZE = 16777216; // bytes of one frame, and of all frames of one message together
export const FRAMES = 64;
export const SERVICE_SIZE = 100;
export const CONVERSATION_SIZE = 200;
export const NAME_SIZE = 64;
export const SLOTS = 1000;
export const INTERVAL = { least: 100, most: 60000, usual: 2500 }; // milliseconds
export const BEATS_MISSED = 3; // so many intervals of silence mean that the other side is gone
export const ADDRESS_SIZE = 255;

const TOKEN = /^\d{1,20}\.\d{1,10}\.[\w-]{22}$/;

/** Whether TEXT has the form of a token, which READY may name in `holding`. */
export function isToken(text) {
  return TOKEN.test(text);
}

/** The frame of a command. A string: ZeroMQ's binding copies those, which outlive the thread that sends. */
export function command(number) {
  return String.fromCharCode(number);
}

/** NAME if it can be that of a service, else throws a TypeError. */
export function service(name) {
  if (typeof name !== "string" || name === "" || Buffer.byteLength(name) > SERVICE_SIZE ||
      /[\u0000-\u001f\u007f]/.test(name))
    throw new TypeError("a service's name is 1 to 100 bytes without control characters");
  return name;
}

/** Options of every socket to the gateway; KEYS: for CURVE, or undefined; LINGER in milliseconds. While nobody listens ZeroMQ itself tries
 *  again, five times a second. */
export function receiveOptions(endpoint, linger, keys) {
  const curve = keys && {
    curvePublicKey: keys.publicKey, curveSecretKey: keys.secretKey, curveServerKey: keys.serverKey,
  };
  return {
    ...curve,
    linger,
    ipv6: endpoint.includes("["),
    receiveHighWaterMark: 1000,
    reconnectInterval: 50,
    reconnectMaxInterval: 200,
    connectTimeout: 5000,
    handshakeInterval: 5000,
    maxMessageSize: 2 * FRAME_SIZE,
  };
}

/** Those of one that sends, too. */
export function socketOptions(endpoint, linger, keys) {
  return { ...receiveOptions(endpoint, linger, keys), sendHighWaterMark: 1000 };
}
