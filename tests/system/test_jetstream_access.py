"""`tailgate jetstream`: the streams that setup makes, who is let in, and what is said when something is missing."""

import json
import re
import shutil
import subprocess

import pytest

from harness import TAILGATE_WORK, Program, one_line, tailgate
from jetstreams import Wire, bridge_at, far  # noqa: F401  (a fixture)
from keys import World, keygen
from nkeys import Authority

REFUSED = "does not let our key in.*allow-list"


def test_setup_run_again_changes_nothing_and_applies_what_differs(far):
    far.server()
    services = ("law", "a b", "*odd*")
    first = far.made(services=services)
    assert [thing["done"] for thing in first["done"]] == ["made"] * 7
    names = [thing["stream"] for thing in first["done"] if "stream" in thing]
    assert names[0] == "tailgate-q-law" and names[-1] == "tailgate-r"
    assert all(len(name) == len("tailgate-q-=") + 32 for name in names[1:3])
    assert {thing["done"] for thing in far.made(services=services)["done"]} == {"unchanged"}
    changed = [thing for thing in far.made("--max-age", "2h", services=services)["done"] if "stream" in thing]
    assert {(thing["done"], thing["differs"]) for thing in changed} == {("changed", "max-age 86400 -> 7200 s")}
    said = far.setup("--ack-wait", "9s", services=services).stdout
    assert said.count("changed: max-age 7200 -> 86400 s") == 4 and said.count("changed: ack-wait 2 -> 9 s") == 3
    refused = far.setup("--replicas", "3", services=services)
    assert refused.returncode == 1 and "--replicas: that server is in no cluster" in one_line(refused)
    assert first["max_payload"] == 1 << 20
    assert "max_payload" in one_line(far.setup())


def test_setup_leaves_a_strangers_stream_alone(far):
    server = far.server()
    with Wire(server) as wire:
        wire.request("$JS.API.STREAM.CREATE.tailgate-q-law",
                     {"name": "tailgate-q-law", "subjects": ["tailgate.q.law"], "retention": "limits"})
        done = far.setup()
        assert done.returncode == 1 and "no work queue" in one_line(done)
        wire.request("$JS.API.STREAM.CREATE.tailgate-q-tax", {"name": "tailgate-q-tax", "subjects": ["tailgate.q.tax"],
                                                              "retention": "workqueue", "storage": "memory"})
        done = far.setup(services=("tax",))
        assert done.returncode == 1 and "not kept in files" in one_line(done)


def test_tls_and_passwords(site, far):
    cert, key = site.folder / "cert.pem", site.folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=nats", "-addext",
                    "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    server = far.server(config=f'tls {{ cert_file: "{cert}", key_file: "{key}" }}\n'
                               f'authorization {{ user: "u", password: "s3cret-word" }}', scheme="tls")
    far.options = ["--ca", str(cert)]
    done = far.setup()
    assert done.returncode == 1 and "authoriz" in one_line(done).lower()
    server.user = "u:s3cret-word@"
    far.made()
    bridge = bridge_at(site)
    programs = [far.publish(bridge), far.serve("h1")]
    far.work("h1", "--echo")
    bridge.reply(bridge.ask("in private"))
    for program in programs:
        assert "s3cret" not in program.stderr.text()
    far.options = []  # the system's own authorities have not signed that
    done = far.setup()
    assert done.returncode == 1 and "s3cret" not in one_line(done)


def test_credentials_of_a_user_let_in_and_those_of_a_stranger_do_not(site, far):
    authority = Authority()
    far.server(config=authority.config())
    far.options = ["--creds", str(authority.creds(site.folder / "user.creds"))]
    far.made()
    bridge = bridge_at(site)
    far.publish(bridge)
    far.serve("h1")
    far.work("h1", "--echo")
    bridge.reply(bridge.ask("in private"))
    far.options = ["--creds", str(Authority().creds(site.folder / "strange.creds"))]
    done = far.setup()
    assert done.returncode == 1 and "authorization" in one_line(done).lower()
    refused = far.publish(bridge, "--name", "stranger").wait_event("refused", **{"from": "nats"})
    assert "authorization" in refused["say"].lower()
    assert "uthorization" in far.serve("h2").wait_event("refused-there")["why"]


