"""The fixture that all tests share: `site`, a short-named folder with everything a test starts in it."""

import contextlib
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402  (the line above makes it findable)
import hosts  # noqa: E402


def pytest_configure(config):
    del config
    if not os.environ.get("TAILGATE_BUILD"):
        pytest.exit("set TAILGATE_BUILD to the build directory (ctest does)", returncode=2)
    if not harness.TAILGATE.exists():
        pytest.exit(f"{harness.TAILGATE} is not there: build it first", returncode=2)


def pytest_collection_finish(session):
    """Tests on several hosts change what this process is, while it has no threads yet. Without the rights for that it
    becomes root of a user namespace, which is not for other tests: give their files alone then."""
    wanted = {item.path for item in session.items if "network" in getattr(item, "fixturenames", ())}
    if wanted and (hosts.has_rights() or wanted == {item.path for item in session.items}):
        hosts.isolate()


@contextlib.contextmanager
def new_site():
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


@pytest.fixture
def site():
    with new_site() as world:
        yield world


@pytest.fixture(scope="module")
def shared_site():
    """One for all tests of a file that disturb each other in nothing."""
    with new_site() as world:
        yield world
