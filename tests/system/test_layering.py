"""The layering is in the binaries, not in a drawing: what each may link, and what the core may call."""

import re
import subprocess

import pytest

from harness import BUILD, TAILGATE, TAILGATE_WORK
from http_helper import TAILGATE_HTTP
from jetstreams import TAILGATE_JETSTREAM
from relays import TAILGATE_RELAY

TAILGATE_BENCH = BUILD / "gateway" / "tailgate-bench"
EVERYWHERE = r"libc|libm|libpthread|libdl|librt|libresolv|libgcc_s|ld-linux.*|lib[atu]san|lib[a-z]*san_rt.*"
GATEWAY = rf"{EVERYWHERE}|libsqlite3|libzmq|libczmq|libsodium|libpcre2-8|libjansson|libsystemd"
RELAY = rf"{EVERYWHERE}|libzmq|libczmq|libsodium|libsystemd"
JETSTREAM = rf"{RELAY}|libnats"
HTTP = rf"{RELAY}|libjansson|libmicrohttpd"
BENCH = rf"{EVERYWHERE}|libsqlite3|libzmq|libsodium|libjansson|libsystemd"
WORKER = rf"{EVERYWHERE}|libsqlite3|libzmq|libczmq|libsodium|libpcre2-8|libjansson|libcurl|libsystemd"


def needed(path):
    shown = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*?)\.so[^\]]*\]", shown)


def undefined(library):
    shown = subprocess.run(["nm", "--undefined-only", "--no-sort", str(library)],
                           capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in shown.splitlines() if " U " in line}


def test_gateway_links_only_what_it_may():
    libraries = needed(TAILGATE)
    assert "libsqlite3" in libraries and "libzmq" in libraries
    foreign = [name for name in libraries if not re.fullmatch(GATEWAY, name)]
    assert not foreign, f"tailgate links {foreign}"


def test_worker_helper_links_only_what_it_may():
    """SQLite and PCRE2 are its adapter `bridge`'s, for a database that is not the gateway's."""
    foreign = [name for name in needed(TAILGATE_WORK) if not re.fullmatch(WORKER, name)]
    assert not foreign, f"tailgate-work links {foreign}"


def test_relay_helper_links_no_database():
    foreign = [name for name in needed(TAILGATE_RELAY) if not re.fullmatch(RELAY, name)]
    assert not foreign, f"tailgate-relay links {foreign}"


def test_jetstream_helper_links_no_database():
    foreign = [name for name in needed(TAILGATE_JETSTREAM) if not re.fullmatch(JETSTREAM, name)]
    assert not foreign, f"tailgate-jetstream links {foreign}"


def test_http_helper_links_no_database_and_is_the_only_one_with_a_server():
    foreign = [name for name in needed(TAILGATE_HTTP) if not re.fullmatch(HTTP, name)]
    assert not foreign, f"tailgate-http links {foreign}"
    assert "libmicrohttpd" in needed(TAILGATE_HTTP)
    for path in (TAILGATE, TAILGATE_WORK, TAILGATE_RELAY, TAILGATE_JETSTREAM, BUILD / "adapters" / "c" / "libtailgate.so"):
        assert "libmicrohttpd" not in needed(path), f"{path} links libmicrohttpd"


def test_bench_helper_links_none_of_the_gateway():
    """What it measures runs in a process of its own; bare limits are SQLite and libzmq without a layer between."""
    foreign = [name for name in needed(TAILGATE_BENCH) if not re.fullmatch(BENCH, name)]
    assert not foreign, f"tailgate-bench links {foreign}"


def test_only_the_jetstream_helper_links_a_nats_client():
    assert "libnats" in needed(TAILGATE_JETSTREAM)
    for path in (TAILGATE, TAILGATE_WORK, TAILGATE_RELAY, BUILD / "adapters" / "c" / "libtailgate.so"):
        assert "libnats" not in needed(path), f"{path} links libnats"


def test_only_the_worker_helper_links_an_http_client():
    assert "libcurl" in needed(TAILGATE_WORK)
    for path in (TAILGATE, TAILGATE_JETSTREAM, BUILD / "adapters" / "c" / "libtailgate.so"):
        assert "libcurl" not in needed(path), f"{path} links libcurl"


def test_core_is_pure():
    """Dispatch, pending, workers, in flight: events and a time in, actions out."""
    symbols = undefined(BUILD / "gateway" / "libtailgate_core.a")
    impure = [name for name in symbols if re.match(
        r"(sqlite3_|zmq_|z[a-z]+_(new|destroy|send|recv)|json_|clock_|gettimeofday$|time$|nanosleep$|usleep$"
        r"|open(at)?(64)?$|socket$|read$|write$|printf$|fopen(64)?$|rand(om)?$|log_write$|pthread_)", name)]
    assert not impure, f"the core calls {sorted(impure)}"


def test_contracts_touch_no_files_sockets_or_clock():
    symbols = undefined(BUILD / "proto" / "libtailgate_proto.a")
    impure = [name for name in symbols if re.match(
        r"(sqlite3_|zmq_|clock_|gettimeofday$|time$|open(at)?(64)?$|socket$|fopen(64)?$|pthread_)", name)]
    assert not impure, f"proto calls {sorted(impure)}"


@pytest.mark.parametrize("program", [TAILGATE, TAILGATE_WORK, TAILGATE_BENCH], ids=lambda path: path.name)
def test_one_copy_of_sqlite_is_in_the_process(program):
    shown = subprocess.run(["nm", "--defined-only", str(program)], capture_output=True, text=True, check=True)
    defined = [line for line in shown.stdout.splitlines() if re.search(r" [TtWw] sqlite3_open", line)]
    linked = "libsqlite3" in needed(program)
    assert linked != bool(defined), "SQLite is linked and built in at once"
