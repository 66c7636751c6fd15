"""-DTAILGATE_SQLITE_SOURCE=DIR: a second build tree with a newer SQLite linked in. The amalgamation is the one that
the npm package better-sqlite3 carries; everything is kept below the build directory."""

import hashlib
import os
import re
import subprocess
import sys
import tarfile

import pytest

from harness import BUILD, HERE, environment

PACKAGE = "better-sqlite3@12.11.1"
SHA256 = "ebf0ed75a7a59dbcb3b24bbd014ef49d9f15bc328e4adcbf516f2a8fadfa2835"
PLACE = BUILD / "sqlite-source"
TREE = PLACE / "tree"
ADAPTERS = ("bridge_place", "bridge_schema", "bridge_conversation", "bridge_tail", "bridge_store",
            "bridge_store_limits", "bridge_store_end", "committer", "committer_trouble")
SYSTEM = ("system-main_job", "system-descriptors", "system-wal")


def run(*words, seconds=300, check=True):
    env = environment(npm_config_update_notifier="false")
    env.pop("TAILGATE_LONG", None)
    try:
        done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds,
                              env=env, check=False)
    except FileNotFoundError:
        pytest.fail(f"{words[0]} is not installed", pytrace=False)
    if check and done.returncode:
        pytest.fail(f"{' '.join(map(str, words[:3]))} … failed:\n{done.stdout[-6000:]}", pytrace=False)
    return done


def fetch():
    """The package as the registry has it, once for each build directory."""
    archive = PLACE / f"{PACKAGE.replace('@', '-')}.tgz"
    if not archive.exists():
        done = run("npm", "pack", PACKAGE, "--ignore-scripts", "--loglevel=error", "--fetch-timeout=30000",
                   "--fetch-retries=1", "--pack-destination", PLACE, "--cache", PLACE / "npm", check=False)
        if done.returncode or not archive.exists():
            pytest.fail(f"the npm registry did not give {PACKAGE}: is it reachable? npm says: "
                        + " ".join(done.stdout.split())[:300], pytrace=False)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        archive.unlink()
        pytest.fail(f"{PACKAGE} is not what it was: sha256 {found}", pytrace=False)
    return archive


def compiler():
    cache = (BUILD / "CMakeCache.txt").read_text()
    return re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", cache, re.MULTILINE).group(1)


def configure(tree, source):
    return run("cmake", "-S", HERE.parents[1], "-B", tree, "-G", "Ninja", f"-DCMAKE_C_COMPILER={compiler()}",
               "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS_DEBUG=", "-DCMAKE_COMPILE_WARNING_AS_ERROR=ON",
               f"-DTAILGATE_PYTHON={sys.executable}", f"-DTAILGATE_SQLITE_SOURCE={source}", check=False)


@pytest.fixture(scope="module", name="tree")
def tree_():
    """The second tree, built. Without optimisation and what a debugger needs: nothing else is compiled sooner."""
    source = PLACE / "amalgamation"
    source.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fetch()) as archive:
        for name in ("sqlite3.c", "sqlite3.h"):
            text = archive.extractfile(f"package/deps/sqlite3/{name}").read()
            if not (source / name).exists() or (source / name).read_bytes() != text:
                (source / name).write_bytes(text)
    done = configure(TREE, source)
    if done.returncode:
        pytest.fail(f"cmake failed:\n{done.stdout[-3000:]}", pytrace=False)
    run("cmake", "--build", TREE, "-j2", "--target", "tailgate", "tailgate-work",
        *(f"test_{name}" for name in ADAPTERS), seconds=600)
    return TREE


def version_in(header):
    return re.search(r'^#define SQLITE_VERSION\s+"(.*)"', header.read_text(), re.MULTILINE).group(1)


def test_the_given_sqlite_is_linked_in_once_and_no_other(tree):
    for program in (tree / "gateway" / "tailgate", tree / "tests" / "adapter" / "test_committer"):
        symbols = [line.split()[-2:] for line in run("nm", program).stdout.splitlines()]
        opens = [kind for kind, name in symbols if name == "sqlite3_open_v2"]
        assert opens in (["T"], ["t"]), f"{program} has sqlite3_open_v2 as {opens}"
        assert "libsqlite3" not in run("ldd", program).stdout
    shown = run(tree / "gateway" / "tailgate", "--version").stdout.splitlines()
    assert shown[0].startswith("tailgate ")
    assert shown[1] == f"SQLite {version_in(PLACE / 'amalgamation' / 'sqlite3.h')}, linked in"


def test_the_shared_library_is_used_when_none_is_given():
    assert "libsqlite3.so" in run("ldd", BUILD / "gateway" / "tailgate").stdout
    shown = run(BUILD / "gateway" / "tailgate", "--version").stdout.splitlines()
    assert re.fullmatch(r"SQLite \d+\.\d+\.\d+, the system's library", shown[1]), shown


def test_adapters_keep_their_promises_with_it(tree):
    run("ctest", "--test-dir", tree, "-j2", "--output-on-failure", "--no-tests=error",
        "-R", f"^({'|'.join(ADAPTERS)})$")


def test_gateway_keeps_its_promises_with_it(tree):
    run("ctest", "--test-dir", tree, "-j2", "--output-on-failure", "--no-tests=error",
        "-R", f"^({'|'.join(SYSTEM)})$", seconds=600)


@pytest.mark.parametrize("files, says", [
    ((), "there is no sqlite3.c"),
    (("sqlite3.c",), "there is no sqlite3.h"),
    (("sqlite3.c", "sqlite3.h"), "is not of an SQLite amalgamation"),
], ids=["empty", "half", "other"])
def test_folder_without_an_amalgamation_is_refused_clearly(site, files, says):
    source = site.folder / "source"
    source.mkdir()
    for name in files:
        (source / name).write_text("int main(void) { return 0; }\n")
    done = configure(site.folder / "tree", source)
    assert done.returncode != 0
    told = " ".join(done.stdout.split())
    assert "TAILGATE_SQLITE_SOURCE" in told and says in told, done.stdout
    assert os.path.realpath(source) in told or str(source) in told
