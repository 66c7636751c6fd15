/** Workers, clients and observers of the Tailgate gateway. Times are in milliseconds. */

/// <reference types="node" />
import type { EventEmitter } from "node:events";

/** For a gateway that wants a key (CURVE); both, or none. */
export interface Certificates {
  /** The file of our certificate, with its secret half beside it (`<cert>_secret`). */
  cert?: string;
  /** The gateway's public certificate. */
  serverCert?: string;
}

/** Where the gate is: exactly one of both. */
export type Place = Certificates & (
  | { /** ipc://… or tcp://… */ endpoint: string; db?: undefined }
  | { /** The database file that the gateway serves; it need not be there yet. */ db: string; endpoint?: undefined });

// ── workers ──

export type WorkerOptions = Place & {
  /** How logs, status and replies call this worker; "node-<pid>" by default. Up to 64 bytes, and another one for
   *  each worker of a process. */
  name?: string;
  /** How many queries it takes at once, 1 to 1000; 1 by default. */
  slots?: number;
  /** Between two heartbeats, 100 to 60000; 2500 by default. Three that are missed end the connection. */
  interval?: number;
};

/** Who asks, as the gateway has verified it; what they ask, nobody has. */
export interface Sender {
  /** `key:<fingerprint>`, or `uid:<number>` behind a unix socket. */
  readonly principal: string;
  /** That the gateway's list has for the key. */
  readonly name: string | null;
  readonly content: "unverified";
}

/** One query, as a handler gets it. */
export interface Query {
  /** As the asker wrote it; text unless he wrote something else. */
  readonly question: any;
  readonly queryId: any;
  readonly service: string;
  readonly messageId: number;
  readonly conversationId: string;
  /** Who asks, where the gateway has verified that. */
  readonly sender: Sender | null;
  /** 1, and one more for each attempt that failed. */
  readonly attempt: number;
  /** When this attempt ends, unless parts of an answer put that off. */
  readonly deadline: Date | null;
  readonly token: string;
  /** The whole query. */
  readonly raw: Record<string, any>;
  /** Aborted when the attempt is over: what is still done for it is likely in vain. */
  readonly signal: AbortSignal;
  /** Sends a part of the answer, which also gives the attempt more time. */
  partial(text: string | Uint8Array): void;
}

/** An answer: text or bytes (taken as UTF-8), an object with `answer` (and `sources`, …), or any other JSON value,
 *  which becomes the value of `answer`. */
export type Reply = string | Uint8Array | number | boolean | object;

/** Returns the answer, or is a generator: what it yields are parts, which together are the answer if it returns
 *  none. Parts sent by `query.partial()` count likewise. What it throws fails the attempt. */
export type Handler = (query: Query) =>
  | Reply | void | Promise<Reply | void>
  | AsyncGenerator<string | Uint8Array, Reply | void, void>
  | Generator<string | Uint8Array, Reply | void, void>;

export interface Worker extends EventEmitter {
  readonly name: string;
  readonly service: string;
  /** How many queries are being worked on. */
  readonly running: number;

  /** Takes no more queries, waits up to `grace` (10000) for those in flight, gives back what is left and leaves.
   *  Called again, it leaves at once. A worker keeps the process alive until it is stopped. */
  stop(options?: { grace?: number }): Promise<void>;

  /** READY was said, on a fresh connection to ENDPOINT. */
  on(event: "connected", listener: (endpoint: string) => void): this;
  /** It is not registered any more, and will be again by itself; work goes on. */
  on(event: "lost", listener: (reason: string) => void): this;
  /** The gateway does not take it, or what listens is none; it goes on trying. */
  on(event: "refused", listener: (reason: string) => void): this;
  /** The handler threw ERROR, and the attempt has failed. Without a listener it is printed. */
  on(event: "failed", listener: (error: unknown, query: Query) => void): this;
  /** The worker itself has ended, which it should not. */
  on(event: "error", listener: (error: Error) => void): this;
  once(event: "connected", listener: (endpoint: string) => void): this;
  once(event: "lost" | "refused", listener: (reason: string) => void): this;
  once(event: "failed", listener: (error: unknown, query: Query) => void): this;
  once(event: "error", listener: (error: Error) => void): this;
}

/** A worker for SERVICE ("*": for all) at WHERE, which is an endpoint or says more. */
export function worker(where: string | WorkerOptions, service: string, handler: Handler): Worker;

/** Thrown by a handler: trying again is useless; the query is dead at once. */
export class Fatal extends Error {}

/** Thrown by a handler: not now. Another worker gets the query, and it costs no attempt. */
export class GiveBack extends Error {}

// ── clients ──

export interface AskOptions {
  /** Without one it waits for ever. */
  timeout?: number;
  signal?: AbortSignal;
}

/** What is asked: text, bytes, several frames, or an object, which is sent as JSON of type "query" and answered by
 *  a response object. */
export type Body = string | Uint8Array | ReadonlyArray<string | Uint8Array> | { [member: string]: unknown };

export interface Answer {
  readonly text: string;
  /** Of a response object; else empty. */
  readonly sources: any[];
  /** The answer as JSON object, if it is one. */
  readonly object: Record<string, any> | null;
  /** As it came. */
  readonly frames: Buffer[];
}

/** The parts of an answer, as they come. To leave the loop early gives the request up. */
export interface AnswerStream extends AsyncIterable<string> {
  readonly answer: Promise<Answer>;
}

export class Client {
  constructor(where: string | (Place & {
    /** For ask(), 4 by default. The answers on each come in the order in which was asked. */
    connections?: number;
  }));

