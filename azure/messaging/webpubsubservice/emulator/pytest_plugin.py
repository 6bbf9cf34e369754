"""Two pytest fixtures: an emulator that is as new for every test, and a hub name of the test's own.

Switch it on with ``pytest_plugins = ["azure.messaging.webpubsubservice.emulator.pytest_plugin"]`` in ``conftest.py``.
One emulator serves a whole session, on a free port; under pytest-xdist each worker has its own.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator

import pytest

from . import WebPubSubEmulator

__all__ = ["webpubsub_emulator", "webpubsub_hub"]

_MAX_HUB = 128
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def _webpubsub_server() -> Iterator[WebPubSubEmulator]:
    with WebPubSubEmulator() as emulator:
        yield emulator


@pytest.fixture
def webpubsub_emulator(_webpubsub_server: WebPubSubEmulator) -> Iterator[WebPubSubEmulator]:
    """Give a running emulator without clients, faults or records; it is reset after the test."""
    _webpubsub_server.reset()
    yield _webpubsub_server
    _webpubsub_server.reset()


@pytest.fixture
def webpubsub_hub(request: pytest.FixtureRequest) -> str:
    """Give a hub name that no other test of the session has, also in other workers."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = re.sub(r"\W", "_", request.node.name, flags=re.ASCII)
    return f"h{next(_numbers)}_{worker}_{name}"[:_MAX_HUB]
