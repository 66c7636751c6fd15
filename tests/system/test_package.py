"""The Debian packages: made from what the preset gcc has built, without a complaint of lintian, and they work. With
TAILGATE_LONG they are built as a packager builds them, and used in a fresh system."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, LONG, WAIT, Program

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "deploy" / "package"
VERSION = re.search(r"^project\(tailgate VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
NAMES = ["libtailgate-dev", "libtailgate0", "python3-tailgate", "tailgate"]


def run(*words, **keywords):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, errors="replace", **keywords)
    assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def make(folder, *words):
    """Makes the packages; returns {name: file}."""
    files = [Path(line) for line in run(PACKAGE, *words, "--into", folder).splitlines()]
    return {file.name.split("_")[0]: file for file in files}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return make(tmp_path_factory.mktemp("packages"), "--built", BUILD)


@pytest.fixture(scope="module")
def unpacked(packages, tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    for file in packages.values():
        run("dpkg-deb", "-x", file, folder)
    return folder


def field(file, name):
    return run("dpkg-deb", "-f", file, name).strip()


def complaints(folder):
    done = subprocess.run(["lintian", "--allow-root", "--tag-display-limit", "0", *folder.glob("*.changes")],
                          capture_output=True, text=True)
    assert done.returncode in (0, 2), done.stderr
    return done.stdout.splitlines()


def test_lintian_has_no_complaint(packages):
    assert complaints(packages["tailgate"].parent) == []


def test_packages_have_the_version_of_the_program_and_what_they_need(packages):
    assert sorted(packages) == NAMES
    assert {field(file, "Version") for file in packages.values()} == {VERSION}
    depends = field(packages["tailgate"], "Depends")
    for library in ("libsqlite3-0", "libzmq5", "libczmq4", "libsodium23", "libpcre2-8-0", "libjansson4", "libcurl4"):
        assert library in depends
    assert f"libtailgate0 (= {VERSION})" in field(packages["libtailgate-dev"], "Depends")


def test_everything_that_is_installed_from_source_is_in_a_package(unpacked, tmp_path):
    run("cmake", "--install", BUILD, env={**os.environ, "DESTDIR": str(tmp_path)})
    moved = {"usr/share/zsh/site-functions": "usr/share/zsh/vendor-completions",
             "usr/share/tailgate/python": "usr/lib/python3/dist-packages",
             r"usr/share/doc/tailgate/examples/(\w+\.c)$": r"usr/share/doc/libtailgate-dev/examples/\1",
             r"(usr/share/man/.*)$": r"\1.gz"}
    missing = []
    for path in sorted(tmp_path.rglob("*")):
        name = str(path.relative_to(tmp_path))
        for place, other in moved.items():
            name = re.sub(f"^{place}", other, name)
        if not path.is_dir() and not os.path.lexists(unpacked / name):
            missing.append(name)
    assert missing == ["usr/share/doc/tailgate/LICENSE"]  # it is the file copyright


def test_unpacked_gateway_answers_with_a_worker_of_its_helper(unpacked, site):
    program = unpacked / "usr" / "bin" / "tailgate"
    db = site.folder / "bridge.db"
    run(program, "init", db)
    gateway = Program([program, "serve", "--db", db, "--work", "--echo", "--log-format", "json"])
    site.processes.append(gateway.process)
    gateway.wait_event("serving")
    assert "louder?" in run(program, "ask", "--db", db, "louder?", timeout=WAIT)


def test_python_library_can_be_imported_from_its_package(unpacked):
    place = unpacked / "usr" / "lib" / "python3" / "dist-packages"
    assert run("/usr/bin/python3", "-B", "-c", "import tailgate; print(tailgate.__file__)",
               env={**os.environ, "PYTHONPATH": str(place)}).startswith(str(place))


@pytest.mark.parametrize("words, hint", [(["--built", "/nowhere"], "/nowhere"), (["--built", "/"], "prefix /usr"),
                                         (["--built"], "needs a directory"), (["--what"], "unknown word")])
def test_script_says_what_is_wrong(words, hint, tmp_path):
    done = subprocess.run([PACKAGE, *words], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode in (1, 2) and hint in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


# The whole way, which takes minutes and needs a mirror of Debian.

def sources():
    """The lines of deb822 by which this system finds Debian, without those of others."""
    files = [*Path("/etc/apt/sources.list.d").glob("*.sources")]
    stanzas = [stanza for file in files for stanza in re.split(r"\n\s*\n", file.read_text())]
    return [stanza for stanza in stanzas if "debian-archive-keyring" in stanza]


class Fresh:
    """A fresh Debian system in a folder."""

    def __init__(self, folder):
        self.folder = folder
        mirror = re.search(r"^URIs: (\S+)", sources()[0], re.MULTILINE)[1]
        run("debootstrap", "--variant=minbase", "bookworm", folder, mirror, timeout=1800)
        (folder / "etc/apt/sources.list").unlink(missing_ok=True)
        (folder / "etc/apt/sources.list.d/debian.sources").write_text("\n\n".join(sources()) + "\n")
        (folder / "etc/apt/apt.conf.d/99test").write_text('Acquire::Check-Valid-Until "false";\n'
                                                         'Acquire::Check-Date "false";\n')
        (folder / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")  # nothing is started
        (folder / "usr/sbin/policy-rc.d").chmod(0o755)
        shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
        self.run("apt-get", "update")

    def words(self, *words):
        """unshare: what is started in it ends with it, and its /proc is its own."""
        return ["unshare", "--pid", "--fork", "--mount", "--mount-proc=" + str(self.folder / "proc"),
                "--kill-child", "chroot", self.folder, *words]

    def run(self, *words):
        return run(*self.words("env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", *words), timeout=1800)

    def files(self):
        skipped = ("proc", "dev", "sys", "tmp", "run", "var/cache", "var/lib/apt", "var/lib/dpkg", "var/log")
        found = set()
        for top, folders, names in os.walk(self.folder):
            place = os.path.relpath(top, self.folder)
            if place in skipped:
                folders.clear()
                continue
            found |= {os.path.normpath(os.path.join(place, name)) for name in [*folders, *names]}
        return found


ASK = """set -e
install -d -o tailgate -g tailgate -m 2770 /var/lib/tailgate/main
cd /var/lib/tailgate/main
as="setpriv --reuid tailgate --regid tailgate --clear-groups"
$as tailgate init bridge.db >/dev/null
$as tailgate serve --db bridge.db --log-format json 2>/tmp/gateway.log &
gateway=$!
$as tailgate work --db bridge.db -- python3 -u -c 'import json, sys
for line in sys.stdin:
    print(json.dumps({"answer": json.loads(line)["question"].upper()}), flush=True)' 2>/tmp/worker.log &
