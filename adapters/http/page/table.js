/* A table that is told its rows again and again and changes only what has changed. On a narrow screen its rows are
 * cards (page.css); the roles say that it is a table all the same. */
import { node } from "./words.js";

/* OPTIONS: caption (titled: a heading says it already), none (what is said without rows), key(row),
 * sorted: { id, down }, and columns: { id, title, number, show(row) → text or node, text(row) → what decides
 * whether the cell is drawn anew (by default the text that is shown), sort(row) }. */
export class Table {
  constructor(where, options) {
    this.options = options;
    this.lines = new Map();
    this.rows = [];
    this.sorted = options.sorted ?? null;
    this.body = node("tbody", { role: "rowgroup" });
    this.heads = options.columns.map((column) => this.head(column));
    this.none = node("p", { class: "none" }, options.none);
    this.table = node(
      "table",
      { role: "table" },
      node("caption", { class: options.titled ? "quiet" : null }, options.caption),
      node("thead", { role: "rowgroup" }, node("tr", { role: "row" }, ...this.heads)),
      this.body,
    );
    where.append(this.table, this.none);
    this.mark();
  }

  head(column) {
    const set = { scope: "col", role: "columnheader", class: column.number ? "number" : null };
    if (!column.sort) {
      return node("th", { ...set, class: `${set.class ?? ""} fixed`.trim() }, column.title);
    }
    const button = node("button", { type: "button", class: "sort" }, column.title);
    button.addEventListener("click", () => {
      const down = this.sorted?.id === column.id ? !this.sorted.down : Boolean(column.number);
      this.sorted = { id: column.id, down };
      this.mark();
      this.update(this.rows);
    });
    return node("th", set, button);
  }

  mark() {
    this.options.columns.forEach((column, at) => {
      if (column.id === this.sorted?.id) {
        this.heads[at].setAttribute("aria-sort", this.sorted.down ? "descending" : "ascending");
      } else {
        this.heads[at].removeAttribute("aria-sort");
      }
    });
  }

  inOrder(rows) {
    const column = this.options.columns.find(({ id }) => id === this.sorted?.id);
    if (!column) {
      return rows;
    }
    const way = this.sorted.down ? -1 : 1;
    return [...rows].sort((a, b) => {
      const [one, other] = [column.sort(a), column.sort(b)];
      return way * (typeof one === "number" ? one - other : one < other ? -1 : one > other ? 1 : 0);
    });
  }

  update(rows) {
    this.rows = rows;
    const wanted = this.inOrder(rows);
    const seen = new Map();
    wanted.forEach((row, at) => {
      const line = this.line(row, seen);
      if (this.body.children[at] !== line.node) {
        this.body.insertBefore(line.node, this.body.children[at] ?? null);
      }
    });
    for (const [key, line] of this.lines) {
      if (!seen.has(key)) {
        line.node.remove();
        this.lines.delete(key);
      }
    }
    this.table.hidden = rows.length === 0;
    this.none.hidden = rows.length > 0;
  }

  /* The line of ROW, made or brought up to date. Names need not be unique: the second one's key says so. */
  line(row, seen) {
    let key = String(this.options.key(row));
    for (let n = 2; seen.has(key); n++) {
      key = `${this.options.key(row)}\n${n}`;
    }
    seen.set(key, true);
    let line = this.lines.get(key);
    if (!line) {
      const cells = this.options.columns.map((column) =>
        node("td", {
          role: "cell",
          class: `${column.number ? "number " : ""}c-${column.id}`,
          "data-title": column.title,
        }),
      );
      line = { node: node("tr", { role: "row" }, ...cells), cells, texts: [] };
      this.lines.set(key, line);
    }
    this.options.columns.forEach((column, at) => this.cell(line, column, at, row));
    return line;
  }

  cell(line, column, at, row) {
    const text = column.text ? column.text(row) : column.show(row);
    if (line.texts[at] === text) {
      return;
    }
    line.texts[at] = text;
    line.cells[at].replaceChildren(column.text ? column.show(row) : text);
  }
}
