"""Dockerfile and compose.yaml, without an engine: what they copy, install and start is there and does what they are
for. With TAILGATE_LONG the commands of the build stage are run as they are written."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from harness import BUILD, LONG, TAILGATE, TAILGATE_WORK, Program, environment
from test_package import Fresh

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = sorted(COMPOSE["services"])
HELPERS = [TAILGATE, TAILGATE_WORK, *(BUILD / "gateway").glob("tailgate-*[a-z]")]


def instructions():
    """(stage, word, rest) for each of the Dockerfile's."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    stage, found = -1, []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, rest = line.split(None, 1)
            stage += word == "FROM"
            found.append((stage, word, " ".join(rest.split())))
    return found


def of(word, stage=None):
    return [rest for place, name, rest in instructions() if name == word and stage in (None, place)]


def packages(stage):
    return re.search(r"--no-install-recommends (.*?) &&", of("RUN", stage)[0])[1].split()


def copied(folder):
    """Copies what the build stage copies of the tree, so far as the list of what to ignore lets it."""
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for rest in of("COPY", 0):
        *names, target = rest.split()
        for name in names:
            assert f"!{name}" in allowed and (ROOT / name).exists(), name
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, folder / target)


def here(words, site):
    """The words of a container's command, for the folder of a test in the place of /data."""
    return [word.replace("/data/", f"{site.folder}/") for word in words]


def test_image_runs_as_nobody_in_particular_and_has_no_shell_between():
    assert [rest.split()[0] for rest in of("FROM")] == ["debian:bookworm-slim"] * 2
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", of("USER", 1)[0])
    for word in ("ENTRYPOINT", "CMD"):
        assert all(isinstance(part, str) for part in json.loads(of(word, 1)[0]))
    assert json.loads(of("HEALTHCHECK", 1)[0].split("CMD ")[1])
    assert of("STOPSIGNAL", 1) == ["SIGTERM"] and of("VOLUME", 1) == ["/data"]


def test_every_file_that_is_copied_exists(tmp_path):
    copied(tmp_path)
    assert of("COPY", 1) == ["--from=build /out/usr /usr"]


@pytest.mark.parametrize("stage", [0, 1])
def test_every_package_exists(stage):
    done = subprocess.run(["apt-cache", "show", "--no-all-versions", *packages(stage)], capture_output=True, text=True)
    assert set(packages(stage)) == set(re.findall(r"^Package: (\S+)$", done.stdout, re.MULTILINE)), done.stderr


def test_image_has_every_library_that_the_programs_need():
    """And no other one that would need an update now and then."""
    needed = set()
    for path in HELPERS:
        shown = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
        needed |= set(re.findall(r"\(NEEDED\).*\[(.*?)\]", shown))
    found = subprocess.run(["dpkg-query", "-S", *(f"*/{name}" for name in needed)], capture_output=True, text=True)
    owners = {line.split(":")[0] for line in found.stdout.splitlines()}
    ours = {name for name in owners if not re.match(r"(lib(32|n?64|x32)?(c6|gcc|[a-z]*san)|.*-dev)", name)}
    assert ours == set(packages(1))


