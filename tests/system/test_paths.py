"""Names with blanks and letters, folders that cannot be written, paths too long for a socket."""

import os
import shutil

import pytest

from harness import Bridge, Gateway, TAILGATE, endpoint_of, environment, finished, one_line, tailgate, wait_for


@pytest.mark.parametrize("name", ["with blanks.db", "mit Ümläuten ß.db", "日本語.db", "it's \"quoted\".db",
                                  "tab\there.db", "#?%20&=.db", "-dash.db", ".hidden", "no-suffix"])
def test_any_name_of_the_file_is_served(site, name):
    folder = site.folder / "a b ü"
    folder.mkdir()
    bridge = site.bridge(folder / name, by="tailgate" if not name.startswith("-") else "python")
    site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))
    finished(site.writer(bridge, count=1))
    bridge.wait_replies(2)
    assert tailgate("status", "--db", bridge.path, "--json").returncode == 0
    done = tailgate("ask", "--db", bridge.path, "by name?", timeout=60)
    assert done.returncode == 0 and "re: by name?" in done.stdout
    bridge.check_exactly_once()


def test_name_that_is_not_utf8_is_served_or_refused_in_one_line(site):
    raw = os.fsencode(site.folder) + b"/bad \xff name.db"
    Bridge(os.fsdecode(raw))
    gateway = site.serve(os.fsdecode(raw), wait=False)
    wait_for(lambda: gateway.events("serving") or not gateway.running(), "it to serve or to refuse")
    if not gateway.events("serving"):
        assert gateway.wait() in (1, 6)
        assert len(gateway.stderr.lines) == 1


def nobody(program):
    """Words in front of PROGRAM that run it without root's rights."""
    if os.geteuid() != 0:
        return [], program
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"], program


def test_read_only_folder_is_a_clear_error(site):
    folder = site.folder / "ro"
    folder.mkdir()
    bridge = site.bridge(folder / "bridge.db")
    program = site.folder / "tailgate"  # where an ordinary user may run it, wherever the build is
    shutil.copy(TAILGATE, program)
    os.chmod(site.folder, 0o755)
    os.chmod(program, 0o755)
    os.chmod(bridge.path, 0o444)
    os.chmod(folder, 0o555)
    prefix, program = nobody(program)
    try:
        gateway = Gateway(bridge.path, wait=False, prefix=prefix, program=program, cwd="/",
                          env=environment(HOME="/"), log_format="human")
        code = gateway.wait()
        lines = [line for line in gateway.stderr.lines if line.strip()]
        assert code == 1, (code, lines)
        assert len(lines) <= 2 and str(folder) in lines[-1], lines
        assert any(word in lines[-1].lower() for word in ("permission", "write", "writable", "read-only"))
    finally:
        os.chmod(folder, 0o755)


def long_bridge(site):
    folder = site.folder / ("l" * 90)
    folder.mkdir()
    bridge = site.bridge(folder / "bridge.db")
    assert len(bridge.gate) - len("ipc://") > 107
    return bridge


def test_socket_path_beyond_107_bytes_names_the_limit_and_the_option(site):
    bridge = long_bridge(site)
    done = tailgate("serve", "--db", bridge.path)
    assert done.returncode in (1, 2), (done.returncode, done.stderr)
    line = one_line(done)
    assert "107" in line and "--gate" in line


def test_long_path_works_with_a_gate_and_clients_find_it_by_db(site):
    bridge = long_bridge(site)
    endpoint = f"ipc://{site.folder}/g"
    site.serve(bridge, "--gate", endpoint)
    site.answerer(endpoint_of(endpoint))
    bridge.reply(bridge.ask("?"))
    assert tailgate("status", "--db", bridge.path, "--json").returncode == 0
    done = tailgate("ask", "--db", bridge.path, "far away?")
    assert done.returncode == 0 and "re: far away?" in done.stdout
    bridge.check_exactly_once(2)


def test_gate_endpoint_beyond_107_bytes_is_refused_by_name(site):
    bridge = site.bridge()
    done = tailgate("serve", "--db", bridge.path, "--gate", f"ipc://{site.folder}/{'x' * 100}")
    assert done.returncode in (1, 2)
    assert "107" in one_line(done)


def test_path_of_exactly_107_bytes_works(site):
    rest = 107 - len(str(site.folder)) - len("//b-gate/gate")
    folder = site.folder / ("e" * rest)
    folder.mkdir()
    bridge = site.bridge(folder / "b")
    assert len(bridge.gate) - len("ipc://") == 107
    site.serve(bridge)
    site.answerer(bridge)
    bridge.reply(bridge.ask("?"))


def test_folder_and_socket_are_for_their_owner_alone(site):
    bridge = site.bridge()
    os.chmod(bridge.path, 0o600)
    site.serve(bridge)
    folder = f"{bridge.path}-gate"
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert os.stat(f"{folder}/gate").st_mode & 0o077 == 0
