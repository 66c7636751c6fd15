"""tailgate-http: HTTP for whoever watches over a gateway, or asks it. Here what all its parts share: the door,
who may come in, health, and how little it takes to end badly."""

import contextlib
import http.client
import os
import re
import resource
import select
import shutil
import signal
import socket
import stat
import tempfile
import time

import pytest

from gate import alive, children
from harness import Site, free_port, one_line, tailgate, wait_for
from http_helper import TOKENS, HttpHelper, http_of, read_all, token_file
from keys import World
from locker import lock, release


@pytest.fixture(scope="module")
def helper_alone():
    """One for all tests that leave it as it was; there is no gateway."""
    folder = tempfile.mkdtemp(prefix="tg", dir="/tmp")
    world = Site(folder)
    try:
        yield HttpHelper(world, world.bridge())
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)


def problem(answer, status):
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status and answer.json["title"]
    return answer.json


def reasons(http):
    answer = http.get("/readyz")
    assert answer.status == (503 if answer.json["reasons"] else 200)
    assert answer.json["ready"] == (not answer.json["reasons"])
    return answer.json["reasons"]


# ── health ──────────────────────────────────────────────────────────────────────────────────────────

def test_gateway_that_is_killed_and_started_again_is_not_ready_and_ready_again(site):
    bridge = site.bridge()
    helper = HttpHelper(site, bridge)  # before there is a gateway
    (first, second) = reasons(helper)
    assert "does not answer" in first and "events" in second
    gateway = site.serve(bridge)
    helper.wait_ready()
    assert helper.get("/status.json").json["gateway"]["pid"] == gateway.pid
    gateway.kill()
    wait_for(lambda: reasons(helper), "the gateway's end to be noticed")
    assert helper.get("/healthz").status == 200
    problem(helper.get("/status.json"), 503)
    gateway = site.serve(bridge)
    helper.wait_ready()
    assert helper.get("/status.json").json["gateway"]["pid"] == gateway.pid


