// Which events are given, and what has to be replayed first (proto/WIRE.md, "What was missed"). Pure: no socket, no
// clock.
//
//   1. have[kind] is the row up to which everything of that kind was given. A row at or below it came already.
//   2. Rows are given in the order of their ids, per kind, so one before which rows may be missing waits until a
//      replay has brought these. What comes live meanwhile waits behind it. All but rows goes past it.
//   3. Of what waits only so many are kept. What is let go is as good as never heard, and is replayed in turn.
//   4. Of a single conversation nothing but a replay tells what lies before a row, so its rows are replayed
//      before each one, and at each mark; then `have` is the same for every kind.
import { DURABLE } from "./event.js";

const ROOM = 250; // live rows and marks that wait for a replay
const PAGE = 500; // events that are asked for at once

export class Follower {
  #want; // {kinds, conversation, service, after, since}; kinds: undefined or an array; after: undefined or by kind
  #kinds; // the durable ones among them
  #give;
  #tell;
  #have = {};
  #known = {}; // by kind: there may be rows up to here; of what was let go
  #since; // until it is known behind which row that is
  #waiting = []; // rows {event, missed} and marks {mark, missed}
  #page = null;
  #epoch = null; // of the last mark that was looked at
  #origin = null; // the row after which rows came live; those before are no repairs
  #run = null; // epoch of what comes live now,
  #seq = null; //   and its last number
  #missed = 0; // numbers that were left out since the last entry of `waiting`
  #suspects = 0; // such numbers that may be rows, which a repair will bring

  repaired = 0;
  lost = 0;

