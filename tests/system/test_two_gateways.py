"""One database, one gateway: the second says who has it and leaves."""

import os
import re
import signal

import pytest

from harness import one_line, tailgate


def refused(gateway, name):
    done = tailgate("serve", "--db", name)
    assert done.returncode == 5, (done.returncode, done.stderr)
    line = one_line(done)
    assert re.search(rf"\b{gateway.pid}\b", line), f"no pid {gateway.pid}: {line}"
    assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d", line), f"no since: {line}"


def test_second_gateway_names_pid_and_since_and_exits_with_5(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    site.answerer(bridge)
    for _ in range(3):
        refused(gateway, bridge.path)
    bridge.reply(bridge.ask("still served?"))


@pytest.mark.parametrize("kind", ["file link", "folder link", "dots", "relative"])
def test_another_name_of_the_same_file_is_the_same_bridge(site, kind):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    name = site.folder / "other"
    if kind == "file link":
        name.symlink_to(bridge.path)
    elif kind == "folder link":
        name.symlink_to(site.folder)
        name = name / bridge.path.name
    elif kind == "dots":
        (site.folder / "sub").mkdir()
        name = f"{site.folder}/sub/../{bridge.path.name}"
    else:
        name = os.path.relpath(bridge.path)
    refused(gateway, name)
    # And clients find the gateway under that name too.
    assert tailgate("status", "--db", name, "--json").returncode == 0


def test_gateway_started_under_a_link_is_found_under_the_real_name(site):
    bridge = site.bridge()
    link = site.folder / "link.db"
    link.symlink_to(bridge.path)
    gateway = site.serve(link)
    refused(gateway, bridge.path)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    assert not os.path.exists(f"{link}-gate")


def test_after_kill_9_of_the_first_the_second_starts(site):
    bridge = site.bridge()
    first = site.serve(bridge)
    worker = site.mdp(bridge)
    bridge.ask("?")
    worker.request()
    first.kill()
    site.serve(bridge)
    site.answerer(bridge)
    bridge.wait_replies(1)
    bridge.check_exactly_once(1)


def test_stopped_gateway_still_holds_its_bridge(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    gateway.signal(signal.SIGSTOP)
    try:
        refused(gateway, bridge.path)
    finally:
        gateway.signal(signal.SIGCONT)


def test_two_bridges_in_one_folder_have_a_gateway_each(site):
    one, two = site.bridge("one.db"), site.bridge("two.db")
    for bridge in (one, two):
        site.serve(bridge)
        site.answerer(bridge)
    for bridge in (one, two):
        bridge.reply(bridge.ask("?"))
        bridge.check_exactly_once(1)


def test_file_with_two_hard_links_is_refused(site):
    """SQLite would keep a -wal for each of the two names, and the file would be lost."""
    bridge = site.bridge()
    os.link(bridge.path, site.folder / "second.db")
    done = tailgate("serve", "--db", bridge.path)
    assert done.returncode == 6
    assert "link" in one_line(done)
