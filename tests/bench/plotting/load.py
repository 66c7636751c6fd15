"""The JSON files, and numbers as people read them."""

import json
import re

# As in gateway/bench/bench_table.c: units are at the ends of names.
UNITS = (("_us", "µs"), ("_ms", "ms"), ("_per_s", "/s"), ("_s", "s"), ("_bytes", "MB"), ("_percent", "%"))


def run(path):
    """What is in PATH; None when there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def sort(figures, scaling):
    """Both, with what a run of all figures has of the second moved there."""
    def those(run, scales):
        return [each for each in run["figures"] if each["name"].startswith("scale-") == scales]

    if figures and not scaling and those(figures, True):
        scaling = {**figures, "figures": those(figures, True)}
    return figures and {**figures, "figures": those(figures, False)}, scaling


def split(name):
    """A value's name without its unit, and that."""
    for end, unit in UNITS:
        if name.endswith(end):
            return name[:-len(end)].replace("_", " "), unit
    return name.replace("_", " "), ""


def value(figure, side, name):
    """{"median", "least", "most", …}; None when it was not measured."""
    for each in figure["sides"]:
        if each["name"] == side:
            return next((found for found in each["values"] if found["name"] == name), None)
    return None


def digits(number):
    """Three digits, as many as a measurement is worth; all of a large number."""
    size = abs(number)
    decimals = 0 if size >= 100 or number == int(number) else 1 if size >= 10 else 2 if size >= 0.1 else 3
    return f"{number:,.{decimals}f}"


def scaled(name, number):
    """(divisor, unit) by which a NUMBER of the value NAME is shown."""
    unit = split(name)[1]
    if unit == "MB":
        return 1e6, " MB"
    if unit == "µs" and abs(number) >= 1000:
        return 1000, " ms"
    return 1, unit if unit in ("", "/s", "%") else f" {unit}"


def shown(name, number):
    """NUMBER of the value NAME with its unit."""
    divisor, unit = scaled(name, number)
    return digits(number / divisor) + unit


def spread(name, measured):
    """Median with least and most."""
    divisor, unit = scaled(name, measured["median"])
    median, least, most = (digits(measured[which] / divisor) for which in ("median", "least", "most"))
    return f"{median}{unit} ({least} – {most})"


def number(text):
    """The first number in TEXT, "100,000" or "1 ms"; None when there is none."""
    found = re.search(r"\d[\d,]*(?:\.\d+)?", text)
    return float(found[0].replace(",", "")) if found else None
