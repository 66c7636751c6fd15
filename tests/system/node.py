"""The Node library as a user gets it: packed, and installed from the npm registry into the build directory, once
for each state of its sources."""

import fcntl
import hashlib
import shutil
import subprocess

import pytest

from harness import BUILD, HERE, Lines, Program, environment

SOURCE = HERE.parents[1] / "adapters" / "node"
PLACE = BUILD / "node"
# The newest at the time of writing. Its binaries for Node 18 and newer are in the package.
ZEROMQ = "zeromq@6.8.0"
TYPESCRIPT = ("typescript@5.9.2", "@types/node@18.19.120")


def run(*words, cwd=None, check=True, seconds=300):
    try:
        done = subprocess.run([str(word) for word in words], cwd=cwd, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=seconds,
                              env=environment(npm_config_update_notifier="false"), check=False)
    except FileNotFoundError:
        pytest.fail(f"{words[0]} is not installed", pytrace=False)
    if check and done.returncode:
        pytest.fail(f"{' '.join(map(str, words[:3]))} … failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}",
                    pytrace=False)
    return done


def npm(*words, **keywords):
    return run("npm", *words, "--loglevel=error", "--no-audit", "--no-fund", "--fetch-timeout=30000",
               "--fetch-retries=1", "--prefer-offline", "--cache", PLACE / "npm", **keywords)


def state():
    """A short name for what the library's sources are now."""
    digest = hashlib.sha256(" ".join((ZEROMQ, *TYPESCRIPT)).encode())
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file() and "node_modules" not in path.parts:
            digest.update(f"{path.relative_to(SOURCE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def make(folder):
    """Packs the library and installs it into FOLDER. No package may run a script: what is needed must be in the
    packages themselves."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    npm("pack", SOURCE, "--pack-destination", folder)
    (archive,) = folder.glob("*.tgz")
    for name, packages in (("use", (archive, ZEROMQ)), ("types", (archive, ZEROMQ, *TYPESCRIPT))):
        (folder / name).mkdir()
        (folder / name / "package.json").write_text('{"private": true}\n')
        npm("install", "--ignore-scripts", *packages, cwd=folder / name)
    (folder / "done").touch()


def installed():
    """The folder with the packed library (*.tgz), `use/node_modules`, and `types/node_modules` with TypeScript."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(PLACE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = PLACE / state()
        if not (folder / "done").exists():
            make(folder)
            for other in PLACE.iterdir():
                if other.is_dir() and other not in (folder, PLACE / "npm"):
                    shutil.rmtree(other, ignore_errors=True)
        return folder


class Node(Program):
    """A program on the library, with both its outputs read."""

    def __init__(self, program, *words, **keywords):
        super().__init__(["node", program, *words], stdout=subprocess.PIPE, **keywords)
        self.stdout = Lines(self.process.stdout)

    def said(self, start, timeout=60.0, since=0):
        """Waits for a line of stdout that begins with START; returns the rest of it."""
        return self.stdout.wait(lambda line: line.startswith(start), f"the line {start}…", timeout,
                                since)[len(start):].strip()


class Workshop:
    """A folder in which programs can import the library."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = []
        (folder / "node_modules").symlink_to(installed() / "use" / "node_modules")

    def start(self, program, *words, **keywords):
        """Runs PROGRAM, a file or its text."""
        path = self.folder / f"program{len(self.programs)}.mjs"
        path.write_text(program if isinstance(program, str) else program.read_text(encoding="utf-8"),
                        encoding="utf-8")
        started = Node(path, *words, **{"cwd": self.folder, **keywords})
        self.programs.append(started)
        return started

    def close(self):
        for program in self.programs:
            if not program.ended:
                program.kill()


@pytest.fixture
def workshop(site):
    made = Workshop(site.folder)
    try:
        yield made
    finally:
        made.close()
