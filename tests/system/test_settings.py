"""The settings file: the example says the defaults, the manual says what the program says, and what is an option of
`tailgate serve` can stand in the file."""

import re
import signal
from pathlib import Path

import pytest

from harness import one_line, tailgate, wait_for

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "deploy" / "tailgate.cfg"
PAGE = (ROOT / "deploy" / "man" / "tailgate.cfg.5").read_text(encoding="utf-8")


def printed(*words):
    done = tailgate("serve", *words, "--print-config")
    assert done.returncode == 0, done.stderr
    return done.stdout


def keys(text):
    """{key: (default, values, when it holds)} of what --print-config prints."""
    found = re.findall(r"^# \((?:option, )?default ([^)]*)\) (.*?); (?:may be repeated; )?"
                       r"((?:also|SIGHUP|holds) [^\n]*)\n(?:# )?([a-z._]+) =", text, re.MULTILINE)
    return {key: (default, values, when) for default, values, when, key in found}


def test_example_says_the_defaults_and_every_key():
    assert EXAMPLE.read_text(encoding="utf-8").split("\n\n", 1)[1] == printed()
    assert printed("-c", EXAMPLE) == printed()


def test_printed_settings_say_everything_of_every_key():
    text = printed()
    known = keys(text)
    assert len(known) == len(re.findall(r"^(?:# )?[a-z._]+ =", text, re.MULTILINE)) > 30
    assert known["lease"] == ("10m", "a duration from 100ms to 1d", "also service.NAME.KEY; SIGHUP reloads it")
    assert known["commit.duty"] == ("50", "a number from 1 to 100 (percent)", "holds from the next start")


def kinds(values):
    """The VALUES of a key as the manual says them."""
    return "One of " + values.replace("|", ", ") if "|" in values else values[0].upper() + values[1:]


def test_manual_has_every_key_with_default_unit_range_and_when_it_holds():
    told = re.findall(r"^\.It Cm ([a-z._]+)(?: = Ar \w+)?\nDefault (.*)\.\n([A-Z].*)\.\n([A-Z].*)\.\n(?!\.It)",
                      PAGE, re.MULTILINE)
    when = {"also service.NAME.KEY; SIGHUP reloads it": "Reloaded, and for one service",
            "SIGHUP reloads it": "Reloaded", "holds from the next start": "From the next start"}
    expected = {key: [default, kinds(values), when[holds]] for key, (default, values, holds) in keys(printed()).items()}
    assert {key: rest for key, *rest in told} == expected


@pytest.mark.parametrize("line, hint", [
    ("leese = 3m", "did you mean lease?"),
    ("backoff\n    frist = 1s", "did you mean backoff.first?"),
    ("bakcoff\n    first = 1s", "did you mean backoff.first?"),
    ("service\n    render\n        atempts = 3", "did you mean service.render.attempts?"),
    ("service.render.claim = reply", "claim is the same for all services"),
    ("gates = ipc://x", "did you mean gate?"),
    ("lease = 3 weeks", "a duration from 100ms to 1d, such as 500ms, 10s, 5m or 2h"),
    ("commit.duty = 101", "a number from 1 to 100 (percent)"),
    ("backlog = drop", "serve|skip"),
    ("gate =", "is neither ipc://PATH nor tcp://ADDRESS:PORT"),
])
def test_wrong_line_says_what_is_right(site, line, hint):
    path = site.folder / "tailgate.cfg"
    path.write_text(line + "\n")
    done = tailgate("serve", "--db", site.folder / "none.db", "-c", path)
    assert done.returncode == 2 and hint in one_line(done)
    assert not (site.folder / "none.db-gate").exists()


def test_gateway_is_configured_by_its_file_alone(site):
    bridge = site.bridge()
    path = site.folder / "tailgate.cfg"
    path.write_text(f'gate = "ipc://{site.folder}/one"\ngate = "ipc://{site.folder}/two"\n'
                    f'events = "ipc://{site.folder}/feed"\n    bodies = off\n'
                    'work = "--name beside --echo"\nlog.format = json\nlog.level = debug\ndrain.timeout = 3s\n')
    program = site.program("serve", "--db", bridge.path, "-c", path)
    program.wait_event("serving")
    for name in ("one", "two"):
        site.mdp(f"ipc://{site.folder}/{name}", "other")
    assert (site.folder / "feed").is_socket()
    assert bridge.reply(bridge.ask("who?"))["metadata"]["worker"] == "beside"
    program.signal(signal.SIGTERM)
    assert program.wait() == 0


def test_option_wins_over_the_file(site):
    path = site.folder / "tailgate.cfg"
    path.write_text("gate = ipc://a\ngate = ipc://b\nlog.format = json\ncurve = keys\nstandby = on\n")
    text = printed("-c", path, "--gate", "ipc://c", "--log-format", "human")
    assert re.findall(r"^gate = (.*)$", text, re.MULTILINE) == ['"ipc://c"']
    assert 'log.format = "human"' in text and 'curve = "keys"' in text and "standby = on" in text
    assert re.findall(r"^gate = (.*)$", printed("-c", path), re.MULTILINE) == ['"ipc://a"', '"ipc://b"']


def test_endpoint_of_the_file_is_checked_as_one_of_the_command_line(site):
    path = site.folder / "tailgate.cfg"
    path.write_text("gate = tcp://0.0.0.0:5555\n")
    done = tailgate("serve", "--db", site.folder / "none.db", "-c", path)
    assert done.returncode == 2 and "--insecure" in one_line(done)


def test_reload_says_that_options_hold_after_a_restart(site):
    bridge = site.bridge()
    path = site.folder / "tailgate.cfg"
    path.write_text(f"gate = ipc://{site.folder}/one\n")
    gateway = site.serve(bridge, "-c", path)
    path.write_text(f"gate = ipc://{site.folder}/two\nstandby = on\n")
    gateway.signal(signal.SIGHUP)
    wait_for(lambda: len(gateway.events("reload")) == 2, "the gateway to say what has changed")
    told = {entry["key"]: (entry["was"], entry["now"], entry["say"]) for entry in gateway.events("reload")}
    say = "its new value holds after a restart only"
    assert told == {"gate": (f"ipc://{site.folder}/one", f"ipc://{site.folder}/two", say),
                    "standby": ("off", "on", say)}
    assert not (site.folder / "two").exists()


def test_standby_of_the_file_takes_over_with_its_own_endpoints(site):
    bridge = site.bridge()
    path = site.folder / "tailgate.cfg"
    path.write_text(f"standby = on\nlog.format = json\ndrain.timeout = 3s\ngate = ipc://{site.folder}/mine\n")
    first = site.serve(bridge)
    second = site.program("serve", "--db", bridge.path, "-c", path)
    second.wait_event("standby")
    path.write_text("standby = on\nlog.format = json\ndrain.timeout = 3s\nattempts = 2\n")
    first.stop()
    second.wait_event("serving")
    site.mdp(f"ipc://{site.folder}/mine", "other")  # what was checked at the start is what counts
    second.signal(signal.SIGTERM)
    assert second.wait() == 0
