"""Adapters decide nothing and log nothing. The one exception under adapters/ is the executable tailgate-work,
whose own policy (main, crew, desk, worker) uses the command line and the log that gateway/ shares with it.
Towards the gateway it is a worker like any other: it has libtailgate's public header, and nothing of its inside."""

import re
import subprocess

from harness import BUILD, HERE

ADAPTERS = HERE.parent.parent / "adapters"
POLICY = {"worker/crew.c", "worker/desk.c", "worker/link_log.c", "worker/main.c", "worker/options.c", "worker/worker.c"}
SHARED = {"gateway/cli.h", "gateway/log.h"}
# Two queues that exec and echo use, too, and the way to a gateway, which a relay goes.
LENT = {"adapters/c/letter.h", "adapters/c/letterbox.h", "adapters/c/dial.h"}


def test_no_adapter_includes_the_gateway():
    sources = [path for path in ADAPTERS.rglob("*.[ch]")]
    assert len(sources) > 30
    for path in sources:
        included = set(re.findall(r'#include "(gateway/[^"]+)"', path.read_text()))
        allowed = SHARED if str(path.relative_to(ADAPTERS)) in POLICY else set()
        assert included <= allowed, f"{path} includes {included - allowed}"


def called_by(library):
    shown = subprocess.run(["nm", "--undefined-only", str(library)], capture_output=True, text=True, check=True)
    return {line.split()[-1] for line in shown.stdout.splitlines() if " U " in line}


def test_only_the_public_header_of_the_library_is_used_outside_it():
    root = ADAPTERS.parent
    used = 0
    for path in [*(ADAPTERS / "worker").glob("*.[ch]"), *(root / "gateway").glob("*.[ch]")]:
        included = set(re.findall(r'#include "(adapters/c/[^"]+)"', path.read_text()))
        used += "adapters/c/tailgate.h" in included
        assert included <= {"adapters/c/tailgate.h", *LENT}, f"{path} includes {included}"
    assert used >= 2


def test_examples_of_the_library_use_nothing_else_of_ours():
    for path in (ADAPTERS / "c" / "examples").glob("*.c"):
        assert not re.findall(r'#include "', path.read_text()), f"{path} includes more than installed headers"


def test_worker_adapters_call_neither_log_nor_command_line_nor_sockets():
    called = called_by(BUILD / "adapters" / "worker" / "libtailgate_worker.a")
    assert "posix_spawn" in called or "posix_spawnp" in called, "nm shows what is called"
    assert not [name for name in called if re.match(r"(log|cli|terminal|zmq|tailgate)_", name)]


def test_library_calls_neither_log_nor_command_line_nor_database():
    called = called_by(BUILD / "adapters" / "c" / "libtailgate.a")
    assert "zmq_connect" in called, "nm shows what is called"
    assert not [name for name in called if re.match(r"(log|cli|terminal|escape|sqlite3|json|curl)_", name)]
