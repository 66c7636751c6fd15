"""Hosts that really are apart, as network namespaces: TCP between them goes through a switch whose wires can be
cut. Files and unix sockets are shared, so that a test can look into everything. Needs iproute2 and util-linux, and
CAP_SYS_ADMIN with CAP_NET_ADMIN or the permission to make user namespaces; without them tests that ask for `network`
are skipped.

    a, b = network.hosts(2)
    gateway = site.serve(bridge, "--insecure", "--gate", f"tcp://{a.address}:*", prefix=a.prefix)
    b.start([TAILGATE_WORK, "--gate", ...])
    b.cut("blackhole"); ...; b.heal()

Nothing is left behind, however the test ends: the namespaces have names in a mount namespace of this process alone,
and what runs in them is killed when it ends (setpriv --pdeathsig)."""

import contextlib
import ctypes
import itertools
import os
import re
import subprocess

import pytest

from process import WAIT, Program, assert_no_sanitizer_report

# Each ends all TCP to and from a host, and says so to it in its own way.
CUTS = ("down",       # its interface is taken down: the host knows at once that there is no route
        "blackhole")  # the switch drops everything: nobody is told anything

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21
NAMES = "/run/netns"

_numbers = itertools.count()
_refused = "without CAP_NET_ADMIN and CAP_SYS_ADMIN, only when such files are run alone"  # None: isolate() succeeded


class NoNamespaces(Exception):
    """Why no network namespaces can be made here."""


def _call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def has_rights():
    with open("/proc/self/status", encoding="ascii") as status:
        rights = int(re.search(r"^CapEff:\s*(\w+)$", status.read(), re.MULTILINE).group(1), 16)
    return all(rights >> one & 1 for one in (CAP_NET_ADMIN, CAP_SYS_ADMIN))


def _become_root():
    """Of a user namespace of our own, in which we are still ourselves to everybody outside."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET)  # ip comes back to our network: it must be ours, too
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    _run("ip", "link", "set", "lo", "up")


def isolate():
    """To be called once, before there are threads: gives this process a mount namespace of its own, and the right to
    make hosts. Does not fail; Network() says then why it cannot."""
    global _refused
    try:
        if has_rights():
            _call("unshare", CLONE_NEWNS)
        else:
            _become_root()
        _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        with contextlib.suppress(OSError):
            os.makedirs(NAMES, exist_ok=True)
        where = NAMES if os.path.isdir(NAMES) else "/run"
        _call("mount", b"none", where.encode(), b"tmpfs", 0, b"mode=0755")
        os.makedirs(NAMES, exist_ok=True)
        _refused = None
    except (OSError, NoNamespaces) as why:
        _refused = f"neither as this user nor in a user namespace of our own: {why}"


def _run(*words):
    try:
        done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=WAIT, check=False)
    except FileNotFoundError as missing:
        raise NoNamespaces(f"there is no `{missing.filename}`: install iproute2 and util-linux") from missing
    if done.returncode != 0:
        raise NoNamespaces(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def _within(space):
    """Not `ip netns exec`, nor `ip -n`: both mount /sys anew, which a container may refuse."""
    return ("nsenter", f"--net={NAMES}/{space}", "--")


def _ip(space, *words):
    return _run(*_within(space), "ip", *words)


class Host:
    """One namespace, with the address `address`; made by Network."""

    def __init__(self, network, number):
        self.network = network
        self.address = f"10.77.0.{number}"
        self.mac = f"02:00:0a:4d:00:{number:02x}"
        self.space = network.make(str(number))
        self.port = f"port{number}"  # its end of the wire at the switch
        self.prefix = ("setpriv", "--pdeathsig", "KILL", *_within(self.space))
        self.severed = None
        _ip(network.switch, "link", "add", self.port, "type", "veth",
            "peer", "name", "eth0", "address", self.mac, "netns", self.space)
        _ip(network.switch, "link", "set", self.port, "master", "switch", "up")
        _ip(self.space, "address", "add", f"{self.address}/24", "dev", "eth0")
        _ip(self.space, "link", "set", "lo", "up")
        _ip(self.space, "link", "set", "eth0", "up")

    def know(self, other):
        """Nobody has to ask for OTHER's hardware address, which would be a notice of its own in a blackhole."""
        _ip(self.space, "neigh", "replace", other.address, "lladdr", other.mac, "dev", "eth0", "nud", "permanent")

    def start(self, words, **keywords):
        """WORDS as a Program here, killed at the end of the test if it still runs."""
        program = Program([*self.prefix, *words], **keywords)
        self.network.programs.append(program)
        return program

    def cut(self, kind="blackhole"):
        assert kind in CUTS and self.severed is None, (kind, self.severed)
        if kind == "down":
            _ip(self.space, "link", "set", "eth0", "down")
        else:
            _ip(self.network.switch, "link", "set", self.port, "nomaster")
        self.severed = kind

    def heal(self):
        if self.severed == "down":
            _ip(self.space, "link", "set", "eth0", "up")
            for other in self.network.all:  # taking it down has made it forget
                if other is not self:
                    self.know(other)
        elif self.severed == "blackhole":
            _ip(self.network.switch, "link", "set", self.port, "master", "switch")
        self.severed = None


class Network:
    """A switch and the hosts at it. The addresses exist in these namespaces alone: tests may run side by side."""

    def __init__(self):
        self.made = []
        self.all = []
        self.programs = []
        self.name = f"tg{next(_numbers)}"
        if _refused:
            raise NoNamespaces(_refused)
        try:
            self.switch = self.make("switch")
            _ip(self.switch, "link", "add", "switch", "type", "bridge")
            _ip(self.switch, "link", "set", "switch", "up")
            self.hosts(2)  # which needs veth, too: better known now
        except BaseException:
            self.close()
            raise

    def make(self, name):
        space = f"{self.name}-{name}"
        _run("ip", "netns", "add", space)
        self.made.append(space)
        return space

    def hosts(self, count):
        """The first COUNT hosts."""
        while len(self.all) < count:
            new = Host(self, len(self.all) + 1)
            for other in self.all:
                other.know(new)
                new.know(other)
            self.all.append(new)
        return self.all[:count]

    def close(self):
        """Ends what was started here, then the namespaces; raises what a sanitizer said after all that."""
        said = ""
        for program in self.programs:
            if program.running():
                program.process.kill()
            program.process.wait()
            program.stderr.thread.join(WAIT)
            said += program.stderr.text()
        for name in self.made:
            subprocess.run(["ip", "netns", "delete", name], stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=WAIT, check=False)
        self.made = []
        assert_no_sanitizer_report(said)


@pytest.fixture
def network():
    """Name it before `site` in a test's arguments: the site's processes end while their network is there."""
    try:
        made = Network()
    except NoNamespaces as why:
        pytest.skip(f"no network namespaces here: {why}")
    try:
        yield made
    finally:
        made.close()