$as tailgate ask --db bridge.db --json "is anybody there?"
$as tailgate status --db bridge.db >&2
kill $gateway
wait $gateway
"""


@pytest.mark.skipif(not LONG or os.geteuid() != 0, reason="minutes and a mirror, with TAILGATE_LONG and as root only")
def test_package_of_a_packager_is_used_in_a_fresh_debian(tmp_path):
    packages = make(tmp_path / "packages")
    assert {name for name in packages if not name.endswith("-dbgsym")} == set(NAMES)
    assert complaints(tmp_path / "packages") == []
    fresh = Fresh(tmp_path / "debian")
    fresh.run("apt-get", "install", "-y", "--no-install-recommends", "python3-minimal", "systemd")
    before = fresh.files()
    for name in NAMES:
        shutil.copy(packages[name], fresh.folder / "root")
    installed = fresh.run("sh", "-c", "apt-get install -y --no-install-recommends /root/*.deb")
    print(installed[-1500:])
    print(fresh.run("tailgate", "--version"))
    answer = json.loads(fresh.run("sh", "-c", ASK).splitlines()[-1])
    print(answer)
    assert "IS ANYBODY THERE?" in json.dumps(answer)
    assert "tailgate" in fresh.run("python3", "-c", "import tailgate; print(tailgate.__name__)")
    assert (fresh.folder / "etc/tailgate").is_dir()
    fresh.run("sh", "-c", "rm /root/*.deb; apt-get purge -y --autoremove " + " ".join(NAMES))
    left = sorted(path for path in fresh.files() - before if "tailgate" in path)  # as all our paths have it
    print("left after the purge:", left)
    assert "var/lib/tailgate/main/bridge.db" in left
    assert not [path for path in left if not path.startswith("var/lib/tailgate")]
    shutil.rmtree(fresh.folder)  # pytest keeps what is left for days