@pytest.mark.parametrize("option", ["creds", "tls-key"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_secrets_that_others_can_read_are_refused(site, option, mode):
    path = site.folder / "secret"
    path.write_text("")
    path.chmod(mode)
    words = ["--tls-cert", path, "--tls-key", path] if option == "tls-key" else ["--creds", path]
    for command in (["setup"], ["publish", "--gate", f"ipc://{site.folder}/g"],
                    ["serve", "--gate", f"ipc://{site.folder}/h"]):
        done = tailgate("jetstream", *command, "--service", "law", "--nats", "nats://127.0.0.1:1", *words)
        assert done.returncode == 1 and f"--{option} {path}: " in one_line(done) and "chmod 600" in done.stderr


def test_what_a_user_may_not_publish_to_is_said(site, far):
    authority = Authority()
    far.server(config=authority.config())
    far.options = ["--creds", str(authority.creds(site.folder / "user.creds"))]
    far.made()
    far.options = ["--creds", str(authority.creds(site.folder / "less.creds", deny=["tailgate.q.>"]))]
    bridge = bridge_at(site)
    publisher = far.publish(bridge)
    bridge.ask("may I?")
    line = publisher.wait_event("refused", **{"from": "nats"})
    assert "ermission" in line["say"] and "tailgate.q.law" in line["say"] and not publisher.events("disconnected")


def keyed_publish(far, world, cert):
    return far.program("jetstream", "publish", "--gate", world.gate, "--cert", cert, "--server-cert",
                       world.dir / "gateway.cert", "--service", "default", *far.urls(), "--log-format", "json")


def keyed_work(far, gate, cert, own):
    return far.started(Program([TAILGATE_WORK, "--gate", gate, "--cert", cert, "--server-cert", own / "gateway.cert",
                                "--name", "far", "--log-format", "json", "--echo"]))


def test_keys_at_the_gateway_and_at_the_host_let_their_own_in_and_nobody_else(site, far):
    far.server()
    far.made(services=("default",))
    world, own = World(site), site.folder / "own"
    world.serve()
    keygen("--gateway", own)
    far.serve("h1", "--gate", "tcp://127.0.0.1:*", "--curve", own, service="default")
    doors = json.loads(tailgate("status", "--gate", far.gate("h1"), "--json").stdout)["relay"]["doors"]
    gate = next(row["endpoint"] for row in doors if row["security"] == "curve")
    cert = {name: site.folder / f"{name}.cert" for name in ("publisher", "worker")}
    for made in cert.values():
        keygen(made, "--role", "worker", "--name", made.stem)
    publisher, worker = keyed_publish(far, world, cert["publisher"]), keyed_work(far, gate, cert["worker"], own)
    assert re.search(REFUSED, publisher.wait_event("refused", **{"from": "gateway"})["say"])
    worker.wait_line(REFUSED)
    asked = world.bridge.ask("with keys?")
    shutil.copy(cert["publisher"], world.dir / "worker")
    shutil.copy(cert["worker"], own / "worker")
    metadata = world.bridge.reply(asked)["metadata"]
    assert (metadata["worker"], metadata["verified"]["name"]) == ("far", "publisher")


def test_a_server_without_jetstream_is_told_from_one_that_is_not_there(site, far):
    server = far.server(jetstream=False)
    done = far.setup()
    assert done.returncode == 1 and "JetStream is not enabled" in one_line(done)
    bridge = bridge_at(site)
    publisher, host = far.publish(bridge), far.serve("h1")
    site.mdp(far.gate("h1"), "law")
    assert "not enabled" in host.wait_event("refused-there")["why"]
    bridge.ask("anybody?")
    assert "not enabled" in publisher.wait_event("not-stored")["error"]
    server.kill()
    done = far.setup()
    assert done.returncode == 1 and "no NATS server answers" in one_line(done)


@pytest.mark.parametrize("words, why", [
    ((), "setup, publish or serve"),
    (("setup", "--service", "law"), "--nats"),
    (("setup", "--nats", "http://u:pw@h", "--service", "law"), "***@h"),
    (("setup", "--nats", "nats://h:1", "--service", "*"), "name the service"),
    (("setup", "--nats", "nats://h:1"), "--service"),
    (("setup", "--nats", "nats://h:1", "--service", "x", "--prefix", "a.b"), "--prefix"),
    (("publish", "--service", "law", "--nats", "nats://h:1"), "--db FILE or --gate"),
    (("publish", "--gate", "ipc:///tmp/x", "--nats", "nats://h:1"), "--service"),
    (("publish", "--gate", "ipc:///tmp/x", "--service", "l", "--nats", "nats://h:1", "--tls-cert", "x"), "--tls-key"),
    (("publish", "--gate", "ipc:///tmp/x", "--service", "l", "--nats", "nats://h:1", "--name", "a\nb"), "--name"),
    (("serve", "--service", "law", "--nats", "nats://h:1"), "--gate"),
    (("serve", "--gate", "ipc:///tmp/x", "--nats", "nats://h:1"), "--service"),
    (("serve", "--gate", "ipc:///tmp/x", "--service", "l", "--nats", "nats://h:1", "more"), "more"),
])
def test_wrong_words_are_refused_in_one_line(words, why):
    done = tailgate("jetstream", *words)
    assert done.returncode == 2 and why in one_line(done)


def test_each_command_explains_itself():
    for words in ([], ["setup"], ["publish"], ["serve"]):
        done = tailgate("jetstream", *words, "--help")
        assert done.returncode == 0 and "--" in done.stdout
