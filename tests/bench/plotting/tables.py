"""The sections of the page, in Markdown."""

from . import load

CAPTION = {
    "sizes": "Answers a second by the size of queries and answers",
    "scaling": "Processor time of the gateway for one query, as one thing grows",
    "disks": "Throughput and latency by what a sync costs",
}
ABSENT = "*Not measured yet.*\n"
TARGET_SIZE = 180


def table(titles, rows):
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def machine(run):
    if not run:
        return ABSENT
    told, chosen = run["machine"], run["options"]
    scale = "" if chosen["scale"] == 1 else f" Counts and times are multiplied with {chosen['scale']:g}."
    return (f"{told['cpu']}, {told['cores']} cores, Linux {told['kernel'].removeprefix('Linux ')}; SQLite "
            f"{told['sqlite']}, libzmq {told['libzmq']}, Tailgate {told['tailgate']}; the database on "
            f"{told['file_system']}. {chosen['rounds']} rounds.{scale}\n")


def bound(target):
    sign = "≥" if target["has_to_be"] == "at least" else "≤"
    if target["against"] is None:
        return f"{sign} {load.shown(target['value'], target['bound'])}"
    slack = f" + {load.shown(target['value'], target['slack'])}" if target["slack"] else ""
    return f"{sign} {target['limit']:g} ×{slack}"


def targets(run):
    if not run:
        return ABSENT
    rows = []
    for figure in run["figures"]:
        if figure["size"] != TARGET_SIZE:
            continue
        for target in figure["targets"]:
            measured = load.value(figure, target["side"], target["value"])
            other = load.value(figure, target["against"], target["against_value"]) if target["against"] else None
            against = (f"{target['against']}, {load.split(target['against_value'])[0]}: "
                       f"{load.spread(target['against_value'], other)}" if other else "")
            rows.append([figure["name"], f"{target['side']}, {load.split(target['value'])[0]}",
                         load.spread(target["value"], measured), against,
                         f"{target['ratio']:.2f}" if other else "", bound(target),
                         "met" if target["met"] else "**missed**"])
    about = "".join(f"- **{figure['name']}**: {figure['about']}\n" for figure in run["figures"]
                    if figure["size"] == TARGET_SIZE and figure["targets"])
    return table(["figure", "what", "median (least – most)", "against", "ratio", "target", ""], rows) + "\n" + about


def sizes(run):
    """What was measured with several sizes."""
    measured = sorted({figure["size"] for figure in run["figures"]}) if run else []
    if len(measured) < 2:
        return ABSENT
    by = {(figure["name"], figure["size"]): figure for figure in run["figures"]}
    rows = []
    for name, first in [(figure["name"], figure) for figure in run["figures"] if figure["size"] == measured[0]]:
        figures = [by.get((name, size)) for size in measured]
        if None in figures:
            continue
        for side in first["sides"]:
            for each in side["values"]:
                found = [load.value(figure, side["name"], each["name"]) for figure in figures]
                rows.append([name, f"{side['name']}, {load.split(each['name'])[0]}",
                             *(load.shown(each["name"], value["median"]) if value else "" for value in found)])
    return table(["figure", "what", *(f"{size:,} bytes" for size in measured)], rows)


def sides(run, first):
    """One table of each figure: its sides in rows, its values in columns."""
    parts = []
    for figure in run["figures"]:
        names = [each["name"] for each in figure["sides"][0]["values"]]
        rows = [[f"{int(side['name']):,}" if side["name"].isdigit() else side["name"], *(load.spread(name, found) if (found := load.value(figure, side["name"], name)) else ""
                                 for name in names)] for side in figure["sides"]]
        parts.append(f"**{figure['name']}**: {figure['about']}\n\n"
                     + table([first, *(load.split(name)[0] for name in names)], rows))
    return "\n".join(parts)


def scaling(run):
    return sides(run, "") if run else ABSENT


def disks(run):
    """One table of each figure: the disks in rows, its values of every side in columns."""
    if not run:
        return ABSENT
    parts = []
    for first in run["disks"][0]["figures"]:
        columns = [(side["name"], each["name"]) for side in first["sides"] for each in side["values"]]
        rows = []
        for disk in run["disks"]:
            figure = next(each for each in disk["figures"] if each["name"] == first["name"])
            rows.append([f"{disk['name']} ({disk['file_system']})",
                         *(load.shown(name, load.value(figure, side, name)["median"]) for side, name in columns)])
        parts.append(f"**{first['name']}**: {first['about']}\n\n"
                     + table(["disk", *(f"{side}, {load.split(name)[0]}" for side, name in columns)], rows))
    return "\n".join(parts)


def instructions(recorded):
    """What tests/instructions/count has recorded."""
    from_versions = ", ".join(version if what in version or what == "compiler" else f"{what} {version}"
                              for what, version in recorded["versions"].items())
    rows = [[part, f"{count:,}"] for part, count in recorded["instructions"].items()]
    return table(["part", "instructions a query"], rows) + f"\nWith {from_versions}.\n"


def profile(run):
    """What tests/bench/profile has shown."""
    if not run:
        return ABSENT
    rows = [[f"{row['share']:.1f} %", f"`{row['function']}`", row["in"]] for row in run["functions"]]
    places = ", ".join(f"{place} {share:.0f} %" for place, share in run["places"].items())
    return (f"{run['queries']:,} queries, answered under {run['tool']}. In all: {places}.\n\n"
            + table(["share", "function", "in"], rows))
