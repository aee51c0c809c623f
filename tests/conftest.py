"""Every test talks to the real binary: `server` is one for the module, `fresh_server` one for the test alone.

STILLPOINT_BIN names another binary; STILLPOINT_REPORTS a folder for the logs in which a sanitizer spoke;
STILLPOINT_DUMMY=1 replaces the server by one that answers 200 `{}` to everything (tests/api/test_operations.py uses it to
show that no test passes by accident).
"""
import os

import pytest

from tests.support.server import DummyServer, Server


def make(tmp_path_factory, **options):
    if os.environ.get("STILLPOINT_DUMMY"):
        return DummyServer()
    return Server(tmp_path_factory.mktemp("data"), **options).start()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = make(tmp_path_factory)
    yield running
    running.close()


@pytest.fixture
def fresh_server(tmp_path_factory):
    running = make(tmp_path_factory)
    yield running
    running.close()