def test_gateway_that_stands_still_makes_not_ready_within_its_time(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    helper = HttpHelper(site, bridge)
    helper.wait_ready()
    gateway.freeze()
    try:
        assert any("within 5 s" in reason for reason in reasons(helper))
        assert helper.get("/healthz").status == 200
    finally:
        gateway.thaw()
    helper.wait_ready()


def test_paused_and_draining_and_a_held_lock_are_reasons(site):
    bridge = site.bridge()
    gateway = site.serve(bridge, settings={"drain.timeout": "60s"})
    helper = HttpHelper(site, bridge)
    helper.wait_ready()
    assert tailgate("pause", "--db", bridge.path).returncode == 0
    wait_for(lambda: reasons(helper) == ["the gateway is paused"], "the pause")
    assert tailgate("resume", "--db", bridge.path).returncode == 0
    worker = site.mdp(bridge)
    first, second = bridge.ask("first?"), bridge.ask("second?")
    token = worker.request().token
    helper.wait_ready()
    locker = lock(site, bridge, "COMMIT")
    worker.final(token, "yes")  # which waits for the lock
    wait_for(lambda: reasons(helper) == ["answers cannot be committed: the database is locked"], "the lock")
    release(locker)
    assert "yes" in bridge.reply(first)["text"]
    helper.wait_ready()
    token = worker.request().token
    gateway.signal(signal.SIGTERM)
    wait_for(lambda: reasons(helper) == ["the gateway is draining"], "the drain")
    worker.final(token, "yes")
    assert "yes" in bridge.reply(second)["text"]
    assert gateway.wait() == 0


def test_database_that_cannot_be_read_is_a_reason(site):
    bridge = site.bridge(journal="DELETE")
    site.serve(bridge)
    helper = HttpHelper(site, bridge)
    helper.wait_ready()
    locker = lock(site, bridge, "COMMIT", "EXCLUSIVE")
    wait_for(lambda: reasons(helper) == ["the database cannot be read: it is locked"], "the lock")
    release(locker)
    helper.wait_ready()


def test_status_is_what_the_gateway_says_and_head_has_no_body(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    helper = HttpHelper(site, bridge)
    helper.wait_ready()
    answer = helper.get("/status.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["type"] == "status" and answer.json["gateway"]["db"] == gateway.status()["gateway"]["db"]
    for target in ("/status.json", "/healthz", "/readyz"):
        head = helper.ask("HEAD", target)
        assert (head.status, head.body) == (200, b"") and int(head.headers["content-length"]) > 0


def test_every_answer_has_the_headers_that_keep_browsers_careful(helper_alone):
    for target in ("/healthz", "/readyz", "/status.json", "/no", "/healthz/%zz"):
        headers = helper_alone.get(target).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer" and "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


# ── what is asked ───────────────────────────────────────────────────────────────────────────────────

def test_wrong_method_is_405_and_says_which_are_right(helper_alone):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"):
        answer = helper_alone.ask(method, "/healthz", Content_Type="application/json")
        problem(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("target, status", [
    ("/nothing", 404), ("/healthz/", 404), ("//healthz", 404), ("/HEALTHZ", 404), ("/healthz/../healthz", 404),
    ("/../../../etc/passwd", 404), ("/%2e%2e/%2e%2e/etc/passwd", 404), ("/..%2f..%2fetc%2fpasswd", 404),
    ("/%", 400), ("/%00", 400), ("/healthz%00.txt", 400), ("/%0d%0aX:1", 400), ("/%ff", 400),
    ("/1/2/3/4/5/6/7/8/9/10", 400), ("*", 400), ("http://other.example/healthz", 400), ("/healthz?%", 400),
    ("/healthz?a=1&b", 200), ("/%68ealthz", 200)])
def test_targets_are_found_refused_or_unknown(helper_alone, target, status):
    answer = helper_alone.get(target)
    assert answer.status == status and b"root:" not in answer.body


def test_many_requests_on_one_connection_and_several_at_once_are_answered_in_turn(helper_alone):
    connection = helper_alone.connect()
    for _ in range(50):
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"alive\n")
    connection.close()
    asked = [b"/healthz", b"/no", b"/readyz", b"/healthz"]
    sent = b"".join(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % target for target in asked)
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    statuses = re.findall(rb"HTTP/1.1 (\d+)", helper_alone.exchange(sent + last))
    assert statuses == [b"200", b"404", b"503", b"200", b"200"]


@pytest.mark.parametrize("sent", [
    b"GARBAGE\r\n\r\n", b"GET /healthz\r\n\r\n", b"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00" * 20 + b"\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
    ids=["no request", "0.9", "version", "TLS", "no Host", "large field", "large target", "many fields", "negative", "chunk"])
def test_what_is_no_good_http_is_refused_and_the_next_one_is_served(helper_alone, sent):
    with helper_alone.raw() as client:
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused while it was sent
        got = read_all(client)
    assert got == b"" or re.match(rb"HTTP/1\.[01] (4\d\d|505) ", got), got[:200]
    assert helper_alone.get("/healthz").status == 200


def test_body_is_bounded_whether_it_says_its_size_or_not(helper_alone):
    """No route of this part has one: 405 is the answer, and what is sent with it is not kept."""
    problem(helper_alone.ask("POST", "/healthz", b"x" * 3_000_000, Content_Type="application/json"), 405)
    head = b"POST /healthz HTTP/1.1\r\nHost: localhost\r\n"
    endless = head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 200
    assert helper_alone.exchange(endless) == b""
    early = helper_alone.exchange(head + b"Expect: 100-continue\r\nContent-Length: 9000000000\r\n\r\n")
    assert early.startswith(b"HTTP/1.1 405") and b"100 Continue" not in early
    assert helper_alone.get("/healthz").status == 200
    size = int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{helper_alone.pid}/status", encoding="ascii").read()).group(1))
    assert size < 400_000, f"{size} kB"


def test_of_a_thousand_connections_512_are_open_and_the_others_served_when_they_have_gone(helper_alone):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
        others = min(488, int(file.read()))  # what the kernel lets wait
    clients = [helper_alone.raw() for _ in range(512 + others)]
    for client in clients:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for client in clients[:512]:
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert 512 <= len(os.listdir(f"/proc/{helper_alone.pid}/fd")) < 600
    waiting = select.poll()
    for client in clients[512:]:
        waiting.register(client, select.POLLIN)
    assert not waiting.poll(0), "one more was served"
    for client in clients[:others]:
        client.close()
    for client in clients[512:]:
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    for client in clients[others:]:
        client.close()


# ── who may ─────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("127.0.0.1:1", 200), ("[::1]", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421),
    ("localhost:80@evil.example", 421), ("0.0.0.0", 421), ("", 421)])
def test_without_tokens_only_names_of_this_computer_are_answered(helper_alone, host, status):
    assert helper_alone.get("/healthz", Host=host).status == status


def post(http, body=b"{}", **headers):
    headers = {"Content_Type": "application/json", **headers}
    return http.ask("POST", "/v1/conversations", body, **headers)


def test_page_of_another_site_can_post_nothing(site):
    bridge = site.bridge()
    site.serve(bridge)
    helper = HttpHelper(site, bridge)
    helper.wait_ready()
    own = f"127.0.0.1:{helper.place[1]}"
    for origin in ("http://evil.example", "null", "http://localhost", f"http://evil.example/{own}"):
        problem(post(helper, Origin=origin), 403)
    problem(post(helper, Host="evil.example", Origin="http://evil.example"), 421)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        problem(post(helper, Content_Type=kind), 415)
    assert post(helper).status == 201  # no browser: it says no Origin
    assert post(helper, Origin=f"http://{own}").status == 201
    assert helper.get("/status.json").json["messages"]["query"] == 0


def test_body_that_is_too_large_is_told_so_before_and_after_it_was_sent(helper_alone):
    problem(post(helper_alone, b"x" * 2_000_000), 413)
    head = b"POST /v1/conversations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    early = helper_alone.exchange(head + b"Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n")
    assert early.startswith(b"HTTP/1.1 413") and b"100 Continue" not in early
    pieces = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 2 + b"0\r\n\r\n"
    assert helper_alone.exchange(head + pieces).startswith(b"HTTP/1.1 413")


def test_tokens_let_in_by_role_and_are_read_again_when_they_change(site):
    bridge = site.bridge()
    site.serve(bridge)
    path = token_file(site)
    helper = HttpHelper(site, bridge, "--tokens", path)
    helper.wait_ready()  # without a token
    assert helper.get("/healthz", Host="any.example").status == 200
    refused = helper.get("/status.json")
    problem(refused, 401)
    assert refused.headers["www-authenticate"].startswith("Bearer")
    problem(helper.get("/status.json", token="observer"), 401)
    problem(helper.get("/status.json", Authorization="Basic " + TOKENS["observer"]), 401)
    problem(helper.get("/status.json", token=TOKENS["client"]), 403)
    assert helper.get("/status.json", token=TOKENS["observer"]).status == 200
    assert helper.get("/status.json", token=TOKENS["operator"]).status == 200

    feed = helper.connect()
    feed.request("GET", "/page/feed", headers={"Authorization": "Bearer " + TOKENS["observer"]})
    stream = feed.getresponse()
    assert stream.status == 200
    path.write_text("observer another-token-of-24-characters\n")
    with contextlib.suppress(OSError, http.client.HTTPException):
        stream.read()  # it is cut, though nobody asks
    feed.close()
    problem(helper.get("/status.json", token=TOKENS["observer"]), 401)
    assert helper.get("/status.json", token="another-token-of-24-characters").status == 200

    path.write_text("observer short\n")
    helper.signal(signal.SIGHUP)
    told = helper.wait_event("tokens", level="error")
    assert "line 1" in told["why"]
    assert helper.get("/status.json", token="another-token-of-24-characters").status == 200
    assert "another-token" not in helper.stderr.text() and TOKENS["observer"] not in helper.stderr.text()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"])
def test_address_that_others_reach_is_refused_without_a_token_file(site, listen):
    bridge = site.bridge()
    for done in (tailgate("http", "--db", bridge.path, "--listen", listen), tailgate("serve", "--db", bridge.path, "--http", listen)):
        assert done.returncode == 2 and "tokens FILE" in one_line(done)


def test_address_that_others_reach_is_served_with_a_token_file_and_a_warning(site):
    helper = HttpHelper(site, site.bridge(), "--tokens", token_file(site), listen="0.0.0.0:0")
    assert helper.get("/healthz", Host="gateway.example").status == 200
    assert "proxy" in helper.wait_event("insecure", level="warn")["say"]


@pytest.mark.parametrize("words, said", [
    (["--listen", "127.0.0.1"], "127.0.0.1:PORT"), (["--listen", "example.org:80"], "127.0.0.1:PORT"), ([], "give --listen"),
    (["--listen", "127.0.0.1:0", "--rate", "1/2"], "three numbers"), (["--listen", "127.0.0.1:0", "--gate", "ipc:///x"], "goes without"),
    (["--listen", "127.0.0.1:0", "--cert", "x"], "go together"), (["--listen", "127.0.0.1:0", "more"], "what is more")])
def test_wrong_words_are_one_line_and_exit_2(site, words, said):
    done = tailgate("http", "--db", site.bridge().path, *words)
    assert done.returncode == 2 and said in one_line(done)


def test_token_file_that_others_can_read_is_refused_before_anything_starts(site):
    bridge = site.bridge()
    path = token_file(site, mode=0o644)
    for words in (("http", "--listen", "127.0.0.1:0", "--tokens", path), ("serve", "--http", "127.0.0.1:0", "--http-tokens", path)):
        done = tailgate(words[0], "--db", bridge.path, *words[1:])
        assert done.returncode == 1 and "chmod 600" in one_line(done)


def test_address_in_use_is_one_line(site, helper_alone):
    done = tailgate("http", "--db", site.folder / "bridge.db", "--listen", ":".join(helper_alone.place))
    assert done.returncode == 1 and "somebody listens there" in one_line(done)


# ── the unix socket ─────────────────────────────────────────────────────────────────────────────────

def test_unix_socket_is_for_owner_and_group_replaced_when_dead_and_removed_at_the_end(site):
    bridge = site.bridge()
    path = site.folder / "http.sock"
    helper = HttpHelper(site, bridge, listen=f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660 and stat.S_ISSOCK(path.stat().st_mode)
    assert helper.get("/healthz").status == 200
    problem(helper.get("/healthz", Host="evil.example"), 421)
    second = tailgate("http", "--db", bridge.path, "--listen", f"unix:{path}")
    assert second.returncode == 1 and "somebody listens there" in one_line(second)
    helper.kill()
    assert path.exists()
    helper = HttpHelper(site, bridge, listen=f"unix:{path}")
    assert helper.get("/healthz").status == 200
    helper.stop()
    assert not path.exists()


def test_file_at_the_path_of_the_unix_socket_is_left_alone(site):
    path = site.folder / "precious"
    path.write_text("data")
    done = tailgate("http", "--db", site.bridge().path, "--listen", f"unix:{path}")
    assert done.returncode == 1 and "no socket" in one_line(done)
    assert path.read_text() == "data"
    done = tailgate("http", "--db", site.folder / "bridge.db", "--listen", f"unix:{site.folder}/no/http")
    assert done.returncode == 1 and "No such file" in one_line(done)


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="no IPv6 here")
def test_ipv6_loopback(site):
    helper = HttpHelper(site, site.bridge(), listen="[::1]:0")
    assert helper.url.startswith("http://[::1]:") and helper.get("/healthz").status == 200


# ── serve --http ────────────────────────────────────────────────────────────────────────────────────

def helper_of(gateway, other_than=None):
    def look():
        (helper,) = gateway.status()["helpers"]
        return helper if helper["state"] == "running" and helper["pid"] != other_than else None
    return wait_for(look, "the helper to run")


def test_gateway_starts_it_keeps_it_running_and_takes_it_with_it(site):
    bridge = site.bridge()
    port = free_port()
    gateway = site.serve(bridge, "--http", f"127.0.0.1:{port}")
    http = http_of(gateway)
    http.wait_ready()
    first = helper_of(gateway)
    assert first["command"] == f"http 127.0.0.1:{port}" and children(gateway.pid) == [first["pid"]]
    assert gateway.wait_event("http-started")["pid"] == first["pid"]
    os.kill(first["pid"], signal.SIGKILL)
    assert "signal 9" in gateway.wait_event("http-ended")["say"]
    second = helper_of(gateway, other_than=first["pid"])
    http.wait_ready()
    assert second["restarts"] == 1 and http.get("/status.json").json["helpers"][0]["pid"] == second["pid"]
    gateway.stop()
    assert not alive(second["pid"])


def test_it_ends_by_itself_when_the_gateway_is_killed(site):
    gateway = site.serve(site.bridge(), "--http", "127.0.0.1:0", "--work", "--echo")
    http_of(gateway).wait_ready()
    pids = children(gateway.pid)
    assert len(pids) == 2
    gateway.kill()
    wait_for(lambda: not any(alive(pid) for pid in pids), "the helpers' end")


def test_tokens_and_rate_reach_it(site):
    gateway = site.serve(site.bridge(), "--http", "127.0.0.1:0", "--http-tokens", token_file(site), "--http-rate", "1/2/3")
    http = http_of(gateway)
    problem(http.get("/status.json"), 401)
    wait_for(lambda: http.get("/status.json", token=TOKENS["observer"]).status == 200, "the gateway's status")
    words = open(f"/proc/{helper_of(gateway)['pid']}/cmdline", encoding="ascii").read().split("\0")
    assert words[words.index("--rate") + 1] == "1/2/3"


@pytest.mark.parametrize("words, said", [
    (["--http", "nowhere"], "--http nowhere"), (["--http-rate", "1/2/3"], "go with --http"), (["--http-tokens", "x"], "go with --http"),
    (["--http", "127.0.0.1:0", "--http-rate", "x"], "three numbers")])
def test_wrong_words_of_serve_are_said_before_anything_starts(site, words, said):
    done = tailgate("serve", "--db", site.bridge().path, *words)
    assert done.returncode == 2 and said in one_line(done)


def test_whose_gateway_has_gone_before_it_looked_ends_at_once(site):
    helper = site.program("http", "--db", site.bridge().path, "--listen", "127.0.0.1:0", env={**os.environ, "TAILGATE_PARENT": "1"})
    assert helper.wait() == 0 and helper.stderr.text() == ""


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────

def keyed(site, world, cert):
    return HttpHelper(site, ["--gate", world.gate, "--events", world.events], "--cert", cert, "--server-cert",
                      world.dir / "gateway.cert")


def test_observers_key_is_enough_to_be_ready_and_a_strangers_is_told(site):
    world = World(site).serve()
    helper = keyed(site, world, world.key("see", "observer"))
    helper.wait_ready()
    assert helper.get("/status.json").json["gateway"]["pid"] == world.gateway.pid
    stranger = keyed(site, world, world.key("stranger", "observer", allow=False))
    refused = wait_for(lambda: [line for line in stranger.events("away") if "key" in line["why"]], "the refusal to be told")
    assert refused and any(reason for reason in reasons(stranger) if "does not answer" in reason)
    problem(stranger.get("/status.json"), 503)


def test_what_its_key_may_not_is_not_allowed_over_http_either(site):
    world = World(site).serve()
    seer = keyed(site, world, world.key("see", "observer"))
    seer.wait_ready()
    assert "may not ask" in problem(post(seer), 403)["detail"]
    asker = keyed(site, world, world.key("ask", "client"))
    wait_for(lambda: post(asker).status == 201, "the gateway to let it in")
    assert reasons(asker) == ["the gateway's events cannot be heard"]
    talk = post(asker).json
    told = asker.get(f"/v1/conversations/{talk['conversation_id']}/events", token=talk["session_token"])
    assert told.status == 200 and b"event: end\n" in told.body and b"problems/forbidden" in told.body


# ── its end, and its idleness ───────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_at_once_with_requests_that_wait_and_connections_that_are_open(site, number):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    helper = HttpHelper(site, bridge)
    helper.wait_ready()
    talk = post(helper).json
    stream, waiting, idle = helper.raw(), helper.raw(), helper.raw()
    stream.sendall(b"GET /v1/conversations/%s/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n"
                   % (talk["conversation_id"].encode(), talk["session_token"].encode()))
    assert b"text/event-stream" in stream.recv(65536)
    gateway.freeze()
    waiting.sendall(b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for(lambda: helper.get("/healthz").status == 200, "it to be served")
    helper.signal(number)
    assert helper.wait() == 0
    assert read_all(waiting) == read_all(idle) == b""
    read_all(stream)  # has an end
    gateway.thaw()
    for client in (stream, waiting, idle):
        client.close()


def switches(pid):
    """How often each thread went to sleep; its own loop is the one with the process's number."""
    counts = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
            counts[int(task)] = int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.MULTILINE).group(1))
    return counts


def test_idle_costs_nothing(site):
    """Nobody asks and nothing happens: the loop sleeps, however long. ZeroMQ's thread sends a heartbeat now and then."""
    bridge = site.bridge()
    site.serve(bridge)
    helper = HttpHelper(site, bridge)
    helper.wait_ready()
    before = {}

    def settled():
        was, now = dict(before), switches(helper.pid)
        before.update(now)
        return was.get(helper.pid) == now[helper.pid]
    wait_for(settled, "the last connection to be closed")
    time.sleep(2)  # is what is tested
    after = switches(helper.pid)
    assert after[helper.pid] - before[helper.pid] <= 2, "its loop wakes up while nothing happens"
    assert sum(after.values()) - sum(before.values()) <= 40


def test_help_names_every_option():
    shown = tailgate("http", "--help").stdout
    for option in ("--db", "--gate", "--events", "--cert", "--server-cert", "--listen", "--tokens", "--rate", "--body-max"):
        assert option in shown
