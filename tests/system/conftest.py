"""The one fixture: `site`, a short-named folder with everything a test starts in it."""

import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402  (the line above makes it findable)


def pytest_configure(config):
    del config
    if not os.environ.get("TAILGATE_BUILD"):
        pytest.exit("set TAILGATE_BUILD to the build directory (ctest does)", returncode=2)
    if not harness.TAILGATE.exists():
        pytest.exit(f"{harness.TAILGATE} is not there: build it first", returncode=2)


@pytest.fixture
def site():
    # pytest's own tmp_path is too long for a unix socket's 107 bytes.
    folder = tempfile.mkdtemp(prefix="tg", dir="/tmp")
    world = harness.Site(folder)
    try:
        yield world
    finally:
        try:
            world.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
