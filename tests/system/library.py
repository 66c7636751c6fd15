"""Programs on the installed libtailgate: installed into a folder of the test, built with what pkg-config says."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, HERE, Program, environment

SOURCES = HERE / "library"


def cached(name):
    """A variable of the build under test."""
    found = re.search(rf"^{name}:[A-Z]+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    return found.group(1) if found else ""


def compiler():
    """The compiler of the build, and what makes its sanitizers understand what it makes."""
    sanitize = cached("TAILGATE_SANITIZE")
    return [cached("CMAKE_C_COMPILER") or "cc"] + ([f"-fsanitize={sanitize}"] if sanitize else [])


class Library:
    """An installed libtailgate, and programs that use it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.prefix = self.folder / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", self.prefix], check=True, capture_output=True)
        self.pc = next(self.prefix.rglob("tailgate.pc")).parent
        self.lib = self.pc.parent
        self.shared = self.lib / "libtailgate.so"
        self.static = self.lib / "libtailgate.a"
        self.made = {}

    def environment(self, **more):
        return environment(LD_LIBRARY_PATH=str(self.lib), **more)

    def pkg_config(self, *words):
        done = subprocess.run(["pkg-config", *words, "tailgate"], check=True, capture_output=True, text=True,
                              env={**os.environ, "PKG_CONFIG_PATH": str(self.pc)})
        return done.stdout.split()

    def build(self, source, *words):
        """SOURCE compiled and linked with the shared library; the same one once."""
        source = Path(source)
        if source not in self.made:
            program = self.folder / f"{source.parent.name}-{source.stem}"
            subprocess.run([*compiler(), "-std=c11", "-Wall", "-Wextra", "-Werror", "-g", source, "-o", program,
                            "-pthread", *self.pkg_config("--cflags", "--libs"), *words], check=True)
            self.made[source] = program
        return self.made[source]

    def run(self, name, *words, **keywords):
        """The program made of library/NAME.c, with its stderr read and its stdout as given."""
        return Program([self.build(SOURCES / f"{name}.c"), *words], env=self.environment(), **keywords)


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return Library(tmp_path_factory.mktemp("library"))