  /** GIVE({event, upto}) gets what is to be given, in order: event, or null; upto: by kind, the row up to which
   *  everything is then given; instead of them {event: null, reset}: the file was put back to these rows.
   *  TELL(name, value) gets "repaired" {after, upto, rows}, "lost" (how many) and "reset" (by kind, rows). */
  constructor(want, give, tell) {
    this.#want = want;
    this.#give = give;
    this.#tell = tell;
    this.#kinds = DURABLE.filter((kind) => want.kinds?.includes(kind) ?? true);
    this.#since = want.since;
    for (const kind of this.#kinds) this.#have[kind] = want.after?.[kind];
  }

  /** What has to be replayed now, or null. It stays the same object until covered(). */
  get page() {
    return this.#page;
  }

  /** What is asked of the gateway for it. */
  static request({ kinds, after, upto, since, probe }, { conversation, service }) {
    if (since !== undefined) return { since, limit: 1 }; // for its end, as here:
    if (probe) return { after, limit: 1 };
    return { after, upto, kinds, conversation, service, limit: PAGE };
  }

  // ── live ──

  /** EVENT came as number SEQ. */
  event(event, seq) {
    this.#count(seq - 1, seq);
    if (this.#kinds.includes(event.kind)) this.#push({ event });
    else if (this.#wanted(event)) this.#give({ event, upto: {} });
  }

  mark(mark) {
    this.#begin(mark.epoch);
    this.#count(mark.seq - 1, mark.seq);
    if (this.#kinds.length > 0) this.#push({ mark });
  }

  /** The first that a connection brings. Its number is that of the last event before it. */
  welcome(mark) {
    this.#begin(mark.epoch);
    // The first one's is of no use: events may have come since, before our subscription did.
    if (this.#seq !== null && mark.seq > this.#seq) this.#count(mark.seq, mark.seq);
    if (this.#kinds.length > 0) this.#push({ mark });
  }

  #begin(epoch) {
    if (epoch === this.#run) return;
    this.#seq = this.#run === null ? this.#seq : 0;
    this.#run = epoch;
  }

  // All up to number BEFORE should have come by now.
  #count(before, seq) {
    const { kinds, conversation, service } = this.#want;
    const everything = kinds === undefined && conversation === undefined && service === undefined;
    if (everything && this.#seq !== null && before > this.#seq) this.#missed += before - this.#seq;
    this.#seq = seq;
  }

  #wanted({ kind, data }) {
    const { kinds, conversation, service } = this.#want;
    return (kinds?.includes(kind.split("/", 1)[0]) ?? true) &&
      (conversation === undefined || data.conversation_id === conversation) &&
      (service === undefined || data.service === service || (kind === "worker" && data.service === "*"));
  }

  #push(entry) {
    if (this.#page && this.#waiting.length >= ROOM) {
      this.#suspects += this.#missed + (entry.event ? 1 : 0); // its replay may come before anything else does
      this.#missed = 0;
      const rows = entry.mark ? entry.mark.last : { [entry.event.kind]: entry.event.id };
      for (const kind of this.#kinds) this.#known[kind] = Math.max(this.#known[kind] ?? 0, rows[kind] ?? 0);
      return;
    }
    this.#waiting.push({ ...entry, missed: this.#missed });
    this.#missed = 0;
    this.#advance();
  }

  #advance() {
    while (this.#page === null) {
      const entry = this.#waiting[0];
      this.#page = entry === undefined ? this.#behind(this.#known) : this.#before(entry);
      if (this.#page || entry === undefined) return;
      this.#waiting.shift();
      if (entry.mark) this.#takeMark(entry.mark);
      else this.#takeRow(entry.event);
    }
  }

  // The replay that has to come before ENTRY, or null.
  #before(entry) {
    this.#suspects += entry.missed;
    entry.missed = 0;
    if (this.#since !== undefined) return { since: this.#since };
    if (entry.mark) return this.#newRun(entry.mark) ?? this.#behind(entry.mark.last);
    const { kind, id, data } = entry.event;
    this.#start(() => id - 1);
    if (this.#want.conversation !== undefined) return this.#behind({ [kind]: id - 1 });
    return this.#have[kind] < data.prev ? this.#replay([kind], id - 1) : null;
  }

  // A run that begins behind what we have: either the file was put back to an older one, or the run begins with rows
  // that we had from the one before. The end of a replay, which names the highest row in the file, tells which.
  #newRun(mark) {
    const known = this.#epoch !== null || this.#want.after !== undefined;
    const other = mark.epoch !== this.#epoch;
    this.#epoch = mark.epoch;
    this.#start((kind) => mark.last[kind], mark.id);
    const most = Math.max(...Object.values(this.#have));
    return known && other && mark.id < most ? { after: most, probe: mark } : null;
  }

  // Where nothing was said of where to begin, it is here.
  #start(rowOf, id = rowOf()) {
    this.#origin ??= id;
    for (const kind of this.#kinds) this.#have[kind] ??= rowOf(kind);
  }

  // The replay of what is missing up to ROWS, or null.
  #behind(rows) {
    const most = Math.max(0, ...this.#kinds.map((kind) => rows[kind] ?? 0));
    const single = this.#want.conversation !== undefined;
    const late = this.#kinds.filter((kind) => this.#have[kind] < (single ? most : rows[kind] ?? 0));
    return late.length > 0 ? this.#replay(late, most) : null;
  }

  #replay(kinds, upto) {
    const after = Math.min(...kinds.map((kind) => this.#have[kind]));
    return { kinds, after, upto, begin: after, rows: 0 };
  }

  #takeRow(event) {
    const { kind, id } = event;
    if (id <= this.#have[kind]) return;
    const kinds = this.#want.conversation === undefined ? [kind] : this.#kinds;
    if (this.#wanted(event)) this.#give({ event, upto: this.#raise(kinds, id) });
    else this.#cover(kinds, id);
  }

  // Everything that was published before MARK is given.
  #takeMark(mark) {
    this.#cover(this.#kinds, mark.id);
    if (this.#suspects === 0 || this.#behind(this.#known)) return;
    this.lost += this.#suspects;
    this.#tell("lost", this.#suspects);
    this.#suspects = 0;
  }

  #raise(kinds, id) {
    for (const kind of kinds) this.#have[kind] = Math.max(this.#have[kind], id);
    return Object.fromEntries(kinds.map((kind) => [kind, this.#have[kind]]));
  }

  #cover(kinds, id) {
    this.#give({ event: null, upto: this.#raise(kinds, id) });
  }

  // ── replayed ──

  /** PAGE brought EVENT. */
  replayed(page, event) {
    const { kind, id } = event;
    if (page !== this.#page || !page.kinds?.includes(kind) || id <= this.#have[kind] || id > page.upto ||
        !this.#wanted(event))
      return;
    if (id > this.#origin) {
      this.repaired++;
      page.rows++;
      this.#suspects = Math.max(0, this.#suspects - 1);
    }
    this.#give({ event, upto: this.#raise([kind], id) });
  }

  /** PAGE is through; {AFTER, UPTO, LAST, MORE} is what its end says. Returns false when that cannot be. */
  covered(page, { after, upto, last, more }) {
    if (page !== this.#page) return true;
    if (page.since !== undefined) {
      for (const kind of this.#kinds) this.#have[kind] = after;
      this.#since = undefined;
    } else if (page.probe) {
      if (last < page.after) this.#putBack(page.probe);
    } else if (more) {
      if (upto <= page.after || upto > page.upto) return false;
      this.#cover(page.kinds, upto);
      this.#page = { ...page, after: upto };
      return true;
    } else {
      this.#cover(page.kinds, page.upto);
      if (page.rows > 0) this.#tell("repaired", { after: page.begin, upto: page.upto, rows: page.rows });
    }
    this.#page = null;
    this.#advance();
    return true;
  }

  #putBack(mark) {
    for (const kind of this.#kinds) this.#have[kind] = mark.last[kind];
    this.#known = {};
    this.#origin = mark.id;
    this.#give({ event: null, reset: { ...this.#have } });
    this.#tell("reset", { ...this.#have });
  }
}
