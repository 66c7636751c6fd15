"""Adapters decide nothing and log nothing. The one exception under adapters/ is the executable tailgate-work,
whose own policy (main, crew, desk, worker) uses the command line and the log that gateway/ shares with it."""

import re
import subprocess

from harness import BUILD, HERE

ADAPTERS = HERE.parent.parent / "adapters"
POLICY = {"worker/crew.c", "worker/desk.c", "worker/main.c", "worker/worker.c"}
SHARED = {"gateway/cli.h", "gateway/log.h"}


def test_no_adapter_includes_the_gateway():
    sources = [path for path in ADAPTERS.rglob("*.[ch]")]
    assert len(sources) > 30
    for path in sources:
        included = set(re.findall(r'#include "(gateway/[^"]+)"', path.read_text()))
        allowed = SHARED if str(path.relative_to(ADAPTERS)) in POLICY else set()
        assert included <= allowed, f"{path} includes {included - allowed}"


def test_worker_adapters_call_neither_log_nor_command_line():
    library = BUILD / "adapters" / "worker" / "libtailgate_worker.a"
    shown = subprocess.run(["nm", "--undefined-only", str(library)], capture_output=True, text=True, check=True)
    called = {line.split()[-1] for line in shown.stdout.splitlines() if " U " in line}
    assert "zmq_connect" in called, "nm shows what is called"
    assert not [name for name in called if re.match(r"(log|cli|terminal|escape)_", name)]