  /** Asks SERVICE. Rejects with AskError, TimeoutError, or the signal's reason. */
  ask(service: string, body: Body, options?: AskOptions): Promise<Answer>;
  stream(service: string, body: Body, options?: AskOptions): AnswerStream;
  /** Whether a worker for SERVICE is there now. */
  serves(service: string, options?: AskOptions): Promise<boolean>;
  /** Requests that outlive their asker. */
  readonly titanic: {
    /** Returns a ticket, once the request is on disk. */
    submit(service: string, body: Body, options?: AskOptions): Promise<string>;
    /** The answer, or null while there is none. */
    fetch(ticket: string, options?: AskOptions): Promise<Answer | null>;
    /** The gateway may forget it. */
    close(ticket: string, options?: AskOptions): Promise<void>;
  };
  /** Closes every connection; what is open is rejected. A client that has nothing open keeps no process alive for
   *  longer than a moment, closed or not. */
  close(): void;
}

/** The request came to no answer. */
export class AskError extends Error {
  /** The gateway's error object, if there is one. */
  readonly object: Record<string, any> | null;
}

/** No answer came in the time that was given. */
export class TimeoutError extends AskError {}

// ── observers ──

/** The kinds of events. Those on the first line are durable: the rows of the bridge. */
export type EventKind =
  | "query" | "response" | "message"
  | "partial" | "retry" | "dead" | "expired" | "superseded" | "deleted" | "dropped" | "worker" | "gateway";

/** By durable kind, the row up to which everything was given. */
export type Positions = { query?: number; response?: number; message?: number };

/** Where the events and the gate are: what repairs a loss comes through the gate. */
export type ObservedPlace = Certificates & (
  | { /** Of the events: ipc://… or tcp://… */ endpoint: string; gate: string; db?: undefined }
  | { /** The database file that the gateway serves; it need not be there yet. */ db: string; endpoint?: undefined;
      gate?: undefined });

export interface ObserveOptions {
  /** All kinds by default. */
  kinds?: readonly EventKind[];
  /** Only what is about this conversation. */
  conversation?: string;
  /** Only what is about this service. */
  service?: string;
  /** Rows above this one; or the `positions` at which an observer of the same kinds ended: then none comes twice. By
   *  default from now on. */
  after?: number | Positions | null;
  /** Instead: rows from then on. A Date, or UTC as 2026-11-21T01:00:00. */
  since?: Date | string | null;
  /** When it is aborted, the loop throws its reason. */
  signal?: AbortSignal;
}

/** What happened. proto/WIRE.md, "Events", says what `data` has for each kind. */
export interface BridgeEvent {
  readonly topic: string;
  /** An EventKind; of what is about the gateway itself the topic, "gateway/undelivered". */
  readonly kind: string;
  /** The row that it is, or is about (`message_id`); null when it is about none. */
  readonly id: number | null;
  readonly data: Record<string, any>;
  /** A replay brought it: it was there before, or its event was missed. */
  readonly replayed: boolean;
}

/** An async iterable of what a gateway publishes, for one loop. Rows come each exactly once, per kind in the order of
 *  their ids, across restarts of the gateway and whatever was lost on the way; all other events as they come, once or
 *  never. At most about 1000 events wait for the loop: then nothing more is read, and rows that are missed by that
 *  come later. It observes from its making on and keeps the process alive until it is closed; leaving the loop, by
 *  `break` or an exception, closes it. */
export class Observer extends EventEmitter implements AsyncIterable<BridgeEvent> {
  constructor(options: ObservedPlace & ObserveOptions);

  /** By kind, the row up to which everything was given to the loop; {} while that is not known. Goes on from there
   *  without a repetition, as `after`. */
  readonly positions: Positions;
  /** The least of these, or null. Of several kinds some rows above it may have been given already; not, when nothing
   *  has happened for a second. */
  readonly position: number | null;
  /** How many rows a replay brought because their events had been missed. */
  readonly repaired: number;
  /** How many numbers of events were left out that no repair brought, the gateway's own marks among them, and rows
   *  that a fresh run told again. Counted only when all kinds, conversations and services are observed. */
  readonly lost: number;

  /** Ends it, and the loop: what still waits is not given. */
  close(): void;
  [Symbol.asyncIterator](): AsyncGenerator<BridgeEvent, void, void>;

  /** It is connected to the events at ENDPOINT. */
  on(event: "up", listener: (endpoint: string) => void): this;
  /** It was, and will be again by itself. */
  on(event: "away", listener: (reason: string) => void): this;
  /** The gateway does not let it in, or refuses a replay; it goes on trying. */
  on(event: "refused", listener: (reason: string) => void): this;
  /** A replay has brought ROWS rows that had been missed. */
  on(event: "repaired", listener: (what: { after: number; upto: number; rows: number }) => void): this;
  /** COUNT more events are lost. */
  on(event: "lost", listener: (count: number) => void): this;
  /** The database was put back to an older file, and is told on from these rows. */
  on(event: "reset", listener: (positions: Positions) => void): this;
  once(event: "up" | "away" | "refused", listener: (text: string) => void): this;
  once(event: "repaired", listener: (what: { after: number; upto: number; rows: number }) => void): this;
  once(event: "lost", listener: (count: number) => void): this;
  once(event: "reset", listener: (positions: Positions) => void): this;
}

/** An Observer of WHERE. */
export function observe(where: ObservedPlace, options?: ObserveOptions): Observer;
