"""What the tests of `tailgate doctor` share: what it said, for a program and (with pytest -s) for a person."""

import json

from harness import environment, tailgate


def doctor(bridge, *words, **keywords):
    return tailgate("doctor", "--db", bridge.path, *words, **keywords)


def told(bridge, *words, **keywords):
    """The JSON object; a report is had whether or not there is a problem."""
    done = doctor(bridge, "--json", *words, **keywords)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert done.returncode == (1 if report["worst"] == "problem" else 0)
    return report


def findings(report, check, result=None):
    return [finding for finding in report["checks"]
            if finding["check"] == check and result in (None, finding["result"])]


def complaint(bridge, check, result, *words, **keywords):
    """The one finding of CHECK with that RESULT, which says what to do."""
    report = told(bridge, *words, **keywords)
    show(report)
    found = findings(report, check, result)
    assert len(found) == 1, found
    assert found[0]["do"] or found[0]["fix"] == "done"
    return found[0]


def show(report):
    """What is not ok, as a person sees it."""
    print()
    for finding in report["checks"]:
        if finding["result"] != "ok" and finding["check"] != "sqlite":
            print(f"{finding['result']:8} {finding['check']:14} {finding['what']}")
            print(f"{'do: ':>24}{finding['do']}")


def reasons(report):
    """{reason: (word, ids)} of unread rows."""
    return {finding["reason"]: (finding.get("word"), finding["ids"]) for finding in findings(report, "unread")
            if "reason" in finding}


def preloading(shim):
    """The environment of a program that is to find SHIM before the C library."""
    options = environment()["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
    return environment(LD_PRELOAD=str(shim), ASAN_OPTIONS=options)
