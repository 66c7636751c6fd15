"""The Python library as something to install and to read: its wheel, its types, its words, and its examples."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from harness import BUILD, PYTHON, WAIT, Program, environment, tailgate
from python_broker import Broker
from python_world import EXAMPLES, LIBRARY, library_environment


def run(*words, env=None, cwd=None):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=env or environment(), cwd=cwd, timeout=WAIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def source(site):
    """The library's folder, where a build may write."""
    return shutil.copytree(LIBRARY, site.folder / "source", ignore=shutil.ignore_patterns("__pycache__", ".mypy*"))


def test_wheel_builds_offline_and_what_it_installs_is_whole(site, source):
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run(*pip, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", site.folder / "wheels", source)
    (wheel,) = (site.folder / "wheels").glob("tailgate-*-py3-none-any.whl")
    run(*pip, "install", "--no-deps", "--no-index", "--target", site.folder / "target", wheel)
    there = run(PYTHON, "-c", "import tailgate; print(tailgate.__file__, tailgate.__version__)", cwd="/",
                env=environment(PYTHONPATH=str(site.folder / "target")))
    path, version = there.split()
    assert path == f"{site.folder}/target/tailgate/__init__.py"
    assert f"tailgate-{version}-" in wheel.name
    assert f"tailgate {version}" in tailgate("--version").stdout
    installed = {name for name in os.listdir(site.folder / "target" / "tailgate") if name != "__pycache__"}
    assert installed == {name for name in os.listdir(LIBRARY / "tailgate") if name != "__pycache__"}
    assert "py.typed" in installed


def test_cmake_installs_the_library_for_the_system_and_its_examples(site):
    run("cmake", f"-DCMAKE_INSTALL_PREFIX={site.folder}/usr", "-P", BUILD / "deploy" / "cmake_install.cmake")
    share = site.folder / "usr" / "share"
    there = run(PYTHON, "-c", "import tailgate; print(tailgate.__file__)", cwd="/",
                env=environment(PYTHONPATH=str(share / "tailgate" / "python"), PYTHONDONTWRITEBYTECODE="1"))
    assert there.strip() == f"{share}/tailgate/python/tailgate/__init__.py"
    assert {path.name for path in (share / "tailgate" / "python").rglob("*") if path.is_file()} == \
        {path.name for path in (LIBRARY / "tailgate").glob("*.py")} | {"py.typed"}
    examples = share / "doc" / "tailgate" / "examples"
    assert {path.name for path in EXAMPLES.glob("*.py")} <= {path.name for path in examples.iterdir()}


def test_types_hold_and_serve_who_uses_them(site, source):
    user = site.folder / "user.py"
    user.write_text("""
import datetime
import tailgate

@tailgate.worker("law")
def answer(query: tailgate.Query) -> str:
    return query.question.upper() + str(query.message_id + 1)

async def ask() -> str:
    async with tailgate.AsyncClient(db="bridge.db") as client:
        async for piece in client.stream("law", "What?"):
            print(piece if isinstance(piece, str) else piece.sources)
        return (await client.ask("law", {"question": "What?"}, timeout=1.5)).text

async def watch(since: datetime.datetime) -> int:
    async with tailgate.AsyncObserver(db="bridge.db", since=since, notice=print) as observer:
        async for event in observer:
            return event.id + len((await observer.next(timeout=1.5)).kind)
    return 0

with tailgate.Observer("ipc:///events", gate="ipc:///gate", kinds=["query"], after={"query": 7}) as observer:
    texts = [str(event.data["text"]) for event in observer]
    with tailgate.Observer("ipc:///events", gate="ipc:///gate", after=observer.position) as after:
        print(after.next().topic, after.lost + after.repaired)

with tailgate.Client("ipc:///gate") as client:
    client.ask("law", 7)  # the one error
""")
    mypy = [PYTHON, "-m", "mypy", "--strict", "--cache-dir", site.folder / "cache"]
    run(*mypy, source / "tailgate")
    done = subprocess.run([str(word) for word in [*mypy, user]], capture_output=True, text=True, timeout=WAIT,
                          env=environment(MYPYPATH=str(source)), check=False)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1 and "user.py:27" in errors[0], done.stdout + done.stderr


def test_everything_public_is_explained(source):
    run(PYTHON, "-c", """
import inspect, tailgate
for name in tailgate.__all__:
    thing = getattr(tailgate, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert thing.__doc__ and not thing.__doc__.startswith(name + "("), name
    for part, method in inspect.getmembers(thing, inspect.isfunction) if inspect.isclass(thing) else []:
        assert part.startswith("_") or method.__doc__, f"{name}.{part}"
""", env=environment(PYTHONPATH=str(source)))


def test_library_needs_pyzmq_and_nothing_else():
    imported = set()
    for path in (LIBRARY / "tailgate").glob("*.py"):
        imported |= set(re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
    assert {name for name in imported if name not in sys.stdlib_module_names} == {"zmq"}


# ── the examples ────────────────────────────────────────────────────────────────────────────────────

def example(site, name, *words):
    program = Program([PYTHON, EXAMPLES / name, *words], env=library_environment(), stdout=subprocess.PIPE)
    site.processes.append(program.process)
    return program


@pytest.mark.parametrize("name", ["streaming_worker.py", "ask.py", "async_ask.py", "observe.py"])
def test_example_explains_itself_when_it_is_called_without_words(name):
    done = subprocess.run([PYTHON, EXAMPLES / name], capture_output=True, text=True, env=library_environment(),
                          timeout=WAIT, check=False)
    assert done.returncode == 1 and f"python3 {name} bridge.db" in done.stderr


def test_streaming_worker_streams_and_answers(site):
    bridge = site.bridge()
    gateway = site.serve(bridge)
    worker = example(site, "streaming_worker.py", bridge.path)
    reply = bridge.reply(bridge.ask("What is a lease?", service="explain"))
    assert json.loads(reply["text"])["answer"] == "You asked: What is a lease?"
    assert reply["metadata"]["worker"] == "streamer"
    assert gateway.status()["counters"]["partials"] == 6
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_ask_prints_what_comes_while_it_comes(site):
    broker = Broker(site.context, f"ipc://{site.folder}/gate")
    asking = example(site, "ask.py", broker.endpoint, "explain", "What?")
    peer, *_ = broker.request()
    broker.partial(peer, "explain", b"It ")
    assert asking.process.stdout.read(3) == b"It "
    broker.partial(peer, "explain", b"is")
    broker.final(peer, "explain", b'{"type":"response","answer":"It is","sources":["a.md:1-2"]}')
    assert asking.process.stdout.read() == b"is\n  a.md:1-2\n"
    assert asking.wait() == 0
    broker.close()


def test_ask_that_gets_an_error_says_it_in_one_line(site):
    broker = Broker(site.context, f"ipc://{site.folder}/gate")
    asking = example(site, "ask.py", broker.endpoint, "explain", "What?")
    peer, *_ = broker.request()
    broker.final(peer, "explain", b'{"type":"error","error":"nobody came"}')
    assert asking.wait() == 1
    assert asking.stderr.lines == ["ask.py: nobody came"]
    broker.close()


def test_async_ask_prints_all_answers(site):
    broker = Broker(site.context, f"ipc://{site.folder}/gate")
    asking = example(site, "async_ask.py", broker.endpoint, "explain", "One?", "Two?")
    for _ in range(2):
        peer, _, (body,) = broker.request()
        broker.final(peer, "explain", b"re " + json.loads(body)["question"].encode())
    assert asking.process.stdout.read() == b"One?\n  re One?\nTwo?\n  re Two?\n"
    assert asking.wait() == 0
    broker.close()