def test_build_stage_can_be_configured_from_what_is_copied(tmp_path):
    copied(tmp_path)
    runs = of("RUN", 0)[1:]
    assert [run.split()[:2] for run in runs] == [["cmake", "--preset"], ["cmake", "--build"], ["DESTDIR=/out", "cmake"]]
    for run in runs if LONG else runs[:1]:
        done = subprocess.run(run.replace("/out", str(tmp_path / "out")), shell=True, cwd=tmp_path, capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    if LONG:
        version = subprocess.run([tmp_path / "out/usr/bin/tailgate", "--version"], capture_output=True, text=True)
        assert version.stdout.startswith("tailgate ")


def test_services_are_careful():
    assert SERVICES == ["gateway", "worker"]
    for name in SERVICES:
        service = COMPOSE["services"][name]
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service and "ports" not in service and "user" not in service
        assert [volume.split(":")[0] for volume in service["volumes"]] == list(COMPOSE["volumes"])
        assert service["volumes"][0].split(":")[1] in of("VOLUME", 1)
    build = COMPOSE["services"]["gateway"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT and (ROOT / build["dockerfile"]).is_file()


def test_commands_of_the_comments_exist():
    for name in ("Dockerfile", "compose.yaml"):
        text = (DEPLOY / name).read_text()
        typed = re.findall(r"^#   docker .*? (?:tailgate|gateway) ([a-z]+ .*)$", text, re.MULTILINE)
        assert typed
        for line in typed:
            command, *words = shlex.split(line)
            page = subprocess.run([TAILGATE, command, "--help"], env=environment(), capture_output=True, text=True)
            assert page.returncode == 0
            assert all(word in page.stdout for word in words if word.startswith("--"))


def test_containers_commands_serve_work_and_are_healthy(site):
    entry, serve = (json.loads(of(word, 1)[0]) for word in ("ENTRYPOINT", "CMD"))
    health = json.loads(of("HEALTHCHECK", 1)[0].split("CMD ")[1])
    assert entry == ["tailgate"] and health[0] == "tailgate"
    bridge = site.bridge()
    check = [TAILGATE, *here(health[1:], site)]
    assert subprocess.run(check, env=environment(), capture_output=True).returncode == 1, "no gateway yet"
    gateway = Program([TAILGATE, *here(serve, site), "--log-format", "json"])
    site.processes.append(gateway.process)
    gateway.wait_event("serving")
    worker = Program([TAILGATE, *here(COMPOSE["services"]["worker"]["command"], site)])
    site.processes.append(worker.process)
    assert bridge.reply(bridge.ask("there?"))["metadata"]["worker"] == "echo"
    assert subprocess.run(check, env=environment(), capture_output=True).returncode == 0
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0
    assert subprocess.run(check, env=environment(), capture_output=True).returncode == 1, "it has ended"


@pytest.mark.skipif(not LONG, reason="it waits, with TAILGATE_LONG only")
def test_gateway_that_hangs_is_not_healthy(site):
    bridge = site.bridge()
    health = json.loads(of("HEALTHCHECK", 1)[0].split("CMD ")[1])
    gateway = site.serve(bridge)
    gateway.signal(signal.SIGSTOP)
    try:
        done = subprocess.run([TAILGATE, *here(health[1:], site)], env=environment(), capture_output=True, text=True)
    finally:
        gateway.signal(signal.SIGCONT)
    assert done.returncode == 1


IMAGE = """set -e
cd /data
as="setpriv --reuid 10001 --regid 10001 --clear-groups"
$as tailgate init bridge.db >/dev/null
! $as HEALTH
$as SERVE 2>/tmp/gateway.log &
gateway=$!
$as WORK 2>/tmp/worker.log &
$as tailgate ask --db bridge.db "is anybody there?"
$as HEALTH >&2
kill $gateway
wait $gateway
"""


@pytest.mark.skipif(not LONG or os.geteuid() != 0, reason="minutes and a mirror, with TAILGATE_LONG and as root only")
def test_both_stages_can_be_made_by_hand_and_the_result_answers(tmp_path):
    """Each stage in a fresh system: its commands as they are written, then what the containers run."""
    build, image = Fresh(tmp_path / "build"), Fresh(tmp_path / "image")
    (build.folder / "src").mkdir()
    copied(build.folder / "src")
    for rest in of("RUN", 0):
        build.run("sh", "-c", f"cd /src && {rest}")
    image.run("sh", "-c", of("RUN", 1)[0])
    shutil.copytree(build.folder / "out/usr", image.folder / "usr", symlinks=True, dirs_exist_ok=True)
    words = {"HEALTH": json.loads(of("HEALTHCHECK", 1)[0].split("CMD ")[1]),
             "SERVE": ["tailgate", *json.loads(of("CMD", 1)[0])],
             "WORK": ["tailgate", *COMPOSE["services"]["worker"]["command"]]}
    script = IMAGE
    for name, command in words.items():
        script = script.replace(name, shlex.join(command))
    assert "is anybody there?" in image.run("sh", "-c", script)
    for fresh in (build, image):
        shutil.rmtree(fresh.folder)  # pytest keeps what is left for days
