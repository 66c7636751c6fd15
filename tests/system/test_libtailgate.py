"""libtailgate as a stranger's program finds it: installed, by pkg-config and find_package; and the workers that
are built on it. The far side is a raw ROUTER socket where frames matter, and the gateway where it matters what
becomes of a query."""

import json
import re
import signal
import subprocess

import pytest

from gate import stamp, world  # noqa: F401  (world is a fixture)
from harness import DISCONNECT, FINAL, HEARTBEAT, HERE, PARTIAL, Lines, Program, wait_for
from library import compiler, library  # noqa: F401  (library is a fixture)

ROOT = HERE.parent.parent
EXAMPLES = ROOT / "adapters" / "c" / "examples"
HOUR = 3600


class Worker:
    """library/worker.c as a process in FOLDER."""

    def __init__(self, library, folder, endpoint, service="*", slots=1, interval=200, threads=1, stop=10000):
        self.program = library.run("worker", endpoint, service, slots, interval, threads, stop,
                                   stdout=subprocess.PIPE, cwd=folder)
        self.lines = Lines(self.program.process.stdout)

    def wait(self, start, since=0):
        return self.lines.wait(lambda line: line.startswith(start), f"the line {start!r}", since=since)

    def mark(self):
        return len(self.lines.lines)

    def stop(self):
        self.program.signal(signal.SIGTERM)
        assert self.program.wait() == 0
        assert "broken" not in self.lines.text()


@pytest.fixture
def work(site, library):
    """Starts workers, and ends those that still run."""
    made = []

    def start(endpoint, **keywords):
        made.append(Worker(library, site.folder, endpoint, **keywords))
        return made[-1]
    yield start
    for worker in made:
        if not worker.program.ended:
            worker.program.kill()


# ── installed ───────────────────────────────────────────────────────────────────────────────────────

def symbols(path, *words):
    shown = subprocess.run(["nm", "--defined-only", *words, path], capture_output=True, text=True, check=True)
    return {line.split()[-1] for line in shown.stdout.splitlines() if re.search(r" [A-Z] ", line)}


