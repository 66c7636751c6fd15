"""What deploy/topologies.md shows can be typed: every option exists, and each set-up works as it stands there, with a
namespace and a folder for each host: a question is answered, and where somebody watches, seen."""

import re
import shlex
import shutil
import subprocess
import time

import pytest

from harness import HERE, TAILGATE, WAIT, Lines, Program, environment, tailgate, wait_for
from hosts import network  # noqa: F401  (a fixture)

TEXT = (HERE.parents[1] / "deploy" / "topologies.md").read_text(encoding="utf-8")
STAYS = ("serve", "work", "watch", "relay", "publish")  # in the foreground
ADDRESSES = {"gw": "10.0.0.1", "w1": "10.0.0.2", "desk": "10.0.0.3", "site-b": "10.0.0.4",
             "n1": "10.0.0.11", "n2": "10.0.0.12", "n3": "10.0.0.13"}
ANSWER = re.search(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL).group(1)
QUESTION = "Is anybody there?"


def commands(text):
    """(host, words) for each command in TEXT's blocks, in order."""
    found = []
    for block in re.findall(r"^```sh\n# on ([\w-]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block[1].replace("\\\n", " ").splitlines():
            found.append((block[0], shlex.split(line)))
    return found


def name_of(words):
    """Of one of our commands: its words up to the options."""
    return words[1:3] if words[1] == "jetstream" else words[1:2]


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL).group(1)


TITLES = [title for title in re.findall(r"^## (.*)$", TEXT, re.MULTILINE) if commands(section(title))]
TYPED = [words for _, words in commands(TEXT)]
INLINE = [shlex.split(line) for line in re.findall(r"`(tailgate [a-z]+ [^`]*)`", TEXT)]
OURS = sorted({shlex.join(words) for words in TYPED + INLINE if words[0] == "tailgate"})


def test_every_block_of_commands_says_its_host():
    assert {"One host", "Remote workers", "Remote observers", "Two sites with a relay"} <= set(TITLES)
    assert TEXT.count("```sh\n") == TEXT.count("```sh\n# on ") > 10
    assert {words[0] for words in TYPED} <= {"tailgate", "scp", "openssl", "nats-server"}


@pytest.mark.parametrize("line", OURS)
def test_every_option_exists(line):
    words = shlex.split(line)
    name = name_of(words)
    told = tailgate(*name, "--help")
    assert told.returncode == 0, f"there is no tailgate {name}: {told.stderr}"
    known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", told.stdout))
    own = words[2:words.index("--")] if "--" in words else words[2:]
    missing = [word for word in own if re.match(r"--?[a-z]", word) and " " not in word and word not in known]
    assert not missing, f"tailgate {name} --help does not know {missing}"


def test_every_setting_exists():
    known = set(re.findall(r"^([a-z._]+) = ", tailgate("serve", "--print-config").stdout, re.MULTILINE))
    told = set(re.findall(r"`(?:--set )?([a-z]+\.[a-z._]+)(?:=\w+)?`", TEXT))
    told -= {"answer.py", "ca.pem", "delivery.message_id"}  # files, and a member of a query
    assert told and told <= known, told - known


class Hosts:
    """The hosts of the section TITLE. Each has a folder, and, with a Network, a namespace: what stands as its address
    is another one here."""

    def __init__(self, title, site, net=None):
        self.text = section(title)
        self.site = site
        names = [name for name in ADDRESSES if f"# on {name}\n" in self.text]
        self.hosts = dict(zip(names, net.hosts(len(names)))) if net else {}
        self.programs = []
        self.seen = []  # by each `watch`, what it shows
        configs = re.findall(r"^```conf\n# (\S+) on (.*?)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        for name, on, config in configs:
            for host in re.findall(r"\b(?!and\b)\w+", on):
                (self.folder(host) / name).write_text(self._here(config), encoding="utf-8")

    def folder(self, host):
        folder = self.site.folder / host
        if not folder.exists():
            folder.mkdir()
            (folder / "answer.py").write_text(ANSWER, encoding="utf-8")
        return folder

    def path(self, host, name):
        """NAME as scp understands it on HOST."""
        other, colon, path = name.partition(":")
        return self.folder(other) / path if colon else self.folder(host) / name

    def _here(self, word):
        for name, host in self.hosts.items():
            word = re.sub(re.escape(ADDRESSES[name]) + r"\b", host.address, word)
        return word

    def type(self, host, words):
        """Does what WORDS say; returns what a command that ends has printed."""
        if words[0] == "scp":
            shutil.copy(self.path(host, words[1]), self.path(host, words[2]))
            return None
        prefix = self.hosts[host].prefix if self.hosts else ()
        program = TAILGATE if words[0] == "tailgate" else words[0]
        own = [*prefix, program, *(self._here(word) for word in words[1:])]
        if words[0] == "nats-server" or name_of(words)[-1] in STAYS:
            self._start(host, words, own)
            return None
        if words[1:3] == ["jetstream", "setup"]:  # the servers may not have found each other yet
            wait_for(lambda: self._run(host, own).returncode == 0, f"{words} to be done")
            return None
        done = self._run(host, own)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def _run(self, host, words):
        return subprocess.run([str(word) for word in words], cwd=self.folder(host), env=environment(), check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * WAIT)

    def _start(self, host, words, own):
        shown = subprocess.PIPE if words[1] == "watch" else subprocess.DEVNULL
        program = Program(own, cwd=self.folder(host), stdout=shown)
        self.site.processes.append(program.process)
        if words[0] != "tailgate":
            return
        self.programs.append(program)
        if words[1] == "watch":
            self.seen.append(Lines(program.process.stdout))
        elif words[1] == "serve":
            program.wait_line(" info serving ")

    def all_have_seen(self):
        assert all(program.running() for program in self.programs), [program.stderr.text() for program in self.programs]
        return all(re.search(rf" query .*{re.escape(QUESTION)}", seen.text()) and
                   re.search(rf" response .*yes: {re.escape(QUESTION)}", seen.text()) for seen in self.seen)

    def end(self):
        for program in reversed(self.programs):  # the gateway last
            program.stop()


def works_as_written(hosts):
    typed = commands(hosts.text)
    said = [(words, hosts.type(host, words)) for host, words in typed]
    answers = [text for words, text in said if words[1] == "ask"]
    assert answers and all(f"yes: {QUESTION}" in text for text in answers)
    end = time.monotonic() + WAIT
    while not hosts.all_have_seen():  # one that had not arrived yet was told nothing: ask again
        assert time.monotonic() < end, [seen.text() for seen in hosts.seen]
        hosts.type(*typed[-1])
    hosts.end()


def test_one_host_works_as_written(site):
    works_as_written(Hosts("One host", site))


@pytest.mark.parametrize("title", [title for title in TITLES if title != "One host"])
def test_several_hosts_work_as_written(network, site, title):  # noqa: F811
    works_as_written(Hosts(title, site, network))
