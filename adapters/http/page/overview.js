/* What one looks at first: key figures, what needs a look, rates and latency, the services. */
import { Plot } from "./plot.js";
import { Table } from "./table.js";
import { count, duration, many, node, plain, rate, say, theirs } from "./words.js";

const WINDOW = 10; // seconds over which latency is taken
const STEADY = 5; // and rates: long enough for a line that can be read

function serviceState(row) {
  return row.paused ? "paused" : row.backlog > 0 && row.workers === 0 ? "no worker" : "";
}

const SERVICES = [
  { id: "name", title: "Service", sort: (row) => row.name, text: (row) => row.name, show: (row) => theirs(row.name) },
  {
    id: "state",
    title: "State",
    sort: serviceState,
    text: serviceState,
    show: (row) => (serviceState(row) ? node("span", { class: "badge warn" }, serviceState(row)) : ""),
  },
  { id: "backlog", title: "Waiting", number: true, sort: (row) => row.backlog, show: (row) => count(row.backlog) },
  {
    id: "oldest",
    title: "Oldest",
    number: true,
    sort: (row) => row.oldest_waiting_seconds ?? -1,
    show: (row) => (row.oldest_waiting_seconds === null ? "–" : duration(row.oldest_waiting_seconds)),
  },
  {
    id: "back",
    title: "Backing off",
    number: true,
    sort: (row) => row.backing_off,
    show: (row) => count(row.backing_off),
  },
  { id: "flight", title: "In flight", number: true, sort: (row) => row.in_flight, show: (row) => count(row.in_flight) },
  { id: "workers", title: "Workers", number: true, sort: (row) => row.workers, show: (row) => count(row.workers) },
];

/* The value below which the share PART of what counts, by a histogram's buckets, lies; NaN without any. */
export function quantile(bounds, counts, part) {
  const all = counts.reduce((sum, number) => sum + number, 0);
  let left = all * part;
  if (all === 0) {
    return NaN;
  }
  for (let at = 0; at < counts.length; at++) {
    if (counts[at] > 0 && left <= counts[at]) {
      const low = at === 0 ? 0 : bounds[at - 1];
      const high = at < bounds.length ? bounds[at] : low; // beyond the last bound: at least that
      return low + (high - low) * (left / counts[at]);
    }
    left -= counts[at];
  }
  return bounds.at(-1);
}

/* Why the whole gateway does not do its work, each in a sentence. */
function halts({ gateway, committer, tail }) {
  const found = [];
  if (gateway.draining) {
    found.push("The gateway is draining: it hands out nothing more.");
  }
  if (gateway.paused) {
    found.push("All services are paused: nothing is handed out.");
  }
  if (committer.state !== "ok") {
    const holder = committer.lock_holder ? `, held by process ${committer.lock_holder}` : "";
    found.push(
      `Commits do not get through (${plain(committer.state)}${holder}) for ${duration(committer.state_seconds)}; ${many(
        tail.lag,
        "row",
      )} not read yet.`,
    );
  }
  if (tail.blocked_seconds >= 1) {
    found.push(`The database is locked and cannot be read for ${duration(tail.blocked_seconds)}.`);
  }
  return found;
}

/* What is out of order, each in a sentence. */
function troubles(status, observing) {
  const { gateway, helpers = [], services } = status;
  const blind = "The gateway's events cannot be heard: what happens now is not among the events below.";
  const unserved = services.filter(({ backlog, workers }) => backlog > 0 && workers === 0);
  const failed = helpers.filter(({ state }) => state !== "running");
  const open = (gateway.doors ?? []).filter(({ insecure }) => insecure);
  return [
    ...(observing ? [] : [blind]),
    ...halts(status),
    ...unserved.map(
      ({ backlog, name }) => `No worker serves ${plain(name)}: ${many(backlog, "query", "queries")} waiting.`,
    ),
    ...failed.map(({ state, command }) => `Helper ${plain(state)}: ${plain(command)}`),
    ...open.map(
      ({ endpoint }) => `Anybody who reaches ${plain(endpoint)} may connect: it is neither local nor encrypted.`,
    ),
  ];
}

