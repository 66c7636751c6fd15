"""The pictures, as SVG texts that are the same for the same numbers: no date, no random ids, fixed margins."""

import io

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "tailgate", "svg.fonttype": "none", "font.size": 9, "axes.grid": True,
                            "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})

from matplotlib import pyplot, ticker  # noqa: E402: the backend comes first

from . import load  # noqa: E402


def as_svg(figure):
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def canvas(rows, columns):
    figure, axes = pyplot.subplots(rows, columns, figsize=(3.4 * columns, 2.6 * rows), squeeze=False)
    figure.subplots_adjust(left=0.6 / (3.4 * columns), right=0.98, bottom=0.5 / (2.6 * rows),
                           top=1 - 0.3 / (2.6 * rows), wspace=0.25, hspace=0.5)
    return figure, [axis for row in axes for axis in row]


def line(axis, points, label):
    """POINTS: [(x, {"median", "least", "most"})], with bars from least to most."""
    medians = [measured["median"] for _, measured in points]
    spreads = [[measured["median"] - measured["least"] for _, measured in points],
               [measured["most"] - measured["median"] for _, measured in points]]
    axis.errorbar([x for x, _ in points], medians, yerr=spreads, marker="o", markersize=3, linewidth=1.2, capsize=2,
                  label=label)


def count_off(axis, numbers):
    """The axis below has exactly these NUMBERS, which are far apart or begin with 0."""
    axis.set_xscale("symlog" if min(numbers) == 0 else "log")
    axis.set_xticks(numbers)
    axis.xaxis.set_major_formatter(lambda number, _: f"{number / 1e6:g}M" if number >= 1e6 else
                                   f"{number / 1000:g}k" if number and number % 1000 == 0 else f"{number:,g}")
    axis.xaxis.set_minor_locator(ticker.NullLocator())


def finish(axis, title, bottom, left, labels):
    axis.set_title(title, fontsize=9, loc="left")
    axis.set_xlabel(bottom, labelpad=1)
    axis.set_ylabel(left)
    axis.set_ylim(bottom=0)
    axis.yaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    if labels:
        axis.legend(frameon=False, fontsize=8)


def rate_of(figure):
    """The name of its rate that is to keep up with a bare limit's; None: it has none."""
    return next((target["value"] for target in figure["targets"]
                 if target["value"].endswith("_per_s") and target["against"]), None)


def sizes(run):
    """Each figure that has a rate, by size; None when there was one size only."""
    measured = sorted({figure["size"] for figure in run["figures"]})
    rates = {}
    for figure in run["figures"]:
        name = rate_of(figure)
        for side in figure["sides"] if name else []:
            value = load.value(figure, side["name"], name)
            if value:
                rates.setdefault(figure["name"], {}).setdefault(side["name"], []).append((figure["size"], value))
    if len(measured) < 2 or not rates:
        return None
    picture, axes = canvas(1, len(rates))
    for axis, (name, by_side) in zip(axes, rates.items()):
        for side, points in by_side.items():
            line(axis, sorted(points, key=lambda point: point[0]), side)
        count_off(axis, measured)
        finish(axis, name, "bytes", "a second", True)
    return as_svg(picture)


def cost_of(figure):
    """The name of the value that says what a query costs: the first that is processor time."""
    return next((each["name"] for each in figure["sides"][0]["values"] if "cpu" in each["name"]),
                figure["sides"][0]["values"][0]["name"])


def scaling(run):
    """One picture of each figure: its sides are what grows ("100,000"), from left to right."""
    figures = run["figures"]
    columns = min(3, len(figures))
    picture, axes = canvas(-(-len(figures) // columns), columns)
    for axis, figure in zip(axes, figures):
        name = cost_of(figure)
        points = [(load.number(side["name"]), load.value(figure, side["name"], name)) for side in figure["sides"]]
        line(axis, points, None)
        count_off(axis, sorted({x for x, _ in points}))
        words, unit = load.split(name)
        finish(axis, figure["name"].removeprefix("scale-"), "", f"{words}, {unit}", False)
    for axis in axes[len(figures):]:
        axis.set_visible(False)
    return as_svg(picture)


def disks(run):
    """One picture of each figure that has a target: the value that has one, by what a sync costs more."""
    delayed = [disk for disk in run["disks"] if disk["name"] != "memory"]
    figures = [figure for figure in delayed[0]["figures"] if figure["targets"]]
    picture, axes = canvas(1, len(figures))
    for axis, first in zip(axes, figures):
        target = first["targets"][0]
        pairs = [(target["side"], target["value"])]
        if target["against"]:
            pairs.insert(0, (target["against"], target["against_value"]))
        for side, name in pairs:
            points = [(disk["delay_us"] / 1000, load.value(figure, side, name)) for disk in delayed
                      for figure in disk["figures"] if figure["name"] == first["name"]]
            line(axis, points, side)
        count_off(axis, [x for x, _ in points])
        words, unit = load.split(target["value"])
        finish(axis, first["name"], "ms that a sync takes longer", f"{words}, {unit}", True)
    return as_svg(picture)