def test_only_tailgate_names_are_exported(library):
    header = (ROOT / "adapters" / "c" / "tailgate.h").read_text()
    promised = set(re.findall(r"\b(tailgate_[a-z_]+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)))
    assert len(promised) > 40
    for found in symbols(library.shared, "--dynamic"), symbols(library.static, "--extern-only"):
        assert found == promised


def test_shared_library_needs_zeromq_and_what_reads_certificates_and_no_other(library):
    shown = subprocess.run(["readelf", "-d", library.shared], capture_output=True, text=True, check=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*?)\.so", shown)
    assert "libzmq" in needed
    own = r"lib(zmq|czmq|sodium|c|m|pthread|rt|dl|gcc_s|stdc\+\+)$|ld-linux"
    assert not [name for name in needed if not re.match(own, name)]
    assert "[libtailgate.so.0]" in shown


def test_header_is_plain_c_and_cplusplus(library, site):
    for name, words in (("c", ["-std=c99", "-x", "c"]), ("cc", ["-std=c++17", "-x", "c++"])):
        source = site.folder / f"alone.{name}"
        source.write_text("#include <tailgate.h>\nint main(void) { return tailgate_version() == 0; }\n")
        subprocess.run([compiler()[0], *words, "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                        *library.pkg_config("--cflags"), source], check=True)


def test_static_library_links_with_names_of_the_programs_own(library, site):
    """What the library is made of meets nothing of the program's."""
    source = site.folder / "own.c"
    source.write_text("#include <stdio.h>\n#include <tailgate.h>\n"
                      "int link_new(void) { return 1; }\nint buffer_add(void) { return 2; }\n"
                      "int main(void) { struct tailgate_loop *loop; puts(tailgate_version());\n"
                      "int code = tailgate_loop_new(&loop); tailgate_loop_destroy(&loop);\n"
                      "return code + link_new() + buffer_add() - 3; }\n")
    flags = subprocess.run(["pkg-config", "--libs", "libczmq", "libsodium", "libzmq"], capture_output=True, text=True,
                           check=True)
    subprocess.run([*compiler(), source, "-o", site.folder / "own", *library.pkg_config("--cflags"), library.static,
                    "-pthread", *flags.stdout.split()], check=True)
    done = subprocess.run([site.folder / "own"], env=library.environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, library.pkg_config("--modversion")[0]), done.stderr


@pytest.mark.parametrize("target", ["tailgate", "tailgate_static"])
def test_find_package_finds_it(library, site, target):
    (site.folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(stranger LANGUAGES C)\n"
        "find_package(tailgate 0.1 REQUIRED)\n"
        f"add_executable(stranger {EXAMPLES / 'streaming_client.c'})\n"
        f"target_link_libraries(stranger PRIVATE tailgate::{target})\n")
    flags = compiler()
    subprocess.run(["cmake", "-S", site.folder, "-B", site.folder / "b", f"-DCMAKE_PREFIX_PATH={library.prefix}",
                    f"-DCMAKE_C_COMPILER={flags[0]}", f"-DCMAKE_C_FLAGS={' '.join(flags[1:])}"],
                   check=True, capture_output=True)
    subprocess.run(["cmake", "--build", site.folder / "b"], check=True, capture_output=True)
    done = subprocess.run([site.folder / "b" / "stranger"], env=library.environment(), capture_output=True, text=True)
    assert done.returncode == 2 and "usage" in done.stderr


def test_man_pages_name_every_function(library):
    pages = "".join(path.read_text() for path in (library.prefix / "share" / "man" / "man3").glob("*.3"))
    for name in symbols(library.shared, "--dynamic"):
        assert re.search(rf"\b{name}\b", pages), f"no page of section 3 has {name}"


# ── a worker and a raw gate ─────────────────────────────────────────────────────────────────────────

def test_ready_says_that_it_takes_queries_and_beats_while_busy(world, work):
    work(world.gate.endpoint, service="law", slots=3)
    _, service, options = world.gate.ready()
    assert service == "law"
    assert options == {"name": "probe", "slots": 3, "heartbeats": True, "batches": True, "interval": 200,
                       "format": "query"}


def test_query_is_told_whole_and_ends_once(world, work):
    work(world.gate.endpoint)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "facts", service="law", conversation_id="conv_1", attempt=2,
                           deadline="2027-01-15T08:00:00.5",
                           sender={"principal": "key:ab", "name": "c1", "content": "unverified"})
    facts = json.loads(world.gate.answer(token))["answer"]
    assert facts == [1, "law", "conv_1", 2, 1800000000500000, token.decode(), "key:ab", "c1"]
    assert json.loads(world.gate.answer(world.gate.ask(peer, "facts")))["answer"][6:] == ["", ""]
    assert json.loads(world.gate.answer(world.gate.ask(peer, 'a "b" ü'))) == {"answer": 'a "b" ü'}
    assert world.gate.answer(world.gate.ask(peer, "say {\"x\":1}")) == b'{"x":1}'


def test_error_return_and_a_query_let_go_are_said_as_such(world, work):
    work(world.gate.endpoint)
    peer, _, _ = world.gate.ready()
    said = json.loads(world.gate.answer(world.gate.ask(peer, "error out of ink")))
    assert said == {"type": "error", "error": "out of ink", "retry": False}
    assert world.gate.returned(world.gate.ask(peer, "return not now")) == "not now"
    assert "without an answer" in world.gate.returned(world.gate.ask(peer, "drop"))


def test_parts_come_in_order_before_the_answer(world, work):
    work(world.gate.endpoint)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "parts abcdef")
    for letter in b"abcdef":
        assert world.gate.expect(PARTIAL)[1] == [token, b"", bytes([letter])]
    assert json.loads(world.gate.answer(token))["answer"] == "abcdef"


@pytest.mark.parametrize("verb", ["sleep", "spin"])
def test_heartbeats_do_not_wait_for_the_work(world, work, verb):
    work(world.gate.endpoint)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, f"{verb} 3")
    for _ in range(8):
        assert world.gate.hear(timeout=2)[1] == HEARTBEAT
    world.gate.answer(token)


def test_no_more_than_its_slots_are_given_out(world, work):
    worker = work(world.gate.endpoint, slots=2, threads=4)
    peer, _, _ = world.gate.ready()
    tokens = [world.gate.ask(peer, "wait") for _ in range(4)]
    fifth = world.gate.ask(peer, "wait")
    assert "no free slot" in world.gate.returned(fifth)
    worker.wait("returned")

    def told(word):
        return len([line for line in worker.lines.lines if line.startswith(word)])
    wait_for(lambda: told("query") == 2, "two queries to be given out")
    assert told("waiting") == 2
    world.touch("go")
    assert sorted(world.gate.expect(FINAL)[1][0] for _ in tokens) == sorted(tokens)


def test_gateway_that_comes_back_is_told_what_is_held(world, work):
    worker = work(world.gate.endpoint)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait", deadline=stamp(HOUR))
    worker.wait("query")
    world.gate.close()
    worker.wait("lost")
    world.gate.open()
    assert world.gate.ready()[2]["holding"] == [token.decode()]
    world.touch("go")
    assert json.loads(world.gate.answer(token))["answer"] == "wait"


def test_disconnect_after_the_deadline_gives_the_query_up(world, work):
    worker = work(world.gate.endpoint)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait", deadline=stamp(0.9))
    worker.wait("query")
    world.gate.send(peer, DISCONNECT)
    assert "gave the query up" in worker.wait("given-up")
    world.gate.expect(DISCONNECT)
    world.gate.ready()
    assert json.loads(world.gate.answer(token))["answer"] == "wait"  # the work ended, and said what it had


def test_deadline_gives_the_query_up_with_no_gateway_at_all(world, work):
    worker = work(world.gate.endpoint)
    peer, _, _ = world.gate.ready()
    world.gate.ask(peer, "wait", deadline=stamp(2))
    worker.wait("query")
    world.gate.close()
    assert "ran out of time" in worker.wait("given-up")


def test_clean_stop_finishes_what_is_in_hand_and_gives_back_what_waits(world, work):
    worker = work(world.gate.endpoint)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait")
    worker.wait("query")
    second = world.gate.ask(peer, "second?")
    worker.wait("waiting")
    worker.program.signal(signal.SIGTERM)
    world.touch("go")
    assert json.loads(world.gate.answer(token))["answer"] == "wait"
    assert "stopping" in world.gate.returned(second)
    world.gate.expect(DISCONNECT)
    worker.wait("unsent 0")
    assert worker.program.wait() == 0


def test_stop_that_does_not_wait_gives_back_what_is_in_hand(world, work):
    worker = work(world.gate.endpoint, stop=0)
    peer, _, _ = world.gate.ready()
    token = world.gate.ask(peer, "wait")
    worker.wait("query")
    worker.program.signal(signal.SIGTERM)
    assert "stopping" in world.gate.returned(token)
    world.gate.expect(DISCONNECT)
    world.touch("go")
    assert worker.program.wait() == 0


def test_stop_while_the_gateway_is_away_says_what_was_not_sent(world, work):
    worker = work(world.gate.endpoint, stop=300)
    peer, _, _ = world.gate.ready()
    world.gate.ask(peer, "wait")
    worker.wait("query")
    world.gate.close()
    worker.wait("lost")
    world.touch("go")
    worker.program.signal(signal.SIGTERM)
    worker.wait("unsent 1")
    assert worker.program.wait() == 0


def test_absent_gateway_is_told_once_and_found_later(world, work):
    world.gate.close()
    worker = work(world.gate.endpoint)
    worker.wait("absent")
    world.gate.open()
    world.gate.ready()
    worker.wait("ready")
    assert worker.lines.text().count("absent") == 1


@pytest.mark.parametrize("endpoint, service, slots, interval", [
    ("inproc://x", "law", 1, 200), ("tcp://1.2.3.4", "law", 1, 200), ("ipc:///tmp/x", "", 1, 200),
    ("ipc:///tmp/x", "s" * 101, 1, 200), ("ipc:///tmp/x", "law", 1001, 200), ("ipc:///tmp/x", "law", 1, 60001)])
def test_options_out_of_range_are_refused(work, endpoint, service, slots, interval):
    worker = work(endpoint, service=service, slots=slots, interval=interval)
    worker.wait("failed an argument is not valid")
    assert worker.program.wait() == 1


# ── a worker and the gateway ────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("verb", ["sleep", "spin"])
def test_worker_that_blocks_for_ten_seconds_is_not_given_up(site, work, verb):
    bridge = site.bridge()
    site.serve(bridge)
    work(bridge.gate)
    reply = bridge.reply(bridge.ask(f"{verb} 10"))
    assert reply["metadata"]["attempt"] == 1
    assert reply["metadata"]["worker"] == "probe"
    bridge.check_exactly_once(1)


def test_gateway_killed_mid_work_is_one_execution_and_one_answer(site, work):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = work(bridge.gate)
    message = bridge.ask("wait")
    worker.wait("query")
    for _ in range(2):
        since = worker.mark()
        wait_for(lambda: held_row(bridge), "the query's row in tailgate_delivery")
        gateway.kill()
        gateway = site.serve(bridge)
        worker.wait("ready", since=since)
    (site.folder / "go").touch()
    assert json.loads(bridge.reply(message)["text"])["answer"] == "wait"
    assert len([line for line in worker.lines.lines if line.startswith("query")]) == 1
    bridge.check_exactly_once(1)
    worker.stop()


def held_row(bridge):
    with bridge.reading() as db:
        return db.execute("SELECT count(*) FROM tailgate_delivery").fetchone()[0]


def test_threads_share_a_worker(site, work):
    bridge = site.bridge()
    site.serve(bridge)
    worker = work(bridge.gate, slots=8, threads=8)
    messages = [bridge.ask(f"number {n}") for n in range(200)]
    for n, message in enumerate(messages):
        assert json.loads(bridge.reply(message)["text"])["answer"] == f"number {n}"
    bridge.check_exactly_once(200)
    worker.stop()


# ── examples, and what stays behind ─────────────────────────────────────────────────────────────────

def test_example_worker_streams_an_answer_and_stops_cleanly(library, world):
    program = library.build(EXAMPLES / "streaming_worker.c")
    process = Program([program, world.gate.endpoint, "law", "10"], env=library.environment())
    peer, service, _ = world.gate.ready()
    assert service == "law"
    token = world.gate.ask(peer, "three small words")
    for part in (b"three ", b"small ", b"words"):
        assert world.gate.expect(PARTIAL)[1] == [token, b"", part]
    assert json.loads(world.gate.answer(token))["answer"] == "three small words"
    process.signal(signal.SIGTERM)
    world.gate.expect(DISCONNECT)
    assert process.wait() == 0


def test_a_thousand_workers_and_clients_leave_nothing_behind(site, library):
    program = library.run("churn", f"ipc://{site.folder}/nobody", "1000", stdout=subprocess.PIPE)
    said = Lines(program.process.stdout)
    assert program.wait() == 0
    before, after = said.lines
    assert before.split()[1:] == after.split()[1:]