export class Overview {
  constructor() {
    const find = (id) => document.getElementById(id);
    this.samples = []; // { at, status } of the last seconds
    this.run = "";
    this.look = find("look");
    this.figures = ["Waiting", "Oldest", "In flight", "Workers", "Dead", "Answered"].map((title) => {
      const value = node("dd", {}, "–");
      find("figures").append(node("div", {}, node("dt", {}, title), value));
      return value;
    });
    this.rates = new Plot(find("plots"), {
      title: "Per second",
      lowest: 1,
      unit: rate,
      lines: [
        { id: "queries", title: "queries" },
        { id: "answers", title: "answers" },
      ],
    });
    this.latency = new Plot(find("plots"), {
      title: "From row to committed reply",
      lowest: 0.01,
      unit: duration,
      lines: [
        { id: "half", title: "half within" },
        { id: "most", title: "99 % within" },
      ],
    });
    this.backlog = new Plot(find("plots"), {
      title: "Waiting and in flight",
      lowest: 4,
      unit: (value) => count(value),
      lines: [
        { id: "waiting", title: "waiting" },
        { id: "flight", title: "in flight" },
      ],
    });
    this.services = new Table(find("services"), {
      caption: "Services",
      columns: SERVICES,
      none: "No service is known yet.",
      key: (row) => row.name,
      sorted: { id: "name", down: false },
    });
  }

  take(at, status, observing) {
    this.observing = observing;
    const run = `${status.gateway.pid} ${status.gateway.since}`;
    if (run !== this.run) {
      this.samples = []; // its counters begin anew
      this.run = run;
    }
    forAll(status);
    this.samples.push({ at, status });
    while (this.samples.length > 2 && this.samples[0].at < at - WINDOW) {
      this.samples.shift();
    }
    this.plot(at, status);
  }

  plot(at, status) {
    const before = this.samples.find((sample) => sample.at >= at - STEADY && sample.at < at);
    const perSecond = (name) =>
      before
        ? Math.max(0, status.counters[name] - before.status.counters[name]) / Math.max(at - before.at, 0.001)
        : NaN;
    this.rates.add(at, { queries: perSecond("queries"), answers: perSecond("answered") });
    this.latency.add(at, this.recent());
    this.backlog.add(at, sums(status));
  }

  /* Latency of what was answered in the window: the difference of two histograms. */
  recent() {
    const first = this.samples[0].status.histograms?.total;
    const last = this.samples.at(-1).status.histograms?.total;
    if (!first || !last || first.counts.length !== last.counts.length) {
      return { half: NaN, most: NaN };
    }
    const counts = last.counts.map((number, at) => Math.max(0, number - first.counts[at]));
    return { half: quantile(last.bounds, counts, 0.5), most: quantile(last.bounds, counts, 0.99) };
  }

  draw() {
    const status = this.samples.at(-1)?.status;
    if (!status) {
      return;
    }
    const { waiting, flight, oldest } = sums(status);
    const values = [
      count(waiting),
      oldest < 0 ? "–" : duration(oldest),
      count(flight),
      count(status.workers.length),
      status.tail.dead > 100000 ? "> 100,000" : count(status.tail.dead),
      count(status.counters.answered),
    ];
    values.forEach((value, at) => say(this.figures[at], value));
    this.services.update(status.services);
    [this.rates, this.latency, this.backlog].forEach((plot) => plot.draw());
    this.drawTroubles(troubles(status, this.observing));
  }

  drawTroubles(found) {
    const text = found.join("\n");
    this.look.hidden = found.length === 0;
    if (this.looked !== text) {
      this.looked = text;
      this.look.replaceChildren(
        node("h3", {}, "Needs a look"),
        node("ul", {}, ...found.slice(0, 20).map((sentence) => node("li", {}, sentence))),
      );
    }
  }
}

/* Workers for all services ("*") count for each of them. */
function forAll(status) {
  const all = status.workers.filter((worker) => worker.service === "*").length;
  status.services.forEach((row) => {
    row.workers += all;
  });
}

function sums(status) {
  const add = (member) => status.services.reduce((sum, row) => sum + row[member], 0);
  const ages = status.services.map((row) => row.oldest_waiting_seconds ?? -1);
  return { waiting: add("backlog"), flight: add("in_flight"), oldest: Math.max(-1, ...ages) };
}
