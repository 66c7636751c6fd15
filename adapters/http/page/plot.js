/* A line plot of the last minutes, drawn as SVG. Its words and numbers are HTML, so that they do not stretch. */
import { node, say } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const SECONDS = 300;
const GAP = 10; // seconds without a value are no line
const WIDTH = 600;
const HEIGHT = 100;

function svg(name, set) {
  const made = document.createElementNS(SVG, name);
  Object.entries(set).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}

/* The next of 1, 2, 4, 6, 10, 20 … (half of it is round, too) that is not below TOP. */
function roundUp(top) {
  const power = 10 ** Math.floor(Math.log10(top));
  return [1, 2, 4, 6, 10].map((step) => step * power).find((step) => step >= top * 0.999);
}

/* OPTIONS: title, lowest (the scale ends no lower), unit(value) → text, lines: [{ id, title }], at most three. */
export class Plot {
  constructor(where, options) {
    this.options = options;
    this.points = []; // { at, <id>: value or null }
    this.picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    [0.5, HEIGHT / 2, HEIGHT - 0.5].forEach((y) =>
      this.picture.append(svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y })),
    );
    this.paths = options.lines.map((_, at) => svg("path", { class: `line line-${at}` }));
    this.picture.append(...this.paths);
    this.values = options.lines.map(() => node("b", {}, "–"));
    this.top = node("span", {});
    this.half = node("span", {});
    where.append(
      node(
        "figure",
        { class: "card plot" },
        node("figcaption", {}, node("h3", {}, options.title), this.legend()),
        node(
          "div",
          { class: "field" },
          this.picture,
          node("div", { class: "scale", "aria-hidden": "true" }, this.top, this.half, node("span", {}, "0")),
        ),
        node("div", { class: "times", "aria-hidden": "true" }, node("span", {}, "5 min ago"), node("span", {}, "now")),
      ),
    );
    this.draw();
  }

  legend() {
    return node(
      "ul",
      { class: "legend" },
      ...this.options.lines.map((line, at) =>
        node(
          "li",
          {},
          node("span", { class: `key key-${at}`, "aria-hidden": "true" }),
          `${line.title} `,
          this.values[at],
        ),
      ),
    );
  }

  clear() {
    this.points = [];
  }

  /* VALUES at AT (seconds, rising, unless the helper's computer has been started anew); one that is no number is a
   * gap. */
  add(at, values) {
    if (at < this.points.at(-1)?.at) {
      this.clear();
    }
    this.points.push({ at, ...values });
    while (this.points.length && this.points[0].at < at - SECONDS) {
      this.points.shift();
    }
  }

  draw() {
    const { lines, unit, lowest } = this.options;
    const all = this.points.flatMap((point) => lines.map(({ id }) => point[id])).filter(Number.isFinite);
    const top = roundUp(Math.max(lowest, ...all));
    const now = this.points.at(-1)?.at ?? 0;
    lines.forEach(({ id }, at) => {
      this.paths[at].setAttribute("d", this.path(id, top, now));
      say(this.values[at], unit(this.points.at(-1)?.[id] ?? NaN));
    });
    say(this.top, unit(top));
    say(this.half, unit(top / 2));
    this.picture.setAttribute("aria-label", this.spoken());
  }

  path(id, top, now) {
    let pen = "M";
    let path = "";
    let before = 0;
    for (const point of this.points) {
      pen = point.at - before > GAP ? "M" : pen;
      before = point.at;
      if (!Number.isFinite(point[id])) {
        pen = "M";
        continue;
      }
      const x = WIDTH * (1 - (now - point.at) / SECONDS);
      const y = HEIGHT - 1 - (HEIGHT - 2) * (point[id] / top);
      path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    }
    return path;
  }

  spoken() {
    const { lines, unit, title } = this.options;
    const said = lines.map(({ id, title: name }) => {
      const values = this.points.map((point) => point[id]).filter(Number.isFinite);
      return values.length
        ? `${name}: ${unit(values.at(-1))} now, between ${unit(Math.min(...values))} and ${unit(Math.max(...values))}`
        : `${name}: not known yet`;
    });
    return `${title}, last 5 minutes. ${said.join(". ")}.`;
  }
}
