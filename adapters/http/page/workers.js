/* The workers that are connected: filter, order, counts. */
import { options } from "./events.js";
import { Table } from "./table.js";
import { count, duration, identity, many, plain, say, theirs } from "./words.js";

function textColumn(id, title, value) {
  return { id, title, sort: (row) => value(row).toLowerCase(), text: value, show: (row) => theirs(value(row)) };
}

function numberColumn(id, title, value, show = count) {
  return { id, title, number: true, sort: value, show: (row) => show(value(row)) };
}

const COLUMNS = [
  textColumn("name", "Worker", (row) => row.name),
  textColumn("service", "Service", (row) => (row.service === "*" ? "* (all)" : row.service)),
  textColumn("protocol", "Protocol", (row) => row.protocol),
  textColumn("adapter", "Adapter", (row) => row.adapter ?? "–"),
  numberColumn("slots", "Slots", (row) => row.slots),
  numberColumn("flight", "In flight", (row) => row.in_flight),
  numberColumn("served", "Served", (row) => row.served),
  numberColumn(
    "seen",
    "Last seen",
    (row) => row.last_seen_seconds,
    (value) => (value < 1 ? "now" : `${duration(value)} ago`),
  ),
  textColumn("verified", "Verified", (row) => identity(row.verified) || "–"),
];

export class Workers {
  constructor() {
    this.rows = [];
    this.filter = document.getElementById("workers-filter");
    this.service = document.getElementById("workers-service");
    this.told = document.getElementById("workers-count");
    this.table = new Table(document.getElementById("workers-table"), {
      caption: "Workers",
      titled: true,
      columns: COLUMNS,
      none: "No worker is like this.",
      key: (row) => `${row.name}\n${row.service}`,
      sorted: { id: "name", down: false },
    });
    for (const field of [this.filter, this.service]) {
      field.addEventListener("input", () => this.draw());
    }
  }

  take(status) {
    this.rows = status.workers;
  }

  draw() {
    const wanted = this.filter.value.trim().toLowerCase();
    options(
      this.service,
      this.rows.map((row) => row.service),
    );
    const found = this.rows.filter(
      (row) =>
        (!this.service.value || row.service === this.service.value) &&
        (!wanted ||
          COLUMNS.some(
            (column) => typeof column.text === "function" && column.text(row).toLowerCase().includes(wanted),
          )),
    );
    this.table.update(found);
    const busy = found.filter((row) => row.in_flight > 0).length;
    const slots = found.reduce((sum, row) => sum + row.slots, 0);
    const shown = found.length === this.rows.length ? "" : `${count(found.length)} of `;
    say(this.told, `${shown}${many(this.rows.length, "worker")}`);
    this.told.title = plain(`${count(busy)} busy, ${many(slots, "slot")}`);
  }
}
